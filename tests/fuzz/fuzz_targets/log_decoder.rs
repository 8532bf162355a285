//! Any bytes as a log entry, as a fact, as the beginning of a segment: nothing panics, nothing grows without
//! bound. Checksums are put right as well, so that what stands behind them is reached.

#![no_main]

use bolster_changelog::segment::{SegmentHeader, read_frame, records};
use bolster_changelog::{Entry, fact_codec};
use bolster_env::DiskFile;
use std::io;
use xxhash_rust::xxh3::xxh3_64;

/// A file in memory that is only read.
struct Bytes(Vec<u8>);

impl DiskFile for Bytes {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok().filter(|s| *s <= self.0.len());
        let found = start.and_then(|s| self.0[s..].get(..out.len()));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn try_lock(&self) -> io::Result<()> {
        Ok(())
    }
    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

fn entry(record: &[u8]) {
    if let Ok(entry) = Entry::read(record) {
        let _ = (entry.effects(), entry.local());
        if let Ok(payload) = entry.payload() {
            let _ = fact_codec::decode_fact(entry.header.kind, &payload);
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    entry(data);
    let mut sealed = (data.len() as u32 + 8).to_le_bytes().to_vec();
    sealed.extend_from_slice(data);
    sealed.extend_from_slice(&xxh3_64(&sealed).to_le_bytes());
    entry(&sealed);
    if let Some((kind, payload)) = data.split_first() {
        let _ = fact_codec::decode_fact(u16::from(*kind), payload);
    }
    for (_, record) in records(data) {
        entry(record);
    }
    let file = Bytes(data.to_vec());
    let start = SegmentHeader::load(&file).map_or(0, |(_, start)| start);
    if let Ok(Some(frame)) = read_frame(&file, start) {
        assert!(frame.end <= data.len() as u64);
    }
});
