//! What a form asks for: case blocks and ledger blocks after parsing, before any state is known.

use crate::form::FormMeta;
use crate::id::CaseId;
use crate::time::Timestamp;

/// Why the content of a form cannot be applied. Stored as the form's problem, shown as `Class: detail`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ErrorClass {
    /// Empty case id, an unknown case in a ledger, a transfer without ends.
    IllegalCaseId,
    /// An index to a case that does not exist, or of an unknown relationship.
    InvalidCaseIndex,
    /// A known property too long, or an unreadable `date_opened`.
    CaseValueError,
    /// `date_modified` is not ISO 8601.
    PhoneDateValueError,
    /// A version 1 block with referrals.
    UsesReferrals,
    /// A ledger entry without an id.
    MissingProductId,
    /// A case block of a namespace that is not version 2.
    VersionNotSupported,
    /// A case attachment names a file that was not sent.
    MissingAttachment,
    /// An id longer than [`crate::id::ID_LEN_MAX`] characters, a bad ledger date or quantity, and the like.
    InvalidContent,
}

impl ErrorClass {
    /// The stable name, as CommCare HQ spells it where it has one.
    pub fn name(self) -> &'static str {
        match self {
            Self::IllegalCaseId => "IllegalCaseId",
            Self::InvalidCaseIndex => "InvalidCaseIndex",
            Self::CaseValueError => "CaseValueError",
            Self::PhoneDateValueError => "PhoneDateValueError",
            Self::UsesReferrals => "UsesReferrals",
            Self::MissingProductId => "MissingProductId",
            Self::VersionNotSupported => "VersionNotSupported",
            Self::MissingAttachment => "MissingAttachment",
            Self::InvalidContent => "InvalidContent",
        }
    }
}

/// A content error: the form is kept as an error form and changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentError {
    /// What kind of mistake.
    pub class: ErrorClass,
    /// One sentence that names the offending value.
    pub detail: String,
    /// Cases whose arrival would cure the error (an index to a case not here yet). Empty otherwise.
    pub missing_cases: Vec<CaseId>,
}

impl ContentError {
    /// An error that no later arrival cures.
    pub fn new(class: ErrorClass, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into(), missing_cases: Vec::new() }
    }

    /// `Class: detail`, as stored in the form's `problem`.
    pub fn problem(&self) -> String {
        format!("{}: {}", self.class.name(), self.detail)
    }
}

/// Relationship of a case index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Relationship {
    /// Parent and child.
    Child = 1,
    /// Host and extension.
    Extension = 2,
}

impl Relationship {
    /// `child` or `extension`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::Extension => "extension",
        }
    }
}

/// One element of `<index>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IndexAction {
    /// Element name.
    pub identifier: String,
    /// `@case_type`; may be empty when the index is removed.
    pub referenced_type: String,
    /// Target; `None` (empty text) removes the index.
    pub referenced_id: Option<CaseId>,
    /// `@relationship`, `child` by default.
    pub relationship: Relationship,
}

/// Where a case attachment comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AttachmentSource {
    /// `src` names a file of this form.
    File {
        /// Name of the form attachment.
        src: String,
    },
    /// Neither `src` nor `from`: the attachment goes away.
    Remove,
}

/// One element of `<attachment>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttachmentAction {
    /// Element name, the attachment's name on the case.
    pub name: String,
    /// What to do.
    pub source: AttachmentSource,
}

/// A case block: one request of one form to change one case. Values are as sent, unstripped, time stamps
/// normalised.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CaseBlock {
    /// Never empty (an empty one is a content error when parsed).
    pub case_id: CaseId,
    /// `@user_id`; `None` when absent or empty, the form's user then counts.
    pub user_id: Option<String>,
    /// `@date_modified`; `None` when absent or empty, the time of receipt then counts.
    pub date_modified: Option<Timestamp>,
    /// Elements of `<create>` in document order, all names; empty when there is none or it is empty.
    pub create: Vec<(String, String)>,
    /// Elements of all `<update>` in document order; the last of one name wins.
    pub update: Vec<(String, String)>,
    /// Whether `<close>` is present, empty or not.
    pub close: bool,
    /// Elements of `<index>` in document order.
    pub indices: Vec<IndexAction>,
    /// Elements of `<attachment>` in document order, those to be ignored left out.
    pub attachments: Vec<AttachmentAction>,
}

/// One entry of a ledger block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerEntry {
    /// Section (`stock`, …).
    pub section_id: String,
    /// Product id.
    pub entry_id: String,
    /// Amount.
    pub quantity: i64,
}

/// What a ledger block does with its entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LedgerMove {
    /// Sets the balance of one case.
    Balance {
        /// The case.
        case_id: CaseId,
    },
    /// Moves from one case to another; at least one end is present.
    Transfer {
        /// Loses.
        src: Option<CaseId>,
        /// Gains.
        dest: Option<CaseId>,
        /// `@type`, a free label.
        label: Option<String>,
    },
}

/// A `<balance>` or `<transfer>`, entries with blank or non-numeric quantities left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerBlock {
    /// Balance or transfer with its ends.
    pub action: LedgerMove,
    /// `@date`; `None` when absent, the time of receipt then counts.
    pub date: Option<Timestamp>,
    /// In document order.
    pub entries: Vec<LedgerEntry>,
}

/// Everything the receiver needs to know of a form that parsed as XML with a namespace.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ParsedForm {
    /// Local name of the root.
    pub root_name: String,
    /// Namespace of the root, not empty.
    pub xmlns: String,
    /// `@name`, `@version`, `@uiVersion` of the root.
    pub name: Option<String>,
    /// `@version` of the root.
    pub version: Option<String>,
    /// `@uiVersion` of the root.
    pub ui_version: Option<String>,
    /// `meta/uid` if not empty, else `meta/instanceID` if not empty.
    pub instance_id: Option<String>,
    /// Who, when, with what.
    pub meta: FormMeta,
    /// Root is `http://code.javarosa.org/devicereport`: a device log, no form.
    pub is_device_log: bool,
    /// Case blocks in the order of application (sorted by case id, then by earliest action, stable).
    pub case_blocks: Vec<CaseBlock>,
    /// Ledger blocks in document order.
    pub ledger_blocks: Vec<LedgerBlock>,
    /// The first content error found while reading blocks; the blocks are then not to be applied.
    pub content_error: Option<ContentError>,
}

impl ParsedForm {
    /// The blocks of one case, found by their order.
    pub fn blocks_of(&self, case_id: &CaseId) -> &[CaseBlock] {
        let from = self.case_blocks.partition_point(|b| b.case_id < *case_id);
        let len = self.case_blocks[from..].partition_point(|b| b.case_id == *case_id);
        &self.case_blocks[from..from + len]
    }

    /// Whether any block is about the case.
    pub fn touches(&self, case_id: &CaseId) -> bool {
        !self.blocks_of(case_id).is_empty()
    }
}

impl LedgerBlock {
    /// The cases whose stock it moves; none when no entry is left.
    pub fn cases(&self) -> impl Iterator<Item = &CaseId> {
        let ends = match &self.action {
            LedgerMove::Balance { case_id } => [Some(case_id), None],
            LedgerMove::Transfer { src, dest, .. } => [src.as_ref(), dest.as_ref()],
        };
        ends.into_iter().flatten().filter(|_| !self.entries.is_empty())
    }
}
