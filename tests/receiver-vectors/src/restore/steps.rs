//! The steps of a scenario, in order.

use super::expect::{Answer, check};
use super::forms::{self, FormHead, text};
use super::setup;
use crate::client::{self, Request, Response};
use crate::compare::Differences;
use crate::world::{RUNTIME_KEY, World};
use anyhow::{Context, Result, bail};
use base64::Engine;
use bolster_auth::{EditUsers, Membership, Permission, PermissionSet, Role, User, kind};
use bolster_model::ProjectId;
use bolster_usecases::nouns::{Group, Location, LocationType, kind as noun};
use bolster_wire::times;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::path::Path;

/// A scenario being run.
pub struct Run<'s> {
    /// The appliance.
    pub world: World,
    /// The scenario's setup.
    pub setup: &'s Value,
    /// Its folder, for payload files.
    pub folder: &'s Path,
    /// Tokens by name.
    pub bound: BTreeMap<String, String>,
    /// Answers by number of the step, from 1.
    pub answers: BTreeMap<usize, Response>,
    users: Vec<Value>,
}

/// Runs a scenario, and the same graph made by a phone where there is one.
pub fn run(scenario: &Value, folder: &Path) -> Result<Differences> {
    let mut differences = Differences::default();
    let steps = |steps: &Value, setup: &Value, differences: &mut Differences| -> Result<()> {
        let users = setup["users"].as_array().cloned().unwrap_or_default();
        let world = setup::world(setup)?;
        let mut run = Run { world, setup, folder, bound: BTreeMap::new(), answers: BTreeMap::new(), users };
        for (number, step) in steps.as_array().context("a scenario without steps")?.iter().enumerate() {
            let before = differences.0.len();
            run.step(number + 1, step, differences).with_context(|| format!("step {}", number + 1))?;
            for text in &mut differences.0[before..] {
                *text = format!("step {}: {text}", number + 1);
            }
        }
        Ok(())
    };
    steps(&scenario["steps"], &scenario["setup"], &mut differences)?;
    let by_phone = &scenario["made_by_phone"];
    if by_phone.is_object() {
        let mut setup = scenario["setup"].clone();
        if by_phone["setup_without_cases"] == true
            && let Some(setup) = setup.as_object_mut()
        {
            setup.remove("cases");
        }
        steps(&by_phone["steps"], &setup, &mut differences)?;
    }
    Ok(differences)
}

/// What a web runtime signs an address with.
fn signature(target: &str) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(RUNTIME_KEY.as_bytes()).expect("any length is a key");
    mac.update(target.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

impl Run<'_> {
    fn step(&mut self, number: usize, step: &Value, differences: &mut Differences) -> Result<()> {
        if let Some(at) = step["at"].as_str() {
            let at = times::iso(at).with_context(|| format!("'{at}' is no time"))?;
            // A clock that was advanced by days stays ahead of the times in the steps.
            if at > self.world.now() {
                self.world.set_clock(&at.to_string())?;
            }
        }
        let what = step["do"].as_str().context("a step that does nothing")?;
        let response = match what {
            "sync" => Some(self.sync(step)?),
            "submit" | "submit_xml" | "submit_ledger" => Some(self.submit(number, step)?),
            "claim" => Some(self.claim(step)?),
            other => {
                self.act(other, step)?;
                None
            }
        };
        let Some(response) = response else { return Ok(()) };
        if let Some(name) = step["bind"].as_str()
            && let Some(token) = Answer::token(&response)
        {
            self.bound.insert(name.to_owned(), token);
        }
        self.answers.insert(number, response.clone());
        check(self, step, &response, differences)
    }

    /// A token: bound, literal, or none.
    fn token(&self, value: &Value) -> Option<String> {
        let text = value.as_str()?;
        Some(self.bound.get(text).cloned().unwrap_or_else(|| text.to_owned()))
    }

    /// Project name of the scenario.
    pub fn project(&self) -> &str {
        self.setup["project"]["name"].as_str().unwrap_or_default()
    }

    /// A user of the scenario by id; the first one when there is none.
    pub fn user(&self, id: &Value) -> &Value {
        let by_id = self.users.iter().rev().find(|u| u["id"] == *id);
        by_id.or_else(|| self.users.first()).unwrap_or(&Value::Null)
    }

    fn wire_name(&self, user: &Value) -> String {
        let name = setup::username(user);
        if user["kind"] == "web" || name.contains('@') {
            return name;
        }
        let project = user["project"].as_str().unwrap_or(self.project());
        format!("{name}@{project}.commcarehq.org")
    }

    fn authorization(&self, step: &Value) -> Option<(String, String)> {
        let auth = &step["auth"];
        let (name, password) = if auth.is_object() {
            if auth["kind"] == "none" {
                return None;
            }
            (text(&auth["user"]), text(&auth["password"]))
        } else {
            if step["user"].is_null() {
                return None;
            }
            let user = self.user(&step["user"]);
            (self.wire_name(user), text(&user["password"]))
        };
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        Some(("Authorization".to_owned(), format!("Basic {encoded}")))
    }

    fn sync(&self, step: &Value) -> Result<Response> {
        let mut query = vec![("version".to_owned(), "2.0".to_owned())];
        if let Some(device) = step["device"].as_str() {
            query.push(("device_id".to_owned(), device.to_owned()));
        }
        if let Some(since) = self.token(&step["since"]) {
            query.push(("since".to_owned(), since));
        }
        if let Some(state) = step["state"].as_str() {
            query.push(("state".to_owned(), state.to_owned()));
        }
        let mut path = format!("/a/{}/phone/restore/", self.project());
        for (name, value) in step["query"].as_object().into_iter().flatten() {
            match name.as_str() {
                "app_id" => path = format!("{path}{}/", text(value)),
                _ => {
                    query.retain(|(n, _)| n != name);
                    query.push((name.clone(), text(value)));
                }
            }
        }
        if let Some(other) = step["path"].as_str() {
            path = other.to_owned();
        }
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let mut headers = vec![("X-OpenRosa-Version".to_owned(), "3.0".to_owned())];
        let target = format!("{path}?{query}");
        if step["auth"]["kind"] == "hmac" {
            headers.push(("X-MAC-DIGEST".to_owned(), signature(&target)));
        } else {
            headers.extend(self.authorization(step));
        }
        let request = Request { method: "GET".into(), target, headers, body: vec![] };
        client::send(self.world.address()?, &request)
    }

    fn submit(&self, number: usize, step: &Value) -> Result<Response> {
        let at = self.world.now().to_string();
        let id = step["form_id"].as_str().map_or_else(|| format!("step-{number}"), str::to_owned);
        let user = self.user(&step["user"]);
        let user_id = text(&user["id"]);
        let head =
            FormHead { id: &id, user_id: &user_id, at: &at, device: step["device"].as_str().unwrap_or("d1") };
        let blocks = step["blocks"].as_array().cloned().unwrap_or_default();
        let xml = match (step["do"].as_str(), step["xml"].as_str()) {
            (_, Some(xml)) => xml.as_bytes().to_vec(),
            (Some("submit_ledger"), _) => forms::with_ledgers(&head, &blocks)?,
            _ => forms::with_blocks(&head, &blocks)?,
        };
        let mut headers = vec![
            ("X-OpenRosa-Version".to_owned(), "3.0".to_owned()),
            ("Content-Type".to_owned(), "text/xml".to_owned()),
        ];
        let mut target = format!("/a/{}/receiver/", self.project());
        match self.authorization(step) {
            Some(header) => headers.push(header),
            None => {
                // Nobody in particular: the first user sends it.
                let first = json!({ "user": self.user(&Value::Null)["id"] });
                headers.extend(self.authorization(&first));
            }
        }
        if let Some(token) = self.token(&step["token"]) {
            headers.push(("X-CommCareHQ-LastSyncToken".to_owned(), token));
        }
        if let Some(app) = step["app_id"].as_str() {
            target = format!("{target}{app}/");
        }
        client::send(self.world.address()?, &Request { method: "POST".into(), target, headers, body: xml })
    }

    fn claim(&self, step: &Value) -> Result<Response> {
        let mut fields = Vec::new();
        let ids: Vec<String> = match &step["case"] {
            Value::Array(list) => list.iter().map(text).collect(),
            Value::Null => Vec::new(),
            one => vec![text(one)],
        };
        fields.extend(ids.into_iter().map(|id| ("case_id".to_owned(), id)));
        let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut headers = vec![("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        headers.extend(self.authorization(step));
        if let Some(token) = self.token(&step["token"]) {
            headers.push(("X-CommCareHQ-LastSyncToken".to_owned(), token));
        }
        let target = format!("/a/{}/phone/claim-case/", self.project());
        let request = Request { method: "POST".into(), target, headers, body: body.into_bytes() };
        client::send(self.world.address()?, &request)
    }

    /// Changes what a person with a browser would change.
    fn act(&mut self, what: &str, step: &Value) -> Result<()> {
        let project = self.world.project_named(None)?;
        let nouns = self.world.appliance()?.nouns(project.id)?;
        let commit = |documents| Ok(self.world.appliance()?.commit_documents(documents)?);
        match what {
            "archive" => self.world.archive(&text(&step["form"]), true, None),
            "delete_case" => self.world.delete_case(&text(&step["case"])),
            "group_add" | "group_remove" => {
                let group = nouns.groups.iter().find(|g| g.id == text(&step["group"]));
                let mut group: Group = group.context("no such group")?.clone();
                let user = text(&step["user"]);
                group.users.retain(|u| *u != user);
                if what == "group_add" {
                    group.users.push(user);
                }
                commit(vec![self.world.document(project.id, noun::GROUP, &group.id, &group)?])
            }
            "set_location_type" => {
                let kind = nouns.locations.type_named(&text(&step["type"])).context("no such type")?;
                let mut all = serde_json::to_value(kind)?;
                replace(&mut all, step, &["do", "at", "type", "expect"]);
                let kind: LocationType = serde_json::from_value(all)?;
                commit(vec![self.world.document(project.id, noun::LOCATION_TYPE, &kind.code, &kind)?])
            }
            "set_location" | "archive_location" => {
                let location = nouns.locations.get(&text(&step["location"])).context("no such location")?;
                let mut all = serde_json::to_value(location)?;
                replace(&mut all, step, &["do", "at", "location", "expect"]);
                let mut location: Location = serde_json::from_value(all)?;
                location.archived |= what == "archive_location";
                commit(vec![self.world.document(project.id, noun::LOCATION, &location.id, &location)?])
            }
            "set_user" => self.set_user(step),
            "create_user" => {
                setup::create_user(&mut self.world, &step["user"])?;
                self.users.push(step["user"].clone());
                Ok(())
            }
            "delete_user" => {
                let user = self.world.stored_user(&text(&step["user"]))?;
                let removal = |kind| setup::removal(&self.world, project.id, kind, &user.id);
                commit(vec![removal(kind::USER), removal(kind::CREDENTIAL)])
            }
            "set_case" => {
                let at = self.world.now().to_string();
                let id = format!("set-{at}");
                let head = FormHead { id: &id, user_id: "somebody", at: &at, device: "web" };
                let mut update = step["properties"].as_object().cloned().unwrap_or_default();
                if let Some(owner) = step["owner_id"].as_str() {
                    update.insert("owner_id".into(), owner.into());
                }
                let block = json!({
                    "case_id": step["case"], "update": update, "close": step["closed"] == true,
                    "index": step["indices"],
                });
                setup::submit(&self.world, forms::with_blocks(&head, &[block])?)
            }
            "freeze_demo" | "unfreeze_demo" => {
                let appliance = self.world.appliance()?;
                let permit = appliance.auth().operator_permit::<EditUsers>("scenario", &project);
                let user = self.world.stored_user(&text(&step["user"]))?;
                match what {
                    "freeze_demo" => appliance.freeze_restore(&permit, &user.username)?,
                    _ => appliance.unfreeze_restore(&permit, &user.username)?,
                }
                Ok(())
            }
            "advance_clock" => {
                let days = step["days"].as_i64().unwrap_or(0);
                let then = bolster_model::Timestamp(self.world.now().0 + days * 86_400_000_000);
                self.world.set_clock(&then.to_string())
            }
            "run_pruning" => {
                self.world.appliance()?.forget_old_syncs()?;
                Ok(())
            }
            "wait" => Ok(()),
            // The vector is about a log that lost what it knew, which this one cannot.
            "clear_footprint" => Ok(()),
            other => bail!("the step '{other}' is not known"),
        }
    }

    fn set_user(&mut self, step: &Value) -> Result<()> {
        let id = text(&step["user"]);
        let project = self.world.project_named(None)?;
        let user = self.world.stored_user(&id)?;
        let mut documents = Vec::new();
        let mut changed = User { ..(*user).clone() };
        for (key, value) in step.as_object().into_iter().flatten() {
            match key.as_str() {
                "do" | "at" | "user" | "expect" => {}
                "locations" => {
                    let places: Vec<String> = value.as_array().into_iter().flatten().map(text).collect();
                    if user.is_web() {
                        let members = self.world.appliance()?.auth().members(project.id);
                        let member =
                            members.iter().find(|m| m.user.id == id).and_then(|m| m.membership.clone());
                        let member =
                            Membership { locations: places, ..(*member.context("no member")?).clone() };
                        documents.push(self.world.document(project.id, kind::MEMBERSHIP, &id, &member)?);
                    } else {
                        changed.locations = places;
                    }
                }
                "may_use_default_login_as" => {
                    let role = Role {
                        id: format!("role of {id}"),
                        name: format!("role of {id}"),
                        permissions: PermissionSet::of(&[
                            Permission::LimitedLoginAs,
                            Permission::AccessDefaultLoginAsUser,
                            Permission::AccessMobileEndpoints,
                            Permission::AccessAllLocations,
                        ]),
                    };
                    documents.push(self.world.document(project.id, kind::ROLE, &role.id, &role)?);
                }
                "active" => changed.active = value == true,
                "user_data" => {
                    let data = value.as_object().into_iter().flatten();
                    changed.user_data = data.map(|(k, v)| (k.clone(), text(v))).collect();
                }
                other => bail!("'{other}' of a user cannot be set"),
            }
        }
        if changed != *user {
            let level = user.project.unwrap_or(ProjectId::ZERO);
            documents.push(self.world.document(level, kind::USER, &id, &changed)?);
        }
        Ok(self.world.appliance()?.commit_documents(documents)?)
    }
}

fn replace(all: &mut Value, step: &Value, not: &[&str]) {
    for (key, value) in step.as_object().into_iter().flatten() {
        if !not.contains(&key.as_str()) {
            all[key] = value.clone();
        }
    }
}
