//! Files of digests: which entry of a full segment holds a fact, so that a fact is found without reading the log.
//!
//! Beside `N.seg` lies `N.dig`: per entry the first 8 bytes of its fact's digest and its position, 8 bytes
//! big-endian, sorted; then XXH3-64 of that. The file may be lost, damaged or incomplete: it is made again.

use bolster_env::{Disk, OpenMode};
use bolster_model::Digest;
use std::io;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Beginning of a digest, and where an entry with such a digest is.
pub(crate) type DigestPlace = ([u8; 8], u64);

const PLACE_BYTES: usize = 16;
const SUM_BYTES: usize = 8;

/// Where the digests of a segment are.
pub(crate) fn digests_path(dir: &Path, first_lsn: u64) -> PathBuf {
    dir.join(format!("{first_lsn:020}.dig"))
}

/// Entries whose digests begin as this one; `None` when the file is missing or not sound. `count` is how many
/// entries the segment has.
pub(crate) fn look_up_digest(
    disk: &dyn Disk,
    path: &Path,
    count: u64,
    digest: &Digest,
) -> Option<Vec<DigestPlace>> {
    let file = disk.open(path, OpenMode::Read).ok()?;
    let len = usize::try_from(count).ok()?.checked_mul(PLACE_BYTES)?.checked_add(SUM_BYTES)?;
    if file.len().ok()? != len as u64 {
        return None;
    }
    let mut bytes = vec![0; len];
    file.read_at(0, &mut bytes).ok()?;
    let (places, sum) = bytes.split_at(len - SUM_BYTES);
    if xxh3_64(places).to_le_bytes() != sum {
        return None;
    }
    let (places, _) = places.as_chunks::<PLACE_BYTES>();
    let wanted = &digest.0[..8];
    let from = places.partition_point(|place| &place[..8] < wanted);
    let fitting = places[from..].iter().take_while(|place| &place[..8] == wanted);
    let place = |place: &[u8; PLACE_BYTES]| {
        let lsn = place.last_chunk().map_or(0, |lsn| u64::from_be_bytes(*lsn));
        (*place.first_chunk().unwrap_or(&[0; 8]), lsn)
    };
    Some(fitting.map(place).collect())
}

/// Writes the digests of a full segment.
pub(crate) fn store_digests(disk: &dyn Disk, path: &Path, mut places: Vec<DigestPlace>) -> io::Result<()> {
    places.sort_unstable();
    let mut bytes = Vec::with_capacity(places.len() * PLACE_BYTES + SUM_BYTES);
    for (digest, lsn) in places {
        bytes.extend_from_slice(&digest);
        bytes.extend_from_slice(&lsn.to_be_bytes());
    }
    let sum = xxh3_64(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    let file = disk.open(path, OpenMode::CreateOrOpen)?;
    file.set_len(0)?;
    file.write_at(0, &bytes)
}
