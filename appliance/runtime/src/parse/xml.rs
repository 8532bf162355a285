//! Reading elements of a package.

use roxmltree::{Document, Node, ParsingOptions};

use crate::error::Error;

/// Elements and attributes of one document at most.
const NODES_MAX: u32 = 4_000_000;

/// Reads a document. Clients have always read some that are no XML, and packages rely on it: text before the first
/// element, and `<` in attributes. Such a document is mended in `mended`.
pub fn document<'t>(text: &'t str, mended: &'t mut String) -> Result<Document<'t>, Error> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let parse = |text: &'t str| {
        let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
        Document::parse_with_options(text, options)
    };
    let broken = match parse(text) {
        Ok(document) => return Ok(document),
        Err(error) => Error::package(format!("Malformed XML: {error}")),
    };
    match mend(text) {
        Some(text) => {
            *mended = text;
            parse(mended).map_err(|_| broken)
        }
        None => Err(broken),
    }
}

/// The same without text before the first element and with `<` in attributes written as it must be; nothing if there
/// is nothing to mend.
fn mend(text: &str) -> Option<String> {
    let start = text.find('<')?;
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = &text[start..];
    let mut changed = start > 0;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let verbatim = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
        if let Some((_, end)) = verbatim.iter().find(|(begin, _)| rest.starts_with(begin)) {
            let end = rest.find(end)? + end.len();
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let mut quote = None;
        let mut ended = None;
        for (at, c) in rest.char_indices() {
            match (quote, c) {
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                (Some(_), '<') => {
                    out.push_str("&lt;");
                    changed = true;
                    continue;
                }
                (None, '>') => {
                    ended = Some(at + 1);
                    out.push(c);
                    break;
                }
                _ => {}
            }
            out.push(c);
        }
        rest = &rest[ended?..];
    }
    out.push_str(rest);
    changed.then_some(out)
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

/// Text without what has always counted as space around it: everything up to U+0020, and nothing above, so that a
/// no-break space stays.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// `<what> at line n` for messages.
pub fn place(node: Node<'_, '_>) -> String {
    let position = node.document().text_pos_at(node.range().start);
    format!("<{}> at line {}, column {}", name(node), position.row, position.col)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_have_always_read() {
        let mut mended = String::new();
        let text = "Saved by a browser.\n<a x='1 < 2' y=\"<\"><!-- \" < --><![CDATA[ < ' ]]><b/></a>";
        let document = document(text, &mut mended).unwrap();
        assert_eq!(document.root_element().attribute("x"), Some("1 < 2"));
        assert_eq!(document.root_element().attribute("y"), Some("<"));
        for text in ["", "no element", "<a", "<a x='", "<a><b></a>", "<!-- "] {
            assert!(super::document(text, &mut String::new()).is_err(), "{text}");
        }
    }
}
