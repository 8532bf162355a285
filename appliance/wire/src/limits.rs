//! What a document may cost.

/// Bounds of one XML document. Exceeding one is a [`crate::ParseError::TooMuch`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the document as sent, and of its text in UTF-8.
    pub bytes: usize,
    /// Elements inside one another.
    pub depth: usize,
    /// Elements and attributes together.
    pub nodes: usize,
    /// Case blocks; as many indices and attachments in them together; as many ledger entries.
    pub blocks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 256, nodes: 500_000, blocks: 10_000 }
    }
}
