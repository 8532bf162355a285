//! Stepping through a form.

use bolster_xpath::{DataSource, NodeId};

use super::Session;
use super::env::Op;
use super::index::{FormIndex, JUNCTURE, Level, Levels, NO_ENTRY, Path};
use crate::data;
use crate::definition::{ElementId, ItemKind};
use crate::error::{FormCode, FormError};
use crate::host::FormHost;

/// What kind of thing a position denotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Question,
    Group,
    Entry,
    NewEntry,
    Juncture,
}

impl Session {
    fn is_repeat(&self, id: ElementId) -> bool {
        self.element(id).repeat().is_some()
    }

    /// A level that enters an element for the first time.
    fn first(&self, parent: Option<ElementId>, at: usize) -> Option<(Level, ElementId)> {
        let id = *self.children_of(parent).get(at)?;
        let entry = match (self.is_repeat(id), self.juncture) {
            (false, _) => NO_ENTRY,
            (true, false) => 0,
            (true, true) => JUNCTURE,
        };
        Some((Level { at: at as u32, entry }, id))
    }

    pub(crate) fn kind(&self, levels: &[Level]) -> Option<Kind> {
        let element = self.element(self.element_at(levels)?);
        if element.question().is_some() {
            return Some(Kind::Question);
        }
        if element.repeat().is_none() {
            return Some(Kind::Group);
        }
        Some(match levels.last()?.entry {
            JUNCTURE if self.juncture => Kind::Juncture,
            _ if self.node_of(levels).is_none() && !self.juncture => Kind::NewEntry,
            _ => Kind::Entry,
        })
    }

    /// The next position in the form, relevant or not; nothing at its end.
    fn following(&self, mut levels: Levels, mut descend: bool) -> Option<Levels> {
        let mut leave = false;
        let elements = self.elements_at(&levels).unwrap_or_default();
        let last = elements.last().copied();
        let question = last.is_some_and(|id| self.element(id).question().is_some());
        if !question {
            if let (Some(id), Some(level)) = (last, levels.last())
                && self.is_repeat(id)
            {
                let none =
                    if self.juncture { level.entry == JUNCTURE } else { self.node_of(&levels).is_none() };
                if none {
                    descend = false;
                    leave = true;
                }
            }
            if descend && let Some((level, _)) = self.first(last, 0) {
                levels.push(level);
                return Some(levels);
            }
        }
        while let Some(level) = levels.pop() {
            let depth = levels.len();
            if !leave && self.is_repeat(elements[depth]) {
                let entry = if self.juncture { JUNCTURE } else { level.entry.saturating_add(1) };
                levels.push(Level { at: level.at, entry });
                return Some(levels);
            }
            let parent = depth.checked_sub(1).map(|at| elements[at]);
            if let Some((next, _)) = self.first(parent, level.at as usize + 1) {
                levels.push(next);
                return Some(levels);
            }
            leave = false;
        }
        None
    }

    /// The position before, relevant or not; nothing at the beginning.
    fn preceding(&self, mut levels: Levels) -> Option<Levels> {
        let elements = self.elements_at(&levels).unwrap_or_default();
        let mut element = None;
        if let Some(level) = levels.pop() {
            let depth = levels.len();
            let parent = depth.checked_sub(1).map(|at| elements[at]);
            let repeat = self.is_repeat(elements[depth]);
            if self.juncture && repeat && level.entry != JUNCTURE {
                levels.push(Level { entry: JUNCTURE, ..level });
                return Some(levels);
            }
            if !self.juncture && level.entry > 0 {
                levels.push(Level { entry: level.entry - 1, ..level });
                element = Some(elements[depth]);
            } else if level.at > 0 {
                let (before, id) = self.first(parent, level.at as usize - 1)?;
                levels.push(before);
                element = Some(id);
                if self.last_entry(&mut levels, id) {
                    return Some(levels);
                }
            } else {
                return (!levels.is_empty()).then_some(levels);
            }
        }
        loop {
            if element.is_some_and(|id| self.element(id).question().is_some()) {
                return Some(levels);
            }
            let count = self.children_of(element).len();
            let Some((level, id)) = count.checked_sub(1).and_then(|at| self.first(element, at)) else {
                return (!levels.is_empty()).then_some(levels);
            };
            levels.push(level);
            element = Some(id);
            if self.last_entry(&mut levels, id) {
                return Some(levels);
            }
        }
    }

    /// Going back into a repeat begins at the slot after its last entry.
    fn last_entry(&self, levels: &mut Levels, id: ElementId) -> bool {
        if !self.is_repeat(id) {
            return false;
        }
        let count = if self.juncture { JUNCTURE } else { self.entry_count(levels) };
        if let Some(level) = levels.last_mut() {
            level.entry = count;
        }
        true
    }

    /// How many entries the repeat at a position has.
    pub(crate) fn entry_count(&self, levels: &[Level]) -> i32 {
        let Some(place) = self.element_at(levels).and_then(|id| self.element(id).schema) else { return 0 };
        let own = &self.def.schema[place as usize];
        let Some(parent) = own.parent else { return 0 };
        let Some(node) = self.node_at(parent, &self.entries_at(levels)) else { return 0 };
        let mut found = bolster_xpath::NodeList::new();
        self.tree.children(node, own.name, &mut found);
        i32::try_from(found.len()).unwrap_or(i32::MAX)
    }

    /// Whether the walk stops at a position.
    pub(crate) fn is_relevant(&self, op: &Op<'_>, levels: &[Level]) -> Result<bool, FormError> {
        let relevant = match self.kind(levels) {
            None => false,
            Some(Kind::NewEntry) => self.is_repeat_relevant(op, levels)? && self.can_create(op, levels)?,
            Some(Kind::Juncture) => self.is_repeat_relevant(op, levels)?,
            Some(_) => match self.element_at(levels).map(|id| self.element(id).schema) {
                // A trigger that is only text.
                Some(None) => true,
                _ => self.node_of(levels).is_some_and(|node| self.tree.relevant(node)),
            },
        };
        let above = (1..levels.len())
            .all(|depth| self.node_of(&levels[..depth]).is_some_and(|node| self.tree.relevant(node)));
        Ok(relevant && above)
    }

    /// Whether entries of the repeat at a position would be relevant.
    fn is_repeat_relevant(&self, op: &Op<'_>, levels: &[Level]) -> Result<bool, FormError> {
        let Some(place) = self.element_at(levels).and_then(|id| self.element(id).schema) else {
            return Ok(false);
        };
        let own = &self.def.schema[place as usize];
        let entries = self.entries_at(levels);
        let Some(parent) = own.parent.and_then(|parent| self.node_at(parent, &entries)) else {
            return Ok(false);
        };
        let items = self.def.items.iter().rev();
        let mut conditions = items.filter(|i| i.target == place && i.kind == ItemKind::Relevant);
        if let (Some(condition), Some(template)) = (conditions.next(), self.template_of(parent, place)) {
            let relevant = self.eval(op, &condition.expr, Some(template), |value, cx| value.to_boolean(cx));
            let prefix =
                format!("Display Condition Error: Error in calculation for {}", self.def.path(place));
            if !relevant.map_err(|e| FormError::of(&e, condition.expr.text(), &prefix))? {
                return Ok(false);
            }
        }
        Ok(self.tree.relevant(parent))
    }

    /// The template of a repeat below the node that holds its entries.
    pub(crate) fn template_of(&self, parent: NodeId, place: u32) -> Option<NodeId> {
        let name = self.def.schema[place as usize].name;
        self.tree.child_nodes(parent).find(|c| self.tree.is_template(*c) && self.tree.name(*c) == name)
    }

    /// The number in the node that counts the entries of a repeat; nothing if the repeat is not counted.
    pub(crate) fn wanted_count(&self, op: &Op<'_>, levels: &[Level]) -> Result<Option<i32>, FormError> {
        let Some(id) = self.element_at(levels) else { return Ok(None) };
        let Some((path, place)) = self.element(id).repeat().and_then(|repeat| repeat.count.as_ref()) else {
            return Ok(None);
        };
        let entries = self.entries_at(levels);
        let Some(node) = place.and_then(|place| self.node_at(place, &entries)) else {
            let message = format!(
                "Could not find the location {path} where the repeat at {} is looking for its count",
                self.reference_of(levels)
            );
            return Err(FormError::new(FormCode::Expression(bolster_xpath::Code::Type), message));
        };
        let text = data::text(self.tree.datum(node), op.host);
        match data::cast(&text, data::DataType::Int, op.host) {
            Ok(bolster_xpath::Datum::Int(count)) => Ok(Some(count)),
            Ok(_) => Ok(Some(0)),
            Err(_) => {
                let message = format!("The repeat count value \"{text}\" at {path} must be a number!");
                Err(FormError::new(FormCode::Expression(bolster_xpath::Code::Type), message))
            }
        }
    }

    pub(crate) fn can_create(&self, op: &Op<'_>, levels: &[Level]) -> Result<bool, FormError> {
        let Some(repeat) = self.element_at(levels).and_then(|id| self.element(id).repeat()) else {
            return Ok(false);
        };
        if !repeat.fixed {
            return Ok(true);
        }
        let entry = levels.last().map_or(0, |level| level.entry);
        Ok(self.wanted_count(op, levels)?.is_some_and(|count| entry < count))
    }

    /// The next (or previous) position that is relevant. Entries of counted repeats are made on arrival.
    pub(crate) fn adjacent(
        &mut self,
        op: &Op<'_>,
        index: &FormIndex,
        forward: bool,
        expand: bool,
    ) -> Result<FormIndex, FormError> {
        let mut levels = match (index, forward) {
            (FormIndex::End, true) | (FormIndex::Beginning, false) => return Ok(index.clone()),
            (FormIndex::At(Path(levels)), _) => levels.clone(),
            _ => Levels::new(),
        };
        if !levels.is_empty() && self.elements_at(&levels).is_none() {
            return Err(FormError::new(FormCode::Index, format!("There is nothing at {index}.")));
        }
        let mut descend = true;
        for _ in 0..self.def.limits.positions {
            let next = if forward { self.following(levels, descend) } else { self.preceding(levels) };
            let Some(next) = next else {
                return Ok(if forward { FormIndex::End } else { FormIndex::Beginning });
            };
            let relevant = self.is_relevant(op, &next)?;
            if relevant {
                if expand {
                    self.make_counted(op, &next)?;
                }
                return Ok(FormIndex::At(Path(next)));
            }
            descend = self.kind(&next) != Some(Kind::Group);
            levels = next;
        }
        let message =
            format!("The form has more than {} positions (limit: positions).", self.def.limits.positions);
        Err(FormError::new(FormCode::Limit, message))
    }

    /// Makes the entry at a position if the count of its repeat asks for it.
    pub(crate) fn make_counted(&mut self, op: &Op<'_>, levels: &[Level]) -> Result<(), FormError> {
        let counted =
            self.element_at(levels).and_then(|id| self.element(id).repeat()).map(|r| r.count.is_some());
        if counted != Some(true) {
            return Ok(());
        }
        let entry = levels.last().map_or(0, |level| level.entry);
        match self.wanted_count(op, levels)? {
            // Entries are made one after the other.
            Some(count) if entry < count && entry == self.entry_count(levels) => {
                self.insert_entry(op, levels)
            }
            _ => Ok(()),
        }
    }

    /// Goes to a position, relevant or not.
    pub fn go_to(&mut self, index: &FormIndex, host: &dyn FormHost) -> Result<(), FormError> {
        if let FormIndex::At(Path(levels)) = index {
            if self.elements_at(levels).is_none() {
                return Err(FormError::new(FormCode::Index, format!("There is nothing at {index}.")));
            }
            if self.current != *index {
                let op = Op::new(host, self);
                self.make_counted(&op, levels)?;
            }
        }
        self.current = index.clone();
        Ok(())
    }

    /// Goes to the next relevant position.
    pub fn step(&mut self, host: &dyn FormHost) -> Result<(), FormError> {
        let op = Op::new(host, self);
        let from = self.current.clone();
        self.current = self.adjacent(&op, &from, true, true)?;
        Ok(())
    }

    /// Goes to the previous relevant position.
    pub fn step_back(&mut self, host: &dyn FormHost) -> Result<(), FormError> {
        let op = Op::new(host, self);
        let from = self.current.clone();
        self.current = self.adjacent(&op, &from, false, false)?;
        Ok(())
    }

    /// All relevant positions from the beginning to the end, without going there.
    pub fn positions(&mut self, host: &dyn FormHost) -> Result<Vec<FormIndex>, FormError> {
        let op = Op::new(host, self);
        let mut out = Vec::new();
        let mut index = FormIndex::Beginning;
        while out.len() < self.def.limits.positions {
            index = self.adjacent(&op, &index, true, true)?;
            if index == FormIndex::End {
                return Ok(out);
            }
            out.push(index.clone());
        }
        let message =
            format!("The form has more than {} positions (limit: positions).", self.def.limits.positions);
        Err(FormError::new(FormCode::Limit, message))
    }

    /// The relevant questions of the field-list at the current position.
    pub fn screen(&mut self, host: &dyn FormHost) -> Result<Vec<FormIndex>, FormError> {
        let op = Op::new(host, self);
        let outer = self.current.clone();
        match self.kind(outer.levels()) {
            Some(Kind::Question) => return Ok(vec![outer]),
            Some(Kind::Group) if self.is_field_list(outer.levels()) => {}
            _ => {
                return Err(FormError::new(
                    FormCode::Index,
                    format!(
                        "Cannot get question prompts from a non-field-list group at index {outer} for form {}",
                        self.def.title().unwrap_or_default()
                    ),
                ));
            }
        }
        let mut out = Vec::new();
        let mut index = outer.clone();
        while out.len() < self.def.limits.positions {
            index = self.adjacent(&op, &index, true, true)?;
            if !index.is_within(&outer) {
                break;
            }
            if self.kind(index.levels()) == Some(Kind::Question) {
                out.push(index.clone());
            }
        }
        Ok(out)
    }

    /// Whether the group at a position shows all its questions at once.
    pub(crate) fn is_field_list(&self, levels: &[Level]) -> bool {
        let element = self.element_at(levels).map(|id| self.element(id));
        element.is_some_and(|e| {
            e.repeat().is_none()
                && e.appearance.as_deref().is_some_and(|a| a.eq_ignore_ascii_case("field-list"))
        })
    }
}
