//! The seam under storage: disk, clock and randomness arrive from here, real or simulated.
//!
//! Everything that storage does to the outside goes through [`Disk`], [`Clock`] and [`Random`]. The
//! simulated disk loses unsynced writes, tears the last one and fails the n-th call; the simulated clock
//! stands still until it is told otherwise. Nothing here knows what is stored.

pub mod clock;
pub mod disk;
pub mod random;
pub mod real;
pub mod sim;

pub use clock::{Clock, SimClock, SystemClock};
pub use disk::{Disk, DiskFile, OpenMode};
pub use random::{OsRandom, Random, SeededRandom};
pub use real::RealDisk;
pub use sim::{Image, SimDisk};

use std::sync::Arc;

/// The three seams together, cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids and salts.
    pub random: Arc<dyn Random>,
}

impl Env {
    /// The operating system's disk, clock and randomness.
    pub fn real() -> Self {
        Self {
            disk: Arc::new(RealDisk::default()),
            clock: Arc::new(SystemClock::default()),
            random: Arc::new(OsRandom),
        }
    }
}

/// The error says that the disk is full (or a quota is used up).
pub fn is_disk_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
