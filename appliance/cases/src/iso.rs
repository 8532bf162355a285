//! `date_opened`: an ISO 8601 date, or date and time with an optional zone.

use bolster_model::Timestamp;

/// Reads `YYYY-MM-DD`, or that with `T` or a blank and `HH:MM[:SS[.f…]]` and `Z`, `±HH`, `±HH:MM` or `±HHMM`.
/// No zone means UTC.
pub fn parse(text: &str) -> Option<Timestamp> {
    let b = text.as_bytes();
    if b.len() < 10 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let day = Timestamp::from_civil(digits(&b[..4])? as i32, digits(&b[5..7])?, digits(&b[8..10])?, 0)?;
    if b.len() == 10 {
        return Some(day);
    }
    if b[10] != b'T' && b[10] != b' ' {
        return None;
    }
    let rest = &b[11..];
    let zone_at = rest.iter().position(|c| matches!(c, b'Z' | b'+' | b'-')).unwrap_or(rest.len());
    let micros = clock(&rest[..zone_at])?;
    Some(Timestamp(day.0 + micros - zone(&rest[zone_at..])?))
}

fn digits(b: &[u8]) -> Option<u32> {
    if b.is_empty() || b.len() > 9 {
        return None;
    }
    b.iter().try_fold(0u32, |n, c| c.is_ascii_digit().then(|| n * 10 + u32::from(c - b'0')))
}

fn clock(b: &[u8]) -> Option<i64> {
    if b.len() < 5 || b[2] != b':' {
        return None;
    }
    let (hour, minute) = (digits(&b[..2])?, digits(&b[3..5])?);
    let mut second = 0;
    let mut fraction = 0;
    if b.len() > 5 {
        if b.len() < 8 || b[5] != b':' {
            return None;
        }
        second = digits(&b[6..8])?;
        if b.len() > 8 {
            if b[8] != b'.' || b.len() == 9 {
                return None;
            }
            let shown = &b[9..b.len().min(15)];
            fraction = i64::from(digits(shown)?) * 10i64.pow(6 - shown.len() as u32);
            b[9..].iter().all(u8::is_ascii_digit).then_some(())?;
        }
    }
    (hour < 24 && minute < 60 && second < 60)
        .then(|| (i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * 1_000_000 + fraction)
}

fn zone(b: &[u8]) -> Option<i64> {
    let (sign, rest) = match b {
        [] | [b'Z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hour, minute) = match rest.len() {
        2 => (digits(rest)?, 0),
        4 => (digits(&rest[..2])?, digits(&rest[2..])?),
        5 if rest[2] == b':' => (digits(&rest[..2])?, digits(&rest[3..])?),
        _ => return None,
    };
    (hour < 24 && minute < 60).then(|| sign * (i64::from(hour) * 3600 + i64::from(minute) * 60) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_dates_and_times() {
        let rows = [
            ("2011-12-06", Some("2011-12-06T00:00:00.000000Z")),
            ("2011-12-06T13:42:50", Some("2011-12-06T13:42:50.000000Z")),
            ("2011-12-06 13:42", Some("2011-12-06T13:42:00.000000Z")),
            ("2024-03-10T13:07:38.779+03", Some("2024-03-10T10:07:38.779000Z")),
            ("2024-03-10T01:00:00.5-05:30", Some("2024-03-10T06:30:00.500000Z")),
            ("2015-08-06T14:33:12.077 05:30", None),
            ("2015-13-06", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text).map(|t| t.to_string()).as_deref(), expected, "{text}");
        }
    }
}
