//! API keys.

use super::{Act, AdminError};
use crate::Appliance;
use bolster_auth::{ApiKey, EditUsers, Permit, User, kind, new_key};
use bolster_model::{ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// Most days that a key can be good for; longer is without end.
const DAYS_MAX: u32 = 3_650;

/// What a key may be bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyLimits {
    /// Name or id of a role: the key may do what both its user and this role may.
    pub role: Option<String>,
    /// Addresses that may use it; none: any.
    pub addresses: Vec<IpAddr>,
    /// Days that it is good for; `None`: without end.
    pub days: Option<u32>,
}

impl Appliance {
    /// Makes a key for a user of the project, good in this project. The answer is the key, shown once.
    pub fn create_api_key(
        &self,
        permit: &Permit<EditUsers>,
        user: &str,
        name: &str,
        limits: &KeyLimits,
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
        let now = self.env().clock.now();
        let days = match limits.days {
            Some(days) if days == 0 || days > DAYS_MAX => {
                let problem = format!("a key can be good for 1 to {DAYS_MAX} days, or without end");
                return Err(AdminError::NotPossible(problem));
            }
            days => days,
        };
        let role = self.role_id(project.id, limits.role.as_deref())?;
        let fresh = new_key(&*self.env().random);
        let key = ApiKey {
            id: self.random_id(),
            user_id: user.id.clone(),
            name: name.to_owned(),
            hash: fresh.hash,
            shown: fresh.shown,
            project: Some(project.id),
            active: true,
            role,
            ip_allowlist: limits.addresses.iter().map(IpAddr::to_canonical).collect(),
            expires_at: days.map(|days| Timestamp(now.0 + i64::from(days) * 86_400_000_000)),
            created_at: now,
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
