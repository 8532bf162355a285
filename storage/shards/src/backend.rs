//! redb's file over the disk seam, with write-back started early so that a flush finds little to do.
//!
//! A backend holds the file's lock from the moment redb asks for it until redb closes it. As a *stand-in* it
//! reads the file and keeps every write in memory: redb can so be opened, and its last durable state read,
//! on a disk that takes no writes.

use bolster_env::{Disk, DiskFile, OpenMode};
use redb::{BackendError, StorageBackend};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

type BackendIoError = io::Error;

/// Bytes after which write-back is asked for: a flush of everything at once stalls the log's own flush.
const WRITE_BACK_BYTES: u64 = 128 << 10;
/// Pages in which a stand-in keeps what was written.
const PAGE: usize = 4096;

/// A file under redb.
pub struct Backend {
    file: Arc<dyn DiskFile>,
    pending: AtomicU64,
    /// What was written to a stand-in.
    memory: Option<Mutex<Memory>>,
}

/// Pages that hide those of the file.
struct Memory {
    len: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
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
        Ok(Self { file, pending: AtomicU64::new(0), memory: None })
    }

    /// Opens the file as it is, for reading; it is never written.
    pub fn stand_in(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path, OpenMode::Read)?;
        let memory = Memory { len: file.len()?, pages: BTreeMap::new() };
        Ok(Self { file, pending: AtomicU64::new(0), memory: Some(Mutex::new(memory)) })
    }

    fn memory(&self) -> Option<MutexGuard<'_, Memory>> {
        self.memory.as_ref().map(|memory| memory.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// A page of the file, zeros where the file ends.
    fn page(&self, number: u64, out: &mut [u8; PAGE]) -> io::Result<()> {
        let start = number * PAGE as u64;
        let within = self.file.len()?.saturating_sub(start).min(PAGE as u64) as usize;
        out[within..].fill(0);
        self.file.read_at(start, &mut out[..within])
    }

    /// A page that can be written, taken from the file if it was not written before.
    fn memory_page<'m>(&self, memory: &'m mut Memory, number: u64) -> io::Result<&'m mut [u8; PAGE]> {
        match memory.pages.entry(number) {
            Entry::Occupied(page) => Ok(page.into_mut()),
            Entry::Vacant(place) => {
                let mut page = Box::new([0; PAGE]);
                self.page(number, &mut page)?;
                Ok(place.insert(page))
            }
        }
    }

    /// Calls `each` with page number, range in the page and range in a buffer, for a piece of the file.
    fn pieces(
        offset: u64,
        len: usize,
        mut each: impl FnMut(u64, std::ops::Range<usize>, std::ops::Range<usize>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let within = (at % PAGE as u64) as usize;
            let take = (PAGE - within).min(len - done);
            each(at / PAGE as u64, within..within + take, done..done + take)?;
            done += take;
        }
        Ok(())
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> Result<u64, BackendIoError> {
        match self.memory() {
            Some(memory) => Ok(memory.len),
            None => self.file.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), BackendIoError> {
        let Some(memory) = self.memory() else { return self.file.read_at(offset, out) };
        if offset + out.len() as u64 > memory.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut buffer = [0; PAGE];
        Self::pieces(offset, out.len(), |number, within, place| {
            match memory.pages.get(&number) {
                Some(page) => out[place].copy_from_slice(&page[within]),
                None => {
                    self.page(number, &mut buffer)?;
                    out[place].copy_from_slice(&buffer[within]);
                }
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> Result<(), BackendIoError> {
        let Some(mut memory) = self.memory() else { return self.file.set_len(len) };
        if len < memory.len {
            // What is cut off and grown again reads as zeros: the pages of the file must stay hidden.
            let mut cut = memory.pages.split_off(&len.div_ceil(PAGE as u64));
            let file_pages = self.file.len()?.div_ceil(PAGE as u64);
            for number in len.div_ceil(PAGE as u64)..file_pages {
                let mut page = cut.remove(&number).unwrap_or_else(|| Box::new([0; PAGE]));
                page.fill(0);
                memory.pages.insert(number, page);
            }
            let within = (len % PAGE as u64) as usize;
            if within > 0 {
                self.memory_page(&mut memory, len / PAGE as u64)?[within..].fill(0);
            }
        }
        memory.len = len;
        Ok(())
    }

    fn sync_data(&self) -> Result<(), BackendIoError> {
        if self.memory.is_some() { Ok(()) } else { self.file.sync_data() }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), BackendIoError> {
        if let Some(mut memory) = self.memory() {
            memory.len = memory.len.max(offset + data.len() as u64);
            return Self::pieces(offset, data.len(), |number, within, place| {
                self.memory_page(&mut memory, number)?[within].copy_from_slice(&data[place]);
                Ok(())
            });
        }
        self.file.write_at(offset, data)?;
        let len = data.len() as u64;
        if self.pending.fetch_add(len, Ordering::Relaxed) + len >= WRITE_BACK_BYTES {
            self.pending.store(0, Ordering::Relaxed);
            // Of everything: the pages lie scattered.
            self.file.start_write_back(0, 0);
        }
        Ok(())
    }

    fn close(&self) -> Result<(), BackendIoError> {
        self.file.unlock()
    }

    /// One lock for all of the file; redb falls back to it when ranges of it cannot be locked.
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if (start, end) != (Bound::Unbounded, Bound::Unbounded) {
            return Err(BackendError::Unsupported);
        }
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(BackendError::Io(error)),
        }
    }

    fn unlock_range(&self, _start: Bound<u64>, _end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock().map_err(BackendError::Io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolster_env::SimDisk;

    #[test]
    fn a_stand_in_reads_what_it_wrote_and_leaves_the_file_alone() {
        let disk = SimDisk::default();
        let path = Path::new("/f");
        let file = disk.open(path, OpenMode::CreateNew).unwrap();
        file.write_at(0, &[1; 10_000]).unwrap();
        disk.set_failing(true);
        let backend = Backend::stand_in(&disk, path).unwrap();
        backend.write(4_000, &[2; 200]).unwrap();
        backend.write(9_990, &[3; 20]).unwrap();
        let mut all = vec![0; 10_010];
        backend.read(0, &mut all).unwrap();
        assert_eq!(all[..4_000], [1; 4_000]);
        assert_eq!(all[4_000..4_200], [2; 200]);
        assert_eq!(all[4_200..9_990], [1; 5_790]);
        assert_eq!(all[9_990..], [3; 20]);
        assert!(backend.read(1, &mut all).is_err(), "past the end");
        backend.set_len(4_100).unwrap();
        backend.set_len(10_000).unwrap();
        backend.read(4_000, &mut all[..6_000]).unwrap();
        assert_eq!(all[..100], [2; 100]);
        assert_eq!(all[100..6_000], [0; 5_900], "what was cut off is gone");
        file.read_at(0, &mut all[..10_000]).unwrap();
        assert_eq!(all[..10_000], [1; 10_000]);
    }
}
