//! The projector: the thread that moves a shard's rows from the overlay into redb, and what it does when redb
//! fails.
//!
//! After one failed call redb refuses further work, and what it had not made durable is gone once it is
//! opened again. So: the file is closed, and opened as a stand-in that shows its last durable state; the rows
//! after that come from the log into the overlay; reading goes on. Then, again and again, the file is opened
//! for writing and given those rows. Nothing counts as flushed before a durable transaction has committed.

use crate::error::ShardError;
use crate::file::{self, make_durable, write_rows};
use crate::overlay::Generation;
use crate::shard::{APPLY_BYTES, APPLY_ENTRIES, Shard};
use redb::Database;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long rows wait for company.
const APPLY_DELAY: Duration = Duration::from_millis(400);
/// Entries after which redb is made durable.
const DURABLE_ENTRIES: u64 = 40_000;
/// Memory of rows after which redb is made durable: so much has to be replayed into memory if redb fails.
const DURABLE_BYTES: u64 = 64 << 20;
/// Time after which redb is made durable.
const DURABLE_US: u64 = 5_000_000;
/// Wait before the first attempt after redb failed (a full disk, mostly); each later one is twice as long.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(100);
/// Longest wait between attempts.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(4);

/// What redb holds and has not made durable.
#[derive(Default)]
struct Undurable {
    entries: u64,
    bytes: u64,
    since_us: u64,
}

/// Why the projector was woken.
enum Work {
    /// Rows wait, or something is not durable for long.
    Rows,
    /// Everything is to be durable, for flush number n.
    Flush(u64),
    /// A read found redb unusable.
    Broken(ShardError),
}

impl Shard {
    /// Starts the projector on a thread of its own.
    pub fn start(self: &Arc<Self>, name: String) -> std::io::Result<JoinHandle<()>> {
        let shard = self.clone();
        self.signal().running = true;
        let started = std::thread::Builder::new().name(name).spawn(move || {
            let _end = EndOfProjector(&shard);
            // Rows that are not in redb yet are read from the overlay: submissions go first.
            bolster_env::real::yield_to_others();
            shard.run();
        });
        if started.is_err() {
            self.signal().running = false;
        }
        started
    }

    fn run(&self) {
        let mut undurable = Undurable { since_us: self.env.clock.monotonic_us(), ..Undurable::default() };
        while let Some(work) = self.wait_for_work(undurable.entries > 0) {
            let result = match work {
                Work::Rows => self.step(&mut undurable, None),
                Work::Flush(number) => self.step(&mut undurable, Some(number)),
                Work::Broken(error) => Err(error),
            };
            if let Err(error) = result {
                if !self.recover(error) {
                    break;
                }
                undurable = Undurable { since_us: self.env.clock.monotonic_us(), ..Undurable::default() };
            }
        }
    }

    /// Writes what waits.
    fn step(&self, undurable: &mut Undurable, flush: Option<u64>) -> Result<(), ShardError> {
        let now = self.env.clock.monotonic_us();
        let generation = self.freeze();
        if let Some(generation) = &generation {
            undurable.entries += generation.entries as u64;
            undurable.bytes += generation.bytes as u64;
        }
        let due = undurable.entries >= DURABLE_ENTRIES
            || undurable.bytes >= DURABLE_BYTES
            || now.saturating_sub(undurable.since_us) >= DURABLE_US;
        let durable = flush.is_some() || (due && undurable.entries > 0);
        if let Some(generation) = generation {
            self.with_database(|db| write_rows(db, generation.in_order(), generation.upto_lsn, durable))?;
        } else if durable {
            self.with_database(make_durable)?;
        }
        self.thaw();
        if durable {
            *undurable = Undurable { since_us: now, ..Undurable::default() };
        }
        self.tell(|signal| signal.flushed = flush.unwrap_or(signal.flushed));
        Ok(())
    }

    /// Tells everybody what changed.
    fn tell(&self, change: impl FnOnce(&mut crate::shard::Signal)) {
        let mut signal = self.signal();
        // What is published from here on says so itself, after this.
        let overlay = self.overlay();
        (signal.entries, signal.bytes) = (overlay.entries(), overlay.bytes());
        drop(overlay);
        change(&mut signal);
        self.room.notify_all();
    }

    /// Waits for enough rows, for time, for a flush, or for a failed read. `None` to stop.
    fn wait_for_work(&self, undurable: bool) -> Option<Work> {
        let mut signal = self.signal();
        let mut waited = false;
        loop {
            if signal.stop {
                return None;
            }
            if let Some((seen, error)) = signal.broken.take()
                && seen == self.switches.load(Ordering::SeqCst)
            {
                return Some(Work::Broken(error));
            }
            if signal.flush > signal.flushed {
                return Some(Work::Flush(signal.flush));
            }
            let enough = signal.entries >= APPLY_ENTRIES || signal.bytes >= APPLY_BYTES;
            if enough || (waited && (signal.entries > 0 || undurable)) {
                return Some(Work::Rows);
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
        let mut overlay = self.overlay_mut();
        if overlay.active.entries == 0 {
            return None;
        }
        let upto_lsn = overlay.active.upto_lsn;
        let full = std::mem::take(&mut overlay.active);
        overlay.active.upto_lsn = upto_lsn;
        overlay.frozen = Some(Arc::new(full));
        overlay.frozen.clone()
    }

    /// What was frozen is in redb.
    fn thaw(&self) {
        let mut overlay = self.overlay_mut();
        let replayed = overlay.replayed.take();
        if let Some(frozen) = overlay.frozen.take() {
            overlay.projected_lsn = frozen.upto_lsn;
        } else if replayed.is_none() {
            return;
        }
        overlay.epoch += 1;
    }

    /// Lets reading go on after a failure, and tries to write until it works. False to stop.
    fn recover(&self, mut error: ShardError) -> bool {
        let mut delay = RETRY_DELAY_MIN;
        loop {
            let shown = if error.is_damage() { self.begin_anew(&error) } else { self.stand_in() };
            self.failed(error);
            if let Err(error) = shown {
                self.failed(error);
            }
            if !self.pause(delay) {
                return false;
            }
            delay = (delay * 2).min(RETRY_DELAY_MAX);
            match self.resume() {
                Ok(()) => {
                    tracing::info!(path = %self.path.display(), "a shard is written again");
                    self.tell(|signal| signal.failure = None);
                    return true;
                }
                Err(ShardError::Stopped) => return false,
                Err(again) => error = again,
            }
        }
    }

    fn failed(&self, error: ShardError) {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            path = %self.path.display(),
            "a shard could not be written; it is tried again, nothing is lost"
        );
        self.tell(|signal| {
            signal.failures += 1;
            // redb only repeats that there was an earlier error; that one says more.
            let repeats = matches!(&error, ShardError::Redb(e) if matches!(**e, redb::Error::PreviousIo));
            if signal.failure.is_none() || !repeats {
                signal.failure = Some(Arc::new(error));
            }
        });
    }

    /// Waits before another attempt, or until somebody asks for a flush; false to stop.
    fn pause(&self, delay: Duration) -> bool {
        let signal = self.signal();
        let asked = signal.flush;
        let waiting = |signal: &mut crate::shard::Signal| !signal.stop && signal.flush == asked;
        let waited = self.wake.wait_timeout_while(signal, delay, waiting);
        !waited.unwrap_or_else(|e| e.into_inner()).0.stop
    }

    /// Puts another redb handle in the place of the one there is. That one is closed first; if the new one
    /// cannot be opened, there is none.
    fn switch(&self, open: impl FnOnce() -> Result<Database, ShardError>) -> Result<(), ShardError> {
        // Readers look at the overlay and take a snapshot under its lock: they see both before or both after.
        let mut overlay = self.overlay_mut();
        let mut place = self.db.write().unwrap_or_else(|e| e.into_inner());
        close(place.take());
        *place = Some(open()?);
        overlay.epoch += 1;
        self.switches.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Shows the last durable state of the file with what came after it, from the log, above it.
    fn stand_in(&self) -> Result<(), ShardError> {
        close(self.db.write().unwrap_or_else(|e| e.into_inner()).take());
        let db = file::open_stand_in(&self.env, &self.path, self.cache_bytes)?;
        let (replayed, upto_lsn) = {
            let overlay = self.overlay();
            (overlay.replayed.clone(), overlay.projected_lsn)
        };
        if replayed.is_none() {
            let missing = self.replay(file::applied_lsn(&db)?, upto_lsn, |_, _| Ok(()))?;
            self.overlay_mut().replayed = Some(Arc::new(missing));
        }
        self.switch(|| Ok(db))
    }

    /// Puts a damaged file aside. Nothing can be read until it was made again.
    fn begin_anew(&self, error: &ShardError) -> Result<(), ShardError> {
        close(self.db.write().unwrap_or_else(|e| e.into_inner()).take());
        self.overlay_mut().replayed = None;
        file::put_aside(&self.env, &self.path, error)
    }

    /// Opens the file for writing and gives it all that it lacks, durably.
    fn resume(&self) -> Result<(), ShardError> {
        let (replayed, frozen, projected) = {
            let overlay = self.overlay();
            (overlay.replayed.clone(), overlay.frozen.clone(), overlay.projected_lsn)
        };
        let open = || file::open(&self.env, &self.path, self.cache_bytes);
        let Some(replayed) = replayed else {
            // What the file holds is too old to be shown before it has caught up.
            close(self.db.write().unwrap_or_else(|e| e.into_inner()).take());
            let db = open()?;
            self.catch_up_database(&db, frozen.map_or(projected, |f| f.upto_lsn))?;
            self.switch(|| Ok(db))?;
            self.thaw();
            return Ok(());
        };
        self.switch(open)?;
        self.with_database(|db| {
            write_rows(db, replayed.in_order(), replayed.upto_lsn, frozen.is_none())?;
            frozen.map_or(Ok(()), |frozen| write_rows(db, frozen.in_order(), frozen.upto_lsn, true))
        })?;
        self.thaw();
        Ok(())
    }
}

/// Tells those who wait that nobody works for them any more, after a panic too.
struct EndOfProjector<'s>(&'s Shard);

impl Drop for EndOfProjector<'_> {
    fn drop(&mut self) {
        self.0.signal().running = false;
        self.0.room.notify_all();
    }
}

/// Closes redb, which gives the file's lock back.
fn close(db: Option<Database>) {
    if let Some(db) = db
        && let Err(error) = db.close()
    {
        tracing::debug!(error = &error as &dyn std::error::Error, "redb was closed after a failure");
    }
}
