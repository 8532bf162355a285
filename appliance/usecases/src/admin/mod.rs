//! Projects and people: one file per noun. Each act is a fact with who did it and what changed, and the list
//! of these facts is the audit trail.

pub mod api_keys;
pub mod audit;
pub mod custom_data;
pub mod groups;
pub mod import;
pub mod places;
pub mod projects;
pub mod roles;
pub mod sessions;
pub mod tables;
mod tree;
pub mod user_sheet;
pub mod users;
pub mod workers;

use crate::{Appliance, WriteError};
use bolster_auth::{PasswordError, Refused, SettingError, documents::NameError};
use bolster_env::random;
use bolster_model::{AdminDocument, ProjectId};
use serde_json::Value;

/// Why an administrative act was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A name that cannot be given.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A name that is taken.
    #[error("{what} {name} exists already")]
    Exists {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Nothing of that name.
    #[error("there is no {what} {name}")]
    Missing {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A password that cannot be taken.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A setting that cannot be taken.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Whoever asks has less than what would be given or changed.
    #[error("you may not do this to {name}, who may do more than you, or would")]
    AboveRank {
        /// The user.
        name: String,
    },
    /// What was asked for cannot be; the sentence says why.
    #[error("{0}")]
    NotPossible(String),
    /// What is there could not be read.
    #[error("data could not be read")]
    Store(#[from] bolster_store::StoreError),
    /// Not allowed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Not written.
    #[error("the change was not stored")]
    Write(#[from] WriteError),
}

/// What happened to a document, for the audit trail.
pub(crate) struct Act<'a> {
    pub kind: &'a str,
    pub id: &'a str,
    pub action: &'a str,
    pub actor: &'a str,
}

impl Appliance {
    pub(crate) fn random_id(&self) -> String {
        random::bytes::<16>(&*self.env().random).iter().map(|b| format!("{b:02x}")).collect()
    }

    /// A document as a fact. `before` tells which fields changed.
    pub(crate) fn document<T: serde::Serialize>(
        &self,
        project: ProjectId,
        act: &Act<'_>,
        before: Option<&T>,
        after: &T,
        credential: bool,
    ) -> crate::DocumentFact {
        let value = |document: &T| serde_json::to_value(document).unwrap_or(Value::Null);
        let after = value(after);
        let before = before.map(value);
        let changed = match (&before, &after) {
            _ if credential => Vec::new(),
            (Some(Value::Object(before)), Value::Object(after)) => {
                after.iter().filter(|(k, v)| before.get(*k) != Some(v)).map(|(k, _)| k.clone()).collect()
            }
            _ => Vec::new(),
        };
        let document = AdminDocument {
            kind: act.kind.to_owned(),
            id: act.id.to_owned(),
            json: Some(after.to_string()),
            action: act.action.to_owned(),
            changed,
            actor: act.actor.to_owned(),
            at: self.env().clock.now(),
        };
        (project, document, credential)
    }
}
