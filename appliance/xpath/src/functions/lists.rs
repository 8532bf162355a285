//! Space-separated lists, choices, sequences.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::ast::Function;
use crate::context::Context;
use crate::error::Error;
use crate::functions::numbers::members;
use crate::value::Value;
use crate::{geo, ids, json};

pub(super) fn call<'a>(
    function: Function,
    args: &[Value<'a>],
    cx: &Context<'a>,
) -> Option<Result<Value<'a>, Error>> {
    use Function as F;
    let text = |i: usize| args[i].to_text(cx);
    Some(match function {
        F::Coalesce => coalesce(args, cx),
        F::Selected => selected(args, cx),
        F::CountSelected => count_selected(args, cx),
        F::SelectedAt => selected_at(args, cx),
        F::Sort => sort(args, cx),
        F::SortBy => sort_by(args, cx),
        F::DistinctValues => distinct_values(args, cx),
        F::IndexOf => index_of(args, cx),
        F::Distance => (|| geo::distance(&text(0)?, &text(1)?).map(Value::Number))(),
        F::IsPointInsidePolygon => (|| geo::inside(&text(0)?, &text(1)?).map(Value::Boolean))(),
        F::ClosestPointOnPolygon => (|| geo::closest(&text(0)?, &text(1)?, cx).map(Value::text))(),
        F::IdCompress => (|| {
            ids::compress(args[0].to_int(cx)?, &text(1)?, &text(2)?, &text(3)?, args[4].to_int(cx)?, cx)
                .map(Value::text)
        })(),
        F::Checksum => (|| ids::checksum(&text(0)?, &text(1)?).map(Value::text))(),
        F::EncryptString => (|| ids::encrypt(&text(0)?, &text(1)?, &text(2)?, cx).map(Value::text))(),
        F::DecryptString => (|| ids::decrypt(&text(0)?, &text(1)?, &text(2)?).map(Value::text))(),
        F::JsonProperty => (|| Ok(Value::text(json::property(&text(0)?, &text(1)?))))(),
        _ => return None,
    })
}

fn coalesce<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let Some((last, rest)) = args.split_last() else { return Ok(Value::text("")) };
    for value in rest {
        let value = value.clone().unpack(cx)?;
        let blank = match &value {
            Value::Text(text) => text.is_empty(),
            Value::Number(n) => n.is_nan(),
            _ => false,
        };
        if !blank {
            return Ok(value);
        }
    }
    Ok(last.clone())
}

fn selected<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    match (args[0].clone().unpack(cx)?, args[1].clone().unpack(cx)?) {
        (Value::Text(list), Value::Text(value)) => {
            let value = value.trim_matches(|c: char| c <= ' ');
            Ok(Value::Boolean(format!(" {list} ").contains(&format!(" {value} "))))
        }
        _ => Err(Error::generic(
            "Bad argument to function 'selected'. Both must be texts: a multi-select value and a choice",
        )),
    }
}

/// Pieces between spaces; trailing empty ones do not count.
pub(crate) fn pieces(list: &str) -> Vec<&str> {
    if list.bytes().all(|b| b == b' ') {
        return Vec::new();
    }
    let mut pieces: Vec<&str> = Vec::new();
    let mut rest = list;
    // Runs of spaces count once; a leading run leaves one empty piece.
    if rest.starts_with(' ') {
        pieces.push("");
        rest = rest.trim_start_matches(' ');
    }
    pieces.extend(rest.split(' ').filter(|piece| !piece.is_empty()));
    pieces
}

fn count_selected<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    match args[0].clone().unpack(cx)? {
        Value::Text(list) => Ok(Value::Number(pieces(&list).len() as f64)),
        _ => Err(Error::type_mismatch("count-selected: argument is not a select multi list")),
    }
}

fn selected_at<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let Value::Text(list) = args[0].clone().unpack(cx)? else {
        return Err(Error::generic("selected-at: first argument is not a select multi list"));
    };
    let index = args[1].to_int(cx)?;
    let index = if index.is_nan() { 0.0 } else { index };
    let pieces = pieces(&list);
    match pieces.get(index.max(0.0) as usize) {
        Some(piece) if index >= 0.0 => Ok(Value::text((*piece).to_owned())),
        _ => Err(Error::generic(format!(
            "Attempting to select element {index} of a list with only {} elements.",
            pieces.len()
        ))),
    }
}

fn utf16_cmp(a: &str, b: &str) -> std::cmp::Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

fn ascending<'a>(arg: Option<&Value<'a>>, cx: &Context<'a>) -> Result<bool, Error> {
    arg.map_or(Ok(true), |value| value.to_boolean(cx))
}

fn sort<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let list = args[0].to_text(cx)?;
    let ascending = ascending(args.get(1), cx)?;
    let mut items = pieces(&list);
    if items.is_empty() {
        return Err(Error::generic("sort() needs a list with at least one item"));
    }
    items.sort_by(|a, b| utf16_cmp(a, b));
    if !ascending {
        items.reverse();
    }
    Ok(Value::text(items.join(" ")))
}

fn sort_by<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let (list, keys) = (args[0].to_text(cx)?, args[1].to_text(cx)?);
    let ascending = ascending(args.get(2), cx)?;
    let (items, keys) = (pieces(&list), pieces(&keys));
    if items.len() != keys.len() {
        return Err(Error::type_mismatch("sort-by: length of lists passed must match"));
    }
    if items.is_empty() {
        return Err(Error::generic("sort-by() needs a list with at least one item"));
    }
    let mut pairs: Vec<_> = keys.into_iter().zip(items).collect();
    pairs.sort_by(|a, b| utf16_cmp(a.0, b.0).then_with(|| utf16_cmp(a.1, b.1)));
    if !ascending {
        pairs.reverse();
    }
    let items: Vec<_> = pairs.into_iter().map(|(_, item)| item).collect();
    Ok(Value::text(items.join(" ")))
}

/// Members of a nodeset or sequence, or the pieces of a list.
fn items<'a>(value: &Value<'a>, cx: &Context<'a>) -> Result<Vec<Value<'a>>, Error> {
    Ok(match value {
        Value::Nodes(_) => members(std::slice::from_ref(value), cx)?,
        Value::Sequence(parts) => parts.clone(),
        other => {
            let list = other.to_text(cx)?;
            pieces(&list).into_iter().map(|piece| Value::Text(Cow::Owned(piece.to_owned()))).collect()
        }
    })
}

fn distinct_values<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for item in items(&args[0], cx)? {
        let key = match &item {
            Value::Text(text) => format!("t{text}"),
            Value::Number(n) => format!("n{:x}", n.to_bits()),
            Value::Boolean(b) => format!("b{b}"),
            Value::Date(ms) => format!("d{ms}"),
            _ => String::new(),
        };
        if seen.insert(key) {
            out.push(item);
        }
    }
    Ok(Value::Sequence(out))
}

fn index_of<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    // The wanted value is a text, so a member with a number or a date never equals it.
    let wanted = args[1].to_text(cx)?;
    let same = |item: &Value<'a>| matches!(item, Value::Text(text) if *text == wanted);
    let position = items(&args[0], cx)?.iter().position(same);
    Ok(position.map_or(Value::text(""), |at| Value::Number(at as f64)))
}
