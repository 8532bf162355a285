//! Compares an outcome with a recorded one.

use bolster_xpath::{Context, Error, NodeRef, Nodeset, Value, format_number};
use serde_json::Value as Json;

/// Compares; `Err` says what differs.
pub fn outcome<'a>(
    expected: &Json,
    got: &Result<Value<'a>, Error>,
    approx: bool,
    context: &Context<'a>,
) -> Result<(), String> {
    if let Some(kind) = expected["error"].as_str() {
        return error(kind, got);
    }
    match got {
        Err(e) => Err(format!("got error {} ({}), expected {expected}", e.code.as_str(), e.message)),
        Ok(value) => {
            if same(expected, value, approx, context) {
                Ok(())
            } else {
                Err(format!("got {value:?}, expected {expected}"))
            }
        }
    }
}

fn error<T: std::fmt::Debug>(kind: &str, got: &Result<T, Error>) -> Result<(), String> {
    match got {
        Err(e) => {
            let own = e.code.as_str();
            let syntax = |k: &str| matches!(k, "syntax" | "arity");
            if kind == "any" || own == kind || (syntax(own) && syntax(kind)) {
                Ok(())
            } else {
                Err(format!("got error {own} ({}), expected error {kind}", e.message))
            }
        }
        Ok(value) => Err(format!("got {value:?}, expected error {kind}")),
    }
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a - b).abs() <= tolerance * b.abs().max(1.0)
}

fn number(value: &Json) -> f64 {
    match value {
        Json::String(text) if text == "-0" => -0.0,
        Json::String(text) if text == "NaN" => f64::NAN,
        Json::String(text) if text.ends_with("Infinity") => {
            if text.starts_with('-') {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            }
        }
        other => other.as_f64().unwrap_or(f64::NAN),
    }
}

fn text_same(expected: &str, got: &str, approx: bool) -> bool {
    if !approx {
        return expected == got;
    }
    let (a, b): (Vec<_>, Vec<_>) = (expected.split(' ').collect(), got.split(' ').collect());
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            *a == b
                || a.parse::<f64>().ok().zip(b.parse::<f64>().ok()).is_some_and(|(a, b)| (a - b).abs() < 1e-9)
        })
}

fn same<'a>(expected: &Json, got: &Value<'a>, approx: bool, context: &Context<'a>) -> bool {
    if let (Some(text), Value::Text(own)) = (expected.as_str(), got) {
        return text_same(text, own, approx);
    }
    match (expected["type"].as_str().unwrap_or(""), got) {
        ("number", Value::Number(n)) => {
            let wanted = number(&expected["value"]);
            if approx {
                return close(*n, wanted, 1e-12) || (n.is_nan() && wanted.is_nan());
            }
            (n.to_bits() == wanted.to_bits() || n.is_nan() && wanted.is_nan())
                && expected["text"].as_str() == Some(&format_number(*n))
        }
        ("string", Value::Text(text)) => text_same(expected["value"].as_str().unwrap_or(""), text, approx),
        ("boolean", Value::Boolean(b)) => expected["value"].as_bool() == Some(*b),
        ("date", Value::Date(ms)) => expected["ms"].as_i64() == Some(*ms),
        ("sequence", Value::Sequence(items)) => {
            let wanted = expected["value"].as_array().map_or(&[][..], |v| v);
            wanted.len() == items.len()
                && wanted
                    .iter()
                    .zip(items)
                    .all(|(w, i)| i.to_text(context).is_ok_and(|t| w.as_str() == Some(&t)))
        }
        ("nodeset", Value::Nodes(nodes)) => {
            if expected["count"].as_u64() != Some(nodes.nodes.len() as u64)
                || expected["invalid"].as_bool().unwrap_or(false) != nodes.invalid.is_some()
            {
                return false;
            }
            let members = expected["nodes"].as_array().map_or(&[][..], |v| v);
            let fits = |wanted: &Json, node: NodeRef<'a>| {
                wanted["ref"].as_str().is_none_or(|r| r == node.path())
                    && stored(node, context).is_ok_and(|v| same(&wanted["value"], &v, approx, context))
            };
            let members_fit = if expected["unordered"].as_bool() == Some(true) {
                let mut left: Vec<_> = nodes.iter().collect();
                members.iter().all(|wanted| {
                    let at = left.iter().position(|node| fits(wanted, *node));
                    at.map(|at| left.remove(at)).is_some()
                })
            } else {
                members.iter().zip(nodes.iter()).all(|(wanted, node)| fits(wanted, node))
            };
            let scalar = &expected["scalar"];
            members_fit
                && (scalar.is_null() || outcome(scalar, &nodes.unpack(context), approx, context).is_ok())
        }
        _ => false,
    }
}

/// The value of one member; the candidate for the node under test.
fn stored<'a>(node: NodeRef<'a>, context: &Context<'a>) -> Result<Value<'a>, Error> {
    let NodeRef { instance, source, node } = node;
    Nodeset { instance, source, nodes: [node].into_iter().collect(), invalid: None }.unpack(context)
}
