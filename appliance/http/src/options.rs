//! Limits and times of the endpoint, with the reasons for their defaults.

use std::time::Duration;

/// Most bytes of a form's XML, inflated: HQ's limit.
pub const XML_BYTES_MAX: u64 = 10 << 20;
/// Most bytes of one attachment: HQ's limit.
pub const ATTACHMENT_BYTES_MAX: u64 = 15 << 20;

/// Behaviour of an endpoint.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Connections served at once; more wait in the system's queue.
    pub connections_max: usize,
    /// Most bytes of a request's line and headers.
    pub head_bytes_max: usize,
    /// Most headers of a request.
    pub headers_max: usize,
    /// A request's head must be complete, and an idle connection must send one, within this time.
    pub head_time: Duration,
    /// Longest silence inside a body.
    pub body_silence: Duration,
    /// A body may take `body_silence` and a second more for each of these many bytes received.
    pub body_bytes_per_second_min: u64,
    /// Most bytes of a whole body, as sent and inflated.
    pub body_bytes_max: u64,
    /// Most parts of a multipart body.
    pub parts_max: usize,
    /// Bytes that all bodies together may hold in memory beyond their first [`SMALL_BODY_BYTES`].
    pub body_memory_max: usize,
    /// How much of a body is read and dropped so that a client hears of a refusal.
    pub drain_bytes_max: u64,
    /// How long requests under way may go on after the order to stop.
    pub stop_time: Duration,
    /// `https://host` as phones reach this place; taken from the request when absent. With `https` cookies are
    /// kept off plain connections.
    pub site: Option<String>,
    /// Key that a web runtime signs its requests with; nothing that is signed is taken without one.
    pub runtime_key: Option<RuntimeKey>,
}

/// A key shared with a web runtime. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RuntimeKey(Vec<u8>);

impl RuntimeKey {
    /// From the bytes of a file or an argument; line ends and blanks around it do not count. `None` when
    /// nothing is left.
    pub fn new(text: &[u8]) -> Option<Self> {
        let key = text.trim_ascii();
        (!key.is_empty()).then(|| Self(key.to_vec()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for RuntimeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RuntimeKey")
    }
}

/// Bodies up to this size cost nothing of `body_memory_max`.
pub const SMALL_BODY_BYTES: usize = 64 << 10;

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connections_max: 2048,
            head_bytes_max: 32 << 10,
            headers_max: 100,
            head_time: Duration::from_secs(60),
            body_silence: Duration::from_secs(60),
            body_bytes_per_second_min: 200,
            body_bytes_max: 256 << 20,
            parts_max: 1000,
            body_memory_max: 64 << 20,
            drain_bytes_max: 64 << 20,
            stop_time: Duration::from_secs(10),
            site: None,
            runtime_key: None,
        }
    }
}
