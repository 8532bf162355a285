//! Segment files: header, frames, sparse index.

use bolster_codec::{DecodeError, Reader, Writer};
use bolster_env::{Disk, DiskFile, OpenMode};
use bolster_model::{Digest, NodeId, ProjectId};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// First bytes of a segment.
const SEGMENT_MAGIC: [u8; 8] = *b"BOLSTLOG";
/// Layout of segments.
pub const SEGMENT_FORMAT: u16 = 1;
/// SHA-256.
const DIGEST_ALGORITHM: u16 = 1;
/// First bytes of a frame.
pub const FRAME_MAGIC: [u8; 4] = *b"BFr1";
/// magic, body length u32, first lsn u64, count u32, checksum u64.
pub const FRAME_HEADER_BYTES: usize = 4 + 4 + 8 + 4 + 8;
/// Largest frame body.
pub const FRAME_BODY_BYTES_MAX: usize = 1 << 30;
/// One index entry for about this many bytes.
pub const INDEX_BYTES: u64 = 32 << 10;

/// Where a stream stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamHead {
    /// Last position.
    pub seq: u64,
    /// Digest of the entry there.
    pub digest: Digest,
}

/// What a segment says of itself and of everything before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Node whose folder this is.
    pub node: NodeId,
    /// Entry digest of the last fact before this segment, of any stream; zeros at the beginning.
    pub previous: Digest,
    /// First local position.
    pub first_lsn: u64,
    /// Largest hybrid time before it.
    pub last_hlc: u64,
    /// Dictionary of its compressed sections.
    pub dictionary: u32,
    /// Heads of all streams of this node before it, by project.
    pub heads: Vec<(ProjectId, StreamHead)>,
}

impl SegmentHeader {
    /// Bytes as stored: magic, format, digest algorithm, length of the rest, the rest, checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Writer::default();
        body.raw(&self.node.0);
        body.raw(&self.previous.0);
        body.u64(self.first_lsn);
        body.u64(self.last_hlc);
        body.u32(self.dictionary);
        body.varint(self.heads.len() as u64);
        for (project, head) in &self.heads {
            body.raw(&project.0);
            body.u64(head.seq);
            body.raw(&head.digest.0);
        }
        let mut w = Writer::default();
        w.raw(&SEGMENT_MAGIC);
        w.u16(SEGMENT_FORMAT);
        w.u16(DIGEST_ALGORITHM);
        w.u32(body.0.len() as u32);
        w.raw(&body.0);
        let sum = xxh3_64(&w.0);
        w.u64(sum);
        w.0
    }

    /// Reads the header of a file; the second value is the offset of the first frame.
    pub fn load(file: &dyn DiskFile) -> Result<(Self, u64), HeaderError> {
        let mut fixed = [0; 16];
        file.read_at(0, &mut fixed).map_err(HeaderError::Io)?;
        if fixed[..8] != SEGMENT_MAGIC {
            return Err(HeaderError::Damaged);
        }
        let format = u16::from_le_bytes([fixed[8], fixed[9]]);
        if format > SEGMENT_FORMAT {
            return Err(HeaderError::Newer(format));
        }
        let len = u32::from_le_bytes([fixed[12], fixed[13], fixed[14], fixed[15]]) as usize;
        let file_len = file.len().map_err(HeaderError::Io)?;
        if len as u64 + 24 > file_len {
            return Err(HeaderError::Damaged);
        }
        let mut all = vec![0; 16 + len + 8];
        file.read_at(0, &mut all).map_err(HeaderError::Io)?;
        let at = 16 + len;
        if xxh3_64(&all[..at]).to_le_bytes() != all[at..] {
            return Err(HeaderError::Damaged);
        }
        let header = Self::decode(&all[16..at]).map_err(|_| HeaderError::Damaged)?;
        Ok((header, all.len() as u64))
    }

    fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader(body);
        let header = Self {
            node: NodeId(r.array()?),
            previous: Digest(r.array()?),
            first_lsn: r.u64()?,
            last_hlc: r.u64()?,
            dictionary: r.u32()?,
            heads: r.list(|r| {
                Ok((ProjectId(r.array()?), StreamHead { seq: r.u64()?, digest: Digest(r.array()?) }))
            })?,
        };
        r.end()?;
        Ok(header)
    }
}

/// Why a segment header cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The disk.
    #[error("the segment could not be read")]
    Io(#[source] io::Error),
    /// Its bytes.
    #[error("the header of the segment is damaged")]
    Damaged,
    /// Its format.
    #[error("the segment has format {0}, which is newer than this program")]
    Newer(u16),
}

/// Head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes that follow the header.
    pub body_len: u32,
    /// Position of its first entry.
    pub first_lsn: u64,
    /// Entries.
    pub count: u32,
    /// xxh3-64 of the header without this field, and of the body.
    pub checksum: u64,
}

impl FrameHeader {
    /// Writes the header for `body` into the first bytes of a frame.
    pub fn close(frame: &mut [u8], first_lsn: u64, count: u32) {
        let body_len = (frame.len() - FRAME_HEADER_BYTES) as u32;
        frame[..4].copy_from_slice(&FRAME_MAGIC);
        frame[4..8].copy_from_slice(&body_len.to_le_bytes());
        frame[8..16].copy_from_slice(&first_lsn.to_le_bytes());
        frame[16..20].copy_from_slice(&count.to_le_bytes());
        let sum = frame_sum(&frame[..20], &frame[FRAME_HEADER_BYTES..]);
        frame[20..28].copy_from_slice(&sum.to_le_bytes());
    }

    /// Reads a header; `None` when it is none.
    pub fn read(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let mut r = Reader(bytes.strip_prefix(&FRAME_MAGIC)?);
        let header = Self {
            body_len: r.u32().ok()?,
            first_lsn: r.u64().ok()?,
            count: r.u32().ok()?,
            checksum: r.u64().ok()?,
        };
        (header.count > 0 && header.body_len as usize <= FRAME_BODY_BYTES_MAX).then_some(header)
    }

    /// The body is the one that was written.
    pub fn fits(&self, head: &[u8; FRAME_HEADER_BYTES], body: &[u8]) -> bool {
        frame_sum(&head[..20], body) == self.checksum
    }
}

fn frame_sum(head: &[u8], body: &[u8]) -> u64 {
    let mut sum = Xxh3::new();
    sum.update(head);
    sum.update(body);
    sum.digest()
}

/// A frame found valid at an offset, with its body.
pub struct Frame {
    /// Header.
    pub header: FrameHeader,
    /// Records.
    pub body: Vec<u8>,
    /// Offset behind it.
    pub end: u64,
}

/// Reads and checks the frame at `offset`; `None` when there is no valid one.
pub fn read_frame(file: &dyn DiskFile, offset: u64) -> io::Result<Option<Frame>> {
    let file_len = file.len()?;
    let Some(after_head) = offset.checked_add(FRAME_HEADER_BYTES as u64).filter(|a| *a <= file_len) else {
        return Ok(None);
    };
    let mut head = [0; FRAME_HEADER_BYTES];
    file.read_at(offset, &mut head)?;
    let Some(header) = FrameHeader::read(&head) else { return Ok(None) };
    let end = after_head + u64::from(header.body_len);
    if end > file_len {
        return Ok(None);
    }
    let mut body = vec![0; header.body_len as usize];
    file.read_at(after_head, &mut body)?;
    Ok(header.fits(&head, &body).then_some(Frame { header, body, end }))
}

/// Records of a frame body: (offset in the body, bytes with length and checksum).
pub fn records(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let head = body.get(at..at + 4)?;
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let record = body.get(at..at.checked_add(4)?.checked_add(len)?)?;
        let found = (at, record);
        at += record.len();
        Some(found)
    })
}

/// Name of the segment that begins at a position.
pub fn segment_path(dir: &Path, first_lsn: u64) -> PathBuf {
    dir.join(format!("{first_lsn:020}.seg"))
}

/// First positions of the segments of a folder, ascending.
pub fn list_segments(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for path in disk.list(dir)? {
        if path.extension().is_some_and(|e| e == "seg")
            && let Some(lsn) = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok())
        {
            found.push(lsn);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Where entries are: (first lsn of a frame, its offset), one for about [`INDEX_BYTES`].
pub type SparseIndex = Vec<(u64, u64)>;

fn index_path(dir: &Path, first_lsn: u64) -> PathBuf {
    dir.join(format!("{first_lsn:020}.idx"))
}

/// Keeps the index of a full segment beside it; a convenience that may be lost.
pub fn save_index(disk: &dyn Disk, dir: &Path, first_lsn: u64, index: &SparseIndex) -> io::Result<()> {
    let mut w = Writer::with_capacity(index.len() * 16 + 16);
    w.varint(index.len() as u64);
    for (lsn, offset) in index {
        w.u64(*lsn);
        w.u64(*offset);
    }
    let sum = xxh3_64(&w.0);
    w.u64(sum);
    let file = disk.open(&index_path(dir, first_lsn), OpenMode::CreateOrOpen)?;
    file.set_len(0)?;
    file.write_at(0, &w.0)
}

/// The saved index, or one made by reading the frame headers.
pub fn load_index(
    disk: &dyn Disk,
    dir: &Path,
    first_lsn: u64,
    file: &Arc<dyn DiskFile>,
) -> io::Result<SparseIndex> {
    if let Ok(saved) = disk.open(&index_path(dir, first_lsn), OpenMode::Read)
        && let Some(index) = read_index(&*saved)
    {
        return Ok(index);
    }
    let Ok((_, mut offset)) = SegmentHeader::load(&**file) else { return Ok(Vec::new()) };
    let mut index: SparseIndex = Vec::new();
    let len = file.len()?;
    while offset + FRAME_HEADER_BYTES as u64 <= len {
        let mut head = [0; FRAME_HEADER_BYTES];
        file.read_at(offset, &mut head)?;
        let Some(header) = FrameHeader::read(&head) else { break };
        push_index(&mut index, header.first_lsn, offset);
        offset += FRAME_HEADER_BYTES as u64 + u64::from(header.body_len);
    }
    Ok(index)
}

fn read_index(file: &dyn DiskFile) -> Option<SparseIndex> {
    let len = usize::try_from(file.len().ok()?).ok().filter(|l| *l <= 64 << 20)?;
    let mut bytes = vec![0; len];
    file.read_at(0, &mut bytes).ok()?;
    let at = len.checked_sub(8)?;
    if xxh3_64(&bytes[..at]).to_le_bytes() != bytes[at..] {
        return None;
    }
    let mut r = Reader(&bytes[..at]);
    let index = r.list(|r| Ok((r.u64()?, r.u64()?))).ok()?;
    r.end().ok()?;
    Some(index)
}

/// Adds a frame to the index when it lies far enough behind the last one there.
pub fn push_index(index: &mut SparseIndex, first_lsn: u64, offset: u64) {
    if index.last().is_none_or(|(_, last)| offset >= last + INDEX_BYTES) {
        index.push((first_lsn, offset));
    }
}
