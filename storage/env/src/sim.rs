//! A disk in memory that remembers what is durable and what is not.
//!
//! A crash keeps what was flushed and a random part of the rest: of the writes since a file's last flush
//! each sector arrives or not, and of the changes to the folders since the last `sync_dir` a random first part.
//! Content is shared page by page, so that an image at every call is cheap.

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::random::{Random, SeededRandom};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

const PAGE: usize = 4096;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

type Page = Arc<[u8; PAGE]>;

#[derive(Clone, Default)]
struct Content {
    pages: Vec<Option<Page>>,
    len: u64,
}

impl Content {
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < out.len() {
            let at = offset as usize + done;
            let (page, within) = (at / PAGE, at % PAGE);
            let take = (PAGE - within).min(out.len() - done);
            match self.pages.get(page).and_then(Option::as_ref) {
                Some(bytes) => out[done..done + take].copy_from_slice(&bytes[within..within + take]),
                None => out[done..done + take].fill(0),
            }
            done += take;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        self.len = self.len.max(end);
        self.pages.resize(self.pages.len().max((end as usize).div_ceil(PAGE)), None);
        let mut done = 0;
        while done < data.len() {
            let at = offset as usize + done;
            let (page, within) = (at / PAGE, at % PAGE);
            let take = (PAGE - within).min(data.len() - done);
            let bytes = self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(bytes)[within..within + take].copy_from_slice(&data[done..done + take]);
            done += take;
        }
    }

    fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.pages.truncate((len as usize).div_ceil(PAGE));
            let within = len as usize % PAGE;
            if within > 0
                && let Some(Some(last)) = self.pages.last_mut()
            {
                Arc::make_mut(last)[within..].fill(0);
            }
        }
        self.len = len;
        self.pages.resize((len as usize).div_ceil(PAGE), None);
    }
}

#[derive(Clone)]
enum Change {
    Write(u64, Arc<[u8]>),
    SetLen(u64),
}

#[derive(Clone, Default)]
struct SimFile {
    live: Content,
    durable: Content,
    unsynced: Vec<Change>,
    locked: bool,
}

#[derive(Clone)]
enum NameChange {
    Create(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Remove(PathBuf),
}

#[derive(Clone, Default)]
struct State {
    files: BTreeMap<u64, SimFile>,
    live: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    unsynced_names: Vec<NameChange>,
    next_file: u64,
    calls: u64,
    fail_at: Option<u64>,
    failing: bool,
    room: Option<u64>,
    marks: Vec<(&'static str, String)>,
}

/// Called before every call that changes something, with its number.
pub type Observer = Box<dyn FnMut(&Image) + Send>;

/// The disk at one moment.
#[derive(Clone)]
pub struct Image(State);

impl Image {
    /// Number of the call that comes next.
    pub fn call(&self) -> u64 {
        self.0.calls
    }

    /// A disk as a crash at this moment may leave it. The same seed gives the same disk.
    pub fn crash(&self, seed: u64) -> SimDisk {
        let random = SeededRandom::new(seed);
        let mut state = self.0.clone();
        let mut names = state.durable.clone();
        let kept = pick(&random, state.unsynced_names.len() + 1);
        for change in &state.unsynced_names[..kept] {
            apply_name(&mut names, change);
        }
        for file in state.files.values_mut() {
            let mut content = file.durable.clone();
            for change in &file.unsynced {
                match change {
                    Change::Write(offset, data) => tear(&random, &mut content, *offset, data),
                    Change::SetLen(len) if pick(&random, 2) == 0 => content.set_len(*len),
                    Change::SetLen(_) => {}
                }
            }
            *file = SimFile { live: content.clone(), durable: content, unsynced: Vec::new(), locked: false };
        }
        let used: Vec<u64> = names.values().copied().collect();
        state.files.retain(|id, _| used.contains(id));
        let state = State {
            live: names.clone(),
            durable: names,
            unsynced_names: Vec::new(),
            calls: 0,
            fail_at: None,
            failing: false,
            ..state
        };
        SimDisk { state: Arc::new(Mutex::new(state)), observer: Arc::default() }
    }
}

fn pick(random: &dyn Random, below: usize) -> usize {
    (u64::from_le_bytes(crate::random::bytes(random)) % below as u64) as usize
}

/// Applies a write sector by sector, each with even odds (or all of it, or nothing).
fn tear(random: &dyn Random, content: &mut Content, offset: u64, data: &[u8]) {
    let mood = pick(random, 4);
    if mood == 0 {
        return;
    }
    let mut at = 0;
    while at < data.len() {
        let take = (SECTOR - (offset as usize + at) % SECTOR).min(data.len() - at);
        if mood == 1 || pick(random, 2) == 0 {
            content.write(offset + at as u64, &data[at..at + take]);
        }
        at += take;
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, u64>, change: &NameChange) {
    match change {
        NameChange::Create(path, file) => drop(names.insert(path.clone(), *file)),
        NameChange::Rename(from, to, file) => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
        NameChange::Remove(path) => drop(names.remove(path)),
    }
}

/// A simulated disk; cheap to clone, all clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    observer: Arc<Mutex<Option<Observer>>>,
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The disk as it is now.
    pub fn image(&self) -> Image {
        Image(self.state().clone())
    }

    /// Calls back before every changing call.
    pub fn observe(&self, observer: Observer) {
        *self.observer.lock().unwrap_or_else(|e| e.into_inner()) = Some(observer);
    }

    /// The n-th changing call from now fails with an IO error, once; 0 is the next one.
    pub fn fail_nth(&self, n: u64) {
        let mut state = self.state();
        state.fail_at = Some(state.calls + n);
    }

    /// Every changing call fails from now on, or works again.
    pub fn set_failing(&self, failing: bool) {
        self.state().failing = failing;
    }

    /// Bytes that may still be added to files; `None` for no bound.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.state().room = bytes;
    }

    /// The machine that the disk is in, as [`Disk::host_marks`] tells it.
    pub fn set_host_marks(&self, marks: Vec<(&'static str, String)>) {
        self.state().marks = marks;
    }

    /// Changing calls so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Counts a changing call, tells the observer, and fails it when it is its turn.
    fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        {
            let mut observer = self.observer.lock().unwrap_or_else(|e| e.into_inner());
            if let Some(observer) = &mut *observer {
                observer(&self.image());
            }
        }
        let mut state = self.state();
        let number = state.calls;
        state.calls += 1;
        if state.failing || state.fail_at == Some(number) {
            return Err(io::Error::other("simulated failure of the disk"));
        }
        Ok(state)
    }
}

impl State {
    fn file(&mut self, id: u64) -> io::Result<&mut SimFile> {
        self.files.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Takes room for a file to grow to `end`.
    fn grow(&mut self, id: u64, end: u64) -> io::Result<()> {
        let len = self.file(id)?.live.len;
        if let Some(room) = self.room {
            let more = end.saturating_sub(len);
            if more > room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room = Some(room - more);
        }
        Ok(())
    }
}

struct SimHandle {
    disk: SimDisk,
    id: u64,
    writable: bool,
    /// This handle has the file's lock.
    locks: AtomicBool,
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        // Nothing to be done about a file that is gone.
        let _ = self.unlock();
    }
}

impl DiskFile for SimHandle {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.state().file(self.id)?.live.read(offset, out)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.disk.change()?;
        state.grow(self.id, offset + data.len() as u64)?;
        let file = state.file(self.id)?;
        file.live.write(offset, data);
        file.unsynced.push(Change::Write(offset, data.into()));
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.change()?;
        let file = state.file(self.id)?;
        file.durable = file.live.clone();
        file.unsynced.clear();
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().file(self.id)?.live.len)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.change()?;
        state.grow(self.id, len)?;
        let file = state.file(self.id)?;
        file.live.set_len(len);
        file.unsynced.push(Change::SetLen(len));
        Ok(())
    }
    fn try_lock(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let file = state.file(self.id)?;
        if std::mem::replace(&mut file.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.locks.store(true, Ordering::SeqCst);
        Ok(())
    }
    fn unlock(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if self.locks.swap(false, Ordering::SeqCst) {
            state.file(self.id)?.locked = false;
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let existing = self.state().live.get(path).copied();
        let id = match (existing, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(id), _) => id,
            (None, OpenMode::Read | OpenMode::ReadWrite) => return Err(io::ErrorKind::NotFound.into()),
            (None, OpenMode::CreateNew | OpenMode::CreateOrOpen) => {
                let mut state = self.change()?;
                let id = state.next_file;
                state.next_file += 1;
                state.files.insert(id, SimFile::default());
                state.live.insert(path.to_owned(), id);
                state.unsynced_names.push(NameChange::Create(path.to_owned(), id));
                id
            }
        };
        Ok(Arc::new(SimHandle {
            disk: self.clone(),
            id,
            writable: mode != OpenMode::Read,
            locks: AtomicBool::new(false),
        }))
    }
    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found: Vec<PathBuf> = Vec::new();
        for file in self.state().live.keys() {
            if let Ok(rest) = file.strip_prefix(path)
                && let Some(first) = rest.components().next()
            {
                let child = path.join(first);
                if found.last() != Some(&child) {
                    found.push(child);
                }
            }
        }
        Ok(found)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        let id = state.live.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.live.insert(to.to_owned(), id);
        state.unsynced_names.push(NameChange::Rename(from.to_owned(), to.to_owned(), id));
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        state.live.remove(path).ok_or(io::ErrorKind::NotFound)?;
        state.unsynced_names.push(NameChange::Remove(path.to_owned()));
        Ok(())
    }
    fn exists(&self, path: &Path) -> bool {
        self.state().live.keys().any(|file| file.starts_with(path))
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        let changes = std::mem::take(&mut state.unsynced_names);
        for change in changes {
            let (a, b) = match &change {
                NameChange::Create(path, _) | NameChange::Remove(path) => (path, path),
                NameChange::Rename(from, to, _) => (from, to),
            };
            if a.parent() == Some(path) || b.parent() == Some(path) {
                apply_name(&mut state.durable, &change);
                // A rename moves the name: the old one does not come back when its folder is flushed.
                if let NameChange::Rename(from, _, file) = &change {
                    let old =
                        |c: &NameChange| matches!(c, NameChange::Create(p, f) if p == from && f == file);
                    state.unsynced_names.retain(|c| !old(c));
                }
            } else {
                state.unsynced_names.push(change);
            }
        }
        Ok(())
    }
    fn free_bytes(&self, _path: &Path) -> Option<u64> {
        self.state().room
    }
    fn host_marks(&self, _folder: &Path) -> Vec<(&'static str, String)> {
        self.state().marks.clone()
    }
    fn modified_secs(&self, _path: &Path) -> io::Result<i64> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_flushed_survives_and_the_rest_may_not() {
        let disk = SimDisk::default();
        let path = Path::new("/d/f");
        let file = disk.open(path, OpenMode::CreateNew).unwrap();
        file.write_at(0, &[1; 2000]).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_at(2000, &[2; 9000]).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let after = disk.image().crash(seed);
            let file = after.open(path, OpenMode::Read).unwrap();
            let mut head = [0; 2000];
            file.read_at(0, &mut head).unwrap();
            assert_eq!(head, [1; 2000], "seed {seed}");
            seen.insert(file.len().unwrap());
        }
        assert!(seen.len() > 2, "crashes differ");
    }

    #[test]
    fn a_file_that_was_moved_to_a_flushed_folder_is_there() {
        let disk = SimDisk::default();
        let (from, to) = (Path::new("/new/f"), Path::new("/kept/f"));
        let file = disk.open(from, OpenMode::CreateNew).unwrap();
        file.write_at(0, b"whole").unwrap();
        file.sync_data().unwrap();
        disk.rename(from, to).unwrap();
        disk.sync_dir(Path::new("/kept")).unwrap();
        for seed in 0..20 {
            let after = disk.image().crash(seed);
            assert!(after.exists(to), "seed {seed}");
            assert!(!after.exists(from), "seed {seed}");
        }
        disk.sync_dir(Path::new("/new")).unwrap();
        assert!(!disk.image().crash(1).exists(from));
    }

    #[test]
    fn a_lock_ends_with_its_handle() {
        let disk = SimDisk::default();
        let path = Path::new("/lock");
        let holder = disk.open(path, OpenMode::CreateOrOpen).unwrap();
        holder.try_lock().unwrap();
        let second = disk.open(path, OpenMode::ReadWrite).unwrap();
        assert_eq!(second.try_lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(holder);
        second.try_lock().unwrap();
        drop(disk.open(path, OpenMode::ReadWrite).unwrap());
        assert!(disk.open(path, OpenMode::ReadWrite).unwrap().try_lock().is_err(), "still the second's");
        second.unlock().unwrap();
        disk.open(path, OpenMode::ReadWrite).unwrap().try_lock().unwrap();
    }

    #[test]
    fn failures_and_a_full_disk() {
        let disk = SimDisk::default();
        let file = disk.open(Path::new("/f"), OpenMode::CreateNew).unwrap();
        disk.fail_nth(1);
        file.write_at(0, b"a").unwrap();
        assert!(file.write_at(1, b"b").is_err());
        file.write_at(1, b"b").unwrap();
        disk.set_room(Some(3));
        assert!(crate::is_disk_full(&file.write_at(2, &[0; 4]).unwrap_err()));
        file.write_at(2, &[0; 3]).unwrap();
    }
}
