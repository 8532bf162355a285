//! The expression language of forms, menus and case lists: lexer, parser, compiled expressions, evaluation.
//!
//! What it is: an [`Expr`] is parsed once against a table of [`Names`] and evaluated any number of times, by any
//! number of users, against [`DataSource`]s: a [`Tree`] (form instances, lookup tables) or a [`CaseSnapshot`].
//!
//! What it refuses to know: clocks, randomness, time zones, languages, networks, files and threads. All of them
//! arrive through [`Host`]; instances arrive through [`Instances`].
//!
//! Invariants:
//! - No input makes it panic. Every loop is paid for from [`Limits`], and running out is an [`Error`] naming the limit.
//! - Evaluation never changes a data source, and never clones text that it can borrow.
//! - A planned lookup gives exactly what walking the data gives; only the time differs.

mod ast;
mod calendar;
mod cases;
mod context;
mod date;
mod error;
mod eval;
mod explain;
mod expr;
mod functions;
mod geo;
mod ids;
mod indexed;
mod json;
mod lexer;
mod names;
mod parser;
mod plan;
mod pretty;
mod references;
mod source;
mod tree;
mod value;
mod walk;

pub use ast::{Axis, Function};
pub use cases::{CaseRecord, CaseSnapshot};
pub use context::{Context, Handler, Host, Instances, Kind, Limits, NoHost, NoInstances, Resolved, Zone};
pub use date::{api as dates, offset_text};
pub use error::{Code, Error, Span};
pub use explain::Sources;
pub use expr::{Expr, PathLevel, PathRef};
pub use indexed::IndexedTree;
pub use names::{Name, Names};
pub use source::{DataSource, Key, NodeId, NodeList, NodeValue};
pub use tree::{Datum, Tree, TreeFlags};
pub use value::{NodeRef, Nodeset, Value, format_number, java_double};
