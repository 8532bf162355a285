//! Times in forms: how they are recognised and read.

use bolster_model::Timestamp;

/// The instant of a text that looks like a date and a time, as form JSON and case properties rewrite it; `None`
/// for everything else. No zone means UTC.
pub fn loose(_text: &str) -> Option<Timestamp> {
    None
}

/// Reads an ISO 8601 date, or date and time, as in `date_modified`. No zone means UTC.
pub fn iso(_text: &str) -> Option<Timestamp> {
    None
}
