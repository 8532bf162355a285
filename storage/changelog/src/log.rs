//! The log itself: open, stamp, append, rotate.
//!
//! Invariants: a frame is written and flushed before the next one begins; positions are contiguous; hybrid
//! times and stream positions never repeat; after a failed flush nothing is appended to that segment any more.

use crate::compress::DICTIONARY_ID;
use crate::entry::{
    ENTRY_FORMAT, EntryClass, EntryDraft, EntryHeader, FLAG_CONTINUED, Stamp, seal_record, write_record,
};
use crate::node::NodeIdentity;
use crate::reader::{LogReader, Shared};
use crate::recover::{Recovered, recover};
use crate::segment::{
    FRAME_HEADER_BYTES, FrameHeader, SegmentHeader, StreamHead, push_index, save_index, segment_path,
};
use bolster_env::{DiskFile, Env, OpenMode, is_disk_full};
use bolster_model::{ClockQuality, Digest, NodeId, ProjectId};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// Behaviour of a log.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Size that segments are prepared with.
    pub segment_bytes: u64,
    /// Prepare the next segment on a thread of its own.
    pub prepare_ahead: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, prepare_ahead: true }
    }
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The disk.
    #[error("the change log in {dir} could not be read or written")]
    Io {
        /// Folder.
        dir: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Damage before the end: something acknowledged may be lost.
    #[error(
        "the change log is damaged in segment {segment} at byte {offset}: entries after that place are \
         intact, so this is no torn end. Nothing was changed. Look with `bolster log verify`, then restore \
         the segment from a backup"
    )]
    Damaged {
        /// File.
        segment: PathBuf,
        /// Where.
        offset: u64,
    },
    /// The header of a segment.
    #[error("segment {segment} of the change log cannot be used")]
    Header {
        /// File.
        segment: PathBuf,
        /// Cause.
        #[source]
        source: crate::segment::HeaderError,
    },
    /// Two segments do not fit together.
    #[error("segment {segment} of the change log should begin at entry {expected}; one is missing")]
    Gap {
        /// File.
        segment: PathBuf,
        /// Position that should come.
        expected: u64,
    },
    /// Another node's files.
    #[error("segment {segment} of the change log belongs to another node")]
    ForeignNode {
        /// File.
        segment: PathBuf,
    },
}

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// No room; nothing was written, and it may be tried again.
    #[error("the disk is full")]
    DiskFull,
    /// A write or flush failed. Nothing of the batch counts; the next one begins a new segment.
    #[error("the change log could not be written")]
    Failed(#[source] io::Error),
    /// An earlier write or flush failed, and no new segment could be begun since.
    #[error("the change log is closed after an earlier failure; it is tried again with each write")]
    Closed,
}

/// Facts cannot have been made before this release: 2026-01-01, in milliseconds.
const BUILD_MS_MIN: i64 = 1_767_225_600_000;

/// A clock this far behind the log is not trusted.
const CLOCK_BEHIND_MS_MAX: i64 = 60_000;

/// The writing end. One per folder.
pub struct Log {
    env: Env,
    dir: PathBuf,
    options: LogOptions,
    shared: Arc<Shared>,
    node: NodeId,
    file: Arc<dyn DiskFile>,
    segment_first_lsn: u64,
    /// Where the next frame goes.
    offset: u64,
    capacity: u64,
    next_lsn: u64,
    last_hlc: u64,
    last_digest: Digest,
    heads: HashMap<ProjectId, StreamHead>,
    failed: bool,
    ahead: Option<Receiver<io::Result<()>>>,
    frame: Vec<u8>,
    marks: Vec<usize>,
}

impl Log {
    /// Opens the log of a node, cutting a torn end. Reads only the last segment. A node that follows another one
    /// begins a segment of its own.
    pub fn open(
        env: &Env,
        dir: &Path,
        identity: &NodeIdentity,
        options: LogOptions,
    ) -> Result<Self, OpenLogError> {
        let node = identity.node;
        let recovered = recover(env, dir, identity, &options)?;
        let Recovered { writer, file, first_lsn, offset, next_lsn, last_hlc, .. } = recovered;
        let Recovered { last_digest, heads, index, segments, .. } = recovered;
        let capacity = file.len().map_err(|source| OpenLogError::Io { dir: dir.to_owned(), source })?;
        let shared = Arc::new(Shared::new(
            (env.clone(), dir.to_owned()),
            segments,
            (file.clone(), index),
            next_lsn - 1,
        ));
        let mut log = Self {
            env: env.clone(),
            dir: dir.to_owned(),
            options,
            shared,
            node,
            file,
            segment_first_lsn: first_lsn,
            offset,
            capacity,
            next_lsn,
            last_hlc,
            last_digest,
            heads,
            failed: false,
            ahead: None,
            frame: Vec::new(),
            marks: Vec::new(),
        };
        if writer != node {
            // The streams of the one before are not this node's to go on with.
            log.heads.clear();
            log.rotate().map_err(|source| OpenLogError::Io { dir: dir.to_owned(), source })?;
        } else {
            log.prepare_next();
        }
        Ok(log)
    }

    /// Last durable position; 0 when empty.
    pub fn head(&self) -> u64 {
        self.next_lsn - 1
    }

    /// A reading end.
    pub fn reader(&self) -> LogReader {
        LogReader(self.shared.clone())
    }

    /// Begins a batch; the clock is read once.
    pub fn begin(&mut self) -> LogBatch<'_> {
        let wall_ms = self.env.clock.now().millis();
        let behind = (self.last_hlc >> 16) as i64 - wall_ms;
        let suspect = wall_ms < BUILD_MS_MIN || behind > CLOCK_BEHIND_MS_MAX;
        // A clock that cannot be trusted moves only the counter.
        let floor = if suspect { 0 } else { (wall_ms as u64) << 16 };
        self.frame.clear();
        self.frame.resize(FRAME_HEADER_BYTES, 0);
        self.marks.clear();
        let quality = if suspect { ClockQuality::Suspect } else { ClockQuality::Normal };
        let first = Pending {
            next_lsn: self.next_lsn,
            last_hlc: self.last_hlc.max(floor.saturating_sub(1)),
            last_digest: self.last_digest,
            heads: Vec::new(),
        };
        LogBatch {
            wall_ms,
            quality,
            committed: Mark { state: first.clone(), len: FRAME_HEADER_BYTES },
            state: first,
            log: self,
        }
    }

    fn prepare_next(&mut self) {
        if !self.options.prepare_ahead || self.ahead.is_some() {
            return;
        }
        let (tell, told) = channel();
        let (env, path, bytes) = (self.env.clone(), self.next_path(), self.options.segment_bytes);
        let spawned = std::thread::Builder::new().name("log-ahead".to_owned()).spawn(move || {
            // Nobody waits any more when the log is closed meanwhile.
            let _ = tell.send(prepare(&env, &path, bytes));
        });
        if spawned.is_ok() {
            self.ahead = Some(told);
        }
    }

    fn next_path(&self) -> PathBuf {
        self.dir.join("next.tmp")
    }

    /// A prepared file for the next segment.
    fn take_next(&mut self) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.next_path();
        match self.ahead.take() {
            // A full disk may have room again by now, so a failure there is tried once more here.
            Some(told) => match told.recv() {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => prepare(&self.env, &path, self.options.segment_bytes)?,
            },
            None => prepare(&self.env, &path, self.options.segment_bytes)?,
        }
        self.env.disk.open(&path, OpenMode::ReadWrite)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let file = self.take_next()?;
        let mut heads: Vec<_> = self.heads.iter().map(|(p, h)| (*p, *h)).collect();
        heads.sort_by_key(|(p, _)| *p);
        let header = SegmentHeader {
            node: self.node,
            previous: self.last_digest,
            first_lsn: self.next_lsn,
            last_hlc: self.last_hlc,
            dictionary: DICTIONARY_ID,
            heads,
        };
        let bytes = header.encode();
        file.write_at(0, &bytes)?;
        file.sync_data()?;
        let path = segment_path(&self.dir, self.next_lsn);
        self.env.disk.rename(&self.next_path(), &path)?;
        self.env.disk.sync_dir(&self.dir)?;
        let index = self.shared.start_segment(self.next_lsn, file.clone());
        if let Err(error) = save_index(&*self.env.disk, &self.dir, self.segment_first_lsn, &index) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a log index was not saved");
        }
        self.file = file;
        self.segment_first_lsn = self.next_lsn;
        self.offset = bytes.len() as u64;
        self.capacity = self.file.len()?;
        self.prepare_next();
        Ok(())
    }

    fn append_frame(&mut self, count: u32) -> Result<(), AppendError> {
        if self.failed {
            // What a failed flush left in the old segment cannot be known. A new segment begins where the last
            // good flush ended; the old one counts up to there only.
            self.ahead = None;
            self.rotate().map_err(|_| AppendError::Closed)?;
            self.failed = false;
        }
        let len = self.frame.len() as u64;
        let has_frames = self.next_lsn > self.segment_first_lsn;
        if has_frames && self.offset + len > self.capacity {
            self.rotate().map_err(|e| self.refuse(e, true))?;
        }
        let mut frame = std::mem::take(&mut self.frame);
        FrameHeader::close(&mut frame, self.next_lsn, count);
        let result = self.write_frame(&frame);
        self.frame = frame;
        result?;
        self.shared.appended(self.next_lsn, self.offset, push_index);
        self.offset += len;
        Ok(())
    }

    fn write_frame(&mut self, frame: &[u8]) -> Result<(), AppendError> {
        // Within the prepared length a write needs no new blocks. A longer one may find the disk full: then
        // what was written is cut off again, and nothing happened.
        let grows = self.offset + frame.len() as u64 > self.capacity;
        if let Err(error) = self.file.write_at(self.offset, frame) {
            let undone = grows && is_disk_full(&error) && self.file.set_len(self.capacity).is_ok();
            return Err(self.refuse(error, undone));
        }
        self.file.sync_data().map_err(|e| self.refuse(e, false))?;
        if grows {
            self.capacity = self.offset + frame.len() as u64;
        }
        Ok(())
    }

    /// Classifies a failure; anything but a full disk that left nothing behind closes the log.
    fn refuse(&mut self, error: io::Error, nothing_written: bool) -> AppendError {
        if nothing_written && is_disk_full(&error) {
            return AppendError::DiskFull;
        }
        self.failed = true;
        AppendError::Failed(error)
    }
}

/// Makes a zero-filled file of the full size.
fn prepare(env: &Env, path: &Path, bytes: u64) -> io::Result<()> {
    const CHUNK: usize = 1 << 20;
    let file = env.disk.open(path, OpenMode::CreateOrOpen)?;
    file.set_len(0)?;
    let zeros = vec![0; CHUNK.min(bytes as usize)];
    let mut at = 0;
    while at < bytes {
        let len = zeros.len().min((bytes - at) as usize);
        if let Err(error) = file.write_at(at, &zeros[..len]) {
            // Give back what was taken, so that others can go on.
            let _ = file.set_len(0);
            return Err(error);
        }
        file.start_write_back(at, len as u64);
        at += len as u64;
    }
    file.sync_data()
}

#[derive(Clone)]
struct Pending {
    next_lsn: u64,
    last_hlc: u64,
    last_digest: Digest,
    /// Streams that moved in this batch; the last of a project counts.
    heads: Vec<(ProjectId, StreamHead)>,
}

struct Mark {
    state: Pending,
    len: usize,
}

/// A batch being built: whole commits, one frame, one flush.
pub struct LogBatch<'l> {
    log: &'l mut Log,
    wall_ms: i64,
    quality: ClockQuality,
    state: Pending,
    committed: Mark,
}

impl LogBatch<'_> {
    fn header(&self, draft: &EntryDraft) -> EntryHeader {
        let (origin_seq, prev) = match draft.class {
            EntryClass::Local => (0, Digest::default()),
            EntryClass::Fact | EntryClass::Authority => {
                let pending = self.state.heads.iter().rev().find(|(p, _)| *p == draft.project);
                let head = pending.map(|(_, h)| *h).or_else(|| self.log.heads.get(&draft.project).copied());
                let head = head.unwrap_or_default();
                (head.seq + 1, head.digest)
            }
        };
        EntryHeader {
            format: ENTRY_FORMAT,
            flags: 0,
            lsn: self.state.next_lsn,
            class: draft.class as u8,
            kind: draft.kind,
            project: draft.project,
            origin: self.log.node,
            origin_seq,
            prev,
            author: self.log.node,
            hlc: self.state.last_hlc + 1,
            wall_ms: self.wall_ms,
            quality: self.quality as u8,
            base_seq: draft.base_seq,
            rules: draft.rules.0,
            doc: draft.doc,
            payload_len: draft.payload.len() as u32,
            payload_digest: draft.payload.digest,
        }
    }

    /// The place that [`Self::push`] would give to this draft.
    pub fn stamp(&self, draft: &EntryDraft) -> Stamp {
        let header = self.header(draft);
        let fact_digest = header.fact_digest();
        Stamp {
            lsn: header.lsn,
            hlc: header.hlc,
            origin_seq: header.origin_seq,
            prev: header.prev,
            author: header.author,
            wall_ms: header.wall_ms,
            quality: self.quality,
            entry_digest: header.entry_digest(&fact_digest),
            fact_digest,
        }
    }

    /// Adds an entry with the stamp it was given.
    pub fn push(&mut self, draft: &EntryDraft, stamp: &Stamp, effects: &[u8], local: &[u8]) {
        let header = self.header(draft);
        assert_eq!(header.lsn, stamp.lsn, "a stamp is used at once or not at all");
        let start = write_record(&mut self.log.frame, &header, &draft.payload, effects, local);
        self.log.marks.push(start);
        self.state.next_lsn += 1;
        self.state.last_hlc = header.hlc;
        if header.origin_seq > 0 {
            let head = StreamHead { seq: header.origin_seq, digest: stamp.entry_digest };
            self.state.heads.push((draft.project, head));
            self.state.last_digest = stamp.entry_digest;
        }
    }

    /// What was pushed since the last call belongs together.
    pub fn end_commit(&mut self) {
        let starts = std::mem::take(&mut self.log.marks);
        let last = starts.len().saturating_sub(1);
        for (n, start) in starts.iter().enumerate() {
            let flags = if n == last { 0 } else { FLAG_CONTINUED };
            seal_record(&mut self.log.frame, *start, flags);
        }
        self.log.marks = starts;
        self.log.marks.clear();
        self.committed = Mark { state: self.state.clone(), len: self.log.frame.len() };
    }

    /// Forgets what was pushed since the last [`Self::end_commit`].
    pub fn rollback(&mut self) {
        self.log.frame.truncate(self.committed.len);
        self.log.marks.clear();
        self.state = self.committed.state.clone();
    }

    /// Position that the next entry gets.
    pub fn next_lsn(&self) -> u64 {
        self.state.next_lsn
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.log.frame.len() - FRAME_HEADER_BYTES
    }

    /// Nothing to append.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Writes and flushes. Answers the positions of the entries.
    pub fn commit(mut self) -> Result<Range<u64>, AppendError> {
        assert!(self.log.marks.is_empty(), "every commit is closed before the batch is written");
        if self.is_empty() {
            return Ok(self.log.next_lsn..self.log.next_lsn);
        }
        let first = self.log.next_lsn;
        let count = (self.state.next_lsn - first) as u32;
        self.log.append_frame(count)?;
        let log = &mut *self.log;
        log.next_lsn = self.state.next_lsn;
        log.last_hlc = self.state.last_hlc;
        log.last_digest = self.state.last_digest;
        log.heads.extend(self.state.heads.drain(..));
        log.shared.set_head(log.next_lsn - 1);
        Ok(first..log.next_lsn)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(told) = self.ahead.take()
            && matches!(told.try_recv(), Err(TryRecvError::Empty))
        {
            // The thread ends by itself; waiting for it keeps files of a closed log untouched.
            let _ = told.recv();
        }
    }
}
