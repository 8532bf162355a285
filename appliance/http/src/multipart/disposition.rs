//! Values of the headers of a multipart body: parameters, quoting, names in other scripts.

use super::{BOUNDARY_BYTES_MAX, MultipartError};
use percent_encoding::percent_decode;

/// The boundary of a `multipart/form-data` content type.
pub fn boundary_of(content_type: &[u8]) -> Result<String, MultipartError> {
    let mut boundary = None;
    let parameters = memchr::memchr(b';', content_type).map_or(&b""[..], |at| &content_type[at..]);
    parameters_of(parameters, |name, value| {
        if name.eq_ignore_ascii_case(b"boundary") && boundary.is_none() {
            boundary = Some(value);
        }
    });
    boundary
        .filter(|b| (1..=BOUNDARY_BYTES_MAX).contains(&b.len()) && !b.contains(['\r', '\n']))
        .ok_or(MultipartError::NoBoundary)
}

/// `name` and `filename` of a content disposition.
pub fn disposition(value: &[u8]) -> (Option<String>, Option<String>) {
    let (mut name, mut filename, mut extended) = (None, None, None);
    let parameters = memchr::memchr(b';', value).map_or(&b""[..], |at| &value[at..]);
    parameters_of(parameters, |key, value| {
        if key.eq_ignore_ascii_case(b"name") {
            name = Some(value);
        } else if key.eq_ignore_ascii_case(b"filename") {
            filename = Some(value);
        } else if key.eq_ignore_ascii_case(b"filename*") {
            extended = extended_value(&value);
        }
    });
    (name, extended.or(filename))
}

/// A content type without its parameters, lower case.
pub fn main_type(value: &[u8]) -> String {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    String::from_utf8_lossy(value[..end].trim_ascii()).to_ascii_lowercase()
}

/// `UTF-8''percent%20encoded` of RFC 5987.
fn extended_value(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    Some(percent_decode(encoded.as_bytes()).decode_utf8_lossy().into_owned())
}

/// Calls back for each `; name=value`, values unquoted. What is no parameter is passed over.
fn parameters_of(mut text: &[u8], mut each: impl FnMut(&[u8], String)) {
    while let [b';', rest @ ..] = text {
        let rest = rest.trim_ascii_start();
        let end = rest.iter().position(|b| matches!(b, b'=' | b';')).unwrap_or(rest.len());
        let name = rest[..end].trim_ascii_end();
        if rest.get(end) != Some(&b'=') {
            text = &rest[end..];
            continue;
        }
        let (value, after) = value_of(rest[end + 1..].trim_ascii_start());
        each(name, value);
        let next = memchr::memchr(b';', after).unwrap_or(after.len());
        text = &after[next..];
    }
}

/// A token or a quoted string, and what follows it. In quotes a backslash makes the next quote or backslash
/// plain; before anything else it is itself, because browsers send paths of Windows unescaped.
fn value_of(text: &[u8]) -> (String, &[u8]) {
    let [b'"', quoted @ ..] = text else {
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        return (String::from_utf8_lossy(text[..end].trim_ascii()).into_owned(), &text[end..]);
    };
    let mut value = Vec::with_capacity(quoted.len());
    let mut at = 0;
    while let Some(byte) = quoted.get(at) {
        match (byte, quoted.get(at + 1)) {
            (b'"', _) => return (into_text(value), &quoted[at + 1..]),
            (b'\\', Some(next @ (b'"' | b'\\'))) => {
                value.push(*next);
                at += 2;
            }
            _ => {
                value.push(*byte);
                at += 1;
            }
        }
    }
    (into_text(value), &[])
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries() {
        let rows = [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("multipart/form-data; charset=utf-8; boundary=\"a b;c\"", Some("a b;c")),
            ("multipart/form-data;BOUNDARY=x;boundary=y", Some("x")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary", None),
            ("multipart/form-data; xboundary=a", None),
        ];
        for (text, expected) in rows {
            assert_eq!(boundary_of(text.as_bytes()).ok().as_deref(), expected, "{text}");
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(BOUNDARY_BYTES_MAX + 1));
        assert_eq!(boundary_of(long.as_bytes()), Err(MultipartError::NoBoundary));
    }

    #[test]
    fn dispositions() {
        let rows: [(&[u8], Option<&str>, Option<&str>); 12] = [
            (b"form-data; name=\"a\"; filename=\"b.xml\"", Some("a"), Some("b.xml")),
            (b"form-data; filename=\"name=x.jpg\"; name=photo", Some("photo"), Some("name=x.jpg")),
            (b"form-data; NAME = \"a\" ; FileName = b", Some("a"), Some("b")),
            (b"form-data; name=\"a\\\"b\\\\c\"", Some("a\"b\\c"), None),
            (b"form-data; name=\"a\"; filename=\"C:\\dir\\b.xml\"", Some("a"), Some("C:\\dir\\b.xml")),
            (
                "form-data; name=\"фото.jpg\"; filename=\"صورة.jpg\"".as_bytes(),
                Some("фото.jpg"),
                Some("صورة.jpg"),
            ),
            (
                b"form-data; name=a; filename=\"x\"; filename*=UTF-8''%e2%82%ac.jpg",
                Some("a"),
                Some("\u{20ac}.jpg"),
            ),
            (b"form-data; name=a; filename*=latin1''x", Some("a"), None),
            (b"form-data; name=\"not closed", Some("not closed"), None),
            (b"form-data; name=\"\"; filename=\"\"", Some(""), Some("")),
            (b"form-data; nothing; name=a", Some("a"), None),
            (b"form-data", None, None),
        ];
        for (text, name, filename) in rows {
            let (n, f) = disposition(text);
            assert_eq!((n.as_deref(), f.as_deref()), (name, filename), "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(disposition(b"form-data; name=\"\xff\"").0.as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn main_types() {
        assert_eq!(main_type(b" Image/JPEG ; q=1"), "image/jpeg");
        assert_eq!(main_type(b""), "");
    }
}
