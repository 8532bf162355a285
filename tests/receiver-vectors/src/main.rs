//! Runs the vectors of the areas `receiver`, `cases` and `restore` against a real appliance in this process: its own
//! data folder, its own clock, HTTP over a loopback port. State is read through the store.
//!
//! `receiver-vectors DIR…`; the last part of a folder's name is its area. Prints `FAIL <id>: <what differed>`
//! for each failure and closes with `N passed, N failed`.

mod client;
mod compare;
mod credentials;
mod expect;
mod expected;
mod faulty_disk;
mod histories;
mod observe;
mod request;
mod restore;
mod scenario;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use compare::Differences;
use expected::Expected;

/// One vector: its id, and how to run it.
struct Vector {
    area: &'static str,
    name: String,
    run: Box<dyn Fn() -> Result<Differences> + Send + Sync>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("receiver-vectors: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (only, folders): (Vec<_>, Vec<_>) = arguments.iter().partition(|a| a.starts_with("--only="));
    if folders.is_empty() {
        bail!("usage: receiver-vectors [--only=PART_OF_AN_ID] DIR…");
    }
    let mut vectors = Vec::new();
    for folder in folders {
        collect(Path::new(folder), &mut vectors)?;
    }
    let only: Vec<&str> = only.iter().filter_map(|o| o.strip_prefix("--only=")).collect();
    vectors.retain(|v| only.is_empty() || only.iter().any(|o| v.name.contains(o)));
    let known = ["receiver", "cases", "restore"].map(|area| Expected::load(area).map(|e| (area, e)));
    let known = known.into_iter().collect::<Result<Vec<_>>>()?;
    let (passed, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(vector) = vectors.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let reason =
                        known.iter().find(|k| k.0 == vector.area).and_then(|k| k.1.reason(&vector.name));
                    let failure = judge(vector, reason);
                    if let Some(failure) = &failure {
                        println!("FAIL {}: {}", vector.name, failure.replace('\n', " "));
                    }
                    let counter = if failure.is_some() { &failed } else { &passed };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("{} passed, {failed} failed", passed.into_inner());
    Ok(failed == 0)
}

/// Why a vector counts as failed; `None` if it passed, or failed as expected.
fn judge(vector: &Vector, reason: Option<&str>) -> Option<String> {
    let run = std::panic::AssertUnwindSafe(|| (vector.run)());
    let result = std::panic::catch_unwind(run).unwrap_or_else(|_| bail!("a panic"));
    let failure = match result {
        Ok(differences) if differences.is_empty() => None,
        Ok(differences) => Some(differences.0.join("; ")),
        Err(error) => Some(format!("{error:#}")),
    };
    match (failure, reason) {
        (None, Some(reason)) => Some(format!("passes, but is expected to fail because: {reason}")),
        (Some(_), Some(_)) => None,
        (failure, None) => failure,
    }
}

fn collect(folder: &Path, vectors: &mut Vec<Vector>) -> Result<()> {
    match folder.file_name().and_then(|n| n.to_str()) {
        Some("receiver") => {
            for folder in sorted(folder)?.into_iter().filter(|p| p.join("scenario.json").is_file()) {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let run = move || scenario::run(&folder);
                vectors.push(Vector { area: "receiver", name, run: Box::new(run) });
            }
        }
        Some("cases") => {
            for file in sorted(folder)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "jsonl")) {
                for history in histories::read(&file)? {
                    let name = history["id"].as_str().context("a history without id")?.to_owned();
                    let run = move || histories::run(&history);
                    vectors.push(Vector { area: "cases", name, run: Box::new(run) });
                }
            }
        }
        Some("restore") => restore::collect(folder, vectors)?,
        _ => bail!("{} is of none of the areas receiver, cases and restore", folder.display()),
    }
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
