//! The store itself: open, views, layout of shards.

use crate::batch::StoreWriter;
use crate::read::{Read, ReadExt, Rows, ScanRange, StoreError};
use crate::set::{SetReader, ShardSet, shard_generation};
use bolster_blobs::{BlobError, Blobs, CollectError, Collected};
use bolster_changelog::fact_codec::{XmlStored, decode_fact};
use bolster_changelog::{
    DataFolder, Entry, FolderError, Log, LogOptions, LogReader, OpenLogError, ReadError,
};
use bolster_env::{Env, OpenMode};
use bolster_model::{Digest, Fact, FormContent, NodeId};
use bolster_shards::overlay::row_key;
use bolster_shards::shard::ops_of;
use bolster_shards::{Op, ShardError, Table};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

/// Behaviour of a store.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Shards of a new store; an existing one keeps its number.
    pub shards: usize,
    /// redb's cache for each shard, half of it write buffer.
    pub shard_cache_bytes: usize,
    /// The log's behaviour.
    pub log: LogOptions,
    /// Go on as a new node: for a copy of a folder whose first one lives on.
    pub new_node: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { shards: 2, shard_cache_bytes: 20 << 20, log: LogOptions::default(), new_node: false }
    }
}

/// Most shards: more only cost files and threads.
pub const SHARDS_MAX: usize = 64;
/// Entries that may still be on their way into the shards when a store opens.
const OPEN_BACKLOG_ENTRIES: u64 = 15_000;
/// How long a commit waits while the shards make no room.
pub(crate) const ROOM_WAIT: Duration = Duration::from_secs(5);
/// Orphans younger than this are left alone. Pins and references are what makes collecting safe; this only
/// keeps what somebody may still want to look at.
const ORPHAN_AGE_SECS: i64 = 3_600;
/// Largest XML of a form that is read into memory.
const XML_BYTES_MAX: u64 = 64 << 20;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The log.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// A shard.
    #[error("the shards could not be opened")]
    Shard(#[from] ShardError),
    /// Reading the log.
    #[error("the end of the change log could not be replayed")]
    Replay(#[from] ReadError),
    /// Blobs.
    #[error("the folder of files could not be opened")]
    Blob(#[from] BlobError),
    /// A thread or the layout file.
    #[error("the store could not be started")]
    Io(#[from] std::io::Error),
    /// The layout file.
    #[error("the file {path} does not say how many shards there are")]
    Layout {
        /// File.
        path: PathBuf,
    },
}

/// Figures of a running store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStatus {
    /// Last durable position.
    pub head: u64,
    /// Position up to which each shard's file holds everything.
    pub applied: Vec<u64>,
    /// Entries on their way into each shard.
    pub waiting: Vec<usize>,
    /// Bytes of each shard's file.
    pub shard_bytes: Vec<u64>,
    /// Why the file of each shard cannot be written now; `None` when it can.
    pub failures: Vec<Option<String>>,
}

struct Inner {
    env: Env,
    dir: PathBuf,
    options: StoreOptions,
    log: LogReader,
    blobs: Blobs,
    set: RwLock<Arc<ShardSet>>,
    /// Generation of the layout, held while it changes.
    layout: Mutex<u64>,
    closed: AtomicBool,
    folder: DataFolder,
}

/// A store; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

impl Store {
    /// Opens a data folder, or makes one. The second value writes; there is one.
    pub fn open(env: Env, dir: &Path, options: StoreOptions) -> Result<(Self, StoreWriter), OpenError> {
        let folder = DataFolder::open(&env, dir, options.new_node)?;
        let log = Log::open(&env, &dir.join("log"), &folder.identity, options.log)?;
        let reader = log.reader();
        let blobs = Blobs::open(&env, &dir.join("blobs"))?;
        let shards_dir = dir.join("shards");
        let layout = load_layout(&env, &shards_dir, options.shards.clamp(1, SHARDS_MAX))?;
        let set = ShardSet::open(&env, &shards_dir, layout, options.shard_cache_bytes, &reader)?;
        let store = Self(Arc::new(Inner {
            env,
            dir: dir.to_owned(),
            options,
            log: reader,
            blobs,
            set: RwLock::new(Arc::new(set)),
            layout: Mutex::new(layout.0),
            closed: AtomicBool::new(false),
            folder,
        }));
        store.replay(&store.set())?;
        // Only now is it certain that nothing else is needed.
        remove_other_generations(&store.0.env, &shards_dir, layout.0);
        Ok((store.clone(), StoreWriter { store, log }))
    }

    /// Brings shards up to the end of the log: most of it straight into redb, the rest through the overlay.
    fn replay(&self, set: &ShardSet) -> Result<(), OpenError> {
        let head = self.0.log.head();
        set.catch_up(head.saturating_sub(OPEN_BACKLOG_ENTRIES))?;
        set.start()?;
        let applied: Vec<u64> = set.shards.iter().map(|s| s.applied()).collect::<Result<_, _>>()?;
        let from = applied.iter().copied().min().unwrap_or(0) + 1;
        if from > head {
            return Ok(());
        }
        for entry in self.0.log.read_from(from) {
            let entry = entry?;
            if entry.header.lsn > head {
                break;
            }
            let ops = ops_of(&entry)?;
            set.wait_for_room(ROOM_WAIT)?;
            set.publish(ops, 1, entry.header.lsn);
        }
        Ok(())
    }

    pub(crate) fn set(&self) -> Arc<ShardSet> {
        self.0.set.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    pub(crate) fn publish(&self, ops: Vec<Op>, entries: usize, upto_lsn: u64) {
        self.0.set.read().unwrap_or_else(|e| e.into_inner()).publish(ops, entries, upto_lsn);
    }

    /// The committed state.
    pub fn view(&self) -> View {
        View(self.clone())
    }
    /// The committed state, for many reads by one thread.
    pub fn steady_view(&self) -> SteadyView {
        SteadyView { store: self.clone(), reader: SetReader::new(self.set()).into() }
    }
    /// Every entry up to this position is in what [`Self::view`] reads.
    pub fn visible_lsn(&self) -> u64 {
        self.set().shards.iter().map(|shard| shard.overlay().active.upto_lsn).min().unwrap_or(0)
    }
    /// The log.
    pub fn log(&self) -> &LogReader {
        &self.0.log
    }
    /// The files.
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }
    /// Who this is.
    pub fn node_id(&self) -> NodeId {
        self.0.folder.identity.node
    }
    /// Who wrote this log before, oldest first.
    pub fn predecessors(&self) -> &[NodeId] {
        &self.0.folder.identity.predecessors
    }
    /// Where it is, for messages to the operator.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// One log entry.
    pub fn entry(&self, lsn: u64) -> Result<Option<Entry>, StoreError> {
        Ok(self.0.log.entry(lsn)?)
    }

    /// The submission in an entry; `None` when it holds none, or when its bytes are gone.
    pub fn form_content_of(&self, entry: &Entry) -> Result<Option<FormContent>, StoreError> {
        let payload = entry.payload()?;
        let decoded = decode_fact(entry.header.kind, &payload)
            .map_err(|source| StoreError::Decode { what: "facts", source })?;
        let Some((Fact::SubmitForm(form), Some(xml))) = decoded else { return Ok(None) };
        let xml = match xml {
            XmlStored::Inline(bytes) => bytes,
            XmlStored::Blob { digest, .. } => match self.0.blobs.read(&digest) {
                Ok(reader) => reader.read_all(XML_BYTES_MAX)?,
                Err(BlobError::Missing(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Some(FormContent { info: form.info, xml }))
    }

    /// The submission at a log position.
    pub fn form_content(&self, lsn: u64) -> Result<Option<FormContent>, StoreError> {
        match self.entry(lsn)? {
            Some(entry) => self.form_content_of(&entry),
            None => Ok(None),
        }
    }

    /// Figures.
    pub fn status(&self) -> StoreStatus {
        let set = self.set();
        StoreStatus {
            head: self.0.log.head(),
            applied: set.shards.iter().map(|s| s.applied().unwrap_or(0)).collect(),
            waiting: set.shards.iter().map(|s| s.overlay().entries()).collect(),
            shard_bytes: set.shards.iter().map(|s| s.file_bytes()).collect(),
            failures: set.shards.iter().map(|s| s.failure().map(|error| error.root_cause())).collect(),
        }
    }

    /// Waits until every shard holds everything committed so far, durably. Fails when a shard's file cannot be
    /// written; what it lacks is in the log.
    pub fn flush(&self) -> Result<(), ShardError> {
        self.set().shards.iter().try_for_each(|shard| shard.flush())
    }

    /// Removes files that no form and no document refers to. Submissions go on meanwhile. `go_on` is asked now
    /// and then; when it says no, or the store is closed, the rest is left for another time.
    pub fn collect_blobs(&self, go_on: impl Fn() -> bool) -> Result<Collected, StoreError> {
        let view = self.view();
        let referenced = |digest: &Digest| {
            if self.0.closed.load(Ordering::SeqCst) || !go_on() {
                return Err(StoreError::Shard(ShardError::Stopped));
            }
            view.is_referenced(digest)
        };
        self.0.blobs.collect_orphans(ORPHAN_AGE_SECS, referenced).map_err(|error| match error {
            CollectError::Blob(error) => error.into(),
            CollectError::Reference(error) => error,
        })
    }

    /// Changes the number of shards while everything goes on: new files are filled from the log beside the
    /// old ones, and take over between two batches.
    pub fn resize(&self, shards: usize) -> Result<(), OpenError> {
        self.relayout(shards.clamp(1, SHARDS_MAX))
    }

    /// Makes all shards again from the log.
    pub fn rebuild(&self) -> Result<(), OpenError> {
        self.relayout(self.set().shards.len())
    }

    fn relayout(&self, count: usize) -> Result<(), OpenError> {
        let inner = &*self.0;
        let mut layout = inner.layout.lock().unwrap_or_else(|e| e.into_inner());
        let new = (*layout + 1, count);
        let dir = inner.dir.join("shards");
        // Of an attempt that failed.
        remove_files(&inner.env, &dir, |generation| generation == new.0)?;
        let cache = inner.options.shard_cache_bytes;
        let fresh = ShardSet::open(&inner.env, &dir, new, cache, &inner.log);
        let old = match fresh.map_err(OpenError::from).and_then(|fresh| self.hand_over(fresh, &dir, new)) {
            Ok(old) => old,
            Err(error) => {
                if let Err(error) = remove_files(&inner.env, &dir, |generation| generation == new.0) {
                    tracing::warn!(error = &error as &dyn std::error::Error, "new shards were left behind");
                }
                return Err(error);
            }
        };
        *layout = new.0;
        old.stop();
        // Whoever still reads from the old files keeps them open; their names can go.
        if let Err(error) = remove_files(&inner.env, &dir, |generation| generation < new.0) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "old shards were left behind; they are removed at the next start"
            );
        }
        Ok(())
    }

    /// Fills a new set of shards and puts it in the place of the one there is, which is answered.
    fn hand_over(
        &self,
        fresh: ShardSet,
        dir: &Path,
        layout: (u64, usize),
    ) -> Result<Arc<ShardSet>, OpenError> {
        let inner = &*self.0;
        fresh.catch_up(inner.log.head())?;
        // No batch is published while this is held, so the rest is short and final.
        let mut set = inner.set.write().unwrap_or_else(|e| e.into_inner());
        let started = fresh
            .catch_up(inner.log.head())
            .map_err(OpenError::from)
            .and_then(|()| Ok(fresh.start()?))
            .and_then(|()| Ok(save_layout(&inner.env, dir, layout)?));
        match started {
            Ok(()) => Ok(std::mem::replace(&mut *set, Arc::new(fresh))),
            Err(error) => {
                fresh.stop();
                Err(error)
            }
        }
    }

    /// Makes the shards durable, if they can be written, and stops their threads. Reading goes on to work.
    pub fn close(&self) {
        if !self.0.closed.swap(true, Ordering::SeqCst) {
            if let Err(error) = self.flush() {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "closing with rows that are in the change log only; they are read from there at the next start"
                );
            }
            self.set().stop();
        }
    }
}

/// The committed state. Each read sees everything committed before it, however long the view is kept: it
/// follows when the shards are laid out anew. Two reads are two moments.
#[derive(Clone)]
pub struct View(Store);

impl Drop for Inner {
    fn drop(&mut self) {
        // Not closed: its threads would live on, with the files in their hands.
        self.set.get_mut().unwrap_or_else(|e| e.into_inner()).stop();
    }
}

impl Read for View {
    fn get(&self, table: Table, route: u64, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.set().get(table, route, key)?)
    }
    fn scan(&self, table: Table, route: Option<u64>, range: &ScanRange) -> Result<Rows, StoreError> {
        self.0.set().scan(table, route, range, None)
    }
}

/// The committed state for many reads by one thread, which are cheaper than those of a [`View`]. Each sees what
/// is committed at its moment. Somebody who pauses lets go of what is kept with [`Self::release`].
pub struct SteadyView {
    store: Store,
    reader: std::cell::RefCell<SetReader>,
}

impl SteadyView {
    /// Nothing is held back while nobody reads.
    pub fn release(&self) {
        self.reader.borrow().release();
    }

    fn current(&self) -> std::cell::RefMut<'_, SetReader> {
        let mut reader = self.reader.borrow_mut();
        let set = self.store.set();
        if !Arc::ptr_eq(reader.set(), &set) {
            *reader = SetReader::new(set);
        }
        reader
    }
}

impl Read for SteadyView {
    fn get(&self, table: Table, route: u64, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.current().get(table, route, &row_key(table, key))?)
    }
    fn scan(&self, table: Table, route: Option<u64>, range: &ScanRange) -> Result<Rows, StoreError> {
        match route {
            Some(route) => Ok(self.current().scan(table, route, range)?),
            None => self.store.set().scan(table, None, range, None),
        }
    }
}

/// Removes the shard files of some generations, damaged ones too; what has another name stays.
fn remove_files(env: &Env, dir: &Path, generations: impl Fn(u64) -> bool) -> std::io::Result<()> {
    for path in env.disk.list(dir)? {
        if shard_generation(&path).is_some_and(&generations) {
            env.disk.remove(&path)?;
        }
    }
    Ok(())
}

/// Removes what earlier layouts left behind. The layout that is in force is made durable first: whatever is
/// removed is then of no use to anybody.
fn remove_other_generations(env: &Env, dir: &Path, current: u64) {
    let others = |generation| generation != current;
    let left = |paths: &[PathBuf]| paths.iter().any(|path| shard_generation(path).is_some_and(others));
    let result = match env.disk.list(dir) {
        Ok(paths) if left(&paths) => env.disk.sync_dir(dir).and_then(|()| remove_files(env, dir, others)),
        result => result.map(drop),
    };
    if let Err(error) = result {
        tracing::warn!(error = &error as &dyn std::error::Error, "old shards could not be removed");
    }
}

/// Generation and number of the shards.
fn load_layout(env: &Env, dir: &Path, default: usize) -> Result<(u64, usize), OpenError> {
    env.disk.create_dir_all(dir)?;
    let path = dir.join("layout");
    if !env.disk.exists(&path) {
        save_layout(env, dir, (1, default))?;
        return Ok((1, default));
    }
    let file = env.disk.open(&path, OpenMode::Read)?;
    let mut bytes = vec![0; file.len()?.min(256) as usize];
    file.read_at(0, &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut words = text.split_whitespace();
    let generation = words.next().and_then(|w| w.parse().ok());
    let count = words.next().and_then(|w| w.parse().ok()).filter(|n| (1..=SHARDS_MAX).contains(n));
    match (generation, count) {
        (Some(generation), Some(count)) => Ok((generation, count)),
        _ => Err(OpenError::Layout { path }),
    }
}

fn save_layout(env: &Env, dir: &Path, (generation, count): (u64, usize)) -> std::io::Result<()> {
    let temporary = dir.join("layout.tmp");
    let file = env.disk.open(&temporary, OpenMode::CreateOrOpen)?;
    file.set_len(0)?;
    file.write_at(0, format!("{generation} {count}\n").as_bytes())?;
    file.sync_data()?;
    env.disk.rename(&temporary, &dir.join("layout"))?;
    env.disk.sync_dir(dir)
}
