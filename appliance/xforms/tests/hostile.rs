//! Forms and answers that mean harm end in a sentence, soon.

use std::sync::Arc;

use bolster_xforms::{
    FormCode, FormDefinition, FormLimits, LoadError, LoadOptions, OpenOptions, Problem, Session, Severity,
};
use bolster_xpath::{Limits, NoHost};

fn limits() -> FormLimits {
    FormLimits {
        nodes: 10_000,
        depth: 50,
        session_nodes: 5_000,
        positions: 10_000,
        bytes: 1 << 20,
        output: 1 << 20,
        expressions: Limits { steps: 200_000, nodes: 10_000, depth: 60, output: 1 << 16, regex: 10_000 },
    }
}

fn parse(text: &str) -> Result<FormDefinition, LoadError> {
    FormDefinition::parse(text, &LoadOptions { limits: limits(), first_error_only: false }, &NoHost)
}

fn form(instance: &str, model: &str, body: &str) -> String {
    format!(
        "<h:html xmlns:h=\"http://www.w3.org/1999/xhtml\" xmlns=\"http://www.w3.org/2002/xforms\" \
         xmlns:jr=\"http://openrosa.org/javarosa\"><h:head><h:title>t</h:title><model><instance>\
         <data xmlns=\"http://example.org/h\">{instance}</data></instance>{model}</model></h:head>\
         <h:body>{body}</h:body></h:html>"
    )
}

fn open(text: &str) -> Result<Session, bolster_xforms::FormError> {
    let definition = parse(text).map_err(|e| e.to_string()).expect("the form loads");
    Session::open(&Arc::new(definition), &OpenOptions::default(), &NoHost)
}

fn refused_as(text: &str, problem: Problem) {
    let error = parse(text).expect_err("the form is refused");
    assert!(error.diagnostics.iter().any(|d| d.problem == problem), "{error}");
}

#[test]
fn entity_bombs_are_not_expanded() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><x>&b;</x>";
    refused_as(bomb, Problem::Xml);
}

#[test]
fn limits_of_documents_are_named() {
    let deep = form(&("<a>".repeat(100) + &"</a>".repeat(100)), "", "");
    let wide = form(&"<a/>".repeat(20_000), "", "");
    let crowded = format!("<x {}/>", (0..10_000).map(|n| format!("a{n}='>' ")).collect::<String>());
    let spaces = format!("<x>{}</x>", "<y xmlns:a='b'/>".repeat(20_000));
    for (text, limit) in [(deep, "depth"), (wide, "nodes"), (crowded, "attributes"), (spaces, "namespaces")] {
        let error = parse(&text).expect_err("the form is refused").to_string();
        assert!(error.contains(&format!("limit: {limit}")), "{error}");
    }
    assert!(parse(&" ".repeat(2 << 20)).expect_err("too long").to_string().contains("limit: bytes"));
}

#[test]
fn nesting_of_any_depth_is_refused() {
    let deep = "<a>".repeat(300_000) + &"</a>".repeat(300_000);
    let error = FormDefinition::parse(&deep, &LoadOptions::default(), &NoHost).expect_err("too deep");
    assert!(error.to_string().contains("limit: depth"), "{error}");
}

#[test]
fn deep_expressions_are_refused() {
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    refused_as(
        &form("<a/>", &format!("<bind nodeset=\"/data/a\" calculate=\"{deep}\"/>"), ""),
        Problem::Expression,
    );
}

#[test]
fn an_endless_repeat_stops_at_the_limit() {
    let text = form(
        "<n>1000000000</n><r jr:template=\"\"><q/></r>",
        "<bind nodeset=\"/data/n\" type=\"int\"/>",
        "<repeat nodeset=\"/data/r\" jr:count=\"/data/n\"><input ref=\"/data/r/q\"/></repeat>",
    );
    let mut session = open(&text).expect("it opens");
    let error = session.positions(&NoHost).expect_err("it does not end");
    assert_eq!(error.code, FormCode::Limit);
    assert!(error.message.contains("limit: session_nodes"), "{error}");
    assert!(session.node_count() <= 5_010);
}

#[test]
fn costly_expressions_run_out_of_steps() {
    let rows = "<r/>".repeat(1000);
    let text = form(
        &format!("<a/><g>{rows}</g>"),
        "<bind nodeset=\"/data/a\" calculate=\"count(/data/g/r[count(/data/g/r[count(/data/g/r[. = 1]) = 1]) = 1])\"/>",
        "",
    );
    let error = open(&text).expect_err("it takes too long");
    assert_eq!(error.code, FormCode::Limit);
}

#[test]
fn texts_that_contain_themselves_end() {
    let text = form(
        "<a/>",
        "<itext><translation lang=\"en\"><text id=\"x\"><value>a <output value=\"jr:itext('x')\"/>\
         <output value=\"jr:itext('x')\"/></value></text></translation></itext>",
        "<input ref=\"/data/a\"><label ref=\"jr:itext('x')\"/></input>",
    );
    let mut session = open(&text).expect("it opens");
    session.step(&NoHost).expect("a step");
    let error = session.describe(session.current(), &NoHost).expect_err("the text never ends");
    assert_eq!(error.code, FormCode::Limit);
}

#[test]
fn growing_texts_stop_at_the_limit() {
    let model = "<bind nodeset=\"/data/b\" calculate=\"concat(/data/a, /data/a)\"/>\
                 <bind nodeset=\"/data/c\" calculate=\"concat(/data/b, /data/b, /data/b)\"/>";
    let body = "<input ref=\"/data/a\"/>";
    let mut session = open(&form("<a/><b/><c/>", model, body)).expect("it opens");
    session.step(&NoHost).expect("a step");
    let before = session.state(&NoHost);
    let index = session.current().clone();
    let error = session.answer(&index, Some(&"x".repeat(20_000)), &NoHost).expect_err("it grows too long");
    assert_eq!(error.code, FormCode::Limit);
    assert_eq!(before, session.state(&NoHost));
}

#[test]
fn all_problems_are_reported_together() {
    let text = form(
        "<a>five</a>",
        "<bind/><bind nodeset=\"/data/a\" type=\"int\" calculate=\"1 +\"/>\
         <setvalue event=\"xforms-ready\" ref=\"/data/nope\" value=\"1\"/>",
        "<input ref=\"/data/zz\"><label>Where?</label></input><select1 ref=\"/data/a\"><item><value>x</value></item>\
         </select1>",
    );
    let error = parse(&text).expect_err("the form is refused");
    let errors: Vec<_> = error.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    for problem in [
        Problem::Bind,
        Problem::Expression,
        Problem::Action,
        Problem::MissingNode,
        Problem::Choices,
        Problem::Value,
    ] {
        assert!(errors.iter().any(|d| d.problem == problem), "{problem:?} is missing in {error}");
    }
    assert!(errors.iter().any(|d| d.label.as_deref() == Some("Where?")), "{errors:?}");
    let one = LoadOptions { first_error_only: true, ..LoadOptions::default() };
    let first = FormDefinition::parse(&text, &one, &NoHost).expect_err("the form is refused");
    assert_eq!(first.diagnostics.len(), 1);
}

#[test]
fn positions_from_outside_may_say_anything() {
    let text = form(
        "<n>3</n><r jr:template=\"\"><q/><i jr:template=\"\"><v/></i></r>",
        "<bind nodeset=\"/data/n\" type=\"int\"/>",
        "<group ref=\"/data\"><input ref=\"/data/n\"/></group><repeat nodeset=\"/data/r\" jr:count=\"/data/n\">\
         <input ref=\"/data/r/q\"/><repeat nodeset=\"/data/r/i\"><input ref=\"/data/r/i/v\"/></repeat></repeat>",
    );
    let mut session = open(&text).expect("it opens");
    for written in [
        "1_2147483647",
        "1_-10",
        "1_-2147483648",
        "1",
        "0_5",
        "0,0_7,3",
        "9",
        "1_0,1_4294967295",
        "1_5,1_0,0",
        "<",
        ">",
    ] {
        let Some(index) = bolster_xforms::FormIndex::parse(written) else { continue };
        let _ = session.go_to(&index, &NoHost);
        let _ = session.describe(&index, &NoHost);
        let _ = session.outline(&index);
        let _ = session.answer(&index, Some("1"), &NoHost);
        let _ = session.new_repeat(&index, &NoHost);
        let _ = session.delete_repeat(&index, &NoHost);
        let _ = (session.step(&NoHost), session.step_back(&NoHost), session.screen(&NoHost));
    }
    for reference in
        ["/data/r[2147483647]/q", "/data/r[-2147483648]", "/data/r[x]", "r", "/", "", "/data/r[2]/i[9]/v"]
    {
        if let Some(index) = session.index_of(reference) {
            let _ = session.describe(&index, &NoHost);
            let _ = session.go_to(&index, &NoHost);
        }
    }
    assert_eq!(session.positions(&NoHost).expect("positions").len(), 2 + 3 * 3);
}

#[test]
fn siblings_far_apart_are_all_there() {
    let names: String = (0..100).map(|n| format!("<n{n}>1</n{n}>")).collect();
    let text = form(
        &format!("{names}{names}<s/><t/>"),
        "<bind nodeset=\"/data/s\" calculate=\"count(/data/n99)\"/>\
         <bind nodeset=\"/data/n99\" calculate=\"'x'\"/>\
         <bind nodeset=\"/data/t\" calculate=\"join('', /data/n99)\"/>",
        "",
    );
    let session = open(&text).expect("it opens");
    let value = |path: &str| {
        session.state(&NoHost).into_iter().find(|node| node.path == path).and_then(|node| node.value)
    };
    assert_eq!((value("/data/s").as_deref(), value("/data/t").as_deref()), (Some("2"), Some("xx")));
}

#[test]
fn odd_drafts_are_refused_or_read() {
    let text = form(
        "<a/><r jr:template=\"\"><q/></r>",
        "<bind nodeset=\"/data/a\" type=\"int\"/>",
        "<repeat nodeset=\"/data/r\"/>",
    );
    let definition = Arc::new(parse(&text).expect("the form loads"));
    let many = format!("<data>{}</data>", "<r><q/></r>".repeat(4_000));
    for (draft, code) in [
        ("<other/>", Some(FormCode::Saved)),
        ("<data", Some(FormCode::Saved)),
        ("<data><a>x</a></data>", Some(FormCode::Value)),
        (&many, Some(FormCode::Limit)),
        ("<data b='1'><zz/><r/><r><q>1</q></r></data>", None),
    ] {
        let options = OpenOptions { saved: Some(draft), ..OpenOptions::default() };
        let result = Session::open(&definition, &options, &NoHost);
        assert_eq!(result.err().map(|e| e.code), code, "{draft:.40}");
    }
}
