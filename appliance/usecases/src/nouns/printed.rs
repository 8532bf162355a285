//! Fixtures as phones get them, printed once for everybody who gets the same.
//!
//! Invariant: what is kept belongs to one state of the nouns and goes with it; all of it together is bounded.

use bolster_wire::restore::Printer;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Most bytes of fixtures kept for all projects; beyond, they are printed each time.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// A fixture, or several that belong together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PrintedFixture {
    /// XML, without the id of the user whose it is.
    bytes: Vec<u8>,
    /// Where that id goes.
    user_at: Vec<usize>,
    /// Elements.
    pub items: usize,
    /// Of the bytes and what else makes it another one; 0 for nothing.
    pub digest: u64,
}

impl PrintedFixture {
    /// From XML that was printed for no user, with the places of the user's id. `besides` changes the digest.
    pub fn new(mut out: Printer, user_at: Vec<usize>, items: usize, besides: &[u8]) -> Self {
        let bytes = out.take();
        if bytes.is_empty() {
            return Self::default();
        }
        let mut hash = Sha256::new();
        hash.update(&bytes);
        hash.update(besides);
        let full: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = full;
        let digest = u64::from_le_bytes([a, b, c, d, e, f, g, h]).max(1);
        Self { bytes, user_at, items, digest }
    }

    /// Prints it for a user; `room` is called between pieces of no more than `piece` bytes.
    pub fn print<E>(
        &self,
        out: &mut Printer,
        user_id: &str,
        piece: usize,
        mut room: impl FnMut(&mut Printer) -> Result<(), E>,
    ) -> Result<(), E> {
        let ends = self.user_at.iter().copied().chain([self.bytes.len()]);
        let mut from = 0;
        for end in ends {
            for part in self.bytes[from..end].chunks(piece) {
                out.bytes(part);
                room(out)?;
            }
            if end < self.bytes.len() {
                out.attribute_text(user_id);
            }
            from = end;
        }
        Ok(())
    }
}

type Cell = Arc<OnceLock<Arc<PrintedFixture>>>;

/// What is kept of one state of the nouns.
#[derive(Debug, Default)]
pub struct Printed {
    kept: Mutex<HashMap<String, Cell>>,
    bytes: AtomicUsize,
    /// Of all projects together.
    total: Arc<AtomicUsize>,
}

impl Printed {
    /// Nothing yet; `total` counts the bytes of all.
    pub fn new(total: Arc<AtomicUsize>) -> Self {
        Self { kept: Mutex::default(), bytes: AtomicUsize::new(0), total }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Cell>> {
        self.kept.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The fixture of a key, printed by whoever asks first.
    pub fn get(&self, key: &str, print: impl FnOnce() -> PrintedFixture) -> Arc<PrintedFixture> {
        let cell = self.lock().entry(key.to_owned()).or_default().clone();
        let mut is_new = false;
        let printed = cell.get_or_init(|| {
            is_new = true;
            Arc::new(print())
        });
        if is_new {
            let bytes = printed.bytes.len() + key.len();
            if self.total.fetch_add(bytes, Ordering::Relaxed) + bytes > KEPT_BYTES_MAX {
                self.total.fetch_sub(bytes, Ordering::Relaxed);
                self.lock().remove(key);
            } else {
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
        }
        printed.clone()
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(text: &str) -> PrintedFixture {
        let mut out = Printer::default();
        out.raw(text);
        PrintedFixture::new(out, vec![1, 3], 1, b"")
    }

    fn shown(fixture: &PrintedFixture, piece: usize) -> String {
        let mut out = Printer::default();
        let mut pauses = 0;
        let room = |_: &mut Printer| {
            pauses += 1;
            Ok::<_, ()>(())
        };
        fixture.print(&mut out, "a&b", piece, room).unwrap();
        assert!(pauses > 0);
        String::from_utf8(out.take()).unwrap()
    }

    #[test]
    fn the_user_stands_where_he_belongs() {
        for piece in 1..8 {
            assert_eq!(shown(&fixture("012345"), piece), "0a&amp;b12a&amp;b345");
        }
    }

    #[test]
    fn what_is_kept_is_printed_once_and_bounded() {
        let total = Arc::new(AtomicUsize::new(0));
        let printed = Printed::new(total.clone());
        let first = printed.get("k", || fixture("012345"));
        assert_eq!(printed.get("k", || panic!("it is there")), first);
        assert_eq!(total.load(Ordering::Relaxed), 7);
        let large = "x".repeat(KEPT_BYTES_MAX);
        let mut times = 0;
        for _ in 0..2 {
            printed.get("large", || {
                times += 1;
                fixture(&large)
            });
        }
        assert_eq!((times, total.load(Ordering::Relaxed)), (2, 7));
        drop(printed);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }
}
