//! The state as rows: sharded redb files that follow the change log, and the rows still on their way.
//!
//! Knows tables, keys and row encodings; refuses to know what the rows mean to anybody. Everything here can
//! be deleted and made again from the log.
//!
//! Invariants: rows of an entry become visible only after the entry is durable; each shard says up to which
//! position it holds everything, in the same transaction; applying an entry twice equals once; only a file
//! whose bytes are damaged is put aside, and nothing else than the log is believed instead.

pub mod backend;
pub mod effects;
pub mod error;
mod file;
pub mod overlay;
mod projector;
pub mod shard;
pub mod tables;

pub use effects::Op;
pub use error::ShardError;
pub use file::Snapshot;
pub use shard::{Shard, shard_of};
pub use tables::Table;
