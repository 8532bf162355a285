//! Entries and the data they need.

use std::sync::Arc;

use roxmltree::Node;

use super::Parser;
use super::xml::{self, attribute, elements, name};
use crate::error::Error;
use crate::suite::{Datum, DatumKind, EntityDatum, Entry, EntryKind, Parameter, Post};

/// How many may be chosen where the suite does not say.
const MULTIPLE_DEFAULT: usize = 100;

impl Parser<'_> {
    pub fn entry(&self, node: Node<'_, '_>) -> Result<Entry, Error> {
        let kind = name(node);
        let mut form = None;
        let mut command = "";
        let mut display = None;
        let mut data = Vec::new();
        let mut stack = Vec::new();
        let mut post = None;
        for child in elements(node) {
            match name(child) {
                "form" if kind == "view" => {
                    return Err(Error::package(format!("A <view> has no form: {}", xml::place(child))));
                }
                "form" => form = Some(xml::trim(&xml::text_of(child)).into()),
                "command" => {
                    command = attribute(child, "id").unwrap_or_default();
                    display = self.shown(child)?;
                }
                "session" => {
                    for datum in elements(child) {
                        data.push(Arc::new(self.datum(datum)?));
                    }
                }
                "entity" | "details" => {
                    return Err(Error::package(format!(
                        "Elements of old suites are not read: {}",
                        xml::place(child)
                    )));
                }
                "stack" => stack.extend(self.operations(child)?),
                "post" => post = Some(self.post(child)?),
                _ => {}
            }
        }
        let display = display.ok_or_else(|| {
            Error::package(format!("<entry> block must define display text details: {}", xml::place(node)))
        })?;
        let view = kind == "view" || (kind == "entry" && form.is_none() && stack.is_empty());
        if kind == "remote-request" && post.is_none() {
            return Err(Error::package(format!(
                "remote-request must contain a <post> element: {}",
                xml::place(node)
            )));
        }
        Ok(Entry {
            kind: match kind {
                _ if view => EntryKind::View,
                "remote-request" => EntryKind::RemoteRequest,
                _ => EntryKind::Form,
            },
            command: command.into(),
            display,
            form: if view { None } else { form },
            data,
            instances: self.instances(node),
            stack,
            assertions: self.assertions(node)?,
            post: if view { None } else { post },
        })
    }

    fn post(&self, node: Node<'_, '_>) -> Result<Post, Error> {
        Ok(Post {
            url: self.url(node, "url")?,
            relevant: self.optional(node, "relevant")?,
            data: self.parameters(node)?,
        })
    }

    /// An attribute that must be an absolute address.
    pub fn url(&self, node: Node<'_, '_>, key: &str) -> Result<Box<str>, Error> {
        match attribute(node, key) {
            Some(url) if url.contains(':') => Ok(url.into()),
            _ => Err(Error::package(format!("{} needs a valid '{key}' attribute", xml::place(node)))),
        }
    }

    /// The `<data>` children of an element.
    pub fn parameters(&self, node: Node<'_, '_>) -> Result<Vec<Parameter>, Error> {
        let mut out = Vec::new();
        for child in elements(node).filter(|child| name(*child) == "data") {
            let reference = attribute(child, "ref").ok_or_else(|| {
                Error::package(format!("{} must define a 'ref' attribute", xml::place(child)))
            })?;
            out.push(Parameter {
                key: attribute(child, "key").unwrap_or_default().into(),
                value: self.expr(reference, child, "ref")?,
                nodeset: self.optional(child, "nodeset")?,
                exclude: self.optional(child, "exclude")?,
            });
        }
        Ok(out)
    }

    fn datum(&self, node: Node<'_, '_>) -> Result<Datum, Error> {
        let id: Box<str> = attribute(node, "id").unwrap_or_default().into();
        let kind = name(node);
        if kind == "query" {
            return self.query(node);
        }
        if !matches!(kind, "datum" | "instance-datum" | "form") {
            return Err(Error::package(format!("{} is no datum", xml::place(node))));
        }
        if let Some(function) = self.optional(node, "function")? {
            let kind = if kind == "form" { DatumKind::Form(function) } else { DatumKind::Computed(function) };
            return Ok(Datum { id, kind });
        }
        let nodeset = attribute(node, "nodeset")
            .ok_or_else(|| Error::package(format!("Expected @nodeset in {}", xml::place(node))))?;
        let value = attribute(node, "value").unwrap_or("./@case_id");
        let multiple = match attribute(node, "max-select-value").filter(|text| !text.is_empty()) {
            None => MULTIPLE_DEFAULT,
            Some(text) => text.parse().map_err(|_| {
                Error::package(format!("max-select-value must be a whole number: {}", xml::place(node)))
            })?,
        };
        let text = |key| attribute(node, key).map(Into::into);
        Ok(Datum {
            id,
            kind: DatumKind::Entity(Box::new(EntityDatum {
                nodeset: self.expr(nodeset, node, "nodeset")?,
                one: self.expr(
                    &with_first_predicate(nodeset, &format!("{value} = $entity_id")),
                    node,
                    "nodeset",
                )?,
                value: self.expr(value, node, "value")?,
                short: text("detail-select"),
                long: text("detail-confirm"),
                inline: text("detail-inline"),
                persistent: text("detail-persistent"),
                auto_select: attribute(node, "autoselect") == Some("true"),
                multiple: (kind == "instance-datum").then_some(multiple),
            })),
        })
    }
}

/// Adds a predicate to the last step of a path, before its others.
fn with_first_predicate(path: &str, predicate: &str) -> String {
    let (mut depth, mut quote, mut step) = (0usize, None, 0);
    let mut end = None;
    for (at, c) in path.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '(') => {
                if c == '[' && depth == 0 && end.is_none() {
                    end = Some(at);
                }
                depth += 1;
            }
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, '/') if depth == 0 => (step, end) = (at + 1, None),
            _ => {}
        }
    }
    let at = end.unwrap_or(path.trim_end().len()).max(step);
    format!("{}[{predicate}]{}", &path[..at], &path[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_predicate_comes_first_at_the_last_step() {
        for (path, expected) in [
            ("/a/b", "/a/b[x]"),
            ("instance('c')/d/e[@t='/'][f]", "instance('c')/d/e[x][@t='/'][f]"),
            ("instance('c')/d[e/f = 1]/g ", "instance('c')/d[e/f = 1]/g[x] "),
        ] {
            assert_eq!(with_first_predicate(path, "x"), expected);
        }
    }
}
