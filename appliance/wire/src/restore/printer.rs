//! A buffer that XML is printed into.

/// Bytes that are printed otherwise somewhere; most texts have none.
const MAY_NEED_ESCAPE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 32 {
        table[byte] = true;
        byte += 1;
    }
    table[b'&' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'"' as usize] = true;
    table[0xef] = true;
    table
};

/// XML being printed.
#[derive(Clone, Debug, Default)]
pub struct Printer(Vec<u8>);

impl Printer {
    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Nothing yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Nothing yet, with room.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }
    /// What is there; nothing afterwards.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
    /// What is there; nothing afterwards, with room for so many bytes.
    pub fn take_and_make_room(&mut self, bytes: usize) -> Vec<u8> {
        std::mem::replace(&mut self.0, Vec::with_capacity(bytes))
    }
    /// Markup, as it is.
    pub fn raw(&mut self, markup: &str) {
        self.0.extend_from_slice(markup.as_bytes());
    }
    /// Bytes that were printed before.
    pub fn bytes(&mut self, printed: &[u8]) {
        self.0.extend_from_slice(printed);
    }
    /// Text.
    pub fn text(&mut self, text: &str) {
        self.escaped(text, false);
    }
    /// Text inside the quotes of an attribute.
    pub fn attribute_text(&mut self, text: &str) {
        self.escaped(text, true);
    }
    /// ` name="value"`.
    pub fn attribute(&mut self, name: &str, value: &str) {
        self.0.push(b' ');
        self.raw(name);
        self.raw("=\"");
        self.escaped(value, true);
        self.0.push(b'"');
    }
    /// `<name>text</name>`, or `<name/>` without text.
    pub fn element(&mut self, name: &str, text: &str) {
        self.0.push(b'<');
        self.raw(name);
        self.close_tag_with(name, text);
    }
    /// What follows the attributes of an element that holds only text.
    pub fn close_tag_with(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return self.raw("/>");
        }
        self.0.push(b'>');
        self.text(text);
        self.raw("</");
        self.raw(name);
        self.0.push(b'>');
    }

    fn escaped(&mut self, text: &str, attribute: bool) {
        let bytes = text.as_bytes();
        let Some(first) = bytes.iter().position(|byte| MAY_NEED_ESCAPE[usize::from(*byte)]) else {
            self.0.extend_from_slice(bytes);
            return;
        };
        let mut done = 0;
        for (at, byte) in bytes.iter().enumerate().skip(first) {
            let instead: &[u8] = match byte {
                b'&' => b"&amp;",
                b'<' => b"&lt;",
                b'>' => b"&gt;",
                b'"' if attribute => b"&quot;",
                b'\n' if attribute => b"&#10;",
                b'\t' if attribute => b"&#9;",
                b'\r' => b"&#13;",
                0..=8 | 11 | 12 | 14..=31 => b"",
                // U+FFFE and U+FFFF: the only characters above that XML forbids.
                0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])) => b"",
                _ => continue,
            };
            self.0.extend_from_slice(&bytes[done..at]);
            self.0.extend_from_slice(instead);
            done = if *byte == 0xef { at + 3 } else { at + 1 };
        }
        self.0.extend_from_slice(&bytes[done..]);
    }
}

/// Whether text can be the name of an element without a prefix.
pub(super) fn is_name(text: &str) -> bool {
    let start = |c: char| c.is_alphabetic() || c == '_';
    let rest = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.') || c == '\u{b7}';
    let mut chars = text.chars();
    chars.next().is_some_and(start) && chars.all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_what_xml_cannot_hold_left_out() {
        let mut out = Printer::default();
        out.element("a", "x<y>&\u{1}\u{ffff}\"'\r\n🦀");
        out.raw("<b");
        out.attribute("c", "\"<\n");
        out.close_tag_with("b", "");
        let printed = String::from_utf8(out.take()).unwrap();
        assert_eq!(printed, "<a>x&lt;y&gt;&amp;\"'&#13;\n🦀</a><b c=\"&quot;&lt;&#10;\"/>");
    }

    #[test]
    fn names() {
        assert!(is_name("date_opened") && is_name("é-1.x"));
        assert!(!is_name("") && !is_name("1a") && !is_name("a b") && !is_name("a:b") && !is_name("a<"));
    }
}
