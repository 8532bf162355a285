//! Files as storage sees them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// Must exist; reading only.
    Read,
    /// Must exist; reading and writing.
    ReadWrite,
    /// Must not exist; created for reading and writing.
    CreateNew,
    /// Created when missing; reading and writing.
    CreateOrOpen,
}

/// An open file. Positions are absolute; nothing is buffered here.
pub trait DiskFile: Send + Sync {
    /// Reads exactly `out.len()` bytes at `offset`; `UnexpectedEof` past the end.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes all bytes at `offset`, growing the file.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Makes content (and a changed length) durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// True for a file of no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Grows or cuts.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Asks for write-back of a range without waiting for durability; a hint, may do nothing.
    fn start_write_back(&self, _offset: u64, _len: u64) {}
    /// Takes an exclusive lock, kept until [`Self::unlock`] or the end of the handle; `WouldBlock` if another
    /// handle has it, in this process or another one.
    fn try_lock(&self) -> io::Result<()>;
    /// Gives the lock back, if this handle has it.
    fn unlock(&self) -> io::Result<()>;
}

/// A folder tree of files.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a folder and its parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Files and folders directly inside, sorted; empty when the folder is missing.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Renames, replacing a file of that name; durable after `sync_dir` of the parent.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Something of this name exists.
    fn exists(&self, path: &Path) -> bool;
    /// Makes creations, renames and removals in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes free for this process on the file system of the path; `None` when unknown.
    fn free_bytes(&self, path: &Path) -> Option<u64>;
    /// What tells the machine and the place of a folder from others, by name; a copy of the folder elsewhere
    /// shows by it. Only what can be found out.
    fn host_marks(&self, _folder: &Path) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// Last modification in seconds since the epoch, for collecting orphans by age.
    fn modified_secs(&self, path: &Path) -> io::Result<i64>;
}
