//! Commands for app authors: `form check`, `form fill`, `xpath`.
//!
//! What it is: the arguments of the commands, and functions that do them, reading and writing what they are given.
//!
//! What it refuses to know: the data folder and the network. A form and its instances come from files.
//!
//! Invariants:
//! - Results go to the writer given, one sentence about a failure comes back as an [`Error`].
//! - `form fill` asks for one line at a time and never loses an answer: it ends with a submission, or with a draft.

mod args;
mod bench;
mod check;
mod fill;
mod host;
mod instances;
mod xpath;

pub use args::{CheckCommand, FillCommand, NamedFile, XpathCommand};
pub use bench::{FormsReport, bench};
pub use check::check;
pub use fill::fill;
pub use xpath::xpath;

/// A host without clock, randomness and zone, for what needs none.
pub fn utc() -> impl bolster_xpath::Host {
    bolster_xpath::NoHost
}

use std::path::{Path, PathBuf};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("{} could not be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The terminal, or what stands in for it, broke.
    #[error("input or output broke")]
    Terminal(#[source] std::io::Error),
    /// A file is not XML.
    #[error("{} is not XML: {detail}", path.display())]
    NotXml {
        /// Which.
        path: PathBuf,
        /// What the reader said.
        detail: String,
    },
    /// The form cannot be used.
    #[error("{} cannot be used; `bolster form check` says where:\n{detail}", path.display())]
    Form {
        /// Which.
        path: PathBuf,
        /// Its problems.
        detail: String,
    },
    /// The form failed while it was filled in.
    #[error("the form failed: {0}")]
    Session(String),
    /// The expression failed.
    #[error("{0}")]
    Expression(String),
    /// A path given as an option denotes nothing.
    #[error("there is no node {0} in the main instance")]
    NoNode(String),
}

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        Error::Terminal(source)
    }
}

pub(crate) fn read(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    String::from_utf8(bytes)
        .map_err(|_| Error::NotXml { path: path.to_owned(), detail: "it is not UTF-8".into() })
}
