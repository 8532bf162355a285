//! Texts and displays.

use roxmltree::Node;

use super::Parser;
use super::xml::{self, attribute, elements, name};
use crate::error::Error;
use crate::text::{Computed, Display, Text};

/// A translation takes this many arguments at most.
const ARGUMENTS_MAX: usize = 10;

impl Parser<'_> {
    /// The text of a `<text>`, or of anything with the same content.
    pub fn text(&self, node: Node<'_, '_>) -> Result<Text, Error> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        for child in node.children() {
            if child.is_text() {
                literal.push_str(xml::trim(child.text().unwrap_or_default()));
                continue;
            }
            if !child.is_element() {
                continue;
            }
            flush(&mut literal, &mut parts);
            match name(child) {
                "xpath" => parts.push(self.computed(child)?),
                "locale" => parts.push(self.locale(child)?),
                "value" => parts.push(self.text(child)?),
                _ => {}
            }
        }
        flush(&mut literal, &mut parts);
        Ok(match parts.len() {
            0 => Text::Empty,
            1 => parts.remove(0),
            _ => Text::Sequence(parts),
        })
    }

    /// The `<text>` below an element, if there is one.
    pub fn text_below(&self, node: Node<'_, '_>) -> Result<Option<Text>, Error> {
        xml::child(node, "text").map(|text| self.text(text)).transpose()
    }

    fn computed(&self, node: Node<'_, '_>) -> Result<Text, Error> {
        let function = attribute(node, "function").unwrap_or_default();
        let expr = self.expr(&format!("string({function})"), node, "function")?;
        let mut variables = Vec::new();
        for child in elements(node).filter(|child| name(*child) == "variable") {
            variables.push((attribute(child, "name").unwrap_or_default().into(), self.text(child)?));
        }
        Ok(Text::Expression(Box::new(Computed { expr, variables })))
    }

    fn locale(&self, node: Node<'_, '_>) -> Result<Text, Error> {
        let key = match attribute(node, "id") {
            Some(id) => Text::Literal(id.into()),
            None => match xml::child(node, "id") {
                Some(id) => self.text(id)?,
                None => return Err(Error::package(format!("A <locale> without id at {}", xml::place(node)))),
            },
        };
        let arguments =
            elements(node).filter(|child| name(*child) == "argument").map(|child| self.text(child));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        if arguments.len() > ARGUMENTS_MAX {
            return Err(Error::package(format!(
                "More than {ARGUMENTS_MAX} arguments in {}",
                xml::place(node)
            )));
        }
        Ok(Text::Locale { key: Box::new(key), arguments })
    }

    /// A `<display>`.
    pub fn display(&self, node: Node<'_, '_>) -> Result<Display, Error> {
        let mut display = Display::default();
        for child in elements(node) {
            match name(child) {
                "text" => {
                    let text = self.text(child)?;
                    match attribute(child, "form") {
                        Some("image") => display.image = Some(text),
                        Some("audio") => display.audio = Some(text),
                        Some("badge") => display.badge = Some(text),
                        _ => display.text = text,
                    }
                }
                "media" => {
                    let literal = |key| attribute(child, key).map(|path| Text::Literal(path.into()));
                    display.image = literal("image").or(display.image);
                    display.audio = literal("audio").or(display.audio);
                }
                "hint" => display.hint = self.text_below(child)?,
                _ => {}
            }
        }
        Ok(display)
    }

    /// What a command, menu, title or prompt shows: the first `<text>` or `<display>` below it.
    pub fn shown(&self, node: Node<'_, '_>) -> Result<Option<Display>, Error> {
        match elements(node).find(|child| matches!(name(*child), "text" | "display")) {
            None => Ok(None),
            Some(child) if name(child) == "text" => {
                Ok(Some(Display { text: self.text(child)?, ..Display::default() }))
            }
            Some(child) => self.display(child).map(Some),
        }
    }
}

fn flush(literal: &mut String, parts: &mut Vec<Text>) {
    if !literal.is_empty() {
        parts.push(Text::Literal(std::mem::take(literal).into()));
    }
}
