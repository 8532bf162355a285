//! Case histories: each line of a file is one, run in a world of its own.

use std::path::Path;

use anyhow::{Context, Result, bail};
use bolster_model::{CaseId, FormId};
use serde_json::{Map, Value, json};

use crate::client::{self, Request};
use crate::compare::{self, Bound, Differences};
use crate::observe::Observer;
use crate::world::World;

const PROJECT: &str = "histories";

/// The histories of a file as (id, line).
pub fn read(file: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let lines = text.lines().filter(|l| !l.trim().is_empty());
    lines.map(|l| serde_json::from_str(l).with_context(|| format!("reading {}", file.display()))).collect()
}

/// Runs one history; what differed.
pub fn run(history: &Value) -> Result<Differences> {
    let setup = json!({"projects": [{
        "name": PROJECT, "secure_submissions": false,
        "auto_close_extensions": history["settings"]["auto_close_extensions"] == true,
    }]});
    let world = World::new(&setup, &json!({}))?;
    let mut out = Differences::default();
    let steps = history.get("steps").or_else(|| history.get("forms")).and_then(Value::as_array);
    for step in steps.context("a history without steps")? {
        run_step(&world, step, history, &mut out)?;
    }
    let project = world.project(None)?;
    check_cases(&project, &history["expect"], &mut out)?;
    check_forms(&project, &history["expect"], &mut out)?;
    Ok(out)
}

fn run_step(world: &World, step: &Value, history: &Value, out: &mut Differences) -> Result<()> {
    let form_id = step["form_id"].as_str().context("a step without form_id")?;
    let at = step["received_on"].as_str().or_else(|| step["at"].as_str()).context("a step without time")?;
    world.set_clock(at)?;
    match step["op"].as_str().unwrap_or("submit") {
        "submit" => {
            let xml = step["xml"].as_str().context("a form without xml")?;
            let request = Request {
                method: "POST".to_owned(),
                target: format!("/a/{PROJECT}/receiver/"),
                headers: vec![
                    ("X-OpenRosa-Version".to_owned(), "3.0".to_owned()),
                    ("Content-Type".to_owned(), "text/xml".to_owned()),
                ],
                body: xml.as_bytes().to_vec(),
            };
            let rejected = history["expect"]["rejected"].get(form_id).is_some();
            let answer = client::send(world.address()?, &request)?;
            let wanted = if rejected { 422 } else { 201 };
            if answer.status != wanted {
                out.say(format!(
                    "{form_id} should be answered {wanted}, is {}: {}",
                    answer.status,
                    answer.text()
                ));
            }
        }
        "archive" => world.archive(form_id, true, None)?,
        "unarchive" => world.archive(form_id, false, None)?,
        other => bail!("the step '{other}' is not known"),
    }
    Ok(())
}

fn check_cases(project: &Observer<'_>, expect: &Value, out: &mut Differences) -> Result<()> {
    let mut bound = Bound::new();
    let none = Map::new();
    let wanted = expect["cases"].as_object().unwrap_or(&none);
    let deleted: Vec<&str> =
        expect["deleted_cases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for id in project.case_ids()? {
        let Some(case) = project.case_row(&id)? else { continue };
        if case.deletion.is_deleted() != deleted.contains(&id.as_str()) {
            out.say(format!("case {id}: deleted is {}", case.deletion.is_deleted()));
        }
        if !case.deletion.is_deleted() && !wanted.contains_key(id.as_str()) {
            out.say(format!("case {id} should not be there"));
        }
    }
    for (id, expected) in wanted {
        let Some(found) = project.case(&CaseId::new(id))? else {
            out.say(format!("case {id} is not there"));
            continue;
        };
        for (key, value) in expected.as_object().into_iter().flatten() {
            let at = format!("{id}/{key}");
            compare::exact(&at, value, &found[key], &mut bound, out);
        }
        let history = &expect["history"][id];
        let with_bits = history[0].is_array();
        let here = if with_bits { &found["transaction_bits"] } else { &found["forms"] };
        compare::exact(&format!("{id}/history"), history, here, &mut bound, out);
    }
    Ok(())
}

fn check_forms(project: &Observer<'_>, expect: &Value, out: &mut Differences) -> Result<()> {
    for (form, class) in expect["rejected"].as_object().into_iter().flatten() {
        let class = class.as_str().context("an error class that is no text")?;
        match project.row(&FormId::new(form))? {
            Some(row) if Observer::state(&row) == "error" => {
                if !row.problem.as_deref().unwrap_or_default().starts_with(class) {
                    out.say(format!("{form} should fail with {class}, did with {:?}", row.problem));
                }
            }
            _ => out.say(format!("{form} is not stored as an error")),
        }
    }
    for (form, state) in expect["form_states"].as_object().into_iter().flatten() {
        let found = project.row(&FormId::new(form))?.map(|r| Observer::state(&r));
        if found != state.as_str() {
            out.say(format!("{form} should be {state}, is {found:?}"));
        }
    }
    let rows = if expect.get("deprecated").is_some() { project.rows()? } else { Vec::new() };
    for (form, count) in expect["deprecated"].as_object().into_iter().flatten() {
        let versions = rows.iter().filter(|r| {
            Observer::state(r) == "deprecated" && r.orig_id.as_ref().is_some_and(|o| o.as_str() == form)
        });
        let found = versions.count();
        if json!(found) != *count {
            out.say(format!("{form} should have {count} earlier versions, has {found}"));
        }
    }
    Ok(())
}
