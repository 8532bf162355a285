//! Interned element, attribute and property names.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// An interned name: equal exactly when the texts are equal, within one [`Names`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub u32);

#[derive(Default)]
struct Table {
    texts: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, Name, foldhash::fast::RandomState>,
}

/// A shared, append-only table of names. Clones are handles to the same table.
///
/// Expressions and the instances of one form share a table, so that a step compares two integers; where an
/// expression meets a data source with another table, names are translated once per step.
#[derive(Clone, Default)]
pub struct Names(Arc<RwLock<Table>>);

impl Names {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of `text`, added if it is new.
    pub fn intern(&self, text: &str) -> Name {
        if let Some(name) = self.get(text) {
            return name;
        }
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&name) = table.ids.get(text) {
            return name;
        }
        let name = Name(table.texts.len() as u32);
        let text: Arc<str> = text.into();
        table.texts.push(text.clone());
        table.ids.insert(text, name);
        name
    }

    /// The id of `text`, if it was ever interned.
    pub fn get(&self, text: &str) -> Option<Name> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).ids.get(text).copied()
    }

    /// The text of `name`; empty for a name of another table that is too large for this one.
    pub fn text(&self, name: Name) -> Arc<str> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.texts.get(name.0 as usize).cloned().unwrap_or_else(|| "".into())
    }

    /// The id that a name of another table has here.
    pub fn translated(&self, name: Name, other: &Names) -> Option<Name> {
        // One lock after the other: two tables may ask each other at once.
        self.get(&other.text(name))
    }

    /// Whether both handles mean the same table.
    pub fn same(&self, other: &Names) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many names the table holds.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).texts.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names({})", self.len())
    }
}
