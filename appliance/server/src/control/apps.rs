//! Apps: packages are taken in, versions released.

use super::people::{OPERATOR, project};
use anyhow::{Context, Result, anyhow, bail};
use bolster_auth::{EditApps, Project, ViewApps};
use bolster_model::Timestamp;
use bolster_usecases::Appliance;
use bolster_usecases::apps::{App, AppsError, ImportApp, Prompt, Wanted};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// `app import`
pub fn import(
    appliance: &Appliance,
    name: &str,
    path: &Path,
    shown: Option<&str>,
    notes: &str,
) -> Result<Value> {
    let project = project(appliance, name)?;
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("there is no file {}", path.display()),
        ErrorKind::PermissionDenied => {
            anyhow!("the server may not read {}; put it where it may, for example into /tmp", path.display())
        }
        _ => anyhow!(error).context(format!("{} cannot be read", path.display())),
    })?;
    let permit = appliance.auth().operator_permit::<EditApps>(OPERATOR, &project);
    let new =
        ImportApp { name: shown.map(str::to_owned), notes: notes.to_owned(), limits: Default::default() };
    let done = appliance.import_app(&permit, BufReader::new(file), &new)?;
    Ok(json!({
        "id": done.app.id,
        "build_id": done.build.id,
        "project": project.name,
        "name": done.app.name,
        "version": done.build.version,
        "new": done.is_new,
        "released": done.build.released_at.is_some(),
        "files": done.files,
        "bytes": done.bytes,
        "warnings": done.warnings,
    }))
}

/// `app list`
pub fn list(appliance: &Appliance, name: Option<&str>) -> Result<Value> {
    let mut apps = Vec::new();
    for project in projects(appliance, name)? {
        let permit = appliance.auth().operator_permit::<ViewApps>(OPERATOR, &project);
        apps.extend(appliance.list_apps(&permit)?.iter().map(|app| app_json(&project, app)));
    }
    Ok(json!({ "apps": apps }))
}

/// The apps whose newest package is largest: project, app, forms and bytes.
pub fn heaviest(appliance: &Appliance, most: usize) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for project in projects(appliance, None)? {
        let permit = appliance.auth().operator_permit::<ViewApps>(OPERATOR, &project);
        for app in appliance.list_apps(&permit)? {
            let Some(newest) = app.builds.iter().max_by_key(|build| build.version) else { continue };
            let found = appliance.find_build(project.id, &newest.id, &Wanted::default())?;
            let Some(found) = found else { continue };
            let bytes: u64 = found.build.files.iter().map(|file| file.length).sum();
            all.push((bytes, project.name.clone(), app.name.clone(), found.build.forms.len()));
        }
    }
    all.sort_by(|a, b| b.cmp(a));
    all.truncate(most);
    let shown = all.into_iter().map(|(bytes, project, app, forms)| {
        json!({"project": project, "app": app, "forms": forms, "bytes": bytes})
    });
    Ok(shown.collect())
}

/// `app release`, `app unrelease`
pub fn release(
    appliance: &Appliance,
    name: Option<&str>,
    app: &str,
    version: u32,
    what: (bool, Option<&str>),
) -> Result<Value> {
    let project = project_of(appliance, name, app)?;
    let permit = appliance.auth().operator_permit::<EditApps>(OPERATOR, &project);
    let app = appliance.release_app(&permit, app, version, what)?;
    let mut value = app_json(&project, &app);
    value["released_version"] = app.newest(true).into();
    Ok(value)
}

/// `app release --location`, `app unrelease --location`
pub fn release_at(
    appliance: &Appliance,
    name: Option<&str>,
    app: &str,
    version: u32,
    what: (&str, bool),
) -> Result<Value> {
    let project = project_of(appliance, name, app)?;
    let permit = appliance.auth().operator_permit::<EditApps>(OPERATOR, &project);
    let app = appliance.release_app_at(&permit, app, version, what)?;
    Ok(app_json(&project, &app))
}

/// `app delete`
pub fn delete(appliance: &Appliance, name: Option<&str>, app: &str) -> Result<Value> {
    let project = project_of(appliance, name, app)?;
    let permit = appliance.auth().operator_permit::<EditApps>(OPERATOR, &project);
    let app = appliance.delete_app(&permit, app)?;
    Ok(app_json(&project, &app))
}

/// `app set`
pub fn set(
    appliance: &Appliance,
    name: Option<&str>,
    app: &str,
    settings: &[(String, String)],
) -> Result<Value> {
    let project = project_of(appliance, name, app)?;
    let permit = appliance.auth().operator_permit::<EditApps>(OPERATOR, &project);
    let app = appliance.set_app(&permit, app, settings)?;
    Ok(app_json(&project, &app))
}

fn projects(appliance: &Appliance, name: Option<&str>) -> Result<Vec<Arc<Project>>> {
    Ok(match name {
        Some(name) => vec![project(appliance, name)?],
        None => appliance.auth().projects(),
    })
}

/// The one project that has an app of this name or id.
fn project_of(appliance: &Appliance, name: Option<&str>, app: &str) -> Result<Arc<Project>> {
    let mut having = Vec::new();
    for project in projects(appliance, name)? {
        let permit = appliance.auth().operator_permit::<ViewApps>(OPERATOR, &project);
        match appliance.named_app(&permit, app) {
            Ok(_) => having.push(project),
            Err(AppsError::NoApp(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match having.len() {
        1 => having.pop().context("a project"),
        0 => bail!(
            "there is no app {app}, or several have this name; name it by its id, see \"bolster app list\""
        ),
        _ => bail!("several projects have an app {app}; add --project"),
    }
}

fn app_json(project: &Project, app: &App) -> Value {
    let builds: Vec<Value> = app
        .builds
        .iter()
        .map(|b| {
            json!({
                "id": b.id,
                "version": b.version,
                "profile": b.profile,
                "imported_at": Timestamp(b.imported_at).to_string(),
                "imported_by": b.imported_by,
                "released_at": b.released().map(|at| at.to_string()),
                "notes": b.notes,
            })
        })
        .collect();
    json!({
        "id": app.id,
        "project": project.name,
        "name": app.name,
        "newest": app.newest(false),
        "released": app.newest(true),
        "prompt_update": match app.prompt_update {
            Prompt::Off => "off",
            Prompt::On => "on",
            Prompt::Forced => "forced",
        },
        "at_locations": app
            .at_locations
            .iter()
            .map(|release| json!({ "location": release.location, "version": release.version }))
            .collect::<Vec<_>>(),
        "builds": builds,
    })
}
