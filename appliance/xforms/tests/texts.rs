//! Texts that expressions ask for stay up to date with the answers their placeholders show.

use std::sync::Arc;

use bolster_xforms::{Answer, FormDefinition, LoadOptions, OpenOptions, Session};
use bolster_xpath::NoHost;

fn open(calculate: &str) -> Session {
    let text = format!(
        "<h:html xmlns:h=\"http://www.w3.org/1999/xhtml\" xmlns=\"http://www.w3.org/2002/xforms\"><h:head>\
         <h:title>t</h:title><model><instance><data xmlns=\"http://example.org/t\"><who/><greeting/></data></instance>\
         <bind nodeset=\"/data/greeting\" calculate=\"{calculate}\"/><itext><translation lang=\"en\">\
         <text id=\"hello\"><value>Hello <output value=\"/data/who\"/></value></text>\
         <text id=\"twice\"><value><output value=\"jr:itext('hello')\"/>, hello!</value></text>\
         <text id=\"own\"><value>before: <output value=\"/data/greeting\"/></value></text>\
         </translation></itext></model></h:head><h:body><input ref=\"/data/who\"><label>Who?</label></input>\
         </h:body></h:html>"
    );
    let definition = FormDefinition::parse(&text, &LoadOptions::default(), &NoHost);
    let definition = definition.map_err(|e| e.to_string()).expect("the form loads");
    Session::open(&Arc::new(definition), &OpenOptions::default(), &NoHost).expect("it opens")
}

/// What the calculation gives after the only question was answered.
fn greeting(calculate: &str, who: &str) -> String {
    let mut session = open(calculate);
    session.step(&NoHost).expect("there is a question");
    let index = session.current().clone();
    assert_eq!(session.answer(&index, Some(who), &NoHost).expect("it is answered"), Answer::Accepted);
    let state = session.state(&NoHost);
    let node = state.iter().find(|node| node.path == "/data/greeting").expect("the node is there");
    node.value.clone().unwrap_or_default()
}

#[test]
fn a_calculation_follows_what_its_text_shows() {
    assert_eq!(greeting("jr:itext('hello')", "Ann"), "Hello Ann");
    assert_eq!(greeting("concat(jr:itext('hello'), '.')", "Bo"), "Hello Bo.");
}

#[test]
fn texts_inside_of_texts_count_too() {
    assert_eq!(greeting("jr:itext('twice')", "Ann"), "Hello Ann, hello!");
}

#[test]
fn a_text_about_its_own_node_is_no_cycle() {
    assert!(greeting("jr:itext('own')", "Ann").starts_with("before: "));
}
