//! XML as trees, compared as the area's README says.

use anyhow::{Context, Result};
use roxmltree::{Document, Node};
use std::fmt::Write;

const OPENROSA: &str = "http://openrosa.org/http/response";

/// Elements whose text does not matter.
const ANY_TEXT: [&str; 3] = ["message", "password", "restore_id"];
/// Elements whose children may stand in any order.
const ANY_ORDER: [&str; 4] = ["OpenRosaResponse", "user_data", "update", "create"];

/// A parsed answer.
pub fn parse(xml: &str) -> Result<Document<'_>> {
    Document::parse(xml).context("the answer is no XML")
}

/// Children of the root of a local name.
pub fn children<'a>(document: &'a Document<'a>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.root_element().children().filter(move |n| n.is_element() && n.tag_name().name() == name)
}

/// First child element of a local name.
pub fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|n| n.is_element() && n.tag_name().name() == name)
}

/// Text of a node.
pub fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|n| n.text()).collect()
}

/// A canonical form: equal for trees that count as equal.
pub fn canonical(node: Node<'_, '_>) -> String {
    let mut out = String::new();
    write(node, &mut out);
    out
}

fn write(node: Node<'_, '_>, out: &mut String) {
    let name = node.tag_name().name();
    // Fixtures and schemas may be in the namespace of the response or in none.
    let namespace = node.tag_name().namespace().filter(|ns| *ns != OPENROSA).unwrap_or_default();
    let _ = write!(out, "<{{{namespace}}}{name}");
    let mut attributes: Vec<(String, String)> =
        node.attributes().map(|a| (a.name().to_owned(), a.value().to_owned())).collect();
    attributes.sort();
    for (name, value) in attributes {
        let value = if name == "last_sync" { "TIME".to_owned() } else { value };
        let _ = write!(out, " {name}={value:?}");
    }
    out.push('>');
    if ANY_TEXT.contains(&name) {
        return;
    }
    let elements: Vec<Node<'_, '_>> = node.children().filter(Node::is_element).collect();
    if elements.is_empty() {
        let _ = write!(out, "{:?}", text(node));
        return;
    }
    let mut parts: Vec<String> = elements.into_iter().map(canonical).collect();
    if ANY_ORDER.contains(&name) {
        parts.sort();
    }
    out.push('[');
    out.push_str(&parts.join(""));
    out.push(']');
}

/// Where two canonical forms part.
pub fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let at = expected.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        let chars: String =
            text.char_indices().filter(|(i, _)| *i + 60 > at).map(|(_, c)| c).take(160).collect();
        chars
    };
    Some(format!("expected …{}… found …{}…", around(expected), around(found)))
}
