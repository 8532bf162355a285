//! Instants in UTC with microseconds, and the two texts the product reads and writes them in.

use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z, between the years 1 and 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

const DAY_US: i64 = 86_400_000_000;

/// Calendar parts of an instant in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Civil {
    /// Year, 1 to 9999.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day, 1 to 31.
    pub day: u32,
    /// Microseconds since midnight.
    pub micros: i64,
}

/// Days from 1970-01-01 of a date in the proleptic Gregorian calendar; `None` if there is no such day.
pub fn days_from_civil(year: i32, month: u32, day: u32) -> Option<i64> {
    if !(1..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(year, month)
    {
        return None;
    }
    let y = i64::from(year) - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let mp = (i64::from(month) + 9) % 12;
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some(era * 146_097 + doe - 719_468)
}

/// Number of days of a month.
pub fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms * 1000)
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// From parts; `None` when out of range.
    pub fn from_civil(year: i32, month: u32, day: u32, micros: i64) -> Option<Self> {
        Some(Self(days_from_civil(year, month, day)? * DAY_US + micros))
    }

    /// The calendar parts in UTC.
    pub fn civil(self) -> Civil {
        let z = self.0.div_euclid(DAY_US) + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z - era * 146_097;
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        Civil {
            year: (yoe + era * 400 + i64::from(month <= 2)) as i32,
            month: month as u32,
            day: (doy - (153 * mp + 2) / 5 + 1) as u32,
            micros: self.0.rem_euclid(DAY_US),
        }
    }
}

/// Bytes of an instant as text.
pub const TEXT_BYTES: usize = 27;

impl Timestamp {
    /// `YYYY-MM-DDTHH:MM:SS.ffffffZ`, always six digits of fraction, in ASCII.
    pub fn text(self) -> [u8; TEXT_BYTES] {
        let c = self.civil();
        let s = c.micros / 1_000_000;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |at: usize, digits: usize, mut value: i64| {
            for place in text[at..at + digits].iter_mut().rev() {
                *place = b'0' + value.rem_euclid(10) as u8;
                value /= 10;
            }
        };
        put(0, 4, i64::from(c.year));
        put(5, 2, i64::from(c.month));
        put(8, 2, i64::from(c.day));
        put(11, 2, s / 3600);
        put(14, 2, s / 60 % 60);
        put(17, 2, s % 60);
        put(20, 6, c.micros % 1_000_000);
        text
    }
}

impl fmt::Display for Timestamp {
    /// As [`Self::text`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_known_instants() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            Timestamp::from_civil(2024, 2, 29, 3_600_000_001).unwrap().to_string(),
            "2024-02-29T01:00:00.000001Z"
        );
        assert_eq!(Timestamp::from_civil(2023, 2, 29, 0), None);
    }

    #[test]
    fn civil_and_back_is_the_same_day() {
        for day in (-700_000..2_900_000).step_by(37) {
            let t = Timestamp(day * DAY_US + 5);
            let c = t.civil();
            assert_eq!(Timestamp::from_civil(c.year, c.month, c.day, c.micros), Some(t));
        }
    }
}
