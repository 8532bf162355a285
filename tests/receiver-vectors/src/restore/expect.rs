//! What a step expects, against what came.

use super::forms::text;
use super::steps::Run;
use super::tree;
use crate::client::Response;
use crate::compare::Differences;
use anyhow::{Context, Result};
use bolster_cases::sync::{Link, SyncCase, purge};
use bolster_model::CaseId;
use bolster_usecases::restore::PhoneView;
use roxmltree::{Document, Node};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A payload.
pub struct Answer<'a> {
    document: Document<'a>,
}

impl<'a> Answer<'a> {
    /// Token of a payload.
    pub fn token(response: &Response) -> Option<String> {
        let body = response.text();
        let document = Document::parse(&body).ok()?;
        let node = document.descendants().find(|n| n.tag_name().name() == "restore_id")?;
        Some(tree::text(node))
    }

    fn cases(&'a self) -> BTreeMap<String, Node<'a, 'a>> {
        tree::children(&self.document, "case")
            .map(|n| (n.attribute("case_id").unwrap_or_default().to_owned(), n))
            .collect()
    }

    fn fixture(&'a self, id: &str) -> Option<Node<'a, 'a>> {
        tree::children(&self.document, "fixture").find(|n| n.attribute("id") == Some(id))
    }
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Checks one step.
pub fn check(run: &Run<'_>, step: &Value, response: &Response, differences: &mut Differences) -> Result<()> {
    let expect = &step["expect"];
    for (key, expected) in expect.as_object().into_iter().flatten() {
        match key.as_str() {
            "status" => {
                let status = json!(response.status);
                let fits = expected == &status || expected.as_array().is_some_and(|l| l.contains(&status));
                if !fits {
                    differences.add("status", expected, &status);
                    differences.say(response.text().chars().take(300).collect::<String>());
                    return Ok(());
                }
            }
            "body_contains" => {
                if !response.text().contains(expected.as_str().unwrap_or_default()) {
                    differences.add("body", expected, &json!(response.text()));
                }
            }
            "headers" => {
                for (name, value) in expected.as_object().into_iter().flatten() {
                    let found = response.header(name);
                    let fits = match value["integer_at_least"].as_i64() {
                        Some(least) => found.and_then(|f| f.parse::<i64>().ok()).is_some_and(|f| f >= least),
                        None => found == value.as_str(),
                    };
                    if !fits {
                        differences.add(name, value, &json!(found));
                    }
                }
            }
            "json" => {
                let found: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
                for (name, value) in expected.as_object().into_iter().flatten() {
                    if found[name] != *value {
                        differences.add(name, value, &found[name]);
                    }
                }
            }
            "openrosa_nature" => {
                let body = response.text();
                let document = Document::parse(&body);
                let nature = document.ok().and_then(|d| {
                    let message = d.descendants().find(|n| n.tag_name().name() == "message")?;
                    message.attribute("nature").map(str::to_owned)
                });
                if nature.as_deref() != expected.as_str() {
                    differences.add("nature", expected, &json!(nature));
                }
            }
            "footprint" if expected.is_object() => {
                for (token, ids) in expected.as_object().into_iter().flatten() {
                    let phone = phone(run, token)?;
                    same_set(differences, &format!("footprint {token}"), ids, ids_of(&phone.kept));
                }
            }
            "state_hash" if expected.is_object() => {
                for (token, hash) in expected.as_object().into_iter().flatten() {
                    let phone = phone(run, token)?;
                    if *hash != phone.state {
                        differences.add(&format!("state of {token}"), hash, &json!(phone.state));
                    }
                }
            }
            "log_flagged" => {
                if !phone(run, expected.as_str().unwrap_or_default())?.disagreed {
                    differences.say(format!("the log of {expected} is not flagged"));
                }
            }
            "bytes_equal_step" | "differs_from_step" => {
                let other = run.answers.get(&(expected.as_u64().unwrap_or(0) as usize));
                // A later step makes the same comparison when its turn comes.
                let equal = other.map(|o| o.body == response.body);
                if equal.is_some_and(|equal| equal != (key == "bytes_equal_step")) {
                    differences.say(format!("{key} {expected} does not hold"));
                }
            }
            "no_new_token" | "same_task_as_step" | "running_restores" | "progress" => {
                differences.say(format!("'{key}' cannot be checked"));
            }
            "payload_file" => payload(run, expected, response, differences)?,
            "new_case" => new_case(run, expected, differences)?,
            // Checked below, or notes for people.
            _ => {}
        }
    }
    if response.status == 200 && step["do"] == "sync" {
        let body = response.text();
        let answer = Answer { document: tree::parse(&body)? };
        if let Err(error) = blocks(run, expect, &answer, differences) {
            differences.say(format!("{error:#}"));
        }
        fixtures(expect, &answer, differences);
        if let Some(token) = Answer::token(response) {
            log(run, expect, &token, differences)?;
        }
    }
    Ok(())
}

fn ids_of(set: &BTreeSet<CaseId>) -> BTreeSet<String> {
    set.iter().map(ToString::to_string).collect()
}

fn same_set(differences: &mut Differences, at: &str, expected: &Value, found: BTreeSet<String>) {
    if names(expected) != found {
        differences.add(at, expected, &json!(found));
    }
}

fn phone(run: &Run<'_>, token: &str) -> Result<PhoneView> {
    let token = run.bound.get(token).map_or(token, String::as_str);
    run.world.appliance()?.phone_of(token)?.with_context(|| format!("the token {token} is not known"))
}

fn log(run: &Run<'_>, expect: &Value, token: &str, differences: &mut Differences) -> Result<()> {
    let phone = phone(run, token)?;
    for (key, expected) in expect.as_object().into_iter().flatten() {
        match key.as_str() {
            "footprint" if expected.is_array() => {
                // Where server and phone differ, either answer is right.
                let (sent, kept) = (ids_of(&phone.sent), ids_of(&phone.kept));
                let wanted = names(expected);
                if wanted != sent && wanted != kept {
                    differences.add("footprint", expected, &json!(kept));
                }
            }
            "dependent" => {
                let extra: BTreeSet<String> =
                    ids_of(&phone.sent).difference(&ids_of(&phone.kept)).cloned().collect();
                let found = ids_of(&phone.dependent);
                let wanted: BTreeSet<String> = names(expected).difference(&extra).cloned().collect();
                if wanted != found {
                    differences.add("dependent", expected, &json!(found));
                }
            }
            "state_hash_after" if phone.sent == phone.kept && *expected != phone.state => {
                differences.add("state", expected, &json!(phone.state));
            }
            "owner_ids" => {
                same_set(differences, "owners", expected, phone.owners.iter().cloned().collect());
            }
            "token_differs_from" => {
                if run.bound.get(expected.as_str().unwrap_or_default()).map(String::as_str) == Some(token) {
                    differences.say("the token is the same");
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn property(block: Node<'_, '_>, name: &str) -> Option<String> {
    let places = ["update", "create"];
    let found = places.iter().find_map(|place| tree::child(tree::child(block, place)?, name));
    found.map(tree::text)
}

fn blocks(run: &Run<'_>, expect: &Value, answer: &Answer<'_>, differences: &mut Differences) -> Result<()> {
    let cases = answer.cases();
    let ids: BTreeSet<String> = cases.keys().cloned().collect();
    let has = |name: &str| -> BTreeSet<String> {
        let with = cases.iter().filter(|(_, block)| tree::child(**block, name).is_some());
        with.map(|(id, _)| id.clone()).collect()
    };
    for (key, expected) in expect.as_object().into_iter().flatten() {
        match key.as_str() {
            "cases" => same_set(differences, "cases", expected, ids.clone()),
            "create" => {
                let missing: Vec<String> = names(expected).difference(&has("create")).cloned().collect();
                if !missing.is_empty() {
                    differences.add("create", expected, &json!(has("create")));
                }
            }
            "closed" => same_set(differences, "closed", expected, has("close")),
            "must_include" if !names(expected).is_subset(&ids) => {
                differences.add("cases", expected, &json!(ids));
            }
            "must_not_include" if !names(expected).is_disjoint(&ids) => {
                differences.add("cases that should not be there", expected, &json!(ids));
            }
            "case_count" if expected.as_u64() != Some(ids.len() as u64) => {
                differences.add("number of cases", expected, &json!(ids));
            }
            "cases_any_of" | "any_of" => {
                let sets = expected.as_array().into_iter().flatten();
                let mut sets = sets.map(|s| if s.is_object() { names(&s["cases"]) } else { names(s) });
                if !sets.any(|set| set == ids) {
                    differences.add("cases (any of)", expected, &json!(ids));
                }
            }
            "properties" | "case_fields" => {
                for (id, values) in expected.as_object().into_iter().flatten() {
                    let block = cases.get(id).with_context(|| format!("no case {id}"))?;
                    for (name, value) in values.as_object().into_iter().flatten() {
                        let found = block
                            .attribute(name.as_str())
                            .map(str::to_owned)
                            .filter(|_| key == "case_fields")
                            .or_else(|| property(*block, name));
                        if found.as_deref() != Some(text(value).as_str()) {
                            differences.add(&format!("{id}.{name}"), value, &json!(found));
                        }
                    }
                }
            }
            "properties_absent" => {
                for (id, list) in expected.as_object().into_iter().flatten() {
                    let block = cases.get(id).with_context(|| format!("no case {id}"))?;
                    for name in names(list).iter().filter(|name| property(*block, name).is_some()) {
                        differences.say(format!("{id} has {name}"));
                    }
                }
            }
            "indices" | "index_removed" => {
                for (id, indices) in expected.as_object().into_iter().flatten() {
                    let block = cases.get(id).with_context(|| format!("no case {id}"))?;
                    let list = tree::child(*block, "index");
                    for (name, wanted) in indices.as_object().into_iter().flatten() {
                        let found = list.and_then(|l| tree::child(l, name));
                        let kind = found.and_then(|n| n.attribute("case_type"));
                        let target = found.map(tree::text);
                        let target_wanted =
                            if key == "index_removed" { Some("") } else { wanted["case_id"].as_str() };
                        let kind_wanted = wanted["case_type"].as_str().or(wanted.as_str());
                        let fits = target.as_deref() == target_wanted
                            && (kind_wanted.is_none() || kind == kind_wanted);
                        if !fits {
                            differences.add(&format!("{id} {key} {name}"), wanted, &json!([kind, target]));
                        }
                    }
                }
            }
            "phone_keeps" => phone_keeps(run, expected, answer, differences),
            "items_attribute" => {
                let root = answer.document.root_element();
                let count = root.children().filter(Node::is_element).count().to_string();
                let wanted = expected.as_str().is_some_and(|e| e.starts_with("equals")).then_some(count);
                if root.attribute("items").map(str::to_owned) != wanted {
                    differences.add("items", &json!(wanted), &json!(root.attribute("items")));
                }
            }
            "balances" => balances(expected, answer, differences),
            _ => {}
        }
    }
    Ok(())
}

fn phone_keeps(run: &Run<'_>, expected: &Value, answer: &Answer<'_>, differences: &mut Differences) {
    let mut owners: HashSet<String> = HashSet::new();
    let registration = tree::children(&answer.document, "Registration").next();
    owners.extend(registration.and_then(|r| tree::child(r, "uuid")).map(tree::text));
    if let Some(groups) = answer.fixture("user-groups") {
        owners.extend(groups.descendants().filter_map(|n| n.attribute("id")).map(str::to_owned));
    }
    let _ = run;
    let table: Vec<(CaseId, SyncCase)> = answer
        .cases()
        .into_iter()
        .map(|(id, block)| {
            let links = tree::child(block, "index").into_iter().flat_map(|l| l.children());
            let links = links.filter(Node::is_element).map(|n| Link {
                identifier: n.tag_name().name().to_owned(),
                target: CaseId(tree::text(n)),
                extension: n.attribute("relationship") == Some("extension"),
            });
            let case = SyncCase {
                owner: property(block, "owner_id").unwrap_or_default(),
                closed: tree::child(block, "close").is_some(),
                links: links.filter(|l| !l.target.as_str().is_empty()).collect(),
            };
            (CaseId(id), case)
        })
        .collect();
    let table: Vec<(&CaseId, &SyncCase)> = table.iter().map(|(id, case)| (id, case)).collect();
    match purge(&table, &owners) {
        Ok(kept) => {
            // A graph that the phone would refuse was mended on the way.
            if !expected.is_null() {
                same_set(
                    differences,
                    "phone keeps",
                    expected,
                    kept.iter().map(ToString::to_string).collect(),
                );
            }
        }
        Err(_) => differences.say("the phone refuses the graph"),
    }
}

fn balances(expected: &Value, answer: &Answer<'_>, differences: &mut Differences) {
    let found: BTreeSet<String> = tree::children(&answer.document, "balance")
        .map(|n| {
            let entries: BTreeMap<&str, &str> = n
                .children()
                .filter(Node::is_element)
                .map(|e| (e.attribute("id").unwrap_or_default(), e.attribute("quantity").unwrap_or_default()))
                .collect();
            let date = n.attribute("date").unwrap_or_default();
            json!([n.attribute("entity-id"), n.attribute("section-id"), date, entries]).to_string()
        })
        .collect();
    let wanted: BTreeSet<String> = expected
        .as_array()
        .into_iter()
        .flatten()
        .map(|b| {
            let entries = b["entries"].as_object().into_iter().flatten();
            let entries: BTreeMap<&String, String> = entries.map(|(id, q)| (id, q.to_string())).collect();
            json!([b["entity"], b["section"], b["date"], entries]).to_string()
        })
        .collect();
    if found != wanted {
        differences.add("balances", &json!(wanted), &json!(found));
    }
}

fn fixtures(expect: &Value, answer: &Answer<'_>, differences: &mut Differences) {
    for (key, expected) in expect.as_object().into_iter().flatten() {
        match key.as_str() {
            "fixtures_present" => {
                for id in names(expected).iter().filter(|id| answer.fixture(id).is_none()) {
                    differences.say(format!("the fixture {id} is missing"));
                }
            }
            "fixtures_absent" => {
                for id in names(expected).iter().filter(|id| answer.fixture(id).is_some()) {
                    differences.say(format!("the fixture {id} is there"));
                }
            }
            "fixtures_once" => {
                for id in names(expected) {
                    let of_id = |n: &Node<'_, '_>| n.attribute("id") == Some(id.as_str());
                    let count = tree::children(&answer.document, "fixture").filter(of_id).count();
                    if count != 1 {
                        differences.say(format!("the fixture {id} is there {count} times"));
                    }
                }
            }
            "fixture_xml" | "schema_xml" => {
                for (id, xml) in expected.as_object().into_iter().flatten() {
                    let name = if key == "schema_xml" { "schema" } else { "fixture" };
                    let found =
                        tree::children(&answer.document, name).find(|n| n.attribute("id") == Some(id));
                    let Ok(wanted) = Document::parse(xml.as_str().unwrap_or_default()) else { continue };
                    let wanted = tree::canonical(wanted.root_element());
                    let found = found.map(tree::canonical).unwrap_or_default();
                    if let Some(difference) = tree::difference(&wanted, &found) {
                        differences.say(format!("{name} {id}: {difference}"));
                    }
                }
            }
            "fixture_column" => {
                for (id, column) in expected.as_object().into_iter().flatten() {
                    let field = column["field"].as_str().unwrap_or_default();
                    let fixture = answer.fixture(id);
                    let cells = fixture.into_iter().flat_map(|f| f.descendants());
                    let mut found: Vec<String> =
                        cells.filter(|n| n.tag_name().name() == field).map(tree::text).collect();
                    let mut wanted: Vec<String> = column["values"]
                        .as_array()
                        .or(column["values_as_set"].as_array())
                        .into_iter()
                        .flatten()
                        .map(text)
                        .collect();
                    if column["values_as_set"].is_array() {
                        found.sort();
                        wanted.sort();
                    }
                    if found != wanted {
                        differences.add(&format!("{id}.{field}"), &json!(wanted), &json!(found));
                    }
                }
            }
            "schema_before_fixture" => {
                let mut schemas: BTreeSet<&str> = BTreeSet::new();
                for node in answer.document.root_element().children().filter(Node::is_element) {
                    match (node.tag_name().name(), node.attribute("id")) {
                        ("schema", Some(id)) => {
                            schemas.insert(id);
                        }
                        ("fixture", Some(id))
                            if node.attribute("indexed").is_some() && !schemas.contains(id) =>
                        {
                            differences.say(format!("the schema of {id} does not stand before it"));
                        }
                        _ => {}
                    }
                }
            }
            "user_groups_fixture" => {
                let groups = answer.fixture("user-groups");
                let ids = groups.into_iter().flat_map(|f| f.descendants());
                let ids = ids.filter(|n| n.tag_name().name() == "group").filter_map(|n| n.attribute("id"));
                same_set(differences, "user-groups", expected, ids.map(str::to_owned).collect());
            }
            "locations_in_fixture"
            | "flat_order"
            | "locations_must_include"
            | "locations_must_not_include" => {
                locations(key, expected, answer, differences);
            }
            "registration_username" | "registration_uuid" => {
                let name = key.trim_start_matches("registration_");
                let registration = tree::children(&answer.document, "Registration").next();
                let found = registration.and_then(|r| tree::child(r, name)).map(tree::text);
                if found.as_deref() != expected.as_str() {
                    differences.add(name, expected, &json!(found));
                }
            }
            "user_data" | "user_data_absent" => {
                let data: BTreeMap<&str, String> = answer
                    .document
                    .descendants()
                    .filter(|n| n.tag_name().name() == "data")
                    .filter_map(|n| Some((n.attribute("key")?, tree::text(n))))
                    .collect();
                let wanted: BTreeMap<String, Value> = match expected {
                    Value::Object(map) => map.clone().into_iter().collect(),
                    list => names(list).into_iter().map(|n| (n, Value::Null)).collect(),
                };
                for (name, value) in wanted {
                    let found = data.get(name.as_str());
                    let equal = match &value {
                        Value::Null => found.is_some(),
                        value => found.is_some_and(|f| *f == text(value)),
                    };
                    if equal != (key == "user_data") {
                        differences.add(&format!("{key} {name}"), &value, &json!(found));
                    }
                }
            }
            _ => {}
        }
    }
}

fn locations(key: &str, expected: &Value, answer: &Answer<'_>, differences: &mut Differences) {
    let flat: Vec<String> = answer
        .fixture("locations")
        .into_iter()
        .flat_map(|f| f.descendants())
        .filter(|n| n.tag_name().name() == "location")
        .filter_map(|n| n.attribute("id"))
        .map(str::to_owned)
        .collect();
    let nested = answer.fixture("commtrack:locations").map(|f| {
        let ids = f.descendants().filter(|n| n.tag_name().name() != "fixture");
        ids.filter_map(|n| n.attribute("id")).map(str::to_owned).collect::<BTreeSet<String>>()
    });
    let set: BTreeSet<String> = flat.iter().cloned().collect();
    match key {
        "flat_order" => {
            let wanted: Vec<String> = expected.as_array().into_iter().flatten().map(text).collect();
            if wanted != flat {
                differences.add(key, expected, &json!(flat));
            }
        }
        "locations_must_include" if !names(expected).is_subset(&set) => {
            differences.add(key, expected, &json!(set));
        }
        "locations_must_not_include" if !names(expected).is_disjoint(&set) => {
            differences.add(key, expected, &json!(set));
        }
        "locations_in_fixture" => {
            if answer.fixture("locations").is_some() || nested.is_none() {
                same_set(differences, key, expected, set);
            }
            if let Some(nested) = nested {
                same_set(differences, "nested locations", expected, nested);
            }
        }
        _ => {}
    }
}

fn payload(run: &Run<'_>, file: &Value, response: &Response, differences: &mut Differences) -> Result<()> {
    let path = run.folder.join(file.as_str().unwrap_or_default());
    let wanted = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let body = response.text();
    let (wanted, found) = (tree::parse(&wanted)?, tree::parse(&body)?);
    let (wanted, found) = (tree::canonical(wanted.root_element()), tree::canonical(found.root_element()));
    if let Some(difference) = tree::difference(&wanted, &found) {
        differences.say(difference);
    }
    Ok(())
}

fn new_case(run: &Run<'_>, expected: &Value, differences: &mut Differences) -> Result<()> {
    use bolster_store::ReadExt;
    let project = run.world.project_named(None)?.id;
    let view = run.world.appliance()?.store().view();
    for index in expected["indices"].as_object().into_iter().flatten().map(|(_, index)| index) {
        let host = CaseId::new(index["case_id"].as_str().unwrap_or_default());
        let mut found = Vec::new();
        for (source, ..) in view.referrers(project, &host)? {
            found.extend(view.case(project, &source)?);
        }
        let fits = found.iter().any(|case| {
            json!(case.case_type.value) == expected["case_type"]
                && json!(case.name.value) == expected["case_name"]
                && json!(case.owner_id.value) == expected["owner_id"]
        });
        if !fits {
            differences.say(format!("no case like {expected}"));
        }
    }
    Ok(())
}
