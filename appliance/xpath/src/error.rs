//! What goes wrong in an expression: a code, a place in the text, a sentence.

use std::fmt;

/// Byte range in the text of the expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// The kind of an error; stable, and what callers branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The text is not an expression.
    Syntax,
    /// A built-in function was given the wrong number of arguments.
    Arity,
    /// A value of the wrong kind, several nodes where one is needed, or a path that does not exist.
    Type,
    /// `position()` of a path that matches no node; a kind of [`Code::Type`].
    EmptyPosition,
    /// A construct that parses but is not part of the dialect.
    Unsupported,
    /// No such function.
    UnknownFunction,
    /// The instance is undeclared, or declared without data.
    MissingInstance,
    /// Anything else a function refuses.
    Generic,
    /// A limit given by the host was reached; the sentence names it.
    Limit,
}

impl Code {
    /// The stable text of the code.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Syntax => "syntax",
            Code::Arity => "arity",
            Code::Type | Code::EmptyPosition => "type",
            Code::Unsupported => "unsupported",
            Code::UnknownFunction => "unhandled",
            Code::MissingInstance => "missing-instance",
            Code::Generic => "generic",
            Code::Limit => "limit",
        }
    }
}

/// An error in parsing or evaluating an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What kind of error it is.
    pub code: Code,
    /// Where in the text of the expression; empty at 0 if it is nowhere in particular.
    pub span: Span,
    /// One sentence for the author of the expression.
    pub message: Box<str>,
}

impl Error {
    /// An error without a place; the evaluator fills it in.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, span: Span::default(), message: message.into().into_boxed_str() }
    }

    /// An error of kind [`Code::Type`].
    pub fn type_mismatch(message: impl Into<String>) -> Self {
        Self::new(Code::Type, message)
    }

    /// An error of kind [`Code::Generic`].
    pub fn generic(message: impl Into<String>) -> Self {
        Self::new(Code::Generic, message)
    }

    /// An error of kind [`Code::Unsupported`].
    pub fn unsupported(construct: &str) -> Self {
        Self::new(Code::Unsupported, format!("unsupported construct [{construct}]"))
    }

    /// Puts the error at `span`, unless it already has a place.
    pub fn at(mut self, span: Span) -> Self {
        if self.span == Span::default() {
            self.span = span;
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
