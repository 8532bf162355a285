//! Data types of questions: casting answers, storing results of expressions, writing values.

use std::fmt::Write;

use bolster_xpath::{Context, Datum, Host, Value, Zone, dates, java_double, offset_text};

/// The type of a node, from its bind or its control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataType {
    /// Nothing was said.
    #[default]
    Untyped,
    /// Text.
    Text,
    /// 32-bit whole number.
    Int,
    /// 64-bit whole number.
    Long,
    /// Double.
    Decimal,
    /// Truth value.
    Boolean,
    /// Calendar day.
    Date,
    /// Instant.
    DateTime,
    /// Clock time.
    Time,
    /// Position on Earth.
    Geopoint,
    /// Scanned text.
    Barcode,
    /// Name of a file that travels beside the form.
    Binary,
    /// One choice.
    Choice,
    /// Several choices.
    Choices,
    /// A type of the XForms standard that is treated as text.
    Unsupported,
}

impl DataType {
    /// The type written in a bind; the prefix does not matter. Nothing for a name nobody knows.
    pub(crate) fn named(text: &str) -> Option<DataType> {
        let name = text.split_once(':').map_or(text, |(_, name)| name);
        Some(match name {
            "string" => DataType::Text,
            "int" | "integer" => DataType::Int,
            "long" => DataType::Long,
            "decimal" | "double" | "float" => DataType::Decimal,
            "date" => DataType::Date,
            "time" => DataType::Time,
            "dateTime" => DataType::DateTime,
            "boolean" => DataType::Boolean,
            "select1" | "listItem" => DataType::Choice,
            "select" | "listItems" => DataType::Choices,
            "geopoint" => DataType::Geopoint,
            "barcode" => DataType::Barcode,
            "binary" => DataType::Binary,
            "gYear" | "gMonth" | "gDay" | "gYearMonth" | "gMonthDay" | "base64Binary" | "hexBinary"
            | "anyURI" => DataType::Unsupported,
            _ => return None,
        })
    }

    /// The name front ends see.
    pub fn as_str(self) -> &'static str {
        match self {
            DataType::Untyped => "untyped",
            DataType::Text => "string",
            DataType::Int => "int",
            DataType::Long => "long",
            DataType::Decimal => "decimal",
            DataType::Boolean => "boolean",
            DataType::Date => "date",
            DataType::DateTime => "dateTime",
            DataType::Time => "time",
            DataType::Geopoint => "geopoint",
            DataType::Barcode => "barcode",
            DataType::Binary => "binary",
            DataType::Choice => "select1",
            DataType::Choices => "select",
            DataType::Unsupported => "unsupported",
        }
    }

    fn label(self) -> &'static str {
        match self {
            DataType::Int => "Integer",
            DataType::Long => "Long",
            DataType::Decimal => "Decimal",
            DataType::Boolean => "Boolean",
            DataType::Date => "Date",
            DataType::DateTime => "DateTime",
            DataType::Time => "Time",
            DataType::Geopoint => "GeoPoint",
            other => other.as_str(),
        }
    }
}

/// Turns text into a value of the type, or says why not. Empty text is no value.
pub fn cast(text: &str, data_type: DataType, host: &dyn Host) -> Result<Datum, String> {
    if text.is_empty() {
        return Ok(Datum::Empty);
    }
    let value = match data_type {
        DataType::Untyped | DataType::Text | DataType::Barcode | DataType::Binary | DataType::Unsupported => {
            Some(Datum::Text(text.into()))
        }
        DataType::Int => whole(text).and_then(|n| i32::try_from(n).ok()).map(Datum::Int),
        DataType::Long => whole(text).and_then(|n| i64::try_from(n).ok()).map(Datum::Long),
        DataType::Decimal => decimal(text).map(Datum::Decimal),
        DataType::Boolean => match text {
            "1" | "true" => Some(Datum::Boolean(true)),
            "0" | "false" => Some(Datum::Boolean(false)),
            _ => None,
        },
        DataType::Date if text.contains('T') => None,
        DataType::Date => dates::parse(text, host).map(Datum::Date),
        DataType::DateTime => dates::parse(text, host).map(Datum::DateTime),
        DataType::Time => time(text, host),
        DataType::Geopoint => return geopoint(text),
        DataType::Choice => Some(Datum::Choice(text.into())),
        DataType::Choices => {
            let values = text.split_whitespace().collect::<Vec<_>>().join(" ");
            Some(if values.is_empty() { Datum::Empty } else { Datum::Choices(values.into()) })
        }
    };
    value.ok_or_else(|| format!("Invalid cast of data [{text}] to type {}", data_type.label()))
}

/// A decimal digit of any of the common scripts.
fn digit(c: char) -> Option<u32> {
    const ZEROS: [u32; 12] =
        [0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xE50, 0x1040, 0x17E0, 0xFF10];
    ZEROS.iter().find_map(|zero| (c as u32).checked_sub(*zero).filter(|d| *d < 10))
}

fn whole(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut n: i128 = 0;
    for c in digits.chars() {
        n = n * 10 + i128::from(digit(c)?);
        if n > i128::from(u64::MAX) {
            return None;
        }
    }
    Some(if negative { -n } else { n })
}

/// The syntax of doubles in Java: signs, names, exponents, a closing `d` or `f`, hexadecimal.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match digits {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let digits = digits.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(digits);
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return hexadecimal(hex).map(|n| sign * n);
    }
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !plain || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    digits.parse::<f64>().ok().map(|n| sign * n)
}

fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    if before.is_empty() && after.is_empty() {
        return None;
    }
    let mut n = 0f64;
    for c in before.chars().chain(after.chars()) {
        n = n * 16.0 + f64::from(c.to_digit(16)?);
    }
    let shift = exponent.saturating_sub(4 * i32::try_from(after.len()).ok()?);
    Some(n * 2f64.powi(shift))
}

const DAY_MS: i64 = 86_400_000;

fn time(text: &str, host: &dyn Host) -> Option<Datum> {
    let (clock, offset) = dates::parse_clock(text)?;
    let local = match offset {
        None => clock,
        Some(offset) => (clock - offset + host.offset_ms(Zone::User, clock - offset)).rem_euclid(DAY_MS),
    };
    Some(Datum::Time(clock_text(local).into()))
}

fn clock_text(ms: i64) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

fn geopoint(text: &str) -> Result<Datum, String> {
    let mut parts = [0f64; 4];
    let mut count = 0;
    // Blanks at the end do not count; others would be empty numbers.
    for piece in text.trim_end_matches(' ').split(' ') {
        let number =
            decimal(piece).ok_or_else(|| format!("Invalid cast of data [{text}] to type GeoPoint"))?;
        let part = parts.get_mut(count).ok_or("More than four numbers provided")?;
        *part = if count < 2 { number } else { (number * 100.0).floor() / 100.0 };
        count += 1;
    }
    if count < 2 {
        return Err("Fewer than two coordinates provided".into());
    }
    Ok(Datum::Geopoint(parts.map(java_double).join(" ").into()))
}

/// The value a calculate or setvalue leaves in a node of the type.
pub(crate) fn store<'a>(
    value: Value<'a>,
    data_type: DataType,
    context: &Context<'a>,
) -> Result<Datum, bolster_xpath::Error> {
    let value = value.unpack(context)?;
    let boolean = data_type == DataType::Boolean;
    Ok(match value {
        Value::Text(text) if text.is_empty() => Datum::Empty,
        Value::Number(n) if n.is_nan() => Datum::Empty,
        Value::Boolean(b) => Datum::Boolean(b),
        Value::Number(n) if boolean => Datum::Boolean(n.abs() > 1e-12),
        Value::Text(_) if boolean => Datum::Boolean(true),
        Value::Date(_) if boolean => {
            return Err(bolster_xpath::Error::type_mismatch("A date cannot be stored as true or false."));
        }
        Value::Number(n) => number(n, data_type),
        Value::Sequence(_) | Value::Nodes(_) => {
            return Err(bolster_xpath::Error::type_mismatch(
                "The result is a list of values, which a question cannot hold; use join() or selected-at().",
            ));
        }
        Value::Text(text) => match data_type {
            DataType::Choice => Datum::Choice(text.as_ref().into()),
            DataType::Choices => {
                let values = text.split_whitespace().collect::<Vec<_>>().join(" ");
                if values.is_empty() { Datum::Empty } else { Datum::Choices(values.into()) }
            }
            _ => Datum::Text(text.as_ref().into()),
        },
        Value::Date(ms) => match data_type {
            DataType::Choice | DataType::Choices => {
                let text = Value::Date(ms).to_text(context)?;
                Datum::Choice(text.as_ref().into())
            }
            DataType::DateTime => Datum::DateTime(ms),
            DataType::Time => {
                let local = ms + context.host.offset_ms(Zone::User, ms);
                Datum::Time(clock_text(local.rem_euclid(DAY_MS)).into())
            }
            _ => Datum::Date(dates::start_of_day(ms, context.host)),
        },
    })
}

fn number(n: f64, data_type: DataType) -> Datum {
    let long = n as i64;
    let integral = (n - long as f64).abs() < 1e-9;
    if data_type == DataType::Int || (integral && i32::try_from(long).is_ok()) {
        Datum::Int(n as i32)
    } else if data_type == DataType::Long || integral {
        Datum::Long(long)
    } else {
        Datum::Decimal(n)
    }
}

/// The text a value is written as, in submissions and to front ends.
pub fn text(value: &Datum, host: &dyn Host) -> String {
    let mut out = String::new();
    write(value, host, &mut out);
    out
}

/// Appends what [`text`] gives.
pub(crate) fn write(value: &Datum, host: &dyn Host, out: &mut String) {
    let written = match value {
        Datum::Empty => Ok(()),
        Datum::Text(t) | Datum::Time(t) | Datum::Geopoint(t) | Datum::Choice(t) | Datum::Choices(t) => {
            out.push_str(t);
            Ok(())
        }
        Datum::Int(n) => write!(out, "{n}"),
        Datum::Long(n) => write!(out, "{n}"),
        Datum::Decimal(n) => out.write_str(&java_double(*n)),
        Datum::Boolean(b) => out.write_str(if *b { "1" } else { "0" }),
        Datum::Date(ms) => {
            day(*ms, host, out);
            Ok(())
        }
        Datum::DateTime(ms) => {
            day(*ms, host, out);
            let offset = host.offset_ms(Zone::User, *ms);
            let clock = clock_text(ms.saturating_add(offset).rem_euclid(DAY_MS));
            // The offset written is the one the day began with, as in the original.
            let written = host.offset_ms(Zone::User, dates::start_of_day(*ms, host));
            write!(out, "T{clock}{}", offset_text(written))
        }
    };
    debug_assert!(written.is_ok());
}

fn day(ms: i64, host: &dyn Host, out: &mut String) {
    // The year is written without leading zeros.
    let text = dates::format(ms, "%Y-%m-%d", host).unwrap_or_default();
    let short = text.trim_start_matches('0');
    out.push_str(if short.starts_with('-') { &text } else { short });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolster_xpath::NoHost;

    fn check(data_type: DataType, given: &str, expected: Option<&str>) {
        let got = cast(given, data_type, &NoHost).ok().map(|value| text(&value, &NoHost));
        assert_eq!(got.as_deref(), expected, "{data_type:?} from {given:?}");
    }

    #[test]
    fn answers_are_cast_and_written() {
        use DataType::*;
        for (data_type, given, expected) in [
            (Int, "+5", Some("5")),
            (Int, "007", Some("7")),
            (Int, "٣", Some("3")),
            (Int, "3.0", None),
            (Int, "2147483648", None),
            (Long, "2147483648", Some("2147483648")),
            (Decimal, "5", Some("5.0")),
            (Decimal, "0x1p3", Some("8.0")),
            (Decimal, "1d", Some("1.0")),
            (Decimal, "inf", None),
            (Date, "2024-2-9", Some("2024-02-09")),
            (Date, "0099-01-01", Some("99-01-01")),
            (Date, "2024-01-01T10:00", None),
            (DateTime, "2024-01-31T08:15", Some("2024-01-31T08:15:00.000Z")),
            (Time, "10:00+02:00", Some("08:00:00.000")),
            (Geopoint, "1 2", Some("1.0 2.0 0.0 0.0")),
            (Geopoint, "1 2 ", Some("1.0 2.0 0.0 0.0")),
            (Geopoint, "1  2", None),
            (Geopoint, "1 2 3 4 5", None),
            (Choices, "a  b", Some("a b")),
            (Boolean, "true", Some("1")),
            (Boolean, "yes", None),
        ] {
            check(data_type, given, expected);
        }
    }
}
