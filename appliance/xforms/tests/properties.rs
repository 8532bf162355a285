//! What holds for every form and every session: nothing is missed by incremental recalculation, a draft can be
//! resumed, a refused operation changes nothing.

use std::fmt::Write;
use std::sync::Arc;

use bolster_xforms::{
    Answer, FormDefinition, FormIndex, LoadOptions, NodeState, OpenOptions, Session, Validation,
};
use bolster_xpath::NoHost;
use proptest::prelude::*;

/// Numbers for choices, one after the other.
struct Dice {
    rolls: Vec<u32>,
    at: usize,
}

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        let roll = self.rolls.get(self.at % self.rolls.len().max(1)).copied().unwrap_or(0);
        self.at += 1;
        (roll as usize).wrapping_mul(31).wrapping_add(self.at) % sides.max(1)
    }

    fn pick<'a>(&mut self, from: &'a [String]) -> &'a str {
        &from[self.roll(from.len())]
    }
}

/// An expression over fields that come earlier in the form.
fn expression(dice: &mut Dice, known: &[String]) -> String {
    let field = dice.pick(known).to_owned();
    let other = dice.pick(known).to_owned();
    match dice.roll(9) {
        0 => format!("{field} + 1"),
        1 => format!("concat({field}, '-', {other})"),
        2 => format!("if({field} = '', 'none', {other})"),
        3 => "count(/data/r[q0 != ''])".into(),
        4 => "sum(/data/r/q0[. != ''])".into(),
        5 => format!("string-length({field}) + count(/data/r)"),
        6 => format!("coalesce({field}, {other}, 'z')"),
        7 => "join(',', /data/r/c)".into(),
        _ => format!("{field} > {other}"),
    }
}

/// An expression inside of the repeat.
fn inner_expression(dice: &mut Dice, known: &[String]) -> String {
    let field = dice.pick(known).to_owned();
    match dice.roll(7) {
        0 => format!("concat(../q0, '|', {field})"),
        1 => "position(..)".into(),
        2 => "count(../../r)".into(),
        3 => "/data/r[position() = 1]/q0".into(),
        4 => format!("count(/data/r[q0 = current()/../q0]) + string-length({field})"),
        5 => format!("if({field} = '1', ../q0, ../q1)"),
        _ => "sum(../i/v[. != ''])".into(),
    }
}

fn form(dice: &mut Dice) -> String {
    let mut known: Vec<String> = Vec::new();
    let (mut nodes, mut binds, mut body) = (String::new(), String::new(), String::new());
    let count = 2 + dice.roll(3);
    for n in 0..count {
        let _ = write!(nodes, "<q{n}/>");
        let _ = write!(body, "<input ref=\"/data/q{n}\"><label>q</label></input>");
        let kind = ["int", "string", "decimal"][dice.roll(3)];
        let mut more = String::new();
        if n > 0 && dice.roll(3) == 0 {
            let _ = write!(more, " relevant=\"{} = '1' or {} != '2'\"", dice.pick(&known), dice.pick(&known));
        }
        if n > 0 && dice.roll(4) == 0 {
            let _ = write!(more, " readonly=\"{} != ''\"", dice.pick(&known));
        }
        let _ = write!(binds, "<bind nodeset=\"/data/q{n}\" type=\"{kind}\"{more}/>");
        known.push(format!("/data/q{n}"));
    }
    nodes.push_str("<r jr:template=\"\"><q0/><q1>5</q1><c/><d/><i jr:template=\"\"><v/><w/></i></r>");
    body.push_str(
        "<group><label>R</label><repeat nodeset=\"/data/r\"><input ref=\"/data/r/q0\"/><input ref=\"/data/r/q1\"/>\
         <group><label>I</label><repeat nodeset=\"/data/r/i\"><input ref=\"/data/r/i/v\"/></repeat></group>\
         </repeat></group>",
    );
    let inner = inner_expression(dice, &known).replace('<', "&lt;");
    let _ = write!(binds, "<bind nodeset=\"/data/r/c\" calculate=\"{inner}\"/>");
    let _ =
        write!(binds, "<bind nodeset=\"/data/r/i/w\" calculate=\"concat(../v, ../../q0, {})\"/>", known[0]);
    if dice.roll(2) == 0 {
        let _ = write!(binds, "<bind nodeset=\"/data/r\" relevant=\"{} != '3'\"/>", dice.pick(&known));
    }
    if dice.roll(2) == 0 {
        binds.push_str("<bind nodeset=\"/data/r/q1\" relevant=\"../q0 != '1'\"/>");
    }
    for n in 0..3 + dice.roll(4) {
        let _ = write!(nodes, "<c{n}/>");
        let text = expression(dice, &known).replace('<', "&lt;");
        let relevant = match dice.roll(4) {
            0 => format!(" relevant=\"{} != '7'\"", dice.pick(&known)),
            _ => String::new(),
        };
        let _ = write!(binds, "<bind nodeset=\"/data/c{n}\" calculate=\"{text}\"{relevant}/>");
        known.push(format!("/data/c{n}"));
    }
    // Entries that read what is made of all entries.
    let last = dice.pick(&known).to_owned();
    let _ = write!(binds, "<bind nodeset=\"/data/r/d\" calculate=\"concat({last}, ../q1)\"/>");
    format!(
        "<h:html xmlns:h=\"http://www.w3.org/1999/xhtml\" xmlns=\"http://www.w3.org/2002/xforms\" \
         xmlns:jr=\"http://openrosa.org/javarosa\"><h:head><h:title>t</h:title><model><instance>\
         <data xmlns=\"http://example.org/p\">{nodes}</data></instance>{binds}</model></h:head>\
         <h:body>{body}</h:body></h:html>"
    )
}

/// Takes one step; refusals are steps too.
fn act(session: &mut Session, dice: &mut Dice) {
    let positions = session.positions(&NoHost).expect("positions");
    if positions.is_empty() {
        return;
    }
    let index = positions[dice.roll(positions.len())].clone();
    let (kind, _) = session.outline(&index).expect("a position of the walk");
    match (kind, dice.roll(5)) {
        ("question", _) => {
            let text = ["1", "2", "3", "7", "", "4.5", "x"][dice.roll(7)];
            let _ = session.answer(&index, Some(text), &NoHost).expect("an answer");
        }
        ("new-repeat", _) => session.new_repeat(&index, &NoHost).expect("a new entry"),
        ("repeat", 0..=1) => session.delete_repeat(&index, &NoHost).expect("an entry less"),
        _ => session.step(&NoHost).expect("a step"),
    }
}

fn sorted(session: &Session) -> Vec<NodeState> {
    let mut state = session.state(&NoHost);
    state.sort_by(|a, b| a.path.cmp(&b.path));
    state
}

fn open(text: &str) -> Option<Session> {
    // A generated form may refer to itself in a circle; then there is nothing to check.
    let definition = FormDefinition::parse(text, &LoadOptions::default(), &NoHost).ok()?;
    Some(Session::open(&Arc::new(definition), &OpenOptions::default(), &NoHost).expect("it opens"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn recalculating_anew_changes_nothing(rolls in prop::collection::vec(any::<u32>(), 20..80), steps in 1usize..25) {
        let mut dice = Dice { rolls, at: 0 };
        let text = form(&mut dice);
        let Some(mut session) = open(&text) else { return Ok(()) };
        for _ in 0..steps {
            act(&mut session, &mut dice);
            let mut anew = session.clone();
            anew.recalculate(&NoHost).expect("it recalculates");
            prop_assert_eq!(session.state(&NoHost), anew.state(&NoHost), "{}", text);
        }
    }

    #[test]
    fn resuming_a_draft_is_going_on(rolls in prop::collection::vec(any::<u32>(), 20..80), steps in 1usize..15) {
        let mut dice = Dice { rolls, at: 0 };
        let text = form(&mut dice);
        let Some(mut session) = open(&text) else { return Ok(()) };
        for _ in 0..steps {
            act(&mut session, &mut dice);
        }
        let draft = session.draft(&NoHost).expect("a draft");
        let options = OpenOptions { saved: Some(&draft), ..OpenOptions::default() };
        let mut resumed = Session::open(session.definition(), &options, &NoHost).expect("it resumes");
        prop_assert_eq!(sorted(&session), sorted(&resumed), "{}", text);
        // Written, read and written again, it is the same.
        let second = resumed.draft(&NoHost).expect("a draft");
        let options = OpenOptions { saved: Some(&second), ..OpenOptions::default() };
        let again = Session::open(session.definition(), &options, &NoHost).expect("it resumes");
        prop_assert_eq!(&second, &again.draft(&NoHost).expect("a draft"));
        let at = dice.at;
        for _ in 0..steps {
            act(&mut session, &mut dice);
        }
        dice.at = at;
        for _ in 0..steps {
            act(&mut resumed, &mut dice);
        }
        prop_assert_eq!(sorted(&session), sorted(&resumed), "{}", text);
    }

    #[test]
    fn refusals_change_nothing(rolls in prop::collection::vec(any::<u32>(), 20..80), steps in 1usize..15) {
        let mut dice = Dice { rolls, at: 0 };
        // One more expression, which fails as soon as there are two entries with an answer.
        let text = form(&mut dice)
            .replace("</data>", "<trap/></data>")
            .replace("</model>", "<bind nodeset=\"/data/trap\" calculate=\"/data/r[q0 != '']/q0 + 1\"/></model>");
        let Some(mut session) = open(&text) else { return Ok(()) };
        for _ in 0..steps {
            let before = (session.state(&NoHost), session.draft(&NoHost).expect("a draft"));
            let Ok(positions) = session.positions(&NoHost) else { return Ok(()) };
            let Some(index) = positions.get(dice.roll(positions.len())).cloned() else { return Ok(()) };
            let (kind, _) = session.outline(&index).expect("a position of the walk");
            let refused = match kind {
                "question" => {
                    let answer = session.answer(&index, Some("3"), &NoHost);
                    answer.is_err() || answer.is_ok_and(|answer| answer != Answer::Accepted)
                }
                "new-repeat" => session.new_repeat(&index, &NoHost).is_err(),
                "repeat" => session.delete_repeat(&index, &NoHost).is_err(),
                _ => false,
            };
            if refused {
                prop_assert_eq!(&before.0, &session.state(&NoHost), "{}", text);
                prop_assert_eq!(before.1, session.draft(&NoHost).expect("a draft"));
            }
        }
    }

    #[test]
    fn walking_back_retraces_the_way(rolls in prop::collection::vec(any::<u32>(), 20..80), steps in 0usize..12) {
        let mut dice = Dice { rolls, at: 0 };
        let Some(mut session) = open(&form(&mut dice)) else { return Ok(()) };
        for _ in 0..steps {
            act(&mut session, &mut dice);
        }
        let there = session.positions(&NoHost).expect("positions");
        session.go_to(&FormIndex::End, &NoHost).expect("the end");
        let mut back = Vec::new();
        loop {
            session.step_back(&NoHost).expect("a step back");
            if *session.current() == FormIndex::Beginning {
                break;
            }
            back.push(session.current().clone());
        }
        back.reverse();
        prop_assert_eq!(there, back);
        prop_assert_eq!(session.validate(&NoHost).expect("it validates"), Validation::Valid);
    }
}
