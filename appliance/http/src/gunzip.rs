//! Inflating a gzip body in small steps, so that a small body that inflates hugely never becomes large in
//! memory: who reads stops when it has had enough.

use crate::body::BodyError;
use bytes::{Buf, Bytes};
use flate2::write::GzDecoder;
use std::io::Write;

/// Compressed bytes inflated at a time; they become at most about a thousand times as many.
const STEP_BYTES: usize = 512;
/// Inflated bytes worth giving out.
const ENOUGH_BYTES: usize = 16 << 10;

/// One gzip stream.
pub struct Gunzip {
    decoder: GzDecoder<Vec<u8>>,
    waiting: Bytes,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { decoder: GzDecoder::new(Vec::new()), waiting: Bytes::new() }
    }
}

impl Gunzip {
    /// Adds compressed bytes; only after [`Self::take`] gave nothing.
    pub fn put(&mut self, bytes: Bytes) {
        debug_assert!(self.waiting.is_empty());
        self.waiting = bytes;
    }

    /// Inflated bytes, as far as they are there.
    pub fn take(&mut self) -> Result<Option<Bytes>, BodyError> {
        while !self.waiting.is_empty() && self.decoder.get_ref().len() < ENOUGH_BYTES {
            let step = self.waiting.len().min(STEP_BYTES);
            // Nothing is taken after the end of the stream: what follows it is ignored, as others do.
            let taken = self.decoder.write(&self.waiting[..step]).map_err(|_| BodyError::BadGzip)?;
            if taken == 0 {
                self.waiting.clear();
            } else {
                self.waiting.advance(taken);
            }
        }
        let out = std::mem::take(self.decoder.get_mut());
        Ok(if out.is_empty() { None } else { Some(out.into()) })
    }

    /// The compressed bytes have ended: they must be a whole stream with the right checksum. Gives the last
    /// inflated bytes, at most a step's worth; may be called again.
    pub fn end(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.decoder.try_finish().map_err(|_| BodyError::BadGzip)?;
        let out = std::mem::take(self.decoder.get_mut());
        Ok(if out.is_empty() { None } else { Some(out.into()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    fn zipped(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// Inflates, giving the input in pieces; stops beyond `max`.
    fn inflate(bytes: &[u8], piece: usize, max: usize) -> Result<Vec<u8>, BodyError> {
        let mut gunzip = Gunzip::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(piece) {
            gunzip.put(Bytes::copy_from_slice(piece));
            while let Some(more) = gunzip.take()? {
                assert!(more.len() < 1 << 20, "a step inflated to {} bytes", more.len());
                out.extend_from_slice(&more);
                if out.len() > max {
                    return Err(BodyError::TooLarge { max: max as u64 });
                }
            }
        }
        while let Some(more) = gunzip.end()? {
            out.extend_from_slice(&more);
        }
        Ok(out)
    }

    #[test]
    fn inflates_in_any_pieces() {
        let plain: Vec<u8> = (0..100_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let zipped = zipped(&plain);
        for piece in [1, 7, 1000, usize::MAX >> 1] {
            assert_eq!(inflate(&zipped, piece, usize::MAX).unwrap(), plain);
        }
        assert_eq!(inflate(&self::zipped(b""), 3, 10).unwrap(), b"");
    }

    #[test]
    fn a_bomb_is_stopped_while_it_is_small() {
        let bomb = zipped(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert!(matches!(inflate(&bomb, 64 << 10, 1 << 20), Err(BodyError::TooLarge { .. })));
    }

    #[test]
    fn what_is_cut_or_no_gzip_is_refused() {
        let whole = zipped(b"some text that is long enough to cut somewhere");
        for cut in [1, 9, 10, 15, whole.len() - 1] {
            assert!(matches!(inflate(&whole[..cut], 5, 1000), Err(BodyError::BadGzip)), "cut at {cut}");
        }
        assert!(matches!(inflate(b"<data/>", 100, 1000), Err(BodyError::BadGzip)));
        let mut wrong = whole;
        let last = wrong.len() - 6;
        wrong[last] ^= 1;
        assert!(matches!(inflate(&wrong, 100, 1000), Err(BodyError::BadGzip)));
    }
}
