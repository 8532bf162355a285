//! Rows that are durable in the log and not yet in redb.

use crate::effects::Op;
use crate::tables::Table;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row's place: table number, then key.
pub type RowKey = Vec<u8>;

/// Table number and key as one.
pub fn row_key(table: Table, key: &[u8]) -> RowKey {
    let mut out = Vec::with_capacity(1 + key.len());
    out.push(table as u8);
    out.extend_from_slice(key);
    out
}

/// Rows that go to redb together; the last write of a row counts.
#[derive(Debug, Default)]
pub struct Generation {
    /// Rows and removals.
    pub rows: BTreeMap<RowKey, Option<Vec<u8>>>,
    /// Every entry up to this position is in here or in redb.
    pub upto_lsn: u64,
    /// Entries that touched it, roughly: the measure of its size.
    pub entries: usize,
}

/// The rows of one shard on their way to redb.
#[derive(Debug, Default)]
pub struct Overlay {
    /// Being filled.
    pub active: Generation,
    /// Being written.
    pub frozen: Option<Arc<Generation>>,
    /// Rises when a frozen generation has become part of redb.
    pub epoch: u64,
}

/// What an overlay knows of a row.
pub enum Found<'a> {
    /// It is this, or it is gone.
    Here(Option<&'a [u8]>),
    /// Ask redb.
    Unknown,
}

impl Overlay {
    /// Looks a row up, newest first.
    pub fn get(&self, row: &[u8]) -> Found<'_> {
        let generations = [Some(&self.active), self.frozen.as_deref()];
        for generation in generations.into_iter().flatten() {
            if let Some(value) = generation.rows.get(row) {
                return Found::Here(value.as_deref());
            }
        }
        Found::Unknown
    }

    /// Adds the rows of a batch.
    pub fn put(&mut self, op: Op) {
        self.active.rows.insert(row_key(op.table, &op.key), op.value);
    }

    /// Entries on their way.
    pub fn entries(&self) -> usize {
        self.active.entries + self.frozen.as_ref().map_or(0, |f| f.entries)
    }
}
