//! Values and their conversions.

use std::borrow::Cow;

use crate::context::{Context, Host, Zone};
use crate::date;
use crate::error::Error;
use crate::source::{DataSource, NodeId, NodeList, NodeValue};

/// A node with the instance it belongs to.
#[derive(Clone, Copy)]
pub struct NodeRef<'a> {
    /// The id of the instance; nothing for the main instance.
    pub instance: Option<&'a str>,
    /// Where it lives.
    pub source: &'a dyn DataSource,
    /// Which one.
    pub node: NodeId,
}

impl NodeRef<'_> {
    /// Whether both mean the same node of the same instance.
    pub fn same(&self, other: &NodeRef<'_>) -> bool {
        self.node == other.node && self.instance == other.instance
    }

    /// The reference as a person writes it: `/data/visit[2]/kg[1]`, `instance('casedb')/casedb/case[3]/@case_id`.
    pub fn path(&self) -> String {
        let mut levels = Vec::new();
        let mut node = Some(self.node);
        while let Some(n) = node {
            let name = self.source.names().text(self.source.name(n));
            let parent = self.source.parent(n);
            levels.push(if self.source.is_attribute(n) {
                format!("@{name}")
            } else if parent.is_none() {
                name.to_string()
            } else {
                format!("{name}[{}]", self.source.position(n) + 1)
            });
            node = parent;
        }
        levels.reverse();
        match self.instance {
            Some(id) => format!("instance('{id}')/{}", levels.join("/")),
            None => format!("/{}", levels.join("/")),
        }
    }
}

impl std::fmt::Debug for NodeRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path())
    }
}

/// Nodes of one instance, in document order.
#[derive(Clone)]
pub struct Nodeset<'a> {
    /// The id of the instance; nothing for the main instance.
    pub instance: Option<&'a str>,
    /// Where they live.
    pub source: &'a dyn DataSource,
    /// The members.
    pub nodes: NodeList,
    /// Set if the path does not exist in the structure of the instance: what any use as a value raises.
    pub invalid: Option<Box<Error>>,
}

impl<'a> Nodeset<'a> {
    /// The members with their instance.
    pub fn iter(&self) -> impl Iterator<Item = NodeRef<'a>> + '_ {
        self.nodes.iter().map(|&node| NodeRef { instance: self.instance, source: self.source, node })
    }

    /// One value: the only member's, the empty text if there is none, an error for several or a path that does not
    /// exist.
    pub fn unpack(&self, context: &Context<'a>) -> Result<Value<'a>, Error> {
        if let Some(error) = &self.invalid {
            return Err((**error).clone());
        }
        match *self.nodes {
            [] => Ok(Value::Text(Cow::Borrowed(""))),
            [node] => {
                let here = NodeRef { instance: self.instance, source: self.source, node };
                Ok(node_value(here, context))
            }
            _ => {
                let mut refs = self.iter().take(20).map(|n| n.path()).collect::<Vec<_>>().join(";");
                if self.nodes.len() > 20 {
                    refs.push_str(";…");
                }
                Err(Error::type_mismatch(format!(
                    "XPath nodeset has more than one node [{refs}]; cannot convert multiple nodes to a raw value. \
                     Refine path expression to match only one node."
                )))
            }
        }
    }
}

impl std::fmt::Debug for Nodeset<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The value of one node: the candidate for the node under test.
#[inline]
pub(crate) fn node_value<'a>(node: NodeRef<'a>, context: &Context<'a>) -> Value<'a> {
    if let Some(candidate) = context.candidate
        && context.node.is_some_and(|own| own.same(&node))
    {
        return candidate.into();
    }
    node.source.value(node.node).into()
}

/// What an expression gives.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// True or false.
    Boolean(bool),
    /// A double.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// An instant, in milliseconds since 1970-01-01T00:00:00Z.
    Date(i64),
    /// Nodes.
    Nodes(Nodeset<'a>),
    /// Texts, made by `distinct-values`.
    Sequence(Vec<Value<'a>>),
}

impl<'a> From<NodeValue<'a>> for Value<'a> {
    #[inline]
    fn from(value: NodeValue<'a>) -> Self {
        match value {
            NodeValue::Empty => Value::Text(Cow::Borrowed("")),
            NodeValue::Text(text) => Value::Text(Cow::Borrowed(text)),
            NodeValue::Number(n) => Value::Number(n),
            NodeValue::Boolean(b) => Value::Boolean(b),
            NodeValue::Date(ms) => Value::Date(ms),
        }
    }
}

impl<'a> Value<'a> {
    /// Text that lives as long as the data.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Value::Text(text.into())
    }

    /// A nodeset turned into the value of its only node; other values as they are.
    #[inline]
    pub fn unpack(self, context: &Context<'a>) -> Result<Value<'a>, Error> {
        match self {
            Value::Nodes(nodes) => nodes.unpack(context),
            other => Ok(other),
        }
    }

    /// Conversion to a truth value.
    pub fn to_boolean(&self, context: &Context<'a>) -> Result<bool, Error> {
        Ok(match self {
            Value::Boolean(b) => *b,
            Value::Number(n) => n.abs() > 1e-12,
            Value::Text(text) => !text.is_empty(),
            Value::Date(_) => true,
            Value::Nodes(nodes) => return nodes.unpack(context)?.to_boolean(context),
            Value::Sequence(_) => return Err(Error::type_mismatch("converting a sequence to boolean")),
        })
    }

    /// Conversion to a number; dates count whole days since 1970-01-01.
    pub fn to_number(&self, context: &Context<'a>) -> Result<f64, Error> {
        Ok(match self {
            Value::Boolean(b) => f64::from(u8::from(*b)),
            Value::Number(n) => *n,
            Value::Text(text) => text_to_number(text, context.host),
            Value::Date(ms) => date::day_number(*ms, context.host) as f64,
            Value::Nodes(nodes) => return nodes.unpack(context)?.to_number(context),
            Value::Sequence(_) => return Err(Error::type_mismatch("converting a sequence to numeric")),
        })
    }

    /// Conversion to a number truncated toward zero; NaN and infinities stay.
    pub fn to_int(&self, context: &Context<'a>) -> Result<f64, Error> {
        Ok(self.to_number(context)?.trunc())
    }

    /// Conversion to text.
    pub fn to_text(&self, context: &Context<'a>) -> Result<Cow<'a, str>, Error> {
        Ok(match self {
            Value::Boolean(true) => Cow::Borrowed("true"),
            Value::Boolean(false) => Cow::Borrowed("false"),
            Value::Number(n) => Cow::Owned(format_number(*n)),
            Value::Text(text) => text.clone(),
            Value::Date(ms) => Cow::Owned(date::day_text(*ms, context.host)),
            Value::Nodes(nodes) => return nodes.unpack(context)?.to_text(context),
            Value::Sequence(_) => return Err(Error::type_mismatch("converting a sequence to string")),
        })
    }

    /// Conversion to a date: a [`Value::Date`], or the empty text or NaN as they were.
    pub fn to_date(&self, context: &Context<'a>) -> Result<Value<'a>, Error> {
        let host = context.host;
        Ok(match self {
            Value::Nodes(nodes) => return nodes.unpack(context)?.to_date(context),
            Value::Number(n) if n.is_nan() => Value::Number(*n),
            Value::Number(n) => {
                if *n > 2147483647.0 || *n < -2147483648.0 {
                    return Err(Error::type_mismatch(format!(
                        "converting out-of-range value {} to date",
                        format_number(*n)
                    )));
                }
                Value::Date(date::midnight(*n as i64, host))
            }
            Value::Text(text) if text.is_empty() => Value::Text(Cow::Borrowed("")),
            Value::Text(text) => Value::Date(
                date::parse_date_time(text, host)
                    .ok_or_else(|| Error::type_mismatch(format!("converting string {text} to date")))?,
            ),
            Value::Date(ms) => Value::Date(date::midnight(date::day_number(*ms, host), host)),
            Value::Boolean(_) => return Err(Error::type_mismatch("converting boolean to date")),
            Value::Sequence(_) => return Err(Error::type_mismatch("converting a sequence to date")),
        })
    }
}

/// §4.1: a decimal without sign tricks, exponent or names; or a calendar day; else NaN.
pub(crate) fn text_to_number(text: &str, host: &dyn Host) -> f64 {
    if (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.bytes().fold(0u64, |n, b| n * 10 + u64::from(b - b'0')) as f64;
    }
    let text = text.trim_matches(|c: char| c <= ' ');
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'.') {
        return f64::NAN;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().any(|b| b.is_ascii_digit())
        && !digits.contains('-')
        && let Ok(n) = text.parse::<f64>()
    {
        return n;
    }
    date::parse_day(text).map_or(f64::NAN, |days| date::day_number(date::midnight(days, host), host) as f64)
}

/// The text of a number, to the digit.
pub fn format_number(n: f64) -> String {
    if n.is_nan() {
        return "NaN".into();
    }
    if n.abs() < 1e-12 {
        return "0".into();
    }
    if n.is_infinite() {
        return if n > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let whole = n as i32;
    if (n - f64::from(whole)).abs() < 1e-12 {
        return whole.to_string();
    }
    java_double(n)
}

/// The text Java gives a double: plain between 1e-3 and 1e7, else with an exponent.
pub fn java_double(n: f64) -> String {
    if n.is_nan() {
        return "NaN".into();
    }
    if n.is_infinite() {
        return if n > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    if n == 0.0 {
        return if n.is_sign_negative() { "-0.0" } else { "0.0" }.into();
    }
    if (1e-3..1e7).contains(&n.abs()) {
        let text = format!("{n}");
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{n:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}

/// Fractional days since 1970-01-01 in the zone of the process, with changes of its offset removed.
pub(crate) fn fractional_days(ms: i64, host: &dyn Host) -> f64 {
    let local = ms.saturating_add(host.offset_ms(Zone::Process, ms));
    local as f64 / 86_400_000.0
}
