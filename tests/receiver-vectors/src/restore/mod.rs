//! The area `restore`: scenarios of phones that sync, graphs of cases, state hashes.

mod expect;
mod forms;
mod graphs;
mod setup;
mod steps;
mod tree;

use super::Vector;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

/// All vectors below a folder.
pub fn collect(folder: &Path, vectors: &mut Vec<Vector>) -> Result<()> {
    for path in super::sorted(folder)? {
        if path.is_dir() {
            collect(&path, vectors)?;
            continue;
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => {
                let text = std::fs::read_to_string(&path)?;
                let scenario: Value =
                    serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
                let name = scenario["id"].as_str().context("a scenario without id")?.to_owned();
                let folder = folder.to_owned();
                let run = move || steps::run(&scenario, &folder);
                vectors.push(Vector { area: "restore", name, run: Box::new(run) });
            }
            Some("jsonl") => graphs::collect(&path, vectors)?,
            _ => {}
        }
    }
    Ok(())
}
