//! redb's file over the disk seam, with write-back started early so that a flush finds little to do.

use bolster_env::{Disk, DiskFile, OpenMode};
use redb::StorageBackend;

type BackendIoError = std::io::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes after which write-back is asked for: a flush of everything at once stalls the log's own flush.
const WRITE_BACK_BYTES: u64 = 128 << 10;

/// A file under redb.
pub struct Backend {
    file: Arc<dyn DiskFile>,
    pending: AtomicU64,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}

impl Backend {
    /// Opens or creates the file.
    pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path, OpenMode::CreateOrOpen)?;
        Ok(Self { file, pending: AtomicU64::new(0) })
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> Result<u64, BackendIoError> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), BackendIoError> {
        self.file.read_at(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), BackendIoError> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> Result<(), BackendIoError> {
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), BackendIoError> {
        self.file.write_at(offset, data)?;
        let len = data.len() as u64;
        if self.pending.fetch_add(len, Ordering::Relaxed) + len >= WRITE_BACK_BYTES {
            self.pending.store(0, Ordering::Relaxed);
            // Of everything: the pages lie scattered.
            self.file.start_write_back(0, 0);
        }
        Ok(())
    }
}
