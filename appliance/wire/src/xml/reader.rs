//! From text to the flat tree, in one pass.

use super::chars::{is_space, is_xml_char, name_len};
use super::decode;
use super::document::{
    Attribute, Document, FIRST_NAMESPACE, NO_NAMESPACE, Node, Span, XML_NAMESPACE, XML_NAMESPACE_ID,
};
use crate::{Limits, ParseError};

/// Attributes of one element, namespace bindings in force at one place, namespaces in one document.
const PER_ELEMENT_MAX: usize = 256;

/// Declaring this as a namespace is forbidden.
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// Reads a document.
pub(crate) fn read<'a>(xml: &'a [u8], limits: &Limits) -> Result<Document<'a>, ParseError> {
    read_with(xml, limits, false)
}

/// Reads a document as CommCare's own reader does: a bare `<` in an attribute value is taken, and noted.
pub(crate) fn read_as_commcare<'a>(xml: &'a [u8], limits: &Limits) -> Result<Document<'a>, ParseError> {
    read_with(xml, limits, true)
}

fn read_with<'a>(xml: &'a [u8], limits: &Limits, bare_angles: bool) -> Result<Document<'a>, ParseError> {
    let text = decode::text(xml, limits)?;
    let mut reader = Reader {
        text: &text,
        at: 0,
        limits,
        bare_angles,
        has_bare_angle: false,
        side: String::new(),
        nodes: Vec::with_capacity(text.len() / 24 + 1),
        attributes: Vec::with_capacity(text.len() / 128 + 8),
        namespaces: Vec::with_capacity(8),
        bindings: Vec::with_capacity(8),
        open: Vec::with_capacity(16),
    };
    reader.document()?;
    let Reader { side, nodes, attributes, namespaces, has_bare_angle, .. } = reader;
    Ok(Document { text, side, nodes, attributes, namespaces, has_bare_angle })
}

/// A prefix (empty for the default) that stands for a namespace.
struct Binding {
    prefix: Span,
    namespace: u32,
}

/// An element whose end tag has not come.
struct Open {
    node: u32,
    /// Name as written, with its prefix.
    name: Span,
    /// Bindings in force outside it.
    bindings: usize,
    /// Text still counts: no child has come.
    leading: bool,
}

struct Reader<'t, 'l> {
    text: &'t str,
    at: usize,
    limits: &'l Limits,
    /// Takes `<` in attribute values.
    bare_angles: bool,
    has_bare_angle: bool,
    side: String,
    nodes: Vec<Node>,
    attributes: Vec<Attribute>,
    namespaces: Vec<Span>,
    bindings: Vec<Binding>,
    open: Vec<Open>,
}

/// A name as written: prefix and local part.
struct Name {
    whole: Span,
    prefix_len: u32,
    local: Span,
}

impl Name {
    fn prefix(&self) -> Span {
        Span { start: self.whole.start, len: self.prefix_len }
    }
}

type Reading<T> = Result<T, ParseError>;

impl Reader<'_, '_> {
    fn document(&mut self) -> Reading<()> {
        if self.text.len() >= Span::SIDE as usize {
            return Err(ParseError::TooMuch { what: "bytes", bound: Span::SIDE as usize });
        }
        self.declaration()?;
        self.misc(true)?;
        if self.peek() != Some(b'<') {
            return self.bad("no root element");
        }
        self.at += 1;
        self.start_tag()?;
        while !self.open.is_empty() {
            self.content()?;
        }
        self.misc(false)?;
        if self.at < self.text.len() {
            return self.bad("something after the root element");
        }
        Ok(())
    }

    fn bad<T>(&self, detail: impl Into<String>) -> Reading<T> {
        Err(ParseError::NotXml { detail: detail.into(), at: self.at })
    }

    fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn starts_with(&self, what: &str) -> bool {
        self.bytes()[self.at..].starts_with(what.as_bytes())
    }

    fn take(&mut self, what: &str) -> bool {
        let found = self.starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    /// Skips white space; whether there was any.
    fn space(&mut self) -> bool {
        let from = self.at;
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > from
    }

    /// Skips to behind `mark`; the text before it.
    fn until(&mut self, mark: &str, what: &str) -> Reading<Span> {
        match memchr::memmem::find(&self.bytes()[self.at..], mark.as_bytes()) {
            Some(len) => {
                let span = self.span(self.at, len);
                self.at += len + mark.len();
                Ok(span)
            }
            None => self.bad(format!("{what} without end")),
        }
    }

    fn span(&self, start: usize, len: usize) -> Span {
        Span { start: start as u32, len: len as u32 }
    }

    /// Bytes of a span, for comparing: no look at character boundaries.
    fn raw(&self, span: Span) -> &[u8] {
        let whole = if span.start & Span::SIDE == 0 { self.text } else { self.side.as_str() };
        &whole.as_bytes()[span.range()]
    }

    fn str(&self, span: Span) -> &str {
        let whole = if span.start & Span::SIDE == 0 { self.text } else { self.side.as_str() };
        &whole[span.range()]
    }

    // ---- outside the root ----

    fn declaration(&mut self) -> Reading<()> {
        let rest = self.bytes();
        if !rest.starts_with(b"<?xml") || !rest.get(5).copied().is_some_and(is_space) {
            return Ok(());
        }
        self.at += 5;
        self.space();
        let version = self.pseudo_attribute("version")?;
        if !version.is_some_and(|v| v.strip_prefix("1.").is_some_and(all_digits)) {
            return self.bad("an XML declaration without version 1");
        }
        let mut spaced = self.space();
        if spaced && let Some(encoding) = self.pseudo_attribute("encoding")? {
            let ok = encoding.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if !ok || !encoding.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return self.bad("an XML declaration with a malformed encoding");
            }
            spaced = self.space();
        }
        if spaced && let Some(standalone) = self.pseudo_attribute("standalone")? {
            if standalone != "yes" && standalone != "no" {
                return self.bad("an XML declaration with a malformed standalone");
            }
            self.space();
        }
        if self.take("?>") { Ok(()) } else { self.bad("a malformed XML declaration") }
    }

    fn pseudo_attribute(&mut self, name: &str) -> Reading<Option<&str>> {
        if !self.take(name) {
            return Ok(None);
        }
        self.space();
        if !self.take("=") {
            return self.bad("a malformed XML declaration");
        }
        self.space();
        let mark = match self.peek() {
            Some(b'"') => "\"",
            Some(b'\'') => "'",
            _ => return self.bad("a malformed XML declaration"),
        };
        self.at += 1;
        let span = self.until(mark, "an XML declaration")?;
        Ok(Some(self.str(span)))
    }

    /// White space, comments and processing instructions; before the root also one document type.
    fn misc(&mut self, mut before: bool) -> Reading<()> {
        loop {
            self.space();
            if self.take("<!--") {
                self.comment()?;
            } else if self.take("<?") {
                self.instruction()?;
            } else if before && self.take("<!DOCTYPE") {
                self.document_type()?;
                before = false;
            } else {
                return Ok(());
            }
        }
    }

    fn comment(&mut self) -> Reading<()> {
        self.until("--", "a comment")?;
        if self.take(">") { Ok(()) } else { self.bad("'--' inside a comment") }
    }

    fn instruction(&mut self) -> Reading<()> {
        let len = name_len(&self.text[self.at..]);
        let target = self.span(self.at, len);
        if len == 0 || self.str(target).eq_ignore_ascii_case("xml") {
            return self.bad("a malformed processing instruction");
        }
        self.at += len;
        if !self.starts_with("?>") && !self.space() {
            return self.bad("a malformed processing instruction");
        }
        self.until("?>", "a processing instruction")?;
        Ok(())
    }

    /// Skips a document type with its internal subset; nothing of it is used.
    fn document_type(&mut self) -> Reading<()> {
        if !self.space() || name_len(&self.text[self.at..]) == 0 {
            return self.bad("a malformed document type");
        }
        let mut inside = false;
        loop {
            match self.peek() {
                None => return self.bad("a document type without end"),
                Some(b'"') => self.quoted("\"")?,
                Some(b'\'') => self.quoted("'")?,
                Some(b'[') if !inside => {
                    inside = true;
                    self.at += 1;
                }
                Some(b']') if inside => {
                    self.at += 1;
                    self.space();
                    return if self.take(">") { Ok(()) } else { self.bad("a malformed document type") };
                }
                Some(b'>') if !inside => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'<') if self.starts_with("<!--") => {
                    self.at += 4;
                    self.comment()?;
                }
                Some(b'<') if self.starts_with("<?") => {
                    self.at += 2;
                    self.instruction()?;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn quoted(&mut self, mark: &str) -> Reading<()> {
        self.at += 1;
        self.until(mark, "a document type")?;
        Ok(())
    }

    // ---- inside the root ----

    /// One piece of content of the innermost open element.
    fn content(&mut self) -> Reading<()> {
        let from = self.at;
        let Some(len) = memchr::memchr3(b'<', b'&', b']', &self.bytes()[from..]) else {
            self.at = self.text.len();
            return self.bad("an element without end tag");
        };
        if len > 0 {
            self.at += len;
            self.push_text(self.span(from, len));
        }
        match self.bytes()[self.at] {
            b'&' => self.reference_in_text(),
            b']' if self.starts_with("]]>") => self.bad("']]>' in text"),
            b']' => {
                self.push_text(self.span(self.at, 1));
                self.at += 1;
                Ok(())
            }
            _ => self.markup(),
        }
    }

    fn markup(&mut self) -> Reading<()> {
        self.at += 1;
        match self.peek() {
            Some(b'/') => self.end_tag(),
            Some(b'?') => {
                self.at += 1;
                self.instruction()
            }
            Some(b'!') => {
                if self.take("!--") {
                    self.comment()
                } else if self.take("![CDATA[") {
                    let span = self.until("]]>", "a CDATA section")?;
                    self.push_text(span);
                    Ok(())
                } else {
                    self.bad("malformed markup")
                }
            }
            _ => self.start_tag(),
        }
    }

    /// Adds to the text of the innermost open element, unless a child has come already.
    fn push_text(&mut self, piece: Span) {
        let Some(open) = self.open.last() else { return };
        if !open.leading {
            return;
        }
        let node = open.node as usize;
        let text = self.nodes[node].text;
        self.nodes[node].text = if text.len == 0 { piece } else { self.join(text, piece) };
    }

    /// Two pieces as one; the second is of the document itself.
    fn join(&mut self, first: Span, second: Span) -> Span {
        if first.start & Span::SIDE == 0 && second.start == first.start + first.len {
            return Span { start: first.start, len: first.len + second.len };
        }
        let start = self.moved_aside(first);
        self.side.push_str(&self.text[second.range()]);
        self.side_span(start)
    }

    /// The side text from `start` on. It is never longer than the document: an escape is longer than what it
    /// stands for, and every piece of text is copied at most once.
    fn side_span(&self, start: usize) -> Span {
        Span { start: Span::SIDE | start as u32, len: (self.side.len() - start) as u32 }
    }

    fn reference_in_text(&mut self) -> Reading<()> {
        let c = self.reference()?;
        let Some(open) = self.open.last() else { return Ok(()) };
        if open.leading {
            let node = open.node as usize;
            let text = self.nodes[node].text;
            let start = self.moved_aside(text);
            self.side.push(c);
            self.nodes[node].text = self.side_span(start);
        }
        Ok(())
    }

    /// Makes a span the last of the side text; where it starts there.
    fn moved_aside(&mut self, span: Span) -> usize {
        if span.start & Span::SIDE != 0 && span.range().end == self.side.len() {
            return span.range().start;
        }
        let start = self.side.len();
        if span.start & Span::SIDE == 0 {
            self.side.push_str(&self.text[span.range()]);
        } else {
            self.side.extend_from_within(span.range());
        }
        start
    }

    /// Reads `&…;`.
    fn reference(&mut self) -> Reading<char> {
        let text = self.text;
        let rest = &text[self.at + 1..];
        let known = [("lt;", '<'), ("gt;", '>'), ("amp;", '&'), ("quot;", '"'), ("apos;", '\'')];
        if let Some((name, c)) = known.into_iter().find(|(name, _)| rest.starts_with(name)) {
            self.at += 1 + name.len();
            return Ok(c);
        }
        if let Some(number) = rest.strip_prefix('#') {
            let window = &number.as_bytes()[..number.len().min(16)];
            let digits = memchr::memchr(b';', window).map(|len| &number[..len]);
            let value = digits.and_then(|d| match d.strip_prefix('x') {
                Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok(),
                None if all_digits(d) => d.parse().ok(),
                _ => None,
            });
            if let (Some(digits), Some(c)) =
                (digits, value.and_then(char::from_u32).filter(|c| is_xml_char(*c)))
            {
                self.at += 3 + digits.len();
                return Ok(c);
            }
            return self.bad("a malformed character reference");
        }
        let len = name_len(rest);
        if len > 0 && rest.as_bytes().get(len) == Some(&b';') {
            return self.bad(format!("an unknown entity '{}'", &rest[..len]));
        }
        self.bad("'&' that is not escaped")
    }

    fn name(&mut self) -> Reading<Name> {
        let start = self.at;
        let first = name_len(&self.text[start..]);
        if first == 0 {
            return self.bad("a malformed name");
        }
        self.at += first;
        let mut prefix_len = 0;
        let mut local = self.span(start, first);
        if self.peek() == Some(b':') {
            let second = name_len(&self.text[self.at + 1..]);
            if second == 0 {
                return self.bad("a malformed name");
            }
            prefix_len = first as u32;
            local = self.span(self.at + 1, second);
            self.at += 1 + second;
        }
        Ok(Name { whole: self.span(start, self.at - start), prefix_len, local })
    }

    /// Reads a start tag from behind its `<`.
    fn start_tag(&mut self) -> Reading<()> {
        let name = self.name()?;
        let bindings = self.bindings.len();
        let attributes = self.attributes.len();
        let empty = loop {
            let spaced = self.space();
            match self.peek() {
                Some(b'>') => {
                    self.at += 1;
                    break false;
                }
                Some(b'/') if self.starts_with("/>") => {
                    self.at += 2;
                    break true;
                }
                Some(_) if spaced => self.attribute(bindings, attributes)?,
                _ => return self.bad("a malformed tag"),
            }
        };
        let namespace = self.resolve(name.prefix(), true)?;
        self.resolve_attributes(attributes)?;
        if self.nodes.len() + self.attributes.len() >= self.limits.nodes {
            return Err(ParseError::TooMuch { what: "elements and attributes", bound: self.limits.nodes });
        }
        let node = self.nodes.len() as u32;
        if let Some(parent) = self.open.last_mut() {
            parent.leading = false;
        }
        self.nodes.push(Node {
            name: name.local,
            namespace,
            text: Span::default(),
            attributes: attributes as u32,
            end: node + 1,
        });
        if empty {
            self.bindings.truncate(bindings);
        } else {
            if self.open.len() >= self.limits.depth {
                return Err(ParseError::TooMuch {
                    what: "elements inside one another",
                    bound: self.limits.depth,
                });
            }
            self.open.push(Open { node, name: name.whole, bindings, leading: true });
        }
        Ok(())
    }

    /// Reads one attribute or namespace declaration of a tag whose own ones start at the given places.
    fn attribute(&mut self, bindings: usize, attributes: usize) -> Reading<()> {
        let name = self.name()?;
        self.space();
        if !self.take("=") {
            return self.bad("an attribute without value");
        }
        self.space();
        let value = self.value()?;
        if name.prefix_len == 5 && self.raw(name.prefix()) == b"xmlns" {
            return self.bind(name.local, value, bindings);
        }
        if name.whole.len == 5 && self.raw(name.whole) == b"xmlns" {
            return self.bind(Span::default(), value, bindings);
        }
        if self.attributes.len() - attributes >= PER_ELEMENT_MAX {
            return Err(ParseError::TooMuch { what: "attributes of an element", bound: PER_ELEMENT_MAX });
        }
        self.attributes.push(Attribute { name: name.local, namespace: name.prefix_len, value });
        Ok(())
    }

    /// Reads a quoted attribute value.
    fn value(&mut self) -> Reading<Span> {
        let quote = match self.peek() {
            Some(q @ (b'"' | b'\'')) => q,
            _ => return self.bad("an attribute value without quotes"),
        };
        self.at += 1;
        let from = self.at;
        // Where the value starts in the side text, if something in it has to be replaced.
        let mut side: Option<usize> = None;
        loop {
            let rest = &self.bytes()[self.at..];
            let odd = |b: &u8| *b == quote || matches!(*b, b'<' | b'&' | b'\t' | b'\n');
            let Some(len) = rest.iter().position(odd) else {
                return self.bad("an attribute value without end");
            };
            let (plain, found) = (self.at..self.at + len, rest[len]);
            self.at += len;
            if found == b'<' && !self.bare_angles {
                return self.bad("'<' in an attribute value");
            }
            if found == quote && side.is_none() {
                break;
            }
            side.get_or_insert(self.side.len());
            self.side.push_str(&self.text[plain]);
            match found {
                b'&' => {
                    let c = self.reference()?;
                    self.side.push(c);
                }
                b'\t' | b'\n' => {
                    self.at += 1;
                    self.side.push(' ');
                }
                b'<' => {
                    self.at += 1;
                    self.side.push('<');
                    self.has_bare_angle = true;
                }
                _ => break,
            }
        }
        let end = self.at;
        self.at += 1;
        Ok(match side {
            Some(start) => self.side_span(start),
            None => self.span(from, end - from),
        })
    }

    fn bind(&mut self, prefix: Span, uri: Span, own: usize) -> Reading<()> {
        let (prefix_text, uri_text) = (self.str(prefix), self.str(uri));
        if self.bindings[own..].iter().any(|b| self.str(b.prefix) == prefix_text) {
            return self.bad("a namespace declared twice");
        }
        let right = match prefix_text {
            "xml" => uri_text == XML_NAMESPACE,
            "xmlns" => false,
            "" => uri_text != XML_NAMESPACE && uri_text != XMLNS_NAMESPACE,
            _ => !uri_text.is_empty() && uri_text != XML_NAMESPACE && uri_text != XMLNS_NAMESPACE,
        };
        if !right {
            return self.bad("a malformed namespace declaration");
        }
        let namespace = self.intern(uri)?;
        if self.bindings.len() >= PER_ELEMENT_MAX {
            return Err(ParseError::TooMuch { what: "namespace declarations", bound: PER_ELEMENT_MAX });
        }
        self.bindings.push(Binding { prefix, namespace });
        Ok(())
    }

    fn intern(&mut self, uri: Span) -> Reading<u32> {
        let text = self.str(uri);
        if text.is_empty() {
            return Ok(NO_NAMESPACE);
        }
        if text == XML_NAMESPACE {
            return Ok(XML_NAMESPACE_ID);
        }
        let same = |n: &Span| n.len == uri.len && self.raw(*n) == self.raw(uri);
        let found = self.namespaces.iter().position(same);
        let index = found.unwrap_or(self.namespaces.len());
        if found.is_none() {
            if index >= PER_ELEMENT_MAX {
                return Err(ParseError::TooMuch { what: "namespaces", bound: PER_ELEMENT_MAX });
            }
            self.namespaces.push(uri);
        }
        Ok(index as u32 + FIRST_NAMESPACE)
    }

    /// The namespace of a prefix. Without prefix, an element is in the default one and an attribute in none.
    fn resolve(&self, prefix: Span, element: bool) -> Reading<u32> {
        if prefix.len == 0 && !element {
            return Ok(NO_NAMESPACE);
        }
        let text = self.raw(prefix);
        let same = |b: &&Binding| b.prefix.len == prefix.len && self.raw(b.prefix) == text;
        if let Some(binding) = self.bindings.iter().rev().find(same) {
            return Ok(binding.namespace);
        }
        match text {
            b"" => Ok(NO_NAMESPACE),
            b"xml" => Ok(XML_NAMESPACE_ID),
            _ => self.bad(format!("an undeclared prefix '{}'", self.str(prefix))),
        }
    }

    fn resolve_attributes(&mut self, from: usize) -> Reading<()> {
        for i in from..self.attributes.len() {
            let Attribute { name, namespace: prefix_len, .. } = self.attributes[i];
            let start = if prefix_len == 0 { name.start } else { name.start - prefix_len - 1 };
            let namespace = self.resolve(Span { start, len: prefix_len }, false)?;
            self.attributes[i].namespace = namespace;
            let twice = |a: &Attribute| {
                a.namespace == namespace && a.name.len == name.len && self.raw(a.name) == self.raw(name)
            };
            if self.attributes[from..i].iter().any(twice) {
                return self.bad(format!("an attribute '{}' given twice", self.str(name)));
            }
        }
        Ok(())
    }

    /// Reads an end tag from its `/`.
    fn end_tag(&mut self) -> Reading<()> {
        let Some(open) = self.open.last() else { return self.bad("an end tag without start tag") };
        let name = open.name.range();
        self.at += 1;
        if !self.bytes()[self.at..].starts_with(&self.text.as_bytes()[name.clone()]) {
            return self.bad(format!("no end tag of '{}' where it should be", &self.text[name]));
        }
        self.at += name.len();
        self.space();
        if self.peek() != Some(b'>') {
            return self.bad("a malformed end tag");
        }
        self.at += 1;
        let end = self.nodes.len() as u32;
        if let Some(open) = self.open.pop() {
            self.nodes[open.node as usize].end = end;
            self.bindings.truncate(open.bindings);
        }
        Ok(())
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
