//! Text to tokens.

use super::{CsqlError, QUERY_BYTES_MAX};

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Token<'t> {
    /// Digits, with or without a point.
    Number(&'t str),
    /// Without its quotes.
    Text(&'t str),
    /// With `@`, if it has one. May be `and` and the like: only its place tells.
    Name(&'t str),
    Sign(&'static str),
    End,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Placed<'t> {
    pub token: Token<'t>,
    pub start: usize,
    pub end: usize,
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "!=", "<=", ">=", "//", "..", "::", "=", "<", ">", "(", ")", ",", "/", "+", "-", "*", "|", "[", "]", ".",
    "$",
];

pub(super) fn malformed(query: &str, at: usize, what: &str) -> CsqlError {
    let at = query.get(..at).map_or(0, |before| before.chars().count());
    CsqlError::new(format!("Malformed search query: {what} at character {}", at + 1), query)
}

fn is_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}')
}

/// Length of a name, with at most one prefix.
fn name_len(text: &str) -> usize {
    let plain = |text: &str| match text.chars().next() {
        Some(c) if is_start(c) => text.find(|c| !is_part(c)).unwrap_or(text.len()),
        _ => 0,
    };
    let first = plain(text);
    if first == 0 || !text[first..].starts_with(':') {
        return first;
    }
    match plain(&text[first + 1..]) {
        0 => first,
        second => first + 1 + second,
    }
}

pub(super) fn tokens(query: &str) -> Result<Vec<Placed<'_>>, CsqlError> {
    if query.len() > QUERY_BYTES_MAX {
        let message =
            format!("The search query is longer than {QUERY_BYTES_MAX} bytes. Ask for less at once.");
        return Err(CsqlError::new(message, ""));
    }
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(first) = query[at..].chars().next() {
        let rest = &query[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, len) = match first {
            '\'' | '"' => {
                let inner = &rest[1..];
                let Some(end) = inner.find(first) else {
                    return Err(malformed(
                        query,
                        at,
                        &format!("the text that begins with {first} has no end"),
                    ));
                };
                (Token::Text(&inner[..end]), end + 2)
            }
            '0'..='9' => number(rest),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest),
            '@' => match name_len(&rest[1..]) {
                0 => return Err(malformed(query, at, "expected a name after @")),
                len => (Token::Name(&rest[..len + 1]), len + 1),
            },
            _ => match name_len(rest) {
                0 => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                    Some(sign) => (Token::Sign(sign), sign.len()),
                    None => return Err(malformed(query, at, &format!("unexpected {first}"))),
                },
                len => (Token::Name(&rest[..len]), len),
            },
        };
        all.push(Placed { token, start: at, end: at + len });
        at += len;
    }
    all.push(Placed { token: Token::End, start: query.len(), end: query.len() });
    Ok(all)
}

fn number(rest: &str) -> (Token<'_>, usize) {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut len = digits(rest);
    if rest[len..].starts_with('.') {
        len += 1 + digits(&rest[len + 1..]);
    }
    (Token::Number(&rest[..len]), len)
}
