//! One mobile worker: where and in what role, with what data, on which phones; and the end of the account.

use crate::gate;
use crate::pages::manage::{Outcome, Posted, allowed, csrf, needed, outcome, show};
use crate::pages::phones::devices_list;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::resources::login::to;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::permissions::{MEMBER_ROLE, MOBILE_WORKER_ROLE, PRESET_ROLES};
use bolster_auth::{DataField, EditUsers, Permit, Project, User, ViewUsers};
use bolster_usecases::Appliance;
use bolster_usecases::admin::workers::{CASES_COUNTED_MAX, UserChange};
use bolster_usecases::nouns::Nouns;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Names of inputs of custom data begin so.
const DATA: &str = "data:";
/// Beyond so many locations their codes are typed.
const PLACES_LISTED_MAX: usize = 300;

/// `GET /a/{project}/people/{user_id}/`, and what its forms do.
pub async fn person(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let view = visitor.permit::<ViewUsers>(state)?;
    let id = found.text("user_id").unwrap_or_default().into_owned();
    let project = visitor.project.clone();
    let worker = |state: &State| {
        let user = state.app.auth().user(&id);
        let here = user.filter(|u| u.project == Some(project.id) && u.deleted_at.is_none());
        here.ok_or_else(|| Problem::NotFound("there is no mobile worker at this address".to_owned()))
    };
    let user = worker(state)?;
    let edit = allowed(visitor.permit::<EditUsers>(state))?;
    let mut came = None;
    if !request.reads() {
        let permit = needed(edit.clone())?;
        let posted = Posted::read(state, request).await?;
        let (username, now) = (user.username.clone(), project.clone());
        let done = state.blocking(move |app| act(app, &permit, &now, &username, &posted)).await?;
        if state.app.auth().user(&id).is_none_or(|u| u.deleted_at.is_some()) {
            return Ok(to(&format!("/a/{}/people/", project.name)));
        }
        came = Some(done);
    }
    let user = worker(state)?;
    let project_id = project.id;
    let (nouns, owned, devices) = state
        .blocking(move |app| {
            let owned = app.owned_case_count(project_id, &id).unwrap_or_default();
            let mut devices = app.devices(&view)?;
            devices.retain(|d| d.user_id == id);
            Ok((app.nouns(project_id)?, owned, devices))
        })
        .await?;
    let csrf = csrf(state, request).await?;
    let logs = format!("/a/{}/reports/device_logs/?user={}", project.name, user.username);
    let content = html! {
        p .small {
            @if !user.active { span .label.bad { "deactivated" } " " }
            @if user.practice { span .label { "practice" } " " }
            "Signs in on phones as " code { (user.wire_name(&project.name)) }
        }
        p { (cases(owned)) " " a href=(logs) { "Logs of this worker's phones" } }
        @match edit.is_some() {
            true => (form(&project, &user, &nouns, &csrf)),
            false => (facts(&project, &user, &nouns)),
        }
        h2 { "Phones" }
        (devices_list(&state.app, &project, &devices, false))
        @if edit.is_some() { (end(&user, &csrf)) }
    };
    Ok(show(request, &visitor, &user.username, came.as_ref(), &content))
}

fn cases(owned: usize) -> String {
    match owned {
        0 => "Owns no open case.".to_owned(),
        1 => "Owns 1 open case.".to_owned(),
        CASES_COUNTED_MAX.. => format!("Owns {CASES_COUNTED_MAX} open cases or more."),
        owned => format!("Owns {owned} open cases."),
    }
}

/// Custom data of a form.
pub fn posted_data(posted: &Posted) -> BTreeMap<String, String> {
    let mut data: BTreeMap<String, String> =
        posted.beginning(DATA).filter(|(_, value)| !value.is_empty()).collect();
    let (key, value) = (posted.text("new_key"), posted.text("new_value"));
    if !key.is_empty() {
        data.insert(key, value);
    }
    data
}

fn act(
    app: &Appliance,
    permit: &Permit<EditUsers>,
    project: &Project,
    name: &str,
    posted: &Posted,
) -> Result<Outcome, Problem> {
    match posted.text("action").as_str() {
        "change" => {
            let nouns = app.nouns(project.id)?;
            let user = app.auth().find_user(project, name);
            let mut data = posted_data(posted);
            // An input that was emptied removes.
            for (key, _) in posted.beginning(DATA) {
                data.entry(key).or_default();
            }
            let role = posted.text("role");
            let role_now = user.as_ref().and_then(|u| u.role.clone()).unwrap_or_default();
            let change = UserChange {
                locations: Some(places(&nouns, posted)),
                groups: Some(posted.all("group")),
                role: Some(role).filter(|role| !role.is_empty() && *role != role_now),
                profile: posted.has("profile").then(|| posted.text("profile")),
                data,
                first_name: Some(posted.text("first_name")),
                last_name: Some(posted.text("last_name")),
                email: Some(posted.text("email")),
                language: Some(posted.text("language")),
                phone_numbers: Some(
                    posted.text("phone_numbers").split_whitespace().map(str::to_owned).collect(),
                ),
                active: None,
            };
            outcome(app.change_worker(permit, name, &change))
        }
        "delete" => outcome(app.delete_user(permit, name, &posted.text("confirm"))),
        _ => Err(Problem::BadRequest("this page has no such form".to_owned())),
    }
}

/// Chosen locations with the primary one first, or the codes that were typed.
fn places(nouns: &Nouns, posted: &Posted) -> Vec<String> {
    if nouns.locations.all().len() > PLACES_LISTED_MAX {
        return posted.text("locations").split_whitespace().map(str::to_owned).collect();
    }
    let mut chosen = posted.all("location");
    let primary = posted.text("primary");
    if !primary.is_empty() {
        chosen.retain(|code| *code != primary);
        chosen.insert(0, primary);
    }
    chosen
}

fn form(project: &Project, user: &User, nouns: &Nouns, csrf: &Markup) -> Markup {
    let text = |name: &str, title: &str, value: &str| {
        html! { label for=(name) { (title) } input id=(name) name=(name) value=(value); }
    };
    let role = user.role.as_deref().unwrap_or(MOBILE_WORKER_ROLE);
    let profile = user.profile_id.as_deref().and_then(|id| project.profile(id));
    let others = user.user_data.iter().filter(|(key, _)| project.user_fields.iter().all(|f| f.slug != **key));
    html! {
        form .card method="post" {
            (csrf)
            (text("first_name", "First name", &user.first_name))
            (text("last_name", "Last name", &user.last_name))
            (text("email", "E-mail address", &user.email))
            (text("language", "Language (code)", &user.language))
            (text("phone_numbers", "Phone numbers, the usual one first, with blanks between", &user.phone_numbers.join(" ")))
            label for="role" { "Role" }
            select #role name="role" {
                @if bolster_auth::permissions::preset_role(role).is_none() {
                    option value="" selected { (role) }
                }
                @for preset in PRESET_ROLES.iter().filter(|preset| preset.id != MEMBER_ROLE || role == MEMBER_ROLE) {
                    option value=(preset.id) selected[preset.id == role] { (preset.name) }
                }
            }
            (place_choice(user, nouns))
            @if !nouns.groups.is_empty() {
                fieldset {
                    legend { "Groups" }
                    @for group in &nouns.groups {
                        label .tick {
                            input type="checkbox" name="group" value=(group.id) checked[group.users.contains(&user.id)];
                            " " (group.name)
                        }
                    }
                }
            }
            (profile_choice(project, user.profile_id.as_deref()))
            @for field in &project.user_fields {
                @let own = user.user_data.get(&field.slug).map_or("", String::as_str);
                (field_input(field, own, profile.and_then(|p| p.fields.get(&field.slug))))
            }
            @for (key, value) in others {
                label for={ (DATA) (key) } { (key) }
                input id={ (DATA) (key) } name={ (DATA) (key) } value=(value);
            }
            label for="new_key" { "More data: its name" }
            input #new_key name="new_key" autocapitalize="none";
            label for="new_value" { "and its value" }
            input #new_value name="new_value";
            button name="action" value="change" { "Save" }
        }
    }
}

fn place_choice(user: &User, nouns: &Nouns) -> Markup {
    let all = nouns.locations.all();
    let mine: Vec<&str> = user
        .locations
        .iter()
        .filter_map(|id| nouns.locations.get(id))
        .map(|l| l.site_code.as_str())
        .collect();
    let primary = mine.first().copied().unwrap_or_default();
    html! {
        @if all.len() > PLACES_LISTED_MAX {
            label for="locations" { "Locations: site codes, the primary one first, with blanks between" }
            input #locations name="locations" value=(mine.join(" ")) autocapitalize="none" spellcheck="false";
        } @else if !all.is_empty() {
            label for="primary" { "Primary location" }
            select #primary name="primary" {
                option value="" { "none" }
                @for place in all.iter().filter(|l| !l.archived) {
                    option value=(place.site_code) selected[place.site_code == primary] { (place.name) }
                }
            }
            label for="location" { "Further locations" }
            select #location name="location" multiple {
                @for place in all.iter().filter(|l| !l.archived) {
                    @let chosen = mine.iter().skip(1).any(|code| *code == place.site_code);
                    option value=(place.site_code) selected[chosen] { (place.name) }
                }
            }
        }
    }
}

/// Which profile; nothing where the project has none.
pub fn profile_choice(project: &Project, chosen: Option<&str>) -> Markup {
    html! {
        @if !project.user_profiles.is_empty() {
            label for="profile" { "Profile" }
            select #profile name="profile" {
                option value="" { "none" }
                @for profile in &project.user_profiles {
                    option value=(profile.id) selected[chosen == Some(profile.id.as_str())] { (profile.name) }
                }
            }
        }
    }
}

/// An input for a declared field; what a profile fixes is only shown.
pub fn field_input(field: &DataField, value: &str, fixed: Option<&String>) -> Markup {
    let name = format!("{DATA}{}", field.slug);
    html! {
        label for=(name) dir="auto" { (field.shown()) @if field.required { " (needed)" } }
        @match fixed {
            Some(fixed) => { input id=(name) value=(fixed) disabled; }
            None if field.choices.is_empty() => { input id=(name) name=(name) value=(value); }
            None => {
                select id=(name) name=(name) {
                    option value="" { "–" }
                    @if !value.is_empty() && !field.choices.iter().any(|c| c == value) {
                        option value=(value) selected { (value) }
                    }
                    @for choice in &field.choices { option value=(choice) selected[choice == value] { (choice) } }
                }
            }
        }
    }
}

fn facts(project: &Project, user: &User, nouns: &Nouns) -> Markup {
    let places = user.locations.iter().filter_map(|id| nouns.locations.get(id)).map(|l| l.name.as_str());
    let groups = nouns.groups.iter().filter(|g| g.users.contains(&user.id)).map(|g| g.name.as_str());
    let places = places.collect::<Vec<_>>().join(" · ");
    let groups = groups.collect::<Vec<_>>().join(" · ");
    let profile = user.profile_id.as_deref().and_then(|id| project.profile(id));
    let mut data = user.user_data.clone();
    data.extend(profile.iter().flat_map(|p| p.fields.clone()));
    html! {
        dl .answers {
            div { dt { "Name" } dd dir="auto" { (user.first_name) " " (user.last_name) } }
            div { dt { "Locations" } dd dir="auto" { (places) } }
            div { dt { "Groups" } dd dir="auto" { (groups) } }
            @if let Some(profile) = profile { div { dt { "Profile" } dd dir="auto" { (profile.name) } } }
            @for (key, value) in &data { div { dt dir="auto" { (key) } dd dir="auto" { (value) } } }
        }
    }
}

fn end(user: &User, csrf: &Markup) -> Markup {
    html! {
        details {
            summary { "Delete this worker" }
            form .card method="post" {
                (csrf)
                p {
                    "Nobody signs in or syncs as " bdi { (user.username) } " any more. Forms and cases stay; give open "
                    "cases to somebody else first. The name can be given again."
                }
                label for="confirm" { "Type the name to confirm it" }
                input #confirm name="confirm" required autocapitalize="none" autocomplete="off" spellcheck="false";
                button name="action" value="delete" { "Delete" }
            }
        }
    }
}
