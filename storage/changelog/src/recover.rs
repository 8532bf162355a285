//! Opening: find the end of the log, tell a torn end from damage.

use crate::compress::DICTIONARY_ID;
use crate::entry::{Entry, EntryClass};
use crate::log::{LogOptions, OpenLogError};
use crate::node::NodeIdentity;
use crate::segment::{
    FRAME_MAGIC, SegmentHeader, SparseIndex, StreamHead, list_segments, push_index, read_frame, records,
    segment_path,
};
use bolster_env::{DiskFile, Env, OpenMode};
use bolster_model::{Digest, NodeId, ProjectId};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub(crate) struct Recovered {
    /// Whose segment the last one is.
    pub writer: NodeId,
    pub file: Arc<dyn DiskFile>,
    pub first_lsn: u64,
    pub offset: u64,
    pub next_lsn: u64,
    pub last_hlc: u64,
    pub last_digest: Digest,
    pub heads: HashMap<ProjectId, StreamHead>,
    pub index: SparseIndex,
    pub segments: Vec<u64>,
}

pub(crate) fn recover(
    env: &Env,
    dir: &Path,
    identity: &NodeIdentity,
    options: &LogOptions,
) -> Result<Recovered, OpenLogError> {
    let io = |source| OpenLogError::Io { dir: dir.to_owned(), source };
    env.disk.create_dir_all(dir).map_err(io)?;
    let mut segments = list_segments(&*env.disk, dir).map_err(io)?;
    if segments.is_empty() {
        create_first(env, dir, identity.node, options).map_err(io)?;
        segments.push(1);
    }
    let first_lsn = segments[segments.len() - 1];
    let path = segment_path(dir, first_lsn);
    let file = env.disk.open(&path, OpenMode::ReadWrite).map_err(io)?;
    let (header, start) = SegmentHeader::load(&*file)
        .map_err(|source| OpenLogError::Header { segment: path.clone(), source })?;
    if header.node != identity.node && !identity.predecessors.contains(&header.node) {
        return Err(OpenLogError::ForeignNode { segment: path });
    }
    if header.first_lsn != first_lsn {
        return Err(OpenLogError::Gap { segment: path, expected: header.first_lsn });
    }
    let mut found = Recovered {
        writer: header.node,
        file,
        first_lsn,
        offset: start,
        next_lsn: first_lsn,
        last_hlc: header.last_hlc,
        last_digest: header.previous,
        heads: header.heads.into_iter().collect(),
        index: Vec::new(),
        segments,
    };
    read_frames(&mut found).map_err(io)?;
    let damaged = |offset| OpenLogError::Damaged { segment: path.clone(), offset };
    if valid_frame_after(&*found.file, found.offset, found.next_lsn).map_err(io)? {
        return Err(damaged(found.offset));
    }
    clear_tail(&*found.file, found.offset).map_err(io)?;
    Ok(found)
}

fn create_first(env: &Env, dir: &Path, node: NodeId, options: &LogOptions) -> io::Result<()> {
    let header = SegmentHeader {
        node,
        previous: Digest::default(),
        first_lsn: 1,
        last_hlc: 0,
        dictionary: DICTIONARY_ID,
        heads: Vec::new(),
    };
    let temporary = dir.join("first.tmp");
    let file = env.disk.open(&temporary, OpenMode::CreateOrOpen)?;
    // The first segment grows as it is used: an empty appliance takes no room.
    let bytes = header.encode();
    file.set_len(0)?;
    file.write_at(0, &bytes)?;
    file.write_at(bytes.len() as u64, &vec![0; (options.segment_bytes as usize).min(1 << 20)])?;
    file.sync_data()?;
    env.disk.rename(&temporary, &segment_path(dir, 1))?;
    env.disk.sync_dir(dir)
}

/// Walks whole frames from the start of the segment to the first that is not one.
fn read_frames(found: &mut Recovered) -> io::Result<()> {
    while let Some(frame) = read_frame(&*found.file, found.offset)? {
        if frame.header.first_lsn != found.next_lsn {
            break;
        }
        let mut count = 0;
        for (_, record) in records(&frame.body) {
            let Ok(entry) = Entry::read(record) else { break };
            count += 1;
            let header = &entry.header;
            found.last_hlc = found.last_hlc.max(header.hlc);
            if header.class != EntryClass::Local as u8 {
                let digest = header.entry_digest(&header.fact_digest());
                found.last_digest = digest;
                if header.origin == found.writer {
                    found.heads.insert(header.project, StreamHead { seq: header.origin_seq, digest });
                }
            }
        }
        if count != frame.header.count {
            break;
        }
        push_index(&mut found.index, found.next_lsn, found.offset);
        found.next_lsn += u64::from(frame.header.count);
        found.offset = frame.end;
    }
    Ok(())
}

/// A later frame that was written only after everything before it had been flushed proves that the end
/// found is no torn one.
fn valid_frame_after(file: &dyn DiskFile, end: u64, next_lsn: u64) -> io::Result<bool> {
    const WINDOW: usize = 1 << 20;
    let len = file.len()?;
    let mut window = vec![0; WINDOW + FRAME_MAGIC.len()];
    let mut at = end;
    while at < len {
        let take = window.len().min((len - at) as usize);
        file.read_at(at, &mut window[..take])?;
        for found in memchr::memmem::find_iter(&window[..take], &FRAME_MAGIC) {
            let offset = at + found as u64;
            if offset > end
                && let Some(frame) = read_frame(file, offset)?
                && frame.header.first_lsn > next_lsn
            {
                return Ok(true);
            }
        }
        at += WINDOW as u64;
    }
    Ok(false)
}

/// Writes zeros over what a torn frame left behind.
fn clear_tail(file: &dyn DiskFile, end: u64) -> io::Result<()> {
    const WINDOW: usize = 256 << 10;
    let len = file.len()?;
    let mut window = vec![0; WINDOW];
    let mut dirty = false;
    let mut at = end;
    while at < len {
        let take = WINDOW.min((len - at) as usize);
        file.read_at(at, &mut window[..take])?;
        if window[..take].iter().any(|b| *b != 0) {
            window[..take].fill(0);
            file.write_at(at, &window[..take])?;
            dirty = true;
        }
        at += take as u64;
    }
    if dirty { file.sync_data() } else { Ok(()) }
}
