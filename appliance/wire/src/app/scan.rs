//! Tags of a document with their places in its bytes, for replacing parts of it.
//!
//! Used only on documents that the XML reader took, so that no rule has to be checked again. Whatever the
//! bytes are, nothing here panics or loops.

use super::AppError;
use crate::xml;
use crate::{Limits, ParseError};
use std::ops::Range;

/// What a document of a package may cost.
pub(super) const LIMITS: Limits = Limits { bytes: 32 << 20, depth: 256, nodes: 1_000_000, blocks: 1 };

/// An attribute as written.
pub(super) struct Attribute<'t> {
    /// Local name.
    pub name: &'t str,
    /// Place of the raw value, without quotes.
    pub value: Range<usize>,
}

/// A piece of a document.
pub(super) enum Piece<'t> {
    /// A start tag; `end` is behind its `>`.
    Start { name: &'t str, attributes: Vec<Attribute<'t>>, start: usize, end: usize, empty: bool },
    /// An end tag; `end` is behind its `>`.
    End { end: usize },
    /// Text between tags, raw.
    Text(Range<usize>),
}

/// Reads a document whole, and its text: UTF-8 without a byte order mark, without a document type.
pub(super) fn checked(bytes: &[u8]) -> Result<(xml::Document<'_>, &str), AppError> {
    let document = xml::read_as_commcare(bytes, &LIMITS)?;
    let text = std::str::from_utf8(bytes).map_err(|_| AppError::Encoding)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if declared(text)
        .is_some_and(|name| !name.eq_ignore_ascii_case("utf-8") && !name.eq_ignore_ascii_case("utf8"))
    {
        return Err(AppError::Encoding);
    }
    if text.contains("<!DOCTYPE") {
        return Err(AppError::DocumentType);
    }
    Ok((document, text))
}

/// The encoding that an XML declaration names.
fn declared(text: &str) -> Option<&str> {
    let head = text.strip_prefix("<?xml")?.split("?>").next()?;
    let value = head.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split(quote).next()
}

/// The pieces of a document, in order.
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn after(&self, from: usize, mark: &str) -> Option<usize> {
        let found = memchr::memmem::find(self.text.as_bytes().get(from..)?, mark.as_bytes())?;
        Some(from + found + mark.len())
    }

    /// The next piece, or nothing at the end and where the document makes no sense.
    fn piece(&mut self) -> Option<Piece<'t>> {
        loop {
            let start = self.at;
            let rest = self.text.as_bytes().get(start..)?;
            if rest.is_empty() {
                return None;
            }
            if rest[0] != b'<' {
                let len = memchr::memchr(b'<', rest).unwrap_or(rest.len());
                self.at = start + len;
                return Some(Piece::Text(start..self.at));
            }
            let skip = |mark| self.after(start + 2, mark);
            if rest.starts_with(b"<!--") {
                self.at = self.after(start + 4, "-->")?;
            } else if rest.starts_with(b"<![CDATA[") {
                self.at = skip("]]>")?;
            } else if rest.starts_with(b"<?") {
                self.at = skip("?>")?;
            } else if rest.starts_with(b"</") {
                self.at = skip(">")?;
                return Some(Piece::End { end: self.at });
            } else {
                return self.start_tag(start);
            }
        }
    }

    fn start_tag(&mut self, start: usize) -> Option<Piece<'t>> {
        let bytes = self.text.as_bytes();
        let name_end = self.name_end(start + 1);
        let name = local(&self.text[start + 1..name_end]);
        let mut attributes = Vec::new();
        let mut at = name_end;
        loop {
            at += bytes.get(at..)?.iter().take_while(|b| b.is_ascii_whitespace()).count();
            match *bytes.get(at)? {
                b'>' => {
                    self.at = at + 1;
                    return Some(Piece::Start { name, attributes, start, end: self.at, empty: false });
                }
                b'/' => {
                    self.at = at + 2;
                    return Some(Piece::Start { name, attributes, start, end: self.at, empty: true });
                }
                _ => {}
            }
            let end = self.name_end(at);
            let raw_name = &self.text[at..end];
            at = end;
            let quote = memchr::memchr2(b'"', b'\'', bytes.get(at..)?)? + at;
            let value = quote + 1;
            let len = memchr::memchr(bytes[quote], bytes.get(value..)?)?;
            attributes.push(Attribute { name: local(raw_name), value: value..value + len });
            at = value + len + 1;
        }
    }

    fn name_end(&self, from: usize) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'=' | b'>' | b'/' | b'"' | b'\'');
        from + rest.iter().position(ends).unwrap_or(rest.len())
    }
}

impl<'t> Iterator for Scan<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        self.piece()
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Replacements in a text, made in one go.
#[derive(Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Puts `with` in place of a range. Ranges must not overlap; those that do are left out.
    pub fn replace(&mut self, range: Range<usize>, with: String) {
        self.0.push((range, with));
    }

    /// Puts text at a place.
    pub fn insert(&mut self, at: usize, text: String) {
        self.replace(at..at, text);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets all but the first ones.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// The text with all replacements.
    pub fn apply(mut self, text: &str) -> Vec<u8> {
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(text.len() + text.len() / 8);
        let mut at = 0;
        for (range, with) in self.0 {
            if range.start < at {
                continue;
            }
            let Some(before) = text.get(at..range.start) else { continue };
            out.push_str(before);
            out.push_str(&with);
            at = range.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out.into_bytes()
    }
}

/// Text as it stands in an attribute value or between tags.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
    out
}

/// What a document must be: its root element.
pub(super) fn expect_root(document: &xml::Document<'_>, wanted: &'static str) -> Result<(), AppError> {
    let found = document.root().name();
    if found == wanted {
        return Ok(());
    }
    Err(AppError::Root { wanted, found: found.chars().take(40).collect() })
}

impl From<AppError> for ParseError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Xml(error) => error,
            other => Self::NotXml { detail: other.to_string(), at: 0 },
        }
    }
}
