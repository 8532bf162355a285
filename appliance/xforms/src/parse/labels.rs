//! Labels, hints and other texts: references, markup, placeholders.

use std::fmt::Write;

use roxmltree::Node;

use super::Loader;
use super::document::{Run, XHTML, attribute, leading_text, runs};
use crate::error::Problem;
use crate::text::{Piece, Template, Text};

const OPEN: &str = "jr:itext('";
const CLOSE: &str = "')";

#[derive(Default)]
struct Builder {
    pieces: Vec<Piece>,
    open: String,
}

impl Builder {
    fn flush(&mut self) {
        if !self.open.is_empty() {
            self.pieces.push(Piece::Literal(std::mem::take(&mut self.open).into()));
        }
    }

    /// The template, with whitespace at its ends taken away.
    fn finish(mut self) -> Template {
        self.flush();
        if let Some(Piece::Literal(text)) = self.pieces.last_mut() {
            *text = text.trim_end().into();
        }
        if let Some(Piece::Literal(text)) = self.pieces.first_mut() {
            *text = text.trim_start().into();
        }
        self.pieces.retain(|piece| !matches!(piece, Piece::Literal(text) if text.is_empty()));
        Template { pieces: self.pieces.into() }
    }
}

fn escape(text: &str, out: &mut String, quotes: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if quotes => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}

impl<'d> Loader<'d> {
    /// The content of an element as a template; nothing if it has no content.
    pub fn template(&mut self, node: Node<'d, 'd>) -> Option<Template> {
        // Nearly all texts are one run without markup.
        if let Some(only) = node.first_child()
            && only.is_text()
            && only.next_sibling().is_none()
        {
            let text = only.text().unwrap_or("").trim();
            return (!text.is_empty()).then(|| Template::literal(text));
        }
        let content = runs(node);
        if content.is_empty() {
            return None;
        }
        let mut builder = Builder::default();
        for run in content {
            match run {
                Run::Text(text) => builder.open.push_str(&text),
                Run::Element(child) if is_output(child) => self.output(child, &mut builder),
                Run::Element(child) if child.tag_name().namespace() == Some(XHTML) => {
                    self.markup(child, &mut builder, true);
                }
                Run::Element(child) => {
                    let message = format!(
                        "Unrecognized tag inside of text: <{}>. Did you intend to use HTML markup? If so, ensure \
                         that the element is defined in the HTML namespace.",
                        child.tag_name().name()
                    );
                    self.warning(Problem::Markup, child, message);
                    self.dropped_outputs(child);
                }
            }
        }
        Some(builder.finish())
    }

    /// Placeholders in dropped elements are checked all the same.
    fn dropped_outputs(&mut self, node: Node<'d, 'd>) {
        for child in node.descendants().filter(|n| n.is_element() && is_output(*n)) {
            self.output(child, &mut Builder::default());
        }
    }

    fn output(&mut self, node: Node<'d, 'd>, builder: &mut Builder) {
        let (name, text) = match (attribute(node, "ref"), attribute(node, "value")) {
            (Some(text), _) => ("ref", text),
            (None, Some(text)) => ("value", text),
            (None, None) => {
                self.error(Problem::Expression, node, "XForm Parse: <output> without 'ref' or 'value'");
                let host = node.ancestors().find_map(|n| attribute(n, "ref").or(attribute(n, "nodeset")));
                if let (Some(host), Some(last)) = (host.map(str::to_owned), self.last()) {
                    last.node = Some(host);
                }
                return;
            }
        };
        match self.expression(text) {
            Ok(expr) => {
                builder.flush();
                let next = self.outputs.len() as u32;
                let number = *self.outputs.entry(text.to_owned()).or_insert(next);
                builder.pieces.push(Piece::Output(expr, number));
            }
            Err(error) => {
                let message = format!("Output tag has malformed {name} attribute: {text}, {error}");
                self.error(Problem::Expression, node, message);
            }
        }
    }

    /// Writes an element of the XHTML namespace as the text front ends get.
    fn markup(&mut self, node: Node<'d, 'd>, builder: &mut Builder, outermost: bool) {
        let foreign = node.tag_name().namespace() != Some(XHTML);
        let prefix = if foreign { "n1" } else { "n0" };
        let name = node.tag_name().name();
        let mut written = write!(builder.open, "<{prefix}:{name}");
        if outermost || foreign {
            let uri = node.tag_name().namespace().unwrap_or("");
            written = written.and(write!(builder.open, " xmlns:{prefix}=\"{uri}\""));
        }
        for attribute in node.attributes() {
            written = written.and(write!(builder.open, " {}=\"", attribute.name()));
            escape(attribute.value(), &mut builder.open, true);
            builder.open.push('"');
        }
        debug_assert!(written.is_ok());
        let content = runs(node);
        if content.is_empty() {
            builder.open.push_str(" />");
            return;
        }
        builder.open.push('>');
        for run in content {
            match run {
                Run::Text(text) => escape(&text, &mut builder.open, false),
                Run::Element(child) if is_output(child) => self.output(child, builder),
                Run::Element(child) => self.markup(child, builder, foreign),
            }
        }
        let _ = write!(builder.open, "</{prefix}:{name}>");
    }

    /// The text of a label, hint, help, alert or caption.
    pub fn text(&mut self, node: Node<'d, 'd>, what: &str) -> Text {
        let Some(reference) = attribute(node, "ref") else {
            return self.template(node).map_or(Text::None, Text::Inline);
        };
        let id = reference.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE));
        match id {
            Some(id) => {
                // As in the original, the id ends at the first quote.
                let id = id.split(CLOSE).next().unwrap_or(id);
                Text::Itext(self.text_id(id, what, node))
            }
            None => {
                let message = format!("malformed ref [{reference}] for <{}>", node.tag_name().name());
                self.error(Problem::Itext, node, message);
                Text::None
            }
        }
    }

    /// A caption of a repeat: a reference, or a text that may be the id of another one.
    pub fn caption(&mut self, node: Node<'d, 'd>) -> Text {
        match self.text(node, "Group <label>") {
            Text::Inline(template) => {
                let id = leading_text(node).and_then(|text| self.itext.id(&text));
                Text::IdOrInline(template, id)
            }
            other => other,
        }
    }
}

fn is_output(node: Node<'_, '_>) -> bool {
    node.tag_name().name().eq_ignore_ascii_case("output")
}
