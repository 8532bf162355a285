//! `multipart/form-data`, parsed from bytes as they arrive; no IO.
//!
//! Ours, because the library at hand buffers a body as fast as it arrives and has no bound on a part's headers.
//! This one keeps at most [`HEAD_BYTES_MAX`] bytes of headers or a delimiter's length of data back, and gives
//! the rest out at once. Reads what Django reads (HQ's clients were written against it), except that a body
//! without its closing delimiter is an error.

mod disposition;

pub use disposition::{boundary_of, disposition, main_type};

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

/// Most bytes of one part's headers.
pub const HEAD_BYTES_MAX: usize = 8 << 10;
/// Longest delimiter text that is accepted (RFC 2046 has 70).
pub const BOUNDARY_BYTES_MAX: usize = 200;

/// Headers of a part, as far as anybody looks at them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartHead {
    /// `name` of the disposition; `None` when there is none.
    pub name: Option<String>,
    /// `filename` of the disposition; `None` makes the part a plain field.
    pub filename: Option<String>,
    /// Content type without parameters, lower case; empty when absent.
    pub content_type: String,
}

/// What comes out, in order: for each part a head, its data, its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A part begins.
    Head(PartHead),
    /// Bytes of it, never none.
    Data(Bytes),
    /// It ends.
    End,
}

/// Why a body is no multipart body.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MultipartError {
    /// The content type has no usable `boundary`.
    #[error("the content type names no boundary")]
    NoBoundary,
    /// Ended without closing delimiter.
    #[error("the multipart body is cut off")]
    CutOff,
    /// Something else than a line end after a delimiter, or a header without colon.
    #[error("the multipart body is malformed")]
    Malformed,
    /// Headers of a part above [`HEAD_BYTES_MAX`].
    #[error("the headers of a part are too long")]
    HeadTooLong,
    /// `Content-Transfer-Encoding` of another kind than plain.
    #[error("the transfer encoding {0} is not supported")]
    TransferEncoding(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Preamble,
    AfterDelimiter,
    Head,
    Data,
    Epilogue,
}

/// The parser. Give bytes with [`Self::put`], then take events until there are none.
pub struct Parser {
    /// `\r\n--boundary`
    delimiter: Finder<'static>,
    buffer: BytesMut,
    state: State,
}

impl Parser {
    /// For a boundary, as [`boundary_of`] gives it.
    pub fn new(boundary: &str) -> Self {
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // With a line end before the body the first delimiter is like all others.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Self { delimiter: Finder::new(&delimiter).into_owned(), buffer, state: State::Preamble }
    }

    /// Adds bytes of the body; only when [`Self::next_event`] has nothing left to give.
    pub fn put(&mut self, bytes: &[u8]) {
        if self.state != State::Epilogue {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The body has ended.
    pub fn end(&self) -> Result<(), MultipartError> {
        if self.state == State::Epilogue { Ok(()) } else { Err(MultipartError::CutOff) }
    }

    /// The next event; `None` asks for more bytes.
    pub fn next_event(&mut self) -> Result<Option<Event>, MultipartError> {
        loop {
            match self.state {
                State::Preamble => match self.data() {
                    Some(Event::End) => {}
                    Some(_) => continue,
                    None => return Ok(None),
                },
                State::AfterDelimiter => {
                    if !self.after_delimiter()? {
                        return Ok(None);
                    }
                }
                State::Head => return self.head(),
                State::Data => return Ok(self.data()),
                State::Epilogue => return Ok(None),
            }
        }
    }

    /// Bytes at the end of the buffer that may be the beginning of a delimiter.
    fn kept(&self) -> usize {
        let most = (self.delimiter.needle().len() - 1).min(self.buffer.len());
        let tail = &self.buffer[self.buffer.len() - most..];
        memchr::memchr_iter(b'\r', tail)
            .find(|at| self.delimiter.needle().starts_with(&tail[*at..]))
            .map_or(0, |at| tail.len() - at)
    }

    /// True when it is known what follows.
    fn after_delimiter(&mut self) -> Result<bool, MultipartError> {
        if self.buffer.len() < 2 {
            return Ok(false);
        }
        if self.buffer.starts_with(b"--") {
            self.buffer.clear();
            self.state = State::Epilogue;
            return Ok(true);
        }
        let padding =
            self.buffer.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(self.buffer.len());
        match self.buffer.get(padding..padding + 2) {
            // The line end stays: a part without headers has its empty line right here.
            Some(b"\r\n") => {
                let _ = self.buffer.split_to(padding);
                self.state = State::Head;
                Ok(true)
            }
            Some(_) => Err(MultipartError::Malformed),
            None if padding > HEAD_BYTES_MAX => Err(MultipartError::HeadTooLong),
            None => Ok(false),
        }
    }

    fn head(&mut self) -> Result<Option<Event>, MultipartError> {
        let window = &self.buffer[..self.buffer.len().min(HEAD_BYTES_MAX)];
        let Some(end) = memchr::memmem::find(window, b"\r\n\r\n") else {
            let full = self.buffer.len() >= HEAD_BYTES_MAX;
            return if full { Err(MultipartError::HeadTooLong) } else { Ok(None) };
        };
        let head = self.buffer.split_to(end);
        let _ = self.buffer.split_to(4);
        self.state = State::Data;
        // The line end of the delimiter before is still there.
        Ok(Some(Event::Head(part_head(head.get(2..).unwrap_or_default())?)))
    }

    fn data(&mut self) -> Option<Event> {
        match self.delimiter.find(&self.buffer) {
            Some(0) => {
                let _ = self.buffer.split_to(self.delimiter.needle().len());
                self.state = State::AfterDelimiter;
                Some(Event::End)
            }
            Some(at) => Some(Event::Data(self.buffer.split_to(at).freeze())),
            None => match self.buffer.len() - self.kept() {
                0 => None,
                length => Some(Event::Data(self.buffer.split_to(length).freeze())),
            },
        }
    }
}

fn part_head(text: &[u8]) -> Result<PartHead, MultipartError> {
    let mut head = PartHead::default();
    if text.is_empty() {
        return Ok(head);
    }
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = folded_line(rest);
        rest = after;
        let colon = memchr::memchr(b':', line).ok_or(MultipartError::Malformed)?;
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-disposition") {
            (head.name, head.filename) = disposition(value);
        } else if name.eq_ignore_ascii_case(b"content-type") {
            head.content_type = main_type(value);
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            plain_transfer(value)?;
        }
    }
    Ok(head)
}

/// The next header line with the lines that continue it, and the rest.
fn folded_line(text: &[u8]) -> (&[u8], &[u8]) {
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&text[from..], b"\r\n").map(|at| at + from) {
        if !matches!(text.get(at + 2), Some(b' ' | b'\t')) {
            return (&text[..at], &text[at + 2..]);
        }
        from = at + 2;
    }
    (text, &[])
}

/// What phones say (`binary`, `8bit`, `7bit`) changes nothing; others would need decoding.
fn plain_transfer(value: &[u8]) -> Result<(), MultipartError> {
    let plain = [&b"binary"[..], b"8bit", b"7bit", b""];
    if plain.iter().any(|p| value.eq_ignore_ascii_case(p)) {
        return Ok(());
    }
    Err(MultipartError::TransferEncoding(String::from_utf8_lossy(value).chars().take(40).collect()))
}

#[cfg(test)]
mod tests;
