//! A log on a simulated disk, and entries for it.
#![allow(dead_code, reason = "each test file uses its part")]

use bolster_changelog::{
    EntryClass, EntryDraft, Log, LogOptions, LogReader, NodeIdentity, OpenLogError, PreparedPayload,
};
use bolster_env::{Disk, DiskFile, Env, OpenMode, SeededRandom, SimClock, SimDisk};
use bolster_model::{NodeId, ProjectId, RulesVersion, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const DIR: &str = "/log";
pub const A: ProjectId = ProjectId([0xaa; 16]);
pub const B: ProjectId = ProjectId([0xbb; 16]);

pub fn env(disk: &SimDisk) -> Env {
    Env {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000))),
        random: Arc::new(SeededRandom::new(disk.calls())),
    }
}

pub fn node() -> NodeIdentity {
    NodeIdentity::first(NodeId([1; 16]))
}

pub fn try_open_as(disk: &SimDisk, identity: &NodeIdentity) -> Result<Log, OpenLogError> {
    let options = LogOptions { segment_bytes: 8 << 10, prepare_ahead: false };
    Log::open(&env(disk), Path::new(DIR), identity, options)
}

pub fn try_open(disk: &SimDisk) -> Result<Log, OpenLogError> {
    try_open_as(disk, &node())
}

pub fn open(disk: &SimDisk) -> Log {
    try_open(disk).expect("opens")
}

/// Bytes that do not compress.
pub fn noise(n: u64) -> Vec<u8> {
    let random = SeededRandom::new(n);
    let mut out = vec![0; 200];
    bolster_env::Random::fill(&random, &mut out);
    out
}

/// Appends one commit of `entries` entries as one batch.
pub fn append(log: &mut Log, n: u64, entries: u64) {
    let mut batch = log.begin();
    for entry in 0..entries {
        let draft = EntryDraft {
            class: EntryClass::Fact,
            kind: 1,
            project: if n.is_multiple_of(3) { B } else { A },
            doc: [n as u8; 16],
            rules: RulesVersion::CURRENT,
            base_seq: 0,
            payload: PreparedPayload::prepare([entry as u8; 16], &noise(n)).finish(&[]),
        };
        let stamp = batch.stamp(&draft);
        batch.push(&draft, &stamp, &n.to_le_bytes(), b"");
    }
    batch.end_commit();
    batch.commit().expect("written");
}

/// A log of several segments, closed.
pub fn filled(disk: &SimDisk, commits: u64) -> u64 {
    let mut log = open(disk);
    for n in 0..commits {
        append(&mut log, n, 1 + n % 3);
    }
    assert!(log.reader().segments().len() > 3, "several segments");
    log.head()
}

/// Positions that can be read from one on, until the first error.
pub fn positions(reader: &LogReader, from: u64) -> Result<Vec<u64>, String> {
    reader.read_from(from).map(|entry| entry.map(|e| e.header.lsn).map_err(|e| e.to_string())).collect()
}

pub fn segment(first: u64) -> PathBuf {
    Path::new(DIR).join(format!("{first:020}.seg"))
}

pub fn index(first: u64) -> PathBuf {
    Path::new(DIR).join(format!("{first:020}.idx"))
}

pub fn raw(disk: &SimDisk, path: &Path) -> Arc<dyn DiskFile> {
    disk.open(path, OpenMode::ReadWrite).expect("is there")
}

pub fn bytes(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let file = raw(disk, path);
    let mut out = vec![0; file.len().expect("known") as usize];
    file.read_at(0, &mut out).expect("reads");
    out
}

/// Offsets of the frames of a segment.
pub fn frames(disk: &SimDisk, first: u64) -> Vec<usize> {
    let all = bytes(disk, &segment(first));
    let mut at = all.windows(4).position(|w| w == b"BFr1");
    let mut found = Vec::new();
    while let Some(offset) = at.filter(|at| all[*at..].starts_with(b"BFr1")) {
        found.push(offset);
        let len = u32::from_le_bytes(all[offset + 4..offset + 8].try_into().expect("four bytes"));
        at = Some(offset + 28 + len as usize).filter(|end| end + 4 <= all.len());
    }
    found
}
