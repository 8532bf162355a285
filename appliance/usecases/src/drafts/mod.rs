//! What people have begun in a browser and not sent: forms, lists of chosen cases, files of answers.
//!
//! Each is a file of its own, whose last version is whole at any time, and none of it is in the change log: a draft is worth nothing to
//! anybody but who began it. A draft survives the end of the process, however it comes; a power cut may cost the
//! last few seconds of it.

mod slots;

use bolster_env::{Disk, DiskFile, OpenMode};
use bolster_model::Timestamp;
use sha2::{Digest as _, Sha256};
use slots::Slots;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Days after its last change when a draft is forgotten.
pub const DAYS_MAX: i64 = 30;
/// Largest draft.
const BYTES_MAX: u64 = 64 << 20;
/// Longest id.
const ID_LEN_MAX: usize = 128;
/// Drafts of one owner on one shelf; the oldest goes when there is one more.
const DRAFTS_MAX: usize = 1_000;
/// Ends the name of a file that is not whole yet.
const PART: &str = ".part";

/// Folders of drafts below the data folder.
pub struct Drafts {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// All drafts, read from the disk when they are first asked for.
    places: Mutex<Option<Places>>,
}

/// What is known of the drafts on the disk.
#[derive(Default)]
struct Places {
    /// The folder of the owner, by shelf and id.
    folders: HashMap<Key, String>,
    /// Drafts by shelf and folder.
    owners: HashMap<Key, HashMap<String, Draft>>,
    /// Counts what is written.
    clock: i64,
}

/// Two names: of a shelf, and of an id or a folder.
type Key = (String, String);

/// One draft as far as it is known.
#[derive(Clone, Copy)]
struct Draft {
    /// Higher for what was written later; `None` while nobody needed to know.
    written: Option<i64>,
    /// How its file is made; `None` until it is written or read.
    slots: Option<Slots>,
}

fn key(shelf: &str, name: &str) -> Key {
    (shelf.to_owned(), name.to_owned())
}

impl Places {
    fn insert(&mut self, shelf: &str, folder: &str, id: &str, draft: Draft) {
        self.folders.insert(key(shelf, id), folder.to_owned());
        self.owners.entry(key(shelf, folder)).or_default().insert(id.to_owned(), draft);
    }

    fn remove(&mut self, shelf: &str, id: &str) -> Option<String> {
        let folder = self.folders.remove(&key(shelf, id))?;
        let owner = key(shelf, &folder);
        if let Some(drafts) = self.owners.get_mut(&owner) {
            drafts.remove(id);
            if drafts.is_empty() {
                self.owners.remove(&owner);
            }
        }
        Some(folder)
    }

    fn of(&self, shelf: &str, folder: &str) -> impl Iterator<Item = (&String, &Draft)> {
        self.owners.get(&key(shelf, folder)).into_iter().flatten()
    }

    fn draft(&mut self, shelf: &str, folder: &str, id: &str) -> Option<&mut Draft> {
        self.owners.get_mut(&key(shelf, folder))?.get_mut(id)
    }
}

/// Ids come from clients: they are names of files only if nothing in them means anything to a disk.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_LEN_MAX && {
        let fit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let mut parts = id.split('.');
        parts.all(|part| !part.is_empty() && part.bytes().all(fit)) && !id.ends_with(PART)
    }
}

fn not_an_id() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "an id of a draft has letters, digits, - and _ only")
}

fn folder_of(owner: &str) -> String {
    Sha256::digest(owner).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

fn last(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

impl Drafts {
    /// The drafts of a data folder.
    pub fn new(disk: Arc<dyn Disk>, data: &Path) -> Self {
        Self { disk, dir: data.join("drafts"), places: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Places>> {
        self.places.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn read_places(&self) -> io::Result<Places> {
        let mut places = Places::default();
        for shelf in self.disk.list(&self.dir)? {
            for owner in self.disk.list(&shelf)? {
                for draft in self.disk.list(&owner)? {
                    let (Some(shelf), Some(owner), Some(id)) = (last(&shelf), last(&owner), last(&draft))
                    else {
                        continue;
                    };
                    if id.ends_with(PART) {
                        // Left by an end in the middle of writing; the draft before it is whole.
                        self.disk.remove(&draft)?;
                        continue;
                    }
                    if shelf != FILES {
                        places.insert(&shelf, &owner, &id, Draft { written: None, slots: None });
                    }
                }
            }
        }
        Ok(places)
    }

    fn with_places<T>(&self, work: impl FnOnce(&mut Places) -> T) -> io::Result<T> {
        let mut places = self.lock();
        let known = match places.take() {
            Some(known) => known,
            None => self.read_places()?,
        };
        Ok(work(places.insert(known)))
    }

    fn path(&self, shelf: &str, folder: &str, id: &str) -> PathBuf {
        self.dir.join(shelf).join(folder).join(id)
    }

    /// Keeps a draft; one of the same id is replaced as a whole.
    ///
    /// Errors: those of the disk; `InvalidInput` for an id that is no id, and for a draft of more than 64 MB.
    pub fn save(&self, shelf: &str, owner: &str, id: &str, bytes: &[u8]) -> io::Result<()> {
        if !is_id(id) {
            return Err(not_an_id());
        }
        let owner_len = (owner.len() as u32).to_le_bytes();
        let content = [&owner_len[..], owner.as_bytes(), bytes];
        let length = content.iter().map(|part| part.len()).sum();
        if length as u64 > BYTES_MAX {
            return Err(slots::too_large());
        }
        let folder = folder_of(owner);
        let path = self.path(shelf, &folder, id);
        let known = self.with_places(|places| places.draft(shelf, &folder, id).copied())?;
        let mut slots = known.and_then(|draft| draft.slots).filter(|slots| slots.fits(length));
        match &mut slots {
            Some(slots) => {
                let (at, slot) = slots.next(&content);
                self.disk.open(&path, OpenMode::CreateOrOpen)?.write_at(at, &slot)?;
            }
            None => {
                if known.is_none() {
                    self.disk.create_dir_all(path.parent().unwrap_or(&self.dir))?;
                    self.make_room(shelf, &folder)?;
                }
                let part = path.with_file_name(format!("{id}{PART}"));
                let file = self.disk.open(&part, OpenMode::CreateOrOpen)?;
                file.set_len(0)?;
                file.write_at(0, &slots.insert(Slots::for_length(length)).first(&content))?;
                drop(file);
                self.disk.rename(&part, &path)?;
            }
        }
        self.with_places(|places| {
            places.clock += 1;
            let draft = Draft { written: Some(places.clock), slots };
            match places.draft(shelf, &folder, id) {
                Some(known) => *known = draft,
                None => places.insert(shelf, &folder, id, draft),
            }
        })
    }

    /// Forgets the draft of an owner that was written longest ago, if there are as many as there may be.
    fn make_room(&self, shelf: &str, folder: &str) -> io::Result<()> {
        let unknown: Vec<String> = self.with_places(|places| {
            let full = places.of(shelf, folder).count() >= DRAFTS_MAX;
            let unknown = places.of(shelf, folder).filter(|(_, draft)| full && draft.written.is_none());
            unknown.map(|(id, _)| id.clone()).collect()
        })?;
        // What was there before this process: the disk knows.
        for id in unknown {
            let age = self.disk.modified_secs(&self.path(shelf, folder, &id)).unwrap_or(0);
            self.with_places(|places| {
                if let Some(draft) = places.draft(shelf, folder, &id) {
                    draft.written = Some(age.saturating_sub(i64::MAX / 2));
                }
            })?;
        }
        let oldest = self.with_places(|places| {
            let full = places.of(shelf, folder).count() >= DRAFTS_MAX;
            let oldest = places.of(shelf, folder).min_by_key(|(_, draft)| draft.written);
            oldest.filter(|_| full).map(|(id, _)| id.clone())
        })?;
        oldest.map_or(Ok(()), |id| self.remove(shelf, &id))
    }

    /// A draft and its owner.
    pub fn load(&self, shelf: &str, id: &str) -> io::Result<Option<(String, Vec<u8>)>> {
        let folder = self.with_places(|places| places.folders.get(&key(shelf, id)).cloned())?;
        let Some(folder) = folder else { return Ok(None) };
        let file = match self.disk.open(&self.path(shelf, &folder, id), OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let length = file.len()?;
        if length > 3 * BYTES_MAX {
            return Ok(None);
        }
        let mut whole = vec![0; length as usize];
        file.read_at(0, &mut whole)?;
        // A power cut can leave a file without its content.
        let Some((slots, content)) = slots::newest(&whole) else { return Ok(None) };
        let Some((length, rest)) = content.split_first_chunk() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        let Some(owner) = rest.get(..length).and_then(|owner| std::str::from_utf8(owner).ok()) else {
            return Ok(None);
        };
        self.with_places(|places| {
            if let Some(draft) = places.draft(shelf, &folder, id).filter(|draft| draft.slots.is_none()) {
                draft.slots = Some(slots);
            }
        })?;
        Ok(Some((owner.to_owned(), rest[length..].to_vec())))
    }

    /// Forgets a draft.
    pub fn remove(&self, shelf: &str, id: &str) -> io::Result<()> {
        let folder = self.with_places(|places| places.remove(shelf, id))?;
        match folder.map(|folder| self.disk.remove(&self.path(shelf, &folder, id))) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Everything of an owner, by id.
    pub fn owned(&self, shelf: &str, owner: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
        let folder = folder_of(owner);
        let mut ids: Vec<String> =
            self.with_places(|places| places.of(shelf, &folder).map(|(id, _)| id.clone()).collect())?;
        ids.sort();
        let mut all = Vec::new();
        for id in ids {
            if let Some((_, bytes)) = self.load(shelf, &id)?.filter(|(whose, _)| whose == owner) {
                all.push((id, bytes));
            }
        }
        Ok(all)
    }

    /// Forgets drafts that nobody has touched for long. Answers how many.
    pub fn forget_old(&self, now: Timestamp) -> io::Result<usize> {
        let oldest = now.0.div_euclid(1_000_000) - DAYS_MAX * 86_400;
        let all: Vec<(String, String, String)> = self.with_places(|places| {
            let all = places.folders.iter();
            all.map(|((shelf, id), folder)| (shelf.clone(), folder.clone(), id.clone())).collect()
        })?;
        let mut count = 0;
        for (shelf, folder, id) in all {
            if self.disk.modified_secs(&self.path(&shelf, &folder, &id)).is_ok_and(|at| at < oldest) {
                self.remove(&shelf, &id)?;
                count += 1;
            }
        }
        let files = self.dir.join(FILES);
        for of in self.disk.list(&files)? {
            for file in self.disk.list(&of)? {
                if self.disk.modified_secs(&file).is_ok_and(|at| at < oldest) {
                    self.disk.remove(&file)?;
                }
            }
        }
        Ok(count)
    }

    /// How many drafts there are.
    pub fn count(&self) -> usize {
        self.with_places(|places| places.folders.len()).unwrap_or(0)
    }

    // ---- files of answers ----

    fn file_path(&self, draft: &str, id: &str) -> PathBuf {
        self.dir.join(FILES).join(draft).join(id)
    }

    /// A new file of a draft, to be written; [`FileWriter::finish`] makes it one.
    pub fn new_file(&self, draft: &str, id: &str) -> io::Result<FileWriter> {
        if !is_id(draft) || !is_id(id) {
            return Err(not_an_id());
        }
        let path = self.file_path(draft, id);
        self.disk.create_dir_all(path.parent().unwrap_or(&self.dir))?;
        let part = path.with_file_name(format!("{id}{PART}"));
        let file = self.disk.open(&part, OpenMode::CreateOrOpen)?;
        file.set_len(0)?;
        Ok(FileWriter { disk: self.disk.clone(), file, part, path, length: 0 })
    }

    /// Files of a draft, by id.
    pub fn files(&self, draft: &str) -> io::Result<Vec<String>> {
        if !is_id(draft) {
            return Ok(Vec::new());
        }
        let all = self.disk.list(&self.dir.join(FILES).join(draft))?;
        Ok(all.iter().filter_map(|path| last(path)).filter(|id| !id.ends_with(PART)).collect())
    }

    /// A file of a draft, to be read.
    pub fn open_file(&self, draft: &str, id: &str) -> io::Result<Arc<dyn DiskFile>> {
        if !is_id(draft) || !is_id(id) {
            return Err(not_an_id());
        }
        self.disk.open(&self.file_path(draft, id), OpenMode::Read)
    }

    /// Drops a file of a draft; all of them without an id.
    pub fn drop_file(&self, draft: &str, id: Option<&str>) -> io::Result<()> {
        for known in self.files(draft)? {
            if id.is_none_or(|id| id == known) {
                self.disk.remove(&self.file_path(draft, &known))?;
            }
        }
        Ok(())
    }
}

/// Folder of the files of answers.
const FILES: &str = "files";

/// A file being written.
pub struct FileWriter {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    part: PathBuf,
    path: PathBuf,
    length: u64,
}

impl FileWriter {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(self.length, bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// It is whole.
    pub fn finish(self) -> io::Result<()> {
        self.disk.rename(&self.part, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolster_env::RealDisk;

    fn drafts(dir: &Path) -> Drafts {
        Drafts::new(Arc::new(RealDisk::default()), dir)
    }

    #[test]
    fn drafts_belong_to_their_owner_and_survive() {
        let dir = tempfile::tempdir().unwrap();
        let first = drafts(dir.path());
        assert_eq!(first.load("forms", "a").unwrap(), None);
        first.save("forms", "amina", "a", b"one").unwrap();
        first.save("forms", "amina", "a", b"two").unwrap();
        first.save("forms", "binta", "b", b"three").unwrap();
        first.save("lists", "amina", "a", b"list").unwrap();
        let again = drafts(dir.path());
        assert_eq!(again.load("forms", "a").unwrap(), Some(("amina".into(), b"two".to_vec())));
        assert_eq!(again.owned("forms", "amina").unwrap(), [("a".to_owned(), b"two".to_vec())]);
        assert_eq!(again.owned("forms", "nobody").unwrap(), []);
        assert_eq!(again.count(), 3);
        again.remove("forms", "a").unwrap();
        again.remove("forms", "a").unwrap();
        assert_eq!(again.load("forms", "a").unwrap(), None);
        assert!(again.load("lists", "a").unwrap().is_some());
    }

    #[test]
    fn names_that_a_disk_would_follow_are_no_ids() {
        let dir = tempfile::tempdir().unwrap();
        let drafts = drafts(dir.path());
        for id in
            ["", ".", "..", "../x", "a/b", "a\\b", "a.part", ".hidden", "a..b", "\u{e4}", &"a".repeat(129)]
        {
            assert!(drafts.save("forms", "amina", id, b"x").is_err(), "{id}");
            assert!(drafts.new_file("form", id).is_err(), "{id}");
            assert!(drafts.new_file(id, "file").is_err(), "{id}");
            assert_eq!(drafts.load("forms", id).unwrap(), None, "{id}");
        }
    }

    #[test]
    fn what_was_cut_off_is_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        drafts(dir.path()).save("forms", "amina", "a", b"one").unwrap();
        let folder = dir.path().join("drafts/forms").join(folder_of("amina"));
        std::fs::write(folder.join("b.part"), b"half").unwrap();
        std::fs::write(folder.join("c"), b"").unwrap();
        let again = drafts(dir.path());
        assert_eq!(again.owned("forms", "amina").unwrap().len(), 1);
        assert!(!folder.join("b.part").exists());
    }

    #[test]
    fn drafts_are_written_over_in_place_and_grow() {
        let dir = tempfile::tempdir().unwrap();
        let first = drafts(dir.path());
        for round in 0..20usize {
            let bytes = vec![round as u8; round * 1_000];
            first.save("forms", "amina", "a", &bytes).unwrap();
            assert_eq!(first.load("forms", "a").unwrap(), Some(("amina".into(), bytes.clone())));
            let again = drafts(dir.path());
            assert_eq!(again.load("forms", "a").unwrap(), Some(("amina".into(), bytes)));
            again.save("forms", "amina", "a", b"by another process").unwrap();
            assert_eq!(again.load("forms", "a").unwrap().unwrap().1, b"by another process");
        }
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let dir = tempfile::tempdir().unwrap();
        let first = drafts(dir.path());
        for number in 0..DRAFTS_MAX {
            first.save("forms", "amina", &format!("f{number}"), b"x").unwrap();
        }
        first.save("forms", "amina", "f0", b"touched").unwrap();
        first.save("forms", "binta", "other", b"x").unwrap();
        first.save("forms", "amina", "more", b"x").unwrap();
        assert_eq!(first.count(), DRAFTS_MAX + 1);
        assert!(first.load("forms", "f0").unwrap().is_some());
        assert!(first.load("forms", "f1").unwrap().is_none());
        let again = drafts(dir.path());
        again.save("forms", "amina", "f2", b"touched").unwrap();
        again.save("forms", "amina", "still-more", b"x").unwrap();
        assert_eq!(again.count(), DRAFTS_MAX + 1);
        assert!(again.load("forms", "f2").unwrap().is_some());
    }

    #[test]
    fn files_and_old_drafts() {
        let dir = tempfile::tempdir().unwrap();
        let drafts = drafts(dir.path());
        let mut file = drafts.new_file("form", "x.jpg").unwrap();
        file.write(b"ab").unwrap();
        file.write(b"c").unwrap();
        assert_eq!(drafts.files("form").unwrap(), Vec::<String>::new(), "not whole yet");
        file.finish().unwrap();
        assert_eq!(drafts.files("form").unwrap(), ["x.jpg"]);
        assert_eq!(drafts.open_file("form", "x.jpg").unwrap().len().unwrap(), 3);
        drafts.drop_file("form", None).unwrap();
        assert_eq!(drafts.files("form").unwrap(), Vec::<String>::new());
        drafts.save("forms", "amina", "a", b"one").unwrap();
        assert_eq!(drafts.forget_old(Timestamp(0)).unwrap(), 0);
        assert_eq!(drafts.forget_old(Timestamp(i64::MAX / 2)).unwrap(), 1);
        assert_eq!(drafts.count(), 0);
    }
}
