//! Figures for parsing, evaluation and case lookups; `cargo bench -p bolster-xpath`.
#![allow(clippy::disallowed_methods, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use bolster_xpath::{
    CaseRecord, CaseSnapshot, Context, DataSource, Datum, Expr, Instances, Names, NoHost, NoInstances,
    Resolved, Tree,
};

struct One<'a>(&'a CaseSnapshot);

impl<'a> Instances<'a> for One<'a> {
    fn instance(&self, _id: &str) -> Resolved<'a> {
        Resolved::Source(self.0)
    }
}

/// Best of five rounds, in nanoseconds a run.
fn time(name: &str, runs: u32, mut work: impl FnMut(u32)) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        for run in 0..runs {
            work(run);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(runs));
    }
    println!("{name:<55} {best:>14.1} ns");
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

fn main() {
    let names = Names::new();
    time("parse: . > 0 and . < 150 or /data/sex = 'f'", 20_000, |_| {
        black_box(Expr::parse(". > 0 and . < 150 or /data/sex = 'f'", &names).is_ok());
    });
    let mut tree = Tree::new(&names, names.intern("data"));
    let age = tree.append(tree.root(), names.intern("age"));
    tree.set(age, Datum::Int(34));
    let sex = tree.append(tree.root(), names.intern("sex"));
    tree.set(sex, Datum::text("f"));
    let root: &dyn DataSource = &tree;
    for text in
        [". > 0 and . < 150", "/data/age > 18 and /data/sex = 'f'", "if(/data/age > 18, 'adult', 'child')"]
    {
        let expr = Expr::parse(text, &names).expect("well formed");
        let context = Context::new(Some(root), &NoInstances, &NoHost).at(age);
        time(&format!("evaluate: {text}"), 50_000, |_| {
            black_box(expr.evaluate(&context).is_ok());
        });
    }
    for count in [10_000, 100_000] {
        let start = Instant::now();
        let snapshot = cases(&names, count);
        println!("build {count} cases: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        let instances = One(&snapshot);
        let context = Context::new(Some(root), &instances, &NoHost);
        let sum = Expr::parse("count(instance('casedb')/casedb/case[@case_type='x'][age > 50])", &names)
            .expect("well formed");
        let start = Instant::now();
        black_box(sum.evaluate(&context).is_ok());
        println!("count, first, {count} cases: {:.3} ms", start.elapsed().as_secs_f64() * 1e3);
        let context = Context::new(Some(root), &instances, &NoHost);
        time(&format!("count, warm, {count} cases"), 20, |_| {
            context.steps_left.set(u64::MAX);
            black_box(sum.evaluate(&context).is_ok());
        });
        let lookups: Vec<_> = (0..64)
            .map(|n| {
                let id = n * 131 % count;
                let text = format!("instance('casedb')/casedb/case[@case_id = 'case-{id:08}']/age");
                Expr::parse(&text, &names).expect("well formed")
            })
            .collect();
        time(&format!("lookup by id, {count} cases"), 10_000, |run| {
            black_box(lookups[run as usize % 64].evaluate_number(&context).is_ok());
        });
    }
}
