//! Facts: what was decided, immutable, the only input of the state.
//!
//! Invariants: a fact holds its verdict, so that nobody judges it again; folding the same facts in the
//! order of [`OrderKey`] gives the same state everywhere; ids made while folding are functions of facts.

use crate::digest::Digest;
use crate::form::SubmissionInfo;
use crate::id::{CaseId, FormId, NodeId};
use crate::time::Timestamp;

/// Version of the case rules and the project switches in force when a fact was judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct RulesVersion(pub u32);

impl RulesVersion {
    /// Rules of this release, no switch on.
    pub const CURRENT: Self = Self(1);
    /// Extensions of closed hosts close too.
    pub const CASCADE: u32 = 1 << 16;
    /// Case attachments are applied.
    pub const CASE_ATTACHMENTS: u32 = 1 << 17;

    /// The switch is on.
    pub fn has(self, switch: u32) -> bool {
        self.0 & switch != 0
    }
    /// With the switch on or off.
    pub fn with(self, switch: u32, on: bool) -> Self {
        Self(if on { self.0 | switch } else { self.0 & !switch })
    }
}

/// How far the clock could be trusted when a fact was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[repr(u8)]
pub enum ClockQuality {
    /// Nothing known against it.
    #[default]
    Normal = 0,
    /// It stood before the log's last entry, or before this program was built.
    Suspect = 1,
}

/// K, the total order of facts: hybrid time, author, digest, compared in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub struct OrderKey {
    /// 48 bits of milliseconds, 16 bits of counter.
    pub hlc: u64,
    /// Node that first accepted the fact.
    pub author: NodeId,
    /// Digest of the fact.
    pub digest: Digest,
}

/// What was decided about a submission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Stored and applied.
    Normal,
    /// Stored, not applied.
    Error {
        /// `Class: detail`.
        problem: String,
        /// Cases whose arrival would cure it.
        missing_cases: Vec<CaseId>,
    },
    /// The bytes of a form that is here already.
    DuplicateOf {
        /// That form.
        form_id: FormId,
    },
    /// Another version of a form that is here already.
    EditOf {
        /// Id that the earlier version gets.
        deprecated_form_id: FormId,
        /// Not applied: the earlier version stays in force.
        error: Option<(String, Vec<CaseId>)>,
    },
    /// No form: kept for a person to look at.
    Unparseable {
        /// Why.
        problem: String,
    },
    /// A device log: kept, never applied.
    DeviceLog,
}

/// A form as received, with the verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubmitForm {
    /// Id under which the form is stored.
    pub form_id: FormId,
    /// Id in the XML, when another had to be given (duplicate, clash).
    pub submitted_id: Option<FormId>,
    /// Namespace of the root; empty when unparseable.
    pub xmlns: String,
    /// Facts of the request.
    pub info: SubmissionInfo,
    /// SHA-256 of the XML bytes.
    pub xml_digest: Digest,
    /// What was decided.
    pub verdict: Verdict,
}

/// Takes a form out of force, or back in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchiveForm {
    /// The form.
    pub form_id: FormId,
    /// Archive (`true`) or unarchive.
    pub archive: bool,
    /// Who.
    pub user_id: String,
    /// When.
    pub at: Timestamp,
}

/// Soft deletion of a form, or its undoing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteForm {
    /// The form.
    pub form_id: FormId,
    /// Delete (`true`) or undelete.
    pub delete: bool,
    /// Groups deletions.
    pub deletion_id: String,
    /// Who.
    pub user_id: String,
    /// When.
    pub at: Timestamp,
}

/// A form in error is judged again, with success.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReprocessForm {
    /// The form.
    pub form_id: FormId,
    /// When.
    pub at: Timestamp,
}

/// Explicit deletion of a case, or its undoing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteCase {
    /// The case.
    pub case_id: CaseId,
    /// Delete (`true`) or undelete.
    pub delete: bool,
    /// Groups deletions.
    pub deletion_id: String,
    /// Who.
    pub user_id: String,
    /// When.
    pub at: Timestamp,
}

/// A person asks for a rebuild.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RebuildCase {
    /// The case.
    pub case_id: CaseId,
    /// Why.
    pub reason: String,
    /// Who.
    pub user_id: String,
    /// When.
    pub at: Timestamp,
}

/// A whole administrative document after a change. The audit trail is the list of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminDocument {
    /// Kind: `project`, `user`, `membership`, `role`, `api_key`, `credential`, …
    pub kind: String,
    /// Id within the kind.
    pub id: String,
    /// The document as JSON; `None` when it was removed.
    pub json: Option<String>,
    /// What happened, in words a person reads in the audit trail: `user created`.
    pub action: String,
    /// Fields that changed.
    pub changed: Vec<String>,
    /// Who did it; `system` or `command line` where no person is known.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// Stable number of each kind of fact, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u16)]
pub enum FactKind {
    /// [`SubmitForm`].
    SubmitForm = 1,
    /// [`ArchiveForm`].
    ArchiveForm = 2,
    /// [`DeleteForm`].
    DeleteForm = 3,
    /// [`ReprocessForm`].
    ReprocessForm = 4,
    /// [`DeleteCase`].
    DeleteCase = 5,
    /// [`RebuildCase`].
    RebuildCase = 6,
    /// [`AdminDocument`] other than a credential.
    AdminDocument = 7,
    /// [`AdminDocument`] that is a credential: never shown, never sent without need.
    Credential = 8,
}

/// Any fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// A form came in.
    SubmitForm(Box<SubmitForm>),
    /// A form was archived or unarchived.
    ArchiveForm(ArchiveForm),
    /// A form was deleted or undeleted.
    DeleteForm(DeleteForm),
    /// An error form became normal.
    ReprocessForm(ReprocessForm),
    /// A case was deleted or undeleted.
    DeleteCase(DeleteCase),
    /// A case was rebuilt on request.
    RebuildCase(RebuildCase),
    /// A document of administration changed.
    AdminDocument(AdminDocument),
    /// A credential changed.
    Credential(AdminDocument),
}

impl Fact {
    /// Its stable number.
    pub fn kind(&self) -> FactKind {
        match self {
            Self::SubmitForm(_) => FactKind::SubmitForm,
            Self::ArchiveForm(_) => FactKind::ArchiveForm,
            Self::DeleteForm(_) => FactKind::DeleteForm,
            Self::ReprocessForm(_) => FactKind::ReprocessForm,
            Self::DeleteCase(_) => FactKind::DeleteCase,
            Self::RebuildCase(_) => FactKind::RebuildCase,
            Self::AdminDocument(_) => FactKind::AdminDocument,
            Self::Credential(_) => FactKind::Credential,
        }
    }
}
