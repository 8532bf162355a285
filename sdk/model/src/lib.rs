//! The nouns of the product: ids, times, forms, cases, ledgers, facts.
//!
//! Plain types without IO, clock, serialization or third-party code. Wire and stored formats convert at
//! the edge. Everything here is deterministic: two equal inputs give equal values on every machine.

pub mod block;
pub mod case;
pub mod digest;
pub mod fact;
pub mod form;
pub mod id;
pub mod ledger;
pub mod time;

pub use block::{
    AttachmentAction, AttachmentSource, CaseBlock, ContentError, ErrorClass, IndexAction, LedgerBlock,
    LedgerEntry, LedgerMove, ParsedForm, Relationship,
};
pub use case::{
    Case, CaseAttachment, CaseIndex, CaseTransaction, CaseView, Deletion, IndexView, Property,
    RebuildDetails, Register, SetBy, TxKinds,
};
pub use digest::Digest;
pub use fact::{
    AdminDocument, ArchiveForm, ClockQuality, DeleteCase, DeleteForm, Fact, FactKind, OrderKey, RebuildCase,
    ReprocessForm, RulesVersion, SubmitForm, Verdict,
};
pub use form::{
    Attachment, AuthContext, AuthDoc, FormContent, FormMeta, FormRow, FormState, OpenRosaHeaders, Operation,
    OperationKind, SubmissionInfo,
};
pub use id::{CaseId, FormId, NodeId, ProjectId, UserId};
pub use ledger::{LedgerKey, LedgerKind, LedgerPlace, LedgerTransaction, LedgerValue};
pub use time::Timestamp;
