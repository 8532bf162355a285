//! Formplayer's API over the application runtime.
//!
//! What it is: [`Formplayer::handle`] takes the name of an endpoint and a JSON body and gives a status and a JSON body,
//! as existing front ends expect them. It keeps parsed applications and open forms in memory, both only to be quick:
//! everything that must survive a restart goes through [`Host`].
//!
//! What it refuses to know: HTTP libraries, sockets, stores, files, clocks and threads. All of them arrive through
//! [`Host`]; who calls, and how the call was authenticated, through [`Caller`].
//!
//! Invariants:
//! - A session belongs to the account that opened it; to everybody else it does not exist.
//! - A form is posted once: what was accepted is noted before anything else is done, and a repeated request goes on
//!   from there.
//! - No request makes it panic; what cannot be answered is a reply with a sentence.

mod apps;
mod debugger;
mod dispatch;
mod fault;
mod forms;
mod graph_html;
mod host;
mod menus;
mod reply;
mod request;
mod sandboxes;
mod utilities;
mod world;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bolster_runtime::App;

pub use dispatch::{Call, Caller, Credential};
pub use host::{Account, Failure, Host, Need, Shelf, Submission, Upload};
pub use reply::Reply;
pub use sandboxes::{Prepared, RestoreFetch, Sandboxes};

use forms::{LastingForms, LiveForms};
use world::{Orders, Results};

/// Applications that are kept parsed.
const APPS_MAX: usize = 200;
/// Accounts whose searches are remembered.
const USERS_MAX: usize = 20_000;
/// Expressions that the debugger remembers.
const RECENT_MAX: usize = 6;

/// What is remembered of an account while the process runs.
#[derive(Default)]
pub(crate) struct UserState {
    /// Applications the account has opened.
    pub installed: Mutex<HashSet<String>>,
    /// Paths of selections that were found good, by application.
    pub confirmed: Mutex<HashSet<String>>,
    /// Results of searches.
    pub results: Arc<Mutex<Results>>,
    /// Orders of lists, for the data they were made from.
    pub orders: Arc<Mutex<Orders>>,
    /// Expressions that were tried in menus and in forms: text, output, status.
    pub recent: Mutex<[VecDeque<(String, String, String)>; 2]>,
}

/// What the API holds in memory, and how often that helped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Applications.
    pub apps: usize,
    /// Accounts.
    pub accounts: usize,
    /// Open forms.
    pub forms: usize,
    /// Bytes that the open forms take, about.
    pub form_bytes: usize,
    /// Requests about a form that found it in memory.
    pub form_hits: u64,
    /// Requests about a form that read it from what was kept.
    pub form_misses: u64,
}

/// The API. One value serves everybody.
#[derive(Default)]
pub struct Formplayer {
    apps: Mutex<HashMap<String, Arc<App>>>,
    users: Mutex<HashMap<String, Arc<UserState>>>,
    live: Mutex<LiveForms>,
    lasting: LastingForms,
}

/// Locks, also after a panic elsewhere: what is guarded is valid at any time.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Formplayer {
    /// An API that remembers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn user(&self, account: &Account) -> Arc<UserState> {
        let mut users = lock(&self.users);
        if users.len() >= USERS_MAX && !users.contains_key(&account.key()) {
            users.clear();
        }
        users.entry(account.key()).or_default().clone()
    }

    pub(crate) fn forget_user(&self, account: &Account) {
        lock(&self.users).remove(&account.key());
    }

    /// What is held in memory.
    pub fn held(&self) -> Held {
        let (forms, form_bytes, form_hits, form_misses) = lock(&self.live).figures();
        Held {
            apps: lock(&self.apps).len(),
            accounts: lock(&self.users).len(),
            forms,
            form_bytes,
            form_hits,
            form_misses,
        }
    }
}
