//! The data of one user, read from restore payloads alone.
//!
//! A sandbox is a value: cloning it is cheap, cases are shared between clones, and what requests see is a snapshot
//! that does not change under them.

mod blocks;
mod ledgers;
mod purge;
mod restore;
mod stored;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bolster_xpath::{CaseRecord, CaseSnapshot, Names};

use crate::world::{Source, UserData, UserRecord};

pub use blocks::Changes;
pub use purge::purge_ids;

/// A lookup table of the user.
#[derive(Clone)]
struct Fixture {
    id: String,
    owner: String,
    root: Source,
}

/// The data of one user.
#[derive(Clone, Default)]
pub struct Sandbox {
    names: Names,
    user: Option<UserRecord>,
    token: Option<String>,
    /// In the order they first came.
    cases: Vec<Arc<CaseRecord>>,
    by_id: HashMap<String, usize>,
    ledgers: ledgers::Ledgers,
    fixtures: Vec<Fixture>,
    snapshot: OnceLock<Source>,
    ledger_snapshot: OnceLock<Source>,
}

impl Sandbox {
    /// An empty sandbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a restore has said who the user is.
    pub fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// The token of the last restore.
    pub fn sync_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// How many cases there are.
    pub fn case_count(&self) -> usize {
        self.cases.len()
    }

    /// The cases in storage order.
    pub fn cases(&self) -> impl Iterator<Item = &CaseRecord> {
        self.cases.iter().map(|case| &**case)
    }

    /// The places a user is assigned to, for noticing that they changed.
    pub fn locations(&self) -> Vec<&str> {
        let user = self.user.iter().flat_map(|user| &user.properties);
        let mut places: Vec<&str> = user
            .filter(|(key, _)| key == "commcare_location_ids")
            .flat_map(|(_, value)| value.split_whitespace())
            .collect();
        places.sort_unstable();
        places
    }

    /// `ccsh:` and the XOR of the digests of all case ids, computed by `md5`; nothing without cases.
    pub fn hash(&self, md5: &dyn Fn(&[u8]) -> [u8; 16]) -> Option<String> {
        if self.cases.is_empty() {
            return None;
        }
        let mut sum = [0u8; 16];
        for case in &self.cases {
            for (at, byte) in md5(case.case_id.as_bytes()).iter().enumerate() {
                sum[at] ^= byte;
            }
        }
        Some(format!("ccsh:{}", sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }

    fn changed(&mut self) {
        self.snapshot = OnceLock::new();
    }

    fn case(&self, id: &str) -> Option<&Arc<CaseRecord>> {
        self.by_id.get(id).map(|at| &self.cases[*at])
    }

    fn store(&mut self, case: CaseRecord) {
        match self.by_id.get(&case.case_id) {
            Some(&at) => self.cases[at] = Arc::new(case),
            None => {
                self.by_id.insert(case.case_id.clone(), self.cases.len());
                self.cases.push(Arc::new(case));
            }
        }
        self.changed();
    }
}

/// A case as expressions see it: category and state fall back to properties of old applications.
fn shown(case: &CaseRecord) -> Cow<'_, CaseRecord> {
    let property = |name: &str| case.properties.iter().find(|p| p.0 == name).map(|p| p.1.clone());
    let category = if case.category.is_none() { property("patient_type") } else { None };
    let state = if case.state.is_none() { property("current_status") } else { None };
    if category.is_none() && state.is_none() {
        return Cow::Borrowed(case);
    }
    let mut case = case.clone();
    case.category = case.category.or(category);
    case.state = case.state.or(state);
    Cow::Owned(case)
}

impl UserData for Sandbox {
    fn user(&self) -> &UserRecord {
        static NOBODY: UserRecord =
            UserRecord { username: String::new(), user_id: String::new(), properties: Vec::new() };
        self.user.as_ref().unwrap_or(&NOBODY)
    }

    fn cases(&self) -> Source {
        let build = || -> Source {
            // Closed cases come first: clients have always read cases by an index of their state.
            let in_state = |closed| self.cases.iter().filter(move |case| case.closed == closed);
            let cases = in_state(true).chain(in_state(false)).map(|case| shown(case));
            Arc::new(CaseSnapshot::of(&self.names, self.cases.len(), cases))
        };
        self.snapshot.get_or_init(build).clone()
    }

    fn ledgers(&self) -> Source {
        self.ledger_snapshot.get_or_init(|| Arc::new(self.ledgers.tree(&self.names))).clone()
    }

    fn fixture(&self, id: &str) -> Option<Source> {
        let mut own = self.fixtures.iter().filter(|fixture| fixture.id == id);
        let first = own.next()?;
        match own.next() {
            None => Some(first.root.clone()),
            Some(_) => {
                let user = &self.user().user_id;
                let mine = self.fixtures.iter().find(|fixture| fixture.id == id && fixture.owner == *user);
                mine.map(|fixture| fixture.root.clone())
            }
        }
    }

    fn case_name(&self, case_id: &str) -> Option<String> {
        self.case(case_id).map(|case| case.case_name.clone())
    }
}
