//! The query language of case search: a predicate in the manner of XPath 1.0.
//!
//! Text becomes tokens, tokens an expression, the expression a [`Filter`], which knows no more of the language.

mod check;
mod expression;
mod functions;
mod lexer;
mod related;
mod value;

use crate::filter::{Context, Filter};

pub(crate) use check::equals;
pub use value::{Number, Value};

/// Longest query in bytes.
pub const QUERY_BYTES_MAX: usize = 64 << 10;
/// Deepest nesting of parentheses and calls.
pub const NESTING_MAX: usize = 48;
/// Longest path of indices.
pub const PATH_STEPS_MAX: usize = 16;

/// A query that cannot be understood: what is wrong, where, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}{}", shown(.part))]
pub struct CsqlError {
    /// A sentence for whoever wrote the query.
    pub message: String,
    /// What it is about, as in the query.
    pub part: String,
}

fn shown(part: &str) -> String {
    if part.is_empty() { String::new() } else { format!(" (in: {part})") }
}

impl CsqlError {
    fn new(message: impl Into<String>, part: &str) -> Self {
        const PART_CHARS_MAX: usize = 120;
        let mut part: String = part.trim().chars().take(PART_CHARS_MAX + 1).collect();
        if part.chars().count() > PART_CHARS_MAX {
            part.pop();
            part.push('…');
        }
        Self { message: message.into(), part }
    }
}

/// What a query asks for.
pub fn filter(query: &str, context: &Context<'_>) -> Result<Filter, CsqlError> {
    let expression = expression::parse(query)?;
    check::Checker { query, context }.filter(&expression)
}

/// What a value function, or a literal, comes to.
pub fn value(query: &str, context: &Context<'_>) -> Result<Value, CsqlError> {
    let expression = expression::parse(query)?;
    check::Checker { query, context }.value(&expression)
}

/// All dates that `fuzzy-date` takes for a date, that one first.
pub fn fuzzy_dates(date: &str) -> Option<Vec<String>> {
    crate::date::date(date).good().map(crate::date::slips)
}
