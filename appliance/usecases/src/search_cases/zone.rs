//! The zone in which a project's days begin.

use bolster_model::Timestamp;
use bolster_search::Zone;
use jiff::tz::TimeZone;

/// A zone by its IANA name.
pub struct ProjectZone(TimeZone);

impl ProjectZone {
    /// UTC when nobody knows the name: a search is worth more than its hour.
    pub fn named(name: &str) -> Self {
        Self(TimeZone::get(name).unwrap_or_else(|error| {
            tracing::warn!(zone = name, error = &error as &dyn std::error::Error, "no such time zone");
            TimeZone::UTC
        }))
    }
}

impl Zone for ProjectZone {
    fn offset_seconds(&self, at: Timestamp) -> i32 {
        jiff::Timestamp::from_microsecond(at.0).map_or(0, |at| self.0.to_offset(at).seconds())
    }
}
