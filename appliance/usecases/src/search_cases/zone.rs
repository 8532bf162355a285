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

/// Offset from UTC in seconds of a time zone by its IANA name at an instant; nothing if there is no such zone.
pub fn zone_offset_seconds(name: &str, at: Timestamp) -> Option<i32> {
    let zone = TimeZone::get(name).ok()?;
    Some(zone.to_offset(jiff::Timestamp::from_microsecond(at.0).ok()?).seconds())
}

impl Zone for ProjectZone {
    fn offset_seconds(&self, at: Timestamp) -> i32 {
        jiff::Timestamp::from_microsecond(at.0).map_or(0, |at| self.0.to_offset(at).seconds())
    }
}
