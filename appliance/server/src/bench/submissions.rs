//! What durable submissions cost: the runs, in order.

use super::body::{Kind, Shape, Target, Template};
use super::load::{Load, Outcome, Plan, Until};
use super::machine::Machine;
use super::process::{self, Server};
use super::report::{Budget, Large, Report, Run};
use crate::cli::BenchCommand;
use crate::control::client;
use crate::control::protocol::{NewUser, Request};
use anyhow::{Context, Result, bail};
use base64::Engine;
use bolster_env::Clock;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const PROJECT: &str = "bench";
const WORKER: &str = "bench";
const PASSWORD: &str = "bench-password";
/// Cases that the updates are spread over.
const CASES: u64 = 100_000;
const CASES_QUICK: u64 = 10_000;
const FORMS_QUICK: u64 = 50_000;
/// Rate of the paced run.
const PACE: f64 = 8_000.0;
const CONNECTIONS: usize = 16;
const UPDATES_PERCENT: u64 = 80;
const PHOTO_BYTES: usize = 1 << 20;
const ONE_CASE: Shape = Shape { cases_per_form: 1, photo_bytes: 0 };
const FIVE_CASES: Shape = Shape { cases_per_form: 5, photo_bytes: 0 };
/// The readers catch up within this, or something is wrong.
const CATCH_UP_MAX_US: u64 = 600_000_000;

/// Says on standard error what is being done: the whole takes minutes.
fn tell(what: &str) {
    eprintln!("bench: {what}");
}

/// Runs everything.
pub fn measure(command: &BenchCommand, clock: &dyn Clock, folder: &Path) -> Result<Report> {
    let cases = if command.quick { CASES_QUICK } else { CASES };
    let plan = RunPlan { clock, seconds: command.seconds, cases };
    let durable = plan.durable(&folder.join("durable"), command.quick)?;
    let closed_no_sync = plan.no_sync(&folder.join("no-sync"))?;
    let forms = if command.quick { command.forms.min(FORMS_QUICK) } else { command.forms };
    let large = if forms == 0 { None } else { Some(plan.large(&folder.join("large"), forms)?) };
    let sync_ratio = durable.closed.forms_per_second / closed_no_sync.forms_per_second.max(1.0);
    let budgets = budgets(&durable, sync_ratio, large.as_ref());
    let target =
        Target { host: "127.0.0.1:1", project: PROJECT, authorization: "", user_id: &"0".repeat(32) };
    Ok(Report {
        bench: "submissions",
        machine: Machine::look(folder),
        seconds: command.seconds,
        quick: command.quick,
        form_bytes: Template::new(&target, Kind::Update, ONE_CASE).xml_len(),
        cases,
        closed: durable.closed,
        closed_no_sync,
        sync_ratio,
        paced: durable.paced,
        others: durable.others,
        log_bytes_per_form: durable.log_bytes_per_form,
        large,
        budgets,
    })
}

fn budgets(durable: &Durable, sync_ratio: f64, large: Option<&Large>) -> Vec<Budget> {
    let mut budgets = vec![
        Budget::at_least("forms/s, 16 connections", durable.closed.forms_per_second, 10_000.0, "forms/s"),
        Budget::at_most("server CPU per form", durable.closed.server_cpu_us_per_form, 80.0, "us"),
        Budget::at_most("p99 at a paced 8,000/s", durable.paced.p99_ms, 20.0, "ms"),
        Budget::at_least("rate kept with the flush", sync_ratio, 0.7, "of the rate without"),
    ];
    if let Some(large) = large {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        budgets.extend([
            Budget::at_most("cold start after a clean stop", large.start_clean_ms, 500.0, "ms"),
            Budget::at_most("cold start after kill -9", large.start_killed_ms, 2_000.0, "ms"),
            Budget::at_most("memory when idle", mib(large.idle_memory_bytes), 80.0, "MiB"),
            Budget::at_most("memory under load", mib(large.loaded_memory_bytes), 150.0, "MiB"),
        ]);
    }
    budgets
}

struct RunPlan<'a> {
    clock: &'a dyn Clock,
    seconds: u32,
    cases: u64,
}

/// Runs on one durable server.
struct Durable {
    closed: Run,
    paced: Run,
    others: Vec<Run>,
    log_bytes_per_form: f64,
}

/// A server with its project and worker.
struct Site {
    server: Server,
    user_id: String,
    authorization: String,
}

impl RunPlan<'_> {
    fn durable(&self, data: &Path, quick: bool) -> Result<Durable> {
        let site = self.site(data, true)?;
        let mut load = self.load(&site);
        self.fill(&mut load, self.cases)?;
        self.catch_up(data)?;
        let before = log_size(data)?;
        let closed = self.run(&site, &mut load, "16 connections", &self.closed(CONNECTIONS, ONE_CASE))?;
        let after = log_size(data)?;
        self.catch_up(data)?;
        let paced = Plan { rate: Some(PACE), ..self.closed(CONNECTIONS, ONE_CASE) };
        let paced = self.run(&site, &mut load, "16 connections, paced 8,000/s", &paced)?;
        let mut others = Vec::new();
        let photo = Shape { cases_per_form: 1, photo_bytes: PHOTO_BYTES };
        for (name, plan) in [
            ("1 connection", self.closed(1, ONE_CASE)),
            ("200 connections", self.closed(200, ONE_CASE)),
            ("5 cases per form", self.closed(CONNECTIONS, FIVE_CASES)),
            ("with a photo of 1 MiB", self.closed(CONNECTIONS, photo)),
        ] {
            // A short program still shows each once.
            let plan = if quick { Plan { until: Until::Microseconds(1_000_000), ..plan } } else { plan };
            self.catch_up(data)?;
            others.push(self.run(&site, &mut load, name, &plan)?);
        }
        site.server.stop(self.clock)?;
        let log_bytes_per_form = (after - before) as f64 / closed.forms.max(1) as f64;
        Ok(Durable { closed, paced, others, log_bytes_per_form })
    }

    fn no_sync(&self, data: &Path) -> Result<Run> {
        let site = self.site(data, false)?;
        let mut load = self.load(&site);
        self.fill(&mut load, self.cases)?;
        self.catch_up(data)?;
        let name = "16 connections, flush left out";
        let run = self.run(&site, &mut load, name, &self.closed(CONNECTIONS, ONE_CASE))?;
        site.server.stop(self.clock)?;
        Ok(run)
    }

    fn large(&self, data: &Path, forms: u64) -> Result<Large> {
        let site = self.site(data, true)?;
        let mut load = self.load(&site);
        self.fill(&mut load, self.cases)?;
        tell(&format!("filling with {forms} forms"));
        let plan = Plan { until: Until::Forms(forms), ..self.closed(CONNECTIONS, ONE_CASE) };
        let filled = expect_all(load.run(&plan)?)?;
        let loaded = site.server.memory()?;
        self.catch_up(data)?;
        let Site { server, user_id, authorization } = site;
        let stop_ms = server.stop(self.clock)?;
        let data_bytes = process::files_below(data)?.iter().filter_map(|f| allocated(f)).sum();

        tell("starting cold after a clean stop");
        process::forget_cached(data)?;
        let server = Server::start(self.clock, data, true)?;
        let start_clean_ms = server.start_ms;
        let idle = server.memory()?;

        tell("starting cold after kill -9 under load");
        let site = Site { server, user_id, authorization };
        let mut load = Load::new(self.clock, site.server.address, target(&site));
        expect_all(load.run(&self.closed(CONNECTIONS, ONE_CASE))?)?;
        site.server.kill()?;
        process::forget_cached(data)?;
        let server = Server::start(self.clock, data, true)?;
        let start_killed_ms = server.start_ms;
        self.catch_up(data)?;
        server.stop(self.clock)?;

        tell("building all rows again from the log");
        std::fs::remove_dir_all(data.join("shards"))?;
        let begin = self.clock.monotonic_us();
        let server = Server::start(self.clock, data, true)?;
        let entries = self.catch_up(data)?;
        let replay_seconds = (self.clock.monotonic_us() - begin) as f64 / 1e6;
        let peak = server.memory()?.peak.max(loaded.peak);
        server.stop(self.clock)?;
        Ok(Large {
            forms,
            fill_forms_per_second: filled.rate(),
            data_bytes,
            stop_ms,
            start_clean_ms,
            idle_memory_bytes: idle.resident,
            idle_own_memory_bytes: idle.own,
            loaded_memory_bytes: loaded.resident,
            peak_memory_bytes: peak,
            start_killed_ms,
            replay_entries: entries,
            replay_seconds,
            replay_entries_per_second: entries as f64 / replay_seconds,
        })
    }

    fn closed(&self, connections: usize, shape: Shape) -> Plan {
        let until = Until::Microseconds(u64::from(self.seconds) * 1_000_000);
        Plan { connections, rate: None, shape, updates_percent: UPDATES_PERCENT, until }
    }

    fn load<'s>(&'s self, site: &'s Site) -> Load<'s> {
        Load::new(self.clock, site.server.address, target(site))
    }

    fn site(&self, data: &Path, sync: bool) -> Result<Site> {
        let server = Server::start(self.clock, data, sync)?;
        ask(data, Request::ProjectCreate { name: PROJECT.to_owned() })?;
        let user = ask(
            data,
            Request::UserCreate(NewUser {
                project: PROJECT.to_owned(),
                name: WORKER.to_owned(),
                web: false,
                admin: false,
                role: None,
                profile: None,
                data: Default::default(),
                locations: Vec::new(),
                groups: Vec::new(),
                password: PASSWORD.to_owned(),
            }),
        )?;
        let user_id = user["id"].as_str().context("the server names no user id")?.to_owned();
        let credentials = format!("{WORKER}@{PROJECT}.commcarehq.org:{PASSWORD}");
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        Ok(Site { server, user_id, authorization: format!("Basic {encoded}") })
    }

    /// Creates the cases that updates go to.
    fn fill(&self, load: &mut Load<'_>, cases: u64) -> Result<()> {
        tell(&format!("creating {cases} cases"));
        let plan = Plan {
            until: Until::Forms(cases / FIVE_CASES.cases_per_form as u64),
            updates_percent: 0,
            ..self.closed(CONNECTIONS, FIVE_CASES)
        };
        expect_all(load.run(&plan)?)?;
        Ok(())
    }

    fn run(&self, site: &Site, load: &mut Load<'_>, name: &str, plan: &Plan) -> Result<Run> {
        tell(name);
        let before = (site.server.cpu_us()?, process::own_cpu_us());
        let outcome = load.run(plan)?;
        let used = (site.server.cpu_us()? - before.0, process::own_cpu_us() - before.1);
        if outcome.accepted == 0 {
            bail!("no form was accepted in the run \"{name}\"; answers: {:?}", outcome.refused);
        }
        Ok(Run::new(name, plan.connections, &outcome, used, site.server.memory()?))
    }

    /// Waits until all rows are in the shards; the position of the log then.
    fn catch_up(&self, data: &Path) -> Result<u64> {
        catch_up(self.clock, data)
    }
}

/// Waits until all rows are in the shards; the position of the log then.
pub fn catch_up(clock: &dyn Clock, data: &Path) -> Result<u64> {
    {
        let begin = clock.monotonic_us();
        loop {
            let lag = ask(data, Request::Lag)?;
            let head = lag["head"].as_u64().context("the server names no head")?;
            let readers = lag["readers"].as_array().context("the server names no readers")?;
            if readers.iter().all(|r| r["lag"].as_u64() == Some(0)) {
                return Ok(head);
            }
            if clock.monotonic_us() - begin > CATCH_UP_MAX_US {
                bail!("the readers of the log do not catch up: {lag}");
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn target(site: &Site) -> Target<'_> {
    Target { host: "127.0.0.1", project: PROJECT, authorization: &site.authorization, user_id: &site.user_id }
}

fn expect_all(outcome: Outcome) -> Result<Outcome> {
    if !outcome.refused.is_empty() {
        bail!("the server refused forms: {:?} (status, how many)", outcome.refused);
    }
    Ok(outcome)
}

fn ask(data: &Path, request: Request) -> Result<Value> {
    client::ask_running(data, &request)
}

/// Bytes of entries in the log, as stored.
fn log_size(data: &Path) -> Result<u64> {
    let report = ask(data, Request::LogVerify)?;
    report["stored_bytes"].as_u64().context("the server names no size of the log")
}

/// Bytes of a file on disk.
fn allocated(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|m| m.blocks() * 512)
}
