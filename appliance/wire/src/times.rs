//! Times in forms: how they are recognised and read.

use bolster_model::Timestamp;

const SECOND_US: i64 = 1_000_000;

/// The instant of a text that looks like a date and a time, as form JSON and case properties rewrite it; `None`
/// for everything else. No zone means UTC.
///
/// Stricter than [`iso`]: minutes must be there, every part has all its digits, a fraction has three to six.
pub fn loose(text: &str) -> Option<Timestamp> {
    // Most values of a form end here.
    let bytes = text.as_bytes();
    if bytes.len() < 13 || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    read(text).filter(|r| r.whole).map(|r| r.at)
}

/// Reads an ISO 8601 date, or date and time, as in `date_modified`: `2024-01-15`, `2024-01`, `20240115`,
/// `2024-01-15T10:00:00.5+05:30`, `2024-01-15 10:00Z`. No zone means UTC; digits beyond microseconds are cut.
pub fn iso(text: &str) -> Option<Timestamp> {
    read(text).map(|r| r.at)
}

struct Reading {
    at: Timestamp,
    /// A date with a time, all parts with all their digits.
    whole: bool,
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// A number of `min` to `max` digits, and how many there were.
    fn number(&mut self, min: usize, max: usize) -> Option<(u32, usize)> {
        let len = self.0.iter().take(max).take_while(|b| b.is_ascii_digit()).count();
        if len < min {
            return None;
        }
        let value = self.0[..len].iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
        self.0 = &self.0[len..];
        Some((value, len))
    }

    fn take(&mut self, any: &[u8]) -> Option<u8> {
        let first = self.0.first().copied().filter(|b| any.contains(b))?;
        self.0 = &self.0[1..];
        Some(first)
    }
}

fn read(text: &str) -> Option<Reading> {
    let mut c = Cursor(text.as_bytes());
    let (year, _) = c.number(4, 4)?;
    let mut month = (1, 2);
    let mut day = (1, 2);
    let mut time = None;
    if !c.0.is_empty() {
        let dashed = c.take(b"-").is_some();
        month = c.number(if dashed { 1 } else { 2 }, 2)?;
        if c.0.is_empty() && !dashed {
            return None;
        }
    }
    if !c.0.is_empty() {
        let dashed = c.take(b"-").is_some();
        day = c.number(if dashed { 1 } else { 2 }, 2)?;
    }
    if !c.0.is_empty() {
        c.take(b" T")?;
        time = Some(read_time(&mut c)?);
    }
    let midnight = Timestamp::from_civil(year as i32, month.0, day.0, 0)?;
    let (micros, whole) = time.unwrap_or((0, false));
    let at = Timestamp(midnight.0 + micros);
    let whole = whole && month.1 == 2 && day.1 == 2;
    (c.0.is_empty() && in_range(at)).then_some(Reading { at, whole })
}

/// Microseconds since midnight in UTC (negative or above a day where the zone says so), and whether all
/// parts are whole.
fn read_time(c: &mut Cursor<'_>) -> Option<(i64, bool)> {
    let (hour, _) = c.number(2, 2)?;
    let mut clock = [hour, 0, 0];
    let mut whole = false;
    let mut fraction = 0;
    if let Some(minute) = part(c, 2)? {
        clock[1] = minute.0;
        whole = true;
        if let Some(second) = part(c, 1)? {
            clock[2] = second.0;
            whole = second.1 == 2;
            if c.take(b".,").is_some() {
                let digits = c.0.iter().take_while(|b| b.is_ascii_digit()).count();
                let (shown, len) = c.number(1, 6)?;
                fraction = i64::from(shown) * 10i64.pow(6 - len as u32);
                whole &= (3..=6).contains(&digits);
                c.0 = &c.0[digits - len..];
            }
        }
    }
    let zone = zone(c)?;
    let [hour, minute, second] = clock;
    (hour < 24 && minute < 60 && second < 60).then(|| {
        let seconds = i64::from(hour * 3600 + minute * 60 + second) - zone;
        (seconds * SECOND_US + fraction, whole)
    })
}

/// A two-digit part of the clock, with or without a colon before it; the inner `None` when there is none.
fn part(c: &mut Cursor<'_>, min: usize) -> Option<Option<(u32, usize)>> {
    let colon = c.take(b":").is_some();
    if !colon && !c.0.first().is_some_and(u8::is_ascii_digit) {
        return Some(None);
    }
    c.number(min, 2).map(Some)
}

/// Seconds east of UTC.
fn zone(c: &mut Cursor<'_>) -> Option<i64> {
    let sign = match c.take(b"Z+-") {
        None | Some(b'Z') => return Some(0),
        Some(b'-') => -1,
        Some(_) => 1,
    };
    let (hour, _) = c.number(2, 2)?;
    let minute = part(c, 2)?.map_or(0, |(m, _)| m);
    (hour < 24 && minute < 60).then(|| sign * i64::from(hour * 3600 + minute * 60))
}

fn in_range(at: Timestamp) -> bool {
    let first = Timestamp::from_civil(1, 1, 1, 0);
    let last = Timestamp::from_civil(9999, 12, 31, 86_400 * SECOND_US - 1);
    first.is_some_and(|t| at >= t) && last.is_some_and(|t| at <= t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_dates_and_times() {
        // Text, the instant it stands for, whether it is rewritten in form JSON.
        let rows = [
            ("2013-03-09T06:30:09.007+03", "2013-03-09T03:30:09.007000Z", true),
            ("2013-03-09T06:30:09.007", "2013-03-09T06:30:09.007000Z", true),
            ("2024-05-05 10:11", "2024-05-05T10:11:00.000000Z", true),
            ("2024-05-05 10:11-05:30", "2024-05-05T15:41:00.000000Z", true),
            ("2024-05-05T10:11:12Z", "2024-05-05T10:11:12.000000Z", true),
            ("2024-05-05T10:11:12.123456+0000", "2024-05-05T10:11:12.123456Z", true),
            ("2024-03-01T00:30:00+01", "2024-02-29T23:30:00.000000Z", true),
            ("20240115T1000", "2024-01-15T10:00:00.000000Z", true),
            ("20240115 100005", "2024-01-15T10:00:05.000000Z", true),
            ("2024-05-05T10:11:12,500Z", "2024-05-05T10:11:12.500000Z", true),
            ("2024-05-05T10:11:12.5Z", "2024-05-05T10:11:12.500000Z", false),
            ("2024-05-05T10:11:12.1234567Z", "2024-05-05T10:11:12.123456Z", false),
            ("2024-05-05T10", "2024-05-05T10:00:00.000000Z", false),
            ("2024-5-5T10:11:12Z", "2024-05-05T10:11:12.000000Z", false),
            ("2024-05-05", "2024-05-05T00:00:00.000000Z", false),
            ("2024-05", "2024-05-01T00:00:00.000000Z", false),
            ("2024", "2024-01-01T00:00:00.000000Z", false),
            ("20240115", "2024-01-15T00:00:00.000000Z", false),
        ];
        for (text, expected, rewritten) in rows {
            assert_eq!(iso(text).map(|t| t.to_string()).as_deref(), Some(expected), "{text}");
            assert_eq!(loose(text), rewritten.then(|| iso(text)).flatten(), "{text}");
        }
    }

    #[test]
    fn leaves_everything_else_alone() {
        let rows = [
            "",
            "10:11",
            "soon",
            "2015-07-14 2015-06-07",
            "2015-08-06T14:33:12.077 05:30",
            "2024-13-01T10:00",
            "202405",
            "2024-02-30T10:00",
            "2024-05-05T24:00",
            "2024-05-05T10:60",
            "2024-05-05T10:11:60",
            "2024-05-05T10:11:12z",
            "2024/05/05 10:11",
            "2024-05-05T10:11:12 +03",
            " 2024-05-05T10:11",
            "2024-05-05T10:11 ",
            "2024-05-05T10:11:12.",
            "2024-05-05T10:11:12+24",
            "2024-05-05T10:11\n",
            "٢٠٢٤-05-05T10:11",
            "0001-01-01T00:00+01",
            "9999-12-31T23:59-01",
            "0000-01-01T00:00",
            "2024-05-05x10:11",
            "2024-05-05T10:11:12+03:",
            "+447700900123456",
            "12345678901234567",
        ];
        for text in rows {
            assert_eq!((iso(text), loose(text)), (None, None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9TZ:., +-]{0,30}|\\PC{0,20}") {
            let _ = (loose(&text), iso(&text));
        }

        #[test]
        fn rewritten_times_stay_what_they_are(seconds in -60_000_000_000i64..250_000_000_000, micros in 0i64..1_000_000) {
            let at = Timestamp(seconds * SECOND_US + micros);
            prop_assert_eq!(loose(&at.to_string()), Some(at));
        }
    }
}
