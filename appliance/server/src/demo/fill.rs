//! Fills an empty folder through the use cases that everybody uses.

use super::app;
use super::story::{self, StoryForm};
use crate::control::people;
use anyhow::{Context, Result, bail};
use bolster_auth::{Permit, SubmitForm};
use bolster_model::SubmissionInfo;
use bolster_usecases::admin::groups::GroupChange;
use bolster_usecases::admin::import::ImportHow;
use bolster_usecases::admin::places::NewLocation;
use bolster_usecases::nouns::LocationType;
use bolster_usecases::workbook;
use bolster_usecases::{Appliance, FormUpload, SubmissionOutcome, SubmitFormError, SubmitMode};
use std::sync::mpsc;

/// The project.
const PROJECT: &str = "demo";
/// The web administrator.
const ADMIN: &str = "admin@example.org";
/// The mobile worker.
const WORKER: &str = "amina";
/// Site code of the village where the worker works.
const HOME: &str = "kanda";
/// The group that the worker is in.
const GROUP: &str = "Village health workers";
/// Of both.
const PASSWORD: &str = "bolster-demo";

/// Makes the sample project when there is no project at all; one that is there already is left as it is.
pub fn fill_if_empty(appliance: &Appliance) -> Result<()> {
    let projects = appliance.auth().projects();
    if projects.iter().any(|project| project.name == PROJECT) {
        return Ok(());
    }
    if !projects.is_empty() {
        bail!("this data folder is in use already; --demo fills only an empty one");
    }
    people::create_project(appliance, PROJECT)?;
    people::set_project(
        appliance,
        PROJECT,
        &[("display_name".to_owned(), "Demo: village health".to_owned())],
    )?;
    people::create_user(appliance, &user(ADMIN, true))?;
    places(appliance)?;
    let worker = people::create_user(appliance, &user(WORKER, false))?;
    let worker_id = worker["id"].as_str().context("the worker has no id")?.to_owned();
    let project = people::project(appliance, PROJECT)?;
    app::import(appliance, &project)?;
    let permit = appliance.auth().operator_permit::<SubmitForm>("demo", &project);
    submit(appliance, &permit, story::tell(&worker_id, appliance.env().clock.now()), &worker_id)
}

/// Two villages that share cases, a group, and a lookup table.
fn places(appliance: &Appliance) -> Result<()> {
    let project = people::project(appliance, PROJECT)?;
    let permit = appliance.auth().operator_permit("demo", &project);
    let village = LocationType {
        code: "village".to_owned(),
        name: "Village".to_owned(),
        shares_cases: true,
        ..LocationType::default()
    };
    appliance.put_location_type(&permit, &village)?;
    for (site_code, name) in [(HOME, "Kanda"), ("mbale", "Mbale")] {
        let new = NewLocation {
            site_code: site_code.to_owned(),
            name: name.to_owned(),
            type_code: village.code.clone(),
            ..NewLocation::default()
        };
        appliance.create_location(&permit, &new)?;
    }
    let group = GroupChange { name: GROUP.to_owned(), reporting: Some(true), ..GroupChange::default() };
    appliance.create_group(&appliance.auth().operator_permit("demo", &project), &group)?;
    let texts = |row: &[&str]| row.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let types = texts(&["table_id", "is_global?", "field 1", "field 1: is_indexed?", "field 2"]);
    let rows =
        [("ors", "Oral rehydration salts"), ("zinc", "Zinc, 20 mg"), ("act", "Artemether-lumefantrine")];
    let rows = rows.map(|(code, name)| texts(&[code, name])).to_vec();
    let book = workbook::write(&[
        ("types".to_owned(), types, vec![texts(&["medicine", "yes", "code", "yes", "name"])]),
        ("medicine".to_owned(), texts(&["field: code", "field: name"]), rows),
    ])?;
    let permit = appliance.auth().operator_permit("demo", &project);
    appliance.import_tables(&permit, book, ImportHow::default())?;
    Ok(())
}

fn user(name: &str, web: bool) -> crate::control::protocol::NewUser {
    crate::control::protocol::NewUser {
        project: PROJECT.to_owned(),
        name: name.to_owned(),
        web,
        admin: web,
        role: None,
        profile: None,
        data: Default::default(),
        locations: if web { Vec::new() } else { vec![HOME.to_owned()] },
        groups: if web { Vec::new() } else { vec![GROUP.to_owned()] },
        password: PASSWORD.to_owned(),
    }
}

/// Sends the forms in order; all must be stored.
fn submit(
    appliance: &Appliance,
    permit: &Permit<SubmitForm>,
    forms: Vec<StoryForm>,
    worker_id: &str,
) -> Result<()> {
    let count = forms.len();
    let (tell, told) = mpsc::channel();
    for form in forms {
        let tell = tell.clone();
        let upload = FormUpload {
            project: permit.project().id,
            info: info(&form, worker_id),
            xml: form.xml.into_bytes(),
            mode: SubmitMode { import: true, ..SubmitMode::default() },
            refused: None,
        };
        appliance.submit(permit.clone(), upload, move |result| {
            // The receiver waits for every answer below.
            let _ = tell.send(result);
        });
    }
    drop(tell);
    let mut stored = 0;
    for result in told {
        stored += usize::from(is_stored(result)?);
    }
    if stored != count {
        bail!("{} of {count} sample forms were not stored", count - stored);
    }
    Ok(())
}

fn is_stored(result: Result<SubmissionOutcome, SubmitFormError>) -> Result<bool> {
    match result? {
        SubmissionOutcome::Stored { .. } => Ok(true),
        other => bail!("a sample form was not taken: {other:?}"),
    }
}

fn info(form: &StoryForm, worker_id: &str) -> SubmissionInfo {
    SubmissionInfo {
        received_on: form.received_on,
        auth: bolster_model::AuthContext {
            doc: bolster_model::AuthDoc::Normal,
            user_id: Some(worker_id.to_owned()),
            authenticated: true,
        },
        path: format!("/a/{PROJECT}/receiver/"),
        submit_ip: Some("127.0.0.1".to_owned()),
        ..SubmissionInfo::default()
    }
}
