//! Comparing replies with recordings: placeholders, XML members, sets.

use std::collections::HashMap;

use roxmltree::{Document, Node};
use serde_json::Value as Json;

/// What placeholders of a session are bound to.
#[derive(Default)]
pub struct Bindings {
    bound: HashMap<String, String>,
}

/// One part of a recorded text.
enum Part<'t> {
    Literal(&'t str),
    Placeholder(&'t str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(end) = rest[start..].find("}}") else { break };
        if start > 0 {
            out.push(Part::Literal(&rest[..start]));
        }
        out.push(Part::Placeholder(&rest[start + 2..start + end]));
        rest = &rest[start + end + 2..];
    }
    if !rest.is_empty() {
        out.push(Part::Literal(rest));
    }
    out
}

/// The address of the server under test.
pub const BASE: &str = "http://bolster.test";

impl Bindings {
    /// Whether a text is the recorded one.
    pub fn same_text(&mut self, expected: &str, got: &str) -> bool {
        if !expected.contains("{{") {
            return expected == got;
        }
        let parts = parts(expected);
        let mut fresh = Vec::new();
        if !self.fits(&parts, got, &mut fresh) {
            return false;
        }
        self.bound.extend(fresh);
        true
    }

    fn fits(&self, parts: &[Part<'_>], got: &str, fresh: &mut Vec<(String, String)>) -> bool {
        let Some((first, rest)) = parts.split_first() else { return got.is_empty() };
        let name = match first {
            Part::Literal(text) => {
                return got.strip_prefix(text).is_some_and(|got| self.fits(rest, got, fresh));
            }
            Part::Placeholder(name) => *name,
        };
        let known = fresh.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let known = known.or_else(|| self.bound.get(name).cloned());
        let known = if name == "base" { Some(BASE.to_owned()) } else { known };
        if let Some(known) = known {
            return got.strip_prefix(&*known).is_some_and(|got| self.fits(rest, got, fresh));
        }
        // What follows decides how much the placeholder takes.
        let ends: Vec<usize> = match rest.first() {
            None => vec![got.len()],
            Some(Part::Literal(text)) => got.match_indices(text).map(|(at, _)| at).collect(),
            Some(Part::Placeholder(_)) => (0..=got.len()).filter(|at| got.is_char_boundary(*at)).collect(),
        };
        for end in ends {
            let value = &got[..end];
            if !accepts(name, value) {
                continue;
            }
            let before = fresh.len();
            if name.starts_with("uuid:") {
                fresh.push((name.to_owned(), value.to_owned()));
            }
            if self.fits(rest, &got[end..], fresh) {
                return true;
            }
            fresh.truncate(before);
        }
        false
    }

    /// Whether a value is the recorded one; the path and what differs if not.
    pub fn same(&mut self, expected: &Json, got: &Json, path: &str, ignore: &[String]) -> Result<(), String> {
        if ignore.iter().any(|ignored| ignored == path) {
            return Ok(());
        }
        let last = path.rsplit('.').next().unwrap_or(path);
        if matches!(last, "metaData" | "attemptRestore") {
            return Ok(());
        }
        let differs = || Err(format!("{path}: expected {}, got {}", short(expected), short(got)));
        match (expected, got) {
            (Json::Null, Json::Null) => Ok(()),
            (Json::String(a), Json::String(b)) if is_xml(last, a) => self.same_xml(a, b, path),
            (Json::String(a), Json::String(b)) => {
                if self.same_text(a, b) {
                    Ok(())
                } else {
                    differs()
                }
            }
            (Json::String(a), Json::Number(b)) if a == "{{number}}" || self.same_text(a, &b.to_string()) => {
                Ok(())
            }
            (Json::Number(a), Json::Number(b)) if a.as_f64() == b.as_f64() => Ok(()),
            (Json::Array(a), Json::Array(b)) if last == "autoCompletableItems" => self.same_set(a, b, path),
            (Json::Array(a), Json::Array(b)) => {
                for (at, (a, b)) in a.iter().zip(b).enumerate() {
                    self.same(a, b, &format!("{path}.{at}"), ignore)?;
                }
                match a.len() == b.len() {
                    true => Ok(()),
                    false => {
                        Err(format!("{path}: expected {} members, got {}: {}", a.len(), b.len(), short(got)))
                    }
                }
            }
            (Json::Object(a), Json::Object(b)) => {
                for (key, value) in a {
                    let other = b.get(key).unwrap_or(&Json::Null);
                    self.same(value, other, &format!("{path}.{key}"), ignore)?;
                }
                for (key, value) in b {
                    let own = matches!(key.as_str(), "id") && path.contains("commands");
                    if !a.contains_key(key) && !value.is_null() && !own {
                        self.same(&Json::Null, value, &format!("{path}.{key}"), ignore)?;
                    }
                }
                Ok(())
            }
            (a, b) if a == b => Ok(()),
            _ => differs(),
        }
    }

    fn same_set(&mut self, a: &[Json], b: &[Json], path: &str) -> Result<(), String> {
        let mut left: Vec<String> = a.iter().map(Json::to_string).collect();
        let mut right: Vec<String> = b.iter().map(Json::to_string).collect();
        left.sort();
        right.sort();
        if left == right {
            return Ok(());
        }
        let missing = left.iter().find(|item| !right.contains(item));
        let extra = right.iter().find(|item| !left.contains(item));
        Err(format!("{path}: lacks {missing:?}, has {extra:?} too much"))
    }

    /// Whether two lists of names and values are the same, whatever their order.
    pub fn same_form(&mut self, expected: &Json, got: &Json, path: &str) -> Result<(), String> {
        let pairs = |form: &Json| {
            let pair = |pair: &Json| {
                let text = |at: usize| pair[at].as_str().unwrap_or_default().to_owned();
                (text(0), text(1))
            };
            let mut out: Vec<_> = form.as_array().into_iter().flatten().map(pair).collect();
            out.sort();
            out
        };
        let (a, mut b) = (pairs(expected), pairs(got));
        for (key, value) in &a {
            let xml = value.trim_start().starts_with("<?xml");
            let found = b.iter().position(|(other, own)| {
                key == other
                    && if xml { self.same_xml(value, own, path).is_ok() } else { self.same_text(value, own) }
            });
            match found {
                Some(at) => {
                    b.remove(at);
                }
                None => return Err(format!("{path}: lacks {key}={value}, has {b:?}")),
            }
        }
        match b.is_empty() {
            true => Ok(()),
            false => Err(format!("{path}: has {b:?} too much")),
        }
    }

    /// Whether two documents are the same, up to prefixes, order of attributes and white space between elements.
    pub fn same_xml(&mut self, expected: &str, got: &str, path: &str) -> Result<(), String> {
        let Ok(a) = Document::parse(expected) else {
            return match self.same_text(expected, got) {
                true => Ok(()),
                false => Err(format!("{path}: expected {expected:?}, got {got:?}")),
            };
        };
        let b = Document::parse(got).map_err(|e| format!("{path}: expected XML, got {got:?} ({e})"))?;
        self.same_element(a.root_element(), b.root_element(), path)
    }

    fn same_element(&mut self, a: Node<'_, '_>, b: Node<'_, '_>, above: &str) -> Result<(), String> {
        let path = format!("{above}/{}", a.tag_name().name());
        let namespace = |node: Node<'_, '_>| node.tag_name().namespace().unwrap_or("").to_owned();
        let result = above.ends_with("output") || above.contains("output/");
        if a.tag_name().name() != b.tag_name().name() || (!result && namespace(a) != namespace(b)) {
            return Err(format!("{path}: expected {:?}, got {:?}", a.tag_name(), b.tag_name()));
        }
        let own = |node: Node<'_, '_>| {
            let mut all: Vec<_> =
                node.attributes().map(|x| (x.name().to_owned(), x.value().to_owned())).collect();
            all.sort();
            all
        };
        let (left, right) = (own(a), own(b));
        let names = |all: &[(String, String)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        if names(&left) != names(&right) {
            return Err(format!("{path}: expected attributes {left:?}, got {right:?}"));
        }
        for (x, y) in left.iter().zip(&right) {
            if !self.same_text(&x.1, &y.1) {
                return Err(format!("{path}/@{}: expected {:?}, got {:?}", x.0, x.1, y.1));
            }
        }
        let children = |node: Node<'_, '_>| {
            node.children()
                .filter(Node::is_element)
                .map(|n| n.tag_name().name().to_owned())
                .collect::<Vec<_>>()
        };
        if children(a) != children(b) {
            return Err(format!("{path}: expected {:?}, got {:?}", children(a), children(b)));
        }
        if children(a).is_empty() {
            let text = |node: Node<'_, '_>| node.children().filter_map(|c| c.text()).collect::<String>();
            if !self.same_text(&text(a), &text(b)) {
                return Err(format!("{path}: expected {:?}, got {:?}", text(a), text(b)));
            }
        }
        let both = a.children().filter(Node::is_element).zip(b.children().filter(Node::is_element));
        for (x, y) in both {
            self.same_element(x, y, &path)?;
        }
        Ok(())
    }
}

fn is_xml(member: &str, text: &str) -> bool {
    matches!(member, "output" | "xml" | "instanceXml") && text.trim_start().starts_with('<')
}

/// Whether a placeholder may stand for a text.
fn accepts(name: &str, value: &str) -> bool {
    match name {
        "number" => value.parse::<f64>().is_ok(),
        "duration" => !value.contains('\n'),
        "hq" => value.starts_with("http"),
        _ if name.starts_with("uuid:") => {
            !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        }
        _ if name.starts_with("now:") => {
            value.len() >= 10 && value.chars().all(|c| c.is_ascii_alphanumeric() || " :.+-".contains(c))
        }
        _ => true,
    }
}

fn short(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
