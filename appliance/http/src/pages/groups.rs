//! Groups of mobile workers.

use crate::gate;
use crate::pages::manage::{Outcome, Posted, allowed, csrf, needed, outcome, show};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{EditGroups, Permit, ViewGroups};
use bolster_usecases::Appliance;
use bolster_usecases::admin::groups::GroupChange;
use bolster_usecases::nouns::Group;
use maud::{Markup, html};

/// `GET /a/{project}/groups/`, and what its forms do.
pub async fn groups(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    visitor.permit::<ViewGroups>(state)?;
    let edit = allowed(visitor.permit::<EditGroups>(state))?;
    let mut came = None;
    if !request.reads() {
        let permit = needed(edit.clone())?;
        let posted = Posted::read(state, request).await?;
        came = Some(state.blocking(move |app| act(app, &permit, &posted)).await?);
    }
    let project = visitor.project.clone();
    let nouns = state.blocking(move |app| Ok(app.nouns(project.id)?)).await?;
    let csrf = csrf(state, request).await?;
    let content = html! {
        p .small { "Members of a group that shares cases all get the cases that it owns." }
        @if nouns.groups.is_empty() { p { "There is no group yet." } }
        ul .list {
            @for group in &nouns.groups { (line(&state.app, group, edit.is_some().then_some(&csrf))) }
        }
        @if edit.is_some() {
            h2 #new { "A new group" }
            form .card method="post" aria-labelledby="new" {
                (csrf)
                label for="name" { "Name" }
                input #name name="name" required;
                label .tick { input type="checkbox" name="case_sharing" value="yes"; " Members share its cases" }
                button name="action" value="create" { "Create" }
            }
        }
    };
    Ok(show(request, &visitor, "Groups", came.as_ref(), &content))
}

fn act(app: &Appliance, permit: &Permit<EditGroups>, posted: &Posted) -> Result<Outcome, Problem> {
    let mut change = GroupChange { name: posted.text("name"), ..GroupChange::default() };
    match posted.text("action").as_str() {
        "create" => {
            change.case_sharing = Some(posted.ticked("case_sharing"));
            change.reporting = Some(true);
            outcome(app.create_group(permit, &change))
        }
        "add" => {
            change.add = posted.all("user");
            outcome(app.change_group(permit, &change))
        }
        "remove" => {
            change.remove = posted.all("user");
            outcome(app.change_group(permit, &change))
        }
        "share" => {
            change.case_sharing = Some(posted.ticked("case_sharing"));
            outcome(app.change_group(permit, &change))
        }
        "delete" => outcome(app.delete_group(permit, &change.name)),
        _ => Err(Problem::BadRequest("this page has no such form".to_owned())),
    }
}

fn line(app: &Appliance, group: &Group, csrf: Option<&Markup>) -> Markup {
    let members: Vec<String> =
        group.users.iter().filter_map(|id| app.auth().user(id)).map(|u| u.username.clone()).collect();
    html! {
        li {
            bdi { strong { (group.name) } } " "
            @if group.case_sharing { span .label { "shares cases" } }
            div .small dir="auto" {
                @if members.is_empty() { "Nobody is in it." } @else { (members.join(" · ")) }
            }
            @if let Some(csrf) = csrf {
                details {
                    summary { "Change" }
                    form .row method="post" {
                        (csrf)
                        input type="hidden" name="name" value=(group.id);
                        label for={ "u-" (group.id) } { "Mobile worker" }
                        input id={ "u-" (group.id) } name="user" required autocapitalize="none";
                        button name="action" value="add" { "Bring in" } " "
                        button name="action" value="remove" { "Take out" }
                    }
                    form .row method="post" {
                        (csrf)
                        input type="hidden" name="name" value=(group.id);
                        @if !group.case_sharing { input type="hidden" name="case_sharing" value="yes"; }
                        button name="action" value="share" {
                            @if group.case_sharing { "Share no cases" } @else { "Share cases" }
                        } " "
                        button .bad name="action" value="delete" { "Delete the group" }
                    }
                }
            }
        }
    }
}
