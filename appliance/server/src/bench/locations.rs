//! What 20,000 locations on every phone cost: the first restore that tells of them, the next phone's, and a sync
//! when they have not changed.

use super::machine::Machine;
use super::process::Server;
use super::report::Budget;
use super::restore::{Bench, PROJECT, count, percentile, token};
use crate::cli::BenchCommand;
use crate::control::client;
use crate::control::protocol::{PlaceRequest, Request};
use anyhow::{Context, Result, ensure};
use bolster_env::Clock;
use bolster_usecases::nouns::LocationType;
use bolster_usecases::workbook::{self, Page};
use serde::Serialize;
use std::path::Path;

/// Levels of the tree, from the top: code, and how many there are.
const LEVELS: [(&str, usize); 4] = [("region", 20), ("district", 200), ("ward", 2_000), ("village", 17_780)];
const FIRST_MS_MAX: f64 = 500.0;
const UNCHANGED_MS_MAX: f64 = 20.0;

/// Everything measured.
#[derive(Debug, Serialize)]
pub struct Report {
    bench: &'static str,
    machine: Machine,
    locations: usize,
    import_ms: f64,
    bytes: usize,
    first_ms: f64,
    next_phone_ms: f64,
    unchanged_ms: f64,
    memory_over_idle_bytes: u64,
    budgets: Vec<Budget>,
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        format!(
            "{}\n\n{} locations, a restore of {:.1} MB\nimport of the workbook {:>9.0} ms\nthe first restore      {:>9.1} ms\n\
             the next phone's       {:>9.1} ms\na sync, nothing new    {:>9.1} ms\npeak memory over idle  {:>9.1} MiB\n\n{}",
            self.machine.text(),
            self.locations,
            self.bytes as f64 / 1e6,
            self.import_ms,
            self.first_ms,
            self.next_phone_ms,
            self.unchanged_ms,
            self.memory_over_idle_bytes as f64 / f64::from(1 << 20),
            super::report::budget_text(&self.budgets)
        )
    }
}

/// Runs everything.
pub fn measure(_command: &BenchCommand, clock: &dyn Clock, folder: &Path) -> Result<Report> {
    let data = folder.join("locations");
    let server = Server::start(clock, &data, true)?;
    client::ask_running(&data, &Request::ProjectCreate { name: PROJECT.to_owned() })?;
    let place = |request| Request::Place { project: PROJECT.to_owned(), request };
    for (level, (code, _)) in LEVELS.iter().enumerate() {
        let kind = LocationType {
            code: (*code).to_owned(),
            name: (*code).to_owned(),
            parent: level.checked_sub(1).map(|above| LEVELS[above].0.to_owned()),
            expand_from_root: true,
            ..LocationType::default()
        };
        client::ask_running(&data, &place(PlaceRequest::TypeCreate(kind)))?;
    }
    let locations: usize = LEVELS.iter().map(|(_, count)| count).sum();
    eprintln!("bench: taking in {locations} locations");
    let file = folder.join("places.xlsx");
    std::fs::write(&file, workbook::write(&pages())?).context("the workbook could not be written")?;
    let begin = clock.monotonic_us();
    client::ask_running(&data, &place(PlaceRequest::Import { file, check: false }))?;
    let import_ms = (clock.monotonic_us() - begin) as f64 / 1e3;
    let bench = Bench { clock, address: server.address };
    let worker = bench.worker_at(&data, "amina", &["village-0"])?;
    // The password is checked before the clock runs: it is remembered from then on.
    bench.heartbeat(&worker)?;
    super::submissions::catch_up(clock, &data)?;
    let idle = server.memory()?.resident;
    let first = bench.restore(&worker, None, 0)?;
    // Some are cut in two by the chunks of the answer.
    let told = count(&first.body, b"<location ");
    ensure!(told > locations * 99 / 100, "the restore held {told} of {locations} locations");
    let memory_over_idle_bytes = server.memory()?.peak.saturating_sub(idle);
    let next = bench.restore(&worker, None, 1)?;
    let mut since = token(&first.body)?;
    let mut unchanged = Vec::new();
    for _ in 0..20 {
        let answer = bench.restore(&worker, Some(&since), 0)?;
        ensure!(count(&answer.body, b"<location ") == 0, "locations that have not changed were sent again");
        since = token(&answer.body)?;
        unchanged.push(answer.total_ms);
    }
    let unchanged_ms = percentile(&mut unchanged, 50);
    server.stop(clock)?;
    Ok(Report {
        bench: "locations",
        machine: Machine::look(folder),
        locations,
        import_ms,
        bytes: first.body.len(),
        first_ms: first.total_ms,
        next_phone_ms: next.total_ms,
        unchanged_ms,
        memory_over_idle_bytes,
        budgets: vec![
            Budget::at_most("20,000 locations, first time", first.total_ms, FIRST_MS_MAX, "ms"),
            Budget::at_most("20,000 locations, unchanged", unchanged_ms, UNCHANGED_MS_MAX, "ms"),
        ],
    })
}

/// The workbook: no types besides those that are, and a sheet for each level.
fn pages() -> Vec<Page> {
    let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let mut pages: Vec<Page> = vec![("types".to_owned(), texts(&["code"]), Vec::new())];
    for (level, (code, count)) in LEVELS.iter().enumerate() {
        let row = |number: usize| {
            let above = level.checked_sub(1).map(|above| {
                let (code, count) = LEVELS[above];
                format!("{code}-{}", number % count)
            });
            vec![
                format!("{code}-{number}"),
                format!("The {code} of number {number}"),
                above.unwrap_or_default(),
            ]
        };
        let rows = (0..*count).map(row).collect();
        pages.push(((*code).to_owned(), texts(&["site_code", "name", "parent_site_code"]), rows));
    }
    pages
}
