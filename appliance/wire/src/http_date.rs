//! The `Date` header of HTTP.

use bolster_model::Timestamp;

/// Reads an RFC 1123 date in GMT (`Mon, 15 Jan 2024 10:00:00 GMT`); anything else is `None`.
pub fn parse(_text: &str) -> Option<Timestamp> {
    None
}
