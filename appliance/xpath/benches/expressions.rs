//! Figures for parsing, evaluation and case lookups; `cargo bench -p bolster-xpath`.
//!
//! `-- --list` names the operations, `-- --run NAME COUNT` runs one COUNT times and prints nothing: two runs under
//! callgrind, of different counts, give the instructions of one operation (`make instructions`).
#![allow(clippy::disallowed_methods, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use bolster_xpath::{
    CaseRecord, CaseSnapshot, Context, DataSource, Datum, Expr, Instances, Names, NoHost, NodeId, Resolved,
    Tree,
};

struct One<'a>(&'a CaseSnapshot);

impl<'a> Instances<'a> for One<'a> {
    fn instance(&self, _id: &str) -> Resolved<'a> {
        Resolved::Source(self.0)
    }
}

fn cases(names: &Names, count: usize) -> CaseSnapshot {
    let case = |n: usize| CaseRecord {
        case_id: format!("case-{n:08}"),
        case_type: if n.is_multiple_of(2) { "x" } else { "y" }.into(),
        owner_id: format!("o{}", n % 40),
        case_name: format!("Case {n}"),
        properties: (0..8)
            .map(|p| (format!("p{p}"), format!("{}", (n * 7 + p) % 100)))
            .chain([("age".to_owned(), format!("{}", n % 90))])
            .collect(),
        indices: vec![("parent".into(), format!("case-{:08}", n / 10), "x".into(), "child".into())],
        ..CaseRecord::default()
    };
    CaseSnapshot::new(names, (0..count).map(case))
}

/// What is measured over no cases: a name and an expression.
const OPERATIONS: [(&str, &str); 5] = [
    ("parse", ". > 0 and . < 150 or /data/sex = 'f'"),
    ("parse-calculation", "if(/data/age > 18, concat(/data/first, ' ', /data/last), 'child')"),
    ("constraint", ". > 0 and . < 150"),
    ("two-paths", "/data/age > 18 and /data/sex = 'f'"),
    ("condition", "if(/data/age > 18, 'adult', 'child')"),
];

/// What is measured over 10,000 and 100,000 cases.
const CASE_OPERATIONS: [(&str, &str); 5] = [
    ("count", "count(instance('casedb')/casedb/case[@case_type='x'][age > 50])"),
    ("count-text", "count(instance('casedb')/casedb/case[@case_type='x'][p1 = '50'])"),
    ("count-outer", "count(instance('casedb')/casedb/case[@case_type='x'][age > /data/age])"),
    ("count-walked", "count(instance('casedb')/casedb/case[@case_type='x'][age > 50 or p1 = 3])"),
    ("lookup", ""),
];

struct World {
    names: Names,
    tree: Tree,
    age: NodeId,
}

impl World {
    fn new() -> Self {
        let names = Names::new();
        let mut tree = Tree::new(&names, names.intern("data"));
        let age = tree.append(tree.root(), names.intern("age"));
        tree.set(age, Datum::Int(34));
        let sex = tree.append(tree.root(), names.intern("sex"));
        tree.set(sex, Datum::text("f"));
        World { names, tree, age }
    }

    /// Does one operation `count` times.
    fn run(&self, name: &str, text: &str, count: u32) {
        if name.starts_with("parse") {
            for _ in 0..count {
                black_box(Expr::parse(black_box(text), &self.names).is_ok());
            }
            return;
        }
        let expr = Expr::parse(text, &self.names).expect("well formed");
        let root: &dyn DataSource = &self.tree;
        let context = Context::new(Some(root), &bolster_xpath::NoInstances, &NoHost).at(self.age);
        for _ in 0..count {
            black_box(expr.evaluate(black_box(&context)).is_ok());
        }
    }

    /// Does one operation over cases `count` times.
    fn run_cases(&self, snapshot: &CaseSnapshot, name: &str, text: &str, count: u32) {
        let root: &dyn DataSource = &self.tree;
        let instances = One(snapshot);
        let context = Context::new(Some(root), &instances, &NoHost).at(self.age);
        let lookup = |n: usize| {
            format!("instance('casedb')/casedb/case[@case_id = 'case-{:08}']/age", n * 131 % snapshot.len())
        };
        let texts =
            if name == "lookup" { (0..64).map(lookup).collect::<Vec<_>>() } else { vec![text.to_owned()] };
        let parsed = texts.iter().map(|text| Expr::parse(text, &self.names).expect("well formed"));
        let expressions: Vec<_> = parsed.collect();
        for run in 0..count as usize {
            context.steps_left.set(u64::MAX);
            black_box(expressions[run % expressions.len()].evaluate_number(&context).is_ok());
        }
    }
}

/// Best of five rounds, in nanoseconds a run.
fn time(name: &str, runs: u32, mut work: impl FnMut(u32)) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        work(runs);
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(runs));
    }
    println!("{name:<75} {best:>14.1} ns");
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let world = World::new();
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => {
            OPERATIONS.iter().chain(&CASE_OPERATIONS).for_each(|(name, _)| println!("{name}"));
        }
        ["--run", name, count] => {
            let count = count.parse().expect("a count");
            if let Some((_, text)) = OPERATIONS.iter().find(|o| o.0 == *name) {
                world.run(name, text, count);
            } else if let Some((_, text)) = CASE_OPERATIONS.iter().find(|o| o.0 == *name) {
                world.run_cases(&cases(&world.names, 10_000), name, text, count);
            }
        }
        _ => measure(&world),
    }
}

fn measure(world: &World) {
    for (name, text) in OPERATIONS {
        time(&format!("{name}: {text}"), 50_000, |runs| world.run(name, text, runs));
    }
    for count in [10_000, 100_000] {
        let start = Instant::now();
        let snapshot = cases(&world.names, count);
        println!("build {count} cases: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        for (name, text) in CASE_OPERATIONS {
            let start = Instant::now();
            world.run_cases(&snapshot, name, text, 1);
            println!("{name}, first, {count} cases: {:.3} ms", start.elapsed().as_secs_f64() * 1e3);
            let runs = if name == "lookup" { 10_000 } else { 20 };
            time(&format!("{name}: {text}"), runs, |runs| world.run_cases(&snapshot, name, text, runs));
        }
    }
}
