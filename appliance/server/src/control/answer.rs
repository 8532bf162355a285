//! Answers a request on an open appliance, in the server and in a command alike.

use super::protocol::{Reply, Request, Sink};
use super::socket::Client;
use super::{apps, custom_data, people, places, search, show, upkeep};
use anyhow::Result;
use bolster_usecases::Appliance;
use serde_json::Value;

/// Who asked.
pub enum Caller<'a, 'b> {
    /// A command in another process.
    There(&'a Client),
    /// The command in this process.
    Here(&'a mut Sink<'b>),
}

impl Caller<'_, '_> {
    /// Sends a reply; false when nobody listens.
    pub fn reply(&mut self, reply: Reply) -> bool {
        match self {
            Self::There(client) => client.reply(&reply),
            Self::Here(sink) => sink(reply),
        }
    }

    /// Waits a moment for news; false when there can be none, or nobody listens.
    pub fn wait(&self) -> bool {
        match self {
            Self::There(client) => client.wait(),
            // A folder that only this command has open does not change.
            Self::Here(_) => false,
        }
    }
}

/// Answers a command of another process, to the last reply.
pub fn to_client(appliance: &Appliance, request: &Request, client: &Client) {
    let reply = match answer(appliance, request, &mut Caller::There(client)) {
        Ok(value) => Reply::Done(value),
        Err(error) => Reply::Failed(format!("{error:#}")),
    };
    client.reply(&reply);
}

/// Does what is asked; the result.
pub fn answer(appliance: &Appliance, request: &Request, caller: &mut Caller<'_, '_>) -> Result<Value> {
    match request {
        Request::ProjectCreate { name } => people::create_project(appliance, name),
        Request::ProjectList => people::list_projects(appliance),
        Request::ProjectSet { name, settings } => people::set_project(appliance, name, settings),
        Request::UserCreate(user) => people::create_user(appliance, user),
        Request::UserList { project } => people::list_users(appliance, project),
        Request::UserSetActive { project, name, active } => {
            people::set_active(appliance, project, name, *active)
        }
        Request::UserPassword { project, name, password } => {
            people::set_password(appliance, project, name, password)
        }
        Request::UserSet { project, name, change } => people::set_user(appliance, project, name, change),
        Request::UserDelete { project, name, confirm } => {
            people::delete_user(appliance, project, name, confirm)
        }
        Request::UserUndelete { project, name } => people::undelete_user(appliance, project, name),
        Request::Data { project, request } => custom_data::answer(appliance, project, request),
        Request::UserImport { project, file, check } => {
            people::import_users(appliance, project, file, *check)
        }
        Request::UserExport { project } => people::export_users(appliance, project),
        Request::UserFreeze { project, name, frozen } => people::freeze(appliance, project, name, *frozen),
        Request::ApiKeyCreate { project, user, label, limits } => {
            people::create_api_key(appliance, (project, user), label, limits)
        }
        Request::ApiKeyList { project } => people::list_api_keys(appliance, project),
        Request::ApiKeyRevoke { project, key } => people::revoke_api_key(appliance, project, key),
        Request::RoleList { project } => people::list_roles(appliance, project),
        Request::RoleSet { project, name, permissions } => {
            people::set_role(appliance, project, name, permissions)
        }
        Request::RoleDelete { project, name } => people::delete_role(appliance, project, name),
        Request::Audit { project, lines, before } => {
            people::audit(appliance, project.as_deref(), *lines, *before)
        }
        Request::AppImport { project, file, name, notes } => {
            apps::import(appliance, project, file, name.as_deref(), notes)
        }
        Request::AppList { project } => apps::list(appliance, project.as_deref()),
        Request::AppRelease { project, app, version, released, notes, location } => match location {
            Some(place) => apps::release_at(appliance, project.as_deref(), app, *version, (place, *released)),
            None => {
                apps::release(appliance, project.as_deref(), app, *version, (*released, notes.as_deref()))
            }
        },
        Request::AppDelete { project, app } => apps::delete(appliance, project.as_deref(), app),
        Request::AppSet { project, app, settings } => apps::set(appliance, project.as_deref(), app, settings),
        Request::Place { project, request } => places::answer(appliance, project, request),
        Request::FormShow { id, project, xml } => show::form(appliance, id, project.as_deref(), *xml),
        Request::CaseShow { id, project, history } => show::case(appliance, id, project.as_deref(), *history),
        Request::CaseProblems { project } => show::case_problems(appliance, project),
        Request::Search { project, queries, types, explain } => {
            search::search(appliance, project, queries, types, *explain)
        }
        Request::LogVerify => upkeep::verify_log(appliance, caller),
        Request::LogTail { lines, follow } => upkeep::tail_log(appliance, *lines, *follow, caller),
        Request::ShardsResize { count } => upkeep::resize(appliance, *count, caller),
        Request::Rebuild { name } if name.as_deref() == Some("blobs") => upkeep::collect(appliance, caller),
        Request::Rebuild { .. } => upkeep::rebuild(appliance, caller),
        Request::Lag => Ok(upkeep::lag(appliance)),
        Request::Doctor => upkeep::doctor(appliance, caller),
    }
}
