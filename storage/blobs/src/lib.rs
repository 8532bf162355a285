//! Content-addressed files: what has the same bytes is stored once, under its SHA-256.
//!
//! Refuses to know what a blob is for: references are rows of the store, and [`Blobs::collect_orphans`] asks.
//!
//! Invariants: a blob exists under its name only whole and durable; streamed, never whole in memory; a blob is
//! pinned from before it has its name until its owner says that the reference to it can be seen, and a pinned
//! blob is never collected.

mod collect;
mod pins;

pub use collect::{CollectError, Collected};
pub use pins::BlobPin;

use bolster_env::{DiskFile, Env, OpenMode, is_disk_full, random};
use bolster_model::Digest;
use md5::Md5;
use pins::Pins;
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes gathered before a write.
const CHUNK_BYTES: usize = 64 << 10;

/// Why a blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The disk.
    #[error("a file could not be stored or read")]
    Io(#[from] io::Error),
    /// Nothing of this name.
    #[error("the file {0} is missing")]
    Missing(Digest),
}

impl BlobError {
    /// There is no room.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io(error) if is_disk_full(error))
    }
}

/// A folder of blobs.
#[derive(Clone)]
pub struct Blobs {
    env: Env,
    dir: PathBuf,
    pins: Arc<Pins>,
}

/// What is known of a stored blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlobInfo {
    /// Its name.
    pub digest: Digest,
    /// For APIs that want it.
    pub md5: [u8; 16],
    /// Bytes.
    pub length: u64,
}

impl Blobs {
    /// Opens a folder; what an earlier run left half-written goes away.
    pub fn open(env: &Env, dir: &Path) -> Result<Self, BlobError> {
        let blobs = Self { env: env.clone(), dir: dir.to_owned(), pins: Arc::default() };
        env.disk.create_dir_all(&blobs.staging())?;
        for path in env.disk.list(&blobs.staging())? {
            env.disk.remove(&path)?;
        }
        Ok(blobs)
    }

    fn staging(&self) -> PathBuf {
        self.dir.join("staging")
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.dir.join(&name[..2]).join(&name[2..4]).join(name)
    }

    /// Begins a blob.
    pub fn stage(&self) -> Result<Staged, BlobError> {
        let name: String =
            random::bytes::<16>(&*self.env.random).iter().map(|b| format!("{b:02x}")).collect();
        let path = self.staging().join(name);
        let file = self.env.disk.open(&path, OpenMode::CreateNew)?;
        Ok(Staged {
            blobs: self.clone(),
            path,
            file,
            sha: Sha256::new(),
            md5: Md5::new(),
            length: 0,
            buffer: Vec::new(),
            finished: false,
        })
    }

    /// It is here.
    pub fn exists(&self, digest: &Digest) -> bool {
        self.env.disk.exists(&self.path(digest))
    }

    /// Opens a blob for reading.
    pub fn read(&self, digest: &Digest) -> Result<BlobReader, BlobError> {
        match self.env.disk.open(&self.path(digest), OpenMode::Read) {
            Ok(file) => Ok(BlobReader { length: file.len()?, file, offset: 0, _spool: None }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(BlobError::Missing(*digest)),
            Err(e) => Err(e.into()),
        }
    }

    /// Removes a blob for good. For damage in tests and for erasure.
    pub fn remove(&self, digest: &Digest) -> Result<(), BlobError> {
        match self.env.disk.remove(&self.path(digest)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }
}

/// A blob being written. Dropped unfinished, it leaves nothing.
pub struct Staged {
    blobs: Blobs,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    sha: Sha256,
    md5: Md5,
    length: u64,
    buffer: Vec<u8>,
    finished: bool,
}

impl Staged {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.sha.update(bytes);
        self.md5.update(bytes);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length + self.buffer.len() as u64
    }

    fn flush(&mut self) -> Result<(), BlobError> {
        self.file.write_at(self.length, &self.buffer)?;
        self.length += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the blob durable under its name. The pin is kept until the reference to the blob was committed, or
    /// until it is certain that there will be none.
    pub fn finish(mut self) -> Result<(BlobInfo, BlobPin), BlobError> {
        self.flush()?;
        let info = BlobInfo {
            digest: Digest(std::mem::take(&mut self.sha).finalize().into()),
            md5: std::mem::take(&mut self.md5).finalize().into(),
            length: self.length,
        };
        let disk = &self.blobs.env.disk;
        let path = self.blobs.path(&info.digest);
        self.file.sync_data()?;
        let folder = path.parent().unwrap_or(&self.blobs.dir).to_owned();
        disk.create_dir_all(&folder)?;
        // Before it has its name: a collection that looks at an equal blob now either sees the pin, or is done
        // with that one before this one takes its place.
        let pin = BlobPin::new(&self.blobs.pins, info.digest);
        disk.rename(&self.path, &path)?;
        self.finished = true;
        disk.sync_dir(&folder)?;
        if let Some(outer) = folder.parent() {
            disk.sync_dir(outer)?;
        }
        disk.sync_dir(&self.blobs.dir)?;
        Ok((info, pin))
    }
}

impl Staged {
    /// What was written so far, to be read once from its beginning; it is never a blob and goes away with the
    /// reader. For answers that must be known whole before the first byte is sent.
    pub fn spool(mut self) -> Result<BlobReader, BlobError> {
        self.flush()?;
        Ok(BlobReader {
            length: self.length,
            file: self.file.clone(),
            offset: 0,
            _spool: Some(Box::new(self)),
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = self.blobs.env.disk.remove(&self.path)
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "a staged file was left behind");
        }
    }
}

/// A blob being read from its beginning.
pub struct BlobReader {
    file: Arc<dyn DiskFile>,
    length: u64,
    offset: u64,
    /// Kept for its end: it removes the file.
    _spool: Option<Box<Staged>>,
}

impl BlobReader {
    /// Bytes in all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes; empty at the end.
    pub fn chunk(&mut self) -> Result<Vec<u8>, BlobError> {
        let len = (self.length - self.offset).min(CHUNK_BYTES as u64) as usize;
        let mut out = vec![0; len];
        self.file.read_at(self.offset, &mut out)?;
        self.offset += len as u64;
        Ok(out)
    }

    /// Everything, if it is at most `max` bytes.
    pub fn read_all(mut self, max: u64) -> Result<Vec<u8>, BlobError> {
        if self.length > max {
            return Err(
                io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than expected").into()
            );
        }
        let mut out = Vec::with_capacity(self.length as usize);
        while out.len() < self.length as usize {
            out.extend_from_slice(&self.chunk()?);
        }
        Ok(out)
    }
}
