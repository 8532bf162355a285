//! From bytes to text: which encoding a document is in, and its text in UTF-8 with line ends as line feeds.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::chars;
use crate::{Limits, ParseError};

/// How far into a document its encoding declaration may reach, in bytes.
const DECLARATION_MAX: usize = 1024;

/// The text of a document: valid UTF-8, no byte order mark, legal characters only, no carriage return.
pub(super) fn text<'a>(xml: &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, ParseError> {
    let too_much = ParseError::TooMuch { what: "bytes", bound: limits.bytes };
    if xml.len() > limits.bytes {
        return Err(too_much);
    }
    let text = match detect(xml)? {
        Form::Utf8 { skip } => {
            let body = &xml[skip..];
            let text = std::str::from_utf8(body)
                .map_err(|e| bad("bytes that are not UTF-8", skip + e.valid_up_to()))?;
            Cow::Borrowed(text)
        }
        Form::Latin1 => Cow::Owned(encoding_rs::mem::decode_latin1(xml).into_owned()),
        Form::Other { encoding, skip } => {
            let text = encoding.decode_without_bom_handling_and_without_replacement(&xml[skip..]);
            let text = text.ok_or_else(|| bad(format!("bytes that are not {}", encoding.name()), skip))?;
            Cow::Owned(text.into_owned())
        }
    };
    if text.len() > limits.bytes {
        return Err(too_much);
    }
    if let Some(at) = chars::find_illegal(&text) {
        return Err(bad("a character that XML does not allow", at));
    }
    Ok(if memchr::memchr(b'\r', text.as_bytes()).is_some() {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        text
    })
}

enum Form {
    /// UTF-8 after a byte order mark of so many bytes.
    Utf8 { skip: usize },
    /// ISO 8859-1, bytes are code points.
    Latin1,
    /// Anything else that is known.
    Other { encoding: &'static Encoding, skip: usize },
}

fn detect(xml: &[u8]) -> Result<Form, ParseError> {
    Ok(match xml {
        [0xef, 0xbb, 0xbf, ..] => Form::Utf8 { skip: 3 },
        [0xff, 0xfe, ..] => Form::Other { encoding: UTF_16LE, skip: 2 },
        [0xfe, 0xff, ..] => Form::Other { encoding: UTF_16BE, skip: 2 },
        [b'<', 0, ..] => Form::Other { encoding: UTF_16LE, skip: 0 },
        [0, b'<', ..] => Form::Other { encoding: UTF_16BE, skip: 0 },
        _ => match declared(xml) {
            None => Form::Utf8 { skip: 0 },
            Some(name) => by_name(name)?,
        },
    })
}

fn by_name(name: &[u8]) -> Result<Form, ParseError> {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    // ASCII is UTF-8 too; what is not ASCII in such a document is an error only if it is not UTF-8 either.
    if is("utf-8") || is("utf8") || is("us-ascii") || is("ascii") {
        return Ok(Form::Utf8 { skip: 0 });
    }
    if is("iso-8859-1") || is("latin1") || is("latin-1") || is("iso_8859-1") {
        return Ok(Form::Latin1);
    }
    let unknown = || bad(format!("unknown encoding '{}'", String::from_utf8_lossy(name)), 0);
    let encoding = Encoding::for_label_no_replacement(name).ok_or_else(unknown)?;
    if encoding == UTF_8 {
        return Ok(Form::Utf8 { skip: 0 });
    }
    if !encoding.is_ascii_compatible() {
        // It is declared in bytes that this encoding would not have.
        return Err(bad(format!("a document that is not in its declared encoding {}", encoding.name()), 0));
    }
    Ok(Form::Other { encoding, skip: 0 })
}

/// The value of `encoding` in the XML declaration. Whether the declaration is right is checked later.
fn declared(xml: &[u8]) -> Option<&[u8]> {
    let head = xml.strip_prefix(b"<?xml")?;
    let head = &head[..head.len().min(DECLARATION_MAX)];
    let head = &head[..memchr::memmem::find(head, b"?>")?];
    let rest = head[memchr::memmem::find(head, b"encoding")? + 8..].trim_ascii_start();
    let rest = rest.strip_prefix(b"=")?.trim_ascii_start();
    let (&quote, rest) = rest.split_first()?;
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    Some(&rest[..memchr::memchr(quote, rest)?])
}

fn bad(detail: impl Into<String>, at: usize) -> ParseError {
    ParseError::NotXml { detail: detail.into(), at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &[u8]) -> Result<String, String> {
        text(xml, &Limits::default()).map(Cow::into_owned).map_err(|e| e.to_string())
    }

    fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        let units = mark.into_iter().chain(text.encode_utf16());
        units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
    }

    #[test]
    fn reads_the_encodings_of_the_field() {
        let plain = "<a>é😀</a>";
        for big in [false, true] {
            for mark in [false, true] {
                assert_eq!(read(&utf16(plain, big, mark)).as_deref(), Ok(plain), "{big} {mark}");
            }
        }
        assert_eq!(read(b"\xef\xbb\xbf<a>\xc3\xa9</a>").as_deref(), Ok("<a>é</a>"));
        let latin = b"<?xml version='1.0' encoding = \"ISO-8859-1\"?><a>\xe9\x85</a>";
        assert!(read(latin).unwrap().ends_with("<a>é\u{85}</a>"));
        let windows = b"<?xml version='1.0' encoding='windows-1252'?><a>\x80</a>";
        assert!(read(windows).unwrap().ends_with("<a>€</a>"));
        let japanese = b"<?xml version='1.0' encoding='Shift_JIS'?><a>\x93\xfa</a>";
        assert!(read(japanese).unwrap().ends_with("<a>日</a>"));
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        let rows: [(&[u8], &str); 6] = [
            (b"<a>\xe9</a>", "not UTF-8"),
            (b"<?xml version='1.0' encoding='klingon'?><a/>", "unknown encoding 'klingon'"),
            (b"<?xml version='1.0' encoding='UTF-16'?><a/>", "declared encoding"),
            (b"\xff\xfe<\0a\0\0\xd8", "not UTF-16LE"),
            (b"<a>\x01</a>", "does not allow"),
            (b"<?xml version='1.0' encoding='iso-2022-kr'?><a/>", "unknown encoding"),
        ];
        for (xml, expected) in rows {
            let error = read(xml).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let limits = Limits { bytes: 3, ..Limits::default() };
        assert!(text(b"<a/>", &limits).is_err());
    }

    #[test]
    fn line_ends_become_line_feeds() {
        assert_eq!(read(b"<a>1\r\n2\r3\n4</a>").as_deref(), Ok("<a>1\n2\n3\n4</a>"));
    }
}
