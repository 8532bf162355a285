//! Licences and origin of dependencies, by the same `deny.toml` that `cargo deny` reads, so that the check
//! also runs where that tool and its advisory list are not to be had.

use super::metadata::{Graph, Package};
use anyhow::{Context, Result};
use std::path::Path;

pub fn check(root: &Path, graph: &Graph) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join("deny.toml")).context("deny.toml could not be read")?;
    let policy: toml::Table = text.parse().context("deny.toml is not TOML")?;
    let allowed = strings(policy.get("licenses").and_then(|l| l.get("allow")));
    let banned = names(policy.get("bans").and_then(|b| b.get("deny")));
    let mut findings = Vec::new();
    for package in graph.others() {
        if !package.from_registry {
            findings.push(format!("{} {}: does not come from a registry", package.name, package.version));
        }
        if banned.contains(&package.name) {
            findings.push(format!("{}: banned by deny.toml", package.name));
        }
        findings.extend(licence_finding(package, &allowed));
    }
    for (_, package) in graph.members() {
        if package.licence.as_deref() != Some("Apache-2.0") {
            findings.push(format!("{}: its Cargo.toml does not say Apache-2.0", package.name));
        }
    }
    if !root.join("LICENSE").is_file() {
        findings.push("LICENSE is missing".to_owned());
    }
    Ok(findings)
}

fn licence_finding(package: &Package, allowed: &[String]) -> Option<String> {
    let Some(expression) = &package.licence else {
        let kind = if package.has_licence_file { "only a licence file" } else { "no licence" };
        return Some(format!("{} {}: {kind}", package.name, package.version));
    };
    match permits(expression, allowed) {
        Some(true) => None,
        Some(false) => Some(format!("{}: licence {expression} is not allowed", package.name)),
        None => Some(format!("{}: licence {expression:?} cannot be read", package.name)),
    }
}

fn strings(value: Option<&toml::Value>) -> Vec<String> {
    let list = value.and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

fn names(value: Option<&toml::Value>) -> Vec<String> {
    let list = value.and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(|v| v.get("name").unwrap_or(v).as_str().map(str::to_owned)).collect()
}

/// Whether an SPDX expression can be satisfied by the allowed licences; `None` when it cannot be read.
fn permits(expression: &str, allowed: &[String]) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let result = any_of(&tokens, &mut at, allowed)?;
    (at == tokens.len()).then_some(result)
}

fn any_of(tokens: &[&str], at: &mut usize, allowed: &[String]) -> Option<bool> {
    let mut result = all_of(tokens, at, allowed)?;
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        result |= all_of(tokens, at, allowed)?;
    }
    Some(result)
}

fn all_of(tokens: &[&str], at: &mut usize, allowed: &[String]) -> Option<bool> {
    let mut result = one(tokens, at, allowed)?;
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        result &= one(tokens, at, allowed)?;
    }
    Some(result)
}

fn one(tokens: &[&str], at: &mut usize, allowed: &[String]) -> Option<bool> {
    let token = *tokens.get(*at)?;
    *at += 1;
    if token == "(" {
        let result = any_of(tokens, at, allowed)?;
        let closed = tokens.get(*at) == Some(&")");
        *at += 1;
        return closed.then_some(result);
    }
    let mut licence = token.to_owned();
    if tokens.get(*at) == Some(&"WITH") {
        licence = format!("{token} WITH {}", tokens.get(*at + 1)?);
        *at += 2;
    }
    // What may be used under the licence may be used under the licence with an exception.
    Some(allowed.iter().any(|a| *a == licence || a == token))
}

#[cfg(test)]
mod tests {
    use super::permits;

    #[test]
    fn expressions_are_judged() {
        let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned(), "Unicode-3.0".to_owned()];
        let check = |expression| permits(expression, &allowed);
        assert_eq!(check("MIT"), Some(true));
        assert_eq!(check("MIT/Apache-2.0"), Some(true));
        assert_eq!(check("GPL-3.0"), Some(false));
        assert_eq!(check("GPL-3.0 OR MIT"), Some(true));
        assert_eq!(check("(MIT OR GPL-3.0) AND Unicode-3.0"), Some(true));
        assert_eq!(check("MIT AND GPL-3.0"), Some(false));
        assert_eq!(check("Apache-2.0 WITH LLVM-exception"), Some(true));
        assert_eq!(check("(MIT"), None);
        assert_eq!(check(""), None);
        assert_eq!(check("MIT MIT"), None);
    }
}
