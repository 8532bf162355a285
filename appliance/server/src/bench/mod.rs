//! `bolster bench`: measures this machine.
//!
//! The server runs as a child process on a fresh folder, the load generator in this process, both on the same
//! cores, as the figures of a small box must be read. Every figure is of one run; ratios are of neighbours.

mod body;
mod ccz;
mod load;
mod locations;
mod machine;
mod process;
mod report;
mod restore;
mod submissions;
mod webapps;

use crate::cli::{BenchCommand, BenchName};
use anyhow::{Context, Result};
use bolster_env::Clock;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Marks a folder whose server may be told not to wait for the disk.
const MARK: &str = "bench-folder";

/// Measures; the figures, and their text for people.
pub fn run(command: &BenchCommand, clock: &dyn Clock) -> Result<(Value, String)> {
    match command.name {
        BenchName::Submissions => {
            let folder = BenchFolder::make(&command.dir)?;
            let report = submissions::measure(command, clock, &folder.0)?;
            Ok((serde_json::to_value(&report)?, report.text()))
        }
        BenchName::Restore => {
            let folder = BenchFolder::make(&command.dir)?;
            let report = restore::measure(command, clock, &folder.0)?;
            Ok((serde_json::to_value(&report)?, report.text()))
        }
        BenchName::Ccz => {
            let folder = BenchFolder::make(&command.dir)?;
            let report = ccz::measure(command, clock, &folder.0)?;
            Ok((serde_json::to_value(&report)?, report.text()))
        }
        BenchName::Locations => {
            let folder = BenchFolder::make(&command.dir)?;
            let report = locations::measure(command, clock, &folder.0)?;
            Ok((serde_json::to_value(&report)?, report.text()))
        }
        BenchName::Webapps => {
            let folder = BenchFolder::make(&command.dir)?;
            let report = webapps::measure(command, clock, &folder.0)?;
            Ok((serde_json::to_value(&report)?, report.text()))
        }
        BenchName::Forms => {
            let form = command.form.as_deref();
            let report = bolster_form_cli::bench(form, &command.instances, clock, &bolster_env::OsRandom)?;
            Ok((report.json(), report.text()))
        }
    }
}

/// Whether a folder was made by a benchmark.
pub fn is_bench_folder(data: &Path) -> bool {
    data.ancestors().nth(1).is_some_and(|parent| parent.join(MARK).is_file())
}

/// A folder for the data folders of one benchmark, removed at the end.
struct BenchFolder(PathBuf);

impl BenchFolder {
    fn make(parent: &Path) -> Result<Self> {
        let folder = parent.join(format!("bolster-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{} could not be made", folder.display()))?;
        let folder = folder.canonicalize()?;
        std::fs::write(folder.join(MARK), "Made by `bolster bench`; may be deleted.\n")?;
        Ok(Self(folder))
    }
}

impl Drop for BenchFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
