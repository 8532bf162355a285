//! The commands of app authors, as they type and read.

use std::path::PathBuf;

use bolster_env::{SeededRandom, SimClock};
use bolster_form_cli::{CheckCommand, FillCommand, NamedFile, XpathCommand, check, fill, utc, xpath};
use bolster_model::Timestamp;

const FORM: &str = r#"<h:html xmlns:h="http://www.w3.org/1999/xhtml" xmlns="http://www.w3.org/2002/xforms"
 xmlns:jr="http://openrosa.org/javarosa">
<h:head><h:title>Visit</h:title><model>
<instance><data xmlns="http://example.org/visit"><age/><sex/><note/><child jr:template=""><n/></child><sum/></data></instance>
<instance id="casedb" src="jr://instance/casedb"/>
<bind nodeset="/data/age" type="int" constraint=". &lt; 120" jr:constraintMsg="Too old" required="true()"/>
<bind nodeset="/data/note" relevant="/data/age > 17"/>
<bind nodeset="/data/sum" calculate="count(instance('casedb')/casedb/case[@case_type='patient'])"/>
</model></h:head>
<h:body>
<input ref="/data/age"><label>How old?</label></input>
<select1 ref="/data/sex"><label>Sex</label><item><label>Female</label><value>f</value></item><item><label>Male</label><value>m</value></item></select1>
<input ref="/data/note"><label>Note</label></input>
<group><label>Child</label><repeat nodeset="/data/child"><input ref="/data/child/n"><label>Name</label></input></repeat></group>
</h:body></h:html>"#;

const RESTORE: &str = r#"<OpenRosaResponse xmlns="http://openrosa.org/http/response">
<case xmlns="http://commcarehq.org/case/transaction/v2" case_id="a" date_modified="2024-01-01"><create>
<case_type>patient</case_type><case_name>Ann</case_name><owner_id>u</owner_id></create><update><age>34</age></update></case>
</OpenRosaResponse>"#;

fn file(name: &str, text: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("bolster-form-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn casedb(test: &str) -> NamedFile {
    NamedFile { name: "casedb".into(), file: file(&format!("{test}-restore.xml"), RESTORE) }
}

/// Fills the form with typed lines; what was shown, and whether it was submitted.
fn typed(test: &str, lines: &str) -> (String, bool) {
    let command = FillCommand {
        file: file(&format!("{test}.xml"), FORM),
        instances: vec![casedb(test)],
        language: None,
        saved: None,
        out: None,
    };
    let clock = SimClock::at(Timestamp(1_700_000_000_000_000));
    let mut out = Vec::new();
    let submitted =
        fill(&command, &clock, &SeededRandom::new(1), &mut lines.as_bytes(), &mut out).expect("it runs");
    (String::from_utf8(out).unwrap(), submitted)
}

#[test]
fn a_form_is_filled_in_and_submitted() {
    let (shown, submitted) = typed("submit", "\n200\n34\n3\n2\n:back\n1\nfine\n:new\nJo\n\n\n");
    assert!(submitted, "{shown}");
    for part in [
        "How old? *",
        "! An answer is required.",
        "! Too old",
        "! 3 is none of the choices.",
        "2. Male [m]",
        "now: m",
        "== Child 1/1",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let xml = "<age>34</age><sex>f</sex><note>fine</note><child><n>Jo</n></child><sum>1</sum></data>";
    assert!(shown.trim_end().ends_with(xml), "{shown}");
}

#[test]
fn answers_that_end_where_the_form_does_submit_it() {
    let (shown, submitted) = typed("piped", "34\n1\nfine\n\n");
    assert!(submitted, "{shown}");
    assert!(shown.contains("<age>34</age><sex>f</sex><note>fine</note><sum>1</sum></data>"), "{shown}");
}

#[test]
fn leaving_keeps_a_draft() {
    let (shown, submitted) = typed("draft", "12\n");
    assert!(!submitted);
    assert!(shown.contains("<age>12</age><sex />"), "{shown}");
}

#[test]
fn check_names_lines_and_says_whether_it_is_good() {
    let run = |text: &str, strict| {
        let command = CheckCommand { file: file("check.xml", text), strict };
        let mut out = Vec::new();
        let good = check(&command, &utc(), false, &mut out).expect("it runs");
        (good, String::from_utf8(out).unwrap())
    };
    let (good, said) = run(FORM, true);
    assert!(good, "{said}");
    assert!(said.contains("0 errors, 0 warnings; 4 questions, 2 expressions"), "{said}");
    let broken = FORM
        .replace("/data/age > 17", "/data/age >")
        .replace("ref=\"/data/child/n\"", "ref=\"/data/child/x\"");
    let (good, said) = run(&broken, false);
    assert!(!good, "{said}");
    assert!(said.contains("check.xml:7:1: error[expression]"), "{said}");
    assert!(said.contains("check.xml:14:"), "{said}");
    assert!(said.contains("question: Name"), "{said}");
    let odd = FORM.replace("count(instance('casedb')", "count(instance('cases')");
    assert!(run(&odd, false).0);
    assert!(!run(&odd, true).0);
}

#[test]
fn expressions_are_evaluated_and_explained() {
    let run = |expr: &str, explain| {
        let command = XpathCommand {
            expr: expr.into(),
            instances: vec![casedb("xpath")],
            main: Some(file("main.xml", "<data><v>1</v><v>2</v></data>")),
            at: Some("/data/v[2]".into()),
            explain,
        };
        let mut out = Vec::new();
        let clock = SimClock::at(Timestamp(1_700_000_000_000_000));
        let result = xpath(&command, &clock, &SeededRandom::new(1), &mut out);
        (result.map_err(|e| e.to_string()), String::from_utf8(out).unwrap())
    };
    assert_eq!(run(". + 1", false).1, "number: 3\n");
    assert_eq!(run("/data/v[true()]", false).1, "nodeset of 2\n  /data/v[1] = '1'\n  /data/v[2] = '2'\n");
    let (_, said) = run("instance('casedb')/casedb/case[@case_type='patient'][age > 5]/case_name", true);
    assert!(said.contains("index") && said.contains("'Ann'") && said.contains("steps:"), "{said}");
    let (result, _) = run("1 + nope(2)", false);
    assert!(result.unwrap_err().contains("\n  1 + nope(2)\n      ^^^^^^^"), "the place is marked");
}
