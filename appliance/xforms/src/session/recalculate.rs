//! Keeping expressions up to date: what a change triggers, and running it.

use bolster_xpath::{DataSource, Datum, Name, NodeId, NodeList, TreeFlags};
use smallvec::SmallVec;

use super::Session;
use super::agenda::{Agenda, Pins};
use super::env::Op;
use super::journal::{Journal, Undo};
use crate::data;
use crate::definition::{ItemId, ItemKind, SchemaId, Trigger, lineage};
use crate::error::{FormCode, FormError};
use crate::flags;

type Nodes = SmallVec<[NodeId; 4]>;

impl Session {
    /// The entries a node belongs to, outermost first.
    pub(crate) fn pins(&self, node: NodeId) -> Pins {
        let mut pins = Pins::new();
        if self.def.schema[self.place(node) as usize].multiples.is_empty() {
            return pins;
        }
        let mut at = Some(node);
        while let Some(node) = at {
            if self.def.schema[self.place(node) as usize].multiple {
                pins.push(node);
            }
            at = self.tree.parent(node);
        }
        pins.reverse();
        pins
    }

    /// All nodes of a place within the entries given.
    pub(crate) fn expand(&self, place: SchemaId, pins: &[NodeId]) -> Nodes {
        let level = &self.def.schema[place as usize];
        if let Some(node) = level.fixed {
            return Nodes::from_slice(&[node]);
        }
        let pins = &pins[..pins.len().min(level.multiples.len())];
        let levels = lineage(&self.def.schema, place);
        let mut nodes = Nodes::new();
        let mut from = 0;
        match pins.last() {
            Some(&node) => {
                nodes.push(node);
                from = levels.iter().position(|l| *l == self.place(node)).unwrap_or(0) + 1;
            }
            None => {
                for (at, level) in levels.iter().enumerate().rev() {
                    if let Some(node) = self.def.schema[*level as usize].fixed {
                        nodes.push(node);
                        from = at + 1;
                        break;
                    }
                }
            }
        }
        for level in &levels[from..] {
            let level = &self.def.schema[*level as usize];
            let mut next = Nodes::new();
            for node in &nodes {
                self.named_below(*node, level.name, level.attribute, &mut next);
            }
            nodes = next;
        }
        nodes
    }

    fn named_below(&self, node: NodeId, name: Name, attribute: bool, out: &mut Nodes) {
        if attribute {
            out.extend(self.tree.attribute(node, name));
            return;
        }
        let mut found = NodeList::new();
        self.tree.children(node, name, &mut found);
        out.extend(found);
    }

    /// Marks what a change of `node` triggers; if the value is the same, only what must run all the same.
    pub(crate) fn trigger(&self, agenda: &mut Agenda, node: NodeId, changed: bool) {
        let triggers = &self.def.schema[self.place(node) as usize].triggers;
        if !triggers.is_empty() {
            self.mark(agenda, triggers, &self.pins(node), changed, None);
        }
    }

    fn mark(
        &self,
        agenda: &mut Agenda,
        triggers: &[Trigger],
        pins: &[NodeId],
        changed: bool,
        after: Option<ItemId>,
    ) {
        for trigger in triggers {
            let item = &self.def.items[trigger.item as usize];
            if (changed || item.always) && after.is_none_or(|after| trigger.item > after) {
                agenda.mark(&self.def, trigger.item, &pins[..pins.len().min(usize::from(trigger.tied))]);
            }
        }
    }

    /// Stores a value and brings up to date what depends on it.
    pub(crate) fn store(
        &mut self,
        op: &Op<'_>,
        node: NodeId,
        value: Datum,
        journal: &mut Journal,
    ) -> Result<(), FormError> {
        let changed = self.put(node, value, journal);
        let mut agenda = Agenda::new(&self.def);
        self.trigger(&mut agenda, node, changed);
        self.run(op, agenda, journal)
    }

    /// Stores a value; true if it is another one than before.
    fn put(&mut self, node: NodeId, value: Datum, journal: &mut Journal) -> bool {
        if *self.tree.datum(node) == value {
            return false;
        }
        let before = self.tree.set(node, value);
        journal.note(Undo::Value(node, before));
        true
    }

    pub(crate) fn recalculate_all(&mut self, op: &Op<'_>, journal: &mut Journal) -> Result<(), FormError> {
        self.run(op, Agenda::full(&self.def), journal)
    }

    /// Runs what waits, and what that triggers, in order.
    pub(crate) fn run(
        &mut self,
        op: &Op<'_>,
        mut agenda: Agenda,
        journal: &mut Journal,
    ) -> Result<(), FormError> {
        let def = self.def.clone();
        while let Some((number, pins)) = agenda.next(&def) {
            let item = &def.items[number as usize];
            for node in self.expand(item.target, &pins) {
                let changed = self.run_item(op, number, node, journal)?;
                if (changed || item.always) && !item.then.is_empty() {
                    let pins = self.pins(node);
                    self.mark(&mut agenda, &item.then, &pins, changed, Some(number));
                }
            }
        }
        Ok(())
    }

    /// Runs an item for one node; true if that changed anything others can see.
    fn run_item(
        &mut self,
        op: &Op<'_>,
        number: ItemId,
        node: NodeId,
        journal: &mut Journal,
    ) -> Result<bool, FormError> {
        let def = &self.def;
        let item = &def.items[number as usize];
        if item.kind == ItemKind::Calculate {
            let data_type = def.schema[item.target as usize].data_type;
            let result = self
                .eval(op, &item.expr, Some(node), |value, context| data::store(value, data_type, context));
            return match result {
                Ok(value) => Ok(self.put(node, value, journal)),
                Err(error) if self.excused(&error, node) => Ok(false),
                Err(error) => Err(self.item_error(number, &error)),
            };
        }
        let result = self.eval(op, &item.expr, Some(node), |value, context| value.to_boolean(context));
        let on = match result {
            Ok(on) => on,
            Err(error) if self.excused(&error, node) => return Ok(false),
            Err(error) => return Err(self.item_error(number, &error)),
        };
        let before = self.tree.flags(node);
        match item.kind {
            ItemKind::Relevant => {
                let was = before & TreeFlags::IRRELEVANT == 0;
                if was == on {
                    return Ok(false);
                }
                journal.note(Undo::Relevant(node, was));
                self.tree.set_relevant(node, on);
                Ok((before & flags::HIDDEN == 0) != self.tree.relevant(node))
            }
            ItemKind::Required => {
                if (before & flags::REQUIRED != 0) != on {
                    journal.note(Undo::Required(node, !on));
                    self.tree.set_flags(node, flags::REQUIRED, on);
                }
                Ok(false)
            }
            ItemKind::Readonly | ItemKind::Calculate => {
                if (before & flags::READONLY != 0) != on {
                    journal.note(Undo::Readonly(node, !on));
                    self.set_readonly(node, on);
                }
                Ok(false)
            }
        }
    }

    /// In a hidden part, a path that finds nothing because that part is hidden is no reason to refuse an answer.
    fn excused(&self, error: &bolster_xpath::Error, node: NodeId) -> bool {
        error.code == bolster_xpath::Code::EmptyPosition && !self.tree.relevant(node)
    }

    fn item_error(&self, number: ItemId, error: &bolster_xpath::Error) -> FormError {
        let item = &self.def.items[number as usize];
        let path = self.def.path(item.target);
        let kind = match item.kind {
            ItemKind::Calculate => "Calculation Error",
            _ => "Display Condition Error",
        };
        let prefix = format!("{kind}: Error in calculation for {path}");
        let mut out = FormError::of(error, item.expr.text(), &prefix);
        out.node = Some(path);
        out
    }

    /// Sets the own read-only flag of a node and passes it down.
    pub(crate) fn set_readonly(&mut self, node: NodeId, on: bool) {
        self.tree.set_flags(node, flags::READONLY, on);
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            let locked = self.tree.flags(node) & flags::LOCKED != 0;
            let below: Nodes = self.tree.attributes(node).chain(self.tree.child_nodes(node)).collect();
            for child in below {
                if (self.tree.flags(child) & flags::INHERITED_READONLY != 0) != locked {
                    self.tree.set_flags(child, flags::INHERITED_READONLY, locked);
                    pending.push(child);
                }
            }
        }
    }

    /// Refuses to grow beyond the limit.
    pub(crate) fn check_size(&self) -> Result<(), FormError> {
        let bound = self.def.limits.session_nodes;
        if self.tree.len() > bound {
            let message = format!("The form has grown beyond {bound} nodes (limit: session_nodes).");
            return Err(FormError::new(FormCode::Limit, message));
        }
        Ok(())
    }
}
