//! Conditions on related cases.

use super::CsqlError;
use super::check::Checker;
use super::expression::{Expression, Kind};
use super::value::Number;
use crate::filter::{Count, Filter, number};

impl Checker<'_, '_> {
    pub fn subcase_exists(
        &self,
        arguments: &[Expression<'_>],
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        self.subcases("subcase-exists", arguments, Count::ANY, whole)
    }

    pub fn subcase_count(
        &self,
        arguments: &[Expression<'_>],
        operator: &str,
        right: &Expression<'_>,
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        if !matches!(operator, "=" | "!=" | ">" | "<" | ">=" | "<=") {
            let message = format!("Unsupported operator for use with 'subcase-count': {operator}");
            return Err(CsqlError::new(message, self.part(whole)));
        }
        let right = match &right.kind {
            Kind::Sign('+', inner) => &inner.kind,
            other => other,
        };
        let number = match right {
            Kind::Number(Number::Whole(number)) => Some(*number),
            Kind::Text(text) => number(text).filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as i64),
            Kind::Number(Number::Broken(number)) if number.fract() == 0.0 => Some(*number as i64),
            _ => None,
        };
        let Some(number) = number else {
            let message = "'subcase-count' must be compared to a positive integer";
            return Err(CsqlError::new(message, self.part(whole)));
        };
        self.subcases("subcase-count", arguments, counted(operator, number), whole)
    }

    fn subcases(
        &self,
        name: &str,
        arguments: &[Expression<'_>],
        count: Count,
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        if !(1..=2).contains(&arguments.len()) {
            return Err(CsqlError::new(format!("'{name}' expects one or two arguments"), self.part(whole)));
        }
        let Kind::Text(identifier) = arguments[0].kind else {
            let message = format!("'{name}' error. Index identifier must be a string");
            return Err(CsqlError::new(message, self.part(whole)));
        };
        let filter = arguments.get(1).map_or(Ok(Filter::All), |filter| self.filter(filter))?;
        Ok(Filter::Subcases { identifier: identifier.to_owned(), filter: Box::new(filter), count })
    }

    pub fn ancestor_exists(
        &self,
        name: &str,
        arguments: &[Expression<'_>],
        whole: &Expression<'_>,
    ) -> Result<Filter, CsqlError> {
        self.arguments(name, 2, arguments.len(), self.part(whole))?;
        let path: Vec<String> = match &arguments[0].kind {
            Kind::Path(steps) => steps.iter().map(|step| (*step).to_owned()).collect(),
            Kind::Text(text) if !text.is_empty() => text.split('/').map(str::to_owned).collect(),
            _ => {
                let message =
                    format!("The first argument to '{name}' must be a path of indices, such as parent");
                return Err(CsqlError::new(message, self.part(whole)));
            }
        };
        if path.len() > super::PATH_STEPS_MAX {
            let message = format!("A path may have {} steps at most.", super::PATH_STEPS_MAX);
            return Err(CsqlError::new(message, self.part(whole)));
        }
        self.without_subcases(&arguments[1])?;
        Ok(Filter::Ancestor { path, filter: Box::new(self.filter(&arguments[1])?) })
    }

    /// What the original refuses: subcases of an ancestor, alone or among conditions.
    fn without_subcases(&self, expression: &Expression<'_>) -> Result<(), CsqlError> {
        match &expression.kind {
            Kind::Call(name @ ("subcase-exists" | "subcase-count"), _) => {
                let message = format!("{name} is not supported with ancestor-exists");
                Err(CsqlError::new(message, self.part(expression)))
            }
            Kind::Operation("and" | "or", sides) => sides.iter().try_for_each(|s| self.without_subcases(s)),
            _ => Ok(()),
        }
    }
}

/// A comparison in one of the two forms.
fn counted(operator: &str, number: i64) -> Count {
    let (mut more, number, mut inverted) = match operator {
        "<" => (true, number - 1, true),
        "<=" => (true, number, true),
        ">=" => (true, number - 1, false),
        ">" => (true, number, false),
        "!=" => (false, number, true),
        _ => (false, number, false),
    };
    if !more && number == 0 {
        more = true;
        inverted = !inverted;
    }
    Count { more, number, inverted }
}
