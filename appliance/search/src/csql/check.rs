//! An expression to a filter: which of the many expressions of XPath are queries.

use super::expression::{Expression, Kind};
use super::value::Value;
use super::{CsqlError, functions};
use crate::date::{self, Reading};
use crate::document::is_instant;
use crate::filter::{Context, Filter, Leaf, Range, number, sorted};
use crate::text::words;
use bolster_model::Timestamp;

const COMPARISONS: &[&str] = &["=", "!=", ">", "<", ">=", "<="];

pub(super) struct Checker<'q, 'c> {
    pub query: &'q str,
    pub context: &'c Context<'c>,
}

impl Checker<'_, '_> {
    /// The text of an expression.
    pub fn part(&self, expression: &Expression<'_>) -> &str {
        self.query.get(expression.start..expression.end).unwrap_or_default()
    }

    pub fn unclear(&self, expression: &Expression<'_>) -> CsqlError {
        let part = self.part(expression);
        CsqlError::new(format!("We didn't understand what you were trying to do with {part}"), "")
    }

    /// What an expression asks for.
    pub fn filter(&self, expression: &Expression<'_>) -> Result<Filter, CsqlError> {
        match &expression.kind {
            Kind::Call(name, arguments) => self.call_filter(name, arguments, expression),
            Kind::Operation(operator, sides) => self.operation(operator, sides, expression),
            Kind::Number(_) | Kind::Text(_) | Kind::Path(_) | Kind::Sign(..) => Err(CsqlError::new(
                format!(
                    "Your search query is required to have at least one boolean operator ({})",
                    COMPARISONS.join(", ")
                ),
                self.part(expression),
            )),
        }
    }

    fn operation(
        &self,
        operator: &str,
        sides: &[Expression<'_>],
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        let (Some(left), Some(right)) = (sides.first(), sides.get(1)) else {
            return Err(self.unclear(whole));
        };
        if let Kind::Call("subcase-count", arguments) = &left.kind {
            return self.subcase_count(arguments, operator, right, whole);
        }
        if matches!(operator, "and" | "or") {
            let filters = sides.iter().map(|side| self.filter(side)).collect::<Result<Vec<_>, _>>()?;
            return Ok(if operator == "and" { Filter::and(filters) } else { Filter::or(filters) });
        }
        if !COMPARISONS.contains(&operator) {
            let message = format!(
                "We don't know what to do with operator '{operator}'. Please try reformatting your query."
            );
            return Err(CsqlError::new(message, self.part(whole)));
        }
        match &left.kind {
            Kind::Path(steps) => {
                let Some((property, path)) = steps.split_last() else { return Err(self.unclear(whole)) };
                let filter = self.comparison(property, operator, right, whole)?;
                if path.is_empty() {
                    return Ok(filter);
                }
                let path = path.iter().map(|step| (*step).to_owned()).collect();
                Ok(Filter::Ancestor { path, filter: Box::new(filter) })
            }
            Kind::Call("subcase-exists", _) => {
                Err(CsqlError::new("XPath incorrectly formatted. Expected 'subcase-count'", self.part(left)))
            }
            _ => Err(self.unclear(whole)),
        }
    }

    fn comparison(
        &self,
        property: &str,
        operator: &str,
        right: &Expression<'_>,
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        let value = self.value(right)?;
        if is_instant(property) {
            return self.instant(property, operator, &value, whole);
        }
        match operator {
            "=" => Ok(self.equals(property, value)),
            "!=" => Ok(self.equals(property, value).negated()),
            _ => self.range(property, operator, &value, whole),
        }
    }

    /// A property is a value, or nearly so where the context is fuzzy.
    pub fn equals(&self, property: &str, value: Value) -> Filter {
        equals(property, value.texts(), self.context)
    }

    fn range(
        &self,
        property: &str,
        operator: &str,
        value: &Value,
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        let property = property.to_owned();
        let number = match value {
            Value::Number(number) => Some(number.float()),
            Value::Text(text) => number(text),
            Value::List(_) => None,
        };
        if let Some(number) = number {
            let (from, before) =
                if operator.starts_with('>') { (Some(number), None) } else { (None, Some(number)) };
            let range = Range { from, before, upper_edge: matches!(operator, ">" | "<=") };
            return Ok(Filter::Leaf(Leaf::Number { property, range }));
        }
        match self.moment(value, whole)? {
            Moment::Day(day) => {
                let range = days(operator, day, &crate::date::Utc);
                Ok(Filter::Leaf(Leaf::Instant { property, range }))
            }
            Moment::Instant(at) => Ok(Filter::Leaf(Leaf::Instant { property, range: around(operator, at) })),
        }
    }

    /// A date or an instant.
    fn moment(&self, value: &Value, whole: &Expression<'_>) -> Result<Moment, CsqlError> {
        let part = self.part(whole);
        let neither = || {
            CsqlError::new(
                "The right hand side of a comparison must be a number or date. Dates must be surrounded in \
                 quotation marks",
                part,
            )
        };
        let Value::Text(text) = value else { return Err(neither()) };
        match (date::date(text), date::instant(text)) {
            (Reading::Good(day), _) => Ok(Moment::Day(day)),
            (_, Reading::Good(at)) => Ok(Moment::Instant(at)),
            (Reading::Impossible, _) | (_, Reading::Impossible) => {
                Err(CsqlError::new(format!("{text} is not a valid date"), part))
            }
            (Reading::Other, Reading::Other) => Err(neither()),
        }
    }

    /// Instants that every case has are compared by the days of the project's zone.
    fn instant(
        &self,
        property: &str,
        operator: &str,
        value: &Value,
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        if operator == "!=" {
            return Ok(self.instant(property, "=", value, whole)?.negated());
        }
        if operator == "=" && matches!(value, Value::Text(text) if text.is_empty()) {
            return Ok(Filter::Leaf(Leaf::Blank { property: property.to_owned() }));
        }
        let range = match self.moment(value, whole)? {
            // The first instant of the next day still counts as that day here, as in CommCare HQ.
            Moment::Day(day) => {
                let upper_edge = matches!(operator, ">" | "<=");
                Range { upper_edge, ..days(operator, day, self.context.zone) }
            }
            Moment::Instant(at) => around(operator, at),
        };
        Ok(Filter::Leaf(Leaf::Instant { property: property.to_owned(), range }))
    }

    /// Exactly so many arguments.
    pub fn arguments(&self, name: &str, count: usize, got: usize, part: &str) -> Result<(), CsqlError> {
        if got == count {
            return Ok(());
        }
        let message = format!("The '{name}' function accepts exactly {count} arguments, got {got}");
        Err(CsqlError::new(message, part))
    }

    fn call_filter(
        &self,
        name: &str,
        arguments: &[Expression<'_>],
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        match functions::query_function(name) {
            Some(function) => function(self, name, arguments, whole),
            None => Err(CsqlError::new(
                format!(
                    "'{name}' is not a valid standalone function. Functions that stand alone are: {}",
                    functions::query_names()
                ),
                self.part(whole),
            )),
        }
    }
}

enum Moment {
    Day(i64),
    Instant(Timestamp),
}

/// Any of some texts; the empty text alone wants what is missing or empty.
pub(crate) fn equals(property: &str, values: Vec<String>, context: &Context<'_>) -> Filter {
    let property = property.to_owned();
    if values.len() == 1 && values[0].is_empty() {
        return Filter::Leaf(Leaf::Blank { property });
    }
    if !context.fuzzy {
        return Filter::Leaf(Leaf::Equals { property, values: sorted(values) });
    }
    Filter::or(values.into_iter().map(|value| fuzzy(&property, &value, context)).collect())
}

/// A property is nearly a text.
pub(crate) fn fuzzy(property: &str, value: &str, context: &Context<'_>) -> Filter {
    let property = property.to_owned();
    if value.is_empty() {
        return Filter::Leaf(Leaf::Blank { property });
    }
    Filter::Leaf(Leaf::Fuzzy { property, text: value.to_lowercase(), prefix: context.fuzzy_prefix })
}

/// Any or all words of some texts.
pub(super) fn selected(property: &str, values: &[String], all: bool) -> Filter {
    let words = values.iter().flat_map(|value| words(value)).collect();
    Filter::Leaf(Leaf::Words { property: property.to_owned(), words, all })
}

/// Instants that compare so with a day.
pub(crate) fn days(operator: &str, day: i64, zone: &dyn date::Zone) -> Range<Timestamp> {
    let (start, end) = (date::day_start(day, zone), date::day_start(day + 1, zone));
    let (from, before) = match operator {
        ">" => (Some(end), None),
        ">=" => (Some(start), None),
        "<" => (None, Some(start)),
        "<=" => (None, Some(end)),
        _ => (Some(start), Some(end)),
    };
    Range { from, before, upper_edge: false }
}

fn around(operator: &str, at: Timestamp) -> Range<Timestamp> {
    let after = Timestamp(at.0.saturating_add(1));
    let (from, before) = match operator {
        ">" => (Some(after), None),
        ">=" => (Some(at), None),
        "<" => (None, Some(at)),
        "<=" => (None, Some(after)),
        _ => (Some(at), Some(after)),
    };
    Range { from, before, upper_edge: false }
}
