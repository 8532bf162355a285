//! Graphs of cases with what belongs on the phone and what it keeps; lists of ids with their hash.

use crate::Vector;
use crate::compare::Differences;
use anyhow::{Context, Result};
use bolster_cases::sync::{CaseGraph, Link, SyncCase, live, purge};
use bolster_model::CaseId;
use bolster_usecases::restore::StateHash;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::convert::Infallible;
use std::path::Path;

/// One vector for each line.
pub fn collect(path: &Path, vectors: &mut Vec<Vector>) -> Result<()> {
    let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for (number, line) in std::fs::read_to_string(path)?.lines().enumerate() {
        let vector: Value = serde_json::from_str(line).with_context(|| format!("{file} line {number}"))?;
        let id = vector["id"].as_str().map(str::to_owned);
        let name = id.unwrap_or_else(|| format!("{file}-{}", number + 1));
        let run = move || if vector["cases"].is_object() { graph(&vector) } else { hash(&vector) };
        vectors.push(Vector { area: "restore", name, run: Box::new(run) });
    }
    Ok(())
}

struct Graph(BTreeMap<CaseId, SyncCase>);

impl CaseGraph for Graph {
    type Error = Infallible;
    fn case(&self, id: &CaseId) -> Result<Option<SyncCase>, Infallible> {
        Ok(self.0.get(id).cloned())
    }
    fn extensions(&self, id: &CaseId) -> Result<Vec<CaseId>, Infallible> {
        let extends = |case: &SyncCase| case.links.iter().any(|l| l.extension && l.target == *id);
        Ok(self.0.iter().filter(|(_, case)| extends(case)).map(|(id, _)| id.clone()).collect())
    }
}

fn case(value: &Value) -> SyncCase {
    let links = value["indices"].as_object().into_iter().flatten().map(|(identifier, index)| Link {
        identifier: identifier.clone(),
        target: CaseId::new(index[0].as_str().unwrap_or_default()),
        extension: index[1] == "extension",
    });
    SyncCase {
        owner: value["owner_id"].as_str().unwrap_or_default().to_owned(),
        closed: value["closed"] == true,
        links: links.collect(),
    }
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn graph(vector: &Value) -> Result<Differences> {
    let mut differences = Differences::default();
    let cases = vector["cases"].as_object().context("a graph without cases")?;
    let graph = Graph(cases.iter().map(|(id, value)| (CaseId::new(id.as_str()), case(value))).collect());
    let owners: HashSet<String> = names(&vector["owner_ids"]).into_iter().collect();
    let Ok(found) = live(&graph, &owners, graph.0.keys().cloned());
    let ids: BTreeSet<String> = found.iter().map(|c| c.id.to_string()).collect();
    let expected = names(&vector["live"]);
    if ids != expected {
        differences.add("live", &json!(expected), &json!(ids));
    }
    if !vector["phone_keeps"].is_null() {
        let sent: Vec<(&CaseId, &SyncCase)> = found.iter().map(|c| (&c.id, &c.case)).collect();
        let kept = purge(&sent, &owners).map(|kept| kept.iter().map(ToString::to_string).collect());
        let kept: BTreeSet<String> = kept.unwrap_or_default();
        let expected = names(&vector["phone_keeps"]);
        if kept != expected {
            differences.add("phone_keeps", &json!(expected), &json!(kept));
        }
    }
    if let Some(expected) = vector["state_hash"].as_str() {
        let ids: Vec<&CaseId> = found.iter().map(|c| &c.id).collect();
        let hash = format!("ccsh:{}", StateHash::of(ids.iter().copied()).text(ids.len() as u64));
        if hash != expected {
            differences.add("state_hash", &json!(expected), &json!(hash));
        }
    }
    Ok(differences)
}

fn hash(vector: &Value) -> Result<Differences> {
    let mut differences = Differences::default();
    let list = ["ids", "case_ids", "cases"].iter().find_map(|key| vector[*key].as_array());
    let ids: BTreeSet<CaseId> =
        list.context("a hash without ids")?.iter().filter_map(Value::as_str).map(CaseId::new).collect();
    let hash = format!("ccsh:{}", StateHash::of(&ids).text(ids.len() as u64));
    let expected = ["state_hash", "hash", "state"].iter().find_map(|key| vector[*key].as_str());
    let expected = expected.context("a hash without value")?;
    if hash != expected && hash.trim_start_matches("ccsh:") != expected {
        differences.add("hash", &json!(expected), &json!(hash));
    }
    Ok(differences)
}
