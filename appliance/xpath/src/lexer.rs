//! Text to tokens: a scanner of two states, "a value is expected" and "an operator is expected".

use crate::error::{Code, Error, Span};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'t> {
    Number(f64),
    Text(&'t str),
    Variable(&'t str),
    /// `name` or `prefix:name`.
    Name(&'t str),
    /// `prefix:*`.
    PrefixWildcard(&'t str),
    Wildcard,
    /// Operators and punctuation, by their text; `u-` is the sign.
    Sign(&'static str),
    End,
}

pub(crate) fn is_name_start(c: char) -> bool {
    c == '_' || c.is_uppercase() || c.is_lowercase()
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit() || c == '.' || c == '-'
}

fn local_name(text: &str) -> usize {
    if !text.starts_with(is_name_start) {
        return 0;
    }
    let ascii = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let plain = text.bytes().take_while(ascii).count();
    match text.as_bytes().get(plain) {
        Some(b) if !b.is_ascii() => text.find(|c| !is_name_part(c)).unwrap_or(text.len()),
        _ => plain,
    }
}

/// Splits `text`; the last token is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token<'_>, Span)>, Error> {
    let mut out = Vec::with_capacity(text.len() / 3 + 2);
    let mut at = 0;
    let mut value_expected = true;
    loop {
        let rest = &text[at..];
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c');
        let trimmed = &rest[rest.bytes().take_while(blank).count()..];
        at += rest.len() - trimmed.len();
        if trimmed.is_empty() {
            out.push((Token::End, span(at, at)));
            return Ok(out);
        }
        let (token, length) = next(trimmed, value_expected).ok_or_else(|| unknown(text, at))?;
        out.push((token, span(at, at + length)));
        value_expected = match token {
            Token::Sign(sign) => !matches!(sign, ")" | "]" | "." | ".."),
            _ => false,
        };
        at += length;
    }
}

fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

fn unknown(text: &str, at: usize) -> Error {
    let before: String = {
        let mut tail: Vec<char> = text[..at].chars().rev().take(15).collect();
        tail.reverse();
        tail.into_iter().collect()
    };
    let after: String = text[at..].chars().take(15).collect();
    Error::new(
        Code::Syntax,
        format!("Couldn't understand the expression starting at this point: {before}>>>{after}"),
    )
    .at(span(at, (at + 1).min(text.len())))
}

fn next(text: &str, value_expected: bool) -> Option<(Token<'_>, usize)> {
    let bytes = text.as_bytes();
    let first = bytes[0];
    let double = match (first, bytes.get(1)) {
        (b'!', Some(b'=')) => "!=",
        (b'<', Some(b'=')) => "<=",
        (b'>', Some(b'=')) => ">=",
        (b'/', Some(b'/')) => "//",
        (b':', Some(b':')) => "::",
        (b'.', Some(b'.')) => "..",
        _ => "",
    };
    if !double.is_empty() {
        return Some((Token::Sign(double), 2));
    }
    if first.is_ascii_digit() || (first == b'.' && bytes.get(1).is_some_and(u8::is_ascii_digit)) {
        return number(text);
    }
    let single = match first {
        b'=' => "=",
        b'<' => "<",
        b'>' => ">",
        b'+' => "+",
        b'|' => "|",
        b'/' => "/",
        b'[' => "[",
        b']' => "]",
        b'(' => "(",
        b')' => ")",
        b'.' => ".",
        b'@' => "@",
        b',' => ",",
        _ => "",
    };
    if !single.is_empty() {
        return Some((Token::Sign(single), 1));
    }
    match first {
        b'-' => return Some((Token::Sign(if value_expected { "u-" } else { "-" }), 1)),
        b'*' if value_expected => return Some((Token::Wildcard, 1)),
        b'*' => return Some((Token::Sign("*"), 1)),
        b'"' | b'\'' => {
            let end = text[1..].find(first as char)?;
            return Some((Token::Text(&text[1..1 + end]), end + 2));
        }
        b'$' => {
            let length = qualified(&text[1..])?;
            return Some((Token::Variable(&text[1..=length]), length + 1));
        }
        _ => {}
    }
    if !value_expected {
        for word in ["and", "or", "div", "mod"] {
            if text.starts_with(word) {
                return Some((Token::Sign(word), word.len()));
            }
        }
        return None;
    }
    let length = local_name(text);
    if length > 0 && text[length..].starts_with(":*") {
        return Some((Token::PrefixWildcard(&text[..length]), length + 2));
    }
    let length = qualified(text)?;
    Some((Token::Name(&text[..length]), length))
}

fn qualified(text: &str) -> Option<usize> {
    let prefix = local_name(text);
    if prefix == 0 {
        return None;
    }
    if let Some(rest) = text[prefix..].strip_prefix(':') {
        let local = local_name(rest);
        if local > 0 {
            return Some(prefix + 1 + local);
        }
    }
    Some(prefix)
}

fn number(text: &str) -> Option<(Token<'_>, usize)> {
    let mut dots = 0;
    let length = text
        .find(|c: char| {
            dots += usize::from(c == '.');
            !(c.is_ascii_digit() || (c == '.' && dots == 1))
        })
        .unwrap_or(text.len());
    Some((Token::Number(text[..length].parse().ok()?), length))
}
