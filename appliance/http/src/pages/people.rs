//! The people of a project: mobile workers are made, barred, let in again, given passwords.

use crate::gate;
use crate::pages::manage::{Outcome, Posted, allowed, csrf, imported, needed, outcome, show, workbook};
use crate::pages::person::{field_input, posted_data, profile_choice};
use crate::pages::words::maybe_time;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::permissions::preset_role;
use bolster_auth::{EditUsers, Member, Password, Permit, Project, User, ViewUsers};
use bolster_usecases::Appliance;
use bolster_usecases::admin::import::ImportHow;
use bolster_usecases::admin::users::NewUser;
use bolster_usecases::nouns::Nouns;
use maud::{Markup, html};
use std::sync::Arc;

/// Deleted workers that are shown.
const GONE_MAX: usize = 200;

/// `GET /a/{project}/people/`, and what its forms do.
pub async fn people(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    visitor.permit::<ViewUsers>(state)?;
    let edit = allowed(visitor.permit::<EditUsers>(state))?;
    let mut came = None;
    if !request.reads() {
        let permit = needed(edit.clone())?;
        let mut posted = Posted::read(state, request).await?;
        came = Some(state.blocking(move |app| act(app, &permit, &mut posted)).await?);
    }
    let project = visitor.project.clone();
    let nouns = state.blocking(move |app| Ok(app.nouns(project.id)?)).await?;
    let members = state.app.auth().members(visitor.project.id);
    let gone = state.app.auth().deleted_workers(visitor.project.id);
    let csrf = csrf(state, request).await?;
    let content = html! {
        p .small { "Mobile workers sign in on phones with a bare name, web users here with an e-mail address." }
        p { a href={ "/a/" (visitor.project.name) "/people/workbook/" } { "The mobile workers as a workbook" } }
        p {
            a href={ "/a/" (visitor.project.name) "/people/fields/" } { "Fields and profiles" } " · "
            a href={ "/a/" (visitor.project.name) "/people/devices/" } { "Phones" }
        }
        ul .list {
            @for member in &members {
                (line(&visitor.project, member, &nouns, edit.is_some().then_some(&csrf)))
            }
        }
        @if edit.is_some() { (create(&visitor.project, &csrf, &nouns)) (deleted(&gone, &csrf)) }
    };
    Ok(show(request, &visitor, "People", came.as_ref(), &content))
}

/// `GET /a/{project}/people/workbook/`.
pub async fn download(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ViewUsers>(state)?;
    state.blocking(move |app| workbook(app.export_workers(&permit), "users")).await
}

fn act(app: &Appliance, permit: &Permit<EditUsers>, posted: &mut Posted) -> Result<Outcome, Problem> {
    let name = posted.text("name");
    match posted.text("action").as_str() {
        "create" => {
            let new = NewUser {
                name,
                web: false,
                admin: false,
                server_admin: false,
                role: None,
                profile: Some(posted.text("profile")).filter(|profile| !profile.is_empty()),
                data: posted_data(posted),
                locations: posted.all("location"),
                groups: posted.all("group"),
                practice: false,
                id: None,
                password: Some(Password::new(posted.text("password"))),
            };
            outcome(app.create_user(permit, &new))
        }
        "activate" => outcome(app.set_user_active(permit, &name, true)),
        "deactivate" => outcome(app.set_user_active(permit, &name, false)),
        "password" => outcome(app.set_password(permit, &name, &Password::new(posted.text("password")))),
        "undelete" => outcome(app.undelete_worker(permit, &posted.text("id"))),
        "import" => {
            let check = posted.ticked("check");
            let how = ImportHow { check, replace: false };
            imported(app.import_workers(permit, posted.file("file"), how), |counts| {
                let head = if check { "Nothing is wrong. It would make" } else { "It made" };
                format!(
                    "{head} {} new workers, {} changed; {} stay as they were.",
                    counts.created, counts.updated, counts.unchanged
                )
            })
        }
        _ => Err(Problem::BadRequest("this page has no such form".to_owned())),
    }
}

fn line(project: &Project, member: &Member, nouns: &Nouns, csrf: Option<&Markup>) -> Markup {
    let user = &member.user;
    let (active, admin, role, places) = match &member.membership {
        Some(m) => (m.active && user.active, m.is_admin, &m.role, &m.locations),
        None => (user.active, false, &user.role, &user.locations),
    };
    let role = match role {
        _ if admin => "administrator",
        Some(id) => preset_role(id).map_or(id.as_str(), |role| role.name),
        None => "",
    };
    let places = places.iter().filter_map(|id| nouns.locations.get(id)).map(|l| l.name.as_str());
    let groups = nouns.groups.iter().filter(|g| g.users.contains(&user.id)).map(|g| g.name.as_str());
    let about: Vec<&str> = places.chain(groups).collect();
    html! {
        li {
            @if user.is_web() {
                bdi { strong { (user.username) } } " "
            } @else {
                a href={ "/a/" (project.name) "/people/" (user.id) "/" } { bdi { strong { (user.username) } } } " "
            }
            span .label { @if user.is_web() { "web" } @else { "mobile" } } " "
            @if !role.is_empty() { span .label { (role) } " " }
            @if !active { span .label.bad { "deactivated" } }
            @if !about.is_empty() { div .small dir="auto" { (about.join(" · ")) } }
            @if let Some(csrf) = csrf {
                details {
                    summary { "Change" }
                    form .row method="post" {
                        (csrf)
                        input type="hidden" name="name" value=(user.username);
                        @if active {
                            button name="action" value="deactivate" { "Bar from signing in" }
                        } @else {
                            button name="action" value="activate" { "Let in again" }
                        }
                    }
                    form .row method="post" {
                        (csrf)
                        input type="hidden" name="name" value=(user.username);
                        label for={ "p-" (user.id) } { "New password" }
                        input id={ "p-" (user.id) } name="password" type="password" autocomplete="new-password" required;
                        button name="action" value="password" { "Set password" }
                    }
                }
            }
        }
    }
}

/// Accounts that are no more.
fn deleted(gone: &[Arc<User>], csrf: &Markup) -> Markup {
    html! {
        @if !gone.is_empty() {
            details {
                summary { "Deleted workers" }
                ul .list {
                    @for user in gone.iter().take(GONE_MAX) {
                        li {
                            bdi { (user.username) } " " span .small { (maybe_time(user.deleted_at)) }
                            form .row method="post" {
                                (csrf)
                                input type="hidden" name="id" value=(user.id);
                                button name="action" value="undelete" { "Bring back" }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn create(project: &Project, csrf: &Markup, nouns: &Nouns) -> Markup {
    let places = nouns.locations.all().iter().filter(|l| !l.archived);
    html! {
        h2 #new { "A new mobile worker" }
        form .card method="post" aria-labelledby="new" {
            (csrf)
            label for="name" { "Name" }
            input #name name="name" required autocapitalize="none" spellcheck="false";
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="new-password" required;
            label for="location" { "Location" }
            select #location name="location" {
                option value="" { "none" }
                @for place in places { option value=(place.site_code) { (place.name) } }
            }
            label for="group" { "Group" }
            select #group name="group" {
                option value="" { "none" }
                @for group in &nouns.groups { option value=(group.name) { (group.name) } }
            }
            (profile_choice(project, None))
            @for field in &project.user_fields { (field_input(field, "", None)) }
            button name="action" value="create" { "Create" }
        }
        h2 #import { "Many at once, from a workbook" }
        form .card method="post" enctype="multipart/form-data" aria-labelledby="import" {
            (csrf)
            label for="file" { "Workbook (.xlsx), like the one above" }
            input #file name="file" type="file" required accept=".xlsx";
            label .tick { input type="checkbox" name="check" value="yes"; " Only look whether it is right" }
            button name="action" value="import" { "Take it in" }
        }
    }
}
