//! A store beside a map of what it should hold, and a disk whose shards can fail alone.
#![allow(dead_code, reason = "each test file uses its part")]

use bolster_changelog::{EntryClass, EntryDraft, Payload};
use bolster_env::{Clock, Disk, DiskFile, Env, OpenMode, Random, SeededRandom, SimClock, SimDisk, random};
use bolster_model::{CaseId, FormId, ProjectId, Relationship, RulesVersion, Timestamp};
use bolster_shards::tables::{documents, links};
use bolster_store::{Batch, LogOptions, OpenError, Read, ScanRange, Store, StoreOptions, StoreWriter, Table};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub const DIR: &str = "/data";
pub const P: ProjectId = ProjectId([7; 16]);

/// Rows as they should be: (table, key) to value.
pub type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Numbers from a seed.
pub struct Dice(SeededRandom);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }
    pub fn below(&self, n: u64) -> u64 {
        u64::from_le_bytes(random::bytes(&self.0)) % n
    }
    pub fn bytes(&self, len: u64) -> Vec<u8> {
        let mut out = vec![0; len as usize];
        self.0.fill(&mut out);
        out
    }
}

/// A simulated disk on which the shards' files fail while told so. Everything else works.
#[derive(Clone, Default)]
pub struct FaultyShards {
    pub disk: SimDisk,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Default)]
struct Faults {
    /// Every call that changes something fails like this.
    changes: Option<io::ErrorKind>,
    /// They cannot even be opened.
    opening: Option<io::ErrorKind>,
    /// So many changing calls until one fails, once.
    countdown: Option<u64>,
    failures: u64,
}

impl FaultyShards {
    pub fn fail_changes(&self, how: impl Into<Option<io::ErrorKind>>) {
        self.faults.lock().unwrap().changes = how.into();
    }
    pub fn fail_opening(&self, how: impl Into<Option<io::ErrorKind>>) {
        self.faults.lock().unwrap().opening = how.into();
    }
    pub fn fail_nth(&self, n: u64) {
        self.faults.lock().unwrap().countdown = Some(n);
    }
    pub fn failures(&self) -> u64 {
        self.faults.lock().unwrap().failures
    }
    fn check(&self) -> io::Result<()> {
        let mut faults = self.faults.lock().unwrap();
        let once = match &mut faults.countdown {
            Some(0) => Some(io::ErrorKind::Other),
            Some(n) => {
                *n -= 1;
                None
            }
            None => None,
        };
        if once.is_some() {
            faults.countdown = None;
        }
        match faults.changes.or(once) {
            None => Ok(()),
            Some(kind) => {
                faults.failures += 1;
                Err(kind.into())
            }
        }
    }
}

struct FaultyFile {
    file: Arc<dyn DiskFile>,
    faults: FaultyShards,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.check()?;
        self.file.write_at(offset, data)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.faults.check()?;
        self.file.sync_data()
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.check()?;
        self.file.set_len(len)
    }
    fn try_lock(&self) -> io::Result<()> {
        self.file.try_lock()
    }
    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}

impl Disk for FaultyShards {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let shard = path.extension().is_some_and(|e| e == "redb");
        if let (true, Some(kind)) = (shard, self.faults.lock().unwrap().opening) {
            return Err(kind.into());
        }
        let file = self.disk.open(path, mode)?;
        if shard {
            return Ok(Arc::new(FaultyFile { file, faults: self.clone() }));
        }
        Ok(file)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.disk.list(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn exists(&self, path: &Path) -> bool {
        self.disk.exists(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn free_bytes(&self, path: &Path) -> Option<u64> {
        self.disk.free_bytes(path)
    }
    fn modified_secs(&self, path: &Path) -> io::Result<i64> {
        self.disk.modified_secs(path)
    }
}

pub fn env(disk: Arc<dyn Disk>) -> (Env, Arc<SimClock>) {
    let clock = Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000)));
    let seams = Env { disk, clock: clock.clone(), random: Arc::new(SeededRandom::new(1)) };
    assert!(seams.clock.now().0 > 0);
    (seams, clock)
}

pub fn try_open(disk: Arc<dyn Disk>) -> Result<(Store, StoreWriter), OpenError> {
    let log = LogOptions { segment_bytes: 32 << 10, prepare_ahead: false };
    let options = StoreOptions { log, shard_cache_bytes: 1 << 20, ..StoreOptions::default() };
    Store::open(env(disk).0, Path::new(DIR), options)
}

pub fn open_on(disk: &(impl Disk + Clone + 'static)) -> (Store, StoreWriter) {
    try_open(Arc::new(disk.clone())).expect("opens")
}

pub fn open(disk: &SimDisk) -> (Store, StoreWriter) {
    try_open(Arc::new(disk.clone())).expect("opens")
}

pub fn draft(n: u64) -> EntryDraft {
    EntryDraft {
        class: EntryClass::Fact,
        kind: 1,
        project: P,
        doc: [0; 16],
        rules: RulesVersion::CURRENT,
        base_seq: 0,
        payload: Payload::empty([n as u8; 16]),
    }
}

/// Puts one row that depends on the number alone, and notes it.
pub fn put(batch: &mut Batch<'_>, model: &mut Model, n: u64, value: &[u8]) {
    let id = format!("d{n}");
    match n % 5 {
        0 => {
            let text: String = value.iter().map(|b| format!("{b:02x}")).collect();
            batch.put_document(P, "kind", &id, &text);
            model.insert((Table::Documents, documents::key(P, "kind", &id)), text.into_bytes());
        }
        1 => {
            batch.put_local("kind", &id, value);
            model.insert((Table::Local, documents::local_key("kind", &id)), value.to_vec());
        }
        2 => {
            let (target, source) = (CaseId(format!("t{}", n % 7)), CaseId(id));
            batch.put_referrer(P, &target, &source, "parent", Relationship::Child);
            let key = links::referrer_key(P, &target, &source, "parent");
            model.insert((Table::CaseReferrers, key), vec![Relationship::Child as u8]);
        }
        3 => {
            let (case, form) = (CaseId(format!("t{}", n % 11)), FormId(id));
            batch.put_waiting(P, &case, &form);
            model.insert((Table::Waiting, links::waiting_key(P, &case, &form)), Vec::new());
        }
        _ => {
            let form = FormId(id);
            let touched = [CaseId(format!("{value:?}"))];
            batch.put_recent(P, n, &form, None, &touched);
            model.insert(
                (Table::RecentForms, links::recent_key(P, n)),
                links::encode_recent(&form, None, &touched),
            );
        }
    }
}

/// Removes that row; forms that came in stay.
pub fn remove(batch: &mut Batch<'_>, model: &mut Model, n: u64) {
    let id = format!("d{n}");
    match n % 5 {
        0 => {
            batch.remove_document(P, "kind", &id);
            model.remove(&(Table::Documents, documents::key(P, "kind", &id)));
        }
        1 => {
            batch.remove_local("kind", &id);
            model.remove(&(Table::Local, documents::local_key("kind", &id)));
        }
        2 => {
            let (target, source) = (CaseId(format!("t{}", n % 7)), CaseId(id));
            batch.remove_referrer(P, &target, &source, "parent");
            model.remove(&(Table::CaseReferrers, links::referrer_key(P, &target, &source, "parent")));
        }
        3 => {
            let (case, form) = (CaseId(format!("t{}", n % 11)), FormId(id));
            batch.remove_waiting(P, &case, &form);
            model.remove(&(Table::Waiting, links::waiting_key(P, &case, &form)));
        }
        _ => {}
    }
}

/// Pushes the rows put since the last entry as one.
pub fn push(batch: &mut Batch<'_>, n: u64) {
    let draft = draft(n);
    let stamp = batch.stamp(&draft);
    batch.push(&draft, &stamp);
}

/// Commits `count` entries of one row each, numbered from `from`.
pub fn fill(writer: &mut StoreWriter, model: &mut Model, from: u64, count: u64) {
    let mut n = from;
    while n < from + count {
        let mut batch = writer.begin();
        let until = (n + 200).min(from + count);
        for number in n..until {
            put(&mut batch, model, number, &number.to_be_bytes());
            push(&mut batch, number);
            batch.end_commit();
        }
        batch.commit().expect("written");
        n = until;
    }
}

/// Every row that can be read.
pub fn rows(read: &impl Read) -> Model {
    let mut all = Model::new();
    for table in Table::ALL {
        let found = read.scan(table, None, &ScanRange::all(Vec::new())).expect("reads");
        all.extend(found.into_iter().map(|(key, value)| ((table, key), value)));
    }
    all
}

/// Says where two states differ rather than print both.
#[track_caller]
pub fn assert_same(found: &Model, expected: &Model, what: &str) {
    let missing: Vec<_> = expected.iter().filter(|(k, _)| !found.contains_key(k)).take(3).collect();
    let extra: Vec<_> = found.iter().filter(|(k, _)| !expected.contains_key(k)).take(3).collect();
    let wrong: Vec<_> =
        expected.iter().filter(|(k, v)| found.get(*k).is_some_and(|f| f != *v)).take(3).collect();
    assert!(
        found == expected,
        "{what}: {} rows instead of {}; missing {missing:?}, too many {extra:?}, wrong {wrong:?}",
        found.len(),
        expected.len()
    );
}

/// Waits for a condition that another thread brings about; the test fails after half a minute.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let clock = bolster_env::SystemClock::default();
    while !condition() {
        assert!(clock.monotonic_us() < 30_000_000, "{what}: did not happen");
        std::thread::yield_now();
    }
}

/// Runs something that may hang, on a thread of its own; the test fails if it has not ended in half a minute.
pub fn in_time<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || drop(tell.send(act())));
    told.recv_timeout(std::time::Duration::from_secs(30)).unwrap_or_else(|_| panic!("{what}: hangs"))
}
