//! Login and logout in a browser.

use crate::{Appliance, WriteError};
use bolster_auth::{AuthError, Password, Session, kind};
use bolster_store::{ReadExt, StoreError};

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Name or password, lockout, deactivation.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The session was not stored.
    #[error("the session could not be stored")]
    Write(#[from] WriteError),
}

/// Why old sessions were not removed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// They could not be read.
    #[error("sessions could not be read")]
    Store(#[from] StoreError),
    /// The change was not stored.
    #[error("the change was not stored")]
    Write(#[from] WriteError),
}

/// Sessions removed in one commit.
const SESSIONS_AT_ONCE: usize = 1_000;

impl Appliance {
    /// Checks a password and begins a session; the answer is the token for the cookie. Blocks for the time of
    /// a password check.
    pub fn log_in(
        &self,
        email: &str,
        password: &Password,
        peer: Option<std::net::IpAddr>,
    ) -> Result<String, LoginError> {
        let new = self.auth().sign_in(email, password, peer)?;
        let row = serde_json::to_vec(&new.session).unwrap_or_default();
        self.commit_local(vec![(kind::SESSION.to_owned(), new.id, Some(row))])?;
        Ok(new.token)
    }

    /// Begins a session without a password: for the command line and tests, which have the data folder.
    pub fn log_in_as(&self, user_id: &str) -> Result<Option<String>, WriteError> {
        let Some(user) = self.auth().user(user_id) else { return Ok(None) };
        let new = self.auth().new_session(&user);
        let row = serde_json::to_vec(&new.session).unwrap_or_default();
        self.commit_local(vec![(kind::SESSION.to_owned(), new.id, Some(row))])?;
        Ok(Some(new.token))
    }

    /// Ends a session.
    pub fn log_out(&self, token: &str) -> Result<(), WriteError> {
        self.commit_local(vec![(kind::SESSION.to_owned(), self.auth().session_id(token), None)])
    }

    /// Removes the sessions that are over. Answers how many.
    pub fn forget_old_sessions(&self) -> Result<usize, SweepError> {
        let now = self.env().clock.now();
        let is_over = |row: &[u8]| serde_json::from_slice(row).is_ok_and(|s: Session| s.expires_at <= now);
        let rows = self.store().view().locals(kind::SESSION)?;
        let over: Vec<_> = rows
            .into_iter()
            .filter(|(_, row)| is_over(row))
            .map(|(id, _)| (kind::SESSION.to_owned(), id, None))
            .collect();
        let count = over.len();
        for some in over.chunks(SESSIONS_AT_ONCE) {
            self.commit_local(some.to_vec())?;
        }
        Ok(count)
    }
}
