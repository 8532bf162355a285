//! API keys.

use super::{Act, AdminError};
use crate::Appliance;
use bolster_auth::{ApiKey, EditUsers, Permit, User, kind, new_key};
use bolster_model::ProjectId;
use std::sync::Arc;

impl Appliance {
    /// Makes a key for a user of the project, good in this project. The answer is the key, shown once.
    pub fn create_api_key(
        &self,
        permit: &Permit<EditUsers>,
        user: &str,
        name: &str,
    ) -> Result<String, AdminError> {
        let _turn = self.admin_turn();
        let project = permit.project();
        let missing = || AdminError::Missing { what: "user", name: user.to_owned() };
        let user = self.auth().find_user(project, user).ok_or_else(missing)?;
        if !self.auth().members(project.id).iter().any(|m| m.user.id == user.id) {
            return Err(missing());
        }
        // A key acts as its user, as a password does.
        self.check_rank(permit, &user, true)?;
        let fresh = new_key(&*self.env().random);
        let key = ApiKey {
            id: self.random_id(),
            user_id: user.id.clone(),
            name: name.to_owned(),
            hash: fresh.hash,
            shown: fresh.shown,
            project: Some(project.id),
            active: true,
            created_at: self.env().clock.now(),
            ..ApiKey::default()
        };
        let actor = permit.actor().username();
        let act = Act { kind: kind::API_KEY, id: &key.id, action: "API key created", actor };
        self.commit_documents(vec![self.document(ProjectId::ZERO, &act, None, &key, true)])?;
        Ok(fresh.key)
    }

    /// Keys of the users of a project that are good there, by user and time.
    pub fn api_keys(&self, permit: &Permit<EditUsers>) -> Vec<(Arc<User>, Arc<ApiKey>)> {
        let project = permit.project().id;
        let members = self.auth().members(project);
        let mut found: Vec<(Arc<User>, Arc<ApiKey>)> = members
            .iter()
            .flat_map(|m| self.auth().keys_of(&m.user.id).into_iter().map(|key| (m.user.clone(), key)))
            .filter(|(_, key)| key.project.is_none_or(|p| p == project))
            .collect();
        found.sort_by(|(a, x), (b, y)| (&a.username, x.created_at.0).cmp(&(&b.username, y.created_at.0)));
        found
    }

    /// Ends a key, named by its id or the digits that are shown of it.
    pub fn revoke_api_key(&self, permit: &Permit<EditUsers>, name: &str) -> Result<(), AdminError> {
        let _turn = self.admin_turn();
        let keys = self.api_keys(permit);
        let mut fitting = keys.iter().filter(|(_, key)| key.id == name || key.shown == name);
        let missing = || AdminError::Missing { what: "API key", name: name.to_owned() };
        let (user, key) = fitting.next().ok_or_else(missing)?;
        if fitting.next().is_some() {
            let problem = format!("several keys begin with {name}; name the one by its id");
            return Err(AdminError::NotPossible(problem));
        }
        self.check_rank(permit, user, true)?;
        let act = Act {
            kind: kind::API_KEY,
            id: &key.id,
            action: "API key revoked",
            actor: permit.actor().username(),
        };
        let ended = ApiKey { active: false, ..(**key).clone() };
        self.commit_documents(vec![self.document(ProjectId::ZERO, &act, Some(&**key), &ended, true)])?;
        Ok(())
    }
}
