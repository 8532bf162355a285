//! A disk on which the change log cannot be written for a while.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bolster_env::{Disk, DiskFile, OpenMode};

/// Passes everything on; while told to fail, writes and syncs below a folder named `log` find a full disk.
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    failing: Arc<AtomicBool>,
}

impl FaultyDisk {
    /// Around another disk; `failing` is the switch.
    pub fn new(inner: Arc<dyn Disk>, failing: Arc<AtomicBool>) -> Self {
        Self { inner, failing }
    }
}

struct FaultyFile {
    inner: Arc<dyn DiskFile>,
    /// `None` for files that never fail.
    failing: Option<Arc<AtomicBool>>,
}

impl FaultyFile {
    fn check(&self) -> io::Result<()> {
        match &self.failing {
            Some(failing) if failing.load(Ordering::SeqCst) => {
                Err(io::Error::new(io::ErrorKind::StorageFull, "no room, as the scenario wants it"))
            }
            _ => Ok(()),
        }
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, out)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.inner.write_at(offset, data)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.inner.sync_data()
    }
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.inner.set_len(len)
    }
    fn start_write_back(&self, offset: u64, len: u64) {
        self.inner.start_write_back(offset, len);
    }
    fn try_lock(&self) -> io::Result<()> {
        self.inner.try_lock()
    }
    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let inner = self.inner.open(path, mode)?;
        let of_the_log = path.components().any(|c| c.as_os_str() == "log");
        let failing = of_the_log.then(|| self.failing.clone());
        Ok(Arc::new(FaultyFile { inner, failing }))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.inner.list(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }
    fn exists(&self, path: &Path) -> bool {
        self.inner.exists(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }
    fn free_bytes(&self, path: &Path) -> Option<u64> {
        self.inner.free_bytes(path)
    }
    fn modified_secs(&self, path: &Path) -> io::Result<i64> {
        self.inner.modified_secs(path)
    }
}
