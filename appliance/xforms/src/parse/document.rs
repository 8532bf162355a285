//! Reading the XML of a form: bounds, attributes, text runs.

use std::borrow::Cow;

use roxmltree::{Document, Node, ParsingOptions};

use crate::limits::FormLimits;

/// The namespace of `jr:` attributes and captions.
pub(crate) const JAVAROSA: &str = "http://openrosa.org/javarosa";
pub(crate) const XFORMS: &str = "http://www.w3.org/2002/xforms";
pub(crate) const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Attributes of one element, and declarations of namespaces in one document; more would make reading slow.
const ATTRIBUTES_MAX: usize = 512;
const DECLARATIONS_MAX: usize = 16_384;

/// Why a document was not read.
#[derive(Clone)]
pub(crate) struct XmlError {
    pub message: String,
    pub line: u32,
    pub column: u32,
    pub limit: bool,
}

fn over(what: &str, bound: usize) -> XmlError {
    let message = format!("The XML has more than {bound} {what} (limit: {what}).");
    XmlError { message, line: 0, column: 0, limit: true }
}

/// Text that is ready to be read.
pub(crate) fn prepare<'t>(text: &'t str, limits: &FormLimits) -> Result<Cow<'t, str>, XmlError> {
    if text.len() > limits.bytes {
        return Err(over("bytes", limits.bytes));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let stray = check_shape(text, limits)?;
    if stray.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    // Old forms have `<` in expressions, which the original reads.
    let mut out = String::with_capacity(text.len() + 3 * stray.len());
    let mut from = 0;
    for at in stray {
        out.push_str(&text[from..at]);
        out.push_str("&lt;");
        from = at + 1;
    }
    out.push_str(&text[from..]);
    Ok(Cow::Owned(out))
}

/// Reads a document within the limits; the text comes from [`prepare`].
pub(crate) fn read<'t>(text: &'t str, limits: &FormLimits) -> Result<Document<'t>, XmlError> {
    let nodes_limit = u32::try_from(limits.nodes).unwrap_or(u32::MAX);
    let options = ParsingOptions { nodes_limit, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| {
        if matches!(error, roxmltree::Error::NodesLimitReached) {
            return over("nodes", limits.nodes);
        }
        let at = error.pos();
        let message = format!("XML Syntax Error at Line: {}, Column: {}! {error}", at.row, at.col);
        XmlError { message, line: at.row, column: at.col, limit: false }
    })
}

/// Refuses what would be slow to read: deep nesting, crowds of attributes or of namespaces. Gives the places where
/// `<` stands in an attribute.
fn check_shape(text: &str, limits: &FormLimits) -> Result<Vec<usize>, XmlError> {
    let mut stray = Vec::new();
    let bytes = text.as_bytes();
    if memchr::memmem::find_iter(bytes, b"xmlns").take(DECLARATIONS_MAX + 1).count() > DECLARATIONS_MAX {
        return Err(over("namespaces", DECLARATIONS_MAX));
    }
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'<', &bytes[at..]) {
        at += found + 1;
        let rest = &bytes[at..];
        if rest.starts_with(b"!--") {
            at += memchr::memmem::find(rest, b"-->").unwrap_or(rest.len());
            continue;
        }
        if rest.starts_with(b"![CDATA[") {
            at += memchr::memmem::find(rest, b"]]>").unwrap_or(rest.len());
            continue;
        }
        match rest.first() {
            Some(b'/') => {
                depth = depth.saturating_sub(1);
                continue;
            }
            Some(b'?' | b'!') | None => continue,
            Some(_) => {}
        }
        let mut attributes = 0;
        let mut closed = false;
        let mut end = 0;
        while let Some(found) = memchr::memchr3(b'"', b'\'', b'>', &rest[end..]) {
            let here = end + found;
            end = here + 1;
            if rest[here] == b'>' {
                closed = here > 0 && rest[here - 1] == b'/';
                break;
            }
            let length = memchr::memchr(rest[here], &rest[end..]).unwrap_or(rest.len() - end);
            let value = &rest[end..end + length];
            stray.extend(memchr::memchr_iter(b'<', value).map(|in_value| at + end + in_value));
            end = (end + length + 1).min(rest.len());
            attributes += 1;
        }
        at += end;
        if attributes > ATTRIBUTES_MAX {
            return Err(over("attributes", ATTRIBUTES_MAX));
        }
        if !closed {
            depth += 1;
            if depth > limits.depth {
                return Err(over("depth", limits.depth));
            }
        }
    }
    Ok(stray)
}

/// An attribute without namespace, or in any.
pub(crate) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let mut any = None;
    for attribute in node.attributes() {
        if attribute.name() == name {
            if attribute.namespace().is_none() {
                return Some(attribute.value());
            }
            any = any.or(Some(attribute.value()));
        }
    }
    any
}

/// An attribute of the `jr:` namespace.
pub(crate) fn javarosa<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes().find(|a| a.name() == name && a.namespace() == Some(JAVAROSA)).map(|a| a.value())
}

/// What an element contains.
pub(crate) enum Run<'a, 'd> {
    Text(Cow<'a, str>),
    Element(Node<'a, 'd>),
}

/// The content of an element: elements, and texts that are more than whitespace.
pub(crate) fn runs<'a, 'd>(node: Node<'a, 'd>) -> Vec<Run<'a, 'd>> {
    let mut out = Vec::new();
    let mut open = false;
    for child in node.children() {
        if child.is_text() {
            let text = child.text().unwrap_or("");
            match out.last_mut() {
                Some(Run::Text(before)) if open => before.to_mut().push_str(text),
                _ => out.push(Run::Text(Cow::Borrowed(text))),
            }
            open = true;
            continue;
        }
        open = false;
        if child.is_element() {
            out.push(Run::Element(child));
        }
    }
    out.retain(|run| !matches!(run, Run::Text(text) if text.trim().is_empty()));
    out
}

/// The first text of an element, trimmed; nothing if it has no content or begins with an element.
pub(crate) fn leading_text(node: Node<'_, '_>) -> Option<String> {
    match runs(node).first() {
        Some(Run::Text(text)) => Some(text.trim().to_owned()),
        _ => None,
    }
}

/// The element children.
pub(crate) fn elements<'a, 'd>(node: Node<'a, 'd>) -> impl Iterator<Item = Node<'a, 'd>> {
    node.children().filter(Node::is_element)
}
