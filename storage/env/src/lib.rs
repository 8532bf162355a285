//! The seam under storage: disk, clock and randomness arrive from here, real or simulated.
//!
//! Everything that storage does to the outside goes through [`Disk`], [`Clock`] and [`Random`]. The
//! simulated disk loses unsynced writes, tears the last one and fails the n-th call; the simulated clock
//! stands still until it is told otherwise. Nothing here knows what is stored.

pub mod clock;
pub mod disk;
pub mod random;

pub use clock::{Clock, SimClock, SystemClock};
pub use disk::{Disk, DiskFile, OpenMode};
pub use random::{OsRandom, Random, SeededRandom};

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
