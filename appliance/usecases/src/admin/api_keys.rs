//! API keys.

use super::{Act, AdminError};
use crate::Appliance;
use bolster_auth::{ApiKey, EditUsers, Permit, kind, new_key};
use bolster_model::ProjectId;

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
}
