//! The `Date` header of HTTP.

use bolster_model::Timestamp;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Reads an RFC 1123 date in GMT (`Mon, 15 Jan 2024 10:00:00 GMT`); anything else is `None`. That the
/// weekday fits is not checked.
pub fn parse(text: &str) -> Option<Timestamp> {
    let mut words = text.trim().split(' ');
    let weekday = words.next()?.strip_suffix(',')?;
    let day = number(words.next()?, 1, 2)?;
    let month = words.next()?;
    let year = number(words.next()?, 4, 4)?;
    let mut clock = words.next()?.split(':');
    let zone = words.next()?;
    if words.next().is_some() || zone != "GMT" || !DAYS.iter().any(|d| d.eq_ignore_ascii_case(weekday)) {
        return None;
    }
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))? as u32 + 1;
    let hour = number(clock.next()?, 2, 2).filter(|h| *h < 24)?;
    let minute = number(clock.next()?, 2, 2).filter(|m| *m < 60)?;
    let second = number(clock.next()?, 2, 2).filter(|s| *s < 60)?;
    if clock.next().is_some() {
        return None;
    }
    let micros = i64::from(hour * 3600 + minute * 60 + second) * 1_000_000;
    Timestamp::from_civil(year as i32, month, day, micros)
}

fn number(text: &str, min: usize, max: usize) -> Option<u32> {
    let ok = (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if ok { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_the_one_form_that_clients_send() {
        let rows = [
            ("Mon, 15 Jan 2024 10:00:00 GMT", Some("2024-01-15T10:00:00.000000Z")),
            ("thu, 29 FEB 2024 23:59:59 GMT", Some("2024-02-29T23:59:59.000000Z")),
            ("Mon, 5 Jan 2024 10:00:00 GMT", Some("2024-01-05T10:00:00.000000Z")),
            ("Mon, 15 Jan 2024 10:00:00 CET", None),
            ("Mon, 30 Feb 2024 10:00:00 GMT", None),
            ("Mon, 15 Jan 2024 24:00:00 GMT", None),
            ("Monday, 15-Jan-24 10:00:00 GMT", None),
            ("2024-01-15T10:00:00Z", None),
            ("not a date", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text).map(|t| t.to_string()).as_deref(), expected, "{text}");
        }
    }
}
