//! Entries: what a caller drafts, what the log stamps, what a reader gets. Byte layout in
//! `docs/formats/changelog.md`.

use crate::compress;
use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{ClockQuality, Digest, NodeId, OrderKey, ProjectId, RulesVersion};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Version of the entry layout.
pub const ENTRY_FORMAT: u16 = 1;
/// Version of the payload layout.
pub const PAYLOAD_VERSION: u16 = 1;
/// More entries of this commit follow.
pub const FLAG_CONTINUED: u16 = 1;
/// The payload was removed (erased, evicted, out of scope).
pub const FLAG_PAYLOAD_ABSENT: u16 = 1 << 1;
/// The entry came from another node.
pub const FLAG_IMPORTED: u16 = 1 << 2;
/// The effects were removed; they can be computed again.
pub const FLAG_EFFECTS_ABSENT: u16 = 1 << 3;

/// What an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum EntryClass {
    /// Matters of this node alone.
    Local = 0,
    /// What happened.
    Fact = 1,
    /// Who may say so.
    Authority = 2,
}

impl EntryClass {
    /// From its stable number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Local),
            1 => Some(Self::Fact),
            2 => Some(Self::Authority),
            _ => None,
        }
    }
}

/// The beginning of a payload, hashed and compressed before its end is known.
#[derive(Clone)]
pub struct PreparedPayload {
    hash: Sha256,
    raw_len: usize,
    compressed: bool,
    stored: Arc<Vec<u8>>,
}

impl PreparedPayload {
    /// Takes what follows the salt.
    pub fn prepare(salt: [u8; 16], rest: &[u8]) -> Self {
        let mut raw = Vec::with_capacity(18 + rest.len());
        raw.extend_from_slice(&PAYLOAD_VERSION.to_le_bytes());
        raw.extend_from_slice(&salt);
        raw.extend_from_slice(rest);
        let mut stored = Vec::new();
        let compressed = compress::append(&mut stored, &raw);
        let mut hash = Sha256::new();
        hash.update(&raw);
        Self { hash, raw_len: raw.len(), compressed, stored: Arc::new(stored) }
    }

    /// The whole payload, once its end is known. May be called with several ends.
    pub fn finish(&self, tail: &[u8]) -> Payload {
        let mut hash = self.hash.clone();
        hash.update(tail);
        Payload {
            digest: Digest(hash.finalize().into()),
            prefix_len: self.raw_len,
            compressed: self.compressed,
            stored: self.stored.clone(),
            tail: tail.to_vec(),
        }
    }
}

/// A payload ready to be stored: a prefix that may be compressed, and a short tail as it is.
#[derive(Clone)]
pub struct Payload {
    /// SHA-256 of the uncompressed bytes.
    pub digest: Digest,
    prefix_len: usize,
    compressed: bool,
    stored: Arc<Vec<u8>>,
    tail: Vec<u8>,
}

impl Payload {
    /// Version and salt only.
    pub fn empty(salt: [u8; 16]) -> Self {
        PreparedPayload::prepare(salt, &[]).finish(&[])
    }
    /// Uncompressed length.
    pub fn len(&self) -> usize {
        self.prefix_len + self.tail.len()
    }
    /// Never: a payload holds at least its version and salt.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An entry before it has a place.
pub struct EntryDraft {
    /// Class.
    pub class: EntryClass,
    /// Stable number of its kind within the class.
    pub kind: u16,
    /// Project, or zero for the node.
    pub project: ProjectId,
    /// Digest of the document's identity.
    pub doc: [u8; 16],
    /// Rules and switches in force.
    pub rules: RulesVersion,
    /// Stream position at which the device's sync token was cut; 0 unknown.
    pub base_seq: u64,
    /// What happened.
    pub payload: Payload,
}

/// The place that the log gives to a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Local position.
    pub lsn: u64,
    /// Hybrid time.
    pub hlc: u64,
    /// Position in the stream of (origin, project); 0 for local entries.
    pub origin_seq: u64,
    /// Entry digest of the one before it in the stream.
    pub prev: Digest,
    /// This node.
    pub author: NodeId,
    /// OS clock.
    pub wall_ms: i64,
    /// Trust in it.
    pub quality: ClockQuality,
    /// Identity of the fact.
    pub fact_digest: Digest,
    /// Identity of the entry in its stream.
    pub entry_digest: Digest,
}

impl Stamp {
    /// Place in the order of facts.
    pub fn key(&self) -> OrderKey {
        OrderKey { hlc: self.hlc, author: self.author, digest: self.fact_digest }
    }
}

/// Fixed part of a stored entry (fields F1 to F15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// Layout of this entry.
    pub format: u16,
    /// Flags.
    pub flags: u16,
    /// Local position.
    pub lsn: u64,
    /// Class.
    pub class: u8,
    /// Kind; unknown ones are kept.
    pub kind: u16,
    /// Project.
    pub project: ProjectId,
    /// Node of the stream.
    pub origin: NodeId,
    /// Position in the stream.
    pub origin_seq: u64,
    /// Chain.
    pub prev: Digest,
    /// Node that first accepted the fact.
    pub author: NodeId,
    /// Hybrid time.
    pub hlc: u64,
    /// OS clock, milliseconds.
    pub wall_ms: i64,
    /// Trust in it.
    pub quality: u8,
    /// Sync token position.
    pub base_seq: u64,
    /// Rules and switches.
    pub rules: u32,
    /// Document.
    pub doc: [u8; 16],
    /// Uncompressed payload length.
    pub payload_len: u32,
    /// Its digest.
    pub payload_digest: Digest,
}

/// Bytes of the fixed part.
pub const HEADER_BYTES: usize = 2 + 2 + 8 + 1 + 2 + 16 + 16 + 8 + 32 + 16 + 8 + 8 + 1 + 8 + 4 + 16 + 4 + 32;

impl EntryHeader {
    /// `H("bolster-fact-1" ‖ class, kind, project, author, hlc, wall, clock_quality, base_seq, rules, doc,
    /// payload_digest)`.
    pub fn fact_digest(&self) -> Digest {
        let mut w = Writer::with_capacity(160);
        w.raw(b"bolster-fact-1");
        w.u8(self.class);
        w.u16(self.kind);
        w.raw(&self.project.0);
        w.raw(&self.author.0);
        w.u64(self.hlc);
        w.i64(self.wall_ms);
        w.u8(self.quality);
        w.u64(self.base_seq);
        w.u32(self.rules);
        w.raw(&self.doc);
        w.raw(&self.payload_digest.0);
        Digest(Sha256::digest(&w.0).into())
    }

    /// `H("bolster-entry-1" ‖ origin, origin_seq, prev, fact_digest)`.
    pub fn entry_digest(&self, fact_digest: &Digest) -> Digest {
        let mut w = Writer::with_capacity(120);
        w.raw(b"bolster-entry-1");
        w.raw(&self.origin.0);
        w.u64(self.origin_seq);
        w.raw(&self.prev.0);
        w.raw(&fact_digest.0);
        Digest(Sha256::digest(&w.0).into())
    }

    fn write(&self, w: &mut Writer) {
        w.u16(self.format);
        w.u16(self.flags);
        w.u64(self.lsn);
        w.u8(self.class);
        w.u16(self.kind);
        w.raw(&self.project.0);
        w.raw(&self.origin.0);
        w.u64(self.origin_seq);
        w.raw(&self.prev.0);
        w.raw(&self.author.0);
        w.u64(self.hlc);
        w.i64(self.wall_ms);
        w.u8(self.quality);
        w.u64(self.base_seq);
        w.u32(self.rules);
        w.raw(&self.doc);
        w.u32(self.payload_len);
        w.raw(&self.payload_digest.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            format: r.u16()?,
            flags: r.u16()?,
            lsn: r.u64()?,
            class: r.u8()?,
            kind: r.u16()?,
            project: ProjectId(r.array()?),
            origin: NodeId(r.array()?),
            origin_seq: r.u64()?,
            prev: Digest(r.array()?),
            author: NodeId(r.array()?),
            hlc: r.u64()?,
            wall_ms: r.i64()?,
            quality: r.u8()?,
            base_seq: r.u64()?,
            rules: r.u32()?,
            doc: r.array()?,
            payload_len: r.u32()?,
            payload_digest: Digest(r.array()?),
        })
    }
}

/// Offset of `flags` in a record: after its length and format.
const FLAGS_AT: usize = 4 + 2;

/// Appends a record to a frame body, its checksum still open. Answers where it begins.
pub(crate) fn write_record(
    out: &mut Vec<u8>,
    header: &EntryHeader,
    payload: &Payload,
    effects: &[u8],
    local: &[u8],
) -> usize {
    let start = out.len();
    let mut w = Writer(std::mem::take(out));
    w.u32(0);
    header.write(&mut w);
    w.u8(u8::from(payload.compressed));
    w.varint(payload.prefix_len as u64);
    w.bytes(&payload.stored);
    w.bytes(&payload.tail);
    section(&mut w, effects);
    section(&mut w, local);
    w.u64(0);
    *out = w.0;
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    start
}

fn section(w: &mut Writer, raw: &[u8]) {
    w.varint(raw.len() as u64);
    if raw.is_empty() {
        return;
    }
    let at = w.0.len();
    // Flag and length of the stored bytes come first; both are known only afterwards.
    let mut stored = Vec::with_capacity(raw.len() / 2);
    let compressed = compress::append(&mut stored, raw);
    debug_assert_eq!(at, w.0.len());
    w.u8(u8::from(compressed));
    w.bytes(&stored);
}

/// Sets the flags of the record that begins at `start` and closes it with its checksum.
pub(crate) fn seal_record(body: &mut [u8], start: usize, flags: u16) {
    let len = u32::from_le_bytes([body[start], body[start + 1], body[start + 2], body[start + 3]]) as usize;
    let record = &mut body[start..start + 4 + len];
    record[FLAGS_AT..FLAGS_AT + 2].copy_from_slice(&flags.to_le_bytes());
    let at = record.len() - 8;
    let sum = xxh3_64(&record[..at]);
    record[at..].copy_from_slice(&sum.to_le_bytes());
}

/// Where a section lies in the record, and how.
#[derive(Clone, Debug)]
struct Section {
    raw_len: usize,
    compressed: bool,
    range: std::ops::Range<usize>,
}

/// A stored entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Fixed fields.
    pub header: EntryHeader,
    bytes: Arc<[u8]>,
    prefix: Section,
    tail: std::ops::Range<usize>,
    effects: Section,
    local: Section,
}

/// Why a stored entry cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EntryError {
    /// Its checksum does not fit.
    #[error("the checksum of a log entry is wrong")]
    Checksum,
    /// Its layout is wrong.
    #[error("a log entry is malformed")]
    Layout(#[from] DecodeError),
    /// A section does not decompress.
    #[error("a section of a log entry does not decompress")]
    Compression,
    /// Made by a newer release.
    #[error("the log entry has format {0}, which is newer than this program")]
    Newer(u16),
}

impl Entry {
    /// Reads a record with its length and checksum.
    pub fn read(record: &[u8]) -> Result<Self, EntryError> {
        let at =
            record.len().checked_sub(8).filter(|at| *at >= 4 + HEADER_BYTES).ok_or(EntryError::Checksum)?;
        if xxh3_64(&record[..at]).to_le_bytes() != record[at..] {
            return Err(EntryError::Checksum);
        }
        let base = record.as_ptr() as usize;
        let mut r = Reader(&record[4..at]);
        let header = EntryHeader::read(&mut r)?;
        if header.format > ENTRY_FORMAT {
            return Err(EntryError::Newer(header.format));
        }
        let range = |bytes: &[u8]| {
            let start = bytes.as_ptr() as usize - base;
            start..start + bytes.len()
        };
        let compressed = r.bool()?;
        let raw_len = r.len()?;
        let prefix = Section { raw_len, compressed, range: range(r.bytes()?) };
        let tail = range(r.bytes()?);
        let mut section = || -> Result<Section, DecodeError> {
            let raw_len = r.len()?;
            if raw_len == 0 {
                return Ok(Section { raw_len, compressed: false, range: 0..0 });
            }
            let compressed = r.bool()?;
            Ok(Section { raw_len, compressed, range: range(r.bytes()?) })
        };
        let (effects, local) = (section()?, section()?);
        r.end()?;
        Ok(Self { header, bytes: record.into(), prefix, tail, effects, local })
    }

    fn section(&self, section: &Section) -> Result<Vec<u8>, EntryError> {
        let stored = self.bytes.get(section.range.clone()).ok_or(EntryError::Compression)?;
        if section.compressed {
            compress::expand(stored, section.raw_len).ok_or(EntryError::Compression)
        } else {
            Ok(stored.to_vec())
        }
    }

    /// The uncompressed payload.
    pub fn payload(&self) -> Result<Vec<u8>, EntryError> {
        let mut raw = self.section(&self.prefix)?;
        raw.extend_from_slice(&self.bytes[self.tail.clone()]);
        Ok(raw)
    }
    /// The uncompressed effects; empty when there are none.
    pub fn effects(&self) -> Result<Vec<u8>, EntryError> {
        self.section(&self.effects)
    }
    /// The uncompressed local section.
    pub fn local(&self) -> Result<Vec<u8>, EntryError> {
        self.section(&self.local)
    }
    /// Last entry of its commit.
    pub fn last_of_commit(&self) -> bool {
        self.header.flags & FLAG_CONTINUED == 0
    }
    /// Stored bytes, all of it.
    pub fn stored_len(&self) -> usize {
        self.bytes.len()
    }
    /// Place in the order of facts.
    pub fn key(&self) -> OrderKey {
        OrderKey { hlc: self.header.hlc, author: self.header.author, digest: self.header.fact_digest() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of docs/formats/changelog.md: whoever writes another reader checks it with these.
    #[test]
    fn digests_of_the_documented_example() {
        let mut payload = vec![1, 0];
        payload.extend(0..16);
        payload.extend_from_slice(b"one visit");
        let payload_digest = Digest(Sha256::digest(&payload).into());
        let project = ProjectId([0x11; 16]);
        let mut document = project.0.to_vec();
        document.extend_from_slice(b"form\0f-1");
        let mut doc = [0; 16];
        doc.copy_from_slice(&Sha256::digest(&document)[..16]);
        let header = EntryHeader {
            format: 1,
            flags: 0,
            lsn: 7,
            class: 1,
            kind: 1,
            project,
            origin: NodeId([0x33; 16]),
            origin_seq: 1,
            prev: Digest([0; 32]),
            author: NodeId([0x22; 16]),
            hlc: (1_700_000_000_000 << 16) | 3,
            wall_ms: 1_700_000_000_123,
            quality: 0,
            base_seq: 0,
            rules: 1 | 1 << 16,
            doc,
            payload_len: payload.len() as u32,
            payload_digest,
        };
        let fact = header.fact_digest();
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(&payload_digest.0),
            "1230f3bf2cb8fd1bfd766773355ef86ea1d245db85571ce47e557048a910c60a"
        );
        assert_eq!(hex(&doc), "b0865b56ac47d7dc6b8081246d19addc");
        assert_eq!(hex(&fact.0), "0cff2e87d924e3d1f3d17dd990683719c6444affa763713f3c59c326d2853f4d");
        assert_eq!(
            hex(&header.entry_digest(&fact).0),
            "4c19f69be829e1c4ee8c1e872e7437c9ce89a17d4d4deb97d7be02d9346319be"
        );
        // Where an entry lies, and how it is stored, is no part of what it says.
        let moved = EntryHeader { lsn: 9, flags: 2, origin: NodeId([1; 16]), ..header };
        assert_eq!(moved.fact_digest(), fact);
    }
}
