//! Login and logout in a browser.

use crate::{Appliance, WriteError};
use bolster_auth::{AuthError, Password, kind};

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

impl Appliance {
    /// Checks a password and begins a session; the answer is the token for the cookie. Blocks for the time of
    /// a password check.
    pub fn log_in(&self, email: &str, password: &Password) -> Result<String, LoginError> {
        let new = self.auth().sign_in(email, password)?;
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
}
