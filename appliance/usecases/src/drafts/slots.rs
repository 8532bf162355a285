//! The file of one draft: two slots of one size, written in turn.
//!
//! A process may be killed in the middle of a write: the slot before is whole then. Writing in place instead of
//! replacing the file costs a quarter: nothing is created, cut or freed.
//!
//! Shape: `BDR1`, the size of a slot (u32), then the slots. A slot: number (u64), length (u64), XXH3 of number and content
//! (u64), content. Everything little-endian. The whole slot with the higher number counts.

use std::io;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: &[u8; 4] = b"BDR1";
const FILE_HEAD: usize = 8;
const SLOT_HEAD: usize = 24;
/// Slots grow in steps of this many bytes.
const STEP: usize = 4_096;

/// Where the next version of a draft goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    /// Bytes of a slot, its head included.
    size: u32,
    /// The number of the version written last.
    number: u64,
}

impl Slots {
    /// Slots for content of a length, and some growth.
    pub fn for_length(length: usize) -> Self {
        let size = (SLOT_HEAD + length + length / 4).next_multiple_of(STEP);
        Self { size: u32::try_from(size).unwrap_or(u32::MAX), number: 0 }
    }

    /// Whether content of a length fits.
    pub fn fits(self, length: usize) -> bool {
        SLOT_HEAD + length <= self.size as usize
    }

    /// A new file with its first version.
    pub fn first(&mut self, content: &[&[u8]]) -> Vec<u8> {
        self.number = 1;
        let mut file = Vec::with_capacity(FILE_HEAD + self.size as usize);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&self.size.to_le_bytes());
        // The first slot is that of odd numbers.
        append_slot(&mut file, self.number, content);
        file
    }

    /// The next version and its offset.
    pub fn next(&mut self, content: &[&[u8]]) -> (u64, Vec<u8>) {
        self.number += 1;
        let mut slot = Vec::new();
        append_slot(&mut slot, self.number, content);
        let second = u64::from(self.number.is_multiple_of(2));
        (FILE_HEAD as u64 + second * u64::from(self.size), slot)
    }
}

fn checksum(number: u64, content: &[&[u8]]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&number.to_le_bytes());
    content.iter().for_each(|part| hash.update(part));
    hash.digest()
}

fn append_slot(out: &mut Vec<u8>, number: u64, content: &[&[u8]]) {
    let length: usize = content.iter().map(|part| part.len()).sum();
    out.reserve(SLOT_HEAD + length);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&(length as u64).to_le_bytes());
    out.extend_from_slice(&checksum(number, content).to_le_bytes());
    content.iter().for_each(|part| out.extend_from_slice(part));
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn slot(file: &[u8], at: usize, size: usize) -> Option<(u64, &[u8])> {
    let (number, length) = (number_at(file, at)?, number_at(file, at + 8)?);
    let length = usize::try_from(length).ok().filter(|length| *length <= size.saturating_sub(SLOT_HEAD))?;
    let content = file.get(at + SLOT_HEAD..at + SLOT_HEAD + length)?;
    (checksum(number, &[content]) == number_at(file, at + 16)?).then_some((number, content))
}

/// The newest whole version in a file; `None` if there is none.
pub(super) fn newest(file: &[u8]) -> Option<(Slots, &[u8])> {
    let head = file.get(..FILE_HEAD).filter(|head| head.starts_with(MAGIC))?;
    let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let slots = [FILE_HEAD, FILE_HEAD + size as usize].map(|at| slot(file, at, size as usize));
    let (number, content) = slots.into_iter().flatten().max_by_key(|(number, _)| *number)?;
    Some((Slots { size, number }, content))
}

/// An error for content that no slot can hold.
pub(super) fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a draft is too large to be kept")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(file: &mut Vec<u8>, (at, bytes): (u64, Vec<u8>)) {
        let at = at as usize;
        file.resize(file.len().max(at + bytes.len()), 0);
        file[at..at + bytes.len()].copy_from_slice(&bytes);
    }

    #[test]
    fn the_version_before_counts_while_one_is_half_written() {
        let mut slots = Slots::for_length(10);
        let mut file = slots.first(&[b"one"]);
        assert_eq!(newest(&file).unwrap(), (slots, &b"one"[..]));
        for round in 0..5u8 {
            let before = newest(&file).unwrap().1.to_vec();
            let (at, bytes) = slots.next(&[b"content ", &[b'0' + round]]);
            // Cut off anywhere, the old bytes of the slot behind it.
            for cut in 0..bytes.len() {
                let mut half = file.clone();
                put(&mut half, (at, bytes[..cut].to_vec()));
                assert_eq!(newest(&half).unwrap().1, before, "round {round}, cut at {cut}");
            }
            put(&mut file, (at, bytes));
            assert_eq!(newest(&file).unwrap(), (slots, &[&b"content "[..], &[b'0' + round]].concat()[..]));
        }
    }

    #[test]
    fn damaged_files_hold_nothing() {
        let mut slots = Slots::for_length(3);
        let file = slots.first(&[b"one"]);
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 0x55;
            let found = newest(&bad).map(|(_, content)| content.to_vec());
            assert!(found.is_none() || found.as_deref() == Some(b"one"), "byte {at}");
            let _ = newest(&file[..at]);
        }
        let mut huge = file;
        huge[4..8].fill(0xff);
        huge[16..24].fill(0xff);
        assert!(newest(&huge).is_none());
    }

    #[test]
    fn growth_is_noticed() {
        let slots = Slots::for_length(4_000);
        assert!(slots.fits(4_000) && slots.fits(5_000) && !slots.fits(9_000));
    }
}
