//! `app-vectors DIR…` runs every recorded session below each folder, as the README there says.
//!
//! `APP_VECTORS_ONLY=name` runs one; `APP_VECTORS_ALL=1` prints every difference of a session, not only the first.

mod compare;
mod host;
mod package;
mod report;
mod session;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    if folders.is_empty() {
        eprintln!("usage: app-vectors DIR…");
        return ExitCode::from(2);
    }
    let mut report = report::Report::load(Path::new("tests/vectors/expected-failures.toml"));
    for folder in &folders {
        if let Err(what) = session::run(Path::new(folder), &mut report) {
            eprintln!("app-vectors: {what}");
            return ExitCode::from(2);
        }
    }
    if std::env::var_os("APP_VECTORS_ALL").is_some() {
        println!("steps: {} passed of {}", report.steps_passed, report.steps);
    }
    println!("{} passed, {} failed", report.passed, report.failed);
    if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
