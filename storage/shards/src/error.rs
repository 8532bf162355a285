//! Why rows could not be read or written, and what to do about it.

use bolster_changelog::ReadError;
use bolster_env::is_disk_full;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why rows could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// redb.
    #[error("a shard could not be used")]
    Redb(#[source] Box<redb::Error>),
    /// The file, when it was opened.
    #[error("the file {path} could not be opened; nothing was changed; {advice}")]
    Open {
        /// File.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
        /// Cause.
        #[source]
        source: Box<redb::Error>,
    },
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
    Io(#[from] io::Error),
    /// The file holds more than the log.
    #[error("a shard holds entries up to {applied}, and the change log ends at {head}")]
    Ahead {
        /// Position of the file.
        applied: u64,
        /// Position of the log.
        head: u64,
    },
    /// Writing fails; it is tried again and again.
    #[error("a shard's file cannot be written just now; nothing is lost, and it is tried again")]
    Failing(#[source] Arc<ShardError>),
    /// Too many rows are on their way.
    #[error("the shards do not keep up with the change log just now")]
    Behind,
    /// The file is being opened or filled again.
    #[error("a shard is not ready to be read; it is being made again")]
    NotReady,
    /// The store is closing.
    #[error("the store is closing")]
    Stopped,
}

impl ShardError {
    fn redb(&self) -> Option<&redb::Error> {
        match self {
            Self::Redb(error) | Self::Open { source: error, .. } => Some(error),
            _ => None,
        }
    }

    /// What lies under it all, in words.
    pub fn root_cause(&self) -> String {
        let mut cause: &dyn std::error::Error = self;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        cause.to_string()
    }

    /// There is no room on the disk.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io(error) => is_disk_full(error),
            Self::Failing(error) => error.is_disk_full(),
            _ => matches!(self.redb(), Some(redb::Error::Io(error)) if is_disk_full(error)),
        }
    }

    /// What was asked cannot be done now, and may be later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Failing(_) | Self::Behind | Self::NotReady | Self::Stopped)
            || self.is_disk_full()
    }

    /// The file is not what was written to it: it has to be made again from the log.
    pub(crate) fn is_damage(&self) -> bool {
        self.redb().is_some_and(is_damage)
    }

    /// redb must be opened again before it can be used.
    pub(crate) fn is_unusable(&self) -> bool {
        matches!(self, Self::NotReady)
            || matches!(
                self.redb(),
                Some(redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseClosed)
            )
    }
}

/// Only what the bytes of the file themselves say. A failing disk says nothing about them.
fn is_damage(error: &redb::Error) -> bool {
    match error {
        // "Not a redb file", and a file that ends too early.
        redb::Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => true,
        _ => false,
    }
}

/// What the operator can do about a file that cannot be opened.
pub(crate) fn advice(error: &redb::Error) -> &'static str {
    match error {
        redb::Error::DatabaseAlreadyOpen => "it is open already: stop the other program that uses it",
        redb::Error::Io(error) if is_disk_full(error) => "the disk is full: make room and start again",
        redb::Error::Io(error) => match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "this user may not use it: give the data folder to the user that bolster runs as"
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                "its disk can only be read: mount it for writing, and check it before"
            }
            _ => "look whether the disk is sound and connected, and start again",
        },
        _ => "look whether the disk is sound and connected, and start again",
    }
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
