//! `engine-vectors DIR…` runs every vector below each folder; the last part of the folder's name is the area.

mod compare;
mod forms;
mod report;
mod world;
mod xpath;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    if folders.is_empty() {
        eprintln!("usage: engine-vectors DIR…");
        return ExitCode::from(2);
    }
    let mut report = report::Report::load(Path::new("tests/vectors/expected-failures.toml"));
    for folder in &folders {
        let folder = Path::new(folder);
        let outcome = match folder.file_name().and_then(|name| name.to_str()) {
            Some("xpath") => xpath::run(folder, &mut report),
            Some("forms") => forms::run(folder, &mut report),
            _ => Err(format!("{}: not an area of the engine (xpath, forms)", folder.display())),
        };
        if let Err(what) = outcome {
            eprintln!("engine-vectors: {what}");
            return ExitCode::from(2);
        }
    }
    println!("{} passed, {} failed", report.passed, report.failed);
    if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
