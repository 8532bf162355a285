//! The data dictionary: one table, one module, key layout on top.
//!
//! Keys of documents are `id 0x00 project`: texts from XML hold no NUL, so a scan of `id 0x00` finds an id in
//! every project. Every row is routed by the hash of the document it belongs to.

pub mod cases;
pub mod documents;
pub mod forms;
pub mod ledgers;
pub mod links;
pub mod transactions;

use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{Digest, NodeId, OrderKey, ProjectId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

/// Tables with their stable numbers; a retired number stays reserved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum Table {
    /// `id_key(form)` to a form row.
    Forms = 1,
    /// `id_key(case)` to a case.
    Cases = 2,
    /// `id_key(case) ordinal` to a case transaction.
    CaseTransactions = 3,
    /// `id_key(target) source 0x00 identifier` to a relationship.
    CaseReferrers = 4,
    /// `id_key(case) section 0x00 entry` to a ledger value.
    Ledgers = 5,
    /// `id_key(case) section 0x00 entry 0x00 place` to a ledger transaction.
    LedgerTransactions = 6,
    /// `id_key(missing case) form` to nothing.
    Waiting = 7,
    /// `id_key(form)` to a log position.
    DeviceLogs = 8,
    /// `project kind 0x00 id` to JSON.
    Documents = 9,
    /// `project lsn` to a form and the cases it touched, or to cases that something else changed.
    RecentForms = 10,
    /// `digest owner-kind id_key(form)` to nothing.
    BlobRefs = 11,
    /// `kind 0x00 id` to bytes: matters of this node alone.
    Local = 12,
    /// `id_key(owner) case` to nothing: the open cases of an owner. Routed by owner.
    OwnedCases = 13,
}

impl Table {
    /// All, in order of number.
    pub const ALL: [Self; 13] = [
        Self::Forms,
        Self::Cases,
        Self::CaseTransactions,
        Self::CaseReferrers,
        Self::Ledgers,
        Self::LedgerTransactions,
        Self::Waiting,
        Self::DeviceLogs,
        Self::Documents,
        Self::RecentForms,
        Self::BlobRefs,
        Self::Local,
        Self::OwnedCases,
    ];

    /// From its number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Name of the redb table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forms => "forms",
            Self::Cases => "cases",
            Self::CaseTransactions => "case_transactions",
            Self::CaseReferrers => "case_referrers",
            Self::Ledgers => "ledgers",
            Self::LedgerTransactions => "ledger_transactions",
            Self::Waiting => "waiting",
            Self::DeviceLogs => "device_logs",
            Self::Documents => "documents",
            Self::RecentForms => "recent_forms",
            Self::BlobRefs => "blob_refs",
            Self::Local => "local",
            Self::OwnedCases => "owned_cases",
        }
    }
}

/// Route of everything that belongs to a document id.
pub fn route_of(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

/// `id 0x00 project`.
pub fn id_key(id: &str, project: ProjectId) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len() + 17 + 48);
    key.extend_from_slice(id.as_bytes());
    key.push(0);
    key.extend_from_slice(&project.0);
    key
}

/// `id 0x00`: this id in any project.
pub fn any_project(id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len() + 1);
    key.extend_from_slice(id.as_bytes());
    key.push(0);
    key
}

/// Project of a key that ends in one.
pub fn project_at_end(key: &[u8]) -> Option<ProjectId> {
    let at = key.len().checked_sub(16)?;
    Some(ProjectId(key[at..].try_into().ok()?))
}

pub(crate) fn put_order(w: &mut Writer, key: &OrderKey) {
    w.u64(key.hlc);
    w.raw(&key.author.0);
    w.raw(&key.digest.0);
}

pub(crate) fn get_order(r: &mut Reader<'_>) -> Result<OrderKey, DecodeError> {
    Ok(OrderKey { hlc: r.u64()?, author: NodeId(r.array()?), digest: Digest(r.array()?) })
}

pub(crate) fn put_time(w: &mut Writer, time: Timestamp) {
    w.signed(time.0);
}

pub(crate) fn get_time(r: &mut Reader<'_>) -> Result<Timestamp, DecodeError> {
    r.signed().map(Timestamp)
}
