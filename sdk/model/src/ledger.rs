//! Stock: balances per (case, section, entry) and the transactions that led to them.

use crate::fact::OrderKey;
use crate::id::{CaseId, FormId};
use crate::time::Timestamp;

/// Key of a ledger value.
#[derive(Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct LedgerKey {
    /// Case that holds the stock.
    pub case_id: CaseId,
    /// Section.
    pub section_id: String,
    /// Product.
    pub entry_id: String,
}

/// Kind of a ledger transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum LedgerKind {
    /// Sets.
    Balance = 1,
    /// Adds.
    Transfer = 2,
}

/// One change of a ledger value. Ordered by (report date, order key, position in the form).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerTransaction {
    /// Place of the form in the order of facts.
    pub order: OrderKey,
    /// Position in the form, counting entries of all ledger blocks.
    pub position: u32,
    /// The form.
    pub form_id: FormId,
    /// `received_on`.
    pub server_date: Timestamp,
    /// `@date` of the block, else `received_on`.
    pub report_date: Timestamp,
    /// Balance or transfer.
    pub kind: LedgerKind,
    /// `@type` of a transfer.
    pub label: Option<String>,
    /// As asked: the quantity of a balance, the signed amount of a transfer.
    pub amount: i64,
    /// Change that it made.
    pub delta: i64,
    /// Balance after it.
    pub updated_balance: i64,
}

/// Place of a ledger transaction in its ledger: the order in which balances are computed.
#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct LedgerPlace {
    /// `@date` of the block, else `received_on`.
    pub report_date: Timestamp,
    /// Place of the form in the order of facts.
    pub order: OrderKey,
    /// Position in the form.
    pub position: u32,
}

impl LedgerTransaction {
    /// Where it stands in its ledger.
    pub fn place(&self) -> LedgerPlace {
        LedgerPlace { report_date: self.report_date, order: self.order, position: self.position }
    }
}

/// A ledger value; its transactions are kept beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerValue {
    /// Key.
    pub key: LedgerKey,
    /// Present balance.
    pub balance: i64,
    /// Place of the last transaction in order; `None` when there is none left.
    pub last: Option<LedgerPlace>,
}
