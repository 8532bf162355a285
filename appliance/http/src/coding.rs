//! Answers made smaller on their way, in a coding that the client takes.

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use std::io::Write;

/// A content coding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coding {
    /// As it is.
    Identity,
    /// What every phone takes.
    Gzip,
    /// A third of gzip's time, and smaller.
    Zstd,
    /// For clients that take nothing else.
    Brotli,
}

/// As good as the others' fastest, several times as fast as the best of it.
const BROTLI_QUALITY: u32 = 3;
const BROTLI_WINDOW_BITS: u32 = 22;
const BROTLI_BUFFER_BYTES: usize = 16 << 10;

impl Coding {
    /// The cheapest one for us among those that the client takes.
    pub fn chosen(headers: &HeaderMap) -> Self {
        let takes = |name: &str| headers.get_all(ACCEPT_ENCODING).iter().any(|value| takes(value, name));
        [(Self::Zstd, "zstd"), (Self::Gzip, "gzip"), (Self::Brotli, "br")]
            .into_iter()
            .find(|(_, name)| takes(name))
            .map_or(Self::Identity, |(coding, _)| coding)
    }

    /// The value of `Content-Encoding`.
    pub fn name(self) -> Option<HeaderValue> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Zstd => Some(HeaderValue::from_static("zstd")),
            Self::Brotli => Some(HeaderValue::from_static("br")),
        }
    }
}

/// Whether a value of `Accept-Encoding` names a coding.
pub(crate) fn takes(value: &HeaderValue, wanted: &str) -> bool {
    let Ok(text) = value.to_str() else { return false };
    text.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let refused = |part: &str| {
            let quality = part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            quality.is_some_and(|q| q <= 0.0)
        };
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted)) && !parts.any(refused)
    })
}

/// Compresses on the way, at the fastest level: one core serves two hundred phones.
pub enum Coder {
    /// Nothing to do.
    Identity,
    /// See [`Coding::Gzip`].
    Gzip(Box<GzEncoder<Vec<u8>>>),
    /// See [`Coding::Zstd`].
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    /// See [`Coding::Brotli`].
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Coder {
    /// One for a coding; none where it cannot be made for want of memory.
    pub fn new(coding: Coding) -> std::io::Result<Self> {
        Ok(match coding {
            Coding::Identity => Self::Identity,
            Coding::Gzip => Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::fast()))),
            Coding::Zstd => Self::Zstd(Box::new(zstd::stream::write::Encoder::new(Vec::new(), 1)?)),
            Coding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER_BYTES,
                BROTLI_QUALITY,
                BROTLI_WINDOW_BITS,
            ))),
        })
    }

    /// What is ready after these bytes; the rest comes with later ones. Memory takes everything, so nothing fails.
    pub fn coded(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Identity => bytes,
            Self::Gzip(encoder) => {
                let _ = encoder.write_all(&bytes);
                std::mem::take(encoder.get_mut())
            }
            Self::Zstd(encoder) => {
                let _ = encoder.write_all(&bytes);
                std::mem::take(encoder.get_mut())
            }
            Self::Brotli(encoder) => {
                let _ = encoder.write_all(&bytes);
                std::mem::take(encoder.get_mut())
            }
        }
    }

    /// What is left.
    pub fn end(self) -> Vec<u8> {
        match self {
            Self::Identity => Vec::new(),
            Self::Gzip(encoder) => encoder.finish().unwrap_or_default(),
            Self::Zstd(encoder) => encoder.finish().unwrap_or_default(),
            Self::Brotli(encoder) => encoder.into_inner(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_what() {
        let takes = |text: &'static str, name| takes(&HeaderValue::from_static(text), name);
        assert!(takes("gzip", "gzip") && takes("br, GZIP;q=0.5", "gzip"));
        assert!(!takes("br", "gzip") && !takes("gzip;q=0.0", "gzip") && !takes("", "gzip"));
    }

    #[test]
    fn the_cheapest_of_those_taken() {
        let chosen = |text: &'static str| {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(text))]);
            Coding::chosen(&headers)
        };
        assert_eq!(chosen("gzip, deflate, br, zstd"), Coding::Zstd);
        assert_eq!(chosen("gzip, deflate, br"), Coding::Gzip);
        assert_eq!(chosen("br"), Coding::Brotli);
        assert_eq!(chosen("identity"), Coding::Identity);
    }

    #[test]
    fn whole_again_after_many_pieces() {
        use std::io::Read;
        let whole: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for coding in [Coding::Gzip, Coding::Zstd, Coding::Brotli] {
            let mut coder = Coder::new(coding).unwrap();
            let mut coded: Vec<u8> =
                whole.chunks(60_000).flat_map(|part| coder.coded(part.to_vec())).collect();
            coded.extend(coder.end());
            let mut back = Vec::new();
            match coding {
                Coding::Gzip => flate2::read::GzDecoder::new(&*coded).read_to_end(&mut back).unwrap(),
                Coding::Zstd => {
                    zstd::stream::read::Decoder::new(&*coded).unwrap().read_to_end(&mut back).unwrap()
                }
                _ => brotli::Decompressor::new(&*coded, 4096).read_to_end(&mut back).unwrap(),
            };
            assert!(back == whole && coded.len() < whole.len() / 2, "{coding:?}");
        }
    }
}
