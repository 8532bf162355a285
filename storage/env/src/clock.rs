//! Wall time and elapsed time.

use bolster_model::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};

/// Source of time.
pub trait Clock: Send + Sync {
    /// Wall clock in UTC. May jump in both directions.
    fn now(&self) -> Timestamp;
    /// Microseconds since an arbitrary start; never goes back.
    fn monotonic_us(&self) -> u64;
}

/// The clock of the operating system.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn default() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |d| d.as_micros() as i64))
    }
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn monotonic_us(&self) -> u64 {
        std::time::Instant::now().duration_since(self.start).as_micros() as u64
    }
}

/// A clock that stands until it is set or advanced.
#[derive(Debug, Default)]
pub struct SimClock {
    wall_us: AtomicI64,
    elapsed_us: AtomicI64,
}

impl SimClock {
    /// Starts at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { wall_us: AtomicI64::new(now.0), elapsed_us: AtomicI64::new(0) }
    }
    /// Sets the wall clock, backwards too; elapsed time moves only forward.
    pub fn set(&self, now: Timestamp) {
        let old = self.wall_us.swap(now.0, Ordering::SeqCst);
        self.elapsed_us.fetch_add((now.0 - old).max(0), Ordering::SeqCst);
    }
    /// Moves both on.
    pub fn advance_us(&self, us: i64) {
        self.wall_us.fetch_add(us, Ordering::SeqCst);
        self.elapsed_us.fetch_add(us, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall_us.load(Ordering::SeqCst))
    }
    fn monotonic_us(&self) -> u64 {
        self.elapsed_us.load(Ordering::SeqCst) as u64
    }
}
