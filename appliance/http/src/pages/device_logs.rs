//! What phones logged of themselves, for all workers or for one.

use crate::gate;
use crate::pages::words::maybe_time;
use crate::pages::{Frame, page};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{Permit, ReadForm};
use bolster_model::Timestamp;
use bolster_store::ReadExt;
use bolster_usecases::Appliance;
use bolster_wire::{DeviceLog, Limits, device_log};
use hyper::StatusCode;
use maud::html;

/// Logs that are looked at, the latest first.
const LOGS_MAX: usize = 200;
/// Lines on a page.
const LINES_MAX: usize = 500;

/// One line.
struct Line {
    at: Option<Timestamp>,
    user: String,
    kind: String,
    text: String,
    device: String,
}

/// `GET /a/{project}/reports/device_logs/`; `?user=` the name or id of a worker.
pub async fn device_logs(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ReadForm>(state)?;
    let user = request.query("user").map(|u| u.trim().to_lowercase()).filter(|u| !u.is_empty());
    let wanted = user.clone();
    let lines = state.blocking(move |app| lines(app, &permit, wanted.as_deref())).await?;
    let project = &*visitor.project;
    let content = html! {
        h1 { "Logs of phones" }
        form .card method="get" {
            label for="user" { "Worker" }
            input #user name="user" value=(user.as_deref().unwrap_or_default()) autocapitalize="none";
            button { "Show" }
        }
        @if lines.is_empty() {
            p { "No phone has sent such a log. A phone sends its log when it syncs, or from its menu." }
        }
        ul .list {
            @for line in &lines {
                li {
                    span .label { (line.kind) } " " span .value dir="auto" { (line.text) }
                    div .small {
                        (maybe_time(line.at))
                        @if !line.user.is_empty() { " · " bdi { (line.user) } }
                        @if !line.device.is_empty() { " · " code { (line.device) } }
                    }
                }
            }
        }
    };
    let frame =
        Frame { title: "Logs of phones", project: Some(project), user: Some(visitor.actor.username()) };
    Ok(page(StatusCode::OK, &frame, &content))
}

fn lines(app: &Appliance, permit: &Permit<ReadForm>, wanted: Option<&str>) -> Result<Vec<Line>, Problem> {
    let project = permit.project();
    let mut logs = app.store().view().device_logs(project.id)?;
    logs.sort_by_key(|(_, lsn)| std::cmp::Reverse(*lsn));
    let account = wanted.and_then(|name| app.auth().find_user(project, name));
    let id = account.map(|user| user.id.clone());
    let is_wanted = |line: &Line| match wanted {
        None => true,
        Some(name) => {
            let bare = line.user.split('@').next().unwrap_or_default();
            line.user.eq_ignore_ascii_case(name) || bare == name || Some(&line.user) == id.as_ref()
        }
    };
    let mut lines = Vec::new();
    for (_, lsn) in logs.into_iter().take(LOGS_MAX) {
        let Some(content) = app.store().form_content(lsn)? else { continue };
        // What was received was read once already.
        let Ok(log) = device_log(&content.xml, &Limits::default()) else { continue };
        lines.extend(lines_of(app, log).into_iter().filter(is_wanted));
        if lines.len() >= LINES_MAX {
            break;
        }
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.at));
    lines.truncate(LINES_MAX);
    Ok(lines)
}

fn lines_of(app: &Appliance, log: DeviceLog) -> Vec<Line> {
    let device = log.device_id.unwrap_or_default();
    let line = |at, user: String, kind: &str, text: String| Line {
        at,
        user,
        kind: kind.to_owned(),
        text,
        device: device.clone(),
    };
    let name_of = |id: String| app.auth().user(&id).map_or(id, |user| user.username.clone());
    let mut lines = Vec::new();
    for entry in log.logs {
        let user = entry.username.or(entry.user_id.map(name_of)).unwrap_or_default();
        lines.push(line(entry.date, user, &entry.kind, entry.msg));
    }
    for entry in log.user_errors {
        lines.push(line(
            entry.date,
            name_of(entry.user_id),
            "user error",
            format!("{} {}", entry.msg, entry.expr),
        ));
    }
    for entry in log.force_closes {
        let text = format!("{} ({} {})", entry.msg, entry.device_model, entry.android_version);
        lines.push(line(entry.date, name_of(entry.user_id), "crash", text));
    }
    lines
}
