//! Reading the XML of a form: bounds, attributes, text runs.

use std::borrow::Cow;
use std::ops::Range;

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

/// Attributes of one document that do no harm, however they are spread.
const HARMLESS_MAX: usize = 8_192;

/// Reads a document within the limits and hands it on.
pub(crate) fn with_document<R>(
    text: &str,
    limits: &FormLimits,
    then: impl FnOnce(&Document<'_>) -> R,
) -> Result<R, XmlError> {
    if text.len() > limits.bytes {
        return Err(over("bytes", limits.bytes));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_crowds(text.as_bytes())?;
    match read(text, limits) {
        Ok(document) => Ok(then(&document)),
        Err(error) if error.limit => Err(error),
        // Old forms have `<` in expressions, which the original reads.
        Err(error) => match with_escapes(text) {
            Some(text) => read(&text, limits).map(|document| then(&document)),
            None => Err(error),
        },
    }
}

fn read<'t>(text: &'t str, limits: &FormLimits) -> Result<Document<'t>, XmlError> {
    let nodes_limit = u32::try_from(limits.nodes).unwrap_or(u32::MAX);
    let options = ParsingOptions { nodes_limit, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        if matches!(error, roxmltree::Error::NodesLimitReached) {
            return over("nodes", limits.nodes);
        }
        let at = error.pos();
        let message = format!("XML Syntax Error at Line: {}, Column: {}! {error}", at.row, at.col);
        XmlError { message, line: at.row, column: at.col, limit: false }
    })?;
    check_depth(&document, limits.depth)?;
    Ok(document)
}

fn check_depth(document: &Document<'_>, bound: usize) -> Result<(), XmlError> {
    let mut depths: Vec<u32> = Vec::new();
    for node in document.descendants() {
        let above = node.parent().and_then(|parent| depths.get(parent.id().get_usize())).copied();
        let depth = above.map_or(0, |above| above + u32::from(node.is_element()));
        if depth as usize > bound {
            return Err(over("depth", bound));
        }
        depths.push(depth);
    }
    Ok(())
}

/// Refuses what would be slow to read: crowds of attributes on one element, or of namespaces.
fn check_crowds(bytes: &[u8]) -> Result<(), XmlError> {
    if memchr::memmem::find_iter(bytes, b"xmlns").take(DECLARATIONS_MAX + 1).count() > DECLARATIONS_MAX {
        return Err(over("namespaces", DECLARATIONS_MAX));
    }
    // So few attributes could even stand on one element.
    let quotes = memchr::memchr_iter(b'"', bytes).count() + memchr::memchr_iter(b'\'', bytes).count();
    if quotes <= 2 * HARMLESS_MAX {
        return Ok(());
    }
    let mut crowded = false;
    for_each_tag(bytes, |tag| crowded |= tag.len() > ATTRIBUTES_MAX);
    if crowded { Err(over("attributes", ATTRIBUTES_MAX)) } else { Ok(()) }
}

/// Calls back with the places of the attribute values of every opening tag.
fn for_each_tag(bytes: &[u8], mut then: impl FnMut(&[Range<usize>])) {
    let mut values: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'<', &bytes[at..]) {
        at += found + 1;
        let rest = &bytes[at..];
        let closings = [(&b"!--"[..], &b"-->"[..]), (b"![CDATA[", b"]]>")];
        if let Some((_, close)) = closings.iter().find(|(open, _)| rest.starts_with(open)) {
            at += memchr::memmem::find(rest, close).unwrap_or(rest.len());
            continue;
        }
        if matches!(rest.first(), Some(b'/' | b'?' | b'!') | None) {
            continue;
        }
        values.clear();
        while let Some(found) = memchr::memchr3(b'"', b'\'', b'>', &bytes[at..]) {
            let here = at + found;
            at = here + 1;
            if bytes[here] == b'>' {
                break;
            }
            let length = memchr::memchr(bytes[here], &bytes[at..]).unwrap_or(bytes.len() - at);
            values.push(at..at + length);
            at = (at + length + 1).min(bytes.len());
        }
        then(&values);
    }
}

/// The text with every `<` that stands in an attribute written as `&lt;`; nothing if there is none.
fn with_escapes(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut from = 0;
    for_each_tag(text.as_bytes(), |values| {
        for value in values {
            for stray in memchr::memchr_iter(b'<', &text.as_bytes()[value.clone()]) {
                let stray = value.start + stray;
                out.push_str(&text[from..stray]);
                out.push_str("&lt;");
                from = stray + 1;
            }
        }
    });
    if from == 0 {
        return None;
    }
    out.push_str(&text[from..]);
    Some(out)
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
