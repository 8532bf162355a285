//! Running the steps of a vector.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bolster_xforms::{
    Answer, FormCode, FormDefinition, FormError, FormIndex, LoadOptions, OpenOptions, Session, Validation,
};
use serde_json::{Value as Json, json};

use super::compare::{Tokens, generic};
use super::event;
use super::host::RecordedHost;

type State = BTreeMap<String, (Option<String>, String)>;

pub struct Script<'v> {
    folder: PathBuf,
    vector: &'v Json,
    host: RecordedHost,
    form: String,
    ignore: Vec<String>,
    session: Option<Session>,
    expected: State,
    wanted: State,
    tokens: Tokens,
}

/// What a step gave.
struct Outcome {
    result: &'static str,
    members: BTreeMap<&'static str, Json>,
    /// XML to compare with a file.
    xml: Option<String>,
    /// The whole text of an error.
    error: String,
}

impl Outcome {
    fn new(result: &'static str) -> Self {
        Outcome { result, members: BTreeMap::new(), xml: None, error: String::new() }
    }

    fn failed(stage: &'static str, error: &FormError) -> Self {
        let node = error.node.clone().unwrap_or_default();
        let text = error.expression.clone().unwrap_or_default();
        Outcome { error: format!("{error}\n{node}\n{text}"), ..Outcome::new(stage) }
    }
}

fn apply(state: &mut State, delta: &Json, replace: bool) {
    if replace {
        state.clear();
    }
    for (path, value) in delta.as_object().into_iter().flatten() {
        match value.as_array().map(Vec::as_slice) {
            Some([value, flags]) => {
                let value = value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
                state.insert(path.clone(), (value, flags.as_str().unwrap_or("").to_owned()));
            }
            _ => {
                state.remove(path);
            }
        }
    }
}

impl<'v> Script<'v> {
    pub fn new(folder: &Path, vector: &'v Json) -> Result<Self, String> {
        let ignore = vector["ignore"].as_array().into_iter().flatten();
        Ok(Script {
            folder: folder.to_owned(),
            vector,
            host: RecordedHost::new(folder, vector)?,
            form: std::fs::read_to_string(folder.join("form.xml")).map_err(|e| format!("form.xml: {e}"))?,
            ignore: ignore.filter_map(Json::as_str).map(generic).collect(),
            session: None,
            expected: State::new(),
            wanted: State::new(),
            tokens: Tokens::default(),
        })
    }

    pub fn run(mut self) -> Result<(), String> {
        let steps = self.vector["steps"].as_array().map_or(&[][..], |steps| steps);
        for (number, step) in steps.iter().enumerate() {
            match self.step(step) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(what) => return Err(format!("step {number} {}: {what}", step["do"])),
            }
        }
        Ok(())
    }

    /// One step; false if the vector ends here.
    fn step(&mut self, step: &Json) -> Result<bool, String> {
        let (action, expect, wanted) = (&step["do"], &step["expect"], &step["wanted"]);
        let op = action["op"].as_str().unwrap_or("");
        let outcome = if op == "open" { self.open(action) } else { self.act(op, action)? };
        self.advance_states(op, expect, wanted);
        let expected = expect["result"].as_str().unwrap_or("");
        let alternative = wanted["result"].as_str();
        let fits =
            |name: &str| outcome.result == name || (name == "init-error" && outcome.result == "load-error");
        if alternative.is_some_and(|name| name != expected && fits(name)) {
            // Ours is the better result; a refusal on either side ends the vector.
            let ends = expected.ends_with("error") || outcome.result.ends_with("error");
            return Ok(!ends && {
                self.compare_state(step)?;
                true
            });
        }
        if !fits(expected) {
            return Err(format!("expected {expected}, got {} {}", outcome.result, outcome.error));
        }
        if outcome.result.ends_with("error") {
            for path in expect["paths"].as_array().into_iter().flatten().filter_map(Json::as_str) {
                if !outcome.error.contains(path) {
                    return Err(format!("the error does not mention {path}: {}", outcome.error));
                }
            }
            return Ok(false);
        }
        self.compare_members(expect, wanted, &outcome)?;
        self.compare_state(step)?;
        Ok(true)
    }

    fn advance_states(&mut self, op: &str, expect: &Json, wanted: &Json) {
        let replace = op == "open" && expect["delta"].is_object();
        let base = &expect["delta"];
        let own = if wanted["delta"].is_object() { &wanted["delta"] } else { base };
        apply(&mut self.wanted, own, replace);
        apply(&mut self.expected, base, replace);
    }

    fn compare_members(&mut self, expect: &Json, wanted: &Json, outcome: &Outcome) -> Result<(), String> {
        const LOOSE: [&str; 8] =
            ["result", "delta", "file", "warnings", "kind", "class", "paths", "engine-crash"];
        for (name, value) in expect.as_object().into_iter().flatten() {
            if LOOSE.contains(&name.as_str()) || (name == "message" && outcome.result == "bad-input") {
                continue;
            }
            let Some(got) = outcome.members.get(name.as_str()) else {
                return Err(format!("no {name}; expected {value}"));
            };
            let mut got = got.clone();
            let mut value = value.clone();
            self.hide_ignored(&mut value, &mut got);
            let result = self.tokens.same_json(&value, &got);
            let other = &wanted[name.as_str()];
            if result.is_err() && !other.is_null() && self.tokens.same_json(other, &got).is_ok() {
                continue;
            }
            result.map_err(|e| format!("{name}: {e}"))?;
        }
        if let Some(file) = expect["file"].as_str() {
            let Some(xml) = &outcome.xml else { return Err(format!("no XML to compare with {file}")) };
            let read =
                |file: &str| std::fs::read_to_string(self.folder.join(file)).map_err(|e| e.to_string());
            let first = |path: &str| path.replace("[1]", "");
            let preferred = |path: &str, text: &str| {
                let mut states = self.wanted.iter().filter(|(known, _)| first(known) == first(path));
                states.any(|(_, (value, _))| value.as_deref().unwrap_or("") == text)
            };
            let result = self.tokens.same_xml(&read(file)?, xml, &self.ignore, &preferred);
            if let Err(what) = result {
                match read(&format!("wanted-{file}")) {
                    Ok(other) => self.tokens.same_xml(&other, xml, &self.ignore, &preferred)?,
                    Err(_) => return Err(format!("{file}: {what}")),
                }
            }
        }
        Ok(())
    }

    /// Takes ignored answers out of events.
    fn hide_ignored(&self, expected: &mut Json, got: &mut Json) {
        let ignored = expected["ref"].as_str().is_some_and(|path| self.ignore.contains(&generic(path)));
        if ignored && let (Some(a), Some(b)) = (expected.as_object_mut(), got.as_object_mut()) {
            a.remove("answer");
            b.remove("answer");
        }
    }

    fn compare_state(&mut self, step: &Json) -> Result<(), String> {
        let Some(session) = &self.session else { return Ok(()) };
        let mut got = State::new();
        for node in session.state(&self.host) {
            let mut flags = String::new();
            for (on, letter) in [(node.irrelevant, 'i'), (node.required, 'q'), (node.readonly, 'x')] {
                if on {
                    flags.push(letter);
                }
            }
            got.insert(node.path, (node.value.filter(|text| !text.is_empty()), flags));
        }
        let better = &step["wanted"]["nodes"];
        let paths: Vec<String> =
            self.expected.keys().chain(self.wanted.keys()).chain(got.keys()).cloned().collect();
        for path in paths {
            if self.ignore.contains(&generic(&path)) {
                continue;
            }
            let own = got.get(&path);
            let mut fits = |side: Option<&(Option<String>, String)>| match (side, own) {
                (None, None) => true,
                (Some((value, flags)), Some((value2, flags2))) => {
                    let same = match (value, value2) {
                        (None, None) => true,
                        (Some(a), Some(b)) => self.tokens.same(a, b),
                        _ => false,
                    };
                    same && flags == flags2
                }
                _ => false,
            };
            if fits(self.expected.get(&path)) || fits(self.wanted.get(&path)) {
                continue;
            }
            if let Some([value, flags]) = better[path.as_str()].as_array().map(Vec::as_slice) {
                let value = value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
                if fits(Some(&(value, flags.as_str().unwrap_or("").to_owned()))) {
                    continue;
                }
            }
            return Err(format!("state of {path}: expected {:?}, got {own:?}", self.expected.get(&path)));
        }
        Ok(())
    }

    fn open(&mut self, action: &Json) -> Outcome {
        self.session = None;
        let options = LoadOptions::default();
        let definition = match FormDefinition::parse(&self.form, &options, &self.host) {
            Ok(definition) => Arc::new(definition),
            Err(error) => return Outcome { error: error.to_string(), ..Outcome::new("load-error") },
        };
        let saved = action["saved"].as_str().map(|file| std::fs::read_to_string(self.folder.join(file)));
        let saved = match saved.transpose() {
            Ok(saved) => saved,
            Err(error) => return Outcome { error: error.to_string(), ..Outcome::new("no-such-file") },
        };
        let options = OpenOptions {
            language: action["language"].as_str(),
            saved: saved.as_deref(),
            completed: action["completed"].as_bool().unwrap_or(false),
            read_only: action["readonly"].as_bool().unwrap_or(false),
            juncture: action["juncture"].as_bool().unwrap_or(false),
        };
        let session = match Session::open(&definition, &options, &self.host) {
            Ok(session) => session,
            Err(error) => {
                let stage = match error.code {
                    FormCode::Saved | FormCode::Value => "load-error",
                    _ => "init-error",
                };
                return Outcome::failed(stage, &error);
            }
        };
        let mut outcome = Outcome::new("ok");
        let languages: Vec<&str> = definition.languages().collect();
        outcome.members.insert("title", json!(definition.title()));
        outcome.members.insert("name", json!(definition.name()));
        outcome.members.insert("xmlns", json!(definition.xmlns()));
        outcome.members.insert("languages", json!(languages));
        outcome.members.insert("language", json!(session.language()));
        self.session = Some(session);
        self.at(&mut outcome);
        outcome
    }

    fn at(&self, outcome: &mut Outcome) {
        if let Some(session) = &self.session {
            outcome.members.insert("at", event::describe(session, session.current(), &self.host));
        }
    }

    fn act(&mut self, op: &str, action: &Json) -> Result<Outcome, String> {
        if op == "clock" {
            self.host.set_clock(action["now"].as_str().unwrap_or(""))?;
            let mut outcome = Outcome::new("ok");
            self.at(&mut outcome);
            return Ok(outcome);
        }
        let Some(mut session) = self.session.take() else { return Err("no open form".into()) };
        let outcome = self.act_on(&mut session, op, action);
        self.session = Some(session);
        let mut outcome = match outcome? {
            Ok(outcome) => outcome,
            Err(error) => return Ok(Outcome::failed("error", &error)),
        };
        self.at(&mut outcome);
        Ok(outcome)
    }

    fn act_on(
        &self,
        session: &mut Session,
        op: &str,
        action: &Json,
    ) -> Result<Result<Outcome, FormError>, String> {
        let host = &self.host;
        let index = match (action["ref"].as_str(), action["index"].as_str()) {
            (Some(reference), _) => {
                session.index_of(reference).ok_or_else(|| format!("nothing at {reference}"))?
            }
            (None, Some(index)) => FormIndex::parse(index).ok_or("a bad index")?,
            (None, None) => session.current().clone(),
        };
        Ok((|| {
            let mut outcome = Outcome::new("ok");
            match op {
                "next" => session.step(host)?,
                "back" => session.step_back(host)?,
                "goto" => session.go_to(&index, host)?,
                "answer" => return answer(session, &index, action["text"].as_str(), host),
                "new-repeat" => session.new_repeat(&index, host)?,
                "delete-repeat" => session.delete_repeat(&index, host)?,
                "language" => {
                    if !session.set_language(action["language"].as_str().unwrap_or("")) {
                        outcome.result = "no-such-language";
                    }
                    outcome.members.insert("language", json!(session.language()));
                }
                "screen" => {
                    let events = session.screen(host)?;
                    let events = events.iter().map(|index| event::describe(session, index, host)).collect();
                    outcome.members.insert("screen", events);
                }
                "tree" => {
                    let mut rows = Vec::new();
                    for index in session.positions(host)? {
                        let (event, reference) = session.outline(&index).unwrap_or_default();
                        rows.push(json!([event, index.to_string(), reference]));
                    }
                    outcome.members.insert("tree", json!(rows));
                }
                "draft" => outcome.xml = Some(session.draft(host)?),
                "xml" => outcome.xml = Some(session.submission(host)?),
                "finish" => {
                    outcome.result = "valid";
                    if let Validation::Invalid(answer) = session.validate(host)? {
                        return Ok(invalid(session, answer, host));
                    }
                    session.finalize(host)?;
                    outcome.xml = Some(session.submission(host)?);
                }
                "submit" => {
                    session.finalize(host)?;
                    outcome.xml = Some(session.submission(host)?);
                }
                _ => outcome.result = "unknown operation",
            }
            Ok(outcome)
        })())
    }
}

fn messages(outcome: &mut Outcome, answer: Answer) {
    if let Answer::Constraint { message, without_candidate } = answer {
        outcome.members.insert("message", json!(message));
        outcome.members.insert("message-without-candidate", json!(without_candidate));
    }
}

fn answer(
    session: &mut Session,
    index: &FormIndex,
    text: Option<&str>,
    host: &RecordedHost,
) -> Result<Outcome, FormError> {
    let answer = session.answer(index, text, host)?;
    let mut outcome = Outcome::new(match &answer {
        Answer::Accepted => "ok",
        Answer::BadInput(_) => "bad-input",
        Answer::Required => "required",
        Answer::Constraint { .. } => "constraint",
    });
    messages(&mut outcome, answer);
    Ok(outcome)
}

fn invalid(session: &Session, answer: Answer, host: &RecordedHost) -> Outcome {
    let mut outcome = Outcome::new("invalid");
    let why = if answer == Answer::Required { "required" } else { "constraint" };
    outcome.members.insert("why", json!(why));
    let at = event::describe(session, session.current(), host);
    outcome.members.insert("ref", at["ref"].clone());
    messages(&mut outcome, answer);
    outcome
}
