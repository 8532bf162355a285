//! Why bytes are no form.

/// A document that cannot be read at all. Its text is what the sender is told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// Not well-formed, or in an encoding nobody knows.
    #[error("Invalid XML: {detail} (near byte {at})")]
    NotXml {
        /// What is wrong, in words.
        detail: String,
        /// Where, in bytes of the document's text.
        at: usize,
    },
    /// The root element has no namespace.
    #[error("Form is missing a required field: XMLNS")]
    NoNamespace,
    /// A bound of [`crate::Limits`] or of this crate is exceeded.
    #[error("Invalid XML: more than {bound} {what}")]
    TooMuch {
        /// What there is too much of: `nested elements`, `elements`, …
        what: &'static str,
        /// How much would be allowed.
        bound: usize,
    },
}
