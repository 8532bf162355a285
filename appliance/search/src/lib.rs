//! Case search: what a request asks for, the language (CSQL) that it may be written in, and how it is answered.
//!
//! What it is: [`SearchRequest`] reads the parameters of a request, [`csql`] reads the language; both become one
//! [`Filter`]. [`search`] answers a filter against a [`CaseSource`], [`related`] adds the cases that an app shows
//! beside the hits.
//!
//! What it refuses to know: where cases are kept, HTTP, clocks and time zones. Time and zone come in a [`Context`].
//!
//! Invariants:
//! - No input makes it panic; depth, length and the size of lists are bounded.
//! - Whatever is done is paid for from a [`Budget`]; running out is an error that says what to narrow.
//! - What a source answers by itself changes the time a search takes, never what it finds.
//!
//! Source: docs/formats/case-search.md.

mod config;
pub mod csql;
mod date;
mod document;
mod filter;
mod geo;
mod memory;
mod meter;
mod order;
mod plan;
mod related;
mod request;
mod run;
mod source;
mod text;

pub use config::{IgnorePattern, SearchConfig};
pub use csql::CsqlError;
pub use date::{Utc, Zone};
pub use document::property;
pub use filter::{Context, Count, Filter, Leaf, Range, of_types};
pub use memory::MemoryCases;
pub use meter::{Budget, Exceeded, Meter};
pub use order::{SortKey, SortType};
pub use related::{Related, related};
pub use request::{Criterion, RequestError, SearchRequest};
pub use run::{Found, Hit, Search, SearchError, search};
pub use source::{CaseSource, Referrer, Scope};

/// Cases that a search answers at most.
pub const HITS_MAX: usize = 500;
/// Cases that a search answers at most in a project that asked for more.
pub const HITS_MAX_RAISED: usize = 1_500;
