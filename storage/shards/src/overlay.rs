//! Rows that are durable in the log and not yet in redb.

use crate::effects::Op;
use crate::tables::Table;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row's place: table number, then key.
pub type RowKey = Vec<u8>;

/// What a row costs in memory besides its bytes, roughly.
const ROW_OVERHEAD_BYTES: usize = 96;

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
    /// Entries that touched it, roughly.
    pub entries: usize,
    /// Memory that the rows take, roughly.
    pub bytes: usize,
}

impl Generation {
    /// Adds a row or a removal.
    pub fn put(&mut self, row: RowKey, value: Option<Vec<u8>>) {
        let key_len = row.len() + ROW_OVERHEAD_BYTES;
        let value_len = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        self.bytes += value_len(&value);
        match self.rows.insert(row, value) {
            Some(old) => self.bytes -= value_len(&old),
            None => self.bytes += key_len,
        }
    }

    /// In the order of redb's tables.
    pub fn in_order(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.rows.iter().map(|(row, value)| (row.as_slice(), value.as_deref()))
    }
}

/// The rows of one shard on their way to redb.
#[derive(Debug, Default)]
pub struct Overlay {
    /// Being filled.
    pub active: Generation,
    /// Being written.
    pub frozen: Option<Arc<Generation>>,
    /// After a failure of redb: what it had committed and not yet made durable.
    pub replayed: Option<Arc<Generation>>,
    /// Every entry up to this position is in redb or in `replayed`.
    pub projected_lsn: u64,
    /// Rises when redb below has changed: a snapshot of an older epoch may lack rows.
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
    /// Nothing on its way, and redb holds everything up to a position.
    pub fn at(lsn: u64) -> Self {
        let active = Generation { upto_lsn: lsn, ..Generation::default() };
        Self { active, projected_lsn: lsn, ..Self::default() }
    }

    /// From the newest to the oldest.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = &Generation> {
        let layers = [Some(&self.active), self.frozen.as_deref(), self.replayed.as_deref()];
        layers.into_iter().flatten()
    }

    /// Looks a row up, newest first.
    pub fn get(&self, row: &[u8]) -> Found<'_> {
        match self.layers().find_map(|generation| generation.rows.get(row)) {
            Some(value) => Found::Here(value.as_deref()),
            None => Found::Unknown,
        }
    }

    /// Adds the rows of a batch.
    pub fn put(&mut self, op: Op) {
        self.active.put(row_key(op.table, &op.key), op.value);
    }

    /// Entries on their way.
    pub fn entries(&self) -> usize {
        self.active.entries + self.frozen.as_ref().map_or(0, |f| f.entries)
    }

    /// Memory that rows on their way take.
    pub fn bytes(&self) -> usize {
        self.active.bytes + self.frozen.as_ref().map_or(0, |f| f.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_written_again_counts_once() {
        let mut generation = Generation::default();
        let row = || row_key(Table::Forms, b"f");
        generation.put(row(), Some(vec![0; 1_000]));
        let once = generation.bytes;
        assert!(once > 1_000);
        generation.put(row(), Some(vec![0; 1_000]));
        assert_eq!(generation.bytes, once);
        generation.put(row(), None);
        assert_eq!(generation.bytes, once - 1_000);
    }
}
