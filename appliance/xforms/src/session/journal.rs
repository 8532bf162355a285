//! What an operation did, so that it can be undone.

use bolster_xpath::{Datum, NodeId};

use super::Session;

pub(crate) enum Undo {
    Value(NodeId, Datum),
    Relevant(NodeId, bool),
    Readonly(NodeId, bool),
    Required(NodeId, bool),
    Inserted(NodeId),
}

/// The changes of one operation, oldest first.
pub(crate) struct Journal {
    entries: Vec<Undo>,
    kept: bool,
}

impl Journal {
    pub fn new() -> Self {
        Journal { entries: Vec::new(), kept: true }
    }

    /// A journal that remembers nothing, for what is thrown away if it fails.
    pub fn off() -> Self {
        Journal { entries: Vec::new(), kept: false }
    }

    pub fn note(&mut self, undo: Undo) {
        if self.kept {
            self.entries.push(undo);
        }
    }
}

impl Session {
    /// Takes everything back.
    pub(crate) fn undo(&mut self, journal: Journal) {
        for undo in journal.entries.into_iter().rev() {
            match undo {
                Undo::Value(node, value) => {
                    self.tree.set(node, value);
                }
                Undo::Relevant(node, relevant) => self.tree.set_relevant(node, relevant),
                Undo::Readonly(node, on) => self.set_readonly(node, on),
                Undo::Required(node, on) => self.tree.set_flags(node, crate::flags::REQUIRED, on),
                Undo::Inserted(node) => self.tree.remove(node),
            }
        }
    }
}
