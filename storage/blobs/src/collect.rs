//! Collecting blobs that nothing refers to: those of submissions that were refused, or never finished because
//! of a crash.
//!
//! Safe against submissions that run meanwhile: whoever attaches a blob pins it first, commits the reference,
//! and gives the pin back then. The collection holds the pins still while it asks, for the second time, whether
//! anything refers to a blob, and removes it: not pinned means that every reference there will be can be seen.

use crate::{BlobError, Blobs};
use bolster_model::Digest;
use std::path::Path;

/// What a collection did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Collected {
    /// Blobs that were looked at.
    pub seen: u64,
    /// Blobs that were removed.
    pub removed: u64,
}

/// Why orphans were not all collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError<E> {
    /// The files.
    #[error("the blobs could not be listed or removed")]
    Blob(#[source] BlobError),
    /// The asked.
    #[error("the references to blobs could not be read")]
    Reference(E),
}

impl<E> From<std::io::Error> for CollectError<E> {
    fn from(error: std::io::Error) -> Self {
        Self::Blob(error.into())
    }
}

impl Blobs {
    /// Removes blobs that nothing refers to, that are not pinned, and that were not touched for `age_secs`.
    /// `referenced` must see every reference that was committed; its first error ends the collection.
    pub fn collect_orphans<E>(
        &self,
        age_secs: i64,
        mut referenced: impl FnMut(&Digest) -> Result<bool, E>,
    ) -> Result<Collected, CollectError<E>> {
        let mut done = Collected::default();
        for outer in self.env.disk.list(&self.dir)? {
            if outer.file_name().is_none_or(|n| n.len() != 2) {
                continue;
            }
            for inner in self.env.disk.list(&outer)? {
                for path in self.env.disk.list(&inner)? {
                    let Some(digest) = digest_of(&path) else { continue };
                    done.seen += 1;
                    // Most blobs are referred to; only for the others everybody is stopped for a moment.
                    if self.is_young(&path, age_secs)?
                        || referenced(&digest).map_err(CollectError::Reference)?
                    {
                        continue;
                    }
                    let pins = self.pins.lock();
                    if pins.contains_key(&digest) || referenced(&digest).map_err(CollectError::Reference)? {
                        continue;
                    }
                    self.env.disk.remove(&path)?;
                    done.removed += 1;
                }
            }
        }
        Ok(done)
    }

    fn is_young(&self, path: &Path, age_secs: i64) -> std::io::Result<bool> {
        let now = self.env.clock.now().millis() / 1000;
        // A clock that was set back makes everything young; nothing is removed then.
        Ok(now - self.env.disk.modified_secs(path)? < age_secs)
    }
}

fn digest_of(path: &Path) -> Option<Digest> {
    path.file_name().and_then(|n| n.to_str()).and_then(Digest::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolster_env::{Env, SeededRandom, SimClock, SimDisk};
    use bolster_model::Timestamp;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;
    use std::convert::Infallible;
    use std::sync::Arc;

    fn blobs() -> Blobs {
        let env = Env {
            disk: Arc::new(SimDisk::default()),
            clock: Arc::new(SimClock::at(Timestamp::from_millis(100_000))),
            random: Arc::new(SeededRandom::new(1)),
        };
        Blobs::open(&env, Path::new("/blobs")).unwrap()
    }

    fn store(blobs: &Blobs, bytes: &[u8]) -> (Digest, crate::BlobPin) {
        let mut staged = blobs.stage().unwrap();
        staged.write(bytes).unwrap();
        let (info, pin) = staged.finish().unwrap();
        (info.digest, pin)
    }

    fn collect(blobs: &Blobs, referenced: impl FnMut(&Digest) -> Result<bool, Infallible>) -> u64 {
        blobs.collect_orphans(60, referenced).unwrap().removed
    }

    #[test]
    fn orphans_go_and_others_stay() {
        let blobs = blobs();
        let (kept, _) = store(&blobs, b"referred to");
        let (orphan, _) = store(&blobs, b"of a refused submission");
        let (pinned, pin) = store(&blobs, b"on its way");
        let (twice, one) = store(&blobs, b"twice on its way");
        let (_, other) = store(&blobs, b"twice on its way");
        drop(one);
        assert_eq!(
            blobs.collect_orphans(101, |_| Ok::<_, Infallible>(false)).unwrap().removed,
            0,
            "all young"
        );
        assert_eq!(collect(&blobs, |digest| Ok(*digest == kept)), 1);
        assert!(blobs.exists(&kept) && blobs.exists(&pinned) && blobs.exists(&twice));
        assert!(!blobs.exists(&orphan));
        drop((pin, other));
        assert_eq!(collect(&blobs, |digest| Ok(*digest == kept)), 2);
    }

    #[test]
    fn an_equal_blob_that_comes_while_its_orphan_is_looked_at_stays() {
        let blobs = blobs();
        let (digest, _) = store(&blobs, b"sent again");
        let again = RefCell::new(None);
        let removed = collect(&blobs, |_| {
            again.borrow_mut().get_or_insert_with(|| store(&blobs, b"sent again"));
            Ok(false)
        });
        assert_eq!((removed, blobs.exists(&digest)), (0, true));
    }

    #[test]
    fn a_whole_submission_between_question_and_removal_is_seen() {
        let blobs = blobs();
        let (digest, _) = store(&blobs, b"sent again");
        let references = RefCell::new(BTreeSet::new());
        let asked = Cell::new(0);
        let removed = collect(&blobs, |digest| {
            let answer = references.borrow().contains(digest);
            if asked.replace(asked.get() + 1) == 0 {
                // Arrives, is committed and gives its pin back, all after the first answer was found.
                let (arrived, pin) = store(&blobs, b"sent again");
                references.borrow_mut().insert(arrived);
                drop(pin);
            }
            Ok(answer)
        });
        assert_eq!((removed, asked.get(), blobs.exists(&digest)), (0, 2, true));
    }

    #[test]
    fn a_blob_that_comes_after_its_orphan_went_is_there() {
        let blobs = blobs();
        let (digest, _) = store(&blobs, b"sent again");
        assert_eq!(collect(&blobs, |_| Ok(false)), 1);
        let (same, _pin) = store(&blobs, b"sent again");
        assert_eq!(same, digest);
        assert_eq!(blobs.read(&digest).unwrap().read_all(100).unwrap(), b"sent again");
    }

    #[test]
    fn references_that_cannot_be_read_remove_nothing() {
        let blobs = blobs();
        let (digest, _) = store(&blobs, b"whose?");
        let error = blobs.collect_orphans(60, |_| Err("the shard is being made again")).unwrap_err();
        assert!(matches!(error, CollectError::Reference(_)));
        assert!(blobs.exists(&digest));
    }
}
