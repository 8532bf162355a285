//! Reading: from a position, one entry, one stream. Sees durable entries only.

use crate::digests::{DigestPlace, digests_path, look_up_digest, store_digests};
use crate::entry::{Entry, EntryError};
use crate::segment::{
    FRAME_HEADER_BYTES, Frame, FrameHeader, SegmentHeader, SparseIndex, load_index, read_frame, records,
    segment_path,
};
use bolster_env::{DiskFile, Env, OpenMode};
use bolster_model::{Digest, NodeId, ProjectId};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

/// Segments whose index and file stay open.
const OPEN_SEGMENTS_MAX: usize = 16;

struct OpenSegment {
    first_lsn: u64,
    file: Arc<dyn DiskFile>,
    index: Arc<SparseIndex>,
}

/// What the writing and the reading ends share.
pub(crate) struct Shared {
    env: Env,
    dir: PathBuf,
    /// First positions, ascending.
    segments: RwLock<Vec<u64>>,
    /// Index of the segment being written.
    active: RwLock<SparseIndex>,
    active_file: RwLock<Arc<dyn DiskFile>>,
    open: Mutex<Vec<Arc<OpenSegment>>>,
    head: AtomicU64,
}

/// Why entries could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk.
    #[error("the change log could not be read")]
    Io(#[from] io::Error),
    /// A frame or record is damaged.
    #[error(
        "the change log is damaged in segment {segment} near entry {lsn}; look with `bolster log verify`"
    )]
    Damaged {
        /// File.
        segment: PathBuf,
        /// Position.
        lsn: u64,
    },
    /// An entry is unreadable.
    #[error("entry {lsn} of the change log cannot be read")]
    Entry {
        /// Position.
        lsn: u64,
        /// Cause.
        #[source]
        source: EntryError,
    },
}

impl Shared {
    pub(crate) fn new(
        (env, dir): (Env, PathBuf),
        segments: Vec<u64>,
        (file, index): (Arc<dyn DiskFile>, SparseIndex),
        head: u64,
    ) -> Self {
        Self {
            env,
            dir,
            segments: RwLock::new(segments),
            active: RwLock::new(index),
            active_file: RwLock::new(file),
            open: Mutex::new(Vec::new()),
            head: AtomicU64::new(head),
        }
    }

    pub(crate) fn set_head(&self, head: u64) {
        self.head.store(head, Ordering::Release);
    }

    pub(crate) fn appended(&self, lsn: u64, offset: u64, push: impl FnOnce(&mut SparseIndex, u64, u64)) {
        push(&mut self.active.write().unwrap_or_else(|e| e.into_inner()), lsn, offset);
    }

    /// A new segment begins; answers the index of the one before.
    pub(crate) fn start_segment(&self, first_lsn: u64, file: Arc<dyn DiskFile>) -> SparseIndex {
        // Readers look at the list of segments first: the index is emptied before the list grows, and a
        // reader that finds no index entry for a position falls back to the start of the segment.
        let mut segments = self.segments.write().unwrap_or_else(|e| e.into_inner());
        let index = std::mem::take(&mut *self.active.write().unwrap_or_else(|e| e.into_inner()));
        *self.active_file.write().unwrap_or_else(|e| e.into_inner()) = file;
        // After a failed flush of its first frame a segment is begun again at the same place.
        if segments.last() != Some(&first_lsn) {
            segments.push(first_lsn);
        }
        index
    }

    fn segment_of(&self, lsn: u64) -> Option<u64> {
        let segments = self.segments.read().unwrap_or_else(|e| e.into_inner());
        let at = segments.partition_point(|first| *first <= lsn);
        at.checked_sub(1).map(|at| segments[at])
    }

    fn segment_after(&self, first_lsn: u64) -> Option<u64> {
        let segments = self.segments.read().unwrap_or_else(|e| e.into_inner());
        segments.get(segments.partition_point(|first| *first <= first_lsn)).copied()
    }

    fn file(&self, first_lsn: u64) -> io::Result<Arc<dyn DiskFile>> {
        let active = self.segments.read().unwrap_or_else(|e| e.into_inner()).last() == Some(&first_lsn);
        if active {
            return Ok(self.active_file.read().unwrap_or_else(|e| e.into_inner()).clone());
        }
        self.env.disk.open(&segment_path(&self.dir, first_lsn), OpenMode::Read)
    }

    /// File of a segment and an offset in it at or before the frame of `lsn`.
    fn locate(&self, first_lsn: u64, lsn: u64) -> Result<(Arc<dyn DiskFile>, u64), ReadError> {
        let find = |index: &SparseIndex| {
            let at = index.partition_point(|(first, _)| *first <= lsn);
            at.checked_sub(1).map(|at| index[at].1)
        };
        let is_active = self.segment_after(first_lsn).is_none();
        let (file, found) = if is_active {
            let found = find(&self.active.read().unwrap_or_else(|e| e.into_inner()));
            (self.file(first_lsn)?, found)
        } else {
            let segment = self.open_segment(first_lsn)?;
            (segment.file.clone(), find(&segment.index))
        };
        if let Some(offset) = found {
            return Ok((file, offset));
        }
        let damaged = |_| ReadError::Damaged { segment: segment_path(&self.dir, first_lsn), lsn };
        let (_, start) = SegmentHeader::load(&*file).map_err(damaged)?;
        Ok((file, start))
    }

    fn open_segment(&self, first_lsn: u64) -> Result<Arc<OpenSegment>, ReadError> {
        let mut open = self.open.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(at) = open.iter().position(|s| s.first_lsn == first_lsn) {
            let segment = open.remove(at);
            open.push(segment.clone());
            return Ok(segment);
        }
        let file = self.env.disk.open(&segment_path(&self.dir, first_lsn), OpenMode::Read)?;
        let index = Arc::new(load_index(&*self.env.disk, &self.dir, first_lsn, &file)?);
        let segment = Arc::new(OpenSegment { first_lsn, file, index });
        if open.len() == OPEN_SEGMENTS_MAX {
            open.remove(0);
        }
        open.push(segment.clone());
        Ok(segment)
    }
}

/// A reading end; cheap to clone.
#[derive(Clone)]
pub struct LogReader(pub(crate) Arc<Shared>);

impl LogReader {
    /// Last durable position; 0 when empty.
    pub fn head(&self) -> u64 {
        self.0.head.load(Ordering::Acquire)
    }

    /// Entries from a position on, up to what is durable when each is read.
    pub fn read_from(&self, lsn: u64) -> Entries {
        Entries { shared: self.0.clone(), next: lsn.max(1), place: None }
    }

    /// One entry; `None` past the end.
    pub fn entry(&self, lsn: u64) -> Result<Option<Entry>, ReadError> {
        self.read_from(lsn).next().transpose()
    }

    /// Entries of one stream from a stream position on.
    pub fn read_stream(
        &self,
        origin: NodeId,
        project: ProjectId,
        from_seq: u64,
    ) -> Result<impl Iterator<Item = Result<Entry, ReadError>> + use<>, ReadError> {
        let start = self.segment_of_stream(origin, project, from_seq)?;
        Ok(self.read_from(start).filter(move |entry| {
            entry.as_ref().map_or(true, |e| {
                let h = &e.header;
                h.origin == origin && h.project == project && h.origin_seq >= from_seq
            })
        }))
    }

    /// The last segment that begins before a stream position, by the heads that its header keeps: those of the
    /// streams of the node that wrote it.
    fn segment_of_stream(&self, origin: NodeId, project: ProjectId, from_seq: u64) -> Result<u64, ReadError> {
        let segments = self.0.segments.read().unwrap_or_else(|e| e.into_inner()).clone();
        for first in segments.iter().rev() {
            let file = self.0.file(*first)?;
            let damaged = |_| ReadError::Damaged { segment: segment_path(&self.0.dir, *first), lsn: *first };
            let (header, _) = SegmentHeader::load(&*file).map_err(damaged)?;
            if header.node != origin {
                continue;
            }
            let before = header.heads.iter().find(|(p, _)| *p == project).map_or(0, |(_, h)| h.seq);
            if before < from_seq {
                return Ok(*first);
            }
        }
        Ok(1)
    }

    /// The entry that holds a fact. Full segments are looked up in their files of digests, which are made when
    /// they are first needed; the one being written is read.
    pub fn by_fact_digest(&self, digest: &Digest) -> Result<Option<Entry>, ReadError> {
        let segments = self.segments();
        let mut end = None;
        for first in segments.into_iter().rev() {
            let found = match end {
                None => self
                    .digests_of(first, u64::MAX)?
                    .into_iter()
                    .filter(|(d, _)| d == &digest.0[..8])
                    .collect(),
                Some(end) => self.found_in(first, end, digest)?,
            };
            for (_, lsn) in found {
                if let Some(entry) = self.entry(lsn)?
                    && entry.header.fact_digest() == *digest
                {
                    return Ok(Some(entry));
                }
            }
            end = Some(first);
        }
        Ok(None)
    }

    /// Beginnings of the digests of a segment's facts, with their positions.
    fn digests_of(&self, first: u64, end: u64) -> Result<Vec<DigestPlace>, ReadError> {
        let mut places = Vec::new();
        for entry in self.read_from(first) {
            let entry = entry?;
            if entry.header.lsn >= end {
                break;
            }
            let digest = entry.header.fact_digest();
            places.push((*digest.0.first_chunk().unwrap_or(&[0; 8]), entry.header.lsn));
        }
        Ok(places)
    }

    /// Positions in a full segment where a digest may stand.
    fn found_in(&self, first: u64, end: u64, digest: &Digest) -> Result<Vec<DigestPlace>, ReadError> {
        let (disk, path) = (&*self.0.env.disk, digests_path(&self.0.dir, first));
        if let Some(found) = look_up_digest(disk, &path, end - first, digest) {
            return Ok(found);
        }
        let places = self.digests_of(first, end)?;
        let wanted = |(begin, _): &&DigestPlace| begin == &digest.0[..8];
        let found = places.iter().filter(wanted).copied().collect();
        // It only saves time: without room for it the segment is read again next time.
        if let Err(error) = store_digests(disk, &path, places) {
            tracing::debug!(error = &error as &dyn std::error::Error, "a file of digests was not written");
        }
        Ok(found)
    }

    /// First positions of all segments.
    pub fn segments(&self) -> Vec<u64> {
        self.0.segments.read().unwrap_or_else(|e| e.into_inner()).clone()
    }
}

struct Place {
    segment: u64,
    file: Arc<dyn DiskFile>,
    /// Offset of the next frame.
    offset: u64,
    body: Vec<u8>,
    /// Offset of the next record in `body`.
    at: usize,
}

/// Iterator over entries.
pub struct Entries {
    shared: Arc<Shared>,
    next: u64,
    place: Option<Place>,
}

impl Entries {
    fn damaged(&self, segment: u64) -> ReadError {
        ReadError::Damaged { segment: segment_path(&self.shared.dir, segment), lsn: self.next }
    }

    /// Goes to the frame that holds `self.next`.
    fn seek(&mut self) -> Result<(), ReadError> {
        let segment = self.shared.segment_of(self.next).ok_or_else(|| self.damaged(1))?;
        let (file, mut offset) = self.shared.locate(segment, self.next)?;
        loop {
            let mut head = [0; FRAME_HEADER_BYTES];
            file.read_at(offset, &mut head).map_err(|_| self.damaged(segment))?;
            let header = FrameHeader::read(&head).ok_or_else(|| self.damaged(segment))?;
            if header.first_lsn + u64::from(header.count) > self.next {
                break;
            }
            offset += FRAME_HEADER_BYTES as u64 + u64::from(header.body_len);
        }
        let Frame { header, body, end } = read_frame(&*file, offset)?.ok_or_else(|| self.damaged(segment))?;
        let skip = (self.next - header.first_lsn) as usize;
        let at = records(&body).nth(skip).map(|(at, _)| at).ok_or_else(|| self.damaged(segment))?;
        self.place = Some(Place { segment, file, offset: end, body, at });
        Ok(())
    }

    /// Takes the next frame of the segment, or lets the next segment be sought.
    fn next_frame(&mut self) -> Result<(), ReadError> {
        let Some(place) = &mut self.place else { return Ok(()) };
        // What may follow in a segment that was given up after a failed flush never counted.
        if self.shared.segment_after(place.segment).is_some_and(|next| next <= self.next) {
            self.place = None;
            return Ok(());
        }
        match read_frame(&*place.file, place.offset)? {
            Some(frame) if frame.header.first_lsn == self.next => {
                place.body = frame.body;
                place.offset = frame.end;
                place.at = 0;
            }
            _ => self.place = None,
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Entry, ReadError> {
        if self.place.as_ref().is_some_and(|p| p.at == p.body.len()) {
            self.next_frame()?;
        }
        if self.place.is_none() {
            self.seek()?;
        }
        let lsn = self.next;
        let Some(place) = &mut self.place else { return Err(self.damaged(lsn)) };
        let segment = place.segment;
        let Some((_, record)) = records(&place.body[place.at..]).next() else {
            return Err(self.damaged(segment));
        };
        let len = record.len();
        let entry = Entry::read(record).map_err(|source| ReadError::Entry { lsn, source })?;
        if entry.header.lsn != lsn {
            return Err(self.damaged(segment));
        }
        place.at += len;
        self.next += 1;
        Ok(entry)
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next > self.shared.head.load(Ordering::Acquire) {
            return None;
        }
        let result = self.read();
        if result.is_err() {
            // One report is enough; what follows cannot be trusted.
            self.next = u64::MAX;
        }
        Some(result)
    }
}
