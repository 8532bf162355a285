//! Dates and date-times as texts, and the days of a zone.

use bolster_model::Timestamp;
use bolster_model::time::{days_from_civil, days_in_month};

pub const DAY_US: i64 = 86_400_000_000;
const SECOND_US: i64 = 1_000_000;

/// Where a day begins.
pub trait Zone {
    /// Seconds east of UTC at an instant.
    fn offset_seconds(&self, at: Timestamp) -> i32;
}

/// No zone: days begin at midnight UTC.
pub struct Utc;

impl Zone for Utc {
    fn offset_seconds(&self, _: Timestamp) -> i32 {
        0
    }
}

/// A text as a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading<T> {
    /// It is one.
    Good(T),
    /// It has the shape, and there is no such day or time.
    Impossible,
    /// It is something else.
    Other,
}

impl<T> Reading<T> {
    pub fn good(self) -> Option<T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Impossible | Self::Other => None,
        }
    }
}

struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    fn number(&mut self, min: usize, max: usize) -> Option<u32> {
        let len = self.0.iter().take(max).take_while(|b| b.is_ascii_digit()).count();
        if len < min {
            return None;
        }
        let value = self.0[..len].iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
        self.0 = &self.0[len..];
        Some(value)
    }

    fn take(&mut self, any: &[u8]) -> Option<u8> {
        let first = self.0.first().copied().filter(|b| any.contains(b))?;
        self.0 = &self.0[1..];
        Some(first)
    }
}

/// Days since 1970 of `YYYY-M-D`.
pub fn date(text: &str) -> Reading<i64> {
    let mut c = Cursor(text.as_bytes());
    match parts_of_date(&mut c) {
        Some(parts) if c.0.is_empty() => day_of(parts),
        _ => Reading::Other,
    }
}

fn parts_of_date(c: &mut Cursor<'_>) -> Option<(u32, u32, u32)> {
    let year = c.number(4, 4)?;
    c.take(b"-")?;
    let month = c.number(1, 2)?;
    c.take(b"-")?;
    Some((year, month, c.number(1, 2)?))
}

fn day_of((year, month, day): (u32, u32, u32)) -> Reading<i64> {
    days_from_civil(year as i32, month, day).map_or(Reading::Impossible, Reading::Good)
}

/// An instant: a date (its midnight), or a date with a time, UTC unless it names an offset.
pub fn instant(text: &str) -> Reading<Timestamp> {
    let mut c = Cursor(text.as_bytes());
    let Some(parts) = parts_of_date(&mut c) else { return Reading::Other };
    let mut micros = Some(0);
    if !c.0.is_empty() {
        match parts_of_time(&mut c) {
            Some(time) if c.0.is_empty() => micros = time,
            _ => return Reading::Other,
        }
    }
    match (day_of(parts), micros) {
        (Reading::Good(day), Some(micros)) => Reading::Good(Timestamp(day * DAY_US + micros)),
        _ => Reading::Impossible,
    }
}

/// Microseconds since midnight UTC; the inner `None` when there is no such time.
fn parts_of_time(c: &mut Cursor<'_>) -> Option<Option<i64>> {
    c.take(b" T")?;
    let hour = c.number(2, 2)?;
    c.take(b":")?;
    let minute = c.number(2, 2)?;
    let (mut second, mut fraction) = (0, 0);
    if c.take(b":").is_some() {
        second = c.number(2, 2)?;
        if c.take(b".,").is_some() {
            let digits = c.0.iter().take_while(|b| b.is_ascii_digit()).count();
            let shown = digits.min(6);
            fraction = i64::from(c.number(1, 6)?) * 10i64.pow(6 - shown as u32);
            c.0 = &c.0[digits - shown..];
        }
    }
    let mut offset = 0;
    if c.take(b"Zz").is_none()
        && let Some(sign) = c.take(b"+-")
    {
        let hours = c.number(2, 2)?;
        c.take(b":");
        let minutes = if c.0.is_empty() { 0 } else { c.number(2, 2)? };
        offset = i64::from(hours * 3600 + minutes * 60) * if sign == b'-' { -1 } else { 1 };
    }
    let whole = (hour < 24 && minute < 60 && second < 60)
        .then(|| (i64::from(hour * 3600 + minute * 60 + second) - offset) * SECOND_US + fraction);
    Some(whole)
}

/// `YYYY-MM-DD`; `None` outside of the years 1 to 9999.
pub fn print_day(day: i64) -> Option<String> {
    let at = Timestamp(in_range(day.checked_mul(DAY_US)?)?);
    let c = at.civil();
    Some(format!("{:04}-{:02}-{:02}", c.year, c.month, c.day))
}

/// `YYYY-MM-DDTHH:MM:SS+00:00`, with six digits of fraction if there is one.
pub fn print_instant(at: Timestamp) -> String {
    let c = at.civil();
    let (seconds, micros) = (c.micros / SECOND_US, c.micros % SECOND_US);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}{fraction}+00:00", c.year, c.month, c.day)
}

/// Microseconds that a timestamp can hold.
pub fn in_range(micros: i64) -> Option<i64> {
    const FIRST: i64 = -719_162 * DAY_US;
    const END: i64 = 2_932_897 * DAY_US;
    (FIRST..END).contains(&micros).then_some(micros)
}

/// The day that an instant is in.
pub fn local_day(at: Timestamp, zone: &dyn Zone) -> i64 {
    (at.0 + i64::from(zone.offset_seconds(at)) * SECOND_US).div_euclid(DAY_US)
}

/// When a day begins.
pub fn day_start(day: i64, zone: &dyn Zone) -> Timestamp {
    let wall = day * DAY_US;
    let first = wall - i64::from(zone.offset_seconds(Timestamp(wall))) * SECOND_US;
    // Offsets change near the guess only on the days of a change; once more settles it.
    Timestamp(wall - i64::from(zone.offset_seconds(Timestamp(first))) * SECOND_US)
}

/// A day some months later; a day that the month lacks becomes its last one.
pub fn add_months(day: i64, months: i64) -> Option<i64> {
    let c = Timestamp(in_range(day.checked_mul(DAY_US)?)?).civil();
    let month = (i64::from(c.year) * 12 + i64::from(c.month) - 1).checked_add(months)?;
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    let month = month.rem_euclid(12) as u32 + 1;
    days_from_civil(year, month, c.day.min(days_in_month(year, month)))
}

/// Dates that a slip of the pen makes of a day, the day itself first: day and month swapped, the two digits of day,
/// month or year of the century transposed.
pub fn slips(day: i64) -> Vec<String> {
    let Some(micros) = day.checked_mul(DAY_US).and_then(in_range) else { return Vec::new() };
    let c = Timestamp(micros).civil();
    let turned = |n: u32| n % 10 * 10 + n / 10;
    let year = c.year as u32;
    let mut all = Vec::new();
    for year in [year, year / 100 * 100 + turned(year % 100)] {
        for (month, day) in [(c.month, c.day), (c.day, c.month)] {
            for month in [month, turned(month)] {
                for day in [day, turned(day)] {
                    let Some(text) = days_from_civil(year as i32, month, day).and_then(print_day) else {
                        continue;
                    };
                    if !all.contains(&text) {
                        all.push(text);
                    }
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(date("1970-01-02"), Reading::Good(1));
        assert_eq!(date("1970-1-2"), Reading::Good(1));
        assert_eq!(date("2020-02-30"), Reading::Impossible);
        assert_eq!(date("2020-02-30x"), Reading::Other);
        assert_eq!(instant("1970-01-01T01:00:00.5+01:00"), Reading::Good(Timestamp(500_000)));
        assert_eq!(instant("1970-01-01T25:00"), Reading::Impossible);
        assert_eq!(instant("1970-01-01T1"), Reading::Other);
        assert_eq!(print_instant(Timestamp(500_000)), "1970-01-01T00:00:00.500000+00:00");
        assert_eq!(print_day(i64::MAX), None);
    }

    #[test]
    fn months_end() {
        let day = |text| date(text).good().unwrap();
        assert_eq!(add_months(day("2024-01-31"), 1), Some(day("2024-02-29")));
        assert_eq!(add_months(day("2024-01-31"), -11), Some(day("2023-02-28")));
        assert_eq!(add_months(day("9999-12-31"), 1), None);
        assert_eq!(add_months(0, i64::MAX), None);
    }

    #[test]
    fn days_of_a_zone_with_a_change() {
        struct West;
        impl Zone for West {
            fn offset_seconds(&self, at: Timestamp) -> i32 {
                if at.0 < 10 * DAY_US { -8 * 3600 } else { -7 * 3600 }
            }
        }
        assert_eq!(day_start(3, &West), Timestamp(3 * DAY_US + 8 * 3_600_000_000));
        assert_eq!(day_start(20, &West), Timestamp(20 * DAY_US + 7 * 3_600_000_000));
        for day in 0..30 {
            let start = day_start(day, &West);
            assert_eq!(local_day(start, &West), day);
            assert_eq!(local_day(Timestamp(start.0 - 1), &West), day - 1);
        }
    }
}
