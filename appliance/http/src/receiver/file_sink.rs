//! One attachment on its way into the blob store: gathered in memory up to a bound, then written on a thread
//! that may block, so that neither a slow sender holds a thread nor a slow disk the others.

use crate::body::{BodyMemory, MemoryShare};
use crate::options::SMALL_BODY_BYTES;
use bolster_model::Attachment;
use bolster_store::{BlobError, BlobInfo, BlobPin, Blobs, Staged};
use bytes::Bytes;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Bytes gathered before they are written.
const GATHER_BYTES: usize = 256 << 10;

/// An attachment being received.
pub struct FileSink {
    blobs: Blobs,
    name: String,
    content_type: String,
    length: u64,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    staged: Option<Staged>,
    share: MemoryShare,
}

impl FileSink {
    /// Nothing is opened before there is something to write.
    pub fn new(blobs: Blobs, memory: &Arc<BodyMemory>, name: String, content_type: String) -> Self {
        Self {
            blobs,
            name,
            content_type,
            length: 0,
            gathered: Vec::new(),
            gathered_bytes: 0,
            staged: None,
            share: MemoryShare::new(memory),
        }
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds bytes; waits for the disk from time to time.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.length += bytes.len() as u64;
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        // Where memory is short, what there is goes to the disk at once.
        let full = self.gathered_bytes >= GATHER_BYTES;
        if full || self.share.cover(SMALL_BODY_BYTES + self.gathered_bytes).is_err() {
            self.staged = Some(self.blocking(Ok).await?);
        }
        Ok(())
    }

    /// Makes it durable. The pin is for as long as no form refers to it.
    pub async fn finish(mut self) -> Result<(Attachment, BlobPin), BlobError> {
        let (BlobInfo { digest, md5, length }, pin) = self.blocking(Staged::finish).await?;
        let file = Attachment { name: self.name, content_type: self.content_type, length, blob: digest, md5 };
        Ok((file, pin))
    }

    /// Writes what was gathered and goes on with `then`, off the runtime's threads.
    async fn blocking<T: Send + 'static>(
        &mut self,
        then: impl FnOnce(Staged) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let gathered = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        let staged = self.staged.take();
        let blobs = self.blobs.clone();
        let work = move || {
            let mut staged = match staged {
                Some(staged) => staged,
                None => blobs.stage()?,
            };
            gathered.iter().try_for_each(|bytes| staged.write(bytes))?;
            then(staged)
        };
        let done = spawn_blocking(work).await.map_err(|error| BlobError::Io(std::io::Error::other(error)))?;
        self.share.give_back();
        done
    }
}
