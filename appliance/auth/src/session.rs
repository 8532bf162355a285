//! Login sessions of browsers: a random token in a cookie, its hash in a local row.

use bolster_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Name of the cookie, HQ's.
pub const COOKIE: &str = "sessionid";
/// How long a session lasts, in microseconds: two weeks.
pub const SESSION_US: i64 = 14 * 24 * 3600 * 1_000_000;

/// What the store keeps of a session, under the hash of its token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub user_id: String,
    /// Stamp of the credential that it began with; it ends when the password changes.
    pub stamp: String,
    /// Ends then.
    #[serde(with = "crate::documents::micros")]
    pub expires_at: Timestamp,
}

/// A session to be stored.
pub struct NewSession {
    /// For the cookie; kept nowhere else.
    pub token: String,
    /// Id of the row.
    pub id: String,
    /// The row.
    pub session: Session,
}

/// Somebody signed in with a browser.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub user: Arc<crate::documents::User>,
    /// For forms on pages.
    pub csrf: String,
}
