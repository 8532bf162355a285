//! `cargo xtask tidy`: every check runs, every finding is printed.

mod edges;
mod licences;
mod metadata;
mod sources;

use anyhow::Result;
use std::path::Path;

/// Runs all checks; true when nothing was found.
pub fn run(root: &Path) -> Result<bool> {
    let graph = metadata::Graph::load(root)?;
    let mut findings = edges::check(&graph);
    findings.extend(licences::check(root, &graph)?);
    findings.extend(sources::check(root, &graph)?);
    for finding in &findings {
        println!("tidy: {finding}");
    }
    println!(
        "tidy: {} crates of ours, {} of others, {} findings",
        graph.members().count(),
        graph.others().count(),
        findings.len()
    );
    Ok(findings.is_empty())
}
