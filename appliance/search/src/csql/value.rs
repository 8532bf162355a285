//! Values: what stands on the right of a comparison.

use super::CsqlError;
use super::check::Checker;
use super::expression::{Expression, Kind};

/// A number as it was written: whole numbers stay whole.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    /// Without a point.
    Whole(i64),
    /// With one, or too large.
    Broken(f64),
}

impl Number {
    /// From digits with or without a point.
    pub(super) fn literal(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Broken(text.parse().unwrap_or(f64::INFINITY)), Self::Whole)
    }

    /// As a number.
    pub fn float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Broken(number) => number,
        }
    }

    /// As text is compared with it.
    pub fn text(self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Broken(number) => format!("{number:?}"),
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::Whole(number) => Self::Whole(number.saturating_neg()),
            Self::Broken(number) => Self::Broken(-number),
        }
    }
}

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Text; dates are text too.
    Text(String),
    /// A number.
    Number(Number),
    /// Any of several texts.
    List(Vec<String>),
}

impl Value {
    /// All texts that it stands for.
    pub fn texts(self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text],
            Self::Number(number) => vec![number.text()],
            Self::List(texts) => texts,
        }
    }
}

impl Checker<'_, '_> {
    /// What a literal or a value function comes to.
    pub fn value(&self, expression: &Expression<'_>) -> Result<Value, CsqlError> {
        let part = self.part(expression);
        match &expression.kind {
            Kind::Text(text) => Ok(Value::Text((*text).to_owned())),
            Kind::Number(number) => Ok(Value::Number(*number)),
            Kind::Sign('-', inner) => match self.value(inner)? {
                Value::Number(number) => Ok(Value::Number(number.negated())),
                Value::Text(_) | Value::List(_) => Err(CsqlError::new("Only a number can be negative", part)),
            },
            Kind::Call(name, arguments) => self.call_value(name, arguments, part),
            Kind::Path(_) => Err(CsqlError::new(
                format!(
                    "You cannot reference a case property on the right side of a boolean operation. If \"{part}\" \
                     is meant to be a value, please surround it with quotation marks."
                ),
                part,
            )),
            Kind::Sign(..) | Kind::Operation(..) => Err(self.unclear(expression)),
        }
    }
}
