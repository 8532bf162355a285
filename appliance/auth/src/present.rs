//! What a request presents, and what comes of checking it.

use crate::actor::Actor;
use crate::auth::Auth;
use crate::basic::Login;
use crate::documents::Project;
use crate::password::Password;
use bolster_store::StoreError;
use std::net::IpAddr;
use std::sync::Arc;

/// Kinds of credentials that a route takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accept {
    /// `Authorization: Basic`.
    pub basic: bool,
    /// `Authorization: Digest`.
    pub digest: bool,
    /// `Authorization: ApiKey`, or `username` and `api_key` in the query.
    pub api_key: bool,
    /// Session cookie.
    pub session: bool,
    /// The password of Basic may be an API key.
    pub key_as_password: bool,
}

impl Accept {
    /// Everything but a key in the password field.
    pub const ANY: Self =
        Self { basic: true, digest: true, api_key: true, session: true, key_as_password: false };
    /// Nothing.
    pub const NONE: Self =
        Self { basic: false, digest: false, api_key: false, session: false, key_as_password: false };
    /// `authtype=basic`: the session cookie passes too.
    pub const BASIC: Self = Self { basic: true, session: true, ..Self::NONE };
    /// `authtype=digest`: the session cookie passes too.
    pub const DIGEST: Self = Self { digest: true, session: true, ..Self::NONE };
    /// `authtype=api_key`.
    pub const API_KEY: Self = Self { api_key: true, ..Self::NONE };
    /// Pages: the session cookie only.
    pub const SESSION: Self = Self { session: true, ..Self::NONE };
}

/// What a request to a project presents. All values as on the wire.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The project of the address.
    pub project: &'a Arc<Project>,
    /// What the route takes.
    pub accept: Accept,
    /// Value of the `Authorization` header.
    pub authorization: Option<&'a [u8]>,
    /// Value of the cookie `sessionid`.
    pub session: Option<&'a str>,
    /// `username` and `api_key` of the query.
    pub query_key: Option<(&'a str, &'a str)>,
    /// Request method, for digest.
    pub method: &'a str,
    /// Path and query exactly as requested, for digest.
    pub target: &'a str,
    /// Who connects, for keys that are bound to addresses.
    pub peer: Option<IpAddr>,
}

/// Why nobody was recognised.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Nothing that the route takes was presented: 401 with a challenge.
    #[error("credentials are needed")]
    Missing,
    /// User name or password is wrong: 401 with a challenge. Never says which.
    #[error("user name or password is incorrect")]
    Wrong,
    /// The API key is wrong, expired, switched off or bound to another address: 401 with this text.
    #[error("Username or API Key is incorrect, expired or deactivated")]
    WrongKey,
    /// Too many wrong passwords: 401; the right one does not help before the time is over.
    #[error("too many wrong passwords; try again in {} minutes", .retry_after_s.div_ceil(60))]
    LockedOut {
        /// Seconds until the next try.
        retry_after_s: u64,
    },
    /// The password is right, and an administrator has deactivated the user: 401 (406 on phones).
    #[error("this user is deactivated")]
    Inactive,
    /// The password is right, and the account was deleted: 401 (406 on phones).
    #[error("this account was deleted")]
    Deleted,
    /// The credentials are right and of no member of this project: 403.
    #[error("you are not a member of this project")]
    NotMember,
    /// The digest is right, and its nonce too old: 401 with a challenge that says `stale=true`.
    #[error("the digest is out of date")]
    Stale,
    /// The session is over or unknown: 401, or the login page.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many passwords are being checked: 503, retry.
    #[error("too many people sign in at once")]
    Busy,
    /// People could not be read: 500.
    #[error("users could not be read")]
    Storage(#[source] Arc<StoreError>),
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

/// What came of a check.
#[derive(Debug)]
pub enum Check {
    /// Known at once (a few microseconds at most; a key or session met for the first time reads the store).
    Done(Result<Actor, AuthError>),
    /// A password that was not seen before: run it on a thread that may block.
    Blocking(PasswordCheck),
}

/// A password to be verified: about 30 ms of one processor and 19 MiB, plus waiting for others.
pub struct PasswordCheck {
    pub(crate) auth: Auth,
    pub(crate) project: Arc<Project>,
    pub(crate) login: Login,
    pub(crate) password: Password,
    pub(crate) memory_key: [u8; 32],
    pub(crate) peer: Option<IpAddr>,
}

impl PasswordCheck {
    /// Verifies. The same user's checks run one after the other, and those that find the answer ready take it.
    pub fn run(self) -> Result<Actor, AuthError> {
        let auth = self.auth.clone();
        auth.verify_basic(&self)
    }
}

impl std::fmt::Debug for PasswordCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordCheck").field("project", &self.project.name).finish_non_exhaustive()
    }
}
