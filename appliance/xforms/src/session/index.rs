//! Positions in a form.

use std::fmt;

use bolster_xpath::{DataSource, NodeId};
use smallvec::SmallVec;

use super::Session;
use crate::definition::{Element, ElementId, SchemaId, lineage};

/// The entry number of the position that stands for all entries of a repeat.
pub(crate) const JUNCTURE: i32 = -10;
/// The entry number of what is no repeat.
pub(crate) const NO_ENTRY: i32 = -1;

/// One level of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Level {
    /// Number among the siblings in the form.
    pub at: u32,
    /// Number of the entry, if it is a repeat.
    pub entry: i32,
}

pub(crate) type Levels = SmallVec<[Level; 4]>;

/// A position in a form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FormIndex {
    /// Before everything.
    Beginning,
    /// A group, an entry of a repeat, the slot of a new entry, or a question.
    At(Path),
    /// After everything.
    End,
}

/// The levels of a position, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(pub(crate) Levels);

impl FormIndex {
    /// Reads what [`fmt::Display`] prints.
    pub fn parse(text: &str) -> Option<FormIndex> {
        match text {
            "<" => return Some(FormIndex::Beginning),
            ">" => return Some(FormIndex::End),
            _ => {}
        }
        let mut levels = Levels::new();
        for level in text.split(',') {
            let (at, entry) = match level.split_once('_') {
                Some((at, entry)) => (at, entry.parse().ok()?),
                None => (level, NO_ENTRY),
            };
            levels.push(Level { at: at.parse().ok()?, entry });
        }
        Some(FormIndex::At(Path(levels)))
    }

    pub(crate) fn levels(&self) -> &[Level] {
        match self {
            FormIndex::At(Path(levels)) => levels,
            FormIndex::Beginning | FormIndex::End => &[],
        }
    }

    /// Whether this position lies inside `outer`, or is it.
    pub fn is_within(&self, outer: &FormIndex) -> bool {
        !self.levels().is_empty() && self.levels().starts_with(outer.levels())
    }
}

impl fmt::Display for FormIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormIndex::Beginning => f.write_str("<"),
            FormIndex::End => f.write_str(">"),
            FormIndex::At(Path(levels)) => {
                for (at, level) in levels.iter().enumerate() {
                    if at > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{}", level.at)?;
                    if level.entry != NO_ENTRY {
                        write!(f, "_{}", level.entry)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Entries of the repeats around a position.
pub(crate) type Entries = SmallVec<[(SchemaId, i32); 4]>;

impl Session {
    pub(crate) fn element(&self, id: ElementId) -> &Element {
        &self.def.elements[id as usize]
    }

    /// The elements at the numbers below `parent`.
    pub(crate) fn children_of(&self, parent: Option<ElementId>) -> &[ElementId] {
        parent.map_or(&self.def.top, |parent| &self.element(parent).children)
    }

    /// The elements from the outermost to the one denoted; nothing if the levels fit no element.
    pub(crate) fn elements_at(&self, levels: &[Level]) -> Option<SmallVec<[ElementId; 4]>> {
        let mut out = SmallVec::new();
        let mut parent = None;
        for level in levels {
            let id = *self.children_of(parent).get(level.at as usize)?;
            out.push(id);
            parent = Some(id);
        }
        (!out.is_empty()).then_some(out)
    }

    pub(crate) fn element_at(&self, levels: &[Level]) -> Option<ElementId> {
        self.elements_at(levels).and_then(|elements| elements.last().copied())
    }

    pub(crate) fn entries_at(&self, levels: &[Level]) -> Entries {
        let mut out = Entries::new();
        let mut parent = None;
        for level in levels {
            let Some(id) = self.children_of(parent).get(level.at as usize) else { break };
            let element = self.element(*id);
            if let (Some(_), Some(place)) = (element.repeat(), element.schema) {
                out.push((place, level.entry));
            }
            parent = Some(*id);
        }
        out
    }

    /// The node of a place, with the entries given and the first of everything else.
    pub(crate) fn node_at(&self, place: SchemaId, entries: &[(SchemaId, i32)]) -> Option<NodeId> {
        if let Some(node) = self.def.schema[place as usize].fixed {
            return Some(node);
        }
        let levels = lineage(&self.def.schema, place);
        let mut node = NodeId(0);
        for level in &levels[1..] {
            let own = &self.def.schema[*level as usize];
            node = match own.fixed {
                Some(node) => node,
                None if own.attribute => self.tree.attribute(node, own.name)?,
                None => {
                    let entry =
                        entries.iter().find(|(place, _)| place == level).map_or(0, |(_, entry)| *entry);
                    self.tree.child_at(node, own.name, usize::try_from(entry).ok()?)?
                }
            };
        }
        Some(node)
    }

    /// The node a position denotes; nothing if it does not exist (yet).
    pub(crate) fn node_of(&self, levels: &[Level]) -> Option<NodeId> {
        let place = self.element(self.element_at(levels)?).schema?;
        self.node_at(place, &self.entries_at(levels))
    }

    /// A reference as people read it: entries of repeats counted from 1.
    pub(crate) fn reference_of(&self, levels: &[Level]) -> String {
        let Some(place) = self.element_at(levels).and_then(|id| self.element(id).schema) else {
            return String::new();
        };
        let entries = self.entries_at(levels);
        let mut out = String::new();
        for level in lineage(&self.def.schema, place) {
            let own = &self.def.schema[level as usize];
            out.push('/');
            if own.attribute {
                out.push('@');
            }
            out.push_str(&self.def.names.text(own.name));
            if own.repeat {
                match entries.iter().find(|(place, _)| *place == level) {
                    Some((_, JUNCTURE)) => out.push_str("[juncture]"),
                    Some((_, entry)) => out.push_str(&format!("[{}]", entry.saturating_add(1))),
                    None => out.push_str("[1]"),
                }
            }
        }
        out
    }

    /// The position of the question bound at a reference, else of the first group or repeat bound there.
    pub fn index_of(&self, reference: &str) -> Option<FormIndex> {
        let place = self.place_at(reference)?;
        let mut numbers: Vec<i32> = Vec::new();
        for step in reference.trim().split('/').skip(1) {
            let number =
                step.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')?.parse::<i32>().ok());
            numbers.push(number.map_or(0, |n| n.saturating_sub(1)));
        }
        let mut found: Option<(bool, Levels)> = None;
        let mut pending: Vec<(Option<ElementId>, Levels)> = vec![(None, Levels::new())];
        while let Some((parent, levels)) = pending.pop() {
            for (at, id) in self.children_of(parent).iter().enumerate().rev() {
                let element = self.element(*id);
                let entry = match (element.repeat(), element.schema) {
                    (Some(_), Some(place)) => {
                        let depth = lineage(&self.def.schema, place).len() - 1;
                        numbers.get(depth).copied().unwrap_or(0)
                    }
                    _ => NO_ENTRY,
                };
                let mut own = levels.clone();
                own.push(Level { at: at as u32, entry });
                if !element.children.is_empty() {
                    pending.push((Some(*id), own.clone()));
                }
                if element.schema != Some(place) {
                    continue;
                }
                let question = element.question().is_some();
                // Inner positions come later in the form than outer ones; the first in the form counts.
                let better = match &found {
                    None => true,
                    Some((known, _)) if *known != question => question,
                    Some((_, known)) => precedes(&own, known),
                };
                if better {
                    found = Some((question, own));
                }
            }
        }
        found.map(|(_, levels)| FormIndex::At(Path(levels)))
    }
}

/// Whether one position comes before another in the form.
fn precedes(a: &[Level], b: &[Level]) -> bool {
    a.iter().map(|level| level.at).lt(b.iter().map(|level| level.at))
}
