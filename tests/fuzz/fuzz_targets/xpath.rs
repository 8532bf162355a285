//! Any text as an expression: nothing panics, every loop is paid for, and a planned lookup gives what the plain walk
//! gives.

#![no_main]

use std::sync::OnceLock;

use bolster_xpath::{
    CaseRecord, CaseSnapshot, Code, Context, DataSource, Datum, Expr, Instances, Limits, Names, NoHost, Resolved,
    Tree, Value,
};

struct World {
    names: Names,
    main: Tree,
    cases: CaseSnapshot,
}

impl<'a> Instances<'a> for &'a World {
    fn instance(&self, id: &str) -> Resolved<'a> {
        match id {
            "casedb" => Resolved::Source(&self.cases),
            "t" => Resolved::Source(&self.main),
            "declared" => Resolved::Unloaded,
            _ => Resolved::Undeclared,
        }
    }
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let names = Names::new();
        let mut main = Tree::new(&names, names.intern("data"));
        for n in 0..4 {
            let row = main.append(main.root(), names.intern("r"));
            let id = main.add_attribute(row, names.intern("id"));
            main.set(id, Datum::text(&n.to_string()));
            for (name, value) in [("a", Datum::Int(n)), ("b", Datum::text("x y")), ("d", Datum::Date(86_400_000))] {
                let cell = main.append(row, names.intern(name));
                main.set(cell, value);
            }
        }
        let case = |n: usize| CaseRecord {
            case_id: n.to_string(),
            case_type: if n.is_multiple_of(2) { "a" } else { "b" }.into(),
            owner_id: "x".into(),
            case_name: format!("c{n}"),
            properties: vec![("a".into(), (n % 3).to_string())],
            indices: vec![("parent".into(), (n / 2).to_string(), "a".into(), "child".into())],
            ..CaseRecord::default()
        };
        let cases = CaseSnapshot::new(&names, (0..8).map(case));
        World { names, main, cases }
    })
}

fn evaluate(expr: &Expr, planned: bool) -> Result<String, Code> {
    let world = world();
    let instances = world;
    let limits = Limits { steps: 20_000, nodes: 2_000, depth: 60, output: 1 << 14, regex: 10_000 };
    let mut context = Context::new(Some(&world.main), &instances, &NoHost).with_limits(limits);
    context.planned = planned;
    let first = world.main.child_at(world.main.root(), world.names.intern("r"), 1);
    let context = match first {
        Some(node) => context.at(node),
        None => context,
    };
    let value = expr.evaluate(&context).map_err(|e| e.code)?;
    Ok(match &value {
        Value::Nodes(nodes) => nodes.iter().map(|n| n.path()).collect::<Vec<_>>().join(" "),
        other => other.to_text(&context).map_err(|e| e.code)?.into_owned(),
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let limits = Limits { depth: 60, output: 1 << 14, ..Limits::default() };
    let Ok(expr) = Expr::parse_within(text, &world().names, &limits) else { return };
    let _ = expr.constant();
    let (planned, walked) = (evaluate(&expr, true), evaluate(&expr, false));
    // A plan may save so many steps that only the walk runs out of them.
    let limited = [&planned, &walked].iter().any(|r| matches!(r, Err(Code::Limit)));
    if !limited && !expr.is_volatile() {
        assert_eq!(planned, walked, "{text}");
    }
});
