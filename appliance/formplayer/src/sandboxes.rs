//! Data read from restore payloads, for hosts that have no store: kept per account, synchronised when it must be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bolster_runtime::{Code, Error, Sandbox, UserData};
use bolster_xpath::Host as XPathHost;

use crate::host::{Account, Failure, Need};
use crate::lock;

/// Fetches restore payloads.
pub trait RestoreFetch {
    /// The payload since a token; the whole without one.
    fn restore(&self, account: &Account, since: Option<&str>) -> Result<String, Failure>;
}

#[derive(Clone, Default)]
struct Entry {
    sandbox: Arc<Sandbox>,
    synced_ms: Option<i64>,
}

/// The sandboxes of all accounts.
#[derive(Default)]
pub struct Sandboxes {
    entries: Mutex<HashMap<String, Entry>>,
}

/// A sandbox that a form was applied to, before the server has the form.
pub struct Prepared {
    key: String,
    sandbox: Arc<Sandbox>,
}

fn failure(error: Error) -> Failure {
    match error.code {
        Code::Cycle => Failure::Cycle(error.message),
        _ => Failure::Broken(error.message),
    }
}

impl Sandboxes {
    /// No sandboxes.
    pub fn new() -> Self {
        Self::default()
    }

    fn entry(&self, account: &Account) -> Entry {
        lock(&self.entries).get(&account.key()).cloned().unwrap_or_default()
    }

    fn put(&self, account: &Account, entry: Entry) {
        lock(&self.entries).insert(account.key(), entry);
    }

    /// Drops the sandbox of an account.
    pub fn forget(&self, account: &Account) {
        lock(&self.entries).remove(&account.key());
    }

    /// The token of the last restore of an account.
    pub fn token(&self, account: &Account) -> Option<String> {
        self.entry(account).sandbox.sync_token().map(str::to_owned)
    }

    /// The data of an account, as fresh as it must be.
    pub fn data(
        &self,
        account: &Account,
        need: Need,
        fetch: &dyn RestoreFetch,
        host: &dyn XPathHost,
    ) -> Result<Arc<dyn UserData>, Failure> {
        let entry = self.entry(account);
        let purge = match need {
            Need::Sync { purge } => purge,
            Need::Any { older_than_ms, unknown_is_old } => {
                let old = match (older_than_ms, entry.synced_ms) {
                    (Some(limit), Some(synced)) => host.now_ms() - synced > limit,
                    (_, None) => unknown_is_old,
                    (None, Some(_)) => false,
                };
                if entry.sandbox.has_user() && !old {
                    return Ok(entry.sandbox);
                }
                false
            }
        };
        match self.synchronise(account, purge, fetch, host) {
            Err(Failure::Status(412, _) | Failure::Cycle(_)) => {
                self.forget(account);
                self.synchronise(account, purge, fetch, host)
            }
            outcome => outcome,
        }
    }

    fn synchronise(
        &self,
        account: &Account,
        purge: bool,
        fetch: &dyn RestoreFetch,
        host: &dyn XPathHost,
    ) -> Result<Arc<dyn UserData>, Failure> {
        let entry = self.entry(account);
        let body = fetch.restore(account, entry.sandbox.sync_token())?;
        let mut sandbox = Sandbox::clone(&entry.sandbox);
        let places: Vec<String> = sandbox.locations().into_iter().map(str::to_owned).collect();
        if let Err(error) = sandbox.apply(&body, host) {
            self.forget(account);
            return Err(failure(error));
        }
        let moved = !places.is_empty() && places != sandbox.locations();
        if purge || moved {
            sandbox.purge().map_err(failure)?;
        }
        let sandbox = Arc::new(sandbox);
        self.put(account, Entry { sandbox: sandbox.clone(), synced_ms: Some(host.now_ms()) });
        Ok(sandbox)
    }

    /// Applies a form without showing it yet. Cases nobody needs any more go if `purge` and ownership changed.
    pub fn prepare(
        &self,
        account: &Account,
        xml: &str,
        purge: bool,
        host: &dyn XPathHost,
    ) -> Result<Prepared, Failure> {
        let mut sandbox = Sandbox::clone(&self.entry(account).sandbox);
        let changes = sandbox.apply(xml, host).map_err(failure)?;
        if purge && changes.disturbed {
            sandbox.purge().map_err(failure)?;
        }
        Ok(Prepared { key: account.key(), sandbox: Arc::new(sandbox) })
    }

    /// Shows what was prepared: the server has the form.
    pub fn commit(&self, prepared: Prepared) {
        lock(&self.entries).entry(prepared.key).or_default().sandbox = prepared.sandbox;
    }
}
