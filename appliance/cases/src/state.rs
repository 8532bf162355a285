//! What the rules may ask about the past.

use std::sync::Arc;

use bolster_model::{
    Case, CaseId, CaseTransaction, FormId, FormRow, LedgerKey, LedgerTransaction, LedgerValue, ParsedForm,
    Relationship, RulesVersion,
};

/// What the store keeps of a form beside its row.
#[derive(Clone, Debug)]
pub struct StoredForm {
    /// What it asks for.
    pub parsed: Arc<ParsedForm>,
    /// Sync token that it was sent with.
    pub sync_token: Option<String>,
    /// Switches in force when it was judged.
    pub rules: RulesVersion,
}

/// The state of one project before the fact at hand. Errors are storage failures, never answers.
pub trait State {
    /// Storage failure.
    type Error;

    /// A case, deleted ones included.
    fn case(&self, id: &CaseId) -> Result<Option<Case>, Self::Error>;
    /// A case of this id exists in another project.
    fn case_elsewhere(&self, id: &CaseId) -> Result<bool, Self::Error>;
    /// The whole transaction list, in order.
    fn transactions(&self, id: &CaseId) -> Result<Vec<CaseTransaction>, Self::Error>;
    /// Live indices of other cases that point here: (source, identifier, relationship).
    fn referrers(&self, id: &CaseId) -> Result<Vec<(CaseId, String, Relationship)>, Self::Error>;
    /// A form's row.
    fn form(&self, id: &FormId) -> Result<Option<FormRow>, Self::Error>;
    /// A form of this id exists in another project.
    fn form_elsewhere(&self, id: &FormId) -> Result<bool, Self::Error>;
    /// A form's content, read again from its bytes; `None` when they cannot be read.
    fn stored(&self, row: &FormRow) -> Result<Option<StoredForm>, Self::Error>;
    /// A ledger value.
    fn ledger(&self, key: &LedgerKey) -> Result<Option<LedgerValue>, Self::Error>;
    /// Its transactions in order.
    fn ledger_transactions(&self, key: &LedgerKey) -> Result<Vec<LedgerTransaction>, Self::Error>;
}
