//! The functions: those that are conditions, and those that are values.

use super::CsqlError;
use super::check::{Checker, fuzzy, selected};
use super::expression::{Expression, Kind};
use super::value::{Number, Value};
use crate::date::{self, DAY_US, Reading};
use crate::filter::{Filter, Leaf, number};
use crate::geo::{Point, UNITS};
use crate::text::sounds;
use bolster_model::Timestamp;

type QueryFunction =
    fn(&Checker<'_, '_>, &str, &[Expression<'_>], &Expression<'_>) -> Result<Filter, CsqlError>;

const QUERY_FUNCTIONS: &[(&str, QueryFunction)] = &[
    ("not", |c, name, arguments, whole| {
        c.arguments(name, 1, arguments.len(), c.part(whole))?;
        Ok(c.filter(&arguments[0])?.negated())
    }),
    ("match-all", |c, name, arguments, whole| c.constant(name, arguments, whole, Filter::All)),
    ("match-none", |c, name, arguments, whole| c.constant(name, arguments, whole, Filter::None)),
    ("selected", |c, name, arguments, whole| c.selected(name, arguments, whole, false)),
    ("selected-any", |c, name, arguments, whole| c.selected(name, arguments, whole, false)),
    ("selected-all", |c, name, arguments, whole| c.selected(name, arguments, whole, true)),
    ("starts-with", |c, name, arguments, whole| {
        let (property, value) = c.property_and_value(name, arguments, whole)?;
        let begins = |text| Filter::Leaf(Leaf::Begins { property: property.clone(), text });
        Ok(Filter::or(value.texts().into_iter().map(begins).collect()))
    }),
    ("fuzzy-match", |c, name, arguments, whole| {
        let (property, value) = c.property_and_value(name, arguments, whole)?;
        Ok(Filter::or(value.texts().iter().map(|text| fuzzy(&property, text, c.context)).collect()))
    }),
    ("phonetic-match", |c, name, arguments, whole| {
        let (property, value) = c.property_and_value(name, arguments, whole)?;
        let sounds = value.texts().iter().flat_map(|text| sounds(text)).collect();
        Ok(Filter::Leaf(Leaf::Sounds { property, sounds }))
    }),
    ("fuzzy-date", |c, name, arguments, whole| {
        let (property, value) = c.property_and_value(name, arguments, whole)?;
        let words = date::slips(c.day(&value, c.part(whole))?);
        Ok(Filter::Leaf(Leaf::Words { property, words, all: false }))
    }),
    ("within-distance", |c, name, arguments, whole| c.within_distance(name, arguments, whole)),
    ("subcase-exists", |c, _, arguments, whole| c.subcase_exists(arguments, whole)),
    ("subcase-count", |c, _, _, whole| {
        Err(CsqlError::new(
            "XPath incorrectly formatted. Expected 'subcase-exists', or a comparison of 'subcase-count' with a number",
            c.part(whole),
        ))
    }),
    ("ancestor-exists", |c, name, arguments, whole| c.ancestor_exists(name, arguments, whole)),
];

const VALUE_FUNCTIONS: &[&str] =
    &["date", "date-add", "datetime", "datetime-add", "double", "now", "today", "unwrap-list"];

const INTERVALS: &[&str] = &["seconds", "minutes", "hours", "days", "weeks", "months", "years"];

pub(super) fn query_function(name: &str) -> Option<QueryFunction> {
    QUERY_FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
}

pub(super) fn query_names() -> String {
    QUERY_FUNCTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Checker<'_, '_> {
    fn constant(
        &self,
        name: &str,
        arguments: &[Expression<'_>],
        whole: &Expression<'_>,
        filter: Filter,
    ) -> Result<Filter, CsqlError> {
        if arguments.is_empty() {
            return Ok(filter);
        }
        Err(CsqlError::new(format!("'{name}()' does not take any arguments"), self.part(whole)))
    }

    /// A property's name, plain or as text.
    fn property_name(&self, name: &str, expression: &Expression<'_>) -> Result<String, CsqlError> {
        match &expression.kind {
            Kind::Path(steps) if steps.len() == 1 => Ok(steps[0].to_owned()),
            Kind::Text(text) => Ok((*text).to_owned()),
            _ => Err(CsqlError::new(
                format!("The first argument to '{name}' must be a valid case property name"),
                self.part(expression),
            )),
        }
    }

    fn property_and_value(
        &self,
        name: &str,
        arguments: &[Expression<'_>],
        whole: &Expression<'_>,
    ) -> Result<(String, Value), CsqlError> {
        self.arguments(name, 2, arguments.len(), self.part(whole))?;
        Ok((self.property_name(name, &arguments[0])?, self.value(&arguments[1])?))
    }

    fn selected(
        &self,
        name: &str,
        arguments: &[Expression<'_>],
        whole: &Expression<'_>,
        all: bool,
    ) -> Result<Filter, CsqlError> {
        let (property, value) = self.property_and_value(name, arguments, whole)?;
        let texts = value.texts();
        // Where everything is fuzzy, one word is enough.
        if self.context.fuzzy || (texts.len() == 1 && texts[0].is_empty()) {
            return Ok(self.equals(&property, Value::List(texts)));
        }
        Ok(selected(&property, &texts, all))
    }

    fn within_distance(
        &self,
        name: &str,
        arguments: &[Expression<'_>],
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        let part = self.part(whole);
        self.arguments(name, 4, arguments.len(), part)?;
        let property = self.property_name(name, &arguments[0])?;
        let point = match self.value(&arguments[1])? {
            Value::Text(text) => Point::parse(&text),
            Value::Number(_) | Value::List(_) => None,
        };
        let point = point.ok_or_else(|| {
            let message = format!(
                "The second argument to '{name}' must be valid coordinates: latitude and longitude in degrees, \
                 such as '42.44 -71.15'"
            );
            CsqlError::new(message, part)
        })?;
        let distance = self.value(&arguments[2])?.texts().join(" ");
        let Some(distance_number) = number(&distance).filter(|n| *n >= 0.0) else {
            let message = format!("The third argument to '{name}' must be a number, got '{distance}'");
            return Err(CsqlError::new(message, part));
        };
        let unit = self.value(&arguments[3])?.texts().join(" ");
        let Some((_, meters)) = UNITS.iter().find(|(known, _)| *known == unit) else {
            let known = UNITS.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
            let message = format!("'{unit}' is not a valid distance unit. Expected one of {known}");
            return Err(CsqlError::new(message, part));
        };
        Ok(Filter::Leaf(Leaf::Near {
            property,
            latitude: point.latitude,
            longitude: point.longitude,
            meters: distance_number * meters,
        }))
    }

    pub fn call_value(
        &self,
        name: &str,
        arguments: &[Expression<'_>],
        part: &str,
    ) -> Result<Value, CsqlError> {
        let exactly = |count| self.arguments(name, count, arguments.len(), part);
        match name {
            "today" => {
                exactly(0)?;
                self.print_day(date::local_day(self.context.now, self.context.zone), part)
            }
            "now" => {
                exactly(0)?;
                Ok(Value::Text(date::print_instant(self.context.now)))
            }
            "date" => {
                exactly(1)?;
                self.print_day(self.day(&self.value(&arguments[0])?, part)?, part)
            }
            "datetime" => {
                exactly(1)?;
                let at = self.instant_of(&self.value(&arguments[0])?, part)?;
                Ok(Value::Text(date::print_instant(at)))
            }
            "date-add" => {
                exactly(3)?;
                let day = self.day(&self.value(&arguments[0])?, part)?;
                let at = self.added(name, Timestamp(day.saturating_mul(DAY_US)), &arguments[1..], part)?;
                self.print_day(at.0.div_euclid(DAY_US), part)
            }
            "datetime-add" => {
                exactly(3)?;
                let at = self.instant_of(&self.value(&arguments[0])?, part)?;
                Ok(Value::Text(date::print_instant(self.added(name, at, &arguments[1..], part)?)))
            }
            "double" => {
                exactly(1)?;
                double(&self.value(&arguments[0])?, part)
            }
            "unwrap-list" => {
                exactly(1)?;
                unwrap_list(self.value(&arguments[0])?, part)
            }
            _ => Err(CsqlError::new(
                format!(
                    "We don't know what to do with the function \"{name}\". Accepted functions are: {}",
                    VALUE_FUNCTIONS.join(", ")
                ),
                part,
            )),
        }
    }

    fn print_day(&self, day: i64, part: &str) -> Result<Value, CsqlError> {
        let out_of_range = || CsqlError::new("This date is not between the years 1 and 9999", part);
        date::print_day(day).map(Value::Text).ok_or_else(out_of_range)
    }

    /// A date, or days since 1970.
    fn day(&self, value: &Value, part: &str) -> Result<i64, CsqlError> {
        let invalid = || {
            CsqlError::new(
                "Invalid date value. Dates must be an integer or a string of the format \"YYYY-mm-dd\"",
                part,
            )
        };
        match value {
            Value::Number(Number::Whole(days)) => {
                let micros = days.checked_mul(DAY_US).and_then(date::in_range).ok_or_else(invalid)?;
                Ok(micros.div_euclid(DAY_US))
            }
            Value::Text(text) => match date::date(text) {
                Reading::Good(day) => Ok(day),
                Reading::Impossible => Err(CsqlError::new(format!("{text} is not a valid date"), part)),
                Reading::Other => Err(invalid()),
            },
            Value::Number(Number::Broken(_)) | Value::List(_) => Err(invalid()),
        }
    }

    /// A date with a time, or days since 1970.
    fn instant_of(&self, value: &Value, part: &str) -> Result<Timestamp, CsqlError> {
        let invalid =
            || CsqlError::new("Invalid datetime value. Must be a number or a ISO 8601 string.", part);
        match value {
            Value::Number(days) => micros_of_days(days.float()).map(Timestamp).ok_or_else(invalid),
            Value::Text(text) => match date::instant(text) {
                Reading::Good(at) => date::in_range(at.0).map(Timestamp).ok_or_else(invalid),
                Reading::Impossible => Err(CsqlError::new(format!("{text} is not a valid datetime"), part)),
                Reading::Other => Err(invalid()),
            },
            Value::List(_) => Err(invalid()),
        }
    }

    /// An instant shifted by the last two arguments: interval and quantity.
    fn added(
        &self,
        name: &str,
        at: Timestamp,
        arguments: &[Expression<'_>],
        part: &str,
    ) -> Result<Timestamp, CsqlError> {
        let interval = self.value(&arguments[0])?.texts().join(" ");
        if !INTERVALS.contains(&interval.as_str()) {
            let message = format!(
                "The \"{name}\" function expects the 'interval' argument to be one of {}",
                INTERVALS.join(", ")
            );
            return Err(CsqlError::new(message, part));
        }
        let quantity = match self.value(&arguments[1])? {
            Value::Number(number) => Some(number.float()),
            Value::Text(text) => number(&text),
            Value::List(_) => None,
        };
        let quantity = quantity.filter(|n| n.is_finite()).ok_or_else(|| {
            let message =
                format!("The \"{name}\" function expects the interval quantity to be a numeric value");
            CsqlError::new(message, part)
        })?;
        if matches!(&*interval, "years" | "months") && quantity.fract() != 0.0 {
            let message = format!(
                "Non-integer years and months are ambiguous and not supported by the \"{name}\" function"
            );
            return Err(CsqlError::new(message, part));
        }
        let shifted = match &*interval {
            "years" => add_months(at, quantity * 12.0),
            "months" => add_months(at, quantity),
            "weeks" => add_days(at, quantity * 7.0),
            "days" => add_days(at, quantity),
            "hours" => add_days(at, quantity / 24.0),
            "minutes" => add_days(at, quantity / 1_440.0),
            _ => add_days(at, quantity / 86_400.0),
        };
        let out_of_range = || CsqlError::new("This date is not between the years 1 and 9999", part);
        shifted.and_then(date::in_range).map(Timestamp).ok_or_else(out_of_range)
    }
}

fn add_months(at: Timestamp, months: f64) -> Option<i64> {
    let (day, time) = (at.0.div_euclid(DAY_US), at.0.rem_euclid(DAY_US));
    if months.abs() > 240_000.0 {
        return None;
    }
    Some(date::add_months(day, months as i64)? * DAY_US + time)
}

fn add_days(at: Timestamp, days: f64) -> Option<i64> {
    at.0.checked_add(micros_of_days(days)?)
}

/// Microseconds of a number of days, rounded.
fn micros_of_days(days: f64) -> Option<i64> {
    if !days.is_finite() || days.abs() > 4_000_000.0 {
        return None;
    }
    // In parts, so that the fraction keeps its digits.
    let seconds = days.fract() * 86_400.0;
    let micros = (seconds.fract() * 1e6).round_ties_even() as i64;
    Some(days.trunc() as i64 * DAY_US + seconds.trunc() as i64 * 1_000_000 + micros)
}

fn double(value: &Value, part: &str) -> Result<Value, CsqlError> {
    let float = match value {
        Value::Number(number) => Some(number.float()),
        Value::Text(text) => match (date::date(text), date::instant(text)) {
            (Reading::Good(day), _) => Some(day as f64),
            (_, Reading::Good(at)) => Some(at.0 as f64 / 1e6 / 86_400.0),
            _ => number(text),
        },
        Value::List(_) => None,
    };
    float.map(|float| Value::Number(Number::Broken(float))).ok_or_else(|| {
        let shown = value.clone().texts().join(" ");
        CsqlError::new(format!("Cannot convert {shown} to a double"), part)
    })
}

fn unwrap_list(value: Value, part: &str) -> Result<Value, CsqlError> {
    let invalid = || {
        CsqlError::new(
            "The argument of 'unwrap-list' must be a list in JSON, such as '[\"first\", \"second\"]'",
            part,
        )
    };
    let Value::Text(text) = value else { return Err(invalid()) };
    match serde_json::from_str(&text).map_err(|_| invalid())? {
        serde_json::Value::Array(items) => {
            let texts = items.into_iter().map(|item| match item {
                serde_json::Value::String(text) => Ok(text),
                serde_json::Value::Number(number) => Ok(number.to_string()),
                _ => Err(invalid()),
            });
            Ok(Value::List(texts.collect::<Result<_, _>>()?))
        }
        serde_json::Value::String(text) => Ok(Value::Text(text)),
        _ => Err(invalid()),
    }
}
