//! Runs the vectors of the area `search`: queries, requests, values and related cases against the cases of
//! `datasets.json` in memory; claims against a real appliance on a simulated disk.
//!
//! `search-vectors DIR…`. Prints `FAIL <id>: <what differed>` for each failure and closes with
//! `N passed, N failed`.

mod claims;
mod compare;
mod datasets;
mod expected;
mod queries;
mod zone;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use datasets::Datasets;
use expected::Expected;
use serde_json::Value;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("search-vectors: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool> {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if folders.is_empty() {
        bail!("usage: search-vectors DIR…");
    }
    let known = Expected::load("search")?;
    let (mut passed, mut failed) = (0, 0);
    for folder in &folders {
        let datasets = Datasets::load(&folder.join("datasets.json"))?;
        for file in files(folder)? {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let vector: Value =
                    serde_json::from_str(line).with_context(|| format!("a line of {}", file.display()))?;
                let id = vector["id"].as_str().context("a vector without id")?;
                let result = one(&datasets, &vector);
                let failure = match (result, known.reason(id)) {
                    (Ok(()), None) | (Err(_), Some(_)) => None,
                    (Ok(()), Some(reason)) => {
                        Some(format!("passes, but is expected to fail because: {reason}"))
                    }
                    (Err(error), None) => Some(format!("{error:#}")),
                };
                match failure {
                    None => passed += 1,
                    Some(failure) => {
                        failed += 1;
                        println!("FAIL {id}: {}", failure.replace('\n', " "));
                    }
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|e| e.ok())
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    Ok(files)
}

fn one(datasets: &Datasets, vector: &Value) -> Result<()> {
    let kind = vector["kind"].as_str().context("a vector without kind")?;
    match kind {
        "csql" => queries::csql(datasets, vector),
        "csql_error" => queries::csql_error(vector),
        "request" => queries::request(datasets, vector),
        "request_error" => queries::request_error(datasets, vector),
        "request_parse" => queries::request_parse(vector),
        "request_generated" => queries::request_generated(vector),
        "value" => queries::value(vector),
        "fuzzy_date_candidates" => queries::fuzzy_dates(vector),
        "related" => queries::related(vector),
        "claim" => claims::run(vector),
        other => bail!("the kind {other} is not known"),
    }
}
