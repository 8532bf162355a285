//! Comparing ids and errors with what is expected.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Ids of a list.
pub fn ids(list: &Value) -> Result<Vec<String>> {
    let list = list.as_array().context("no list of ids")?;
    list.iter().map(|id| Ok(id.as_str().context("an id that is no text")?.to_owned())).collect()
}

/// The same ids, in any order.
pub fn same_set(expected: &Value, found: Vec<String>) -> Result<()> {
    let expected: BTreeSet<String> = ids(expected)?.into_iter().collect();
    let count = found.len();
    let found: BTreeSet<String> = found.into_iter().collect();
    ensure!(found.len() == count, "a case was found twice");
    ensure!(expected == found, "expected {expected:?}, found {found:?}");
    Ok(())
}

/// The same ids in the same order, but for runs of ids that are as good as each other.
pub fn same_order(expect: &Value, found: Vec<String>) -> Result<()> {
    let expected = ids(&expect["ids"])?;
    let ties: Vec<Vec<String>> =
        expect["ties"].as_array().into_iter().flatten().map(ids).collect::<Result<_>>()?;
    // Each id is stood for by the first of its run.
    let stand =
        |id: &String| ties.iter().find(|run| run.contains(id)).map_or(id.clone(), |run| run[0].clone());
    let of = |all: &[String]| all.iter().map(stand).collect::<Vec<_>>();
    ensure!(of(&expected) == of(&found), "expected {expected:?}, found {found:?}");
    let (mut a, mut b) = (expected, found);
    a.sort();
    b.sort();
    ensure!(a == b, "expected {a:?}, found {b:?}");
    Ok(())
}

/// An error whose text contains what is expected.
pub fn same_error<T>(expect: &Value, result: Result<T, impl std::fmt::Display>) -> Result<()> {
    let Err(error) = result else { bail!("was taken, and should be refused") };
    let error = error.to_string();
    if let Some(part) = expect["error"]["message_contains"].as_str() {
        ensure!(error.contains(part), "refused with {error:?}, expected {part:?}");
    }
    Ok(())
}
