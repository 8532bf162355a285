//! Text to tokens: a scanner of two states, "a value is expected" and "an operator is expected".

use smallvec::SmallVec;

use crate::error::{Code, Error, Span};

/// Operators and punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Plus,
    Minus,
    /// The sign before a value.
    Negate,
    Multiply,
    Union,
    Slash,
    Slashes,
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Dot,
    Dots,
    Axis,
    At,
    Comma,
    And,
    Or,
    Div,
    Mod,
}

impl Sign {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Sign::Equal => "=",
            Sign::NotEqual => "!=",
            Sign::Less => "<",
            Sign::LessEqual => "<=",
            Sign::Greater => ">",
            Sign::GreaterEqual => ">=",
            Sign::Plus => "+",
            Sign::Minus | Sign::Negate => "-",
            Sign::Multiply => "*",
            Sign::Union => "|",
            Sign::Slash => "/",
            Sign::Slashes => "//",
            Sign::Open => "(",
            Sign::Close => ")",
            Sign::OpenBracket => "[",
            Sign::CloseBracket => "]",
            Sign::Dot => ".",
            Sign::Dots => "..",
            Sign::Axis => "::",
            Sign::At => "@",
            Sign::Comma => ",",
            Sign::And => "and",
            Sign::Or => "or",
            Sign::Div => "div",
            Sign::Mod => "mod",
        }
    }
}

/// The tokens of one expression; most expressions need no allocation for them.
pub(crate) type Tokens<'t> = SmallVec<[(Token<'t>, Span); 32]>;

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
    /// An operator or punctuation.
    Sign(Sign),
    End,
}

pub(crate) fn is_name_start(c: char) -> bool {
    c == '_' || c.is_uppercase() || c.is_lowercase()
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit() || c == '.' || c == '-'
}

/// Bytes that may stand in a name: letters, digits, `_`, `.`, `-`.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut at = 0;
    while at < 256 {
        let b = at as u8;
        plain[at] = b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        at += 1;
    }
    plain
};

fn local_name(text: &str) -> usize {
    match text.as_bytes().first() {
        Some(b) if b.is_ascii_alphabetic() || *b == b'_' => {}
        Some(b) if !b.is_ascii() && text.starts_with(is_name_start) => {}
        _ => return 0,
    }
    let plain = text.bytes().take_while(|b| PLAIN[usize::from(*b)]).count();
    match text.as_bytes().get(plain) {
        Some(b) if !b.is_ascii() => text.find(|c| !is_name_part(c)).unwrap_or(text.len()),
        _ => plain,
    }
}

/// Splits `text` into `out`; the last token is [`Token::End`].
pub(crate) fn tokens<'t>(text: &'t str, out: &mut Tokens<'t>) -> Result<(), Error> {
    let mut at = 0;
    let mut value_expected = true;
    loop {
        let rest = &text[at..];
        let blanks = rest.bytes().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')).count();
        let trimmed = &rest[blanks..];
        at += blanks;
        if trimmed.is_empty() {
            out.push((Token::End, span(at, at)));
            return Ok(());
        }
        let (token, length) = next(trimmed, value_expected).ok_or_else(|| unknown(text, at))?;
        out.push((token, span(at, at + length)));
        value_expected = match token {
            Token::Sign(sign) => !matches!(sign, Sign::Close | Sign::CloseBracket | Sign::Dot | Sign::Dots),
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

#[inline]
fn next(text: &str, value_expected: bool) -> Option<(Token<'_>, usize)> {
    let bytes = text.as_bytes();
    let first = bytes[0];
    let second = bytes.get(1).copied().unwrap_or(0);
    if first.is_ascii_digit() || (first == b'.' && second.is_ascii_digit()) {
        return number(text);
    }
    let sign = |sign| Some((Token::Sign(sign), 1));
    let signs = |sign| Some((Token::Sign(sign), 2));
    match (first, second) {
        (b'!', b'=') => return signs(Sign::NotEqual),
        (b'<', b'=') => return signs(Sign::LessEqual),
        (b'>', b'=') => return signs(Sign::GreaterEqual),
        (b'/', b'/') => return signs(Sign::Slashes),
        (b':', b':') => return signs(Sign::Axis),
        (b'.', b'.') => return signs(Sign::Dots),
        (b'=', _) => return sign(Sign::Equal),
        (b'<', _) => return sign(Sign::Less),
        (b'>', _) => return sign(Sign::Greater),
        (b'+', _) => return sign(Sign::Plus),
        (b'|', _) => return sign(Sign::Union),
        (b'/', _) => return sign(Sign::Slash),
        (b'[', _) => return sign(Sign::OpenBracket),
        (b']', _) => return sign(Sign::CloseBracket),
        (b'(', _) => return sign(Sign::Open),
        (b')', _) => return sign(Sign::Close),
        (b'.', _) => return sign(Sign::Dot),
        (b'@', _) => return sign(Sign::At),
        (b',', _) => return sign(Sign::Comma),
        (b'-', _) if value_expected => return sign(Sign::Negate),
        (b'-', _) => return sign(Sign::Minus),
        (b'*', _) if value_expected => return Some((Token::Wildcard, 1)),
        (b'*', _) => return sign(Sign::Multiply),
        (b'"' | b'\'', _) => {
            let end = text[1..].find(first as char)?;
            return Some((Token::Text(&text[1..1 + end]), end + 2));
        }
        (b'$', _) => {
            let length = qualified(&text[1..])?;
            return Some((Token::Variable(&text[1..=length]), length + 1));
        }
        _ => {}
    }
    if !value_expected {
        let words = [Sign::And, Sign::Or, Sign::Div, Sign::Mod];
        let word = words.into_iter().find(|word| text.starts_with(word.text()))?;
        return Some((Token::Sign(word), word.text().len()));
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
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits <= 15 && text.as_bytes().get(digits) != Some(&b'.') {
        let whole = text[..digits].bytes().fold(0u64, |n, b| n * 10 + u64::from(b - b'0'));
        return Some((Token::Number(whole as f64), digits));
    }
    let mut dots = 0;
    let length = text
        .find(|c: char| {
            dots += usize::from(c == '.');
            !(c.is_ascii_digit() || (c == '.' && dots == 1))
        })
        .unwrap_or(text.len());
    Some((Token::Number(text[..length].parse().ok()?), length))
}
