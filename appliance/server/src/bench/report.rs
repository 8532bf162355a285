//! The figures of `bolster bench submissions`, as JSON for scripts and as a table for people.

use super::load::Outcome;
use super::machine::Machine;
use super::process::Memory;
use serde::Serialize;
use std::fmt::Write as _;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Always `submissions`.
    pub bench: &'static str,
    /// On what.
    pub machine: Machine,
    /// Length of each run in seconds.
    pub seconds: u32,
    /// A shorter program than usual.
    pub quick: bool,
    /// Bytes of XML of the form with one case.
    pub form_bytes: usize,
    /// Cases before the first run.
    pub cases: u64,
    /// 16 connections, as fast as answers come.
    pub closed: Run,
    /// The same with the flush left out.
    pub closed_no_sync: Run,
    /// `closed` over `closed_no_sync`.
    pub sync_ratio: f64,
    /// Random arrivals at a fixed rate, timed from when each was due.
    pub paced: Run,
    /// Shapes that are not the rule.
    pub others: Vec<Run>,
    /// Log bytes of one form of the closed run, as stored.
    pub log_bytes_per_form: f64,
    /// Starts, memory and replay with many forms.
    pub large: Option<Large>,
    /// What the product promises, and whether it was kept here.
    pub budgets: Vec<Budget>,
}

/// One run of load.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    pub name: String,
    pub connections: usize,
    pub forms: u64,
    pub forms_per_second: f64,
    pub server_cpu_us_per_form: f64,
    pub generator_cpu_us_per_form: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub worst_ms: f64,
    /// Answers other than 201: status and how many.
    pub refused: Vec<(u16, u64)>,
    pub server_memory_bytes: u64,
}

impl Run {
    /// From what the generator saw and what both processes used.
    pub fn new(
        name: &str,
        connections: usize,
        outcome: &Outcome,
        cpu_us: (u64, u64),
        memory: Memory,
    ) -> Self {
        let forms = outcome.accepted.max(1) as f64;
        Self {
            name: name.to_owned(),
            connections,
            forms: outcome.accepted,
            forms_per_second: outcome.rate(),
            server_cpu_us_per_form: cpu_us.0 as f64 / forms,
            generator_cpu_us_per_form: cpu_us.1 as f64 / forms,
            p50_ms: outcome.wait_ms(0.5),
            p99_ms: outcome.wait_ms(0.99),
            p999_ms: outcome.wait_ms(0.999),
            worst_ms: outcome.wait_ms(1.0),
            refused: outcome.refused.clone(),
            server_memory_bytes: memory.resident,
        }
    }
}

/// With many forms in the folder.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Large {
    pub forms: u64,
    /// Rate while filling, five cases at a time.
    pub fill_forms_per_second: f64,
    pub data_bytes: u64,
    pub stop_ms: f64,
    /// Start after a clean stop, file cache dropped.
    pub start_clean_ms: f64,
    pub idle_memory_bytes: u64,
    pub idle_own_memory_bytes: u64,
    /// Under load.
    pub loaded_memory_bytes: u64,
    pub peak_memory_bytes: u64,
    /// Start after kill -9 under load, file cache dropped.
    pub start_killed_ms: f64,
    /// Building all rows again from the log.
    pub replay_entries: u64,
    pub replay_seconds: f64,
    pub replay_entries_per_second: f64,
}

/// A promise.
#[derive(Clone, Debug, Serialize)]
pub struct Budget {
    pub name: &'static str,
    pub promised: String,
    pub measured: String,
    pub kept: bool,
}

impl Budget {
    /// At least so much.
    pub fn at_least(name: &'static str, measured: f64, least: f64, unit: &str) -> Self {
        Self {
            name,
            promised: format!("at least {least} {unit}"),
            measured: number(measured),
            kept: measured >= least,
        }
    }
    /// At most so much.
    pub fn at_most(name: &'static str, measured: f64, most: f64, unit: &str) -> Self {
        Self {
            name,
            promised: format!("at most {most} {unit}"),
            measured: number(measured),
            kept: measured <= most,
        }
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

impl Report {
    /// The table.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}\n{} s a run, forms of {} bytes, {} cases, 80% updates\n\n",
            self.machine.text(),
            self.seconds,
            self.form_bytes,
            self.cases
        );
        let _ = writeln!(
            text,
            "{:<34}{:>9}{:>11}{:>9}{:>9}{:>9}{:>9}",
            "", "forms/s", "server us", "p50 ms", "p99 ms", "p99.9", "worst"
        );
        for run in [&self.closed, &self.closed_no_sync, &self.paced].into_iter().chain(&self.others) {
            let _ = writeln!(
                text,
                "{:<34}{:>9.0}{:>11.1}{:>9.2}{:>9.2}{:>9.2}{:>9.2}",
                run.name,
                run.forms_per_second,
                run.server_cpu_us_per_form,
                run.p50_ms,
                run.p99_ms,
                run.p999_ms,
                run.worst_ms
            );
            for (status, count) in &run.refused {
                let _ = writeln!(text, "    {count} answers of status {status}");
            }
        }
        let _ = writeln!(
            text,
            "\nwith flush / without: {:.2}   log bytes per form: {:.0}   generator: {:.1} us per form",
            self.sync_ratio, self.log_bytes_per_form, self.closed.generator_cpu_us_per_form
        );
        if let Some(large) = &self.large {
            text.push_str(&large.text());
        }
        text.push('\n');
        text.push_str(&budget_text(&self.budgets));
        text.trim_end().to_owned()
    }
}

/// Promises, kept or missed.
pub fn budget_text(budgets: &[Budget]) -> String {
    let mut text = String::new();
    for budget in budgets {
        let word = if budget.kept { "kept  " } else { "MISSED" };
        let _ = writeln!(text, "{word} {:<38} {} ({})", budget.name, budget.measured, budget.promised);
    }
    text
}

impl Large {
    fn text(&self) -> String {
        format!(
            "\n{} forms: {} on disk, filled at {:.0} forms/s\n\
             start cold after a clean stop {:.0} ms, after kill -9 {:.0} ms; stopping took {:.0} ms\n\
             memory idle {} ({} its own), under load {}, peak {}\n\
             all rows built again from the log: {:.0} entries/s ({:.1} s)\n",
            self.forms,
            mib(self.data_bytes),
            self.fill_forms_per_second,
            self.start_clean_ms,
            self.start_killed_ms,
            self.stop_ms,
            mib(self.idle_memory_bytes),
            mib(self.idle_own_memory_bytes),
            mib(self.loaded_memory_bytes),
            mib(self.peak_memory_bytes),
            self.replay_entries_per_second,
            self.replay_seconds
        )
    }
}
