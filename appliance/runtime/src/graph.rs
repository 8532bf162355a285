//! Charts: what is drawn, evaluated at a node. Drawing is the business of front ends.

use bolster_xpath::{Expr, NodeRef, Value};

use crate::env::{Env, Variables};
use crate::error::Error;
use crate::text::Text;

/// A chart of a field.
#[derive(Debug, Default)]
pub struct Graph {
    /// `xy`, `bubble`, `bar` or `time`.
    pub kind: Box<str>,
    /// Settings by name; those called `var-…` are variables for the rest.
    pub configuration: Vec<(Box<str>, Text)>,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Notes at points.
    pub annotations: Vec<Annotation>,
}

/// Points of a chart.
#[derive(Debug)]
pub struct Series {
    /// A node for each point.
    pub nodeset: Expr,
    /// Horizontal place, as written and compiled.
    pub x: Option<(Box<str>, Expr)>,
    /// Vertical place.
    pub y: Option<(Box<str>, Expr)>,
    /// Size of a bubble.
    pub radius: Option<(Box<str>, Expr)>,
    /// Settings by name.
    pub configuration: Vec<(Box<str>, Text)>,
}

/// A note at a point.
#[derive(Debug)]
pub struct Annotation {
    /// Horizontal place.
    pub x: Text,
    /// Vertical place.
    pub y: Text,
    /// What it says.
    pub text: Text,
}

/// A chart with its data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraphData {
    /// `xy`, `bubble`, `bar` or `time`.
    pub kind: String,
    /// Settings by name.
    pub configuration: Vec<(String, String)>,
    /// What is drawn.
    pub series: Vec<SeriesData>,
    /// Notes: x, y, text.
    pub annotations: Vec<(String, String, String)>,
}

/// Points with their settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesData {
    /// Settings by name.
    pub configuration: Vec<(String, String)>,
    /// x, y, and the radius of a bubble.
    pub points: Vec<(String, String, Option<String>)>,
}

const VARIABLE: &str = "var-";
/// A setting that has a value for each point.
const PER_POINT: &str = "bar-color";

/// A setting by name.
pub fn setting<'c>(configuration: &'c [(String, String)], key: &str) -> Option<&'c str> {
    configuration.iter().rev().find(|(known, _)| known == key).map(|(_, value)| &**value)
}

impl Graph {
    /// The chart at a node.
    pub fn evaluate(
        &self,
        env: &Env<'_>,
        node: Option<NodeRef<'_>>,
        variables: &Variables,
    ) -> Result<GraphData, Error> {
        let mut own = variables.to_vec();
        let configuration = configure(&self.configuration, env, node, &mut own)?;
        let mut data = GraphData { kind: self.kind.to_string(), configuration, ..GraphData::default() };
        for series in &self.series {
            data.series.push(series.evaluate(&self.kind, env, node, &own)?);
        }
        for note in &self.annotations {
            let text = |text: &Text| text.evaluate(env, node, &own);
            data.annotations.push((text(&note.x)?, text(&note.y)?, text(&note.text)?));
        }
        Ok(data)
    }
}

fn configure(
    texts: &[(Box<str>, Text)],
    env: &Env<'_>,
    node: Option<NodeRef<'_>>,
    variables: &mut Vec<(Box<str>, Value<'static>)>,
) -> Result<Vec<(String, String)>, Error> {
    for (key, text) in texts {
        if let Some(name) = key.strip_prefix(VARIABLE) {
            let value = text.evaluate(env, node, variables)?;
            variables.push((name.into(), Value::text(value)));
        }
    }
    let mut out = Vec::new();
    for (key, text) in texts.iter().filter(|(key, _)| !key.starts_with(VARIABLE)) {
        out.push((key.to_string(), text.evaluate(env, node, variables)?));
    }
    Ok(out)
}

impl Series {
    fn evaluate(
        &self,
        kind: &str,
        env: &Env<'_>,
        node: Option<NodeRef<'_>>,
        variables: &Variables,
    ) -> Result<SeriesData, Error> {
        let mut data = SeriesData::default();
        let per_point = self.configuration.iter().find(|(key, _)| &**key == PER_POINT);
        let mut colors = Vec::new();
        for place in env.nodes(&self.nodeset, node, variables)?.iter() {
            if let Some((_, text)) = per_point {
                colors.push(format!("'{}'", text.evaluate(env, Some(place), variables)?));
            }
            let at = |part: &Option<(Box<str>, Expr)>| match part {
                None => Ok(None),
                Some((_, expr)) => {
                    env.text(expr, Some(place), variables).map(|text| Some(text).filter(|t| !t.is_empty()))
                }
            };
            if let (Some(x), Some(y)) = (at(&self.x)?, at(&self.y)?) {
                let radius = if kind == "bubble" { at(&self.radius)? } else { None };
                data.points.push((x, y, radius));
            }
        }
        let mut own = variables.to_vec();
        let rest: Vec<&(Box<str>, Text)> =
            self.configuration.iter().filter(|(key, _)| &**key != PER_POINT).collect();
        for (key, text) in &rest {
            if let Some(name) = key.strip_prefix(VARIABLE) {
                let value = text.evaluate(env, node, &own)?;
                own.push((name.into(), Value::text(value)));
            }
        }
        for (key, text) in rest.iter().filter(|(key, _)| !key.starts_with(VARIABLE)) {
            data.configuration.push((key.to_string(), text.evaluate(env, node, &own)?));
        }
        if per_point.is_some() {
            data.configuration.push((PER_POINT.into(), format!("[{}]", colors.join(","))));
        }
        let written = |part: &Option<(Box<str>, Expr)>| part.as_ref().map(|(text, _)| text.to_string());
        for (key, part) in [("name", &self.y), ("x-name", &self.x)] {
            if setting(&data.configuration, key).is_none()
                && let Some(text) = written(part)
            {
                data.configuration.push((key.into(), text));
            }
        }
        Ok(data)
    }
}
