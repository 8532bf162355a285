//! Reading elements of a package.

use roxmltree::{Document, Node, ParsingOptions};

use crate::error::Error;

/// Elements and attributes of one document at most.
const NODES_MAX: u32 = 4_000_000;

/// Reads a document.
pub fn document(text: &str) -> Result<Document<'_>, Error> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|e| Error::package(format!("Malformed XML: {e}")))
}

/// The element children.
pub fn elements<'a, 'd: 'a>(node: Node<'a, 'd>) -> impl Iterator<Item = Node<'a, 'd>> + 'a {
    node.children().filter(Node::is_element)
}

/// The local name.
pub fn name<'a>(node: Node<'a, '_>) -> &'a str {
    node.tag_name().name()
}

/// The first element child of a name.
pub fn child<'a, 'd: 'a>(node: Node<'a, 'd>, wanted: &str) -> Option<Node<'a, 'd>> {
    elements(node).find(|child| name(*child) == wanted)
}

/// An attribute without namespace.
pub fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attribute(name)
}

/// An attribute that is the literal `true`, in any case.
pub fn flag(node: Node<'_, '_>, name: &str) -> bool {
    node.attribute(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// All character data of an element.
pub fn text_of(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|c| c.text()).collect()
}

/// `<what> at line n` for messages.
pub fn place(node: Node<'_, '_>) -> String {
    let position = node.document().text_pos_at(node.range().start);
    format!("<{}> at line {}, column {}", name(node), position.row, position.col)
}
