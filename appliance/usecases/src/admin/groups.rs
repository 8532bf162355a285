//! Groups of mobile workers.

use super::{Act, AdminError};
use crate::Appliance;
use crate::nouns::{Group, kind};
use bolster_auth::{EditGroups, Permit};
use serde::{Deserialize, Serialize};

/// Longest name.
const NAME_CHARS_MAX: usize = 255;

/// A group to be made, or what is to be changed of one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GroupChange {
    /// Its name.
    pub name: String,
    /// Members share its cases.
    pub case_sharing: Option<bool>,
    /// Shown in reports.
    pub reporting: Option<bool>,
    /// Names of workers who come in.
    pub add: Vec<String>,
    /// Names of workers who go.
    pub remove: Vec<String>,
}

impl Appliance {
    /// Makes a group.
    pub fn create_group(&self, permit: &Permit<EditGroups>, new: &GroupChange) -> Result<Group, AdminError> {
        let _turn = self.admin_turn();
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let problem = format!("a group needs a name of up to {NAME_CHARS_MAX} characters");
            return Err(AdminError::NotPossible(problem));
        }
        let nouns = self.nouns(permit.project().id)?;
        if nouns.groups.iter().any(|g| g.name == name) {
            return Err(AdminError::Exists { what: "group", name: name.to_owned() });
        }
        let group =
            Group { id: self.random_id(), name: name.to_owned(), reporting: true, ..Group::default() };
        self.put_group(permit, None, group, new, "group created")
    }

    /// Changes a group of a name or id.
    pub fn change_group(
        &self,
        permit: &Permit<EditGroups>,
        change: &GroupChange,
    ) -> Result<Group, AdminError> {
        let _turn = self.admin_turn();
        let before = self.group_named(permit, &change.name)?;
        self.put_group(permit, Some(&before), before.clone(), change, "group changed")
    }

    /// Removes a group; what it owned stays with it until somebody gives it to others.
    pub fn delete_group(&self, permit: &Permit<EditGroups>, name: &str) -> Result<Group, AdminError> {
        let _turn = self.admin_turn();
        let group = self.group_named(permit, name)?;
        let actor = permit.actor().username();
        let act = Act { kind: kind::GROUP, id: &group.id, action: "group deleted", actor };
        self.commit_documents(vec![self.removal(permit.project().id, &act)])?;
        Ok(group)
    }

    fn group_named(&self, permit: &Permit<EditGroups>, name: &str) -> Result<Group, AdminError> {
        let nouns = self.nouns(permit.project().id)?;
        let found = nouns.groups.iter().find(|g| g.name == name || g.id == name);
        found.cloned().ok_or_else(|| AdminError::Missing { what: "group", name: name.to_owned() })
    }

    fn put_group(
        &self,
        permit: &Permit<EditGroups>,
        before: Option<&Group>,
        mut group: Group,
        change: &GroupChange,
        action: &str,
    ) -> Result<Group, AdminError> {
        let project = permit.project();
        let id_of = |name: &String| {
            let user = self.auth().find_user(project, name).filter(|u| u.project == Some(project.id));
            user.map(|u| u.id.clone())
                .ok_or_else(|| AdminError::Missing { what: "mobile worker", name: name.clone() })
        };
        for name in &change.add {
            let id = id_of(name)?;
            if !group.users.contains(&id) {
                group.users.push(id);
            }
        }
        for name in &change.remove {
            let id = id_of(name)?;
            group.users.retain(|u| *u != id);
        }
        group.case_sharing = change.case_sharing.unwrap_or(group.case_sharing);
        group.reporting = change.reporting.unwrap_or(group.reporting);
        let act = Act { kind: kind::GROUP, id: &group.id, action, actor: permit.actor().username() };
        if before != Some(&group) {
            self.commit_documents(vec![self.document(project.id, &act, before, &group, false)])?;
        }
        Ok(group)
    }
}
