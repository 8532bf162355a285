//! Charts.

use roxmltree::Node;

use super::Parser;
use super::xml::{self, attribute, elements, name};
use crate::error::Error;
use crate::graph::{Annotation, Graph, Series};
use crate::text::Text;
use bolster_xpath::Expr;

impl Parser<'_> {
    /// The chart of a template.
    pub fn graph(&self, template: Node<'_, '_>) -> Result<Graph, Error> {
        let node = xml::child(template, "graph").unwrap_or(template);
        let kind = attribute(node, "type")
            .ok_or_else(|| Error::package(format!("Expected attribute @type for {}", xml::place(node))))?;
        let mut graph = Graph { kind: kind.into(), ..Graph::default() };
        for child in elements(node) {
            match name(child) {
                "configuration" => graph.configuration.extend(self.configuration(child)?),
                "series" => graph.series.push(self.series(child)?),
                "annotation" => {
                    let part = |at: &str| match xml::child(child, at) {
                        Some(part) => Ok(self.text_below(part)?.unwrap_or(Text::Empty)),
                        None => Ok::<_, Error>(Text::Empty),
                    };
                    graph.annotations.push(Annotation {
                        x: part("x")?,
                        y: part("y")?,
                        text: self.text_below(child)?.unwrap_or(Text::Empty),
                    });
                }
                _ => {}
            }
        }
        Ok(graph)
    }

    fn configuration(&self, node: Node<'_, '_>) -> Result<Vec<(Box<str>, Text)>, Error> {
        let texts = elements(node).filter(|child| name(*child) == "text");
        texts
            .map(|child| Ok((attribute(child, "id").unwrap_or_default().into(), self.text(child)?)))
            .collect()
    }

    fn series(&self, node: Node<'_, '_>) -> Result<Series, Error> {
        let nodeset = attribute(node, "nodeset").unwrap_or_default();
        let mut series = Series {
            nodeset: self.expr(nodeset, node, "nodeset")?,
            x: None,
            y: None,
            radius: None,
            configuration: Vec::new(),
        };
        for child in elements(node) {
            match name(child) {
                "configuration" => series.configuration.extend(self.configuration(child)?),
                "x" => series.x = Some(self.point(child)?),
                "y" => series.y = Some(self.point(child)?),
                "radius" => series.radius = Some(self.point(child)?),
                _ => {}
            }
        }
        Ok(series)
    }

    /// A coordinate as written, and as an expression that gives text.
    fn point(&self, node: Node<'_, '_>) -> Result<(Box<str>, Expr), Error> {
        let function = attribute(node, "function").unwrap_or_default();
        Ok((function.into(), self.expr(&format!("string({function})"), node, "function")?))
    }
}
