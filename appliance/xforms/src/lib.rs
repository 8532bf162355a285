//! The form engine: definitions, sessions, recalculation, traversal, validation, submission XML.
//!
//! What it is: a [`FormDefinition`] is read once from the XML of a form and shared by everybody who fills it in; a
//! [`Session`] is one person filling it in, a compact value that can be cloned, written as a draft and resumed.
//!
//! What it refuses to know: clocks, randomness, time zones, networks, files, threads and stores. All of them arrive
//! through [`FormHost`].
//!
//! Invariants:
//! - No input makes it panic. What a form or an answer can cost is bounded by [`FormLimits`], and running out is an
//!   error that names the limit.
//! - An operation that fails leaves the session as it was.
//! - After every operation, each expression of the form has the result it would have if all were evaluated anew
//!   (docs/formats/xforms.md lists what is exempt).

mod data;
mod definition;
mod error;
mod flags;
mod host;
mod limits;
mod parse;
mod session;
mod text;

pub use data::{DataType, cast, text as wire_text};
pub use definition::{Control, ElementId, FormDefinition, SchemaId};
pub use error::{Diagnostic, FormCode, FormError, LoadError, Problem, Severity};
pub use host::{External, ExternalError, FormHost};
pub use limits::FormLimits;
pub use parse::LoadOptions;
pub use session::{
    Answer, Changing, Choice, FormIndex, GroupPrompt, Media, NodeState, OpenOptions, Position, Prompt,
    RepeatPrompt, Session, SlotPrompt, Validation,
};

/// Hash maps that are filled while a form is read: quick, with a seed of their own.
pub(crate) type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
/// Sets of the same kind.
pub(crate) type Set<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;
