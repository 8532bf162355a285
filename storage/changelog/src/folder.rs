//! The data folder: its format stamp, its lock, and the node that lives in it.

use crate::node::{self, NodeIdentity};
use bolster_env::{DiskFile, Env, OpenMode};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Format of data folders that this release writes.
pub const DATA_FORMAT: u32 = 1;

const STAMP: &str = "bolster data ";

/// A data folder that nobody else uses while this value lives.
pub struct DataFolder {
    /// Where.
    pub path: PathBuf,
    /// Who.
    pub identity: NodeIdentity,
    _lock: Arc<dyn DiskFile>,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The disk.
    #[error("the data folder {path} could not be read or written")]
    Io {
        /// Folder.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "the data folder {path} is in use by another bolster; stop that one first, or choose another folder \
         with --data"
    )]
    InUse {
        /// Folder.
        path: PathBuf,
    },
    /// Written by a newer release.
    #[error(
        "the data folder {path} has format {found}, and this release knows formats up to {DATA_FORMAT}; \
         install the newer release again"
    )]
    Newer {
        /// Folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Not ours.
    #[error("{path} is not a bolster data folder: its file `{file}` is unreadable")]
    Foreign {
        /// Folder.
        path: PathBuf,
        /// File.
        file: &'static str,
    },
}

impl DataFolder {
    /// Opens a data folder, or makes one of an empty or missing folder. `new_node` gives it a new identity; a
    /// folder that was copied from another machine takes one by itself.
    pub fn open(env: &Env, path: &Path, new_node: bool) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io { path: path.to_owned(), source };
        env.disk.create_dir_all(path).map_err(io)?;
        let lock = env.disk.open(&path.join("lock"), OpenMode::CreateOrOpen).map_err(io)?;
        if let Err(error) = lock.try_lock() {
            return Err(match error.kind() {
                io::ErrorKind::WouldBlock => FolderError::InUse { path: path.to_owned() },
                _ => io(error),
            });
        }
        let format = path.join("format");
        match read_small(env, &format).map_err(io)? {
            None => write_small(env, &format, &format!("{STAMP}{DATA_FORMAT}\n")).map_err(io)?,
            Some(text) => {
                let found = text.trim().strip_prefix(STAMP.trim_end()).and_then(|n| n.trim().parse().ok());
                match found {
                    None => return Err(FolderError::Foreign { path: path.to_owned(), file: "format" }),
                    Some(found) if found > DATA_FORMAT => {
                        return Err(FolderError::Newer { path: path.to_owned(), found });
                    }
                    Some(_) => {}
                }
            }
        }
        let identity = node::identity(env, path, new_node)?;
        Ok(Self { path: path.to_owned(), identity, _lock: lock })
    }
}

pub(crate) fn read_small(env: &Env, path: &Path) -> io::Result<Option<String>> {
    if !env.disk.exists(path) {
        return Ok(None);
    }
    let file = env.disk.open(path, OpenMode::Read)?;
    let mut bytes = vec![0; file.len()?.min(64 << 10) as usize];
    file.read_at(0, &mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Written whole or not at all.
pub(crate) fn write_small(env: &Env, path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let file = env.disk.open(&temporary, OpenMode::CreateOrOpen)?;
    file.set_len(0)?;
    file.write_at(0, text.as_bytes())?;
    file.sync_data()?;
    env.disk.rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |dir| env.disk.sync_dir(dir))
}
