//! Projects, users, keys: the operator asks, the use cases decide.

use super::places::{contents, counts_json, file_json};
use super::protocol::NewUser;
use anyhow::{Context, Result};
use bolster_auth::permissions::preset_role;
use bolster_auth::{Administer, EditUsers, Member, Password, Permission, Permit, Project, Role, User};
use bolster_model::ProjectId;
use bolster_usecases::admin::api_keys::KeyLimits;
use bolster_usecases::admin::audit::AuditLine;
use bolster_usecases::admin::import::ImportHow;
use bolster_usecases::admin::workers::UserChange;
use bolster_usecases::{Appliance, admin};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Who the audit trail names.
pub const OPERATOR: &str = "command line";

/// The project of a name.
pub fn project(appliance: &Appliance, name: &str) -> Result<Arc<Project>> {
    appliance.auth().project_named(name).with_context(|| format!("there is no project {name}"))
}

/// The name of a project; its id when it has none any more; nothing for the node itself.
pub fn name_of(appliance: &Appliance, project: ProjectId) -> String {
    match appliance.auth().project(project) {
        Some(found) => found.name.clone(),
        None if project == ProjectId::ZERO => String::new(),
        None => project.to_string(),
    }
}

/// `project create`
pub fn create_project(appliance: &Appliance, name: &str) -> Result<Value> {
    let permit = appliance.auth().operator_node_permit(OPERATOR);
    let project = appliance.create_project(&permit, name)?;
    Ok(project_json(&project))
}

/// `project list`
pub fn list_projects(appliance: &Appliance) -> Result<Value> {
    let projects: Vec<Value> = appliance.auth().projects().iter().map(|p| project_json(p)).collect();
    Ok(json!({ "projects": projects }))
}

/// `project set`
pub fn set_project(appliance: &Appliance, name: &str, settings: &[(String, String)]) -> Result<Value> {
    let permit: Permit<Administer> = appliance.auth().operator_permit(OPERATOR, &project(appliance, name)?);
    let project = appliance.set_project(&permit, settings)?;
    Ok(project_json(&project))
}

fn project_json(project: &Project) -> Value {
    json!({
        "id": project.id.to_string(),
        "name": project.name,
        "settings": {
            "display_name": project.display_name,
            "timezone": project.timezone,
            "active": project.active,
            "secure_submissions": project.secure_submissions,
            "auto_close_extensions": project.auto_close_extensions,
            "case_attachments": project.case_attachments,
            "forbid_user_mismatch": project.forbid_user_mismatch,
            "ignore_practice_submissions": project.ignore_practice_submissions,
            "maintenance": project.maintenance,
            "strong_passwords": project.strong_passwords,
            "digest_auth": project.digest_auth,
            "case_search": project.case_search,
            "case_search_more": project.case_search_more,
            "fuzzy_properties": project.fuzzy_properties,
            "fuzzy_prefix_length": project.fuzzy_prefix_length,
            "ignore_patterns": project.ignore_patterns,
        },
        "created_at": project.created_at.to_string(),
    })
}

fn people_permit(appliance: &Appliance, name: &str) -> Result<Permit<EditUsers>> {
    Ok(appliance.auth().operator_permit(OPERATOR, &project(appliance, name)?))
}

/// `user create`
pub fn create_user(appliance: &Appliance, new: &NewUser) -> Result<Value> {
    let permit = people_permit(appliance, &new.project)?;
    let user = appliance.create_user(
        &permit,
        &admin::users::NewUser {
            name: new.name.clone(),
            web: new.web,
            admin: new.admin,
            server_admin: false,
            role: new.role.clone(),
            data: new.data.clone(),
            locations: new.locations.clone(),
            groups: new.groups.clone(),
            profile: new.profile.clone(),
            practice: false,
            id: None,
            password: Some(Password::new(new.password.clone())),
        },
    )?;
    Ok(json!({ "id": user.id, "username": user.wire_name(&new.project) }))
}

/// `user list`
pub fn list_users(appliance: &Appliance, name: &str) -> Result<Value> {
    let project = project(appliance, name)?;
    let users: Vec<Value> =
        appliance.auth().members(project.id).iter().map(|m| member_json(m, name)).collect();
    Ok(json!({ "users": users }))
}

fn member_json(member: &Member, project: &str) -> Value {
    let user: &User = &member.user;
    let (kind, admin, role, active) = match &member.membership {
        Some(membership) => ("web", membership.is_admin, &membership.role, membership.active && user.active),
        None => ("mobile", false, &user.role, user.active),
    };
    let role = match role {
        _ if admin => "admin",
        Some(id) => preset_role(id).map_or(id.as_str(), |role| role.name),
        None => "",
    };
    json!({
        "id": user.id,
        "username": user.username,
        "wire_name": user.wire_name(project),
        "kind": kind,
        "role": role,
        "active": if active { "active" } else { "inactive" },
        "profile": member.membership.as_ref().map_or(&user.profile_id, |m| &m.profile_id),
        "data": member.membership.as_ref().map_or(&user.user_data, |m| &m.user_data),
    })
}

/// `user activate`, `user deactivate`
pub fn set_active(appliance: &Appliance, project: &str, name: &str, active: bool) -> Result<Value> {
    let permit = people_permit(appliance, project)?;
    appliance.set_user_active(&permit, name, active)?;
    Ok(json!({ "username": name, "active": active }))
}

/// `user delete`
pub fn delete_user(appliance: &Appliance, project: &str, name: &str, confirm: &str) -> Result<Value> {
    let cases = appliance.delete_user(&people_permit(appliance, project)?, name, confirm)?;
    Ok(json!({ "username": name, "open_cases": cases }))
}

/// `user undelete`
pub fn undelete_user(appliance: &Appliance, project: &str, name: &str) -> Result<Value> {
    let user = appliance.undelete_worker(&people_permit(appliance, project)?, name)?;
    Ok(json!({ "id": user.id, "username": user.username }))
}

/// `user password`
pub fn set_password(appliance: &Appliance, project: &str, name: &str, password: &str) -> Result<Value> {
    let permit = people_permit(appliance, project)?;
    appliance.set_password(&permit, name, &Password::new(password))?;
    Ok(json!({ "username": name }))
}

/// `api-key create`
pub fn create_api_key(
    appliance: &Appliance,
    (project, user): (&str, &str),
    label: &str,
    limits: &KeyLimits,
) -> Result<Value> {
    let permit = people_permit(appliance, project)?;
    let label = if label.is_empty() { OPERATOR } else { label };
    let key = appliance.create_api_key(&permit, user, label, limits)?;
    Ok(json!({ "key": key, "username": user }))
}

/// `api-key list`
pub fn list_api_keys(appliance: &Appliance, project: &str) -> Result<Value> {
    let keys = appliance.api_keys(&people_permit(appliance, project)?);
    let json = |(user, key): &(Arc<User>, Arc<bolster_auth::ApiKey>)| {
        json!({
            "id": key.id,
            "username": user.username,
            "begins": key.shown,
            "name": key.name,
            "active": if key.active { "active" } else { "revoked" },
            "created_at": key.created_at.to_string(),
        })
    };
    Ok(json!({ "keys": keys.iter().map(json).collect::<Vec<_>>() }))
}

/// `api-key revoke`
pub fn revoke_api_key(appliance: &Appliance, project: &str, key: &str) -> Result<Value> {
    appliance.revoke_api_key(&people_permit(appliance, project)?, key)?;
    Ok(json!({ "key": key }))
}

/// `role list`
pub fn list_roles(appliance: &Appliance, name: &str) -> Result<Value> {
    let permit = appliance.auth().operator_permit(OPERATOR, &project(appliance, name)?);
    let json = |role: Role| {
        let permissions: Vec<&str> = role.permissions.list().map(Permission::name).collect();
        json!({ "id": role.id, "name": role.name, "permissions": permissions })
    };
    Ok(json!({ "roles": appliance.roles(&permit).into_iter().map(json).collect::<Vec<_>>() }))
}

/// `role set`
pub fn set_role(appliance: &Appliance, of: &str, name: &str, permissions: &[String]) -> Result<Value> {
    let permit = appliance.auth().operator_permit(OPERATOR, &project(appliance, of)?);
    Ok(json!({ "id": appliance.put_role(&permit, name, permissions)?, "name": name }))
}

/// `role delete`
pub fn delete_role(appliance: &Appliance, of: &str, name: &str) -> Result<Value> {
    let permit = appliance.auth().operator_permit(OPERATOR, &project(appliance, of)?);
    appliance.delete_role(&permit, name)?;
    Ok(json!({ "name": name }))
}

/// `audit`
pub fn audit(appliance: &Appliance, of: Option<&str>, lines: usize, before: Option<u64>) -> Result<Value> {
    let lines = match of {
        Some(of) => {
            let permit = appliance.auth().operator_permit(OPERATOR, &project(appliance, of)?);
            appliance.audit_trail(&permit, before, lines)?
        }
        None => {
            appliance.node_audit_trail(&appliance.auth().operator_node_permit(OPERATOR), before, lines)?
        }
    };
    let json = |line: AuditLine| {
        json!({
            "lsn": line.lsn,
            "at": line.time().to_string(),
            "actor": line.actor,
            "action": line.action,
            "kind": line.kind,
            "id": line.id,
            "changed": line.changed,
        })
    };
    Ok(json!({ "acts": lines.into_iter().map(json).collect::<Vec<_>>() }))
}

/// `user set`
pub fn set_user(appliance: &Appliance, project: &str, name: &str, change: &UserChange) -> Result<Value> {
    appliance.change_worker(&people_permit(appliance, project)?, name, change)?;
    Ok(json!({ "username": name }))
}

/// `user import`
pub fn import_users(appliance: &Appliance, project: &str, file: &Path, check: bool) -> Result<Value> {
    let how = ImportHow { check, replace: false };
    let counts = appliance.import_workers(&people_permit(appliance, project)?, contents(file)?, how)?;
    Ok(json!({ "checked_only": check, "users": counts_json(counts) }))
}

/// `user export`
pub fn export_users(appliance: &Appliance, name: &str) -> Result<Value> {
    let permit = appliance.auth().operator_permit(OPERATOR, &project(appliance, name)?);
    Ok(file_json(&appliance.export_workers(&permit)?))
}

/// `user freeze`, `user unfreeze`
pub fn freeze(appliance: &Appliance, project: &str, name: &str, frozen: bool) -> Result<Value> {
    let permit = people_permit(appliance, project)?;
    if frozen {
        appliance.freeze_restore(&permit, name)?;
    } else {
        appliance.unfreeze_restore(&permit, name)?;
    }
    Ok(json!({ "username": name, "frozen": frozen }))
}
