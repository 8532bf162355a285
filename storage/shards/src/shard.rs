//! One shard: a redb file, the overlay above it, and the thread that moves rows from one to the other.
//!
//! Invariants: a row is in the overlay until a redb transaction that holds it has committed; `applied_lsn`
//! is written by the same transaction; nothing waits for redb to be durable, the log is; a failing file
//! delays nobody for longer than a bound.

use crate::effects;
use crate::error::ShardError;
use crate::file::{self, Snapshot, write_rows};
use crate::overlay::{Found, Generation, Overlay, row_key};
use crate::tables::Table;
use bolster_changelog::LogReader;
use bolster_env::Env;
use redb::Database;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Entries on their way above which a writer waits.
pub const OVERLAY_ENTRIES_MAX: usize = 20_000;
/// Memory of the rows on their way above which a writer waits.
pub const OVERLAY_BYTES_MAX: usize = 64 << 20;
/// Entries that make the projector start at once.
pub(crate) const APPLY_ENTRIES: usize = 4_000;
/// Memory of rows that makes the projector start at once.
pub(crate) const APPLY_BYTES: usize = 8 << 20;
/// Entries of one transaction while catching up from the log.
const CATCH_UP_ENTRIES: usize = 10_000;
/// Memory of rows in one transaction while catching up.
const CATCH_UP_BYTES: usize = 32 << 20;
/// How long a read waits for redb to be opened again.
const READ_WAIT: Duration = Duration::from_secs(2);

/// The part of every store that decides which shard a route belongs to.
pub fn shard_of(route: u64, shards: usize) -> usize {
    // 4096 slots, so that a later release can place them one by one.
    ((route % 4096) as usize * shards) / 4096
}

/// One shard.
pub struct Shard {
    pub(crate) env: Env,
    pub(crate) path: PathBuf,
    pub(crate) cache_bytes: usize,
    /// Which part of the rows is here: (index, of).
    part: (usize, usize),
    log: LogReader,
    /// `None` while it cannot be read. Taken after the overlay by whoever needs both.
    pub(crate) db: RwLock<Option<Database>>,
    overlay: RwLock<Overlay>,
    pub(crate) signal: Mutex<Signal>,
    /// For the projector: there is something to do.
    pub(crate) wake: Condvar,
    /// For everybody else: the projector did something.
    pub(crate) room: Condvar,
    /// Times that redb was opened again.
    pub(crate) switches: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Signal {
    /// What is in the overlay, as last told.
    pub entries: usize,
    pub bytes: usize,
    pub stop: bool,
    /// The projector lives.
    pub running: bool,
    /// Somebody waits until everything is in redb, durable.
    pub flush: u64,
    pub flushed: u64,
    /// Why the file cannot be written now, and how often that was so.
    pub failure: Option<Arc<ShardError>>,
    pub failures: u64,
    /// After so many switches a read found redb unusable, and how.
    pub broken: Option<(u64, ShardError)>,
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
        let mut db = file::open_or_begin_anew(env, path, cache_bytes)?;
        let mut applied = file::applied_lsn(&db)?;
        if applied > log.head() {
            // The log is what happened: one that was restored from a backup may be older than the shards.
            drop(db);
            file::put_aside(env, path, &ShardError::Ahead { applied, head: log.head() })?;
            db = file::open(env, path, cache_bytes)?;
            applied = file::applied_lsn(&db)?;
        }
        Ok(Self {
            env: env.clone(),
            path: path.to_owned(),
            cache_bytes,
            part,
            log,
            db: RwLock::new(Some(db)),
            overlay: RwLock::new(Overlay::at(applied)),
            signal: Mutex::new(Signal::default()),
            wake: Condvar::new(),
            room: Condvar::new(),
            switches: AtomicU64::new(0),
        })
    }

    /// Position up to which redb holds everything.
    pub fn applied(&self) -> Result<u64, ShardError> {
        self.with_database(file::applied_lsn)
    }

    pub(crate) fn with_database<T>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, ShardError>,
    ) -> Result<T, ShardError> {
        act(self.db.read().unwrap_or_else(|e| e.into_inner()).as_ref().ok_or(ShardError::NotReady)?)
    }

    /// The overlay, for reading.
    pub fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.overlay.read().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn overlay_mut(&self) -> RwLockWriteGuard<'_, Overlay> {
        self.overlay.write().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn signal(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A snapshot of redb. It fits the overlay only if that is held meanwhile.
    pub fn snapshot(&self) -> Result<Snapshot, ShardError> {
        self.with_database(Snapshot::of)
    }

    /// One row.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShardError> {
        let row = row_key(table, key);
        self.reading(|| {
            let snapshot = {
                let overlay = self.overlay();
                if let Found::Here(value) = overlay.get(&row) {
                    return Ok(value.map(<[u8]>::to_vec));
                }
                self.snapshot()?
            };
            snapshot.get(table, key)
        })
    }

    /// Reads, and reads again if redb had to be opened anew meanwhile: after one failure it refuses everything.
    pub fn reading<T>(&self, mut read: impl FnMut() -> Result<T, ShardError>) -> Result<T, ShardError> {
        let seen = self.switches.load(Ordering::SeqCst);
        match read() {
            Err(error) if error.is_unusable() || error.is_damage() => {
                if self.wait_for_switch(seen, error.is_damage()) { read() } else { Err(error) }
            }
            result => result,
        }
    }

    /// Tells the projector that redb is unusable and waits until it was opened again; false if it was not.
    fn wait_for_switch(&self, seen: u64, damaged: bool) -> bool {
        let found = if damaged {
            redb::Error::Corrupted("found while reading".to_owned())
        } else {
            redb::Error::PreviousIo
        };
        let mut signal = self.signal();
        signal.broken = Some((seen, ShardError::Redb(Box::new(found))));
        self.wake.notify_one();
        while self.switches.load(Ordering::SeqCst) == seen {
            if signal.stop || !signal.running {
                return false;
            }
            let (guard, timeout) =
                self.room.wait_timeout(signal, READ_WAIT).unwrap_or_else(|e| e.into_inner());
            signal = guard;
            if timeout.timed_out() {
                return self.switches.load(Ordering::SeqCst) != seen;
            }
        }
        true
    }

    /// Waits until more rows may be published. `wait` is how long nothing may happen before it is given up; a
    /// file that is known to fail is not waited for.
    pub fn wait_for_room(&self, wait: Duration) -> Result<(), ShardError> {
        let mut signal = self.signal();
        while (signal.entries > OVERLAY_ENTRIES_MAX || signal.bytes > OVERLAY_BYTES_MAX) && !signal.stop {
            if let Some(failure) = &signal.failure {
                return Err(ShardError::Failing(failure.clone()));
            }
            if !signal.running {
                return Err(ShardError::Behind);
            }
            let (guard, timeout) = self.room.wait_timeout(signal, wait).unwrap_or_else(|e| e.into_inner());
            signal = guard;
            if timeout.timed_out() {
                return Err(ShardError::Behind);
            }
        }
        Ok(())
    }

    /// Makes the rows of entries up to `upto_lsn` visible. They are durable in the log already, so this never
    /// fails and never waits; [`Self::wait_for_room`] comes before the log is written.
    pub fn publish(&self, ops: impl Iterator<Item = effects::Op>, entries: usize, upto_lsn: u64) {
        let (total, bytes) = {
            let mut overlay = self.overlay_mut();
            ops.for_each(|op| overlay.put(op));
            overlay.active.entries += entries;
            overlay.active.upto_lsn = upto_lsn;
            (overlay.entries(), overlay.bytes())
        };
        let mut signal = self.signal();
        let before = std::mem::replace(&mut signal.entries, total);
        signal.bytes = bytes;
        if before == 0 || total >= APPLY_ENTRIES || bytes >= APPLY_BYTES {
            self.wake.notify_one();
        }
    }

    /// Waits until everything published so far is in redb and durable there, or has failed to become so. Then
    /// it is still in the log.
    pub fn flush(&self) -> Result<(), ShardError> {
        let mut signal = self.signal();
        signal.flush += 1;
        let (mine, failures) = (signal.flush, signal.failures);
        self.wake.notify_one();
        loop {
            if signal.flushed >= mine {
                return Ok(());
            }
            if signal.stop || !signal.running {
                return Err(ShardError::Stopped);
            }
            if let Some(failure) = &signal.failure
                && signal.failures > failures
            {
                return Err(ShardError::Failing(failure.clone()));
            }
            signal = self.room.wait(signal).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// Ends the projector; what is in the overlay stays in the log.
    pub fn stop(&self) {
        self.signal().stop = true;
        self.wake.notify_all();
        self.room.notify_all();
    }

    /// Why the file cannot be written now.
    pub fn failure(&self) -> Option<Arc<ShardError>> {
        self.signal().failure.clone()
    }

    /// Fills redb from the log up to a position, in bounded memory. For opening, before rows are published.
    pub fn catch_up(&self, upto_lsn: u64) -> Result<(), ShardError> {
        match self.with_database(|db| self.catch_up_database(db, upto_lsn)) {
            Err(error) if error.is_damage() => {
                drop(self.db.write().unwrap_or_else(|e| e.into_inner()).take());
                file::put_aside(&self.env, &self.path, &error)?;
                let db = file::open(&self.env, &self.path, self.cache_bytes)?;
                self.catch_up_database(&db, upto_lsn)?;
                *self.db.write().unwrap_or_else(|e| e.into_inner()) = Some(db);
            }
            result => result?,
        }
        let mut overlay = self.overlay_mut();
        overlay.active.upto_lsn = upto_lsn.max(overlay.active.upto_lsn);
        overlay.projected_lsn = upto_lsn.max(overlay.projected_lsn);
        Ok(())
    }

    /// Fills a file from the log up to a position, durably.
    pub(crate) fn catch_up_database(&self, db: &Database, upto_lsn: u64) -> Result<(), ShardError> {
        let applied = file::applied_lsn(db)?;
        if applied >= upto_lsn {
            return Ok(());
        }
        let last = self.replay(applied, upto_lsn, |generation, lsn| {
            if generation.entries < CATCH_UP_ENTRIES && generation.bytes < CATCH_UP_BYTES {
                return Ok(());
            }
            let full = std::mem::take(generation);
            write_rows(db, full.in_order(), lsn, false)
        })?;
        write_rows(db, last.in_order(), last.upto_lsn, true)
    }

    /// Reads this shard's rows of entries after a position up to another one. `full` may take what there is
    /// after each entry; the rest is answered.
    pub(crate) fn replay(
        &self,
        after: u64,
        upto_lsn: u64,
        mut full: impl FnMut(&mut Generation, u64) -> Result<(), ShardError>,
    ) -> Result<Generation, ShardError> {
        let mut generation = Generation::default();
        let mut lsn = after;
        if after < upto_lsn {
            for entry in self.log.read_from(after + 1) {
                let entry = entry?;
                if entry.header.lsn > upto_lsn {
                    break;
                }
                lsn = entry.header.lsn;
                for op in ops_of(&entry)? {
                    if shard_of(op.route, self.part.1) == self.part.0 {
                        generation.put(row_key(op.table, &op.key), op.value);
                    }
                }
                generation.entries += 1;
                full(&mut generation, lsn)?;
                if lsn.is_multiple_of(1024) && self.signal().stop {
                    return Err(ShardError::Stopped);
                }
            }
        }
        generation.upto_lsn = lsn;
        Ok(generation)
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
