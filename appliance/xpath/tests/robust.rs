//! No text makes the engine panic, and a planned lookup gives what the plain walk gives.

use bolster_xpath::{
    CaseRecord, CaseSnapshot, Code, Context, DataSource, Datum, Expr, Instances, Limits, Names, NoHost,
    NodeRef, Resolved, Tree, Value,
};

/// A small generator of reproducible noise.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }
}

struct One<'a>(&'a CaseSnapshot);

impl<'a> Instances<'a> for One<'a> {
    fn instance(&self, id: &str) -> Resolved<'a> {
        if id == "casedb" { Resolved::Source(self.0) } else { Resolved::Undeclared }
    }
}

fn form(names: &Names) -> Tree {
    let mut tree = Tree::new(names, names.intern("data"));
    let root = tree.root();
    for (name, value) in [("a", "1"), ("b", "x y"), ("r", ""), ("r", ""), ("d", "2024-02-29")] {
        let node = tree.append(root, names.intern(name));
        tree.set(node, Datum::text(value));
        let child = tree.append(node, names.intern("v"));
        tree.set(child, Datum::Int(7));
        let id = tree.add_attribute(node, names.intern("id"));
        tree.set(id, Datum::text("01"));
    }
    tree
}

fn cases(names: &Names, count: usize) -> CaseSnapshot {
    let case = |n: usize| CaseRecord {
        case_id: format!("c{n}"),
        case_type: if n.is_multiple_of(3) { "x" } else { "y" }.into(),
        owner_id: format!("o{}", n % 4),
        closed: n.is_multiple_of(5),
        case_name: format!("Case {n}"),
        external_id: n.is_multiple_of(2).then(|| format!("{n}")),
        properties: [
            ("age", n.is_multiple_of(4).then(|| ["x", "2024-02-29", " 7 ", "", "1e3", "-4"][n % 6].into())),
            ("age", (!n.is_multiple_of(4)).then(|| format!("{}", n % 90))),
            ("ward", (n % 11 > 2).then(|| format!("{}", n % 7))),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.into(), value?)))
        .collect(),
        indices: if n > 10 {
            vec![("parent".into(), format!("c{}", n % 10), "x".into(), "child".into())]
        } else {
            Vec::new()
        },
        ..CaseRecord::default()
    };
    CaseSnapshot::new(names, (0..count).map(case))
}

fn limits() -> Limits {
    Limits { steps: 200_000, nodes: 10_000, depth: 60, output: 10_000, regex: 10_000 }
}

fn show(value: &Result<Value<'_>, bolster_xpath::Error>) -> String {
    match value {
        Ok(Value::Nodes(nodes)) => format!("{:?}", nodes),
        other => format!("{other:?}"),
    }
}

#[test]
fn noise_never_panics() {
    let names = Names::new();
    let tree = form(&names);
    let snapshot = cases(&names, 30);
    let instances = One(&snapshot);
    let words = [
        "(",
        ")",
        "[",
        "]",
        "/",
        "//",
        ".",
        "..",
        "@",
        "::",
        ",",
        "+",
        "-",
        "*",
        "=",
        "!=",
        "<",
        ">=",
        "|",
        "$v",
        "'t'",
        "\"",
        "1",
        "0.5",
        "1e9",
        "and",
        "or",
        "div",
        "mod",
        "data",
        "a",
        "r",
        "v",
        "@id",
        "current()/",
        "instance('casedb')",
        "/casedb/case",
        "count(",
        "if(",
        "substr(",
        "regex(",
        "date(",
        "join(' ', ",
        "id-compress(",
        "sort-by(",
        "format-date(",
        "é",
        "\u{1F600}",
        "2147483648",
        "-1",
        "position()",
        "[1]",
        "node()",
        "text()",
        "child::",
        "é:b",
    ];
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut parsed = 0;
    for _ in 0..60_000 {
        let count = 1 + noise.below(9);
        let text: String =
            (0..count).map(|_| noise.pick(&words).to_owned() + noise.pick(&["", "", " "])).collect();
        let Ok(expr) = Expr::parse_within(&text, &names, &limits()) else { continue };
        parsed += 1;
        let root: &dyn DataSource = &tree;
        let mut context = Context::new(Some(root), &instances, &NoHost).with_limits(limits());
        let _ = expr.evaluate_text(&context);
        context = context.at(tree.child_nodes(tree.root()).nth(2).expect("the form has five children"));
        let _ = expr.evaluate_text(&context);
        let _ = expr.references(&bolster_xpath::PathRef { instance: None, levels: Vec::new() });
        let _ = expr.explain(&|_| None);
    }
    assert!(parsed > 1000, "only {parsed} parsed");
}

#[test]
fn functions_survive_any_arguments() {
    let names = Names::new();
    let tree = form(&names);
    let values = [
        "''",
        "' '",
        "'a b c'",
        "'2024-02-29'",
        "'1 2'",
        "'0 0 0 1 1 1'",
        "-1",
        "0",
        "1e0",
        "3.7",
        "1 div 0",
        "0 div 0",
        "true()",
        "9999999999999",
        "-9999999999999",
        "/data/r",
        "/data/nope",
        "/data/a/v",
        "distinct-values('b a b')",
        "today()",
        "'(a+)+$'",
        "'\u{1F600}é'",
        "'AES'",
        "'verhoeff'",
        "'nepali'",
        "'%Y-%m-%dT%H:%M:%S %Z'",
        "'%'",
    ];
    let functions = [
        "boolean",
        "number",
        "int",
        "double",
        "string",
        "date",
        "not",
        "if",
        "cond",
        "coalesce",
        "selected",
        "count-selected",
        "selected-at",
        "join",
        "join-chunked",
        "concat",
        "substr",
        "substring-before",
        "substring-after",
        "string-length",
        "upper-case",
        "translate",
        "replace",
        "regex",
        "format-date",
        "format-date-for-calendar",
        "count",
        "sum",
        "min",
        "max",
        "round",
        "log",
        "pow",
        "uuid",
        "position",
        "checklist",
        "weighted-checklist",
        "depend",
        "distance",
        "is-point-inside-polygon",
        "closest-point-on-polygon",
        "id-compress",
        "checksum",
        "sort",
        "sort-by",
        "distinct-values",
        "index-of",
        "encrypt-string",
        "decrypt-string",
        "json-property",
        "sleep",
    ];
    let mut noise = Noise(42);
    let root: &dyn DataSource = &tree;
    for _ in 0..60_000 {
        let count = noise.below(6);
        let arguments: Vec<&str> = (0..count).map(|_| noise.pick(&values)).collect();
        let text = format!("{}({})", noise.pick(&functions), arguments.join(", "));
        let Ok(expr) = Expr::parse(&text, &names) else { continue };
        let context = Context::new(Some(root), &bolster_xpath::NoInstances, &NoHost).with_limits(limits());
        let _ = expr.evaluate_text(&context);
    }
}

#[test]
fn planned_and_plain_walk_agree() {
    let names = Names::new();
    let tree = form(&names);
    let snapshot = cases(&names, 60);
    let instances = One(&snapshot);
    let root: &dyn DataSource = &tree;
    let keys = [
        "nothing",
        "last_modified",
        "@case_id",
        "@case_type",
        "@status",
        "@owner_id",
        "@external_id",
        "index/parent",
        "age",
        "ward",
        "./@case_id",
    ];
    let values = [
        "'c7'",
        "'x'",
        "'open'",
        "'o1'",
        "''",
        "4",
        "'4'",
        "/data/a",
        "current()/v",
        "@case_id",
        "'c3'",
        "position()",
        "-4",
        "''",
        "true()",
        "date('2024-02-29')",
        "/data/r",
        "/data/nope",
        "3.5",
    ];
    let mut noise = Noise(7);
    for _ in 0..20_000 {
        let mut path = "instance('casedb')/casedb/case".to_owned();
        for _ in 0..1 + noise.below(3) {
            let (key, value) = (noise.pick(&keys), noise.pick(&values));
            path += &match noise.below(8) {
                0 => format!("[{key} != {value}]"),
                5 => format!("[{key} > {value}]"),
                6 => format!("[{value} >= {key}]"),
                7 => format!("[{}]", 1 + noise.below(3)),
                1 => format!("[selected('c1 c2 x o1 4', {key})]"),
                2 => format!("[{value} = {key}]"),
                _ => format!("[{key} = {value}]"),
            };
        }
        let expr = Expr::parse(&path, &names).expect("the path is well formed");
        let at = tree.child_nodes(tree.root()).nth(2).expect("the form has five children");
        let planned = Context::new(Some(root), &instances, &NoHost).at(at);
        let mut plain = Context::new(Some(root), &instances, &NoHost).at(at);
        plain.planned = false;
        assert_eq!(show(&expr.evaluate(&planned)), show(&expr.evaluate(&plain)), "{path}");
    }
}

#[test]
fn limits_are_named() {
    let names = Names::new();
    let parse = |text: &str| Expr::parse(text, &names);
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(parse(&deep).expect_err("too deep").code, Code::Limit);
    let chain = vec!["1"; 100_000].join("+");
    assert_eq!(parse(&chain).expect_err("too long a chain").code, Code::Limit);
    let minus = format!("{}1", "-".repeat(100_000));
    assert_eq!(parse(&minus).expect_err("too many signs").code, Code::Limit);
    let snapshot = cases(&names, 1000);
    let instances = One(&snapshot);
    let context = Context::new(None, &instances, &NoHost).with_limits(limits());
    let expr =
        parse("count(instance('casedb')/casedb/case[count(instance('casedb')/casedb/case[age = 1]) > 0])")
            .expect("well formed");
    let error = expr.evaluate(&context).expect_err("too many steps");
    assert_eq!(error.code, Code::Limit);
    assert!(error.message.contains("limit: steps"));
}

/// A main instance whose outermost element has `count` children, each of another name.
fn wide(names: &Names, count: usize) -> Tree {
    let mut tree = Tree::new(names, names.intern("data"));
    for n in 0..count {
        let node = tree.append(tree.root(), names.intern(&format!("q{n}")));
        tree.set(node, Datum::Int(1));
    }
    tree
}

#[test]
fn siblings_that_are_passed_are_paid_for() {
    let names = Names::new();
    let mut tree = wide(&names, 16_000);
    let sum = Expr::parse("/data/q15999 + /data/q1", &names).expect("well formed");
    let spent = |tree: &Tree| {
        let context = Context::new(Some(tree as &dyn DataSource), &bolster_xpath::NoInstances, &NoHost);
        assert_eq!(sum.evaluate_number(&context), Ok(2.0));
        context.limits.steps - context.steps_left.get()
    };
    let walked = spent(&tree);
    assert!(walked >= 2_000, "32,000 siblings were looked at for {walked} steps");
    let children: Vec<_> = tree.child_nodes(tree.root()).collect();
    tree.promise_only(children.clone());
    let found = spent(&tree);
    assert!(found < 20, "{found} steps, although nothing had to be looked for");
    // A promise ends with its node.
    tree.remove(children[15_999]);
    let context = Context::new(Some(&tree as &dyn DataSource), &bolster_xpath::NoInstances, &NoHost);
    assert!(sum.evaluate_number(&context).is_err(), "the path is gone");
}

#[test]
fn a_column_says_what_the_expression_says() {
    let names = Names::new();
    for own in [names.clone(), Names::new()] {
        let snapshot = cases(&own, 60);
        let instances = One(&snapshot);
        let mut quick = 0;
        for text in
            ["age", "ward", "case_name", "date_opened", "index", "none", "@case_id", "age[1]", "./age"]
        {
            let expr = Expr::parse(text, &names).unwrap();
            for row in 0..60 {
                let node = snapshot.child_at(snapshot.root(), own.get("case").unwrap(), row).unwrap();
                let node = NodeRef { instance: None, source: &snapshot, node };
                let mut context = Context::new(None, &instances, &NoHost);
                context.node = Some(node);
                if let Some(column) = expr.child_text(node) {
                    assert_eq!(column, expr.evaluate_text(&context).unwrap(), "{text} of {row}");
                    quick += 1;
                }
            }
        }
        assert!(quick > 150, "{quick}");
    }
}
