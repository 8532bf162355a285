//! `bolster bench forms`: what forms and expressions cost on this machine.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bolster_env::{Clock, Random};
use bolster_xforms::{FormDefinition, FormIndex, LoadOptions, OpenOptions, Position, Session};
use bolster_xpath::{CaseRecord, CaseSnapshot, Context, DataSource, Expr, Instances, Names, Resolved};
use serde_json::{Value as Json, json};

use crate::host::Machine;
use crate::{Error, NamedFile, read};

/// One measured figure.
struct Row {
    name: &'static str,
    us: f64,
    /// What the product promises, and what the original engine takes, both in microseconds.
    promised_us: f64,
    original_us: &'static str,
}

/// The figures of one run.
pub struct FormsReport {
    form: String,
    form_bytes: usize,
    rows: Vec<Row>,
}

impl FormsReport {
    /// For programs.
    pub fn json(&self) -> Json {
        let row = |row: &Row| {
            json!({"name": row.name, "us": row.us, "promised_us": row.promised_us, "kept": row.us <= row.promised_us,
                   "original_us": row.original_us})
        };
        json!({"bench": "forms", "form": self.form, "form_bytes": self.form_bytes,
               "figures": self.rows.iter().map(row).collect::<Vec<_>>()})
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{} ({} bytes)\n", self.form, self.form_bytes);
        let _ = writeln!(out, "{:<46} {:>12} {:>12}  original", "", "here", "promised");
        for row in &self.rows {
            let (us, promised) = (row.us, row.promised_us);
            let mark = if us <= promised { "" } else { "  MISSED" };
            let _ = writeln!(
                out,
                "{:<46} {us:>9.2} us {promised:>9.2} us  {} us{mark}",
                row.name, row.original_us
            );
        }
        out
    }
}

/// A form of 200 questions in 20 groups, with 60 calculations and 60 conditions.
fn generated() -> String {
    let (mut nodes, mut binds, mut body) = (String::new(), String::new(), String::new());
    let mut questions = Vec::new();
    for group in 0..20 {
        let _ = write!(nodes, "<s{group:02}>");
        let _ = write!(body, "<group ref=\"/data/s{group:02}\"><label>Section {group}</label>");
        for question in 0..10 {
            let path = format!("/data/s{group:02}/q{}", group * 10 + question);
            let _ = write!(nodes, "<q{}/>", group * 10 + question);
            let kind = ["int", "string", "decimal", "date"][question % 4];
            let relevant = match question {
                5 | 6 | 8 => format!(" relevant=\"/data/s{group:02}/q{} != 'zzz'\"", group * 10),
                _ => String::new(),
            };
            let constraint = if question == 4 { " constraint=\". &gt;= 0 and . &lt; 1000\"" } else { "" };
            let _ = write!(binds, "<bind nodeset=\"{path}\" type=\"xsd:{kind}\"{relevant}{constraint}/>");
            let _ =
                write!(body, "<input ref=\"{path}\"><label>Question {question} of {group}</label></input>");
            questions.push(path);
        }
        let _ = write!(nodes, "</s{group:02}>");
        body.push_str("</group>");
    }
    nodes.push_str("<calc>");
    for number in 0..60 {
        let _ = write!(nodes, "<c{number}/>");
        let (a, b) = (&questions[number * 3], &questions[number * 3 + 1]);
        let text = match number % 4 {
            0 => format!("if({a} = '', 0, {a} * 2)"),
            1 => format!("concat({a}, '-', {b})"),
            2 => format!("coalesce({a}, {b})"),
            _ => format!("/data/calc/c{} + string-length({b})", number - 1),
        };
        let _ = write!(binds, "<bind nodeset=\"/data/calc/c{number}\" calculate=\"{text}\"/>");
    }
    nodes.push_str("</calc>");
    format!(
        "<h:html xmlns:h=\"http://www.w3.org/1999/xhtml\" xmlns=\"http://www.w3.org/2002/xforms\"><h:head>\
         <h:title>Bench</h:title><model><instance><data xmlns=\"http://example.org/bench\">{nodes}</data></instance>\
         {binds}</model></h:head><h:body>{body}</h:body></h:html>"
    )
}

struct Timer<'c> {
    clock: &'c dyn Clock,
}

impl Timer<'_> {
    /// The best of five batches, in microseconds a run. A batch takes at least some milliseconds.
    fn time(&self, mut work: impl FnMut()) -> f64 {
        let mut runs = 1u32;
        loop {
            let start = self.clock.monotonic_us();
            (0..runs).for_each(|_| work());
            if self.clock.monotonic_us() - start > 5_000 || runs > 1 << 20 {
                break;
            }
            runs *= 2;
        }
        let batch = || {
            let start = self.clock.monotonic_us();
            (0..runs).for_each(|_| work());
            (self.clock.monotonic_us() - start) as f64 / f64::from(runs)
        };
        std::iter::repeat_with(batch).take(5).fold(f64::INFINITY, f64::min)
    }
}

/// Measures a form (one that is made here, if no file is named) and expressions over 10,000 cases.
pub fn bench(
    form: Option<&Path>,
    instances: &[NamedFile],
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<FormsReport, Error> {
    let (name, text) = match form {
        Some(path) => (path.display().to_string(), read(path)?),
        None => ("a form of 200 questions".to_owned(), generated()),
    };
    let host = Machine::new(clock, random, instances);
    let timer = Timer { clock };
    let mut rows = Vec::new();
    let options = LoadOptions::default();
    rows.push(Row {
        name: "parse",
        us: timer.time(|| {
            black_box(FormDefinition::parse(&text, &options, &host).is_ok());
        }),
        promised_us: 1000.0,
        original_us: "10800",
    });
    let definition = FormDefinition::parse(&text, &options, &host)
        .map_err(|e| Error::Form { path: name.clone().into(), detail: e.to_string() })?;
    let definition = Arc::new(definition);
    let begin = OpenOptions::default();
    let mut session = Session::open(&definition, &begin, &host).map_err(|e| Error::Session(e.to_string()))?;
    rows.push(Row {
        name: "open, and show the first question",
        us: timer.time(|| {
            if let Ok(mut session) = Session::open(&definition, &begin, &host) {
                let _ = session.step(&host);
                black_box(session.describe(session.current(), &host).is_ok());
            }
        }),
        promised_us: 300.0,
        original_us: "12000-32000",
    });
    let (mean, worst) = answers(&mut session, &host, clock);
    rows.push(Row { name: "answer a question, mean", us: mean, promised_us: 5.0, original_us: "18-46" });
    rows.push(Row { name: "answer a question, worst", us: worst, promised_us: 100.0, original_us: "8000" });
    rows.push(Row {
        name: "write the submission",
        us: timer.time(|| {
            black_box(session.submission(&host).is_ok());
        }),
        promised_us: 800.0,
        original_us: "600-800",
    });
    expressions(&timer, &host, &mut rows);
    Ok(FormsReport { form: name, form_bytes: text.len(), rows })
}

/// Mean and worst time of one answer, over rounds of answering every question with another value.
fn answers(session: &mut Session, host: &Machine<'_>, clock: &dyn Clock) -> (f64, f64) {
    let positions = session.positions(host).unwrap_or_default();
    let mut questions: Vec<(FormIndex, [String; 2])> = Vec::new();
    for index in positions {
        let Ok(Position::Question(prompt)) = session.describe(&index, host) else { continue };
        let pair = match (&prompt.choices[..], prompt.data_type.as_str()) {
            ([first, .., last], _) => [first.value.clone(), last.value.clone()],
            (_, "date") => ["2024-02-29".into(), "1990-01-01".into()],
            (_, "int" | "decimal" | "string" | "untyped") => ["7".into(), "12".into()],
            _ => continue,
        };
        questions.push((index, pair));
    }
    if questions.is_empty() {
        return (0.0, 0.0);
    }
    let mut best = f64::INFINITY;
    let mut slowest = vec![u64::MAX; questions.len() * 2];
    for round in 0..20 {
        let begin = clock.monotonic_us();
        for (index, values) in &questions {
            black_box(session.answer(index, Some(&values[round % 2]), host).is_ok());
        }
        best = best.min((clock.monotonic_us() - begin) as f64 / questions.len() as f64);
    }
    // The worst question, of which the machine's own pauses are no part: each one's best time.
    for round in 0..10 {
        for (at, (index, values)) in questions.iter().enumerate() {
            let begin = clock.monotonic_us();
            black_box(session.answer(index, Some(&values[round % 2]), host).is_ok());
            let taken = clock.monotonic_us() - begin;
            let slot = &mut slowest[at * 2 + round % 2];
            *slot = taken.min(*slot);
        }
    }
    (best, slowest.into_iter().max().unwrap_or(0) as f64)
}

struct Cases(CaseSnapshot);

impl<'a> Instances<'a> for &'a Cases {
    fn instance(&self, _id: &str) -> Resolved<'a> {
        Resolved::Source(&self.0)
    }
}

fn expressions(timer: &Timer<'_>, host: &Machine<'_>, rows: &mut Vec<Row>) {
    let names = Names::new();
    let case = |n: usize| CaseRecord {
        case_id: format!("case-{n:08}"),
        case_type: if n.is_multiple_of(2) { "x" } else { "y" }.into(),
        case_name: format!("Case {n}"),
        properties: vec![("age".into(), (n % 90).to_string())],
        ..CaseRecord::default()
    };
    let cases = Cases(CaseSnapshot::new(&names, (0..10_000).map(case)));
    let instances = &cases;
    let constraint = ". > 0 and . < 150 or /data/sex = 'f'";
    rows.push(Row {
        name: "parse an expression",
        us: timer.time(|| {
            black_box(Expr::parse(constraint, &names).is_ok());
        }),
        promised_us: 1.0,
        original_us: "3.4-5.1",
    });
    let mut main = bolster_xpath::Tree::new(&names, names.intern("data"));
    let node = main.append(main.root(), names.intern("age"));
    main.set(node, bolster_xpath::Datum::Int(34));
    let mut figure = |name, text: &str, promised_us, original_us| {
        let Ok(expr) = Expr::parse(text, &names) else { return };
        let us = timer.time(|| {
            let context = Context::new(Some(&main as &dyn DataSource), &instances, host).at(node);
            black_box(expr.evaluate(&context).is_ok());
        });
        rows.push(Row { name, us, promised_us, original_us });
    };
    figure("evaluate a constraint", ". > 0 and . < 150", 0.2, "1.7");
    figure("a case by id, of 10,000", "instance('casedb')/casedb/case[@case_id='case-00005000']", 1.0, "20");
    figure(
        "count by type and property, of 10,000",
        "count(instance('casedb')/casedb/case[@case_type='x'][age > 50])",
        500.0,
        "19000",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolster_env::SeededRandom;

    #[test]
    fn the_generated_form_is_what_the_bench_says() {
        let (clock, random) = (bolster_env::SystemClock::default(), SeededRandom::new(1));
        let host = Machine::new(&clock, &random, &[]);
        let definition =
            FormDefinition::parse(&generated(), &LoadOptions::default(), &host).expect("it loads");
        assert_eq!((definition.question_count(), definition.item_count()), (200, 120));
        let mut session =
            Session::open(&Arc::new(definition), &OpenOptions::default(), &host).expect("it opens");
        let (mean, worst) = answers(&mut session, &host, &clock);
        assert!(mean > 0.0 && worst >= 0.0);
    }
}
