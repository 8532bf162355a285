//! Who did what in the administration of a project.

use crate::gate;
use crate::pages::words::time;
use crate::pages::{Frame, page};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{Project, ReadAudit};
use bolster_usecases::Appliance;
use bolster_usecases::admin::audit::AuditLine;
use hyper::StatusCode;
use maud::{Markup, html};

/// Lines on one page.
const LINES: usize = 100;

/// `GET /a/{project}/audit/`; `?before=` a log position shows what came before it.
pub async fn audit(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ReadAudit>(state)?;
    let before = request.query("before").and_then(|v| v.parse().ok());
    let lines = state.blocking(move |app| Ok(app.audit_trail(&permit, before, LINES)?)).await?;
    let older = if lines.len() == LINES { lines.last().map(|line| line.lsn) } else { None };
    let project = &*visitor.project;
    let content = html! {
        h1 { "Acts of administration" }
        p .small { "The latest first. Nothing here can be changed or removed." }
        @if lines.is_empty() { p { "There are none that are older." } }
        ul .list { @for line in &lines { (shown(&state.app, project, line)) } }
        @if let Some(older) = older { p { a href={ "?before=" (older) } { "Earlier" } } }
    };
    let frame = Frame {
        title: "Acts of administration",
        project: Some(project),
        user: Some(visitor.actor.username()),
    };
    Ok(page(StatusCode::OK, &frame, &content))
}

fn shown(app: &Appliance, project: &Project, line: &AuditLine) -> Markup {
    let about = match line.kind.as_str() {
        "user" | "credential" | "membership" => app.auth().user(&line.id).map(|user| user.username.clone()),
        "form" | "case" => Some(line.id.clone()),
        "project_name" => Some(line.id.clone()),
        _ => None,
    };
    // People are named by id where an act came with a form or a case.
    let actor = app.auth().user(&line.actor).map_or(line.actor.clone(), |user| user.username.clone());
    html! {
        li {
            (line.action)
            @if let Some(about) = about {
                " " @match line.kind.as_str() {
                    "form" => a href={ "/a/" (project.name) "/reports/form_data/" (about) "/" } { bdi { (about) } },
                    "case" => a href={ "/a/" (project.name) "/reports/case_data/" (about) "/" } { bdi { (about) } },
                    _ => bdi { (about) },
                }
            }
            @if !line.changed.is_empty() { ": " bdi { (line.changed.join(", ")) } }
            div .small { (time(line.time())) " · " bdi { (actor) } }
        }
    }
}
