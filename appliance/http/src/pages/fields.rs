//! Fields of user data, and profiles that fix some of them.

use crate::gate;
use crate::pages::manage::{Outcome, Posted, allowed, csrf, needed, outcome, show};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{DataField, EditUsers, Permit, Profile, ViewUsers};
use bolster_usecases::Appliance;
use maud::{Markup, html};

/// `GET /a/{project}/people/fields/`, and what its forms do.
pub async fn fields(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    visitor.permit::<ViewUsers>(state)?;
    let edit = allowed(visitor.permit::<EditUsers>(state))?;
    let mut came = None;
    if !request.reads() {
        let permit = needed(edit.clone())?;
        let posted = Posted::read(state, request).await?;
        came = Some(state.blocking(move |app| act(app, &permit, &posted)).await?);
    }
    let project = state.app.auth().project(visitor.project.id).unwrap_or_else(|| visitor.project.clone());
    let csrf = csrf(state, request).await?;
    let may = edit.is_some().then_some(&csrf);
    let content = html! {
        p .small { "Data that each worker has besides a name, for apps and reports. Apps read it of the session's user." }
        @if project.user_fields.is_empty() { p { "No field is declared yet." } }
        ul .list { @for field in &project.user_fields { (field_line(field, may)) } }
        @if edit.is_some() {
            h2 #new-field { "A new field" }
            form .card method="post" aria-labelledby="new-field" { (csrf) (field_form(&DataField::default())) }
        }
        h2 { "Profiles" }
        p .small { "A profile fixes values of fields for all who have it." }
        @if project.user_profiles.is_empty() { p { "There is no profile yet." } }
        ul .list {
            @for profile in &project.user_profiles { (profile_line(&project.user_fields, profile, may)) }
        }
        @if edit.is_some() && !project.user_fields.is_empty() {
            h2 #new-profile { "A new profile" }
            form .card method="post" aria-labelledby="new-profile" {
                (csrf)
                label for="profile" { "Name" }
                input #profile name="profile" required;
                (values(&project.user_fields, &Profile::default()))
                button name="action" value="put_profile" { "Save" }
            }
        }
    };
    Ok(show(request, &visitor, "Fields and profiles", came.as_ref(), &content))
}

fn act(app: &Appliance, permit: &Permit<EditUsers>, posted: &Posted) -> Result<Outcome, Problem> {
    match posted.text("action").as_str() {
        "put_field" => {
            let choices = posted.text("choices");
            let field = DataField {
                slug: posted.text("slug"),
                label: posted.text("label"),
                required: posted.ticked("required"),
                required_web: posted.ticked("required_web"),
                choices: choices
                    .lines()
                    .map(str::trim)
                    .filter(|c| !c.is_empty())
                    .map(str::to_owned)
                    .collect(),
                pattern: posted.text("pattern"),
                pattern_message: posted.text("pattern_message"),
            };
            outcome(app.put_user_field(permit, &field))
        }
        "remove_field" => outcome(app.remove_user_field(permit, &posted.text("slug"))),
        "put_profile" => {
            let values = posted.beginning("data:").collect();
            outcome(app.put_profile(permit, &posted.text("profile"), &values))
        }
        "remove_profile" => outcome(app.remove_profile(permit, &posted.text("profile"))),
        _ => Err(Problem::BadRequest("this page has no such form".to_owned())),
    }
}

fn field_line(field: &DataField, csrf: Option<&Markup>) -> Markup {
    html! {
        li {
            strong dir="auto" { (field.shown()) } " " code { (field.slug) } " "
            @if field.required { span .label { "needed" } " " }
            @if field.required_web { span .label { "needed of web users" } " " }
            @if !field.choices.is_empty() { div .small dir="auto" { (field.choices.join(" · ")) } }
            @if !field.pattern.is_empty() { div .small { code { (field.pattern) } " " (field.pattern_message) } }
            @if let Some(csrf) = csrf {
                details {
                    summary { "Change" }
                    form .card method="post" {
                        (csrf)
                        (field_form(field))
                    }
                    form .row method="post" {
                        (csrf)
                        input type="hidden" name="slug" value=(field.slug);
                        button name="action" value="remove_field" { "Remove the field" }
                    }
                }
            }
        }
    }
}

fn field_form(field: &DataField) -> Markup {
    let id = |name: &str| format!("{name}-{}", field.slug);
    let is_new = field.slug.is_empty();
    html! {
        @if is_new {
            label for=(id("slug")) { "Key, as apps read it" }
            input id=(id("slug")) name="slug" required autocapitalize="none" spellcheck="false";
        } @else {
            input type="hidden" name="slug" value=(field.slug);
        }
        label for=(id("label")) { "Name, as people see it" }
        input id=(id("label")) name="label" value=(field.label);
        label .tick { input type="checkbox" name="required" value="yes" checked[field.required]; " Every mobile worker needs it" }
        label .tick {
            input type="checkbox" name="required_web" value="yes" checked[field.required_web];
            " Every web user needs it"
        }
        label for=(id("choices")) { "Possible values, one on each line; none: any" }
        textarea id=(id("choices")) name="choices" rows="3" { (field.choices.join("\n")) }
        label for=(id("pattern")) { "or a regular expression that must be found in it" }
        input id=(id("pattern")) name="pattern" value=(field.pattern) spellcheck="false";
        label for=(id("message")) { "What to say when it is not" }
        input id=(id("message")) name="pattern_message" value=(field.pattern_message);
        button name="action" value="put_field" { "Save" }
    }
}

fn values(fields: &[DataField], profile: &Profile) -> Markup {
    html! {
        @for field in fields {
            @let id = format!("{}-{}", profile.id, field.slug);
            @let value = profile.fields.get(&field.slug).map_or("", String::as_str);
            label for=(id) dir="auto" { (field.shown()) }
            @if field.choices.is_empty() {
                input id=(id) name={ "data:" (field.slug) } value=(value);
            } @else {
                select id=(id) name={ "data:" (field.slug) } {
                    option value="" { "not fixed" }
                    @for choice in &field.choices { option value=(choice) selected[choice == value] { (choice) } }
                }
            }
        }
    }
}

fn profile_line(fields: &[DataField], profile: &Profile, csrf: Option<&Markup>) -> Markup {
    let fixed: Vec<String> = profile.fields.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    html! {
        li {
            strong dir="auto" { (profile.name) }
            div .small dir="auto" { (fixed.join(" · ")) }
            @if let Some(csrf) = csrf {
                details {
                    summary { "Change" }
                    form .card method="post" {
                        (csrf)
                        input type="hidden" name="profile" value=(profile.id);
                        (values(fields, profile))
                        button name="action" value="put_profile" { "Save" }
                        button name="action" value="remove_profile" { "Remove the profile" }
                    }
                }
            }
        }
    }
}
