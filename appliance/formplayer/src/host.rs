//! What the API needs from whoever runs it. Everything outside of it comes through [`Host`].

use std::io::Read;
use std::sync::Arc;

use bolster_runtime::{Files, UserData};
use bolster_xpath::Zone;

/// Whose data a request works on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// The project.
    pub domain: String,
    /// The user, as the client names it.
    pub username: String,
    /// Who the user works as, if it is somebody else.
    pub login_as: Option<String>,
    /// The case the data is restored for, in conversations with one.
    pub case: Option<String>,
    /// The request was signed by a machine: it carries nobody's session.
    pub signed: bool,
}

impl Account {
    /// One text per account, for tables.
    pub fn key(&self) -> String {
        let (other, case) = (self.login_as.as_deref().unwrap_or(""), self.case.as_deref().unwrap_or(""));
        format!("{}\u{1}{}\u{1}{other}\u{1}{case}", self.domain, self.username)
    }

    /// The full name of who the user works as.
    pub fn full_login_as(&self) -> Option<String> {
        let name = self.login_as.as_deref()?;
        Some(match name.contains('@') {
            true => name.to_owned(),
            false => format!("{name}@{}.commcarehq.org", self.domain),
        })
    }
}

/// How fresh data must be. Hosts that read the store itself are always fresh and may ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// As it is; restored if there is none, or if it is older than this many milliseconds.
    Any {
        /// The age at which it must be synchronised.
        older_than_ms: Option<i64>,
        /// Data whose age is not known counts as too old.
        unknown_is_old: bool,
    },
    /// Synchronised now.
    Sync {
        /// What the user no longer needs is taken away.
        purge: bool,
    },
}

/// Why something outside could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It answered with a status that is no success.
    Status(u16, String),
    /// It is being prepared.
    Retry {
        /// What people are told.
        message: String,
        /// How much is done.
        done: i64,
        /// Of how much.
        total: i64,
        /// Seconds until it makes sense to ask again.
        retry_after: i64,
    },
    /// It answered something that cannot be used.
    Broken(String),
    /// Cases index each other in a circle.
    Cycle(String),
    /// It did not answer.
    Unreachable(String),
}

/// A finished form.
pub struct Submission<'s> {
    /// Where the application says it goes.
    pub url: &'s str,
    /// The form.
    pub xml: &'s str,
    /// The session it came from; its files are those kept under this id.
    pub session: &'s str,
    /// Cases the user no longer needs are taken away when ownership changed.
    pub purge: bool,
}

/// What is kept over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// Forms being filled in.
    Forms,
    /// Lists of chosen values; they outlive the session that made them.
    Lists,
}

/// A file of an answer.
pub struct Upload<'u> {
    /// The name it had.
    pub name: &'u str,
    /// The type the client says it has.
    pub content_type: &'u str,
    /// Bytes.
    pub size: u64,
    /// Its content, streamed.
    pub content: &'u mut dyn Read,
}

/// Everything outside of the API.
pub trait Host {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;

    /// Offset from UTC in milliseconds at an instant.
    fn offset_ms(&self, zone: Zone, utc_ms: i64) -> i64;

    /// Offset from UTC in milliseconds of a time zone by its name, such as `Africa/Nairobi`; nothing if there is none.
    fn named_offset_ms(&self, _zone: &str, _utc_ms: i64) -> Option<i64> {
        None
    }

    /// A number in [0, 1).
    fn random(&self) -> f64;

    /// A version 4 UUID in lower case.
    fn uuid(&self) -> String;

    /// The build that an application id means now: what is equal here is the same package.
    fn build(&self, account: &Account, app_id: &str, preview: bool) -> Result<String, Failure>;

    /// The files of a build.
    fn files(&self, account: &Account, app_id: &str, build: &str) -> Result<Box<dyn Files>, Failure>;

    /// The data of an account.
    fn data(&self, account: &Account, need: Need) -> Result<Arc<dyn UserData>, Failure>;

    /// Drops what is held of an account's data beside the store.
    fn forget(&self, account: &Account);

    /// Makes a search: names and values as a form; gives the body.
    fn search(
        &self,
        account: &Account,
        url: &str,
        parameters: &[(String, String)],
    ) -> Result<String, Failure>;

    /// Sends the post of an entry; gives the status, which is a success.
    fn post(&self, account: &Account, url: &str, parameters: &[(String, String)]) -> Result<u16, Failure>;

    /// Sends a finished form and makes the account's data show it; gives the body.
    fn submit(&self, account: &Account, submission: &Submission<'_>) -> Result<String, Failure>;

    /// Fetches a form, or what a form asks for.
    fn fetch(&self, account: &Account, url: &str) -> Result<String, Failure>;

    /// The questions of a form as people read them.
    fn readable_questions(
        &self,
        account: &Account,
        parameters: &[(String, String)],
    ) -> Result<String, Failure>;

    /// Keeps bytes under an id for an owner.
    fn save(&self, shelf: Shelf, owner: &str, id: &str, bytes: &[u8]);

    /// The bytes under an id, and who owns them.
    fn load(&self, shelf: Shelf, id: &str) -> Option<(String, Vec<u8>)>;

    /// Forgets an id.
    fn remove(&self, shelf: Shelf, id: &str);

    /// Everything of an owner.
    fn owned(&self, shelf: Shelf, owner: &str) -> Vec<(String, Vec<u8>)>;

    /// Keeps a file of a form.
    fn keep_file(&self, session: &str, id: &str, upload: &mut Upload<'_>) -> Result<(), Failure>;

    /// Drops a file of a form; all of them without an id.
    fn drop_file(&self, session: &str, id: Option<&str>);

    /// How many files a form has.
    fn file_count(&self, session: &str) -> usize;
}
