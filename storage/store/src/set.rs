//! The shards of a store together: routing, reading through the overlays, merging scans.

use crate::read::{Rows, ScanRange, StoreError};
use bolster_changelog::LogReader;
use bolster_env::Env;
use bolster_shards::overlay::{Found, Overlay, row_key};
use bolster_shards::{Op, Shard, ShardError, Snapshot, Table, shard_of};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Rows and removals by key; in a batch, by table number and key.
type Pending = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The shards of one generation of the store's layout.
pub struct ShardSet {
    /// In order of index.
    pub shards: Vec<Arc<Shard>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// File of a shard.
pub fn shard_path(dir: &Path, generation: u64, index: usize) -> PathBuf {
    dir.join(format!("g{generation:04}-{index:03}.redb"))
}

/// Generation of a shard's file, or of one that was put aside; `None` for any other name.
pub fn shard_generation(path: &Path) -> Option<u64> {
    if !path.extension().is_some_and(|e| e == "redb" || e == "damaged") {
        return None;
    }
    let (generation, index) = path.file_stem()?.to_str()?.strip_prefix('g')?.split_once('-')?;
    index.parse::<u16>().ok()?;
    generation.parse().ok()
}

impl ShardSet {
    /// Opens the files and fills each from the log up to a position (0: not at all).
    pub fn open(
        env: &Env,
        dir: &Path,
        (generation, count): (u64, usize),
        cache_bytes: usize,
        log: &LogReader,
    ) -> Result<Self, ShardError> {
        env.disk.create_dir_all(dir)?;
        let open = |index| {
            let path = shard_path(dir, generation, index);
            Shard::open(env, &path, (index, count), cache_bytes, log.clone()).map(Arc::new)
        };
        let shards = (0..count).map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { shards, threads: Mutex::new(Vec::new()) })
    }

    /// Fills the shards that are behind from the log up to a position, each on a thread of its own.
    pub fn catch_up(&self, upto_lsn: u64) -> Result<(), ShardError> {
        std::thread::scope(|scope| {
            let mut running = Vec::new();
            for shard in &self.shards {
                if shard.applied()? < upto_lsn {
                    running.push(scope.spawn(|| shard.catch_up(upto_lsn)));
                }
            }
            running.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    /// Starts the projectors.
    pub fn start(&self) -> std::io::Result<()> {
        let mut threads = self.threads.lock().unwrap_or_else(|e| e.into_inner());
        for (index, shard) in self.shards.iter().enumerate() {
            threads.push(shard.start(format!("projector-{index}"))?);
        }
        Ok(())
    }

    /// Stops the projectors and waits for them.
    pub fn stop(&self) {
        self.shards.iter().for_each(|shard| shard.stop());
        for thread in std::mem::take(&mut *self.threads.lock().unwrap_or_else(|e| e.into_inner())) {
            if thread.join().is_err() {
                tracing::error!("a projector ended by a panic");
            }
        }
    }

    /// Waits until every shard has room for more rows.
    pub fn wait_for_room(&self, wait: Duration) -> Result<(), ShardError> {
        self.shards.iter().try_for_each(|shard| shard.wait_for_room(wait))
    }

    /// Makes rows visible, each in its shard. Never waits.
    pub fn publish(&self, ops: Vec<Op>, entries: usize, upto_lsn: u64) {
        let count = self.shards.len();
        let mut parts: Vec<Vec<Op>> = (0..count).map(|_| Vec::with_capacity(ops.len() / count + 1)).collect();
        for op in ops {
            parts[shard_of(op.route, count)].push(op);
        }
        for (shard, part) in self.shards.iter().zip(parts) {
            shard.publish(part.into_iter(), entries, upto_lsn);
        }
    }

    fn shard(&self, route: u64) -> &Shard {
        &self.shards[shard_of(route, self.shards.len())]
    }

    /// One row.
    pub fn get(&self, table: Table, route: u64, key: &[u8]) -> Result<Option<Vec<u8>>, ShardError> {
        self.shard(route).get(table, key)
    }

    /// Rows of a range, with `pending` rows (table number and key as one) above everything.
    pub fn scan(
        &self,
        table: Table,
        route: Option<u64>,
        range: &ScanRange,
        pending: Option<&Pending>,
    ) -> Result<Rows, StoreError> {
        let mut found = Pending::new();
        match route {
            Some(route) => scan_shard(self.shard(route), table, range, pending, &mut found)?,
            None => {
                for shard in &self.shards {
                    scan_shard(shard, table, range, pending, &mut found)?;
                }
            }
        }
        Ok(in_order(found, range))
    }
}

/// What is there of the rows found, as a scan answers it.
fn in_order(found: Pending, range: &ScanRange) -> Rows {
    let live = found.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)));
    let mut rows: Rows = live.collect();
    if range.reverse {
        rows.reverse();
    }
    rows.truncate(range.limit);
    rows
}

/// The key range of a scan, without the table number. `after` only ever narrows it: one that lies outside the
/// prefix leaves all of it, or nothing.
fn bounds(range: &ScanRange) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let mut low = Bound::Included(range.prefix.clone());
    let end = next_prefix(&range.prefix);
    match &range.after {
        Some(after) if !range.reverse && *after >= range.prefix => low = Bound::Excluded(after.clone()),
        Some(after) if range.reverse && end.as_ref().is_none_or(|end| after < end) => {
            return (low, Bound::Excluded(after.clone()));
        }
        _ => {}
    }
    (low, end.map_or(Bound::Unbounded, Bound::Excluded))
}

/// The smallest key above everything with this prefix.
fn next_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if last < 0xff {
            next.push(last + 1);
            return Some(next);
        }
    }
    None
}

fn is_empty(low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>) -> bool {
    match (low, high) {
        (Bound::Included(l), Bound::Excluded(h)) => l >= h,
        (Bound::Excluded(l), Bound::Excluded(h)) => l >= h,
        _ => false,
    }
}

fn scan_shard(
    shard: &Shard,
    table: Table,
    range: &ScanRange,
    pending: Option<&Pending>,
    found: &mut Pending,
) -> Result<(), ShardError> {
    let (low, high) = bounds(range);
    if is_empty(&low, &high) {
        return Ok(());
    }
    let once = || scan_moment(shard, table, range, (&low, &high), pending, &mut None);
    found.append(&mut shard.reading(once)?);
    Ok(())
}

/// A snapshot, and the epoch of the overlay that it fits.
type Kept = Option<(u64, Snapshot)>;

/// The snapshot that fits an overlay, which is held meanwhile: the kept one, unless redb below has changed.
fn fitting<'k>(kept: &'k mut Kept, shard: &Shard, overlay: &Overlay) -> Result<&'k Snapshot, ShardError> {
    let current = kept.take().filter(|(epoch, _)| *epoch == overlay.epoch);
    let current = match current {
        Some(current) => current,
        None => (overlay.epoch, shard.snapshot()?),
    };
    Ok(&kept.insert(current).1)
}

/// A scan of one shard at one moment; removed rows are in the answer as such.
fn scan_moment(
    shard: &Shard,
    table: Table,
    range: &ScanRange,
    (low, high): (&Bound<Vec<u8>>, &Bound<Vec<u8>>),
    pending: Option<&Pending>,
    kept: &mut Kept,
) -> Result<Pending, ShardError> {
    let mut found = Pending::new();
    let mut above = Pending::new();
    let snapshot = {
        // While the overlay is held, what leaves it is in redb already.
        let overlay = shard.overlay();
        for generation in overlay.layers().rev() {
            overlay_rows(&generation.rows, table, (low, high), &mut above);
        }
        fitting(kept, shard, &overlay)?
    };
    if let Some(pending) = pending {
        overlay_rows(pending, table, (low, high), &mut above);
    }
    // Removed rows above may hide some below, so that many more are read.
    let hidden = above.values().filter(|v| v.is_none()).count();
    let want = range.limit.saturating_add(hidden);
    let mut seen = 0;
    let borrowed = (low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice));
    snapshot.scan(table, borrowed, range.reverse, |key, value| {
        seen += 1;
        if !above.contains_key(key) {
            found.insert(key.to_vec(), Some(value.to_vec()));
        }
        seen < want
    })?;
    found.append(&mut above);
    Ok(found)
}

fn overlay_rows(
    rows: &Pending,
    table: Table,
    (low, high): (&Bound<Vec<u8>>, &Bound<Vec<u8>>),
    out: &mut Pending,
) {
    let with_table = |bound: &Bound<Vec<u8>>| match bound {
        Bound::Included(key) => Bound::Included(row_key(table, key)),
        Bound::Excluded(key) => Bound::Excluded(row_key(table, key)),
        Bound::Unbounded => Bound::Excluded(vec![table as u8 + 1]),
    };
    for (row, value) in rows.range::<Vec<u8>, _>((with_table(low), with_table(high))) {
        out.insert(row[1..].to_vec(), value.clone());
    }
}

/// Many reads by one thread: redb snapshots are kept while they are current.
pub struct SetReader {
    set: Arc<ShardSet>,
    snapshots: Vec<RefCell<Kept>>,
}

impl SetReader {
    /// Of a set.
    pub fn new(set: Arc<ShardSet>) -> Self {
        let snapshots = set.shards.iter().map(|_| RefCell::default()).collect();
        Self { set, snapshots }
    }

    /// One row.
    pub fn get(&self, table: Table, route: u64, row: &[u8]) -> Result<Option<Vec<u8>>, ShardError> {
        let index = shard_of(route, self.set.shards.len());
        let shard = &self.set.shards[index];
        shard.reading(|| {
            let mut kept = self.snapshots[index].borrow_mut();
            let snapshot = {
                let overlay = shard.overlay();
                if let Found::Here(value) = overlay.get(row) {
                    return Ok(value.map(<[u8]>::to_vec));
                }
                fitting(&mut kept, shard, &overlay)?
            };
            snapshot.get(table, &row[1..])
        })
    }

    /// Rows of a range that lie in one shard.
    pub fn scan(&self, table: Table, route: u64, range: &ScanRange) -> Result<Rows, ShardError> {
        let (low, high) = bounds(range);
        if is_empty(&low, &high) {
            return Ok(Rows::new());
        }
        let index = shard_of(route, self.set.shards.len());
        let shard = &self.set.shards[index];
        let found = shard.reading(|| {
            let mut kept = self.snapshots[index].borrow_mut();
            scan_moment(shard, table, range, (&low, &high), None, &mut kept)
        })?;
        Ok(in_order(found, range))
    }

    /// Lets the snapshots go: redb cannot use room again that one of them may still show.
    pub fn release(&self) {
        self.snapshots.iter().for_each(|kept| drop(kept.take()));
    }

    /// The shards.
    pub fn set(&self) -> &Arc<ShardSet> {
        &self.set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few different bytes, the last one among them, so that keys share prefixes and run into the end.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0u8, 1, 0xfe, 0xff]), 0..5)
    }

    proptest! {
        #[test]
        fn a_scan_answers_the_keys_of_its_prefix_beyond_its_start(
            keys in prop::collection::btree_set(key(), 0..60),
            prefix in key(),
            after in prop::option::of(key()),
            reverse in any::<bool>(),
        ) {
            let rows: BTreeMap<Vec<u8>, ()> = keys.into_iter().map(|key| (key, ())).collect();
            let range = ScanRange { prefix: prefix.clone(), after: after.clone(), reverse, limit: 1 };
            let (low, high) = bounds(&range);
            let found: Vec<_> = if is_empty(&low, &high) {
                Vec::new()
            } else {
                rows.range::<Vec<u8>, _>((low, high)).map(|(key, ())| key.clone()).collect()
            };
            let beyond = |key: &Vec<u8>| match &after {
                Some(after) if reverse => key < after,
                Some(after) => key > after,
                None => true,
            };
            let expected: Vec<_> =
                rows.into_keys().filter(|key| key.starts_with(&prefix) && beyond(key)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
