//! Answers: a body that is there, or a file that is read while it is sent.

use bolster_store::{BlobError, BlobReader};
use bolster_usecases::restore::RestoreError;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};

/// An answer.
pub type Reply = Response<ReplyBody>;

/// `X-Bolster-Error`: the stable code of what went wrong, with a page of that name in `docs/errors/`.
pub const ERROR_CODE: HeaderName = HeaderName::from_static("x-bolster-error");

/// Body of an answer.
pub enum ReplyBody {
    /// All of it.
    Whole(Option<Bytes>),
    /// A stored file, read a chunk at a time on a thread that may block.
    File(FileBody),
    /// What a thread makes while it is sent.
    Stream(mpsc::Receiver<Result<Bytes, RestoreError>>),
}

/// A chunk on its way, and the reader for the next one.
type Reading = JoinHandle<(BlobReader, Result<Vec<u8>, BlobError>)>;

/// A file being sent.
pub struct FileBody {
    reading: Option<Reading>,
    left: u64,
    /// Given back when the file was sent.
    _place: Option<OwnedSemaphorePermit>,
}

impl FileBody {
    /// From its beginning.
    pub fn new(reader: BlobReader) -> Self {
        let left = reader.length();
        Self { reading: (left > 0).then(|| read(reader)), left, _place: None }
    }

    /// Keeps a place until the file was sent.
    pub fn hold(&mut self, place: OwnedSemaphorePermit) {
        self._place = Some(place);
    }
}

fn read(mut reader: BlobReader) -> Reading {
    spawn_blocking(move || {
        let chunk = reader.chunk();
        (reader, chunk)
    })
}

/// A file broke off while it was sent; the connection is cut, so that nobody takes the part for the whole.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It cannot be read.
    #[error("a file could not be read while it was sent")]
    Blob(#[source] BlobError),
    /// The reading thread is gone.
    #[error("reading a file was given up")]
    Thread(#[source] tokio::task::JoinError),
    /// What was being made could not be finished.
    #[error("the answer broke off")]
    Stream(#[source] RestoreError),
    /// It ended before its length.
    #[error("a file is shorter than it was")]
    Short,
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        let file = match self.get_mut() {
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::File(file) => file,
            Self::Stream(chunks) => {
                let chunk = ready!(chunks.poll_recv(cx));
                return Poll::Ready(chunk.map(|c| c.map(Frame::data).map_err(SendError::Stream)));
            }
        };
        let Some(reading) = &mut file.reading else { return Poll::Ready(None) };
        let joined = ready!(Pin::new(reading).poll(cx));
        file.reading = None;
        Poll::Ready(match joined {
            Err(error) => Some(Err(SendError::Thread(error))),
            Ok((_, Err(error))) => Some(Err(SendError::Blob(error))),
            Ok((_, Ok(chunk))) if chunk.is_empty() => Some(Err(SendError::Short)),
            Ok((reader, Ok(chunk))) => {
                file.left = file.left.saturating_sub(chunk.len() as u64);
                if file.left > 0 {
                    file.reading = Some(read(reader));
                }
                Some(Ok(Frame::data(chunk.into())))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::File(file) => file.reading.is_none(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::File(file) => SizeHint::with_exact(file.left),
            Self::Stream(_) => SizeHint::new(),
        }
    }
}

/// An answer without body.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(None));
    *reply.status_mut() = status;
    reply
}

/// An answer with a body of a content type.
pub fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(Some(body.into())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Plain text.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    whole(status, "text/plain; charset=utf-8", body)
}

/// JSON.
pub fn json(status: StatusCode, value: &serde_json::Value) -> Reply {
    whole(status, "application/json", value.to_string())
}

/// A file; the caller adds what it is.
pub fn file(reader: BlobReader) -> Reply {
    let length = reader.length();
    let mut reply = Response::new(ReplyBody::File(FileBody::new(reader)));
    reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    reply
}

/// What comes through a channel.
pub fn stream(content_type: &'static str, chunks: mpsc::Receiver<Result<Bytes, RestoreError>>) -> Reply {
    let mut reply = Response::new(ReplyBody::Stream(chunks));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// A header value from text that may hold anything: other bytes than visible ones are percent-encoded.
pub fn header_value(text: &str) -> HeaderValue {
    let plain = text.bytes().all(|b| (0x20..0x7f).contains(&b));
    let value = if plain {
        HeaderValue::from_str(text)
    } else {
        HeaderValue::from_str(&percent_encoding::utf8_percent_encode(text, ODD).to_string())
    };
    value.unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What is encoded in header values: controls; bytes above ASCII always are. The blank and `%` too, so that it
/// can be undone.
const ODD: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ').add(b'%');

#[cfg(test)]
mod tests {
    use super::header_value;

    #[test]
    fn ids_in_headers() {
        assert_eq!(header_value("7H46J37FGH3 a%b"), "7H46J37FGH3 a%b");
        assert_eq!(header_value("форма 1\r\n"), "%D1%84%D0%BE%D1%80%D0%BC%D0%B0%201%0D%0A");
    }
}
