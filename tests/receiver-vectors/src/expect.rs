//! What a step's `expect` says about answer and state.

use std::path::Path;

use anyhow::{Context, Result, bail};
use bolster_model::{CaseId, FormId, FormState};
use serde_json::{Value, json};

use crate::client::Response;
use crate::compare::{self, Bound, Differences, resolve};
use crate::observe::{Observer, ledger_key, ledger_kind};
use crate::world::World;

/// Where expectations are checked.
pub struct Checker<'a> {
    /// The appliance under test.
    pub world: &'a World,
    /// Holds the scenario's files.
    pub folder: &'a Path,
    /// Time that the answer took, in seconds.
    pub seconds: f64,
}

impl Checker<'_> {
    /// Checks a whole expectation; binds names on the way.
    pub fn check(&self, expect: &Value, answer: Option<&Response>, bound: &mut Bound) -> Result<Differences> {
        let mut out = Differences::default();
        for (key, value) in expect.as_object().into_iter().flatten() {
            match (key.as_str(), answer) {
                // Bindings of headers come before what is said about the things bound.
                ("state", _) => {}
                ("any_of", _) => {
                    self.any_of(value, &mut out, |option, bound| self.check(option, answer, bound), bound)?
                }
                ("feed_contains", _) => self.feed(value, &mut out)?,
                ("max_seconds", _) => {
                    if value.as_f64().is_some_and(|most| self.seconds > most) {
                        out.say(format!("took {:.1} s", self.seconds));
                    }
                }
                ("with_reordering", _) => {}
                (key, Some(answer)) => answer_part(key, value, answer, bound, &mut out)?,
                (key, None) => bail!("cannot check '{key}' without an answer"),
            }
        }
        if let Some(state) = expect.get("state") {
            out.0.extend(self.state(state, bound)?.0);
        }
        Ok(out)
    }

    /// One of several expectations holds; the names that it binds stay.
    fn any_of(
        &self,
        options: &Value,
        out: &mut Differences,
        check: impl Fn(&Value, &mut Bound) -> Result<Differences>,
        bound: &mut Bound,
    ) -> Result<()> {
        let mut all = Vec::new();
        for option in options.as_array().into_iter().flatten() {
            let mut trial = bound.clone();
            let differences = check(option, &mut trial)?;
            if differences.is_empty() {
                *bound = trial;
                return Ok(());
            }
            all.push(differences.0.join(", "));
        }
        out.say(format!("none of {} outcomes: {}", all.len(), all.join(" | ")));
        Ok(())
    }

    fn feed(&self, entries: &Value, out: &mut Differences) -> Result<()> {
        let project = self.world.project(None)?;
        let forms = project.form_ids()?;
        let cases = project.case_ids()?;
        for entry in entries.as_array().into_iter().flatten() {
            let id = entry["document_id"].as_str().context("a feed entry without document_id")?;
            let there = match entry["topic"].as_str() {
                Some("form-sql") => forms.iter().any(|f| f.as_str() == id),
                Some("case-sql") => cases.iter().any(|c| c.as_str() == id),
                other => bail!("unknown topic {other:?}"),
            };
            if !there {
                out.say(format!("{id} is not in the feed"));
            }
        }
        Ok(())
    }

    fn state(&self, state: &Value, bound: &mut Bound) -> Result<Differences> {
        let mut out = Differences::default();
        let project = self.world.project(None)?;
        // Forms first: they bind the names of other forms.
        let keys = state.as_object().into_iter().flatten();
        let (forms, rest): (Vec<_>, Vec<_>) = keys.partition(|(key, _)| *key == "forms");
        for (key, value) in forms.into_iter().chain(rest) {
            match key.as_str() {
                "forms" => self.forms(value, bound, &mut out)?,
                "cases" => self.cases(value, bound, &mut out)?,
                "any_of" => self.any_of(value, &mut out, |option, bound| self.state(option, bound), bound)?,
                "form_count" => {
                    let found = project.rows()?.len();
                    compare::pattern(key, value, &json!(found), bound, &mut out);
                }
                "case_count" => {
                    let ids = project.case_ids()?;
                    let found = ids.iter().filter_map(|id| project.case_row(id).transpose()).count();
                    compare::pattern(key, value, &json!(found), bound, &mut out);
                }
                "form_states" => form_states(&project, value, bound, &mut out)?,
                "forms_absent" => {
                    for id in texts(value) {
                        if project.row(&FormId::new(resolve(id, bound)))?.is_some() {
                            out.say(format!("form {id} should not be there"));
                        }
                    }
                }
                "cases_absent" => {
                    for id in texts(value) {
                        if project.case_row(&CaseId::new(resolve(id, bound)))?.is_some() {
                            out.say(format!("case {id} should not be there"));
                        }
                    }
                }
                "latest_submission_error" => self.latest_error(&project, value, bound, &mut out)?,
                "ledgers" => {
                    for (key, balance) in value.as_object().into_iter().flatten() {
                        let found = project.ledger(&ledger_key(key)?)?;
                        compare::pattern(&format!("ledgers/{key}"), balance, &json!(found), bound, &mut out);
                    }
                }
                "ledgers_absent" => {
                    for key in texts(value) {
                        if project.ledger(&ledger_key(key)?)?.is_some() {
                            out.say(format!("ledger {key} should not be there"));
                        }
                    }
                }
                "ledger_transactions" | "ledger_deltas" => {
                    ledger_history(&project, key, value, bound, &mut out)?
                }
                "device_log" => {
                    let found = project.device_logs()?;
                    for (table, rows) in value.as_object().into_iter().flatten() {
                        let here = found.get(table).cloned().unwrap_or_default();
                        list_of_patterns(&format!("device_log/{table}"), rows, &here, bound, &mut out);
                    }
                }
                "device_log_count" => {
                    let found: usize =
                        project.device_logs()?.values().filter_map(Value::as_array).map(Vec::len).sum();
                    compare::pattern(key, value, &json!(found), bound, &mut out);
                }
                "value_not_contains" => value_not_contains(&project, value, &mut out)?,
                "closing_transactions_each" => closings(&project, value, bound, &mut out)?,
                other => bail!("unknown state '{other}'"),
            }
        }
        Ok(out)
    }

    fn forms(&self, forms: &Value, bound: &mut Bound, out: &mut Differences) -> Result<()> {
        // What is bound by one form may be the id of another.
        let forms: Vec<_> = forms.as_object().into_iter().flatten().collect();
        let (named, bound_later): (Vec<_>, Vec<_>) =
            forms.into_iter().partition(|(id, _)| !id.starts_with('$') || bound.contains_key(*id));
        for (id, expected) in named.into_iter().chain(bound_later) {
            let at = format!("forms/{id}");
            let project = self.world.project(expected["project"].as_str())?;
            let Some(row) = project.row(&FormId::new(resolve(id, bound)))? else {
                out.say(format!("{at} is not there"));
                continue;
            };
            let found = project.form(&row)?;
            for (key, value) in expected.as_object().into_iter().flatten() {
                let at = format!("{at}/{key}");
                match key.as_str() {
                    "project" => {}
                    "form_json" => compare::exact(&at, value, &found["form_json"], bound, out),
                    "problem_contains" => {
                        compare::pattern(&at, &json!({"contains": value}), &found["problem"], bound, out);
                    }
                    "fields" => {
                        for (path, value) in value.as_object().into_iter().flatten() {
                            compare::pattern(path, value, &field(&found["form_json"], path), bound, out);
                        }
                    }
                    "raw_xml_file" => self.raw_xml(&at, &project.xml(&row)?, value, out)?,
                    "attachment_texts" => {
                        for (name, value) in value.as_object().into_iter().flatten() {
                            let here = json!(project.attachment_text(&row, name)?);
                            compare::pattern(&format!("{at}/{name}"), value, &here, bound, out);
                        }
                    }
                    "history" => list_of_patterns(&at, value, &found["history"], bound, out),
                    _ if found.get(key).is_none() => bail!("unknown field '{key}' of a form"),
                    _ => compare::pattern(&at, value, &found[key], bound, out),
                }
            }
        }
        Ok(())
    }

    fn raw_xml(&self, at: &str, xml: &[u8], file: &Value, out: &mut Differences) -> Result<()> {
        let name = file.as_str().context("a file name that is no text")?;
        if std::fs::read(self.folder.join(name)).with_context(|| format!("reading {name}"))? != xml {
            out.say(format!("{at}: the stored XML is not {name}"));
        }
        Ok(())
    }

    fn cases(&self, cases: &Value, bound: &mut Bound, out: &mut Differences) -> Result<()> {
        for (id, expected) in cases.as_object().into_iter().flatten() {
            let at = format!("cases/{id}");
            let project = self.world.project(expected["project"].as_str())?;
            let Some(found) = project.case(&CaseId::new(resolve(id, bound)))? else {
                out.say(format!("{at} is not there"));
                continue;
            };
            for (key, value) in expected.as_object().into_iter().flatten() {
                let at = format!("{at}/{key}");
                match key.as_str() {
                    "project" | "properties_exact" => {}
                    "properties" if expected["properties_exact"] == true => {
                        compare::exact(&at, value, &found["properties"], bound, out);
                    }
                    "properties_absent" => {
                        for name in texts(value).filter(|n| found["properties"].get(*n).is_some()) {
                            out.say(format!("{at}: {name} should not be there"));
                        }
                    }
                    "forms_as_set" => {
                        let found = sorted(&found["forms"]);
                        compare::exact(&at, &sorted(value), &found, bound, out);
                    }
                    "attachments_exact" => attachments_exact(&at, value, &found["attachments"], bound, out),
                    "transactions_types_in_order" => {
                        let value: Value = value.as_array().into_iter().flatten().map(sorted).collect();
                        compare::exact(&at, &value, &found["transactions_in_order"], bound, out);
                    }
                    "transactions_count" => {
                        let count = found["transactions_in_order"].as_array().map_or(0, Vec::len);
                        compare::pattern(&at, value, &json!(count), bound, out);
                    }
                    "transactions" => {
                        let (value, here) = types_at_least(value, &found[key]);
                        compare::exact(&at, &value, &here, bound, out);
                    }
                    "indices" | "forms" => compare::exact(&at, value, &found[key], bound, out),
                    _ if value.get("equals_form_field").is_some() => {
                        let value = self.form_field(&value["equals_form_field"], bound)?;
                        compare::pattern(&at, &value, &found[key], bound, out);
                    }
                    _ if found.get(key).is_none() => bail!("unknown field '{key}' of a case"),
                    _ => compare::pattern(&at, value, &found[key], bound, out),
                }
            }
        }
        Ok(())
    }

    fn form_field(&self, pair: &Value, bound: &Bound) -> Result<Value> {
        let (form, field) = (pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default());
        let project = self.world.project(None)?;
        let row =
            project.row(&FormId::new(resolve(form, bound)))?.context("the form of a field is not there")?;
        Ok(project.form(&row)?[field].take())
    }

    fn latest_error(
        &self,
        project: &Observer<'_>,
        expected: &Value,
        bound: &mut Bound,
        out: &mut Differences,
    ) -> Result<()> {
        let rows = project.rows()?;
        let errors = rows.iter().filter(|r| r.state == FormState::SubmissionError);
        let Some(row) = errors.max_by_key(|r| r.content_lsn) else {
            out.say("there is no submission error");
            return Ok(());
        };
        let key = row.form_id.to_string();
        self.forms(&json!({ key: expected }), bound, out)
    }
}

fn answer_part(
    key: &str,
    value: &Value,
    answer: &Response,
    bound: &mut Bound,
    out: &mut Differences,
) -> Result<()> {
    match key {
        "status" => {
            let allowed = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            if !allowed.contains(&json!(answer.status)) {
                out.say(format!("status should be {value}, is {}: {}", answer.status, brief(&answer.text())));
            }
        }
        "headers" => {
            for (name, value) in value.as_object().into_iter().flatten() {
                let found = answer.header(name).map_or(Value::Null, |v| json!(v));
                compare::pattern(&format!("header {name}"), value, &found, bound, out);
            }
        }
        "retry_after_header" => {
            if value == true && answer.header("Retry-After").is_none() {
                out.say("there is no Retry-After");
            }
        }
        "openrosa" => openrosa(value, &answer.text(), out),
        "body" => {
            let text = json!(answer.text());
            if let Some(exact) = value.get("text") {
                compare::exact("body", exact, &text, bound, out);
            }
            if let Some(part) = value.get("text_contains") {
                compare::pattern("body", &json!({"contains": part}), &text, bound, out);
            }
        }
        other => bail!("unknown expectation '{other}'"),
    }
    Ok(())
}

fn brief(text: &str) -> String {
    text.chars().take(200).collect()
}

/// The answer must be exactly the envelope that clients read.
fn openrosa(expected: &Value, body: &str, out: &mut Differences) {
    let inner = body
        .strip_prefix("<OpenRosaResponse xmlns=\"http://openrosa.org/http/response\"><message nature=\"")
        .and_then(|rest| rest.strip_suffix("</message></OpenRosaResponse>"))
        .and_then(|rest| rest.split_once("\">"));
    let Some((nature, message)) = inner else {
        out.say(format!("no OpenRosa answer: {}", brief(body)));
        return;
    };
    let message =
        message.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    if let Some(want) = expected.get("nature").filter(|w| *w != nature) {
        out.say(format!("nature should be {want}, is {nature}: {message}"));
    }
    if let Some(want) = expected.get("message").filter(|w| **w != message) {
        out.say(format!("message should be {want}, is '{message}'"));
    }
    if let Some(want) = expected["message_contains"].as_str().filter(|w| !message.contains(w)) {
        out.say(format!("message should contain '{want}', is '{message}'"));
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn sorted(list: &Value) -> Value {
    let mut all: Vec<&str> = texts(list).collect();
    all.sort_unstable();
    json!(all)
}

/// The same number of rows, each with the fields that are named.
fn list_of_patterns(at: &str, expected: &Value, found: &Value, bound: &mut Bound, out: &mut Differences) {
    let none = Vec::new();
    let (want, have) = (expected.as_array().unwrap_or(&none), found.as_array().unwrap_or(&none));
    if want.len() != have.len() {
        out.add(at, expected, found);
        return;
    }
    for (i, (want, have)) in want.iter().zip(have).enumerate() {
        compare::pattern(&format!("{at}[{i}]"), want, have, bound, out);
    }
}

fn attachments_exact(at: &str, expected: &Value, found: &Value, bound: &mut Bound, out: &mut Differences) {
    compare::pattern(at, expected, found, bound, out);
    for name in found.as_object().into_iter().flat_map(|f| f.keys()).filter(|n| expected.get(*n).is_none()) {
        out.say(format!("{at}: {name} should not be there"));
    }
}

/// Transactions marked `types_at_least` may have more types than those listed.
fn types_at_least(expected: &Value, found: &Value) -> (Value, Value) {
    let (mut expected, mut found) = (expected.clone(), found.clone());
    for (n, wanted) in expected.as_array_mut().into_iter().flatten().enumerate() {
        let marked = wanted.as_object_mut().and_then(|w| w.remove("types_at_least"));
        if marked == Some(Value::Bool(true))
            && let Some(types) =
                found.get_mut(n).and_then(|f| f.get_mut("types")).and_then(Value::as_array_mut)
        {
            let listed = wanted["types"].as_array().cloned().unwrap_or_default();
            types.retain(|t| listed.contains(t));
        }
    }
    (expected, found)
}

fn form_states(
    project: &Observer<'_>,
    expected: &Value,
    bound: &mut Bound,
    out: &mut Differences,
) -> Result<()> {
    let rows = project.rows()?;
    for (state, count) in expected.as_object().into_iter().flatten() {
        let found = rows.iter().filter(|r| Observer::state(r) == state).count();
        compare::pattern(&format!("form_states/{state}"), count, &json!(found), bound, out);
    }
    Ok(())
}

fn ledger_history(
    project: &Observer<'_>,
    key: &str,
    expected: &Value,
    bound: &mut Bound,
    out: &mut Differences,
) -> Result<()> {
    let all = project.ledger_transactions()?;
    if key == "ledger_deltas" {
        let found: Value = all.iter().map(|(_, t)| json!(t.delta)).collect();
        compare::exact(key, expected, &found, bound, out);
        return Ok(());
    }
    let found: Value = all
        .iter()
        .map(|(k, t)| {
            json!({
                "key": format!("{}/{}/{}", k.case_id, k.section_id, k.entry_id), "form_id": t.form_id.as_str(),
                "kind": ledger_kind(t.kind), "delta": t.delta, "updated_balance": t.updated_balance,
                "label": t.label, "report_date": t.report_date.to_string(), "server_date": t.server_date.to_string(),
            })
        })
        .collect();
    list_of_patterns(key, expected, &found, bound, out);
    Ok(())
}

fn value_not_contains(project: &Observer<'_>, texts_: &Value, out: &mut Differences) -> Result<()> {
    for row in project.rows()? {
        let shown = project.form(&row)?["form_json"].to_string();
        for text in texts(texts_).filter(|t| shown.contains(t)) {
            out.say(format!("form {} shows '{text}'", row.form_id));
        }
    }
    Ok(())
}

fn closings(
    project: &Observer<'_>,
    expected: &Value,
    bound: &mut Bound,
    out: &mut Differences,
) -> Result<()> {
    for id in project.case_ids()? {
        let closed = project.case_row(&id)?.is_some_and(|c| c.closed.value);
        if closed {
            let transactions = project.transactions(&id)?;
            let close = bolster_model::TxKinds::CLOSE;
            let found = transactions.iter().filter(|t| !t.revoked && t.kinds.has(close)).count();
            compare::pattern(&format!("closing transactions of {id}"), expected, &json!(found), bound, out);
        }
    }
    Ok(())
}

/// The value at `/root/element/@attribute` of a form's JSON.
fn field(form: &Value, path: &str) -> Value {
    let mut here = form;
    for step in path.split('/').skip(2) {
        here = match here {
            Value::Array(list) => step.parse::<usize>().ok().and_then(|i| list.get(i)),
            other => other.get(step),
        }
        .unwrap_or(&Value::Null);
    }
    here.clone()
}
