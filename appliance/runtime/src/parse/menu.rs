//! Menus and assertions.

use roxmltree::Node;

use super::Parser;
use super::xml::{self, attribute, elements, name};
use crate::error::Error;
use crate::suite::{Assertion, Command, Menu, ROOT};
use crate::text::Text;

impl Parser<'_> {
    pub fn menu(&self, node: Node<'_, '_>) -> Result<Menu, Error> {
        let display = self.shown(node)?.ok_or_else(|| {
            Error::package(format!("Expected either <text> or <display> in {}", xml::place(node)))
        })?;
        let mut commands = Vec::new();
        for child in elements(node).filter(|child| name(*child) == "command") {
            let id = attribute(child, "id").unwrap_or_default().into();
            commands.push(Command { id, relevant: self.optional(child, "relevant")? });
        }
        Ok(Menu {
            id: attribute(node, "id").unwrap_or_default().into(),
            root: attribute(node, "root").unwrap_or(ROOT).into(),
            relevant: self.optional(node, "relevant")?,
            style: attribute(node, "style").map(Into::into),
            display,
            commands,
            instances: self.instances(node),
            assertions: self.assertions(node)?,
        })
    }

    /// The assertions below an element.
    pub fn assertions(&self, node: Node<'_, '_>) -> Result<Vec<Assertion>, Error> {
        let mut out = Vec::new();
        for child in xml::child(node, "assertions").into_iter().flat_map(elements) {
            let test = attribute(child, "test").ok_or_else(|| {
                Error::package(format!("An assertion without test at {}", xml::place(child)))
            })?;
            let message = self.text_below(child)?.unwrap_or(Text::Empty);
            out.push(Assertion { test: self.expr(test, child, "test")?, message });
        }
        Ok(out)
    }
}
