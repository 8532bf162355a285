//! Numbers that rise by one, without gaps and never twice, for forms that count.

use super::kind;
use crate::Appliance;
use crate::admin::Act;
use crate::apps::AppsError;
use bolster_auth::{Permit, RestoreData};
use bolster_store::{ReadExt, StoreError};
use serde::{Deserialize, Serialize};

/// Longest name of a pool or session, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// Why no number was given.
#[derive(Debug, thiserror::Error)]
pub enum NumberError {
    /// A name that cannot be.
    #[error("{0} must be a text of 1 to {NAME_BYTES_MAX} bytes")]
    Name(&'static str),
    /// Storage.
    #[error(transparent)]
    Apps(#[from] AppsError),
}

impl From<StoreError> for NumberError {
    fn from(error: StoreError) -> Self {
        Self::Apps(AppsError::Store(error))
    }
}

#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Given {
    number: u64,
}

impl Appliance {
    /// The next number of a pool, from 1; for a session that asked before, the number that it has. Durable when
    /// this returns. Blocks on the disk.
    pub fn next_number(
        &self,
        permit: &Permit<RestoreData>,
        pool: &str,
        session: Option<&str>,
    ) -> Result<u64, NumberError> {
        let fits =
            |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
        if !fits(pool) {
            return Err(NumberError::Name("pool_id"));
        }
        let session = session.filter(|s| !s.is_empty());
        if session.is_some_and(|s| !fits(s)) {
            return Err(NumberError::Name("session_id"));
        }
        // The length keeps names that hold the separator apart.
        let session = session.map(|s| format!("{}:{pool}:{s}", pool.len()));
        let _turn = self.admin_turn();
        let (project, actor) = (permit.project().id, permit.actor().username());
        let view = self.store().view();
        let given = |kind, id: &str| -> Result<Option<Given>, StoreError> {
            let json = view.document(project, kind, id)?;
            json.map(|json| {
                serde_json::from_str(&json).map_err(|_| StoreError::Decode {
                    what: "numbers",
                    source: bolster_store::DecodeError::Malformed("number"),
                })
            })
            .transpose()
        };
        if let Some(id) = &session
            && let Some(given) = given(kind::SEQUENCE_SESSION, id)?
        {
            return Ok(given.number);
        }
        let before = given(kind::SEQUENCE, pool)?;
        let next = Given { number: before.as_ref().map_or(0, |g| g.number) + 1 };
        let act = |kind, id| Act { kind, id, action: "number given", actor };
        let mut documents =
            vec![self.document(project, &act(kind::SEQUENCE, pool), before.as_ref(), &next, false)];
        if let Some(id) = &session {
            documents.push(self.document(project, &act(kind::SEQUENCE_SESSION, id), None, &next, false));
        }
        self.commit_documents(documents).map_err(AppsError::Write)?;
        Ok(next.number)
    }
}
