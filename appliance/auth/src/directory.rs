//! Projects and people in memory, as committed.

use crate::documents::{ApiKey, Credential, Membership, Project, Role, User, kind};
use crate::permissions::{MEMBER_ROLE, MOBILE_WORKER_ROLE, PermissionSet, preset_role};
use bolster_model::ProjectId;
use bolster_store::{Read, ReadExt, StoreError};
use std::collections::HashMap;
use std::sync::Arc;

/// Somebody as lists show them.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user.
    pub user: Arc<User>,
    /// Of a web user in the project.
    pub membership: Option<Arc<Membership>>,
}

/// Everything about projects and people.
#[derive(Default)]
pub(crate) struct Directory {
    pub projects: HashMap<ProjectId, Arc<Project>>,
    pub names: HashMap<String, ProjectId>,
    pub users: HashMap<String, Arc<User>>,
    /// (project of a mobile worker or zero, name) to user id.
    pub usernames: HashMap<(ProjectId, String), String>,
    /// The same of accounts that are no more; a name may be given again.
    pub deleted_names: HashMap<(ProjectId, String), String>,
    pub memberships: HashMap<(ProjectId, String), Arc<Membership>>,
    pub roles: HashMap<(ProjectId, String), Arc<Role>>,
    pub credentials: HashMap<String, Arc<Credential>>,
    /// By hash of the key.
    pub keys: HashMap<String, Arc<ApiKey>>,
    /// Hashes of keys by their id.
    key_hashes: HashMap<String, String>,
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, id: &str, json: &str) -> Option<T> {
    match serde_json::from_str(json) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, what, id, "a document is unreadable");
            None
        }
    }
}

const KINDS: [&str; 6] =
    [kind::PROJECT, kind::USER, kind::MEMBERSHIP, kind::ROLE, kind::CREDENTIAL, kind::API_KEY];

impl Directory {
    /// Reads everything.
    pub(crate) fn load(read: &impl Read) -> Result<Self, StoreError> {
        let mut directory = Self::default();
        let mut projects = vec![ProjectId::ZERO];
        for (_, json) in read.documents(ProjectId::ZERO, kind::PROJECT_NAME)? {
            if let Some(name) = parse::<crate::documents::ProjectName>("project_name", "", &json) {
                projects.push(name.project);
            }
        }
        for project in projects {
            for kind in KINDS {
                for (id, json) in read.documents(project, kind)? {
                    directory.put(project, kind, &id, Some(&json));
                }
            }
        }
        Ok(directory)
    }

    /// Takes a document in, or out.
    pub(crate) fn put(&mut self, project: ProjectId, kind: &str, id: &str, json: Option<&str>) {
        match kind {
            kind::PROJECT => {
                let document = json.and_then(|j| parse::<Project>(kind, id, j));
                if let Some(before) = self.projects.get(&project) {
                    self.names.remove(&before.name);
                }
                match document {
                    Some(document) => {
                        self.names.insert(document.name.clone(), project);
                        self.projects.insert(project, Arc::new(document));
                    }
                    None => drop(self.projects.remove(&project)),
                }
            }
            kind::USER => {
                if let Some(before) = self.users.get(id) {
                    let key = (before.project.unwrap_or(ProjectId::ZERO), before.username.clone());
                    for names in [&mut self.usernames, &mut self.deleted_names] {
                        // Somebody else may have the name by now.
                        if names.get(&key).is_some_and(|holder| holder == id) {
                            names.remove(&key);
                        }
                    }
                }
                match json.and_then(|j| parse::<User>(kind, id, j)) {
                    Some(user) => {
                        let key = (user.project.unwrap_or(ProjectId::ZERO), user.username.clone());
                        let is_deleted = user.deleted_at.is_some();
                        let names = if is_deleted { &mut self.deleted_names } else { &mut self.usernames };
                        names.insert(key, id.to_owned());
                        self.users.insert(id.to_owned(), Arc::new(user));
                    }
                    None => drop(self.users.remove(id)),
                }
            }
            kind::MEMBERSHIP => {
                let key = (project, id.to_owned());
                match json.and_then(|j| parse::<Membership>(kind, id, j)) {
                    Some(membership) => drop(self.memberships.insert(key, Arc::new(membership))),
                    None => drop(self.memberships.remove(&key)),
                }
            }
            kind::ROLE => {
                let key = (project, id.to_owned());
                match json.and_then(|j| parse::<Role>(kind, id, j)) {
                    Some(role) => drop(self.roles.insert(key, Arc::new(role))),
                    None => drop(self.roles.remove(&key)),
                }
            }
            kind::CREDENTIAL => match json.and_then(|j| parse::<Credential>(kind, id, j)) {
                Some(credential) => drop(self.credentials.insert(id.to_owned(), Arc::new(credential))),
                None => drop(self.credentials.remove(id)),
            },
            kind::API_KEY => {
                if let Some(hash) = self.key_hashes.remove(id) {
                    self.keys.remove(&hash);
                }
                if let Some(key) = json.and_then(|j| parse::<ApiKey>(kind, id, j)) {
                    self.key_hashes.insert(id.to_owned(), key.hash.clone());
                    self.keys.insert(key.hash.clone(), Arc::new(key));
                }
            }
            _ => {}
        }
    }

    /// The user of a name on the wire, seen from a project.
    pub(crate) fn find(&self, project: &Project, name: &str) -> Option<Arc<User>> {
        self.find_in(&self.usernames, project, name)
    }

    /// The deleted user of a name on the wire; the last one where several had it.
    pub(crate) fn find_deleted(&self, project: &Project, name: &str) -> Option<Arc<User>> {
        self.find_in(&self.deleted_names, project, name)
    }

    fn find_in(
        &self,
        names: &HashMap<(ProjectId, String), String>,
        project: &Project,
        name: &str,
    ) -> Option<Arc<User>> {
        let lower = name.trim().to_lowercase();
        let worker = |bare: &str| names.get(&(project.id, bare.to_owned()));
        let id = match lower.split_once('@') {
            None => worker(&lower),
            Some((bare, host)) if crate::documents::is_host_of(host, &project.name) => worker(bare),
            Some((bare, host)) => {
                let other = host
                    .strip_suffix(crate::documents::ACCOUNT_ROOT)
                    .and_then(|h| h.strip_suffix('.'))
                    .and_then(|name| self.names.get(name));
                match other {
                    Some(other) => names.get(&(*other, bare.to_owned())),
                    None => names.get(&(ProjectId::ZERO, lower.clone())),
                }
            }
        };
        self.users.get(id?).cloned()
    }

    pub(crate) fn role_permissions(&self, project: ProjectId, role: &str) -> PermissionSet {
        match preset_role(role) {
            Some(preset) => preset.permissions.effective(),
            None => self
                .roles
                .get(&(project, role.to_owned()))
                .map_or(PermissionSet::NONE, |r| r.permissions.effective()),
        }
    }

    /// What a user may do in a project; `None` for one who does not belong to it. The flag: administrator.
    pub(crate) fn standing(&self, project: ProjectId, user: &User) -> Option<(PermissionSet, bool)> {
        if let Some(own) = user.project {
            let role = user.role.as_deref().unwrap_or(MOBILE_WORKER_ROLE);
            return (own == project).then(|| (self.role_permissions(project, role), false));
        }
        if user.server_admin {
            return Some((PermissionSet::ALL, true));
        }
        let membership = self.memberships.get(&(project, user.id.clone())).filter(|m| m.active)?;
        if membership.is_admin {
            return Some((PermissionSet::ALL, true));
        }
        let role = membership.role.as_deref().unwrap_or(MEMBER_ROLE);
        Some((self.role_permissions(project, role), false))
    }
}
