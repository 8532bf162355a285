//! A tree instance: an arena of elements and attributes with integer ids.

use std::collections::HashMap;
use std::sync::Arc;

use crate::names::{Name, Names};
use crate::source::{DataSource, NodeId, NodeList, NodeValue, SIBLINGS_A_STEP};

/// A stored value with its data type.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Datum {
    /// No value.
    #[default]
    Empty,
    /// Untyped or string.
    Text(Arc<str>),
    /// 32-bit whole number.
    Int(i32),
    /// 64-bit whole number.
    Long(i64),
    /// Decimal.
    Decimal(f64),
    /// Truth value.
    Boolean(bool),
    /// Local midnight of a day, in milliseconds since the epoch.
    Date(i64),
    /// An instant, in milliseconds since the epoch.
    DateTime(i64),
    /// `HH:MM:SS.mmm`.
    Time(Arc<str>),
    /// `lat lon alt acc`.
    Geopoint(Arc<str>),
    /// One choice.
    Choice(Arc<str>),
    /// Several choices, joined by one space.
    Choices(Arc<str>),
}

impl Datum {
    /// What expressions see.
    #[inline]
    pub fn view(&self) -> NodeValue<'_> {
        match self {
            Datum::Empty => NodeValue::Empty,
            Datum::Text(t) | Datum::Time(t) | Datum::Geopoint(t) | Datum::Choice(t) | Datum::Choices(t) => {
                NodeValue::Text(t)
            }
            Datum::Int(n) => NodeValue::Number(f64::from(*n)),
            Datum::Long(n) => NodeValue::Number(*n as f64),
            Datum::Decimal(n) => NodeValue::Number(*n),
            Datum::Boolean(b) => NodeValue::Boolean(*b),
            Datum::Date(ms) | Datum::DateTime(ms) => NodeValue::Date(*ms),
        }
    }

    /// Text, or [`Datum::Empty`] for the empty text.
    pub fn text(text: &str) -> Datum {
        if text.is_empty() { Datum::Empty } else { Datum::Text(text.into()) }
    }
}

/// Flags of a node; the ones above `OWNER` are free for the owner of the tree.
pub struct TreeFlags;

impl TreeFlags {
    /// An attribute.
    pub const ATTRIBUTE: u16 = 1;
    /// The template of a repeat: never a member, only structure.
    pub const TEMPLATE: u16 = 2;
    /// Hidden by its own relevance condition.
    pub const IRRELEVANT: u16 = 4;
    /// Hidden because something above is.
    pub const INHERITED_IRRELEVANT: u16 = 8;
    /// First of the bits that the owner may use.
    pub const OWNER: u16 = 16;
}

const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Slot {
    name: Name,
    flags: u16,
    parent: u32,
    first: u32,
    last: u32,
    next: u32,
    previous: u32,
    attributes: u32,
    /// How many element children there are.
    children: u32,
    data: Datum,
}

/// Children of elements with fewer than this are found by looking at all.
const CROWD: u32 = 12;

type OnlyChildren = HashMap<(u32, Name), u32, foldhash::fast::RandomState>;

/// An instance held as a tree. Node 0 is the outermost element.
///
/// Removed nodes are reused; an id is valid until its node, or one above it, is removed.
#[derive(Clone, Debug)]
pub struct Tree {
    names: Names,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Children of crowded elements that never have a sibling of their name.
    only: Option<Arc<OnlyChildren>>,
}

impl Tree {
    /// A tree of one element.
    pub fn new(names: &Names, root: Name) -> Self {
        let mut tree = Tree { names: names.clone(), slots: Vec::new(), free: Vec::new(), only: None };
        tree.allocate(root, 0, NONE);
        tree
    }

    fn allocate(&mut self, name: Name, flags: u16, parent: u32) -> u32 {
        let slot = Slot {
            name,
            flags,
            parent,
            first: NONE,
            last: NONE,
            next: NONE,
            previous: NONE,
            attributes: NONE,
            children: 0,
            data: Datum::Empty,
        };
        match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        }
    }

    #[inline]
    fn slot(&self, node: NodeId) -> &Slot {
        &self.slots[node.0 as usize]
    }

    #[inline]
    fn slot_mut(&mut self, node: NodeId) -> &mut Slot {
        &mut self.slots[node.0 as usize]
    }

    /// One more than the largest node id in use; for tables indexed by node.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Never: there is always an outermost element.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Adds an element as the last child.
    pub fn append(&mut self, parent: NodeId, name: Name) -> NodeId {
        self.insert(parent, name, None)
    }

    /// Adds an element before a child of `parent`, or as the last child.
    pub fn insert(&mut self, parent: NodeId, name: Name, before: Option<NodeId>) -> NodeId {
        let id = self.allocate(name, 0, parent.0 as u32);
        let inherited =
            self.slot(parent).flags & (TreeFlags::IRRELEVANT | TreeFlags::INHERITED_IRRELEVANT) != 0;
        if inherited {
            self.slots[id as usize].flags |= TreeFlags::INHERITED_IRRELEVANT;
        }
        let next = before.map_or(NONE, |n| n.0 as u32);
        let previous = match before {
            Some(node) => self.slot(node).previous,
            None => self.slot(parent).last,
        };
        self.slot_mut(parent).children += 1;
        self.slots[id as usize].next = next;
        self.slots[id as usize].previous = previous;
        match previous {
            NONE => self.slot_mut(parent).first = id,
            p => self.slots[p as usize].next = id,
        }
        match next {
            NONE => self.slot_mut(parent).last = id,
            n => self.slots[n as usize].previous = id,
        }
        NodeId(u64::from(id))
    }

    /// Adds an attribute after the others, or finds the one already there.
    pub fn add_attribute(&mut self, owner: NodeId, name: Name) -> NodeId {
        if let Some(found) = DataSource::attribute(self, owner, name) {
            return found;
        }
        let hidden = self.slot(owner).flags & (TreeFlags::IRRELEVANT | TreeFlags::INHERITED_IRRELEVANT) != 0;
        let flags = TreeFlags::ATTRIBUTE | if hidden { TreeFlags::INHERITED_IRRELEVANT } else { 0 };
        let id = self.allocate(name, flags, owner.0 as u32);
        match self.slot(owner).attributes {
            NONE => self.slot_mut(owner).attributes = id,
            mut last => {
                while self.slots[last as usize].next != NONE {
                    last = self.slots[last as usize].next;
                }
                self.slots[last as usize].next = id;
                self.slots[id as usize].previous = last;
            }
        }
        NodeId(u64::from(id))
    }

    /// Copies `source` of `from` with everything below (values and flags; not the template flag of `source` itself)
    /// to a place among the children of `parent`. `from` may be nothing for a copy within this tree.
    pub fn copy_subtree(&mut self, source: NodeId, parent: NodeId, before: Option<NodeId>) -> NodeId {
        let top = self.insert(parent, self.slot(source).name, before);
        let mut pending = vec![(source, top)];
        while let Some((old, new)) = pending.pop() {
            let keep = if old == source { !TreeFlags::TEMPLATE } else { !0 };
            let (flags, data) = (self.slot(old).flags & keep, self.slot(old).data.clone());
            let slot = self.slot_mut(new);
            slot.flags = flags | (slot.flags & TreeFlags::INHERITED_IRRELEVANT);
            slot.data = data;
            for attribute in self.attributes(old).collect::<Vec<_>>() {
                let (name, flags, data) = {
                    let slot = self.slot(attribute);
                    (slot.name, slot.flags, slot.data.clone())
                };
                let copy = self.add_attribute(new, name);
                let slot = self.slot_mut(copy);
                slot.flags |= flags;
                slot.data = data;
            }
            for child in self.child_nodes(old).collect::<Vec<_>>() {
                if child == top {
                    continue;
                }
                let copy = self.append(new, self.slot(child).name);
                pending.push((child, copy));
            }
        }
        top
    }

    /// Takes a node (element or attribute) away with everything below. The outermost element stays.
    pub fn remove(&mut self, node: NodeId) {
        let Slot { parent, next, previous, flags, .. } = *self.slot(node);
        if parent == NONE {
            return;
        }
        let attribute = flags & TreeFlags::ATTRIBUTE != 0;
        if !attribute {
            self.slots[parent as usize].children -= 1;
        }
        match previous {
            NONE if attribute => self.slots[parent as usize].attributes = next,
            NONE => self.slots[parent as usize].first = next,
            p => self.slots[p as usize].next = next,
        }
        match next {
            NONE if attribute => {}
            NONE => self.slots[parent as usize].last = previous,
            n => self.slots[n as usize].previous = previous,
        }
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            pending.extend(self.attributes(node));
            pending.extend(self.child_nodes(node));
            let slot = self.slot_mut(node);
            slot.data = Datum::Empty;
            slot.parent = NONE;
            slot.first = NONE;
            slot.attributes = NONE;
            slot.children = 0;
            self.free.push(node.0 as u32);
        }
    }

    /// Remembers children that have no sibling of their name and never will, so that they are found at once below
    /// elements with many children. The promise is the caller's; nodes that are taken away are noticed.
    pub fn promise_only(&mut self, children: impl IntoIterator<Item = NodeId>) {
        let mut only = OnlyChildren::default();
        for child in children {
            let slot = self.slot(child);
            let crowded = slot.parent != NONE && self.slots[slot.parent as usize].children >= CROWD;
            if crowded && slot.flags & (TreeFlags::ATTRIBUTE | TreeFlags::TEMPLATE) == 0 {
                only.insert((slot.parent, slot.name), child.0 as u32);
            }
        }
        only.shrink_to_fit();
        self.only = (!only.is_empty()).then(|| Arc::new(only));
    }

    /// The child of a crowded element that is known to be the only one of its name.
    #[inline]
    fn promised(&self, parent: &Slot, node: NodeId, name: Name) -> Option<u32> {
        if parent.children < CROWD {
            return None;
        }
        let child = *self.only.as_ref()?.get(&(node.0 as u32, name))?;
        let slot = &self.slots[child as usize];
        (u64::from(slot.parent) == node.0 && slot.name == name).then_some(child)
    }

    /// All element children, templates included.
    pub fn child_nodes(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.chain(self.slot(node).first)
    }

    /// All attributes.
    pub fn attributes(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.chain(self.slot(node).attributes)
    }

    fn chain(&self, first: u32) -> impl Iterator<Item = NodeId> + '_ {
        let step = |id: u32| (id != NONE).then_some(id);
        std::iter::successors(step(first), move |&id| step(self.slots[id as usize].next))
            .map(|id| NodeId(u64::from(id)))
    }

    /// The stored value.
    pub fn datum(&self, node: NodeId) -> &Datum {
        &self.slot(node).data
    }

    /// Stores a value and gives back the one before.
    pub fn set(&mut self, node: NodeId, data: Datum) -> Datum {
        std::mem::replace(&mut self.slot_mut(node).data, data)
    }

    /// The flags of a node.
    pub fn flags(&self, node: NodeId) -> u16 {
        self.slot(node).flags
    }

    /// Sets or clears flags, without looking at other nodes.
    pub fn set_flags(&mut self, node: NodeId, flags: u16, on: bool) {
        let slot = self.slot_mut(node);
        slot.flags = if on { slot.flags | flags } else { slot.flags & !flags };
    }

    /// Sets the own relevance of a node and passes it down to everything below.
    pub fn set_relevant(&mut self, node: NodeId, relevant: bool) {
        self.set_flags(node, TreeFlags::IRRELEVANT, !relevant);
        let hidden = TreeFlags::IRRELEVANT | TreeFlags::INHERITED_IRRELEVANT;
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            let on = self.slot(node).flags & hidden != 0;
            let below: Vec<_> = self.attributes(node).chain(self.child_nodes(node)).collect();
            for child in below {
                if (self.slot(child).flags & TreeFlags::INHERITED_IRRELEVANT != 0) != on {
                    self.set_flags(child, TreeFlags::INHERITED_IRRELEVANT, on);
                    pending.push(child);
                }
            }
        }
    }

    /// Whether the node is the template of a repeat.
    pub fn is_template(&self, node: NodeId) -> bool {
        self.slot(node).flags & TreeFlags::TEMPLATE != 0
    }

    fn structure_has(&self, node: NodeId, steps: &[(Option<Name>, bool)], touched: &mut u64) -> bool {
        let Some(&(name, attribute)) = steps.first() else { return true };
        if attribute {
            return steps.len() == 1;
        }
        if let Some(name) = name
            && let Some(only) = self.promised(self.slot(node), node, name)
        {
            *touched += 1;
            return self.structure_has(NodeId(u64::from(only)), &steps[1..], touched);
        }
        self.child_nodes(node).any(|child| {
            *touched += 1;
            name.is_none_or(|name| self.slot(child).name == name)
                && self.structure_has(child, &steps[1..], touched)
        })
    }
}

impl DataSource for Tree {
    fn names(&self) -> &Names {
        &self.names
    }

    fn root(&self) -> NodeId {
        NodeId(0)
    }

    fn parent(&self, node: NodeId) -> Option<NodeId> {
        let parent = self.slot(node).parent;
        (parent != NONE).then_some(NodeId(u64::from(parent)))
    }

    fn name(&self, node: NodeId) -> Name {
        self.slot(node).name
    }

    fn is_attribute(&self, node: NodeId) -> bool {
        self.slot(node).flags & TreeFlags::ATTRIBUTE != 0
    }

    fn position(&self, node: NodeId) -> usize {
        let Slot { name, mut previous, flags, .. } = *self.slot(node);
        if flags & TreeFlags::ATTRIBUTE != 0 {
            return 0;
        }
        let mut before = 0;
        while previous != NONE {
            let slot = &self.slots[previous as usize];
            before += usize::from(slot.name == name && slot.flags & TreeFlags::TEMPLATE == 0);
            previous = slot.previous;
        }
        before
    }

    fn children(&self, node: NodeId, name: Name, out: &mut NodeList) {
        let parent = self.slot(node);
        if let Some(only) = self.promised(parent, node, name) {
            out.push(NodeId(u64::from(only)));
            return;
        }
        let mut id = parent.first;
        while id != NONE {
            let slot = &self.slots[id as usize];
            if slot.name == name && slot.flags & TreeFlags::TEMPLATE == 0 {
                out.push(NodeId(u64::from(id)));
            }
            id = slot.next;
        }
    }

    #[inline]
    fn only_child(&self, node: NodeId, name: Name) -> Option<NodeId> {
        let parent = self.slot(node);
        if let Some(only) = self.promised(parent, node, name) {
            return Some(NodeId(u64::from(only)));
        }
        let mut found = None;
        let mut id = parent.first;
        while id != NONE {
            let slot = &self.slots[id as usize];
            if slot.name == name && slot.flags & TreeFlags::TEMPLATE == 0 {
                if found.is_some() {
                    return None;
                }
                found = Some(NodeId(u64::from(id)));
            }
            id = slot.next;
        }
        found
    }

    #[inline]
    fn passed(&self, node: NodeId, name: Name) -> u64 {
        let parent = self.slot(node);
        if u64::from(parent.children) < SIBLINGS_A_STEP || self.promised(parent, node, name).is_some() {
            return 0;
        }
        u64::from(parent.children) / SIBLINGS_A_STEP
    }

    fn all_children(&self, node: NodeId, out: &mut NodeList) {
        out.extend(self.child_nodes(node).filter(|&n| !self.is_template(n)));
    }

    fn child_at(&self, node: NodeId, name: Name, position: usize) -> Option<NodeId> {
        self.child_nodes(node).filter(|&n| self.slot(n).name == name && !self.is_template(n)).nth(position)
    }

    fn attribute(&self, node: NodeId, name: Name) -> Option<NodeId> {
        self.attributes(node).find(|&n| self.slot(n).name == name)
    }

    fn all_attributes(&self, node: NodeId, out: &mut NodeList) {
        out.extend(self.attributes(node));
    }

    #[inline]
    fn value(&self, node: NodeId) -> NodeValue<'_> {
        let slot = self.slot(node);
        if slot.first != NONE { NodeValue::Empty } else { slot.data.view() }
    }

    #[inline]
    fn relevant(&self, node: NodeId) -> bool {
        self.slot(node).flags & (TreeFlags::IRRELEVANT | TreeFlags::INHERITED_IRRELEVANT) == 0
    }

    fn has_path(&self, steps: &[(Option<Name>, bool)]) -> bool {
        self.has_path_counted(steps, &mut 0)
    }

    fn has_path_counted(&self, steps: &[(Option<Name>, bool)], touched: &mut u64) -> bool {
        let Some(&(name, attribute)) = steps.first() else { return true };
        !attribute
            && name.is_none_or(|name| name == self.slots[0].name)
            && self.structure_has(NodeId(0), &steps[1..], touched)
    }

    fn infers_numbers(&self) -> bool {
        true
    }
}
