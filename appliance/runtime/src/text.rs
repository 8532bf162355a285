//! Texts of an application: literals, translations with arguments, expressions, and sequences of them.

use bolster_xpath::{Expr, NodeRef, Value};

use crate::env::{Env, Variables};
use crate::error::Error;

/// Where a text comes from.
#[derive(Debug, Default)]
pub enum Text {
    /// Nothing was written.
    #[default]
    Empty,
    /// As written.
    Literal(Box<str>),
    /// A translation.
    Locale {
        /// Its key, which may itself be computed.
        key: Box<Text>,
        /// What fills its placeholders.
        arguments: Vec<Text>,
    },
    /// The result of an expression, as text.
    Expression(Box<Computed>),
    /// One after the other.
    Sequence(Vec<Text>),
}

/// An expression with the texts it refers to as variables.
#[derive(Debug)]
pub struct Computed {
    /// What is evaluated.
    pub expr: Expr,
    /// Name and text of each variable.
    pub variables: Vec<(Box<str>, Text)>,
}

impl Text {
    /// The text where there is no data: titles of menus, which may use no instance.
    pub fn plain(&self, env: &Env<'_>) -> Result<String, Error> {
        self.evaluate(env, None, &[])
    }

    /// The text at a node.
    pub fn evaluate(
        &self,
        env: &Env<'_>,
        node: Option<NodeRef<'_>>,
        variables: &Variables,
    ) -> Result<String, Error> {
        match self {
            Text::Empty => Ok(String::new()),
            Text::Literal(text) => Ok(text.to_string()),
            Text::Locale { key, arguments } => {
                let values = arguments
                    .iter()
                    .map(|text| text.evaluate(env, node, variables))
                    .collect::<Result<Vec<_>, _>>()?;
                match &**key {
                    Text::Literal(key) => env.cx.locale(key, &values),
                    key => env.cx.locale(&key.evaluate(env, node, variables)?, &values),
                }
            }
            Text::Expression(computed) => computed.evaluate(env, node, variables),
            Text::Sequence(parts) => {
                let mut out = String::new();
                for part in parts {
                    out.push_str(&part.evaluate(env, node, variables)?);
                }
                Ok(out)
            }
        }
    }
}

impl Computed {
    fn evaluate(
        &self,
        env: &Env<'_>,
        node: Option<NodeRef<'_>>,
        variables: &Variables,
    ) -> Result<String, Error> {
        if self.variables.is_empty() {
            return env.text(&self.expr, node, variables);
        }
        let mut all = variables.to_vec();
        for (name, text) in &self.variables {
            let value = text.evaluate(env, node, variables)?;
            all.retain(|(known, _)| **known != **name);
            all.push((name.clone(), Value::text(value)));
        }
        env.text(&self.expr, node, &all)
    }
}

/// What a command, prompt or action shows.
#[derive(Debug, Default)]
pub struct Display {
    /// The name.
    pub text: Text,
    /// A reference to a picture.
    pub image: Option<Text>,
    /// A reference to a sound.
    pub audio: Option<Text>,
    /// A short text in a corner.
    pub badge: Option<Text>,
    /// More about it.
    pub hint: Option<Text>,
}

impl Text {
    /// Whether an expression in it names an instance.
    pub fn mentions(&self, instance: &str) -> bool {
        match self {
            Text::Empty | Text::Literal(_) => false,
            Text::Locale { key, arguments } => {
                key.mentions(instance) || arguments.iter().any(|text| text.mentions(instance))
            }
            Text::Expression(computed) => {
                crate::screen::mentions(computed.expr.text(), instance)
                    || computed.variables.iter().any(|(_, text)| text.mentions(instance))
            }
            Text::Sequence(parts) => parts.iter().any(|text| text.mentions(instance)),
        }
    }
}
