//! XML 1.0 with namespaces, read whole into one flat tree.
//!
//! Written by hand because the receiver's hot path has 5 microseconds for it and because every rule of
//! well-formedness must hold: what passes here is later shown to other parsers. The tests compare it with
//! `roxmltree`. Document type declarations are skipped, their entities are unknown.

mod chars;
mod decode;
mod document;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use document::{Document, Element};
pub(crate) use reader::{read, read_as_commcare};
