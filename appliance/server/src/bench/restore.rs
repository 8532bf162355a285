//! What restores cost: everything for a phone with many cases, what changed for one that has them, many phones
//! at once while forms come in.

use super::machine::Machine;
use super::process::Server;
use super::report::Budget;
use crate::cli::BenchCommand;
use crate::control::client;
use crate::control::protocol::{NewUser, Request};
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use bolster_env::Clock;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) const PROJECT: &str = "bench";
const PASSWORD: &str = "bench-password";
const PROPERTIES: usize = 25;
/// One case of so many is a child of the one before.
const INDEX_EVERY: usize = 10;
const CASES_PER_FORM: usize = 100;
const SIZES: [(usize, f64); 3] = [(1_000, 50.0), (10_000, 300.0), (100_000, 2_000.0)];
const PHONES: usize = 200;
/// Phones that ask at the same moment; the others wait for their turn, as on a Monday at eight.
const PHONES_AT_ONCE: usize = 200;
const FORMS_PER_SECOND: u64 = 100;

/// A measured restore.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    bytes: usize,
    first_byte_ms: f64,
    total_ms: f64,
    /// Against the same bytes sent from memory in this process.
    ratio_to_memory: f64,
}

/// Everything measured.
#[derive(Debug, Serialize)]
pub struct Report {
    bench: &'static str,
    machine: Machine,
    lines: Vec<Line>,
    memory_over_idle_bytes: u64,
    many_p50_ms: f64,
    many_p99_ms: f64,
    submissions_p99_ms: f64,
    budgets: Vec<Budget>,
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}\n\n{:<34}{:>12}{:>14}{:>12}{:>12}\n",
            self.machine.text(),
            "",
            "bytes",
            "first byte ms",
            "total ms",
            "/ memory"
        );
        for line in &self.lines {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{:<34}{:>12}{:>14.2}{:>12.2}{:>12.1}",
                line.name, line.bytes, line.first_byte_ms, line.total_ms, line.ratio_to_memory
            );
        }
        let _ = writeln!(
            text,
            "\n{PHONES} phones at once: p50 {:.1} ms, p99 {:.1} ms; forms meanwhile p99 {:.1} ms\n\
             peak memory over idle {:.1} MiB\n",
            self.many_p50_ms,
            self.many_p99_ms,
            self.submissions_p99_ms,
            self.memory_over_idle_bytes as f64 / f64::from(1 << 20)
        );
        text.push_str(&super::report::budget_text(&self.budgets));
        text
    }
}

/// A worker whose phone asks.
pub(super) struct Worker {
    name: String,
    id: String,
    authorization: String,
}

/// One answer.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    first_byte_ms: f64,
    pub(super) total_ms: f64,
}

/// Phones of a server.
pub(super) struct Bench<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) address: SocketAddr,
}

/// Runs everything.
pub fn measure(command: &BenchCommand, clock: &dyn Clock, folder: &Path) -> Result<Report> {
    let data = folder.join("restore");
    let server = Server::start(clock, &data, true)?;
    let bench = Bench { clock, address: server.address };
    client::ask_running(&data, &Request::ProjectCreate { name: PROJECT.to_owned() })?;
    let (mut lines, mut budgets) = (Vec::new(), Vec::new());
    let sizes = if command.quick { &SIZES[..2] } else { &SIZES[..] };
    let mut over_idle = 0;
    let mut last = None;
    for (cases, budget_ms) in sizes {
        let worker = bench.worker(&data, &format!("w{cases}"))?;
        bench.fill(&worker, *cases)?;
        super::submissions::catch_up(clock, &data)?;
        let idle = server.memory()?.resident;
        let full = bench.restore(&worker, None, 0)?;
        over_idle = over_idle.max(server.memory()?.peak.saturating_sub(idle));
        let name: &'static str = Box::leak(format!("full restore, {cases} cases").into_boxed_str());
        budgets.push(Budget::at_most(name, full.total_ms, *budget_ms, "ms"));
        lines.push(bench.line(name, &full)?);
        if *cases == sizes[sizes.len() - 1].0 {
            budgets.push(Budget::at_most("first byte", full.first_byte_ms, 50.0, "ms"));
            last = Some((worker, token(&full.body)?));
        }
    }
    let (worker, mut since) = last.context("no size was measured")?;
    // The first request with a token reads what the phone holds from disk; then it is in memory.
    let mut nothing_ms: Vec<f64> = Vec::new();
    for _ in 0..20 {
        let answer = bench.restore(&worker, Some(&since), 0)?;
        since = token(&answer.body)?;
        nothing_ms.push(answer.total_ms);
        if nothing_ms.len() == 20 {
            lines.push(bench.line("incremental, nothing new", &answer)?);
        }
    }
    budgets.push(Budget::at_most("incremental, nothing new", median(&mut nothing_ms), 5.0, "ms"));
    let mut changes_ms: Vec<f64> = Vec::new();
    for round in 0..10 {
        bench.touch(&worker, 10, round)?;
        let answer = bench.restore(&worker, Some(&since), 0)?;
        ensure!(count(&answer.body, b"<case ") == 10, "ten changed cases should have been sent");
        since = token(&answer.body)?;
        changes_ms.push(answer.total_ms);
        if changes_ms.len() == 10 {
            lines.push(bench.line("incremental, 10 changes", &answer)?);
        }
    }
    budgets.push(Budget::at_most("incremental, 10 changes", median(&mut changes_ms), 10.0, "ms"));
    let (mut phones, mut forms) = bench.many(&data)?;
    let (many_p50_ms, many_p99_ms) = (percentile(&mut phones, 50), percentile(&mut phones, 99));
    let submissions_p99_ms = percentile(&mut forms, 99);
    budgets.push(Budget::at_most("200 phones at once, p99", many_p99_ms, 250.0, "ms"));
    budgets.push(Budget::at_most("forms meanwhile, p99", submissions_p99_ms, 50.0, "ms"));
    budgets.push(Budget::at_most("memory over idle", over_idle as f64 / f64::from(1 << 20), 64.0, "MiB"));
    server.stop(clock)?;
    Ok(Report {
        bench: "restore",
        machine: Machine::look(folder),
        lines,
        memory_over_idle_bytes: over_idle,
        many_p50_ms,
        many_p99_ms,
        submissions_p99_ms,
        budgets,
    })
}

fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50)
}

pub(super) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

pub(super) fn count(body: &[u8], part: &[u8]) -> usize {
    memchr::memmem::find_iter(body, part).count()
}

pub(super) fn token(body: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(&body[..body.len().min(4096)]).unwrap_or_default();
    let (_, after) = text.split_once("<restore_id>").context("an answer without a token")?;
    Ok(after.split('<').next().unwrap_or_default().to_owned())
}

impl Bench<'_> {
    fn worker(&self, data: &Path, name: &str) -> Result<Worker> {
        self.worker_at(data, name, &[])
    }

    /// A worker at some locations.
    pub(super) fn worker_at(&self, data: &Path, name: &str, locations: &[&str]) -> Result<Worker> {
        let user = client::ask_running(
            data,
            &Request::UserCreate(NewUser {
                project: PROJECT.to_owned(),
                name: name.to_owned(),
                web: false,
                admin: false,
                role: None,
                profile: None,
                data: Default::default(),
                locations: locations.iter().map(|code| (*code).to_owned()).collect(),
                groups: Vec::new(),
                password: PASSWORD.to_owned(),
            }),
        )?;
        let credentials = format!("{name}@{PROJECT}.commcarehq.org:{PASSWORD}");
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        Ok(Worker {
            name: name.to_owned(),
            id: user["id"].as_str().context("the server names no user id")?.to_owned(),
            authorization: format!("Basic {encoded}"),
        })
    }

    fn ask(&self, address: SocketAddr, head: &str, body: &[u8]) -> Result<Answer> {
        let begin = self.clock.monotonic_us();
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let head =
            format!("{head}Host: bench\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let (mut answer, mut first) = (Vec::new(), 0);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            if answer.is_empty() {
                first = self.clock.monotonic_us();
            }
            answer.extend_from_slice(&buffer[..read]);
        }
        let end = self.clock.monotonic_us();
        let at = memchr::memmem::find(&answer, b"\r\n\r\n").context("an answer without headers")?;
        let head = String::from_utf8_lossy(&answer[..at]).into_owned();
        ensure!(
            head.starts_with("HTTP/1.1 20"),
            "the server answered {}",
            head.lines().next().unwrap_or_default()
        );
        Ok(Answer {
            body: answer.split_off(at + 4),
            first_byte_ms: (first - begin) as f64 / 1e3,
            total_ms: (end - begin) as f64 / 1e3,
        })
    }

    /// A small call, for the password to be known.
    pub(super) fn heartbeat(&self, worker: &Worker) -> Result<Answer> {
        let head = format!(
            "GET /a/{PROJECT}/phone/heartbeat/app/?app_id=app&device_id=bench HTTP/1.1\r\nAuthorization: {}\r\n",
            worker.authorization
        );
        self.ask(self.address, &head, &[])
    }

    pub(super) fn restore(&self, worker: &Worker, since: Option<&str>, device: usize) -> Result<Answer> {
        let since = since.map(|token| format!("&since={token}")).unwrap_or_default();
        let head = format!(
            "GET /a/{PROJECT}/phone/restore/?version=2.0&items=true&device_id=bench-{device}{since} HTTP/1.1\r\nAuthorization: {}\r\n",
            worker.authorization
        );
        self.ask(self.address, &head, &[])
    }

    fn submit(&self, worker: &Worker, xml: &str) -> Result<Answer> {
        let head = format!(
            "POST /a/{PROJECT}/receiver/ HTTP/1.1\r\nContent-Type: text/xml\r\nAuthorization: {}\r\n",
            worker.authorization
        );
        self.ask(self.address, &head, xml.as_bytes())
    }

    fn form(&self, worker: &Worker, id: &str, blocks: &str) -> String {
        format!(
            "<data xmlns=\"http://bolster.example/bench\">{blocks}<meta xmlns=\"http://openrosa.org/jr/xforms\">\
             <userID>{}</userID><instanceID>{id}</instanceID></meta></data>",
            worker.id
        )
    }

    fn fill(&self, worker: &Worker, cases: usize) -> Result<()> {
        eprintln!("bench: creating {cases} cases");
        let mut next = 0;
        while next < cases {
            let mut blocks = String::new();
            for number in next..(next + CASES_PER_FORM).min(cases) {
                let _ = write!(
                    blocks,
                    "<case case_id=\"{0}-{number:08}-0000-4000-8000-0123456789ab\" user_id=\"{1}\" date_modified=\"2026-01-01T10:00:00Z\" \
                     xmlns=\"http://commcarehq.org/case/transaction/v2\"><create><case_type>person</case_type>\
                     <case_name>Person {number}</case_name><owner_id>{1}</owner_id></create><update>",
                    worker.name, worker.id
                );
                for property in 0..PROPERTIES {
                    let _ = write!(
                        blocks,
                        "<property_{property}>value {number} {property}</property_{property}>"
                    );
                }
                blocks.push_str("</update>");
                if number % INDEX_EVERY == INDEX_EVERY - 1 {
                    let _ = write!(
                        blocks,
                        "<index><parent case_type=\"person\">{}-{:08}-0000-4000-8000-0123456789ab</parent></index>",
                        worker.name,
                        number - 1
                    );
                }
                blocks.push_str("</case>");
            }
            self.submit(worker, &self.form(worker, &format!("{}-fill-{next}", worker.name), &blocks))?;
            next += CASES_PER_FORM;
        }
        Ok(())
    }

    /// Changes cases as somebody else would.
    fn touch(&self, worker: &Worker, cases: usize, round: usize) -> Result<()> {
        let mut blocks = String::new();
        for number in 0..cases {
            let _ = write!(
                blocks,
                "<case case_id=\"{}-{:08}-0000-4000-8000-0123456789ab\" user_id=\"other\" date_modified=\"2026-01-02T10:00:00Z\" \
                 xmlns=\"http://commcarehq.org/case/transaction/v2\"><update><seen>{round}</seen></update></case>",
                worker.name,
                number * 37 + round * 400
            );
        }
        self.submit(worker, &self.form(worker, &format!("{}-touch-{round}", worker.name), &blocks))?;
        Ok(())
    }

    /// The same bytes from memory, as one answer of a server in this process.
    fn line(&self, name: &str, answer: &Answer) -> Result<Line> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let bytes = answer.body.clone();
        let serving = std::thread::spawn(move || -> std::io::Result<()> {
            let (mut stream, _) = listener.accept()?;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            stream.write_all(&bytes)
        });
        let from_memory = self.ask(address, "GET / HTTP/1.1\r\n", &[])?;
        if serving.join().is_err() {
            bail!("the comparison broke off");
        }
        Ok(Line {
            name: name.to_owned(),
            bytes: answer.body.len(),
            first_byte_ms: answer.first_byte_ms,
            total_ms: answer.total_ms,
            ratio_to_memory: answer.total_ms / from_memory.total_ms.max(0.001),
        })
    }

    /// Two hundred phones that sync at once while forms come in: their times, and the forms'.
    fn many(&self, data: &Path) -> Result<(Vec<f64>, Vec<f64>)> {
        eprintln!("bench: {PHONES} phones at once");
        let worker = self.worker(data, "many")?;
        self.fill(&worker, 500)?;
        let mut tokens = Vec::new();
        for device in 0..PHONES {
            tokens.push((device, token(&self.restore(&worker, None, device)?.body)?));
        }
        self.touch(&worker, 10, 1)?;
        let done = AtomicBool::new(false);
        let (phones, forms) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let failed: Mutex<Option<anyhow::Error>> = Mutex::new(None);
        let note = |result: Result<Answer>, times: &Mutex<Vec<f64>>| match result {
            Ok(answer) => times.lock().unwrap_or_else(|e| e.into_inner()).push(answer.total_ms),
            Err(error) => *failed.lock().unwrap_or_else(|e| e.into_inner()) = Some(error),
        };
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let begin = self.clock.monotonic_us();
                for number in 0u64.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let due = begin + number * 1_000_000 / FORMS_PER_SECOND;
                    let now = self.clock.monotonic_us();
                    std::thread::park_timeout(Duration::from_micros(due.saturating_sub(now)));
                    let form = self.form(&worker, &format!("many-{number}"), "");
                    note(self.submit(&worker, &form), &forms);
                }
            });
            for wave in tokens.chunks(PHONES_AT_ONCE) {
                std::thread::scope(|scope| {
                    for (device, token) in wave {
                        scope.spawn(|| note(self.restore(&worker, Some(token), *device), &phones));
                    }
                });
            }
            done.store(true, Ordering::Relaxed);
            sender.thread().unpark();
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(|e| e.into_inner()) {
            return Err(error);
        }
        let all = |times: Mutex<Vec<f64>>| times.into_inner().unwrap_or_else(|e| e.into_inner());
        Ok((all(phones), all(forms)))
    }
}
