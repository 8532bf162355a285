//! The cases and ledgers that a fact is changing, loaded once each.

use crate::changes::{CaseChange, Changes, LedgerChange, listed_under};
use crate::state::State;
use bolster_model::{
    Case, CaseId, CaseIndex, CaseTransaction, FormRow, LedgerKey, LedgerPlace, LedgerTransaction, LedgerValue,
};
use std::collections::BTreeMap;

/// A case being changed.
#[derive(Clone, Debug)]
pub struct CaseWork {
    /// As it is now.
    pub case: Case,
    /// It was not stored before.
    pub created: bool,
    /// An index action ran on it, or it was rebuilt.
    pub indices_touched: bool,
    listed_before: Option<String>,
    indices_before: Vec<CaseIndex>,
    transactions_before: u32,
    /// First ordinal that changed.
    from: u32,
    /// Transactions from `from` on.
    tail: Vec<CaseTransaction>,
}

impl CaseWork {
    fn new(case: Case, created: bool) -> Self {
        let count = case.transaction_count;
        Self {
            created,
            indices_touched: false,
            listed_before: if created { None } else { listed_under(&case).map(str::to_owned) },
            indices_before: case.indices.clone(),
            transactions_before: count,
            from: count,
            tail: Vec::new(),
            case,
        }
    }

    /// Adds a transaction at the end and answers its ordinal.
    pub fn append(&mut self, transaction: CaseTransaction) -> u32 {
        let ordinal = self.case.transaction_count;
        self.tail.push(transaction);
        self.case.transaction_count += 1;
        ordinal
    }

    /// The transaction appended last, if it belongs to this form.
    pub fn last_of_form(&mut self, form_id: &bolster_model::FormId) -> Option<&mut CaseTransaction> {
        self.tail.last_mut().filter(|t| t.form_id.as_ref() == Some(form_id))
    }

    /// Replaces the whole list.
    pub fn replace_history(&mut self, transactions: Vec<CaseTransaction>) {
        self.case.transaction_count = transactions.len() as u32;
        self.from = 0;
        self.tail = transactions;
    }

    fn into_change(self) -> CaseChange {
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        if self.indices_touched {
            let same = |a: &CaseIndex, b: &CaseIndex| {
                a.identifier == b.identifier
                    && a.referenced_id == b.referenced_id
                    && a.relationship == b.relationship
            };
            removed.extend(
                self.indices_before.iter().filter(|b| !self.case.indices.iter().any(|n| same(n, b))).cloned(),
            );
            added.extend(
                self.case.indices.iter().filter(|n| !self.indices_before.iter().any(|b| same(n, b))).cloned(),
            );
        }
        CaseChange {
            created: self.created,
            transactions_from: self.from,
            transactions: self.tail,
            transactions_before: self.transactions_before,
            listed_before: self.listed_before,
            indices_removed: removed,
            indices_added: added,
            case: self.case,
        }
    }
}

/// A ledger being changed.
#[derive(Clone, Debug)]
pub struct LedgerWork {
    /// As it is now.
    pub value: Option<LedgerValue>,
    /// All transactions in order, loaded when something else than an append is needed.
    pub all: Option<Vec<LedgerTransaction>>,
    /// What was loaded, to see what went away.
    pub loaded: Vec<LedgerTransaction>,
    /// Appended while `all` was not loaded.
    pub appended: Vec<LedgerTransaction>,
}

impl LedgerWork {
    fn into_change(self, key: LedgerKey) -> LedgerChange {
        let Some(all) = self.all else {
            return LedgerChange { key, value: self.value, put: self.appended, removed: Vec::new() };
        };
        let removed: Vec<LedgerPlace> = self
            .loaded
            .iter()
            .map(LedgerTransaction::place)
            .filter(|place| !all.iter().any(|t| t.place() == *place))
            .collect();
        let put = all.into_iter().filter(|t| !self.loaded.contains(t)).collect();
        LedgerChange { key, value: self.value, put, removed }
    }
}

/// Everything being changed by one fact.
pub struct Work<'s, S: State> {
    /// The past.
    pub state: &'s S,
    /// Cases by id.
    pub cases: BTreeMap<CaseId, CaseWork>,
    /// Ledgers by key.
    pub ledgers: BTreeMap<LedgerKey, LedgerWork>,
    /// Form rows to write; a row here hides the stored one.
    pub forms: Vec<FormRow>,
    /// The rest.
    pub changes: Changes,
}

impl<'s, S: State> Work<'s, S> {
    /// Nothing changed yet.
    pub fn new(state: &'s S) -> Self {
        Self {
            state,
            cases: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            forms: Vec::new(),
            changes: Changes::default(),
        }
    }

    /// The case, made when it does not exist.
    pub fn case_mut(&mut self, id: &CaseId) -> Result<&mut CaseWork, S::Error> {
        if !self.cases.contains_key(id) {
            let work = match self.state.case(id)? {
                Some(case) => CaseWork::new(case, false),
                None => CaseWork::new(Case { id: id.clone(), ..Case::default() }, true),
            };
            self.cases.insert(id.clone(), work);
        }
        Ok(self.cases.get_mut(id).expect("inserted above"))
    }

    /// The case if it is stored or was made by this fact.
    pub fn case_exists(&self, id: &CaseId) -> Result<bool, S::Error> {
        Ok(self.cases.contains_key(id) || self.state.case(id)?.is_some())
    }

    /// The ledger.
    pub fn ledger_mut(&mut self, key: &LedgerKey) -> Result<&mut LedgerWork, S::Error> {
        if !self.ledgers.contains_key(key) {
            let value = self.state.ledger(key)?;
            let work = LedgerWork { value, all: None, loaded: Vec::new(), appended: Vec::new() };
            self.ledgers.insert(key.clone(), work);
        }
        Ok(self.ledgers.get_mut(key).expect("inserted above"))
    }

    /// The ledger with all its transactions loaded.
    pub fn ledger_loaded(&mut self, key: &LedgerKey) -> Result<&mut LedgerWork, S::Error> {
        let state = self.state;
        let work = self.ledger_mut(key)?;
        if work.all.is_none() {
            let mut all = state.ledger_transactions(key)?;
            work.loaded = all.clone();
            all.append(&mut work.appended);
            work.all = Some(all);
        }
        Ok(work)
    }

    /// Everything that changed.
    pub fn finish(mut self) -> Changes {
        self.changes.forms = self.forms;
        self.changes.cases = self.cases.into_values().map(CaseWork::into_change).collect();
        self.changes.ledgers = self.ledgers.into_iter().map(|(key, work)| work.into_change(key)).collect();
        self.changes
    }
}
