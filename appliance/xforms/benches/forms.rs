//! Figures for forms: `cargo bench -p bolster-xforms [-- FILE…]`. Without files, the benchmark form of the vectors.
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

struct BenchHost;

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
        let root = if source.contains("session") { "session" } else { "empty" };
        let mut tree = Tree::new(names, names.intern(root));
        if root == "session" {
            for group in ["data", "context", "user"] {
                tree.append(NodeId(0), names.intern(group));
            }
        }
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

fn questions(session: &mut Session) -> Vec<(FormIndex, Vec<String>)> {
    let positions = session.positions(&BenchHost).unwrap_or_default();
    let mut out = Vec::new();
    for index in positions {
        if let Ok(Position::Question(prompt)) = session.describe(&index, &BenchHost) {
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
    let options = LoadOptions::default();
    let runs = (20_000_000 / (text.len() as u32 + 1)).clamp(3, 200);
    time("parse", runs, || {
        black_box(FormDefinition::parse(text, &options, &BenchHost).is_ok());
    });
    let before = USED.load(Ordering::Relaxed);
    let definition = match FormDefinition::parse(text, &options, &BenchHost) {
        Ok(definition) => Arc::new(definition),
        Err(error) => return println!("  cannot be used: {error}"),
    };
    println!("  {:<50} {:>12} B", "memory of the definition", USED.load(Ordering::Relaxed) - before);
    let begin = OpenOptions::default();
    if let Err(error) = Session::open(&definition, &begin, &BenchHost) {
        return println!("  does not open: {error}");
    }
    time("open and show the first question", runs * 4, || {
        if let Ok(mut session) = Session::open(&definition, &begin, &BenchHost) {
            let _ = session.step(&BenchHost);
            black_box(session.describe(session.current(), &BenchHost).is_ok());
        }
    });
    let before = USED.load(Ordering::Relaxed);
    let Ok(mut session) = Session::open(&definition, &begin, &BenchHost) else { return };
    println!("  {:<50} {:>12} B", "memory of one session", USED.load(Ordering::Relaxed) - before);
    let questions = questions(&mut session);
    for (index, answers) in &questions {
        let _ = session.answer(index, Some(&answers[0]), &BenchHost);
    }
    let (mut total, mut count, mut worst) = (0f64, 0u32, 0f64);
    for round in 1..=10 {
        for (index, answers) in &questions {
            let answer = &answers[round % answers.len()];
            let mut best = f64::INFINITY;
            for _ in 0..3 {
                let mut copy = session.clone();
                let start = Instant::now();
                black_box(copy.answer(index, Some(answer), &BenchHost).is_ok());
                best = best.min(start.elapsed().as_nanos() as f64);
            }
            let _ = session.answer(index, Some(answer), &BenchHost);
            total += best;
            count += 1;
            worst = worst.max(best);
        }
    }
    println!("  {:<50} {:>12.2} us", "answer one question, mean", total / f64::from(count.max(1)) / 1000.0);
    println!("  {:<50} {:>12.2} us", "answer one question, worst", worst / 1000.0);
    time("step and describe", runs, || {
        let _ = session.step(&BenchHost);
        if *session.current() == FormIndex::End {
            let _ = session.go_to(&FormIndex::Beginning, &BenchHost);
        }
        black_box(session.describe(session.current(), &BenchHost).is_ok());
    });
    time("validate all", runs.min(20), || {
        black_box(session.clone().validate(&BenchHost).is_ok());
    });
    time("write the submission", runs, || {
        black_box(session.submission(&BenchHost).map_or(0, |xml| xml.len()));
    });
    println!("  {:<50} {:>12} B", "memory of one session, answered", {
        let before = USED.load(Ordering::Relaxed);
        let copy = session.clone();
        let used = USED.load(Ordering::Relaxed) - before;
        drop(copy);
        used
    });
}

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if files.is_empty() {
        let form = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/forms/bench-200/form.xml");
        measure("bench-200", &std::fs::read_to_string(form).unwrap_or_default());
    }
    for file in files {
        measure(&file, &std::fs::read_to_string(&file).unwrap_or_default());
    }
}
