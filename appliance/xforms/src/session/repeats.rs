//! Entries of repeats: making and deleting them.

use bolster_xpath::{DataSource, NodeId, TreeFlags};

use super::Session;
use super::agenda::Agenda;
use super::env::Op;
use super::index::{FormIndex, Level, Path};
use super::journal::{Journal, Undo};
use super::walk::Kind;
use crate::definition::{Event, ItemId, SchemaId};
use crate::error::{FormCode, FormError};
use crate::flags;
use crate::host::FormHost;

fn no_slot(index: &FormIndex) -> FormError {
    FormError::new(FormCode::Index, format!("There is no slot for a new entry at {index}."))
}

impl Session {
    /// Makes the entry at the slot `index`, which becomes the current position.
    pub fn new_repeat(&mut self, index: &FormIndex, host: &dyn FormHost) -> Result<(), FormError> {
        let FormIndex::At(Path(levels)) = index else { return Err(no_slot(index)) };
        let slot = matches!(self.kind(levels), Some(Kind::NewEntry | Kind::Entry));
        let next = levels.last().is_some_and(|level| level.entry == self.entry_count(levels));
        if !slot || !next || self.node_of(levels).is_some() {
            return Err(no_slot(index));
        }
        let op = Op::new(host, self);
        self.insert_entry(&op, levels)?;
        self.current = index.clone();
        Ok(())
    }

    /// Makes an entry; leaves everything as it was if that fails.
    pub(crate) fn insert_entry(&mut self, op: &Op<'_>, levels: &[Level]) -> Result<(), FormError> {
        let mut journal = Journal::new();
        let result = self.insert_inner(op, levels, &mut journal);
        if result.is_err() {
            self.undo(journal);
        }
        result
    }

    fn insert_inner(
        &mut self,
        op: &Op<'_>,
        levels: &[Level],
        journal: &mut Journal,
    ) -> Result<(), FormError> {
        self.check_size()?;
        let missing = || FormError::new(FormCode::Index, "There is no place for a new entry here.");
        let place = self.element_at(levels).and_then(|id| self.element(id).schema).ok_or_else(missing)?;
        let holder = self.def.schema[place as usize].parent.ok_or_else(missing)?;
        let parent = self.node_at(holder, &self.entries_at(levels)).ok_or_else(missing)?;
        let template = self.template_of(parent, place).ok_or_else(missing)?;
        let name = self.def.schema[place as usize].name;
        let mut last = template;
        let mut end = self.tree.flags(template) & flags::FLOATING != 0;
        for child in self.tree.child_nodes(parent) {
            if self.tree.name(child) == name && !self.tree.is_template(child) {
                last = child;
                end = false;
            }
        }
        if end {
            last = self.tree.child_nodes(parent).last().unwrap_or(last);
        }
        let entry = self.copy_entry(template, parent, last);
        journal.note(Undo::Inserted(entry));
        self.float_templates(entry);
        let done = self.run_insert_actions(op, entry, journal)?;
        let mut agenda = Agenda::new(&self.def);
        let pins = self.pins(entry);
        self.structure_changed(&mut agenda, place, &pins);
        for (number, item) in self.def.items.iter().enumerate() {
            if self.is_below(item.target, place) && !done.contains(&(number as ItemId)) {
                agenda.mark(&self.def, number as ItemId, &pins);
            }
        }
        self.run(op, agenda, journal)
    }

    /// Copies a template to the place after `after`.
    pub(crate) fn copy_entry(&mut self, template: NodeId, parent: NodeId, after: NodeId) -> NodeId {
        let mut next = None;
        let mut seen = false;
        for child in self.tree.child_nodes(parent) {
            if seen {
                next = Some(child);
                break;
            }
            seen = child == after;
        }
        let entry = self.tree.copy_subtree(template, parent, next);
        self.places.resize(self.tree.capacity(), 0);
        // The copy has the shape of the template: both are walked side by side.
        let mut pending = vec![(template, entry)];
        while let Some((old, new)) = pending.pop() {
            self.places[new.0 as usize] = self.places[old.0 as usize];
            for (old, new) in self.tree.attributes(old).zip(self.tree.attributes(new)) {
                self.places[new.0 as usize] = self.places[old.0 as usize];
            }
            pending.extend(self.tree.child_nodes(old).zip(self.tree.child_nodes(new)));
        }
        let above = self.tree.flags(parent);
        self.tree.set_relevant(entry, self.tree.flags(entry) & TreeFlags::IRRELEVANT == 0);
        self.tree.set_flags(entry, flags::INHERITED_READONLY, above & flags::LOCKED != 0);
        let own = self.tree.flags(entry) & flags::READONLY != 0;
        self.set_readonly(entry, own);
        entry
    }

    /// Entries made here have no templates of their own in the original, which shows in the order of their children.
    fn float_templates(&mut self, entry: NodeId) {
        let mut pending = vec![entry];
        while let Some(node) = pending.pop() {
            for child in self.tree.child_nodes(node).collect::<Vec<_>>() {
                if self.tree.is_template(child) {
                    self.tree.set_flags(child, flags::FLOATING, true);
                } else {
                    pending.push(child);
                }
            }
        }
    }

    /// Whether a place is another one or lies below it.
    fn is_below(&self, place: SchemaId, outer: SchemaId) -> bool {
        let mut at = Some(place);
        while let Some(place) = at {
            if place == outer {
                return true;
            }
            at = self.def.schema[place as usize].parent;
        }
        false
    }

    /// Runs the actions of insertion; the items that they triggered directly.
    fn run_insert_actions(
        &mut self,
        op: &Op<'_>,
        entry: NodeId,
        journal: &mut Journal,
    ) -> Result<Vec<ItemId>, FormError> {
        let def = self.def.clone();
        let mut done = Vec::new();
        for action in def.actions_on(Event::Insert) {
            let action = &def.actions[*action as usize];
            if !self.is_below(action.target, self.place(entry)) {
                continue;
            }
            if self.run_action(op, action, Some(entry), journal)? {
                let triggers = &def.schema[action.target as usize].triggers;
                done.extend(triggers.iter().map(|trigger| trigger.item));
            }
        }
        Ok(done)
    }

    /// Marks what reads the entries of a repeat, or anything in them, from outside of the entry given by `pins`.
    fn structure_changed(&self, agenda: &mut Agenda, place: SchemaId, pins: &[NodeId]) {
        let outer = self.def.schema[place as usize].multiples.len().saturating_sub(1);
        let mut pending = vec![place];
        while let Some(at) = pending.pop() {
            let level = &self.def.schema[at as usize];
            for trigger in &level.triggers {
                let tied = usize::from(trigger.tied);
                // What reads its own entry is run for new entries anyway, and is gone with deleted ones.
                if tied <= outer || at == place {
                    agenda.mark(&self.def, trigger.item, &pins[..pins.len().min(tied).min(outer)]);
                }
            }
            pending.extend(&level.children);
        }
    }

    /// Deletes the entry around a position. Its index becomes the current one; it may now denote the next entry or
    /// the slot for a new one.
    pub fn delete_repeat(&mut self, index: &FormIndex, host: &dyn FormHost) -> Result<(), FormError> {
        let none = || FormError::new(FormCode::Index, format!("There is no entry around {index}."));
        let levels = index.levels();
        let elements = self.elements_at(levels).ok_or_else(none)?;
        let depth = elements.iter().rposition(|id| self.element(*id).repeat().is_some()).ok_or_else(none)?;
        let levels = &levels[..=depth];
        let entry = self.node_of(levels).ok_or_else(none)?;
        let place = self.place(entry);
        let before = (self.tree.clone(), self.places.clone());
        let pins = self.pins(entry);
        let op = Op::new(host, self);
        self.tree.remove(entry);
        let mut agenda = Agenda::new(&self.def);
        self.structure_changed(&mut agenda, place, &pins);
        if let Err(error) = self.run(&op, agenda, &mut Journal::off()) {
            (self.tree, self.places) = before;
            return Err(error);
        }
        self.current = FormIndex::At(Path(levels.into()));
        Ok(())
    }
}
