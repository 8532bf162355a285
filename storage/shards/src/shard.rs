//! One shard: a redb file, the overlay above it, and the thread that moves rows from one to the other.
//!
//! Invariants: a row is in the overlay until a redb transaction that holds it has committed; `applied_lsn`
//! is written by the same transaction; nothing waits for redb to be durable, the log is.

use crate::backend::Backend;
use crate::effects;
use crate::overlay::{Found, Generation, Overlay, row_key};
use crate::tables::Table;
use bolster_changelog::{LogReader, ReadError};
use bolster_env::Env;
use redb::{
    Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, TableError,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::Duration;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
/// A table of a snapshot, if it exists there.
type OpenedTable = Option<ReadOnlyTable<&'static [u8], &'static [u8]>>;

const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
const APPLIED: &str = "applied_lsn";

/// Entries that make the projector start at once.
const APPLY_ENTRIES: usize = 4_000;
/// How long rows wait for company.
const APPLY_DELAY: Duration = Duration::from_millis(400);
/// Entries on their way above which the writer waits.
pub const OVERLAY_ENTRIES_MAX: usize = 20_000;
/// Entries after which redb is made durable.
const DURABLE_ENTRIES: u64 = 40_000;
/// Time after which redb is made durable.
const DURABLE_US: u64 = 5_000_000;
/// Wait between attempts when redb fails (a full disk, mostly).
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// Entries of one transaction while catching up from the log.
const CATCH_UP_ENTRIES: usize = 10_000;

/// Why rows could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// redb.
    #[error("a shard could not be used")]
    Redb(#[source] Box<redb::Error>),
    /// The log under it.
    #[error("a shard could not be filled from the change log")]
    Log(#[from] ReadError),
    /// The log's bytes.
    #[error("the effects of entry {lsn} cannot be read")]
    Effects {
        /// Position.
        lsn: u64,
    },
    /// The disk.
    #[error("a shard's file could not be used")]
    Io(#[from] std::io::Error),
}

impl<E: Into<redb::Error>> From<E> for ShardError
where
    E: RedbError,
{
    fn from(error: E) -> Self {
        Self::Redb(Box::new(error.into()))
    }
}

/// The errors of redb's operations.
pub trait RedbError {}
impl RedbError for redb::DatabaseError {}
impl RedbError for redb::TransactionError {}
impl RedbError for redb::TableError {}
impl RedbError for redb::StorageError {}
impl RedbError for redb::CommitError {}
impl RedbError for redb::SetDurabilityError {}

fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

/// The part of every store that decides which shard a route belongs to.
pub fn shard_of(route: u64, shards: usize) -> usize {
    // 4096 slots, so that a later release can place them one by one.
    ((route % 4096) as usize * shards) / 4096
}

/// One shard.
pub struct Shard {
    env: Env,
    path: PathBuf,
    cache_bytes: usize,
    /// Which part of the rows is here: (index, of).
    part: (usize, usize),
    log: LogReader,
    db: RwLock<Arc<Database>>,
    overlay: RwLock<Overlay>,
    signal: Mutex<Signal>,
    wake: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct Signal {
    /// Entries in the overlay, as last told.
    entries: usize,
    stop: bool,
    /// Somebody waits until everything is in redb, durable.
    flush: u64,
    flushed: u64,
}

/// Opens (or makes) the redb file of a shard. A file that redb cannot open is put aside: it can be rebuilt.
fn open_database(env: &Env, path: &Path, cache_bytes: usize) -> Result<Database, ShardError> {
    let open = || -> Result<Database, ShardError> {
        let backend = Backend::open(&*env.disk, path)?;
        let db = redb::Builder::new().set_cache_size(cache_bytes).create_with_backend(backend)?;
        Ok(db)
    };
    match open() {
        Ok(db) => Ok(db),
        Err(error) => {
            let aside = path.with_extension("damaged");
            tracing::error!(
                error = &error as &dyn std::error::Error,
                path = %path.display(),
                "a shard cannot be opened; it is put aside and rebuilt from the change log"
            );
            env.disk.rename(path, &aside)?;
            open()
        }
    }
}

fn applied_lsn(db: &Database) -> Result<u64, ShardError> {
    let read = db.begin_read()?;
    match read.open_table(META) {
        Ok(table) => Ok(table.get(APPLIED)?.map_or(0, |v| v.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

impl Shard {
    /// Opens a shard. Its applied position says what must be replayed.
    pub fn open(
        env: &Env,
        path: &Path,
        part: (usize, usize),
        cache_bytes: usize,
        log: LogReader,
    ) -> Result<Self, ShardError> {
        let db = open_database(env, path, cache_bytes)?;
        let applied = applied_lsn(&db)?;
        let overlay = Overlay {
            active: Generation { upto_lsn: applied, ..Generation::default() },
            ..Overlay::default()
        };
        Ok(Self {
            env: env.clone(),
            path: path.to_owned(),
            cache_bytes,
            part,
            log,
            db: RwLock::new(Arc::new(db)),
            overlay: RwLock::new(overlay),
            signal: Mutex::new(Signal::default()),
            wake: Condvar::new(),
            room: Condvar::new(),
        })
    }

    /// Position up to which redb holds everything.
    pub fn applied(&self) -> Result<u64, ShardError> {
        applied_lsn(&self.database())
    }

    fn database(&self) -> Arc<Database> {
        self.db.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// The overlay, for reading.
    pub fn overlay(&self) -> std::sync::RwLockReadGuard<'_, Overlay> {
        self.overlay.read().unwrap_or_else(|e| e.into_inner())
    }

    /// A snapshot of redb.
    pub fn snapshot(&self) -> Result<Snapshot, ShardError> {
        Ok(Snapshot { read: self.database().begin_read()?, tables: Default::default() })
    }

    /// One row.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShardError> {
        if let Found::Here(value) = self.overlay().get(&row_key(table, key)) {
            return Ok(value.map(<[u8]>::to_vec));
        }
        self.snapshot()?.get(table, key)
    }

    /// Makes the rows of entries up to `upto_lsn` visible. They are durable in the log already.
    pub fn publish(&self, ops: impl Iterator<Item = effects::Op>, entries: usize, upto_lsn: u64) {
        let total = {
            let mut overlay = self.overlay.write().unwrap_or_else(|e| e.into_inner());
            ops.for_each(|op| overlay.put(op));
            overlay.active.entries += entries;
            overlay.active.upto_lsn = upto_lsn;
            overlay.entries()
        };
        let mut signal = self.signal.lock().unwrap_or_else(|e| e.into_inner());
        let before = std::mem::replace(&mut signal.entries, total);
        if before == 0 || total >= APPLY_ENTRIES {
            self.wake.notify_one();
        }
        while signal.entries > OVERLAY_ENTRIES_MAX && !signal.stop {
            signal = self.room.wait(signal).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// Waits until everything published so far is in redb and durable there.
    pub fn flush(&self) {
        let mut signal = self.signal.lock().unwrap_or_else(|e| e.into_inner());
        signal.flush += 1;
        let mine = signal.flush;
        self.wake.notify_one();
        while signal.flushed < mine && !signal.stop {
            signal = self.room.wait(signal).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// Ends the projector; what is in the overlay stays in the log.
    pub fn stop(&self) {
        self.signal.lock().unwrap_or_else(|e| e.into_inner()).stop = true;
        self.wake.notify_all();
        self.room.notify_all();
    }

    /// The projector's life.
    pub fn run(&self) {
        let mut since_durable = 0;
        let mut durable_at = self.env.clock.monotonic_us();
        loop {
            let Some(flush) = self.wait_for_work(since_durable > 0) else { return };
            let now = self.env.clock.monotonic_us();
            let generation = self.freeze();
            let entries = generation.as_ref().map_or(0, |g| g.entries as u64);
            since_durable += entries;
            let due = since_durable >= DURABLE_ENTRIES || now.saturating_sub(durable_at) >= DURABLE_US;
            let durable = flush.is_some() || (due && since_durable > 0);
            if let Some(generation) = generation {
                while let Err(error) = self.apply(&generation, durable) {
                    self.failed(&error);
                    if !self.pause() || !self.reopen() {
                        return;
                    }
                }
            } else if durable && let Err(error) = self.make_durable() {
                self.failed(&error);
            }
            self.thaw();
            if durable {
                since_durable = 0;
                durable_at = now;
            }
            let mut signal = self.signal.lock().unwrap_or_else(|e| e.into_inner());
            signal.entries = self.overlay().entries();
            if let Some(flush) = flush {
                signal.flushed = flush;
            }
            self.room.notify_all();
        }
    }

    fn failed(&self, error: &ShardError) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            path = %self.path.display(),
            "a shard could not be written; it is tried again, nothing is lost"
        );
    }

    /// Waits for enough rows, for time, or for a flush. `None` to stop; `Some(Some(n))` for flush number n.
    fn wait_for_work(&self, undurable: bool) -> Option<Option<u64>> {
        let mut signal = self.signal.lock().unwrap_or_else(|e| e.into_inner());
        let mut waited = false;
        loop {
            if signal.stop {
                return None;
            }
            if signal.flush > signal.flushed {
                return Some(Some(signal.flush));
            }
            if signal.entries >= APPLY_ENTRIES || (waited && (signal.entries > 0 || undurable)) {
                return Some(None);
            }
            if signal.entries > 0 || undurable {
                let delay = if signal.entries > 0 { APPLY_DELAY } else { Duration::from_micros(DURABLE_US) };
                let (guard, timeout) =
                    self.wake.wait_timeout(signal, delay).unwrap_or_else(|e| e.into_inner());
                signal = guard;
                waited = timeout.timed_out();
            } else {
                signal = self.wake.wait(signal).unwrap_or_else(|e| e.into_inner());
            }
        }
    }

    fn freeze(&self) -> Option<Arc<Generation>> {
        let mut overlay = self.overlay.write().unwrap_or_else(|e| e.into_inner());
        if overlay.active.entries == 0 {
            return None;
        }
        let upto_lsn = overlay.active.upto_lsn;
        let full = std::mem::take(&mut overlay.active);
        overlay.active.upto_lsn = upto_lsn;
        overlay.frozen = Some(Arc::new(full));
        overlay.frozen.clone()
    }

    fn thaw(&self) {
        let mut overlay = self.overlay.write().unwrap_or_else(|e| e.into_inner());
        if overlay.frozen.take().is_some() {
            overlay.epoch += 1;
        }
    }

    fn make_durable(&self) -> Result<(), ShardError> {
        let db = self.database();
        let mut write = db.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        write.set_quick_repair(true);
        write.commit()?;
        Ok(())
    }

    fn apply(&self, generation: &Generation, durable: bool) -> Result<(), ShardError> {
        let rows = generation.rows.iter().map(|(row, value)| (row.as_slice(), value.as_deref()));
        write_rows(&self.database(), rows, generation.upto_lsn, durable)
    }

    /// Waits before another attempt; false to stop.
    fn pause(&self) -> bool {
        let signal = self.signal.lock().unwrap_or_else(|e| e.into_inner());
        let (signal, _) = self.wake.wait_timeout(signal, RETRY_DELAY).unwrap_or_else(|e| e.into_inner());
        !signal.stop
    }

    /// After a failure redb must be opened again; what it had not made durable comes from the log. Tries
    /// until it works; false to stop.
    fn reopen(&self) -> bool {
        loop {
            let result = open_database(&self.env, &self.path, self.cache_bytes).and_then(|db| {
                let floor = self.overlay().frozen.as_ref().map_or(0, |f| f.upto_lsn);
                self.catch_up_database(&db, floor)?;
                Ok(db)
            });
            match result {
                Ok(db) => {
                    *self.db.write().unwrap_or_else(|e| e.into_inner()) = Arc::new(db);
                    return true;
                }
                Err(error) => {
                    self.failed(&error);
                    if !self.pause() {
                        return false;
                    }
                }
            }
        }
    }

    /// Fills redb from the log up to a position, in bounded memory. For opening, before rows are published.
    pub fn catch_up(&self, upto_lsn: u64) -> Result<(), ShardError> {
        self.catch_up_database(&self.database(), upto_lsn)?;
        self.overlay.write().unwrap_or_else(|e| e.into_inner()).active.upto_lsn = upto_lsn;
        Ok(())
    }

    fn catch_up_database(&self, db: &Database, upto_lsn: u64) -> Result<(), ShardError> {
        let mut generation = Generation::default();
        let mut lsn = applied_lsn(db)?;
        if lsn >= upto_lsn {
            return Ok(());
        }
        for entry in self.log.read_from(lsn + 1) {
            let entry = entry?;
            if entry.header.lsn > upto_lsn {
                break;
            }
            lsn = entry.header.lsn;
            for op in ops_of(&entry)? {
                if shard_of(op.route, self.part.1) == self.part.0 {
                    generation.rows.insert(row_key(op.table, &op.key), op.value);
                }
            }
            generation.entries += 1;
            if generation.entries >= CATCH_UP_ENTRIES {
                let full = std::mem::take(&mut generation);
                let rows = full.rows.iter().map(|(row, value)| (row.as_slice(), value.as_deref()));
                write_rows(db, rows, lsn, false)?;
            }
        }
        let rows = generation.rows.iter().map(|(row, value)| (row.as_slice(), value.as_deref()));
        write_rows(db, rows, lsn, true)
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        let open = self.env.disk.open(&self.path, bolster_env::OpenMode::Read);
        open.and_then(|f| f.len()).unwrap_or(0)
    }
}

/// The rows of an entry: those of its effects and of its local section.
pub fn ops_of(entry: &bolster_changelog::Entry) -> Result<Vec<effects::Op>, ShardError> {
    let lsn = entry.header.lsn;
    let wrong = |_| ShardError::Effects { lsn };
    let section = |bytes: Result<Vec<u8>, bolster_changelog::EntryError>| {
        effects::decode(&bytes.map_err(|_| ShardError::Effects { lsn })?).map_err(wrong)
    };
    let mut ops = section(entry.effects())?;
    ops.append(&mut section(entry.local())?);
    Ok(ops)
}

/// Writes rows in their order in one transaction.
fn write_rows<'a>(
    db: &Database,
    rows: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    applied: u64,
    durable: bool,
) -> Result<(), ShardError> {
    let mut write = db.begin_write()?;
    write.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
    write.set_quick_repair(durable);
    {
        let mut rows = rows.peekable();
        while let Some(number) = rows.peek().and_then(|(row, _)| row.first().copied()) {
            let Some(table) = Table::from_number(number) else { break };
            let mut open = write.open_table(definition(table))?;
            while let Some((row, value)) = rows.next_if(|(row, _)| row.first() == Some(&number)) {
                match value {
                    Some(value) => drop(open.insert(&row[1..], value)?),
                    None => drop(open.remove(&row[1..])?),
                }
            }
        }
        write.open_table(META)?.insert(APPLIED, applied)?;
    }
    write.commit()?;
    Ok(())
}

/// redb as it was at one moment; opened tables are kept.
pub struct Snapshot {
    read: ReadTransaction,
    tables: [std::cell::OnceCell<OpenedTable>; Table::ALL.len() + 1],
}

impl Snapshot {
    fn table(&self, table: Table) -> Result<&OpenedTable, ShardError> {
        let cell = &self.tables[table as usize];
        if cell.get().is_none() {
            let opened = match self.read.open_table(definition(table)) {
                Ok(open) => Some(open),
                Err(TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(error.into()),
            };
            // Only this thread has the cell, and it is empty.
            let _ = cell.set(opened);
        }
        Ok(cell.get().unwrap_or(&None))
    }

    /// One row.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShardError> {
        let Some(table) = self.table(table)? else { return Ok(None) };
        Ok(table.get(key)?.map(|v| v.value().to_vec()))
    }

    /// Rows of a key range in order (or in reverse), until `each` says stop.
    pub fn scan(
        &self,
        table: Table,
        range: (std::ops::Bound<&[u8]>, std::ops::Bound<&[u8]>),
        reverse: bool,
        mut each: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), ShardError> {
        let Some(table) = self.table(table)? else { return Ok(()) };
        let mut rows = table.range::<&[u8]>(range)?;
        while let Some(row) = if reverse { rows.next_back() } else { rows.next() } {
            let (key, value) = row?;
            if !each(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }
}
