//! A whole reading of the log that believes nothing.

use crate::entry::EntryClass;
use crate::reader::{LogReader, ReadError};
use crate::segment::StreamHead;
use bolster_model::{Digest, NodeId, ProjectId};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Entries.
    pub entries: u64,
    /// Commits.
    pub commits: u64,
    /// Facts.
    pub facts: u64,
    /// Streams.
    pub streams: u64,
    /// Bytes of records as stored.
    pub stored_bytes: u64,
    /// Payloads that were removed on purpose.
    pub payloads_absent: u64,
}

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something cannot be read.
    #[error("the log cannot be read to its end")]
    Read(#[from] ReadError),
    /// The chain of a stream is broken.
    #[error("entry {lsn} does not follow the one before it in the stream of project {project}")]
    Chain {
        /// Position.
        lsn: u64,
        /// Project.
        project: ProjectId,
    },
    /// A payload is not the one that was hashed.
    #[error("the payload of entry {lsn} is not the one that was written")]
    Payload {
        /// Position.
        lsn: u64,
    },
    /// Hybrid time went back.
    #[error("the hybrid time of entry {lsn} is not later than the one before it")]
    Time {
        /// Position.
        lsn: u64,
    },
}

/// Reads everything: checksums, contiguous positions, chains, payload digests, rising hybrid times.
/// `progress` is told each position.
pub fn verify(log: &LogReader, mut progress: impl FnMut(u64)) -> Result<VerifyReport, VerifyError> {
    let mut report = VerifyReport::default();
    let mut heads: HashMap<(NodeId, ProjectId), StreamHead> = HashMap::new();
    let mut last_hlc = 0;
    for entry in log.read_from(1) {
        let entry = entry?;
        let header = &entry.header;
        progress(header.lsn);
        report.entries += 1;
        report.stored_bytes += entry.stored_len() as u64;
        report.commits += u64::from(entry.last_of_commit());
        if header.flags & crate::entry::FLAG_IMPORTED == 0 {
            if header.hlc <= last_hlc {
                return Err(VerifyError::Time { lsn: header.lsn });
            }
            last_hlc = header.hlc;
        }
        if header.flags & crate::entry::FLAG_PAYLOAD_ABSENT != 0 {
            report.payloads_absent += 1;
        } else {
            let payload = entry.payload().map_err(|source| ReadError::Entry { lsn: header.lsn, source })?;
            if Digest(Sha256::digest(&payload).into()) != header.payload_digest {
                return Err(VerifyError::Payload { lsn: header.lsn });
            }
        }
        if header.class == EntryClass::Local as u8 {
            continue;
        }
        report.facts += 1;
        let head = heads.entry((header.origin, header.project)).or_default();
        if header.origin_seq != head.seq + 1 || header.prev != head.digest {
            return Err(VerifyError::Chain { lsn: header.lsn, project: header.project });
        }
        *head = StreamHead { seq: header.origin_seq, digest: header.entry_digest(&header.fact_digest()) };
    }
    report.streams = heads.len() as u64;
    Ok(report)
}
