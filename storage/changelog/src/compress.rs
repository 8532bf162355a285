//! zstd with the shipped dictionary; contexts are kept per thread.

use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// Dictionary 1: what almost every form says. Named by id in each segment, never changed once released.
pub static DICTIONARY_1: &[u8] = include_bytes!("../dict/v1.dict");

/// Id of the dictionary that new segments use.
pub const DICTIONARY_ID: u32 = 1;

const LEVEL: i32 = 1;

/// Sections below this size are stored as they are.
const COMPRESS_BYTES_MIN: usize = 64;

/// Largest section, uncompressed.
pub const SECTION_BYTES_MAX: usize = 1 << 30;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Appends `raw` to `out`, compressed when that is shorter, and answers whether it is.
pub fn append(out: &mut Vec<u8>, raw: &[u8]) -> bool {
    if raw.len() >= COMPRESS_BYTES_MIN {
        let start = out.len();
        let bound = zstd::zstd_safe::compress_bound(raw.len());
        out.resize(start + bound, 0);
        let written = COMPRESSOR.with_borrow_mut(|slot| {
            if slot.is_none() {
                *slot = Compressor::with_dictionary(LEVEL, DICTIONARY_1).ok();
            }
            slot.as_mut().and_then(|c| c.compress_to_buffer(raw, &mut out[start..]).ok())
        });
        match written {
            Some(written) if written < raw.len() => {
                out.truncate(start + written);
                return true;
            }
            _ => out.truncate(start),
        }
    }
    out.extend_from_slice(raw);
    false
}

/// Reverses [`append`] for a compressed section of known length; `None` when damaged.
pub fn expand(stored: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    if raw_len > SECTION_BYTES_MAX {
        return None;
    }
    let raw = DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Decompressor::with_dictionary(DICTIONARY_1).ok();
        }
        slot.as_mut()?.decompress(stored, raw_len).ok()
    })?;
    (raw.len() == raw_len).then_some(raw)
}
