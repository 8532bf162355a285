//! Zones of projects.

use anyhow::{Context, Result};
use bolster_model::Timestamp;
use bolster_search::Zone;
use jiff::tz::TimeZone;

/// A zone by its name.
pub struct Named(TimeZone);

impl Named {
    /// UTC when none is named.
    pub fn new(name: Option<&str>) -> Result<Self> {
        let name = name.unwrap_or("UTC");
        Ok(Self(TimeZone::get(name).with_context(|| format!("there is no zone {name}"))?))
    }
}

impl Zone for Named {
    fn offset_seconds(&self, at: Timestamp) -> i32 {
        jiff::Timestamp::from_microsecond(at.0).map_or(0, |at| self.0.to_offset(at).seconds())
    }
}
