//! Figures for forms: `cargo bench -p bolster-xforms [-- FILE…]`. Without files, the benchmark form of the vectors.
//!
//! `-- --list` names the operations, `-- --run NAME COUNT [FILE]` does one COUNT times and prints nothing: two runs
//! under callgrind, of different counts, give the instructions of one operation (`make instructions`).
#![allow(clippy::disallowed_methods, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bolster_xforms::{
    External, ExternalError, FormDefinition, FormHost, FormIndex, LoadOptions, OpenOptions, Position, Session,
};
use bolster_xpath::{CaseSnapshot, Host, Names, NodeId, Tree};

/// Counts what is allocated and not given back.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator unchanged; only sizes are added up.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        USED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What session data the form names, so that it opens.
#[derive(Default)]
struct BenchHost {
    data: Vec<String>,
    user: Vec<String>,
    context: Vec<String>,
}

/// The names that follow `marker` in a text.
fn names_after(text: &str, marker: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (at, _) in text.match_indices(marker) {
        let rest = &text[at + marker.len()..];
        let end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
        if end > 0 && !out.iter().any(|known| known == &rest[..end]) {
            out.push(rest[..end].to_owned());
        }
    }
    out
}

impl BenchHost {
    fn of(text: &str) -> Self {
        BenchHost {
            data: names_after(text, "session/data/"),
            user: names_after(text, "user/data/"),
            context: names_after(text, "session/context/"),
        }
    }
}

impl Host for BenchHost {
    fn now_ms(&self) -> i64 {
        1_710_498_600_000
    }

    fn random(&self) -> f64 {
        0.25
    }

    fn uuid(&self, _length: Option<usize>) -> String {
        "00000000-0000-4000-8000-000000000001".into()
    }
}

impl FormHost for BenchHost {
    fn external(&self, _id: &str, source: &str, names: &Names) -> Result<External, ExternalError> {
        if source.ends_with("casedb") {
            return Ok(Arc::new(CaseSnapshot::new(names, [])));
        }
        if !source.contains("session") {
            return Ok(Arc::new(Tree::new(names, names.intern("empty"))));
        }
        let mut tree = Tree::new(names, names.intern("session"));
        let fill = |tree: &mut Tree, parent: NodeId, fields: &[String]| {
            for field in fields {
                let node = tree.append(parent, names.intern(field));
                tree.set(node, bolster_xpath::Datum::text("1"));
            }
        };
        let data = tree.append(NodeId(0), names.intern("data"));
        fill(&mut tree, data, &self.data);
        let context = tree.append(NodeId(0), names.intern("context"));
        fill(&mut tree, context, &self.context);
        let user = tree.append(NodeId(0), names.intern("user"));
        let user = tree.append(user, names.intern("data"));
        fill(&mut tree, user, &self.user);
        Ok(Arc::new(tree))
    }
}

/// Best of five rounds, in microseconds a run.
fn time(name: &str, runs: u32, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..runs {
            work();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(runs));
    }
    println!("  {name:<50} {:>12.2} us", best / 1000.0);
}

fn questions(session: &mut Session, host: &BenchHost) -> Vec<(FormIndex, Vec<String>)> {
    let positions = session.positions(host).unwrap_or_default();
    let mut out = Vec::new();
    for index in positions {
        if let Ok(Position::Question(prompt)) = session.describe(&index, host) {
            let answers: Vec<String> = match (prompt.choices.first(), prompt.data_type.as_str()) {
                (Some(choice), _) => {
                    vec![choice.value.clone(), prompt.choices[prompt.choices.len() - 1].value.clone()]
                }
                (None, "int" | "decimal" | "string" | "untyped") => vec!["7".into(), "12".into()],
                (None, "date") => vec!["2024-02-29".into(), "1990-01-01".into()],
                _ => continue,
            };
            out.push((index, answers));
        }
    }
    out
}

fn measure(name: &str, text: &str) {
    println!("{name} ({} bytes)", text.len());
    let host = &BenchHost::of(text);
    let options = LoadOptions::default();
    let runs = (20_000_000 / (text.len() as u32 + 1)).clamp(3, 200);
    time("parse", runs, || {
        black_box(FormDefinition::parse(text, &options, host).is_ok());
    });
    let before = USED.load(Ordering::Relaxed);
    let definition = match FormDefinition::parse(text, &options, host) {
        Ok(definition) => Arc::new(definition),
        Err(error) => return println!("  cannot be used: {error}"),
    };
    println!("  {:<50} {:>12} B", "memory of the definition", USED.load(Ordering::Relaxed) - before);
    let begin = OpenOptions::default();
    if let Err(error) = Session::open(&definition, &begin, host) {
        return println!("  does not open: {error}");
    }
    time("open and show the first question", runs * 4, || {
        if let Ok(mut session) = Session::open(&definition, &begin, host) {
            let _ = session.step(host);
            black_box(session.describe(session.current(), host).is_ok());
        }
    });
    let before = USED.load(Ordering::Relaxed);
    let Ok(mut session) = Session::open(&definition, &begin, host) else { return };
    println!("  {:<50} {:>12} B", "memory of one session", USED.load(Ordering::Relaxed) - before);
    let questions = questions(&mut session, host);
    for (index, answers) in &questions {
        let _ = session.answer(index, Some(&answers[0]), host);
    }
    let (mut total, mut count, mut worst) = (0f64, 0u32, 0f64);
    for round in 1..=10 {
        for (index, answers) in &questions {
            let answer = &answers[round % answers.len()];
            let mut best = f64::INFINITY;
            for _ in 0..3 {
                let mut copy = session.clone();
                let start = Instant::now();
                black_box(copy.answer(index, Some(answer), host).is_ok());
                best = best.min(start.elapsed().as_nanos() as f64);
            }
            let _ = session.answer(index, Some(answer), host);
            total += best;
            count += 1;
            worst = worst.max(best);
        }
    }
    println!("  {:<50} {:>12.2} us", "answer one question, mean", total / f64::from(count.max(1)) / 1000.0);
    println!("  {:<50} {:>12.2} us", "answer one question, worst", worst / 1000.0);
    time("step and describe", runs, || {
        let _ = session.step(host);
        if *session.current() == FormIndex::End {
            let _ = session.go_to(&FormIndex::Beginning, host);
        }
        black_box(session.describe(session.current(), host).is_ok());
    });
    time("validate all", runs.min(20), || {
        black_box(session.clone().validate(host).is_ok());
    });
    time("write the submission", runs, || {
        black_box(session.submission(host).map_or(0, |xml| xml.len()));
    });
    println!("  {:<50} {:>12} B", "memory of one session, answered", {
        let before = USED.load(Ordering::Relaxed);
        let copy = session.clone();
        let used = USED.load(Ordering::Relaxed) - before;
        drop(copy);
        used
    });
}

/// What can be run alone, for callgrind.
const OPERATIONS: [&str; 5] = ["parse", "open", "answer", "validate", "submission"];

fn run(operation: &str, count: u32, text: &str) {
    let host = &BenchHost::of(text);
    let options = LoadOptions::default();
    if operation == "parse" {
        for _ in 0..count {
            black_box(FormDefinition::parse(text, &options, host).is_ok());
        }
        return;
    }
    let definition = Arc::new(FormDefinition::parse(text, &options, host).expect("a form that loads"));
    let begin = OpenOptions::default();
    let mut session = Session::open(&definition, &begin, host).expect("a form that opens");
    let questions = questions(&mut session, host);
    for round in 0..count as usize {
        match operation {
            "open" => {
                let mut session = Session::open(&definition, &begin, host).expect("it opened before");
                let _ = session.step(host);
                black_box(session.describe(session.current(), host).is_ok());
            }
            "answer" => {
                let (index, answers) = &questions[round % questions.len()];
                let answer = &answers[round / questions.len() % answers.len()];
                black_box(session.answer(index, Some(answer), host).is_ok());
            }
            "validate" => {
                black_box(session.clone().validate(host).is_ok());
            }
            _ => {
                black_box(session.submission(host).map_or(0, |xml| xml.len()));
            }
        }
    }
}

const FORM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/forms/bench-200/form.xml");

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let read = |file: &str| std::fs::read_to_string(file).expect("a readable form");
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => OPERATIONS.iter().for_each(|name| println!("{name}")),
        ["--run", name, count] => run(name, count.parse().expect("a count"), &read(FORM)),
        ["--run", name, count, file] => run(name, count.parse().expect("a count"), &read(file)),
        [] => measure("bench-200", &read(FORM)),
        files => files.iter().for_each(|file| measure(file, &read(file))),
    }
}
