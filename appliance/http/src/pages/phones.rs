//! The phones of a project: what each last said of itself.

use crate::gate;
use crate::pages::words::time;
use crate::pages::{Frame, page};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{Project, ViewUsers};
use bolster_model::Timestamp;
use bolster_usecases::Appliance;
use bolster_usecases::phone_calls::DeviceStatus;
use hyper::StatusCode;
use maud::{Markup, html};

/// Phones on a page, those last heard of first.
const DEVICES_MAX: usize = 500;

/// `GET /a/{project}/people/devices/`.
pub async fn phones(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ViewUsers>(state)?;
    let devices = state.blocking(move |app| Ok(app.devices(&permit)?)).await?;
    let project = &*visitor.project;
    let content = html! {
        h1 { "Phones" }
        p .small { "What each phone said when it last asked for updates. It asks about once a day." }
        p { a href={ "/a/" (project.name) "/reports/device_logs/" } { "Logs of phones" } }
        (devices_list(&state.app, project, &devices, true))
    };
    let frame = Frame { title: "Phones", project: Some(project), user: Some(visitor.actor.username()) };
    Ok(page(StatusCode::OK, &frame, &content))
}

/// Phones, those last heard of first.
pub fn devices_list(app: &Appliance, project: &Project, devices: &[DeviceStatus], with_user: bool) -> Markup {
    let mut devices: Vec<&DeviceStatus> = devices.iter().collect();
    devices.sort_by_key(|d| std::cmp::Reverse(d.at));
    html! {
        @if devices.is_empty() { p { "No phone has said anything of itself yet." } }
        ul .list { @for device in devices.iter().take(DEVICES_MAX) { (line(app, project, device, with_user)) } }
        @if devices.len() > DEVICES_MAX { p .small { "Only the last " (DEVICES_MAX) " are shown." } }
    }
}

fn line(app: &Appliance, project: &Project, device: &DeviceStatus, with_user: bool) -> Markup {
    let user = app.auth().user(&device.user_id);
    let name = user.as_ref().map_or(device.user_id.as_str(), |u| u.username.as_str());
    let said = &device.said;
    let known = app.app(project.id, &app.app_of_submission(project.id, &said.build_id).0).ok().flatten();
    let app_name = known.as_ref().map_or(said.app_id.as_str(), |a| a.name.as_str());
    let newest = known.as_ref().and_then(|a| a.newest(true));
    let is_old = newest.is_some_and(|v| said.app_version.parse::<u32>().is_ok_and(|its| its < v));
    let count = |text: &str| text.parse::<u64>().unwrap_or(0);
    html! {
        li {
            code { (said.device_id) } " "
            @if is_old { span .label { "older version" } " " }
            @if count(&said.unsent_forms) > 0 { span .label.bad { (said.unsent_forms) " forms not sent" } " " }
            @if count(&said.quarantined_forms) > 0 {
                span .label.bad { (said.quarantined_forms) " forms put aside" }
            }
            div .small {
                @if with_user {
                    a href={ "/a/" (project.name) "/reports/device_logs/?user=" (name) } { bdi { (name) } } " · "
                }
                (time(Timestamp(device.at)))
                @if !app_name.is_empty() { " · " bdi { (app_name) } " version " (said.app_version) }
                @if !said.commcare_version.is_empty() { " · CommCare " (said.commcare_version) }
                @if !said.last_sync.is_empty() { " · last sync by its clock " (said.last_sync) }
            }
        }
    }
}
