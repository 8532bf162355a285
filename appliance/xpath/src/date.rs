//! Days, instants and their texts. The calendar is Julian before 1582-10-15, then Gregorian; zones come from the host.

use crate::context::{Host, Zone};
use crate::error::Error;

const DAY_MS: i64 = 86_400_000;
/// Years beyond this are refused, so that milliseconds never overflow.
const YEAR_MAX: i64 = 10_000_000;

/// 1582-10-15, the first Gregorian day.
const GREGORIAN_FROM: i64 = -141_427;

/// Days since 1970-01-01 of a calendar day.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    if (year, month, day) < (1582, 10, 15) {
        let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        return 365 * y + y.div_euclid(4) + doy - 719_470;
    }
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (month + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Year, month, day of a day number.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    if days < GREGORIAN_FROM {
        let z = days + 719_470;
        let (cycle, doc) = (z.div_euclid(1461), z.rem_euclid(1461));
        let yoc = (doc - doc / 1460) / 365;
        let doy = doc - 365 * yoc;
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        return (cycle * 4 + yoc + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1);
    }
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year <= 1582 || year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The instant of a local wall-clock time. A time that is skipped moves on by the gap; of a time that comes twice,
/// `later` picks the second.
pub(crate) fn instant(local_ms: i64, zone: Zone, later: bool, host: &dyn Host) -> i64 {
    let before = host.offset_ms(zone, local_ms - DAY_MS);
    let after = host.offset_ms(zone, local_ms + DAY_MS);
    let fits = |offset: i64| host.offset_ms(zone, local_ms - offset) == offset;
    match (fits(before), fits(after)) {
        (true, true) if later => local_ms - after,
        (true, _) => local_ms - before,
        (false, true) => local_ms - after,
        (false, false) => {
            // Two changes within two days, or a gap.
            let guess = local_ms - before;
            let offset = host.offset_ms(zone, guess);
            if fits(offset) { local_ms - offset } else { guess }
        }
    }
}

/// Local midnight of a day number.
pub(crate) fn midnight(day: i64, host: &dyn Host) -> i64 {
    instant(day.saturating_mul(DAY_MS), Zone::User, true, host)
}

/// The day number of an instant in the user's zone.
pub(crate) fn day_number(ms: i64, host: &dyn Host) -> i64 {
    local(ms, host).div_euclid(DAY_MS)
}

fn local(ms: i64, host: &dyn Host) -> i64 {
    ms.saturating_add(host.offset_ms(Zone::User, ms))
}

/// `Y-MM-DD` of an instant in the user's zone.
pub(crate) fn day_text(ms: i64, host: &dyn Host) -> String {
    let (year, month, day) = civil_from_days(day_number(ms, host));
    format!("{year}-{month:02}-{day:02}")
}

fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || digits.len() > 10 {
        return None;
    }
    text.parse().ok().filter(|n: &i64| i32::try_from(*n).is_ok())
}

/// The day number of `Y-M-D`.
pub(crate) fn parse_day(text: &str) -> Option<i64> {
    let text = text.strip_suffix('-').unwrap_or(text);
    let mut pieces = text.split('-');
    let (year, month, day) = (whole(pieces.next()?)?, whole(pieces.next()?)?, whole(pieces.next()?)?);
    if pieces.next().is_some() || !(1..=12).contains(&month) || !(0..=YEAR_MAX).contains(&year) {
        return None;
    }
    (1..=month_length(year, month)).contains(&day).then(|| days_from_civil(year, month, day))
}

/// The instant of `Y-M-D` or `Y-M-DTtime`.
pub(crate) fn parse_date_time(text: &str, host: &dyn Host) -> Option<i64> {
    let Some((day, time)) = text.split_once('T') else {
        return Some(midnight(parse_day(text)?, host));
    };
    let day = parse_day(day)?;
    let (clock, offset) = parse_clock(time)?;
    let wall = match offset {
        None => clock,
        // The clock moves to the user's zone, the day stays: recorded behaviour that apps rely on.
        Some(offset) => {
            let utc = day * DAY_MS + clock - offset;
            local(utc, host).rem_euclid(DAY_MS)
        }
    };
    Some(instant(day * DAY_MS + wall, Zone::User, true, host))
}

/// Milliseconds of the day, and the offset if one is written.
fn parse_clock(text: &str) -> Option<(i64, Option<i64>)> {
    let (clock, offset) = match text.strip_suffix('Z') {
        Some(clock) => (clock, Some(0)),
        None => match text.find(['+', '-']) {
            Some(at) => (&text[..at], Some(parse_offset(&text[at..])?)),
            None => (text, None),
        },
    };
    let mut pieces = clock.split(':');
    let hour = whole(pieces.next()?)?;
    let minute = whole(pieces.next()?)?;
    let seconds: f64 = match pieces.next() {
        None => 0.0,
        Some(text) if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => text.parse().ok()?,
        Some(_) => return None,
    };
    if pieces.next().is_some()
        || !(0..24).contains(&hour)
        || !(0..60).contains(&minute)
        || !(0.0..60.0).contains(&seconds)
    {
        return None;
    }
    let second = seconds.trunc();
    let millis = ((seconds - second) * 1000.0) as i64;
    Some((((hour * 60 + minute) * 60 + second as i64) * 1000 + millis, offset))
}

fn parse_offset(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = match text[1..].split_once(':') {
        Some((hours, minutes)) => (whole(hours)?, whole(minutes)?),
        None => (whole(&text[1..])?, 0),
    };
    ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 60 + minutes) * 60_000)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// An instant broken into what format codes print. Names are absent in calendars without them.
pub(crate) struct Fields {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub month_name: Option<String>,
    /// Milliseconds of the local day.
    pub clock: i64,
    /// 0 is Sunday; absent where the calendar gives none.
    pub weekday: Option<usize>,
    pub offset_ms: i64,
}

impl Fields {
    /// The fields of an instant in the user's zone.
    pub(crate) fn of(ms: i64, host: &dyn Host) -> Fields {
        let local = local(ms, host);
        let days = local.div_euclid(DAY_MS);
        let (year, month, day) = civil_from_days(days);
        Fields {
            year,
            month,
            day,
            month_name: None,
            clock: local.rem_euclid(DAY_MS),
            weekday: Some((days + 4).rem_euclid(7) as usize),
            offset_ms: local - ms,
        }
    }

    /// Prints by format codes (`%Y`, `%m`, …).
    pub(crate) fn format(&self, format: &str) -> Result<String, Error> {
        use std::fmt::Write;
        let mut out = String::with_capacity(format.len() + 8);
        let mut chars = format.chars();
        let month = match &self.month_name {
            Some(name) => name.as_str(),
            None => MONTHS[(self.month - 1).clamp(0, 11) as usize],
        };
        let weekday = || {
            self.weekday.map(|day| WEEKDAYS[day]).ok_or_else(|| {
                Error::generic(
                    "Weekdays cannot be formatted in this calendar: unsupported escape in date format string",
                )
            })
        };
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let hour = self.clock / 3_600_000;
            let written = match chars.next() {
                Some('%') => write!(out, "%"),
                Some('Y') => write!(out, "{:04}", self.year),
                Some('y') => {
                    let year = format!("{:04}", self.year);
                    write!(out, "{}", &year[year.len() - 2..])
                }
                Some('m') => write!(out, "{:02}", self.month),
                Some('n') => write!(out, "{}", self.month),
                Some('B') => write!(out, "{month}"),
                Some('b') if self.month_name.is_some() => write!(out, "{month}"),
                Some('b') => write!(out, "{}", &month[..3]),
                Some('d') => write!(out, "{:02}", self.day),
                Some('e') => write!(out, "{}", self.day),
                Some('H') => write!(out, "{hour:02}"),
                Some('h') => write!(out, "{hour}"),
                Some('M') => write!(out, "{:02}", self.clock / 60_000 % 60),
                Some('S') => write!(out, "{:02}", self.clock / 1000 % 60),
                Some('3') => write!(out, "{:03}", self.clock % 1000),
                Some('A') => write!(out, "{}", weekday()?),
                Some('a') => write!(out, "{}", &weekday()?[..3]),
                Some('w') => {
                    weekday()?;
                    write!(out, "{}", self.weekday.unwrap_or(0))
                }
                Some('Z') => write!(out, "{}", offset_text(self.offset_ms)),
                other => {
                    return Err(Error::generic(match other {
                        Some(c) => format!("unrecognized escape in date format string: %{c}"),
                        None => "date format string ends with %".to_owned(),
                    }));
                }
            };
            debug_assert!(written.is_ok());
        }
        Ok(out)
    }
}

/// `Z`, `+HH` or `+HH:MM`.
pub fn offset_text(offset_ms: i64) -> String {
    let minutes = offset_ms.abs() / 60_000;
    let sign = if offset_ms < 0 { '-' } else { '+' };
    match (minutes / 60, minutes % 60) {
        (0, 0) => "Z".into(),
        (hours, 0) => format!("{sign}{hours:02}"),
        (hours, minutes) => format!("{sign}{hours:02}:{minutes:02}"),
    }
}

/// Public conversions that hosts and forms need.
pub mod api {
    use super::*;

    /// The instant of `Y-M-D`, or `Y-M-DTtime`, in the user's zone.
    pub fn parse(text: &str, host: &dyn Host) -> Option<i64> {
        parse_date_time(text, host)
    }

    /// The instant of a clock time on a day of which only the clock matters, as milliseconds of the day and the
    /// written offset, if any.
    pub fn parse_clock(text: &str) -> Option<(i64, Option<i64>)> {
        super::parse_clock(text)
    }

    /// The local midnight that starts the day of an instant.
    pub fn start_of_day(ms: i64, host: &dyn Host) -> i64 {
        midnight(day_number(ms, host), host)
    }

    /// Whole days since 1970-01-01 in the user's zone.
    pub fn day_number(ms: i64, host: &dyn Host) -> i64 {
        super::day_number(ms, host)
    }

    /// Local midnight of a day number.
    pub fn midnight(day: i64, host: &dyn Host) -> i64 {
        super::midnight(day, host)
    }

    /// Prints an instant by format codes (docs/formats/xpath.md).
    pub fn format(ms: i64, codes: &str, host: &dyn Host) -> Result<String, Error> {
        Fields::of(ms, host).format(codes)
    }
}
