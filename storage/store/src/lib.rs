//! The one facade over the change log, the shards and the blobs: commit, get, scan, read the log, blobs.
//!
//! Use cases see nothing below it: no file, no redb, no frame. Refuses to know rules: it stores the rows it
//! is given.
//!
//! Invariants: one writer; what it commits is durable before anybody can read it; readers see whole
//! commits; everything but the log and the blobs can be made again.

pub mod batch;
pub mod read;
pub mod set;
pub mod store;

pub use batch::{Batch, CommitError, StoreWriter};
pub use bolster_blobs::{BlobError, BlobInfo, BlobPin, BlobReader, Blobs, CollectError, Collected, Staged};
pub use bolster_changelog::{DataFolder, Entry, FolderError, LogOptions, LogReader, ReadError};
pub use bolster_codec::DecodeError;
pub use bolster_shards::tables::links::{BlobOwner, RecentForm};
pub use bolster_shards::{ShardError, Table};
pub use read::{Read, ReadExt, ScanRange, StoreError};
pub use store::{OpenError, SteadyView, Store, StoreOptions, StoreStatus, View};
