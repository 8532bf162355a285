//! Reading request bodies: bounded in bytes, in time and in what all of them together keep in memory.

use crate::gunzip::Gunzip;
use crate::options::{HttpOptions, SMALL_BODY_BYTES};
use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, EXPECT, HeaderMap};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A body as it arrives.
pub enum Inbound {
    /// From a connection.
    Wire(Incoming),
    /// All of it at once.
    Whole(Bytes),
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Larger than a whole body may be, as sent or inflated.
    #[error("the body is larger than {max} bytes")]
    TooLarge {
        /// Bound.
        max: u64,
    },
    /// Nothing came for too long, or too little.
    #[error("the body came too slowly")]
    TooSlow,
    /// The connection ended or was no HTTP any more.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
    /// `Content-Encoding: gzip`, and it is none.
    #[error("the body is not valid gzip")]
    BadGzip,
    /// Another encoding.
    #[error("the content encoding {0} is not supported; send the body plain or with gzip")]
    UnknownEncoding(String),
    /// All bodies together hold too much memory.
    #[error("too many large requests at once")]
    NoMemory,
}

/// Memory that bodies share.
#[derive(Debug)]
pub struct BodyMemory {
    used: AtomicUsize,
    max: usize,
}

impl BodyMemory {
    /// With a bound in bytes.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), max })
    }

    /// Bytes taken now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A share of [`BodyMemory`], given back when dropped.
#[derive(Debug)]
pub struct MemoryShare {
    of: Arc<BodyMemory>,
    taken: usize,
}

/// Steps in which a share grows.
const SHARE_STEP: usize = 64 << 10;

impl MemoryShare {
    /// Nothing yet.
    pub fn new(of: &Arc<BodyMemory>) -> Self {
        Self { of: of.clone(), taken: 0 }
    }

    /// Makes sure that `bytes` beyond the free first ones are accounted for.
    pub fn cover(&mut self, bytes: usize) -> Result<(), BodyError> {
        let wanted = bytes.saturating_sub(SMALL_BODY_BYTES).next_multiple_of(SHARE_STEP);
        if wanted <= self.taken {
            return Ok(());
        }
        let more = wanted - self.taken;
        if self.of.used.fetch_add(more, Ordering::Relaxed) + more > self.of.max {
            self.of.used.fetch_sub(more, Ordering::Relaxed);
            return Err(BodyError::NoMemory);
        }
        self.taken = wanted;
        Ok(())
    }

    /// Gives everything back.
    pub fn give_back(&mut self) {
        self.of.used.fetch_sub(std::mem::take(&mut self.taken), Ordering::Relaxed);
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Reads one body chunk by chunk, inflated if it came compressed.
pub struct BodyReader {
    inbound: Inbound,
    gunzip: Option<Box<Gunzip>>,
    /// It cannot be read at all.
    refused: Option<BodyError>,
    /// `Expect: 100-continue`, and not a byte was asked for yet: the client still waits.
    client_waits: bool,
    /// Nothing more will come.
    ended: bool,
    received: u64,
    given: u64,
    max: u64,
    pace: Pace,
}

/// What a sender owes in time.
struct Pace {
    silence: Duration,
    bytes_per_second_min: u64,
    /// When it was first waited for.
    since: Option<Instant>,
}

impl BodyReader {
    /// Nothing is read before the first call of [`Self::chunk`].
    pub fn new(inbound: Inbound, headers: &HeaderMap, options: &HttpOptions) -> Self {
        let encoding = headers.get(CONTENT_ENCODING).map(|v| v.as_bytes().trim_ascii());
        let (gunzip, refused) = match encoding {
            None | Some(b"") => (None, None),
            Some(name) if name.eq_ignore_ascii_case(b"identity") => (None, None),
            Some(name) if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
                (Some(Box::default()), None)
            }
            Some(name) => {
                let name: String = String::from_utf8_lossy(name).chars().take(40).collect();
                (None, Some(BodyError::UnknownEncoding(name)))
            }
        };
        Self {
            inbound,
            gunzip,
            refused,
            client_waits: headers
                .get(EXPECT)
                .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue")),
            ended: false,
            received: 0,
            given: 0,
            max: options.body_bytes_max,
            pace: Pace {
                silence: options.body_silence,
                bytes_per_second_min: options.body_bytes_per_second_min.max(1),
                since: None,
            },
        }
    }

    /// How many bytes are still to come, if the sender said; never trusted beyond the bound.
    pub fn hint(&self) -> usize {
        let hint = match (&self.gunzip, &self.inbound) {
            (Some(_), _) => 0,
            (None, Inbound::Wire(body)) => body.size_hint().lower(),
            (None, Inbound::Whole(bytes)) => bytes.len() as u64,
        };
        hint.min(SMALL_BODY_BYTES as u64) as usize
    }

    /// The next bytes, never empty; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        loop {
            let inflated = match &mut self.gunzip {
                None => return self.receive().await,
                Some(gunzip) => gunzip.take()?,
            };
            if inflated.is_some() {
                return self.inflated(inflated);
            }
            let received = self.receive().await?;
            let Some(gunzip) = &mut self.gunzip else { return Ok(received) };
            match received {
                Some(bytes) => gunzip.put(bytes),
                None => {
                    let last = gunzip.end()?;
                    return self.inflated(last);
                }
            }
        }
    }

    fn inflated(&mut self, bytes: Option<Bytes>) -> Result<Option<Bytes>, BodyError> {
        self.given += bytes.as_ref().map_or(0, |b| b.len() as u64);
        self.bounded(self.given)?;
        Ok(bytes)
    }

    fn bounded(&self, bytes: u64) -> Result<(), BodyError> {
        if bytes > self.max { Err(BodyError::TooLarge { max: self.max }) } else { Ok(()) }
    }

    /// The next bytes as sent.
    async fn receive(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.ended {
            return Ok(None);
        }
        let received = self.receive_more().await;
        self.ended = !matches!(received, Ok(Some(_)));
        received
    }

    async fn receive_more(&mut self) -> Result<Option<Bytes>, BodyError> {
        let body = match &mut self.inbound {
            Inbound::Whole(bytes) if bytes.is_empty() => return Ok(None),
            Inbound::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.received += bytes.len() as u64;
                self.bounded(self.received)?;
                return Ok(Some(bytes));
            }
            Inbound::Wire(body) => {
                // A body that says it is too large is not even asked for.
                if self.received == 0 && body.size_hint().lower() > self.max {
                    return Err(BodyError::TooLarge { max: self.max });
                }
                body
            }
        };
        self.client_waits = false;
        loop {
            let ready = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(frame) => Poll::Ready(Some(frame)),
                Poll::Pending => Poll::Ready(None),
            });
            let frame = match ready.await {
                Some(frame) => frame,
                None => {
                    let next = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
                    timeout(self.pace.allowance(self.received)?, next)
                        .await
                        .map_err(|_| BodyError::TooSlow)?
                }
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(BodyError::Broken(error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => {
                        self.received += bytes.len() as u64;
                        self.bounded(self.received)?;
                        return Ok(Some(bytes));
                    }
                    // Trailers, or nothing.
                    _ => {}
                },
            }
        }
    }

    /// Reads and drops what is left, within bounds, so that the client gets to read the answer. A client that
    /// still waits for our word, and one that sends too much, are not asked for more.
    pub async fn drain(&mut self, max: u64) {
        if self.client_waits || self.ended {
            return;
        }
        let until = self.received.saturating_add(max);
        while self.received < until {
            match self.receive().await {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}

impl Pace {
    /// How long to wait for the next bytes.
    fn allowance(&mut self, received: u64) -> Result<Duration, BodyError> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let earned = Duration::from_secs(received / self.bytes_per_second_min);
        let left = (self.silence + earned).saturating_sub(since.elapsed());
        if left.is_zero() { Err(BodyError::TooSlow) } else { Ok(left.min(self.silence)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn reader(body: &'static [u8], encoding: Option<&'static str>, max: u64) -> BodyReader {
        let mut headers = HeaderMap::new();
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let options = HttpOptions { body_bytes_max: max, ..HttpOptions::default() };
        BodyReader::new(Inbound::Whole(Bytes::from_static(body)), &headers, &options)
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_and_not_beyond_its_bound() {
        let mut good = reader(b"hello", None, 5);
        assert_eq!(good.chunk().await.unwrap().as_deref(), Some(&b"hello"[..]));
        assert!(good.chunk().await.unwrap().is_none());
        assert!(matches!(reader(b"hello!", None, 5).chunk().await, Err(BodyError::TooLarge { max: 5 })));
    }

    #[tokio::test]
    async fn other_encodings_are_named() {
        let read = reader(b"hello", Some("br"), 100).chunk().await;
        assert!(matches!(read, Err(BodyError::UnknownEncoding(name)) if name == "br"));
    }

    #[test]
    fn shares_of_memory_are_given_back() {
        let memory = BodyMemory::new(128 << 10);
        let mut one = MemoryShare::new(&memory);
        one.cover(SMALL_BODY_BYTES).unwrap();
        assert_eq!(memory.used(), 0);
        one.cover(SMALL_BODY_BYTES + 1).unwrap();
        let mut two = MemoryShare::new(&memory);
        two.cover(2 * SMALL_BODY_BYTES).unwrap();
        assert!(matches!(two.cover(2 * SMALL_BODY_BYTES + 1), Err(BodyError::NoMemory)));
        drop(one);
        two.cover(2 * SMALL_BODY_BYTES + 1).unwrap();
        drop(two);
        assert_eq!(memory.used(), 0);
    }
}
