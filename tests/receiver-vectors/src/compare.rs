//! Expected against found, as JSON values.
//!
//! An expected object is a pattern: its keys must be there, others may. Matchers stand for values that are
//! not known beforehand: `"*"`, `{"present": true}`, `{"absent": true}`, `{"contains": text}`,
//! `{"any_of": […]}`, `{"after": time}`, `{"bind": "$x", "not": value}`. A text that starts with `$` is what was bound before.

use std::collections::BTreeMap;

use bolster_wire::times;
use serde_json::Value;

/// How far two times may be apart, in microseconds.
const TIME_TOLERANCE_US: u64 = 1000;

/// Values bound so far, by name with its `$`.
pub type Bound = BTreeMap<String, String>;

/// What differed: paths and values.
#[derive(Debug, Default)]
pub struct Differences(pub Vec<String>);

impl Differences {
    /// Notes one.
    pub fn add(&mut self, at: &str, expected: &Value, found: &Value) {
        self.0.push(format!("{at} should be {}, is {}", short(expected), short(found)));
    }

    /// Notes a sentence.
    pub fn say(&mut self, sentence: impl Into<String>) {
        self.0.push(sentence.into());
    }

    /// Nothing differed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// A text with a bound name replaced.
pub fn resolve<'a>(text: &'a str, bound: &'a Bound) -> &'a str {
    bound.get(text).map_or(text, String::as_str)
}

/// Compares a pattern: objects by the keys that the pattern names.
pub fn pattern(at: &str, expected: &Value, found: &Value, bound: &mut Bound, out: &mut Differences) {
    if let Some(done) = matcher(at, expected, found, bound) {
        if !done {
            out.add(at, expected, found);
        }
        return;
    }
    match (expected, found) {
        (Value::Object(want), Value::Object(_)) => {
            for (key, value) in want {
                let here = found.get(key).unwrap_or(&Value::Null);
                pattern(&format!("{at}/{key}"), value, here, bound, out);
            }
        }
        _ => exact(at, expected, found, bound, out),
    }
}

/// Compares whole values: no key more, no key less.
pub fn exact(at: &str, expected: &Value, found: &Value, bound: &mut Bound, out: &mut Differences) {
    if let Some(done) = matcher(at, expected, found, bound) {
        if !done {
            out.add(at, expected, found);
        }
        return;
    }
    match (expected, found) {
        (Value::Object(want), Value::Object(have)) => {
            for (key, value) in want {
                match have.get(key) {
                    Some(here) => exact(&format!("{at}/{key}"), value, here, bound, out),
                    None => out.add(&format!("{at}/{key}"), value, &Value::Null),
                }
            }
            for key in have.keys().filter(|k| !want.contains_key(*k)) {
                out.say(format!("{at}/{key} should not be there"));
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (i, (value, here)) in want.iter().zip(have).enumerate() {
                exact(&format!("{at}[{i}]"), value, here, bound, out);
            }
        }
        _ if !same(expected, found, bound) => out.add(at, expected, found),
        _ => {}
    }
}

/// `None` when `expected` is a plain value; else whether the matcher is content.
fn matcher(at: &str, expected: &Value, found: &Value, bound: &mut Bound) -> Option<bool> {
    if expected == "*" {
        return Some(true);
    }
    let map = expected.as_object().filter(|m| !m.is_empty())?;
    let known = ["present", "absent", "contains", "any_of", "after", "bind", "not"];
    if !map.keys().all(|k| known.contains(&k.as_str())) {
        return None;
    }
    let empty = found.is_null() || found == "";
    let text = || found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    let mut content = true;
    for (key, value) in map {
        content &= match key.as_str() {
            "present" => !empty,
            "absent" => found.is_null(),
            "contains" => text().contains(value.as_str().unwrap_or_default()),
            "after" => {
                let limit = value.as_str().and_then(times::loose);
                times::loose(&text()).zip(limit).is_some_and(|(found, limit)| found > limit)
            }
            "any_of" => value.as_array().is_some_and(|options| {
                options.iter().any(|option| {
                    let mut none = Differences::default();
                    exact(at, option, found, &mut bound.clone(), &mut none);
                    none.is_empty()
                })
            }),
            "bind" => {
                if !empty {
                    bound.insert(value.as_str().unwrap_or_default().to_owned(), text());
                }
                !empty
            }
            "not" => value.as_str().is_none_or(|v| resolve(v, bound) != text()),
            _ => false,
        };
    }
    Some(content)
}

/// Equal values: numbers and texts, times within the tolerance, nothing and empty text alike.
fn same(expected: &Value, found: &Value, bound: &Bound) -> bool {
    match (expected, found) {
        (Value::Null, Value::String(text)) | (Value::String(text), Value::Null) => text.is_empty(),
        (Value::String(want), Value::String(have)) => {
            let want = resolve(want, bound);
            want == have || same_time(want, have)
        }
        _ => expected == found,
    }
}

fn same_time(a: &str, b: &str) -> bool {
    match (times::loose(a), times::loose(b)) {
        (Some(a), Some(b)) => a.0.abs_diff(b.0) <= TIME_TOLERANCE_US,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differs(expected: Value, found: Value) -> bool {
        let mut bound = Bound::from([("$x".to_owned(), "7".to_owned())]);
        let mut out = Differences::default();
        pattern("", &expected, &found, &mut bound, &mut out);
        !out.is_empty()
    }

    #[test]
    fn patterns_and_matchers() {
        let rows = [
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!({"a": 1}), json!({"b": 2}), true),
            (json!([1, 2]), json!([1]), true),
            (json!([{"a": 1}]), json!([{"a": 1, "b": 2}]), true),
            (json!("$x"), json!("7"), false),
            (json!("*"), json!(null), false),
            (json!(null), json!(""), false),
            (json!({"present": true}), json!(null), true),
            (json!({"bind": "$y", "not": "$x"}), json!("7"), true),
            (json!({"bind": "$y", "not": "8"}), json!("7"), false),
            (json!({"any_of": [1, {"a": 2}]}), json!({"a": 2}), false),
            (json!({"any_of": [1, 2]}), json!(3), true),
            (json!("2024-01-15T10:00:00.000000Z"), json!("2024-01-15T10:00:00.001000Z"), false),
            (json!("2024-01-15T10:00:00.000000Z"), json!("2024-01-15T10:00:00.002000Z"), true),
            (json!({}), json!({"a": 1}), false),
        ];
        for (expected, found, result) in rows {
            assert_eq!(differs(expected.clone(), found.clone()), result, "{expected} {found}");
        }
    }
}
