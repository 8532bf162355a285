//! `cargo xtask vectors DIR…`: sorts the folders by area and hands each to the program that runs it.
//!
//! A runner prints `FAIL <vector id>: <what differed>` for each failure and closes with
//! `N passed, N failed`. The sum is printed when more than one ran.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Package of the runner, and the areas that it knows.
const RUNNERS: &[(&str, &[&str])] = &[
    ("receiver-vectors", &["receiver", "cases", "restore"]),
    ("engine-vectors", &["xpath", "forms"]),
    ("search-vectors", &["search"]),
    ("app-vectors", &["apps"]),
];

#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
struct Count {
    passed: u64,
    failed: u64,
}

/// Areas whose runner is part of this checkout.
pub fn areas(root: &Path) -> Vec<&'static str> {
    RUNNERS
        .iter()
        .filter(|(package, _)| exists(root, package))
        .flat_map(|(_, areas)| *areas)
        .copied()
        .collect()
}

/// Runs the vectors; true when none failed.
pub fn run(root: &Path, folders: &[String]) -> Result<bool> {
    let plan = plan(root, folders)?;
    let mut sum = Count::default();
    let mut all_ended_well = true;
    for (package, folders) in &plan {
        let (count, ended_well) = run_one(root, package, folders)?;
        sum.passed += count.passed;
        sum.failed += count.failed;
        all_ended_well &= ended_well;
    }
    if plan.len() > 1 {
        println!("{} passed, {} failed", sum.passed, sum.failed);
    }
    Ok(all_ended_well && sum.failed == 0)
}

/// Runner packages with their folders. Fails with a sentence for an area that nobody runs.
fn plan(root: &Path, folders: &[String]) -> Result<BTreeMap<&'static str, Vec<PathBuf>>> {
    let mut plan: BTreeMap<&'static str, Vec<PathBuf>> = BTreeMap::new();
    for folder in folders {
        let path = std::path::absolute(folder).with_context(|| format!("{folder} is no path"))?;
        if !path.is_dir() {
            bail!("{folder} is no folder");
        }
        let area = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let Some((package, _)) = RUNNERS.iter().find(|(_, areas)| areas.contains(&area.as_str())) else {
            bail!("no runner knows the area \"{area}\" of {folder}; known are: {}", known());
        };
        if !exists(root, package) {
            bail!("the area \"{area}\" is run by {package}, which this checkout does not have yet");
        }
        plan.entry(package).or_default().push(path);
    }
    Ok(plan)
}

fn known() -> String {
    RUNNERS.iter().flat_map(|(_, areas)| *areas).copied().collect::<Vec<_>>().join(", ")
}

/// The workspace has a package of this name, in a folder of `tests/` or of that name elsewhere.
fn exists(root: &Path, package: &str) -> bool {
    let manifests = std::fs::read_dir(root.join("tests")).into_iter().flatten().flatten();
    manifests.filter_map(|entry| std::fs::read_to_string(entry.path().join("Cargo.toml")).ok()).any(|text| {
        text.parse::<toml::Table>().is_ok_and(|table| {
            table.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str()) == Some(package)
        })
    })
}

/// Runs one runner, passing on what it prints; its count and whether it ended well.
fn run_one(root: &Path, package: &str, folders: &[PathBuf]) -> Result<(Count, bool)> {
    let mut command = Command::new(crate::cargo());
    command.args(["run", "--quiet", "--locked", "--package", package]);
    // The default profile is what `make test` has built already.
    if let Ok(profile) = std::env::var("BOLSTER_VECTORS_PROFILE") {
        command.args(["--profile", &profile]);
    }
    command.arg("--").args(folders).current_dir(root).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{package} could not be started"))?;
    let output = child.stdout.take().context("the runner has no output")?;
    let mut count = None;
    for line in BufReader::new(output).lines() {
        let line = line.with_context(|| format!("reading what {package} prints"))?;
        count = closing_line(&line).or(count);
        println!("{line}");
    }
    let status = child.wait().with_context(|| format!("waiting for {package}"))?;
    let Some(count) = count else {
        bail!("{package} ended ({status}) without saying how many passed");
    };
    Ok((count, status.success()))
}

/// Reads `N passed, N failed`, with anything after it.
fn closing_line(line: &str) -> Option<Count> {
    let mut words = line.split_whitespace();
    let passed = words.next()?.parse().ok()?;
    if words.next()? != "passed," {
        return None;
    }
    let failed = words.next()?.parse().ok()?;
    (words.next()?.trim_end_matches(',') == "failed").then_some(Count { passed, failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        assert_eq!(closing_line("12 passed, 3 failed"), Some(Count { passed: 12, failed: 3 }));
        assert_eq!(closing_line("12 passed, 0 failed, 4 skipped"), Some(Count { passed: 12, failed: 0 }));
        assert_eq!(closing_line("FAIL a: 12 passed, 3 failed"), None);
        assert_eq!(closing_line("12 passed"), None);
    }

    #[test]
    fn an_unknown_area_is_a_sentence() {
        let folder = std::env::temp_dir();
        let error = plan(&folder, &[folder.display().to_string()]).unwrap_err().to_string();
        assert!(error.contains("no runner knows the area"), "{error}");
        assert!(error.contains("receiver, cases, restore, xpath, forms, search, apps"), "{error}");
    }
}
