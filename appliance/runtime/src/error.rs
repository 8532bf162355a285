//! What goes wrong while an application runs, by what the caller should do next.

use std::fmt;

/// The kind of a failure; stable, and what callers branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The package, or a part of it, cannot be used.
    Package,
    /// A text has no translation.
    Text,
    /// An expression failed.
    Expression(bolster_xpath::Code),
    /// A lookup table or another instance is missing.
    Instance,
    /// The session cannot go where it was sent: the screen is shown again with the message.
    Session,
    /// The configuration of the application does not fit the data.
    Configuration,
    /// What was selected is not there.
    NotFound,
    /// Something outside (search, claim, restore) answered badly.
    Outside,
    /// The data of the user cannot be used.
    Data,
    /// Cases index each other in a circle.
    Cycle,
}

/// A failure with a sentence for the person who can do something about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What kind of failure it is.
    pub code: Code,
    /// One sentence or more.
    pub message: String,
}

impl Error {
    /// A failure.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, message: message.into() }
    }

    /// A failure that is shown beside the screen instead of in its place.
    pub fn session(message: impl Into<String>) -> Self {
        Self::new(Code::Session, message)
    }

    /// A package that cannot be used.
    pub fn package(message: impl Into<String>) -> Self {
        Self::new(Code::Package, message)
    }
}

impl From<bolster_xpath::Error> for Error {
    fn from(error: bolster_xpath::Error) -> Self {
        Error::new(Code::Expression(error.code), error.message.into_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
