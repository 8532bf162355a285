//! From the XML of a suite to its model. Every expression is compiled here, once.

mod detail;
mod entry;
mod graph;
mod menu;
mod query;
mod stack;
mod texts;
pub mod tree;
pub mod xml;

use std::sync::Arc;

use bolster_xpath::{Expr, Names};
use roxmltree::Node;

use crate::error::Error;
use crate::profile::location;
use crate::suite::{InstanceRef, Suite};
use xml::{attribute, elements, name};

/// Reads parts of a suite; names of steps are interned in one table.
pub(crate) struct Parser<'n> {
    pub names: &'n Names,
}

impl Parser<'_> {
    /// Compiles an expression; `what` says whose it is, for the author.
    pub fn expr(&self, text: &str, node: Node<'_, '_>, what: &str) -> Result<Expr, Error> {
        Expr::parse(text, self.names).map_err(|e| {
            Error::package(format!("Invalid XPath Expression : {text} ({what} of {}). {e}", xml::place(node)))
        })
    }

    /// Compiles the expression of an attribute, if it is there.
    pub fn optional(&self, node: Node<'_, '_>, key: &str) -> Result<Option<Expr>, Error> {
        attribute(node, key).map(|text| self.expr(text, node, key)).transpose()
    }

    /// The instances declared by children of an element.
    pub fn instances(&self, node: Node<'_, '_>) -> Vec<InstanceRef> {
        elements(node).filter(|child| name(*child) == "instance").map(instance).collect()
    }
}

fn instance(node: Node<'_, '_>) -> InstanceRef {
    InstanceRef {
        id: attribute(node, "id").unwrap_or_default().into(),
        source: attribute(node, "src").unwrap_or_default().into(),
    }
}

/// Reads a suite.
pub fn suite(text: &str, names: &Names) -> Result<Suite, Error> {
    let mut mended = String::new();
    let document = xml::document(text, &mut mended)?;
    let parser = Parser { names };
    let mut suite = Suite::default();
    for node in elements(document.root_element()) {
        match name(node) {
            "xform" => suite.forms.extend(elements(node).filter_map(location)),
            "locale" => {
                let language = attribute(node, "language").unwrap_or_default();
                let files = elements(node).filter_map(location);
                suite.locales.extend(files.map(|file| (language.to_owned(), file)));
            }
            "menu" => suite.menus.push(Arc::new(parser.menu(node)?)),
            "entry" | "view" | "remote-request" => suite.entries.push(Arc::new(parser.entry(node)?)),
            "detail" => suite.details.push(Arc::new(parser.detail(node)?)),
            "endpoint" => suite.endpoints.push(Arc::new(parser.endpoint(node)?)),
            "fixture" => {
                if let (Some(id), Some(root)) = (attribute(node, "id"), elements(node).next()) {
                    suite.fixtures.push((id.to_owned(), tree::tree(root, names)));
                }
            }
            _ => {}
        }
    }
    Ok(suite)
}
