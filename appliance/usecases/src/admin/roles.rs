//! Roles that a project makes beside those that every project has.

use super::{Act, AdminError};
use crate::Appliance;
use bolster_auth::documents::Role;
use bolster_auth::permissions::{PRESET_ROLES, Permission, PermissionSet};
use bolster_auth::{Administer, Permit, ViewPages, kind};
use bolster_model::ProjectId;
use std::sync::Arc;

/// Most roles that a project makes.
const ROLES_MAX: usize = 200;
/// Longest name of a role, in characters.
const NAME_CHARS_MAX: usize = 100;

impl Appliance {
    /// Id of a role of a project by its name or id; letter case does not count.
    pub(super) fn role_id(
        &self,
        project: ProjectId,
        role: Option<&str>,
    ) -> Result<Option<String>, AdminError> {
        let Some(role) = role else { return Ok(None) };
        let preset = PRESET_ROLES.iter().find(|r| r.id == role || r.name.eq_ignore_ascii_case(role));
        if let Some(preset) = preset {
            return Ok(Some(preset.id.to_owned()));
        }
        let made = self.auth().roles(project);
        let made = made.iter().find(|r| r.id == role || r.name.to_lowercase() == role.to_lowercase());
        let missing = || AdminError::Missing { what: "role", name: role.to_owned() };
        made.map(|role| Some(role.id.clone())).ok_or_else(missing)
    }

    /// All roles of a project: those that every project has, then its own by name.
    pub fn roles(&self, permit: &Permit<ViewPages>) -> Vec<Role> {
        let preset = PRESET_ROLES.iter().map(|role| Role {
            id: role.id.to_owned(),
            name: role.name.to_owned(),
            permissions: role.permissions,
        });
        preset.chain(self.auth().roles(permit.project().id).iter().map(|r| (**r).clone())).collect()
    }

    /// Makes a role, or gives one of the project's own other permissions. Answers its id.
    pub fn put_role(
        &self,
        permit: &Permit<Administer>,
        name: &str,
        permissions: &[String],
    ) -> Result<String, AdminError> {
        let _turn = self.admin_turn();
        let project = permit.project().id;
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let problem = format!("the name of a role has 1 to {NAME_CHARS_MAX} characters");
            return Err(AdminError::NotPossible(problem));
        }
        if PRESET_ROLES.iter().any(|r| r.id == name || r.name.eq_ignore_ascii_case(name)) {
            let problem = format!("{name} is the same in every project; give your role another name");
            return Err(AdminError::NotPossible(problem));
        }
        let permissions = named(permissions)?;
        let made = self.auth().roles(project);
        let before = made.iter().find(|r| r.id == name || r.name.to_lowercase() == name.to_lowercase());
        if before.is_none() && made.len() >= ROLES_MAX {
            return Err(AdminError::NotPossible(format!("a project can make at most {ROLES_MAX} roles")));
        }
        let after = match before {
            Some(before) => Role { permissions, ..(**before).clone() },
            None => Role { id: self.random_id(), name: name.to_owned(), permissions },
        };
        let action = if before.is_some() { "role changed" } else { "role created" };
        let act = Act { kind: kind::ROLE, id: &after.id, action, actor: permit.actor().username() };
        let before = before.map(Arc::as_ref);
        if before != Some(&after) {
            self.commit_documents(vec![self.document(project, &act, before, &after, false)])?;
        }
        Ok(after.id)
    }

    /// Removes one of the project's own roles that nobody has.
    pub fn delete_role(&self, permit: &Permit<Administer>, name: &str) -> Result<(), AdminError> {
        let _turn = self.admin_turn();
        let project = permit.project().id;
        let id = self.role_id(project, Some(name))?.unwrap_or_default();
        let made = self.auth().roles(project);
        let Some(role) = made.iter().find(|r| r.id == id) else {
            return Err(AdminError::NotPossible(format!("{name} belongs to every project and stays")));
        };
        let has = |role_of: Option<&String>| role_of == Some(&id);
        let members = self.auth().members(project);
        let holders = members.iter().filter(|m| match &m.membership {
            Some(membership) => has(membership.role.as_ref()),
            None => has(m.user.role.as_ref()),
        });
        let keys = members.iter().flat_map(|m| self.auth().keys_of(&m.user.id));
        let keys = keys.filter(|key| key.active && has(key.role.as_ref())).count();
        match (holders.count(), keys) {
            (0, 0) => {}
            (people, keys) => {
                let problem = format!(
                    "{} still has {people} members and {keys} API keys; give those another role first",
                    role.name
                );
                return Err(AdminError::NotPossible(problem));
            }
        }
        let act = Act { kind: kind::ROLE, id: &id, action: "role deleted", actor: permit.actor().username() };
        self.commit_documents(vec![self.removal(project, &act)])?;
        Ok(())
    }
}

fn named(permissions: &[String]) -> Result<PermissionSet, AdminError> {
    let mut found = Vec::with_capacity(permissions.len());
    for name in permissions {
        let known = Permission::named(name).ok_or_else(|| {
            let all: Vec<&str> = Permission::ALL.iter().map(|p| p.name()).collect();
            AdminError::NotPossible(format!("there is no permission {name}; there are {}", all.join(", ")))
        })?;
        found.push(known);
    }
    Ok(PermissionSet::of(&found).effective())
}
