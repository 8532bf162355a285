//! The change log: what is in it has happened, what is not has not.
//!
//! Append-only segments of frames; a frame is one group of commits, written and flushed at once. The crate
//! knows entries, their chain and the encoding of facts; it refuses to know what facts do to the state.
//!
//! Invariants (`docs/formats/changelog.md`): positions are contiguous; hybrid times rise; the chain of each
//! stream is unbroken; a commit is read whole or not at all; bytes covered by a digest are never rewritten.

pub mod compress;
mod digests;
pub mod entry;
pub mod fact_codec;
pub mod folder;
pub mod log;
pub mod node;
pub mod reader;
mod recover;
pub mod segment;
pub mod verify;

pub use entry::{Entry, EntryClass, EntryDraft, EntryError, EntryHeader, Payload, PreparedPayload, Stamp};
pub use folder::{DataFolder, FolderError};
pub use log::{AppendError, Log, LogBatch, LogOptions, OpenLogError};
pub use node::NodeIdentity;
pub use reader::{Entries, LogReader, ReadError};
pub use verify::{VerifyError, VerifyReport, verify};
