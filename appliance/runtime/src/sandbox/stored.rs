//! Cases put in as they are: for hosts that read a store instead of payloads.

use std::sync::{Arc, OnceLock};

use bolster_xpath::CaseRecord;

use super::Sandbox;

impl Sandbox {
    /// Sets a case as a whole. One that is there keeps its place.
    pub fn put_case(&mut self, case: CaseRecord) {
        self.store(case);
    }

    /// Takes cases away.
    pub fn remove_cases(&mut self, gone: impl Fn(&str) -> bool) {
        let before = self.cases.len();
        self.cases.retain(|case| !gone(&case.case_id));
        if self.cases.len() == before {
            return;
        }
        let ids = self.cases.iter().enumerate();
        self.by_id = ids.map(|(at, case)| (case.case_id.clone(), at)).collect();
        self.forget_ledgers(gone);
        self.changed();
    }

    /// Takes the balances of cases away.
    pub fn forget_ledgers(&mut self, of: impl Fn(&str) -> bool) {
        self.ledgers.keep(&|id| !of(id));
        self.ledger_snapshot = OnceLock::new();
    }

    /// Takes everything away but cases and ledgers.
    pub fn clear_nouns(&mut self) {
        self.user = None;
        self.fixtures.clear();
    }

    /// The case of an id.
    pub fn find_case(&self, id: &str) -> Option<&Arc<CaseRecord>> {
        self.case(id)
    }
}
