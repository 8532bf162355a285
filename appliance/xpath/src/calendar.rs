//! Ethiopian and Nepali calendars.

use crate::context::{Host, Zone};
use crate::date::{Fields, civil_from_days};
use crate::error::Error;

const DAY_MS: i64 = 86_400_000;

/// Month lengths of the years 1970 to 2090 of Bikram Sambat: 9, 0, 1, 2 stand for 29, 30, 31, 32.
const NEPALI: &str = include_str!("nepali.txt");
const NEPALI_FIRST: i64 = 1970;
const NEPALI_MONTHS: [&str; 12] = [
    "Baishakh", "Jestha", "Ashadh", "Shrawan", "Bhadra", "Ashwin", "Kartik", "Mangsir", "Poush", "Magh",
    "Falgun", "Chaitra",
];
const ETHIOPIAN_MONTHS: [&str; 13] = [
    "Mäskäräm",
    "T’ïk’ïmt",
    "Hïdar",
    "Tahsas",
    "T’ïr",
    "Yäkatit",
    "Mägabit",
    "Miyaziya",
    "Gïnbot",
    "Säne",
    "Hämle",
    "Nähäse",
    "P’agume",
];

fn month_name(key: &str, month: i64, fallback: &[&str], host: &dyn Host) -> String {
    let at = (month - 1).max(0) as usize;
    let own = host.locale_text(key).and_then(|list| list.split(',').nth(at).map(|n| n.trim().to_owned()));
    own.unwrap_or_else(|| fallback.get(at).copied().unwrap_or("").to_owned())
}

fn local(ms: i64, zone: Zone, host: &dyn Host) -> (i64, i64, i64) {
    let offset = host.offset_ms(zone, ms);
    let local = ms.saturating_add(offset);
    (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS), offset)
}

/// An instant in the Ethiopian calendar.
pub(crate) fn ethiopian(ms: i64, host: &dyn Host) -> Result<Fields, Error> {
    let (days, clock, offset_ms) = local(ms, Zone::User, host);
    // 1 Mäskäräm 1 was 29 August 8 (Julian): day -716367 from 1970-01-01.
    let since = days + 716_367;
    let cycle = since.div_euclid(1461);
    let within = since.rem_euclid(1461);
    let (year_in_cycle, day_of_year) = match within {
        0..=364 => (0, within),
        365..=729 => (1, within - 365),
        730..=1095 => (2, within - 730),
        _ => (3, within - 1096),
    };
    let year = cycle * 4 + year_in_cycle + 1;
    let (month, day) = (day_of_year / 30 + 1, day_of_year % 30 + 1);
    let name = month_name("ethiopian_months", month, &ETHIOPIAN_MONTHS, host);
    Ok(Fields { year, month, day, month_name: Some(name), clock, weekday: None, offset_ms })
}

/// An instant in Bikram Sambat.
pub(crate) fn nepali(ms: i64, host: &dyn Host) -> Result<Fields, Error> {
    let (days, clock, offset_ms) = local(ms, Zone::Named, host);
    let (civil, _, _) = civil_from_days(days);
    let out_of_range =
        || Error::generic(format!("The year {civil} is outside the Nepali calendar (1970 to 2090 BS)."));
    // 1970-01-01 is day 17 of month 9 of 2026.
    let lengths = || {
        NEPALI
            .bytes()
            .filter(u8::is_ascii_digit)
            .map(|b| if b == b'9' { 29 } else { 30 + i64::from(b - b'0') })
    };
    let before: i64 = lengths().take(((2026 - NEPALI_FIRST) * 12 + 8) as usize).sum::<i64>() + 16;
    let mut left = days + before;
    if left < 0 {
        return Err(out_of_range());
    }
    for (at, length) in lengths().enumerate() {
        if left < length {
            let month = at as i64 % 12 + 1;
            let name = month_name("nepali_months", month, &NEPALI_MONTHS, host);
            let year = NEPALI_FIRST + at as i64 / 12;
            return Ok(Fields {
                year,
                month,
                day: left + 1,
                month_name: Some(name),
                clock,
                weekday: None,
                offset_ms,
            });
        }
        left -= length;
    }
    Err(out_of_range())
}
