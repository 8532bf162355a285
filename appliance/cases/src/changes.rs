//! After-images that a fact leaves behind.

use bolster_model::{
    Case, CaseId, CaseIndex, CaseTransaction, FormId, FormRow, LedgerKey, LedgerPlace, LedgerTransaction,
    LedgerValue,
};

/// One case after the fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseChange {
    /// The case as it is now.
    pub case: Case,
    /// It was not there before.
    pub created: bool,
    /// First ordinal that differs from what was stored, with all transactions from there on.
    pub transactions_from: u32,
    /// The transactions from that ordinal on.
    pub transactions: Vec<CaseTransaction>,
    /// Length of the list before; ordinals from the new end up to it go away.
    pub transactions_before: u32,
    /// Owner among whose open cases it was listed before; `None` if it was not.
    pub listed_before: Option<String>,
    /// Indices that went away or changed.
    pub indices_removed: Vec<CaseIndex>,
    /// Indices that are new or changed.
    pub indices_added: Vec<CaseIndex>,
}

/// Owner among whose open cases a case is listed.
pub fn listed_under(case: &Case) -> Option<&str> {
    let owner = case.owner_id.value.as_str();
    let listed = !case.closed.value && !case.deletion.is_deleted() && !matches!(owner, "" | "-");
    listed.then_some(owner)
}

/// One ledger after the fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerChange {
    /// Key.
    pub key: LedgerKey,
    /// The value; `None` when no transaction is left.
    pub value: Option<LedgerValue>,
    /// Transactions to write.
    pub put: Vec<LedgerTransaction>,
    /// Places whose transaction goes away (and is not written again).
    pub removed: Vec<LedgerPlace>,
}

/// Everything one fact changes in its project.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Form rows to write.
    pub forms: Vec<FormRow>,
    /// Cases, by id.
    pub cases: Vec<CaseChange>,
    /// Ledgers, by key.
    pub ledgers: Vec<LedgerChange>,
    /// (missing case, waiting form) to add.
    pub waiting_added: Vec<(CaseId, FormId)>,
    /// (missing case, waiting form) to remove.
    pub waiting_removed: Vec<(CaseId, FormId)>,
    /// A device log was received under this id.
    pub device_log: Option<FormId>,
    /// A form came in: it goes on the list of recent forms with the cases it touched.
    pub received: Option<(FormId, Vec<CaseId>)>,
    /// Sync token that the form came with, whatever was decided about it: its phone has applied it.
    pub sync_token: Option<String>,
}
