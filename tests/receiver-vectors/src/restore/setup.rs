//! Setting a scenario up: project, people, places, tables, cases.

use super::forms::{self, FormHead, text};
use crate::world::World;
use anyhow::{Context, Result, bail};
use bolster_auth::{Membership, Permission, PermissionSet, Profile, Role, SubmitForm, User, kind};
use bolster_model::{AdminDocument, ProjectId, SubmissionInfo};
use bolster_usecases::nouns::{self, kind as noun};
use bolster_usecases::{FormUpload, SubmissionOutcome, SubmitMode};
use bolster_wire::times;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Switches of projects that mean nothing to this appliance, whatever they say.
const NO_MATTER: [&str; 6] = [
    "name",
    "async_restore",
    "slow_restore_seconds",
    "timezone",
    "hierarchical_location_fixture_allowed",
    "case_search",
];

/// A world as a scenario wants it.
pub fn world(setup: &Value) -> Result<World> {
    let project = &setup["project"];
    let name = project["name"].as_str().context("a project without name")?;
    let mut projects = vec![json!({
        "name": name,
        "secure_submissions": true,
        "case_attachments": true,
        "auto_close_extensions": project["auto_close_extensions"] == true,
    })];
    for other in setup["other_projects"].as_array().into_iter().flatten() {
        projects
            .push(json!({ "name": other["name"].as_str().or(other.as_str()), "secure_submissions": true }));
    }
    let mut world = World::new(&json!({ "projects": projects }), &Value::Null)?;
    let mut settings = Vec::new();
    for (key, value) in project.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            (key, _) if NO_MATTER.contains(&key) => {}
            ("auto_close_extensions", _) => {}
            (key @ ("user_fields" | "location_fields"), Value::Array(fields)) => {
                let fields: Vec<String> = fields.iter().map(text).collect();
                settings.push((key.to_owned(), fields.join(" ")));
            }
            (key, value) => settings.push((key.to_owned(), text(value))),
        }
    }
    if settings.iter().any(|(key, _)| key.contains("report")) {
        bail!("mobile reports cannot be set up yet");
    }
    world.change_project(name, &settings)?;
    for user in setup["users"].as_array().into_iter().flatten() {
        create_user(&mut world, user)?;
    }
    let mut documents = Vec::new();
    for kind in setup["location_types"].as_array().into_iter().flatten() {
        documents.push(stored(&world, noun::LOCATION_TYPE, &text(&kind["code"]), &location_type(kind))?);
    }
    for location in setup["locations"].as_array().into_iter().flatten() {
        documents.push(stored(&world, noun::LOCATION, &text(&location["id"]), &self::location(location))?);
    }
    for group in setup["groups"].as_array().into_iter().flatten() {
        documents.push(stored(&world, noun::GROUP, &text(&group["id"]), &self::group(group))?);
    }
    for table in setup["lookup_tables"].as_array().into_iter().flatten() {
        lookup_table(&world, table, &mut documents)?;
    }
    for product in setup["products"].as_array().into_iter().flatten() {
        let product = self::product(product);
        documents.push(stored(&world, noun::PRODUCT, &product.id, &product)?);
    }
    for program in setup["programs"].as_array().into_iter().flatten() {
        let program = nouns::Program {
            id: text(&program["id"]),
            name: text(&program["name"]),
            code: text(&program["code"]),
        };
        documents.push(stored(&world, noun::PROGRAM, &program.id, &program)?);
    }
    if !documents.is_empty() {
        world.appliance()?.commit_documents(documents)?;
    }
    cases(&world, setup)?;
    Ok(world)
}

type Documents = Vec<bolster_usecases::DocumentFact>;

fn stored<T: Serialize>(
    world: &World,
    kind: &str,
    id: &str,
    of: &T,
) -> Result<bolster_usecases::DocumentFact> {
    world.document(world.project_named(None)?.id, kind, id, of)
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(text).collect()
}

fn map(values: &Value) -> BTreeMap<String, String> {
    values.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn named(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The name that a user signs in with: web users have an address of mail, also where a scenario gives none.
pub fn username(user: &Value) -> String {
    let name = text(&user["username"]);
    if user["kind"] == "web" && !name.contains('@') { format!("{name}@example.org") } else { name }
}

/// Makes a user with everything that a scenario says of one.
pub fn create_user(world: &mut World, user: &Value) -> Result<()> {
    let mut plain = user.clone();
    let restricted = user["restricted_to_own_locations"] == true;
    if let Some(plain) = plain.as_object_mut() {
        plain.insert("username".into(), username(user).into());
        plain.remove("permissions");
        plain.remove("active");
    }
    world.create_user(&plain)?;
    let id = text(&user["id"]);
    let project = world.project_named(user["project"].as_str())?;
    let mut changed = User { ..(*world.stored_user(&id)?).clone() };
    changed.first_name = text(&user["first_name"]);
    changed.last_name = text(&user["last_name"]);
    changed.phone_numbers = named(&user["phone_number"]).into_iter().collect();
    changed.user_data = map(&user["user_data"]);
    if let Some(date) = user["date_joined"].as_str() {
        changed.created_at = times::iso(&format!("{date}T00:00:00Z")).context("date_joined")?;
    }
    if user["profile"].is_object() {
        let id = text(&user["profile"]["id"]);
        let profile = Profile { id: id.clone(), name: id.clone(), fields: map(&user["profile"]["fields"]) };
        let mut with = (*project).clone();
        with.user_profiles.retain(|p| p.id != id);
        with.user_profiles.push(profile);
        let document = world.document(project.id, kind::PROJECT, &project.id.to_string(), &with)?;
        world.appliance()?.commit_documents(vec![document])?;
        changed.profile_id = Some(id);
    }
    changed.locations = texts(&user["locations"]);
    changed.active = user["active"] != false;
    changed.server_admin = user["superuser"] == true;
    let permissions = permissions(user, restricted)?;
    let mut documents = Vec::new();
    let role = permissions.map(|permissions| Role {
        id: format!("role of {id}"),
        name: format!("role of {id}"),
        permissions,
    });
    if let Some(role) = &role {
        documents.push(world.document(project.id, kind::ROLE, &role.id, role)?);
    }
    if changed.is_web() {
        let members = world.appliance()?.auth().members(project.id);
        let member = members.iter().find(|m| m.user.id == id).and_then(|m| m.membership.clone());
        let member = Membership {
            locations: std::mem::take(&mut changed.locations),
            is_admin: role.is_none(),
            role: role.map(|r| r.id),
            ..(*member.context("no member")?).clone()
        };
        documents.push(world.document(project.id, kind::MEMBERSHIP, &id, &member)?);
        documents.push(world.document(ProjectId::ZERO, kind::USER, &id, &changed)?);
    } else {
        changed.role = role.map(|r| r.id);
        documents.push(world.document(project.id, kind::USER, &id, &changed)?);
    }
    Ok(world.appliance()?.commit_documents(documents)?)
}

/// What a scenario says a user may; `None` for the default of the user's kind.
fn permissions(user: &Value, restricted: bool) -> Result<Option<PermissionSet>> {
    let removed = texts(&user["permissions_removed"]);
    let listed = user["permissions"].as_array().map(|_| texts(&user["permissions"]));
    let role = user["role"].as_str().unwrap_or("admin");
    let by_role: Option<Vec<String>> = match role {
        "admin" => None,
        "limited-login-as" => Some(vec!["limited_login_as".into()]),
        "default-login-as" => Some(vec!["limited_login_as".into(), "access_default_login_as_user".into()]),
        other => Some(vec![other.replace('-', "_")]),
    };
    if listed.is_none() && removed.is_empty() && by_role.is_none() && !restricted {
        return Ok(None);
    }
    let mut names = listed.or(by_role).unwrap_or_default();
    names.push("access_mobile_endpoints".into());
    if !restricted {
        names.push("access_all_locations".into());
    }
    names.retain(|name| !removed.contains(name));
    let known = |name: &String| {
        Permission::named(name).with_context(|| format!("the permission '{name}' is not known"))
    };
    Ok(Some(PermissionSet::of(&names.iter().map(known).collect::<Result<Vec<_>>>()?)))
}

/// A location type.
pub fn location_type(kind: &Value) -> nouns::LocationType {
    nouns::LocationType {
        code: text(&kind["code"]),
        name: text(&kind["name"]),
        parent: named(&kind["parent"]),
        shares_cases: kind["shares_cases"] == true,
        view_descendants: kind["view_descendants"] == true,
        expand_from: named(&kind["expand_from"]),
        expand_from_root: kind["expand_from_root"] == true,
        expand_to: named(&kind["expand_to"]),
        include_without_expanding: named(&kind["include_without_expanding"]),
        include_only: texts(&kind["include_only"]),
    }
}

fn location(location: &Value) -> nouns::Location {
    nouns::Location {
        id: text(&location["id"]),
        site_code: text(&location["site_code"]),
        name: text(&location["name"]),
        type_code: text(&location["type"]),
        parent: named(&location["parent"]),
        external_id: text(&location["external_id"]),
        latitude: text(&location["latitude"]),
        longitude: text(&location["longitude"]),
        data: map(&location["metadata"]),
        archived: location["archived"] == true,
    }
}

fn group(group: &Value) -> nouns::Group {
    nouns::Group {
        id: text(&group["id"]),
        name: text(&group["name"]),
        case_sharing: group["case_sharing"] == true,
        reporting: false,
        users: texts(&group["users"]),
    }
}

fn product(product: &Value) -> nouns::Product {
    if let Some(id) = product.as_str() {
        return nouns::Product { id: id.into(), name: id.into(), code: id.into(), ..Default::default() };
    }
    nouns::Product {
        id: text(&product["id"]),
        name: text(&product["name"]),
        unit: text(&product["unit"]),
        code: text(&product["code"]),
        description: text(&product["description"]),
        category: text(&product["category"]),
        program_id: text(&product["program_id"]),
        cost: text(&product["cost"]),
        data: map(&product["product_data"]),
    }
}

fn lookup_table(world: &World, table: &Value, documents: &mut Documents) -> Result<()> {
    let tag = text(&table["tag"]);
    let fields = table["fields"].as_array().into_iter().flatten().map(|field| nouns::tables::Field {
        name: text(&field["name"]),
        properties: texts(&field["properties"]),
        indexed: field["indexed"] == true || field["is_indexed"] == true,
    });
    let stored_table = nouns::LookupTable {
        tag: tag.clone(),
        is_global: table["is_global"] == true,
        item_attributes: texts(&table["item_attributes"]),
        fields: fields.collect(),
    };
    documents.push(stored(world, noun::LOOKUP_TABLE, &tag, &stored_table)?);
    for (number, row) in table["rows"].as_array().into_iter().flatten().enumerate() {
        let values = |list: &Value| -> Vec<nouns::Value> {
            let value =
                |v: &Value| nouns::Value { value: text(&v["value"]), properties: map(&v["properties"]) };
            list.as_array().into_iter().flatten().map(value).collect()
        };
        let fields = row["fields"].as_object().into_iter().flatten();
        let stored_row = nouns::LookupRow {
            id: format!("{tag}-{number:06}"),
            table: tag.clone(),
            order: row["sort_key"].as_i64().unwrap_or(number as i64),
            attributes: map(&row["attributes"]),
            fields: fields.map(|(name, list)| (name.clone(), values(list))).collect(),
            users: texts(&row["users"]),
            groups: texts(&row["groups"]),
            locations: texts(&row["locations"]),
        };
        documents.push(stored(world, noun::LOOKUP_ROW, &stored_row.id, &stored_row)?);
    }
    Ok(())
}

/// Cases and ledgers that are there before the first step, made by nobody's phone.
fn cases(world: &World, setup: &Value) -> Result<()> {
    let Some(cases) = setup["cases"].as_object() else { return Ok(()) };
    let now = world.now().to_string();
    let mut made = Vec::new();
    let mut changed = Vec::new();
    for (id, case) in cases {
        let opened = case["opened_on"].as_str().unwrap_or(&now);
        let modified = case["modified_on"].as_str().unwrap_or(opened);
        let by = case["modified_by"].as_str().unwrap_or("setup");
        let mut update = case["properties"].as_object().cloned().unwrap_or_default();
        if let Some(external) = case["external_id"].as_str() {
            update.insert("external_id".into(), external.into());
        }
        made.push(json!({
            "case_id": id,
            "user_id": by,
            "date_modified": opened,
            "create": {
                "case_type": case["case_type"], "case_name": case["case_name"], "owner_id": case["owner_id"],
            },
            "update": update,
            "index": case["indices"],
        }));
        changed.push(json!({
            "case_id": id,
            "user_id": by,
            "date_modified": modified,
            "update": {},
            "close": case["closed"] == true,
        }));
    }
    // Nobody's form, so that blocks without a user have none.
    let head = FormHead { id: "setup-1", user_id: "", at: &now, device: "setup" };
    submit(world, forms::with_blocks(&head, &made)?)?;
    let head = FormHead { id: "setup-2", ..head };
    submit(world, forms::with_blocks(&head, &changed)?)?;
    let mut balances = Vec::new();
    for (key, quantity) in setup["ledgers"].as_object().into_iter().flatten() {
        let parts: Vec<&str> = key.split('/').collect();
        let [case, section, product] = parts[..] else { bail!("a ledger named {key}") };
        let date = cases.get(case).and_then(|c| c["modified_on"].as_str()).unwrap_or(&now);
        balances.push(json!({
            "entity": case, "section": section, "date": date, "entries": { product: quantity },
        }));
    }
    if !balances.is_empty() {
        submit(world, forms::with_ledgers(&FormHead { id: "setup-3", ..head }, &balances)?)?;
    }
    Ok(())
}

/// Submits as the appliance itself.
pub fn submit(world: &World, xml: Vec<u8>) -> Result<()> {
    let appliance = world.appliance()?;
    let project = world.project_named(None)?;
    let permit = appliance.auth().operator_permit::<SubmitForm>("setup", &project);
    let info = SubmissionInfo { received_on: world.now(), ..SubmissionInfo::default() };
    let mode = SubmitMode { noauth: false, demo: false, import: false };
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    appliance.submit(
        permit,
        FormUpload { project: project.id, xml, info, mode, refused: None },
        move |result| {
            // The receiver waits below.
            let _ = tell.send(result);
        },
    );
    match told.recv()?? {
        SubmissionOutcome::Stored { .. } => Ok(()),
        other => bail!("a form of the setup was not stored: {other:?}"),
    }
}

/// A removal of a document.
pub fn removal(world: &World, project: ProjectId, kind: &str, id: &str) -> bolster_usecases::DocumentFact {
    let document = AdminDocument {
        kind: kind.to_owned(),
        id: id.to_owned(),
        json: None,
        action: "removed by a scenario".to_owned(),
        changed: Vec::new(),
        actor: "scenario".to_owned(),
        at: world.now(),
    };
    (project, document, false)
}
