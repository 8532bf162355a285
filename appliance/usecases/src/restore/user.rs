//! Whose restore it is: owners, locations, user data, and who may act for whom.

use super::RestoreError;
use crate::Appliance;
use crate::nouns::Nouns;
use bolster_auth::{Actor, ActorKind, Permission, Permit, Project, RestoreData, User};
use bolster_model::Timestamp;
use std::collections::BTreeMap;

/// Word in a worker's list of those who may log in as him: anybody with the permission for it.
const ANYBODY: &str = "default";
/// Custom data that lists who may log in as a worker.
const LOGIN_AS_USER: &str = "login_as_user";

/// The user of a restore.
#[derive(Clone, Debug)]
pub struct RestoreUser {
    /// Id, the first of the owner ids.
    pub id: String,
    /// As typed at login.
    pub username: String,
    /// Day of the account.
    pub since: Timestamp,
    /// Assigned locations, the first is the primary one.
    pub locations: Vec<String>,
    /// Who shares cases: id and name.
    pub sharing: Vec<(String, String)>,
    /// Owner ids, sorted.
    pub owners: Vec<String>,
    /// What the app sees, sorted by key.
    pub data: Vec<(String, String)>,
    /// Web user: sees no rows that are assigned to somebody.
    pub is_web: bool,
    /// Who asked, when that is another.
    pub asked_by: Option<String>,
}

impl Appliance {
    pub(crate) fn restore_user(
        &self,
        permit: &Permit<RestoreData>,
        nouns: &Nouns,
        as_user: Option<&str>,
    ) -> Result<RestoreUser, RestoreError> {
        let (actor, project) = (permit.actor(), permit.project());
        let user = match as_user.filter(|name| !name.is_empty()) {
            Some(name) => self.login_as(actor, project, nouns, name)?,
            None => self.auth().user(actor.user_id()).ok_or_else(|| RestoreError::NotAs {
                reason: format!("{} cannot restore", actor.username()),
            })?,
        };
        let (locations, custom, profile) = self.assignment(project, &user);
        let is_web = user.is_web();
        let sharing = if is_web { Vec::new() } else { nouns.sharing(&user.id, &locations) };
        let mut owners: Vec<String> = sharing.iter().map(|(id, _)| id.clone()).collect();
        owners.push(user.id.clone());
        owners.sort();
        owners.dedup();
        let asked_by = (user.id != actor.user_id()).then(|| actor.user_id().to_owned());
        let data = user_data(project, &user, (custom, profile), &locations);
        Ok(RestoreUser {
            id: user.id.clone(),
            username: user.username.clone(),
            since: user.created_at,
            locations,
            sharing,
            owners,
            data,
            is_web,
            asked_by,
        })
    }

    /// Locations, custom data and id of the profile of a user in a project.
    fn assignment(
        &self,
        project: &Project,
        user: &User,
    ) -> (Vec<String>, BTreeMap<String, String>, Option<String>) {
        if !user.is_web() {
            return (user.locations.clone(), user.user_data.clone(), user.profile_id.clone());
        }
        let members = self.auth().members(project.id);
        let membership = members.iter().find(|m| m.user.id == user.id).and_then(|m| m.membership.clone());
        membership.map_or_else(Default::default, |m| {
            (m.locations.clone(), m.user_data.clone(), m.profile_id.clone())
        })
    }

    fn login_as(
        &self,
        actor: &Actor,
        project: &Project,
        nouns: &Nouns,
        name: &str,
    ) -> Result<std::sync::Arc<User>, RestoreError> {
        let no = |reason: String| Err(RestoreError::NotAs { reason });
        let Some(target) = self.auth().find_user(project, name).filter(|u| u.active) else {
            return no(format!("there is no user {name} here"));
        };
        if target.is_web() && !self.auth().members(project.id).iter().any(|m| m.user.id == target.id) {
            return no(format!("{name} was not in the domain {}", project.name));
        }
        if target.id == actor.user_id() || actor.is_server_admin() {
            return Ok(target);
        }
        if !actor.has(Permission::AccessAllLocations) {
            let mine = self.auth().user(actor.user_id()).map(|me| self.assignment(project, &me).0);
            let mine = mine.unwrap_or_default();
            let theirs = self.assignment(project, &target).0;
            let allowed = theirs
                .iter()
                .filter_map(|id| nouns.locations.get(id))
                .any(|location| nouns.locations.lineage(location).any(|above| mine.contains(&above.id)));
            if !allowed {
                return no(format!("{name} is not in allowed locations"));
            }
        }
        let full = actor.is_admin()
            || actor.has(Permission::LoginAsAllUsers)
            || actor.has(Permission::EditCommcareUsers);
        if full {
            return Ok(target);
        }
        if actor.kind() == ActorKind::WebUser && actor.has(Permission::LimitedLoginAs) {
            let listed = target.user_data.get(LOGIN_AS_USER).map(|l| l.to_lowercase()).unwrap_or_default();
            let by_default = actor.has(Permission::AccessDefaultLoginAsUser);
            let named =
                |word: &str| word == actor.username().to_lowercase() || (by_default && word == ANYBODY);
            if listed.split_whitespace().any(named) {
                return Ok(target);
            }
            return no(format!("{name} is not available as login-as user"));
        }
        no(format!("{} does not have permission to restore as {name}", actor.username()))
    }
}

/// What the app sees of its user; later entries win.
///
/// Source: docs/formats/restore.md, user data.
fn user_data(
    project: &Project,
    user: &User,
    (custom, profile): (BTreeMap<String, String>, Option<String>),
    locations: &[String],
) -> Vec<(String, String)> {
    let mut data: BTreeMap<String, String> =
        project.user_fields.iter().map(|field| (field.slug.clone(), String::new())).collect();
    if user.practice {
        data.insert("user_type".into(), "demo".into());
    }
    data.extend(custom);
    if let Some(profile) = profile.and_then(|id| project.profile(&id)) {
        data.extend(profile.fields.clone());
        data.insert("commcare_profile".into(), profile.id.clone());
    }
    data.insert("commcare_project".into(), project.name.clone());
    if let Some(primary) = locations.first() {
        data.insert("commcare_location_id".into(), primary.clone());
        data.insert("commcare_location_ids".into(), locations.join(" "));
        data.insert("commcare_primary_case_sharing_id".into(), primary.clone());
    }
    data.insert("commcare_first_name".into(), user.first_name.clone());
    data.insert("commcare_last_name".into(), user.last_name.clone());
    data.insert("commcare_phone_number".into(), user.phone_numbers.first().cloned().unwrap_or_default());
    data.insert("commcare_user_type".into(), if user.is_web() { "web" } else { "commcare" }.into());
    data.into_iter().collect()
}
