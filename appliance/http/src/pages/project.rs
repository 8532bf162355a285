//! The last forms and cases of a project.

use crate::gate::{self, Visitor};
use crate::pages::words::{case_label, case_link, form_address, person, state_label, time};
use crate::pages::{Frame, page, shown_name};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{
    Permit, Project, ReadAudit, ReadCase, ReadForm, ViewApps, ViewGroups, ViewLocations, ViewPages,
    ViewTables, ViewUsers,
};
use bolster_model::{Case, CaseId, FormRow};
use bolster_store::ReadExt;
use bolster_usecases::Appliance;
use bolster_wire::Limits;
use hyper::StatusCode;
use maud::{Markup, html};
use std::collections::HashSet;

/// Forms on one page.
const FORMS: usize = 50;
/// Cases on one page.
const CASES: usize = 50;

/// A line of the list of forms.
struct Line {
    row: FormRow,
    name: String,
    user: String,
    cases: Vec<(CaseId, Option<Case>)>,
}

/// What the page shows.
struct Shown {
    lines: Vec<Line>,
    cases: Vec<Case>,
    older: Option<u64>,
    /// Rings of cases.
    problems: usize,
}

/// `GET /a/{project}/data/`; `?before=` a log position shows what came before it.
pub async fn project(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    visitor.permit::<ViewPages>(state)?;
    visitor.permit::<ReadForm>(state)?;
    let cases = visitor.permit::<ReadCase>(state)?;
    let before = request.query("before").and_then(|v| v.parse().ok());
    let project = visitor.project.clone();
    let shown = state.blocking(move |app| shown(app, &project, &cases, before)).await?;
    Ok(render(state, &visitor, &shown, before.is_some()))
}

fn shown(
    app: &Appliance,
    project: &Project,
    permit: &Permit<ReadCase>,
    before: Option<u64>,
) -> Result<Shown, Problem> {
    let view = app.store().view();
    let recent = view.recent_forms(project.id, before, FORMS)?;
    let older = if recent.len() == FORMS { recent.last().map(|r| r.lsn) } else { None };
    let (mut lines, mut cases, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for form in recent {
        let Some(row) = view.form(project.id, &form.form_id)?.filter(|r| r.deleted.is_none()) else {
            continue;
        };
        let mut touched = Vec::new();
        for id in form.cases {
            let case = view.case(project.id, &id)?;
            if let Some(case) = &case
                && cases.len() < CASES
                && seen.insert(id.clone())
            {
                cases.push(case.clone());
            }
            touched.push((id, case));
        }
        let (name, user) = about(app, &row)?;
        lines.push(Line { row, name, user, cases: touched });
    }
    let problems = app.case_problems(permit)?.cycles.len();
    Ok(Shown { lines, cases, older, problems })
}

/// Name of a form and of who filled it in, as the form says.
fn about(app: &Appliance, row: &FormRow) -> Result<(String, String), Problem> {
    let content = app.store().form_content(row.content_lsn)?;
    let parsed = content.and_then(|c| bolster_wire::parse_form(&c.xml, &Limits::default()).ok());
    let Some(parsed) = parsed else { return Ok((String::new(), String::new())) };
    let name = parsed.name.filter(|n| !n.trim().is_empty()).unwrap_or(parsed.xmlns);
    Ok((name, parsed.meta.username.or(parsed.meta.user_id).unwrap_or_default()))
}

fn render(state: &State, visitor: &Visitor, shown: &Shown, is_older: bool) -> Reply {
    let project = &*visitor.project;
    let mut places: Vec<(&str, &str)> = Vec::new();
    if visitor.permit::<ViewUsers>(state).is_ok() {
        places.push(("people", "People"));
    }
    if visitor.permit::<ViewGroups>(state).is_ok() {
        places.push(("groups", "Groups"));
    }
    if visitor.permit::<ViewLocations>(state).is_ok() {
        places.push(("locations", "Locations"));
    }
    if visitor.permit::<ViewTables>(state).is_ok() {
        places.push(("tables", "Lookup tables"));
    }
    if visitor.permit::<ReadAudit>(state).is_ok() {
        places.push(("audit", "Acts of administration"));
    }
    let sees_apps = visitor.permit::<ViewApps>(state).is_ok();
    let content = html! {
        h1 dir="auto" { (shown_name(project)) }
        p {
            @if sees_apps { a href={ "/a/" (project.name) "/apps/" } { "Apps for phones" } " · " }
            a href={ "/a/" (project.name) "/reports/device_logs/" } { "Logs of phones" }
            @for (path, title) in places { " · " a href={ "/a/" (project.name) "/" (path) "/" } { (title) } }
        }
        @if shown.problems > 0 {
            div .mistake role="status" {
                p { a href={ "/a/" (project.name) "/data/problems/" } { "Cases that index themselves: " (shown.problems) } }
            }
        }
        @if shown.lines.is_empty() && !is_older {
            p { "No form has arrived yet. Phones of this project send theirs to" }
            p { code { "/a/" (project.name) "/receiver/" } }
        } @else {
            div .columns {
                section aria-labelledby="forms" {
                    h2 #forms { @if is_older { "Earlier forms" } @else { "Last forms" } }
                    ul .list { @for line in &shown.lines { (form_line(project, line)) } }
                    @if let Some(older) = shown.older {
                        p { a href={ "?before=" (older) } { "Earlier" } }
                    }
                }
                section aria-labelledby="cases" {
                    h2 #cases { "Cases in these forms" }
                    @if shown.cases.is_empty() { p .small { "None." } }
                    ul .list { @for case in &shown.cases { (case_line(&state.app, project, case)) } }
                }
            }
        }
    };
    let frame =
        Frame { title: shown_name(project), project: Some(project), user: Some(visitor.actor.username()) };
    page(StatusCode::OK, &frame, &content)
}

fn form_line(project: &Project, line: &Line) -> Markup {
    let name = if line.name.is_empty() { line.row.form_id.as_str() } else { &line.name };
    html! {
        li {
            a href=(form_address(project, &line.row.form_id)) dir="auto" { (name) }
            " " (state_label(line.row.state))
            div .small {
                (time(line.row.received_on))
                @if !line.user.is_empty() { " · " bdi { (line.user) } }
                @for (number, (id, case)) in line.cases.iter().enumerate() {
                    @if number == 0 { " · " } @else { ", " }
                    (case_link(project, id, case.as_ref()))
                }
            }
            @if let Some(problem) = &line.row.problem { div .small.bad dir="auto" { (problem) } }
        }
    }
}

fn case_line(app: &Appliance, project: &Project, case: &Case) -> Markup {
    html! {
        li {
            (case_link(project, &case.id, Some(case))) " " (case_label(case))
            div .small {
                bdi { (case.case_type.value) } " · " (time(case.server_modified_on))
                " · " (person(app, &case.owner_id.value))
            }
        }
    }
}
