//! One mobile worker: changed, deleted, brought back.

use super::custom_data::FieldRules;
use super::{Act, AdminError};
use crate::nouns::{self, Nouns};
use crate::{Appliance, DocumentFact};
use bolster_auth::{ApiKey, EditUsers, Permit, User, kind};
use bolster_model::{CaseId, ProjectId};
use bolster_store::ReadExt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is to be changed of a mobile worker; `None` and absent keys leave what is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UserChange {
    /// Site codes or ids of locations, the primary one first.
    pub locations: Option<Vec<String>>,
    /// Names or ids of the groups that the worker is in.
    pub groups: Option<Vec<String>>,
    /// Name or id of a role.
    pub role: Option<String>,
    /// Name or id of a profile; empty: none.
    pub profile: Option<String>,
    /// Custom data; an empty value removes.
    pub data: BTreeMap<String, String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Language code.
    pub language: Option<String>,
    /// Phone numbers, the default one first.
    pub phone_numbers: Option<Vec<String>>,
    /// May sign in.
    pub active: Option<bool>,
}

/// Longest name, address or number, in characters.
const TEXT_CHARS_MAX: usize = 255;
/// Cases of a worker that are counted.
pub const CASES_COUNTED_MAX: usize = 10_000;

impl Appliance {
    /// The mobile worker of a name.
    pub(super) fn worker_named(
        &self,
        permit: &Permit<EditUsers>,
        name: &str,
    ) -> Result<Arc<User>, AdminError> {
        let project = permit.project();
        let found = self.auth().find_user(project, name).filter(|u| u.project == Some(project.id));
        found.ok_or_else(|| AdminError::Missing { what: "mobile worker", name: name.to_owned() })
    }

    /// Changes a mobile worker.
    pub fn change_worker(
        &self,
        permit: &Permit<EditUsers>,
        name: &str,
        change: &UserChange,
    ) -> Result<(), AdminError> {
        let _turn = self.admin_turn();
        // As it is now: somebody may just have changed the fields.
        let project = self.auth().project(permit.project().id).unwrap_or_else(|| permit.project().clone());
        let before = self.worker_named(permit, name)?;
        self.check_rank(permit, &before, false)?;
        let nouns = self.nouns(project.id)?;
        let rules = FieldRules::new(&project.user_fields)?;
        let after = self.changed_worker(permit, (&nouns, &rules), (&before, false), change)?;
        let mut facts = Vec::new();
        if after != *before {
            let actor = permit.actor().username();
            let act = Act { kind: kind::USER, id: &before.id, action: "mobile worker changed", actor };
            facts.push(self.document(project.id, &act, Some(&*before), &after, false));
        }
        if let Some(groups) = &change.groups {
            facts.extend(self.set_groups(permit, &nouns, &before.id, groups)?);
        }
        if !facts.is_empty() {
            self.commit_documents(facts)?;
        }
        Ok(())
    }

    /// The facts that make these the groups of a worker.
    fn set_groups(
        &self,
        permit: &Permit<EditUsers>,
        nouns: &Nouns,
        user_id: &str,
        wanted: &[String],
    ) -> Result<Vec<DocumentFact>, AdminError> {
        for name in wanted {
            if !nouns.groups.iter().any(|g| g.name == *name || g.id == *name) {
                return Err(AdminError::Missing { what: "group", name: name.clone() });
            }
        }
        let actor = permit.actor().username();
        let mut facts = Vec::new();
        for before in &nouns.groups {
            let is_in = before.users.iter().any(|u| u == user_id);
            let shall = wanted.iter().any(|name| before.name == *name || before.id == *name);
            if is_in == shall {
                continue;
            }
            let mut after = before.clone();
            if shall {
                after.users.push(user_id.to_owned());
            } else {
                after.users.retain(|u| u != user_id);
            }
            let action = if shall { "member added" } else { "member removed" };
            let act = Act { kind: nouns::kind::GROUP, id: &before.id, action, actor };
            facts.push(self.document(permit.project().id, &act, Some(before), &after, false));
        }
        Ok(facts)
    }

    pub(super) fn changed_worker(
        &self,
        permit: &Permit<EditUsers>,
        (nouns, rules): (&Nouns, &FieldRules),
        (before, is_new): (&User, bool),
        change: &UserChange,
    ) -> Result<User, AdminError> {
        let mut after = before.clone();
        if let Some(locations) = &change.locations {
            let mut ids = Vec::new();
            for id in self.location_ids(nouns, locations)? {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            after.locations = ids;
        }
        if let Some(role) = &change.role {
            after.role = self.role_id(permit.project().id, Some(role))?;
            self.check_worker_role(permit, &before.username, after.role.as_deref())?;
        }
        let project = permit.project();
        let now = (&before.user_data, before.profile_id.as_deref());
        let wanted = (&change.data, change.profile.as_deref());
        (after.user_data, after.profile_id) = rules.changed_data(project, false, now, wanted)?;
        if is_new || after.user_data != before.user_data || after.profile_id != before.profile_id {
            rules.check_data(project, false, &after.user_data, after.profile_id.as_deref())?;
        }
        for (what, text, place) in [
            ("first name", &change.first_name, &mut after.first_name),
            ("last name", &change.last_name, &mut after.last_name),
            ("e-mail address", &change.email, &mut after.email),
            ("language", &change.language, &mut after.language),
        ] {
            if let Some(text) = text {
                if text.chars().count() > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
                    let problem = format!("the {what} is a text of up to {TEXT_CHARS_MAX} characters");
                    return Err(AdminError::NotPossible(problem));
                }
                place.clone_from(text);
            }
        }
        if let Some(numbers) = &change.phone_numbers {
            after.phone_numbers.clone_from(numbers);
        }
        after.active = change.active.unwrap_or(after.active);
        Ok(after)
    }

    /// Open cases that a user owns, counted up to [`CASES_COUNTED_MAX`].
    pub fn owned_case_count(&self, project: ProjectId, user_id: &str) -> Result<usize, AdminError> {
        let none: Option<&CaseId> = None;
        Ok(self.store().view().owned_cases(project, user_id, none, CASES_COUNTED_MAX)?.len())
    }

    /// Ends the account of a mobile worker, or takes a web user out of the project. `confirmed` is the name
    /// typed once more. Nobody signs in, syncs or uses a key as this user any more; groups lose the member;
    /// forms and cases stay, and the name may be given again. Answers how many open cases it owns.
    pub fn delete_user(
        &self,
        permit: &Permit<EditUsers>,
        name: &str,
        confirmed: &str,
    ) -> Result<usize, AdminError> {
        let _turn = self.admin_turn();
        let user = self.user_in(permit, name)?;
        self.check_rank(permit, &user, false)?;
        self.check_last_administrator(permit, &user)?;
        let project = permit.project();
        let cases = self.owned_case_count(project.id, &user.id)?;
        let typed = confirmed.trim().to_lowercase();
        if typed != user.username && typed != user.wire_name(&project.name) {
            let owns = match cases {
                0 => "no open case".to_owned(),
                1 => "1 open case, which stays".to_owned(),
                CASES_COUNTED_MAX.. => format!("{CASES_COUNTED_MAX} open cases or more, which stay"),
                cases => format!("{cases} open cases, which stay"),
            };
            return Err(AdminError::NotPossible(format!(
                "{name} is not deleted: type the name {} once more to confirm it. This account owns {owns}",
                user.username
            )));
        }
        let actor = permit.actor().username();
        let mut facts = Vec::new();
        if user.is_web() {
            let act =
                Act { kind: kind::MEMBERSHIP, id: &user.id, action: "web user removed from project", actor };
            facts.push(self.removal(project.id, &act));
        } else {
            let after = User { active: false, deleted_at: Some(self.env().clock.now()), ..(*user).clone() };
            let act = Act { kind: kind::USER, id: &user.id, action: "mobile worker deleted", actor };
            facts.push(self.document(project.id, &act, Some(&*user), &after, false));
            facts.extend(self.set_groups(permit, &*self.nouns(project.id)?, &user.id, &[])?);
            for key in self.auth().keys_of(&user.id).into_iter().filter(|key| key.active) {
                let ended = ApiKey { active: false, ..(*key).clone() };
                let act = Act { kind: kind::API_KEY, id: &key.id, action: "API key revoked", actor };
                facts.push(self.document(ProjectId::ZERO, &act, Some(&*key), &ended, true));
            }
        }
        self.commit_documents(facts)?;
        Ok(cases)
    }

    /// Brings the account of a deleted mobile worker back, named by name or id, unless somebody else has the
    /// name by now. Groups and keys do not come back.
    pub fn undelete_worker(&self, permit: &Permit<EditUsers>, name: &str) -> Result<Arc<User>, AdminError> {
        let _turn = self.admin_turn();
        let project = permit.project();
        let by_id = self.auth().deleted_workers(project.id).into_iter().find(|u| u.id == name);
        let before = by_id.or_else(|| self.auth().find_deleted(project, name));
        let before = before
            .ok_or_else(|| AdminError::Missing { what: "deleted mobile worker", name: name.to_owned() })?;
        self.check_rank(permit, &before, false)?;
        if self.auth().find_user(project, &before.username).is_some() {
            let name = before.username.clone();
            return Err(AdminError::Exists { what: "mobile worker", name });
        }
        let after = User { active: true, deleted_at: None, ..(*before).clone() };
        let actor = permit.actor().username();
        let act = Act { kind: kind::USER, id: &before.id, action: "deletion of mobile worker undone", actor };
        self.commit_documents(vec![self.document(project.id, &act, Some(&*before), &after, false)])?;
        self.found(&after.id)
    }
}
