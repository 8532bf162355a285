//! Comparing texts, events and XML.

use std::collections::HashMap;

use roxmltree::{Document, Node};
use serde_json::Value as Json;

/// Tokens that may be renamed one to one: uuids count calls.
#[derive(Default)]
pub struct Tokens {
    forward: HashMap<String, String>,
    backward: HashMap<String, String>,
}

/// The part of a text that is a recorded uuid.
fn uuid_at(text: &str) -> Option<(usize, usize)> {
    const HEAD: &str = "00000000-0000-4000-8000-";
    let start = text.find(HEAD)?;
    let end = start + HEAD.len() + 12;
    (text.len() >= end && text.is_char_boundary(end)).then_some((start, end))
}

fn is_short_token(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit())
}

/// What may differ in a document.
struct Leeway<'l> {
    /// Nodes nobody looks at.
    ignore: &'l [String],
    /// Whether a node may have a text because its preferred state has it.
    wanted: &'l dyn Fn(&str, &str) -> bool,
}

/// A path without positions.
pub fn generic(path: &str) -> String {
    path.split('/').map(|step| step.split('[').next().unwrap_or(step)).collect::<Vec<_>>().join("/")
}

impl Tokens {
    fn maps(&mut self, expected: &str, got: &str) -> bool {
        let forward = self.forward.entry(expected.to_owned()).or_insert_with(|| got.to_owned());
        let fits = forward == got;
        let backward = self.backward.entry(got.to_owned()).or_insert_with(|| expected.to_owned());
        fits && backward == expected
    }

    /// Whether two texts are the same, up to tokens and the last digit of numbers.
    pub fn same(&mut self, expected: &str, got: &str) -> bool {
        match (uuid_at(expected), uuid_at(got)) {
            (Some((start, end)), Some((start2, end2))) => {
                return start == start2
                    && expected[..start] == got[..start]
                    && self.maps(&expected[start..end], &got[start..end])
                    && self.same(&expected[end..], &got[end2..]);
            }
            (None, None) => {}
            _ => return false,
        }
        if expected == got {
            return true;
        }
        if expected.len() == got.len() && is_short_token(expected) && is_short_token(got) {
            return self.maps(expected, got);
        }
        match (expected.parse::<f64>(), got.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.fract() != 0.0 && ((a - b) / a).abs() < 1e-14,
            _ => false,
        }
    }

    /// Whether two descriptions are the same; what the engine could not describe, nobody has to.
    pub fn same_json(&mut self, expected: &Json, got: &Json) -> Result<(), String> {
        if expected.get("error").is_some() {
            return Ok(());
        }
        let fits = match (expected, got) {
            (Json::String(a), Json::String(b)) => self.same(a, b),
            (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
                for (a, b) in a.iter().zip(b) {
                    self.same_json(a, b)?;
                }
                true
            }
            (Json::Object(a), Json::Object(b)) => {
                for (key, value) in a {
                    let other = b.get(key).ok_or_else(|| format!("lacks {key} = {value} in {got}"))?;
                    self.same_json(value, other).map_err(|e| format!("{key}: {e}"))?;
                }
                if let Some((key, value)) = b.iter().find(|(key, _)| !a.contains_key(*key)) {
                    return Err(format!("has {key} = {value} too much"));
                }
                true
            }
            (a, b) => a == b,
        };
        if fits { Ok(()) } else { Err(format!("expected {expected}, got {got}")) }
    }

    /// Whether two documents are the same, up to prefixes, whitespace between elements and ignored nodes.
    pub fn same_xml(
        &mut self,
        expected: &str,
        got: &str,
        ignore: &[String],
        wanted: &dyn Fn(&str, &str) -> bool,
    ) -> Result<(), String> {
        let a = Document::parse(expected).map_err(|e| format!("recorded XML: {e}"))?;
        let b = Document::parse(got).map_err(|e| format!("our XML: {e}\n{got}"))?;
        self.same_element(a.root_element(), b.root_element(), "", &Leeway { ignore, wanted })
    }

    fn same_element(
        &mut self,
        a: Node<'_, '_>,
        b: Node<'_, '_>,
        above: &str,
        leeway: &Leeway<'_>,
    ) -> Result<(), String> {
        let before =
            b.prev_siblings().skip(1).filter(|n| n.is_element() && n.tag_name() == b.tag_name()).count();
        let path = format!("{above}/{}[{}]", a.tag_name().name(), before + 1);
        let plain = generic(&path);
        if a.tag_name() != b.tag_name() {
            return Err(format!("{path}: expected {:?}, got {:?}", a.tag_name(), b.tag_name()));
        }
        let mut left: Vec<_> = a.attributes().map(|x| (x.namespace(), x.name(), x.value())).collect();
        let mut right: Vec<_> = b.attributes().map(|x| (x.namespace(), x.name(), x.value())).collect();
        left.sort_unstable();
        right.sort_unstable();
        if left.len() != right.len() {
            return Err(format!("{path}: expected attributes {left:?}, got {right:?}"));
        }
        for (x, y) in left.iter().zip(&right) {
            let ignored = leeway.ignore.contains(&format!("{plain}/@{}", x.1));
            if (x.0, x.1) != (y.0, y.1) || !(ignored || self.same(x.2, y.2)) {
                return Err(format!("{path}: expected attribute {x:?}, got {y:?}"));
            }
        }
        let children = |n: Node<'_, '_>| n.children().filter(Node::is_element).count();
        if children(a) != children(b) {
            let names = |n: Node<'_, '_>| {
                n.children()
                    .filter(Node::is_element)
                    .map(|c| c.tag_name().name().to_owned())
                    .collect::<Vec<_>>()
            };
            return Err(format!("{path}: expected {:?}, got {:?}", names(a), names(b)));
        }
        if children(a) == 0 {
            let text = |n: Node<'_, '_>| n.children().filter_map(|c| c.text()).collect::<String>();
            let ignored = leeway.ignore.contains(&plain);
            if !ignored && !self.same(&text(a), &text(b)) && !(leeway.wanted)(&path, &text(b)) {
                return Err(format!("{path}: expected {:?}, got {:?}", text(a), text(b)));
            }
        }
        let elements = a.children().filter(Node::is_element).zip(b.children().filter(Node::is_element));
        for (x, y) in elements {
            self.same_element(x, y, &path, leeway)?;
        }
        Ok(())
    }
}
