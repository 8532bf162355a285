//! Texts, dates as text, regular expressions.

use std::borrow::Cow;

use crate::ast::Function;
use crate::calendar;
use crate::context::Context;
use crate::date::Fields;
use crate::error::{Code, Error};
use crate::functions::numbers::members;
use crate::value::Value;

type Text<'a> = Cow<'a, str>;

pub(super) fn call<'a>(
    function: Function,
    args: &[Value<'a>],
    cx: &Context<'a>,
) -> Option<Result<Value<'a>, Error>> {
    use Function as F;
    let text = |i: usize| args[i].to_text(cx);
    let two = |f: fn(&str, &str) -> bool| Ok(Value::Boolean(f(&text(0)?, &text(1)?)));
    Some(match function {
        F::Text => text(0).map(Value::Text),
        F::Concat => concat(args, cx),
        F::Join => join(args, cx),
        F::JoinChunked => join_chunked(args, cx),
        F::Substr => substr(args, cx),
        F::SubstringBefore => substring(args, cx, true),
        F::SubstringAfter => substring(args, cx, false),
        F::StringLength => text(0).map(|t| Value::Number(t.encode_utf16().count() as f64)),
        F::UpperCase => text(0).map(|t| Value::text(t.to_uppercase())),
        F::LowerCase => text(0).map(|t| Value::text(t.to_lowercase())),
        F::Contains => two(|a, b| a.contains(b)),
        F::StartsWith => two(|a, b| a.starts_with(b)),
        F::EndsWith => two(|a, b| a.ends_with(b)),
        F::Translate => translate(args, cx),
        F::Replace => replace(args, cx),
        F::Regex => regex(args, cx),
        F::FormatDate => format_date(args, cx),
        F::FormatDateForCalendar => format_date_for_calendar(args, cx),
        _ => return None,
    })
}

fn concat<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let mut out = String::new();
    for member in members(args, cx)? {
        let text = member.to_text(cx)?;
        cx.check_output(out.len() + text.len())?;
        out.push_str(&text);
    }
    Ok(Value::text(out))
}

fn join<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let separator = args[0].to_text(cx)?;
    let parts = match &args[1..] {
        [Value::Sequence(parts)] => parts.clone(),
        rest => members(rest, cx)?,
    };
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        let part = part.to_text(cx)?;
        cx.check_output(out.len() + part.len() + separator.len())?;
        if index > 0 {
            out.push_str(&separator);
        }
        out.push_str(&part);
    }
    Ok(Value::text(out))
}

fn join_chunked<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let separator = args[0].to_text(cx)?;
    let size = args[1].to_int(cx)?;
    let parts = match &args[2..] {
        [Value::Sequence(parts)] => parts.clone(),
        rest => members(rest, cx)?,
    };
    let mut units: Vec<u16> = Vec::new();
    for part in parts {
        let part = part.to_text(cx)?;
        cx.check_output(units.len() + part.len())?;
        units.extend(part.encode_utf16());
    }
    let size = size.abs();
    if size.is_nan() || size < 1.0 {
        return Err(Error::generic("join-chunked() needs chunks of at least one character"));
    }
    let chunks: Vec<String> = units.chunks(size as usize).map(String::from_utf16_lossy).collect();
    cx.check_output(units.len() + chunks.len().saturating_mul(separator.len()))?;
    Ok(Value::text(chunks.join(&separator)))
}

fn substr<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let text = args[0].to_text(cx)?;
    let units: Vec<u16> = text.encode_utf16().collect();
    let length = units.len() as f64;
    let whole = |n: f64| if n.is_nan() { 0.0 } else { n };
    let mut start = whole(args[1].to_int(cx)?);
    let mut end = match args.get(2) {
        Some(end) => whole(end.to_int(cx)?),
        None => length,
    };
    if start < 0.0 {
        start += length;
    }
    if end < 0.0 {
        end += length;
    }
    if end > length || end < 0.0 {
        return Ok(Value::text(""));
    }
    let start = start.max(0.0).min(end);
    Ok(Value::text(String::from_utf16_lossy(&units[start as usize..end as usize])))
}

fn substring<'a>(args: &[Value<'a>], cx: &Context<'a>, before: bool) -> Result<Value<'a>, Error> {
    let (text, mark) = (args[0].to_text(cx)?, args[1].to_text(cx)?);
    Ok(match (text.find(&*mark), before) {
        (Some(at), true) => Value::text(text[..at].to_owned()),
        (None, true) => Value::text(""),
        (Some(at), false) => Value::text(text[at + mark.len()..].to_owned()),
        (None, false) => Value::Text(text),
    })
}

fn translate<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let (text, from, to): (Text<'a>, Text<'a>, Text<'a>) =
        (args[0].to_text(cx)?, args[1].to_text(cx)?, args[2].to_text(cx)?);
    let mut map = std::collections::HashMap::new();
    let mut to = to.chars();
    for c in from.chars() {
        let target = to.next();
        map.entry(c).or_insert(target);
    }
    Ok(Value::text(text.chars().filter_map(|c| map.get(&c).copied().unwrap_or(Some(c))).collect::<String>()))
}

fn compile(pattern: &str, text: &str, cx: &Context<'_>) -> Result<fancy_regex::Regex, Error> {
    let bad = |why: &str| Error::generic(format!("The regular expression '{pattern}' is invalid.{why}"));
    if pattern.len() > 20_000 {
        return Err(bad(" It is too long."));
    }
    fancy_regex::RegexBuilder::new(&translate_pattern(pattern, text).ok_or_else(|| bad(""))?)
        .backtrack_limit(cx.limits.regex)
        .delegate_size_limit(2 << 20)
        .delegate_dfa_size_limit(2 << 20)
        .build()
        .map_err(|_| bad(""))
}

/// Java's dialect to ours: ASCII classes, and `$` before a final line end.
fn translate_pattern(pattern: &str, text: &str) -> Option<String> {
    let ends_line = text.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    let mut class = 0;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('d') if class > 0 => out.push_str("0-9"),
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') if class > 0 => out.push_str("a-zA-Z0-9_"),
                Some('w') => out.push_str("[a-zA-Z0-9_]"),
                Some('W') => out.push_str("[^a-zA-Z0-9_]"),
                Some('s') if class > 0 => out.push_str(" \\t\\n\\x0B\\f\\r"),
                Some('s') => out.push_str("[ \\t\\n\\x0B\\f\\r]"),
                Some('S') => out.push_str("[^ \\t\\n\\x0B\\f\\r]"),
                // These mean something else, or nothing, in the engine underneath.
                Some('h' | 'H' | 'R' | 'X') => return None,
                Some('Z') => out.push_str("(?=\\r?\\n?\\z)"),
                Some('Q') => {
                    let mut literal = String::new();
                    while let Some(c) = chars.next() {
                        if c == '\\' && chars.peek() == Some(&'E') {
                            chars.next();
                            break;
                        }
                        literal.push(c);
                    }
                    out.push_str(&fancy_regex::escape(&literal));
                }
                Some(c @ ('p' | 'P' | 'x' | 'k')) => {
                    out.extend(['\\', c]);
                    if chars.peek() == Some(&'{') {
                        for c in chars.by_ref() {
                            out.push(c);
                            if c == '}' {
                                break;
                            }
                        }
                    }
                }
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            '[' => {
                class += 1;
                out.push('[');
            }
            ']' if class > 0 => {
                class -= 1;
                out.push(']');
            }
            '{' if class == 0 && !chars.peek().is_some_and(char::is_ascii_digit) => return None,
            '$' if class == 0 && !ends_line => out.push_str("\\z"),
            '$' if class == 0 => out.push_str("(?=(?:\\r\\n|[\\n\\r\\u{85}\\u{2028}\\u{2029}])?\\z)"),
            c => out.push(c),
        }
    }
    Some(out)
}

fn too_long(_: fancy_regex::Error) -> Error {
    Error::new(Code::Limit, "The regular expression takes too many steps (limit: regex).")
}

fn regex<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let (text, pattern) = (args[0].to_text(cx)?, args[1].to_text(cx)?);
    compile(&pattern, &text, cx)?.is_match(&text).map(Value::Boolean).map_err(too_long)
}

fn replace<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let (text, pattern, with) = (args[0].to_text(cx)?, args[1].to_text(cx)?, args[2].to_text(cx)?);
    let regex = compile(&pattern, &text, cx)?;
    let mut out = String::new();
    let mut at = 0;
    // An empty match right behind another one counts.
    while let Some(found) = regex.find_from_pos(&text, at).map_err(too_long)? {
        cx.spend(1)?;
        out.push_str(&text[at..found.start()]);
        out.push_str(&with);
        cx.check_output(out.len())?;
        at = found.end();
        if found.start() == found.end() {
            let Some(c) = text[at..].chars().next() else { break };
            out.push(c);
            at += c.len_utf8();
        }
    }
    out.push_str(&text[at..]);
    Ok(Value::text(out))
}

/// The instant to format; nothing for an empty date.
fn instant<'a>(value: &Value<'a>, cx: &Context<'a>) -> Result<Option<i64>, Error> {
    // Only a date value keeps its time; a path to one is read as a day.
    match value {
        Value::Date(ms) => Ok(Some(*ms)),
        other => match other.to_date(cx)? {
            Value::Date(ms) => Ok(Some(ms)),
            _ => Ok(None),
        },
    }
}

fn format_date<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let Some(ms) = instant(&args[0], cx)? else { return Ok(Value::text("")) };
    let format = args[1].to_text(cx)?;
    Ok(Value::text(Fields::of(ms, cx.host).format(&format)?))
}

fn format_date_for_calendar<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let Some(ms) = instant(&args[0], cx)? else { return Ok(Value::text("")) };
    let which =
        args[1].to_text(cx).map_err(|e| Error::unsupported(&format!("Unsupported calendar type: {e}")))?;
    let format = match args.get(2) {
        Some(format) => format.to_text(cx)?,
        None => Cow::Borrowed("%e %B %Y"),
    };
    let fields = match &*which {
        "ethiopian" => calendar::ethiopian(ms, cx.host)?,
        "nepali" => calendar::nepali(ms, cx.host)?,
        other => return Err(Error::unsupported(&format!("Unsupported calendar type: {other}"))),
    };
    Ok(Value::text(fields.format(&format)?))
}
