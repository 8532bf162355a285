//! Apps in a browser: a form of 200 questions, a list of 10,000 cases, memory of people who have forms open.
//!
//! The app is `bench-200.ccz`: a survey, and visits of cases from a filtered and sorted list.

use super::machine::Machine;
use super::process::Server;
use super::report::Budget;
use super::restore::{count, percentile};
use crate::cli::BenchCommand;
use crate::control::client;
use crate::control::protocol::{NewUser, Request};
use anyhow::{Context, Result, bail, ensure};
use bolster_env::Clock;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const PROJECT: &str = "bench";
const PASSWORD: &str = "bench-password";
const APP: &[u8] = include_bytes!("bench-200.ccz");
const CASES: usize = 10_000;
const CASES_PER_FORM: usize = 200;
/// Properties besides those that the list shows.
const MORE_PROPERTIES: usize = 20;
/// Connections of the measurements of requests in a second.
const CONNECTIONS: usize = 4;
/// Text questions that are answered in turn.
const QUESTIONS: usize = 40;
/// Other workers, for the measurements of memory.
const WORKERS: usize = 1_000;
const IDLE_FORMS: usize = 10_000;

/// One kind of request.
#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    p50_ms: f64,
    p99_ms: f64,
    /// From several connections at once; 0 where it was not measured.
    per_second: f64,
    bytes: usize,
}

/// Everything measured.
#[derive(Debug, Serialize)]
pub struct Report {
    bench: &'static str,
    machine: Machine,
    lines: Vec<Line>,
    /// From the start of the process to the first answer to a person with 10,000 cases.
    start_to_answer_ms: f64,
    /// Resident memory: name and bytes.
    memory: Vec<(&'static str, u64)>,
    budgets: Vec<Budget>,
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}\n\n{:<40}{:>10}{:>10}{:>12}{:>10}\n",
            self.machine.text(),
            "",
            "p50 ms",
            "p99 ms",
            "requests/s",
            "bytes"
        );
        for line in &self.lines {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{:<40}{:>10.2}{:>10.2}{:>12.0}{:>10}",
                line.name, line.p50_ms, line.p99_ms, line.per_second, line.bytes
            );
        }
        let _ = writeln!(text, "\nstart to first answer {:.0} ms", self.start_to_answer_ms);
        for (name, bytes) in &self.memory {
            let _ = writeln!(text, "memory, {name}: {:.1} MiB", *bytes as f64 / f64::from(1 << 20));
        }
        text.push('\n');
        text.push_str(&super::report::budget_text(&self.budgets));
        text
    }
}

/// Somebody at a browser, on one connection.
struct Browser {
    stream: TcpStream,
    head: String,
    username: String,
    app: String,
    answer: Vec<u8>,
}

impl Browser {
    /// Signs in.
    fn open(address: SocketAddr, username: &str, app: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut browser = Self {
            stream,
            head: String::new(),
            username: username.to_owned(),
            app: app.to_owned(),
            answer: Vec::new(),
        };
        let form = format!("username={}&password={PASSWORD}", username.replace('@', "%40"));
        let head = "POST /login/ HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let headers = browser.exchange(head, form.as_bytes(), "303")?;
        let session = cookie(&headers, "sessionid").context("no session")?;
        let head = format!("GET /formplayer/serverup HTTP/1.1\r\nCookie: sessionid={session}\r\n");
        let headers = browser.exchange(&head, b"", "200")?;
        let token = cookie(&headers, "XSRF-TOKEN").context("no token")?;
        browser.head = format!("Cookie: sessionid={session}\r\nX-XSRF-TOKEN: {token}\r\n");
        Ok(browser)
    }

    /// Sends a request; its headers. The body is in `answer`.
    fn exchange(&mut self, head: &str, body: &[u8], status: &str) -> Result<String> {
        let mut request = Vec::with_capacity(head.len() + body.len() + 64);
        write!(request, "{head}Host: bench\r\nContent-Length: {}\r\n\r\n", body.len())?;
        request.extend_from_slice(body);
        self.stream.write_all(&request)?;
        self.answer.clear();
        let mut buffer = [0; 64 << 10];
        let (headers, length) = loop {
            let read = self.stream.read(&mut buffer)?;
            ensure!(read > 0, "the server hung up");
            self.answer.extend_from_slice(&buffer[..read]);
            if let Some(at) = memchr::memmem::find(&self.answer, b"\r\n\r\n") {
                let headers = String::from_utf8_lossy(&self.answer[..at]).into_owned();
                let length = header(&headers, "content-length").and_then(|v| v.parse::<usize>().ok());
                self.answer.drain(..at + 4);
                break (headers, length.unwrap_or(0));
            }
        };
        while self.answer.len() < length {
            let read = self.stream.read(&mut buffer)?;
            ensure!(read > 0, "the server hung up");
            self.answer.extend_from_slice(&buffer[..read]);
        }
        let line = headers.lines().next().unwrap_or_default();
        ensure!(line.split(' ').nth(1) == Some(status), "the server answered {line}");
        Ok(headers)
    }

    /// A request of the API; its answer must contain `part`.
    fn ask(&mut self, endpoint: &str, mut body: Value, part: &str) -> Result<()> {
        body["domain"] = PROJECT.into();
        body["username"] = self.username.clone().into();
        let head = format!(
            "POST /formplayer/{endpoint} HTTP/1.1\r\nContent-Type: application/json\r\n{}",
            self.head
        );
        self.exchange(&head, body.to_string().as_bytes(), "200")?;
        if memchr::memmem::find(&self.answer, part.as_bytes()).is_none() {
            let text: String = String::from_utf8_lossy(&self.answer).chars().take(400).collect();
            bail!("{endpoint} answered {text}");
        }
        Ok(())
    }

    fn navigate(&mut self, selections: &[&str], more: &Value, part: &str) -> Result<()> {
        let mut body = json!({"app_id": self.app, "selections": selections});
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        self.ask("navigate_menu", body, part)
    }

    /// Opens the survey; its session.
    fn open_form(&mut self, other: Option<&str>) -> Result<String> {
        let more = other.map_or_else(|| json!({}), |name| json!({"restoreAs": name}));
        self.navigate(&["0", "0"], &more, "\"session_id\"")?;
        let answer = String::from_utf8_lossy(&self.answer);
        let (_, after) = answer.split_once("\"session_id\":\"").context("no session")?;
        Ok(after.split('"').next().unwrap_or_default().to_owned())
    }

    fn answer_one(&mut self, session: &str, number: usize) -> Result<()> {
        let body =
            json!({"session_id": session, "ix": (number % QUESTIONS).to_string(), "answer": number % 90});
        self.ask("answer", body, "\"status\":\"accepted\"")
    }

    fn submit(&mut self, session: &str) -> Result<()> {
        let body = json!({"session_id": session, "answers": {}, "prevalidated": true});
        self.ask("submit-all", body, "\"status\":\"success\"")
    }
}

fn header<'h>(headers: &'h str, name: &str) -> Option<&'h str> {
    headers.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn cookie(headers: &str, name: &str) -> Option<String> {
    let cookie = header(headers, "set-cookie")?;
    Some(cookie.strip_prefix(name)?.strip_prefix('=')?.split(';').next()?.to_owned())
}

/// Times `times` runs of a piece of work on one connection.
fn timed(clock: &dyn Clock, times: usize, mut work: impl FnMut(usize) -> Result<()>) -> Result<Vec<f64>> {
    let mut taken = Vec::with_capacity(times);
    for number in 0..times {
        let begin = clock.monotonic_us();
        work(number)?;
        taken.push((clock.monotonic_us() - begin) as f64 / 1e3);
    }
    Ok(taken)
}

struct Bench<'b> {
    clock: &'b dyn Clock,
    address: SocketAddr,
    app: String,
    seconds: u64,
}

impl Bench<'_> {
    fn browser(&self, username: &str) -> Result<Browser> {
        Browser::open(self.address, username, &self.app)
    }

    /// How often several connections do something in a second.
    fn rate(
        &self,
        username: &str,
        work: impl Fn(&mut Browser, &mut Option<String>, usize) -> Result<()> + Sync,
    ) -> Result<f64> {
        let done = AtomicU64::new(0);
        let browsers = (0..CONNECTIONS).map(|_| self.browser(username)).collect::<Result<Vec<_>>>()?;
        let begin = self.clock.monotonic_us();
        let end = begin + self.seconds * 1_000_000;
        std::thread::scope(|scope| {
            let (done, work) = (&done, &work);
            let workers: Vec<_> = browsers
                .into_iter()
                .map(|mut browser| {
                    scope.spawn(move || -> Result<()> {
                        let mut session = None;
                        for number in 0.. {
                            if self.clock.monotonic_us() >= end {
                                break;
                            }
                            work(&mut browser, &mut session, number)?;
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(())
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(result) => result,
                Err(_) => bail!("a connection gave up"),
            })
        })?;
        let took = (self.clock.monotonic_us() - begin) as f64 / 1e6;
        Ok(done.load(Ordering::Relaxed) as f64 / took)
    }
}

fn line(name: &'static str, mut times: Vec<f64>, per_second: f64, bytes: usize) -> Line {
    Line { name, p50_ms: percentile(&mut times, 50), p99_ms: percentile(&mut times, 99), per_second, bytes }
}

fn worker(data: &Path, name: &str) -> Result<String> {
    let user = client::ask_running(
        data,
        &Request::UserCreate(NewUser {
            project: PROJECT.to_owned(),
            name: name.to_owned(),
            web: name.contains('@'),
            admin: name.contains('@'),
            role: None,
            profile: None,
            data: Default::default(),
            locations: Vec::new(),
            groups: Vec::new(),
            password: PASSWORD.to_owned(),
        }),
    )?;
    Ok(user["id"].as_str().context("the server names no user id")?.to_owned())
}

fn case_id(number: usize) -> String {
    format!("{number:08}-0000-4000-8000-0123456789ab")
}

fn fill(address: SocketAddr, owner: &str) -> Result<()> {
    let villages = ["Bora", "Kano", "Mopti", "Sikasso", "Timbuktu"];
    for first in (0..CASES).step_by(CASES_PER_FORM) {
        let mut blocks = String::new();
        for number in first..first + CASES_PER_FORM {
            let _ = write!(
                blocks,
                "<case case_id=\"{}\" user_id=\"{owner}\" date_modified=\"2026-01-01T10:00:00Z\" \
                 xmlns=\"http://commcarehq.org/case/transaction/v2\"><create><case_type>bench</case_type>\
                 <case_name>Person {}</case_name><owner_id>{owner}</owner_id></create><update><age>{}</age>\
                 <village>{}</village><state_code>{}</state_code><registered_on>2026-01-{:02}</registered_on>",
                case_id(number),
                (number * 7_919) % CASES,
                number % 90,
                villages[number % villages.len()],
                ["a", "b", "c"][number % 3],
                number % 28 + 1
            );
            for property in 0..MORE_PROPERTIES {
                let _ =
                    write!(blocks, "<property_{property}>value {number} {property}</property_{property}>");
            }
            blocks.push_str("</update></case>");
        }
        let form = format!(
            "<data xmlns=\"http://bolster.example/bench\">{blocks}<meta xmlns=\"http://openrosa.org/jr/xforms\">\
             <userID>{owner}</userID><instanceID>fill-{first}</instanceID></meta></data>"
        );
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "POST /a/{PROJECT}/receiver/ HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Type: text/xml\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        ensure!(answer.starts_with(b"HTTP/1.1 201"), "the cases could not be made");
    }
    Ok(())
}

/// Runs everything.
pub fn measure(command: &BenchCommand, clock: &dyn Clock, folder: &Path) -> Result<Report> {
    let data = folder.join("webapps");
    let server = Server::start(clock, &data, true)?;
    client::ask_running(&data, &Request::ProjectCreate { name: PROJECT.to_owned() })?;
    client::ask_running(
        &data,
        &Request::ProjectSet {
            name: PROJECT.to_owned(),
            settings: vec![("secure_submissions".to_owned(), "false".to_owned())],
        },
    )?;
    let package = folder.join("bench-200.ccz");
    std::fs::write(&package, APP).context("the package could not be written")?;
    let done = client::ask_running(
        &data,
        &Request::AppImport { project: PROJECT.to_owned(), file: package, name: None, notes: String::new() },
    )?;
    let app = done["id"].as_str().context("the server names no app")?.to_owned();
    let owner = worker(&data, "w")?;
    worker(&data, "boss@example.org")?;
    eprintln!("bench: creating {CASES} cases");
    fill(server.address, &owner)?;
    super::submissions::catch_up(clock, &data)?;
    server.stop(clock)?;

    // A fresh process: what its first answers cost, and what it needs when nobody has done anything.
    let server = Server::start(clock, &data, true)?;
    let bench = Bench { clock, address: server.address, app, seconds: u64::from(command.seconds.min(10)) };
    let idle = server.memory()?.resident;
    let name = format!("w@{PROJECT}.commcarehq.org");
    let mut browser = bench.browser(&name)?;
    let signed_in = clock.monotonic_us();
    browser.navigate(&[], &json!({}), "\"commands\"")?;
    let first_ms = (clock.monotonic_us() - signed_in) as f64 / 1e3;
    let start_to_answer_ms = server.start_ms + first_ms;
    let (mut lines, mut budgets) = (Vec::new(), Vec::new());
    lines.push(line("first screen of a user not seen yet", vec![first_ms], 0.0, browser.answer.len()));
    let list = timed(clock, 30, |_| browser.navigate(&["1"], &json!({}), "\"entities\""))?;
    ensure!(count(&browser.answer, b"\"groupKey\"") == 10, "a page has ten rows");
    let anew = list.first().copied().unwrap_or_default();
    lines.push(line("list of 10,000 cases, computed anew", vec![anew], 0.0, browser.answer.len()));
    lines.push(line("list of 10,000 cases, first page", list, 0.0, browser.answer.len()));
    let next =
        timed(clock, 30, |n| browser.navigate(&["1"], &json!({"offset": 10 * (n + 1)}), "\"entities\""))?;
    lines.push(line("next page", next, 0.0, browser.answer.len()));
    let search = timed(clock, 30, |n| {
        browser.navigate(&["1"], &json!({"search_text": format!("Person {n}")}), "\"entities\"")
    })?;
    lines.push(line("search in it", search, 0.0, browser.answer.len()));
    let details = timed(clock, 30, |n| {
        let body = json!({"app_id": bench.app, "selections": ["1", case_id(n * 31)]});
        browser.ask("get_details", body, "\"details\"")
    })?;
    lines.push(line("detail", details, 0.0, browser.answer.len()));

    eprintln!("bench: forms");
    let opened = timed(clock, 200, |_| browser.open_form(None).map(drop))?;
    let bytes = browser.answer.len();
    let per_second = bench.rate(&name, |browser, _, _| browser.open_form(None).map(drop))?;
    lines.push(line("open bench-200 from a menu", opened, per_second, bytes));
    let session = browser.open_form(None)?;
    let answered = timed(clock, 2_000, |number| browser.answer_one(&session, number))?;
    let bytes = browser.answer.len();
    let per_second = bench.rate(&name, |browser, session, number| {
        let session = match session {
            Some(session) => session,
            None => session.insert(browser.open_form(None)?),
        };
        browser.answer_one(session, number)
    })?;
    lines.push(line("answer one question of it", answered, per_second, bytes));
    let sent = timed(clock, 100, |_| {
        let session = browser.open_form(None)?;
        browser.submit(&session)
    })?;
    let per_second = bench.rate(&name, |browser, _, _| {
        let session = browser.open_form(None)?;
        browser.submit(&session)
    })?;
    lines.push(line("open and submit", sent, per_second, browser.answer.len()));
    server.stop(clock)?;

    let memory = if command.quick { vec![("nobody", idle)] } else { memory_of_people(&bench, &data, idle)? };
    for (name, p50, per_second) in [
        ("answer one question of it", 0.7, 3_000.0),
        ("open bench-200 from a menu", 2.0, 1_500.0),
        ("open and submit", f64::INFINITY, 1_000.0),
        ("list of 10,000 cases, computed anew", 15.0, 0.0),
        ("list of 10,000 cases, first page", 15.0, 0.0),
        ("next page", 3.0, 0.0),
        ("search in it", 10.0, 0.0),
        ("detail", 3.0, 0.0),
        ("first screen of a user not seen yet", 50.0, 0.0),
    ] {
        let Some(line) = lines.iter().find(|line| line.name == name) else { continue };
        if p50.is_finite() {
            budgets.push(Budget::at_most(name, line.p50_ms, p50, "ms"));
        }
        if per_second > 0.0 {
            budgets.push(Budget::at_least(name, line.per_second, per_second, "/s"));
        }
    }
    budgets.push(Budget::at_most("start to first answer", start_to_answer_ms, 500.0, "ms"));
    for ((name, bytes), most) in memory.iter().zip([80.0, 100.0, 400.0, 1_500.0]) {
        budgets.push(Budget::at_most(name, *bytes as f64 / f64::from(1 << 20), most, "MiB"));
    }
    Ok(Report {
        bench: "webapps",
        machine: Machine::look(folder),
        lines,
        start_to_answer_ms,
        memory,
        budgets,
    })
}

/// What a fresh process needs for people who have forms open.
fn memory_of_people(bench: &Bench<'_>, data: &Path, idle: u64) -> Result<Vec<(&'static str, u64)>> {
    eprintln!("bench: creating {WORKERS} workers");
    let server = Server::start(bench.clock, data, true)?;
    for number in 0..WORKERS {
        worker(data, &format!("p{number}"))?;
    }
    server.stop(bench.clock)?;
    let server = Server::start(bench.clock, data, true)?;
    let bench = Bench { address: server.address, app: bench.app.clone(), ..*bench };
    let mut boss = bench.browser("boss@example.org")?;
    let mut memory = vec![("nobody", idle)];
    let open = |boss: &mut Browser, from: usize, to: usize| -> Result<u64> {
        for number in from..to {
            let session = boss.open_form(Some(&format!("p{}", number % WORKERS)))?;
            let body = json!({"session_id": session, "ix": "0", "answer": 7,
                "restoreAs": format!("p{}", number % WORKERS)});
            boss.ask("answer", body, "\"status\":\"accepted\"")?;
        }
        Ok(server.memory()?.resident)
    };
    eprintln!("bench: opening {IDLE_FORMS} forms");
    memory.push(("50 users with an open form", open(&mut boss, 0, 50)?));
    memory.push(("1,000 users with an open form", open(&mut boss, 50, WORKERS)?));
    memory.push(("10,000 open forms", open(&mut boss, WORKERS, IDLE_FORMS)?));
    server.stop(bench.clock)?;
    Ok(memory)
}
