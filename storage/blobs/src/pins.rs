//! Blobs that must not be collected although nothing refers to them yet.

use bolster_model::Digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// How often each blob is pinned.
#[derive(Default)]
pub(crate) struct Pins(Mutex<HashMap<Digest, usize>>);

impl Pins {
    /// No pin is set or given back while the answer lives.
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Keeps a blob from being collected while it lives.
#[must_use = "without its pin a blob may be collected before anything refers to it"]
pub struct BlobPin {
    pins: Arc<Pins>,
    digest: Digest,
}

impl BlobPin {
    pub(crate) fn new(pins: &Arc<Pins>, digest: Digest) -> Self {
        *pins.lock().entry(digest).or_default() += 1;
        Self { pins: pins.clone(), digest }
    }
}

impl std::fmt::Debug for BlobPin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlobPin({})", self.digest)
    }
}

impl Drop for BlobPin {
    fn drop(&mut self) {
        let mut pins = self.pins.lock();
        if let Some(count) = pins.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.digest);
            }
        }
    }
}
