//! Cases, their transactions and indices.

use crate::block::Relationship;
use crate::digest::Digest;
use crate::fact::OrderKey;
use crate::id::{CaseId, FormId};
use crate::time::Timestamp;

/// Which transaction of the case set a value: its position in the case's transaction list.
/// [`SetBy::NEVER`] marks a value that no form has set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub struct SetBy(pub u32);

impl SetBy {
    /// No transaction.
    pub const NEVER: Self = Self(u32::MAX);
}

impl Default for SetBy {
    fn default() -> Self {
        Self::NEVER
    }
}

/// A last-writer-wins value with the transaction that wrote it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Register<T> {
    /// Present value.
    pub value: T,
    /// Who wrote it.
    pub by: SetBy,
}

/// One dynamic property.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Property {
    /// As in the form, any text.
    pub name: String,
    /// As in the form; may be empty.
    pub value: String,
    /// Who wrote it.
    pub by: SetBy,
}

/// Link of a case to its parent or host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseIndex {
    /// Unique in the case.
    pub identifier: String,
    /// As declared by the form, not compared with the target.
    pub referenced_type: String,
    /// Target.
    pub referenced_id: CaseId,
    /// Child or extension.
    pub relationship: Relationship,
    /// Who wrote it.
    pub by: SetBy,
}

/// A file of a case: a reference to a file of one of its forms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseAttachment {
    /// Name on the case.
    pub name: String,
    /// Stored or guessed from the source name.
    pub content_type: String,
    /// Bytes.
    pub length: u64,
    /// Content.
    pub blob: Digest,
    /// MD5 of the content, as the form API shows it.
    pub md5: [u8; 16],
    /// Who attached it.
    pub by: SetBy,
}

/// Whether and why a case counts as deleted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Deletion {
    /// Alive.
    #[default]
    No,
    /// Deleted on request; only a request undoes it.
    Explicit {
        /// When.
        on: Timestamp,
        /// Groups what was deleted together.
        deletion_id: String,
    },
    /// No form in force touches it any more.
    NoForms {
        /// When the last one went.
        on: Timestamp,
    },
}

impl Deletion {
    /// True for both reasons.
    pub fn is_deleted(&self) -> bool {
        !matches!(self, Self::No)
    }
}

/// A longitudinal case. Equal facts give equal cases, on every node, by any path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Case {
    /// Id.
    pub id: CaseId,
    /// `case_type`, at most 255 characters, empty if never set.
    pub case_type: Register<String>,
    /// `case_name`.
    pub name: Register<String>,
    /// User, group, location or any other id; `-` means unowned.
    pub owner_id: Register<String>,
    /// Not unique.
    pub external_id: Register<String>,
    /// Location of a supply point.
    pub location_id: Register<String>,
    /// When, by the phone's clock.
    pub opened_on: Option<Timestamp>,
    /// By whom.
    pub opened_by: String,
    /// Largest `date_modified` so far.
    pub modified_on: Option<Timestamp>,
    /// Who touched it last.
    pub modified_by: String,
    /// Closed?
    pub closed: Register<bool>,
    /// When.
    pub closed_on: Option<Timestamp>,
    /// By whom.
    pub closed_by: String,
    /// `received_on` (or `edited_on`) of the last form.
    pub server_modified_on: Timestamp,
    /// Dynamic properties sorted by name (bytes), unique.
    pub properties: Vec<Property>,
    /// Sorted by identifier, unique.
    pub indices: Vec<CaseIndex>,
    /// Sorted by name, unique.
    pub attachments: Vec<CaseAttachment>,
    /// Alive or not.
    pub deletion: Deletion,
    /// Length of the transaction list.
    pub transaction_count: u32,
    /// Log position of the last change of state at this node; local, never compared between nodes.
    pub change_lsn: u64,
}

/// What a phone learns of a case, borrowed from wherever it is kept: a payload of 100,000 cases copies none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseView<'a> {
    /// `case_type`.
    pub case_type: &'a str,
    /// `case_name`.
    pub name: &'a str,
    /// Owner id.
    pub owner_id: &'a str,
    /// `external_id`.
    pub external_id: &'a str,
    /// When it was opened, by the phone's clock.
    pub opened_on: Option<Timestamp>,
    /// By whom.
    pub opened_by: &'a str,
    /// Largest `date_modified`, or else when the last form came.
    pub modified_on: Timestamp,
    /// Who touched it last.
    pub modified_by: &'a str,
    /// Closed?
    pub closed: bool,
    /// Deleted, for any reason?
    pub deleted: bool,
    /// Names and values, sorted by name.
    pub properties: Vec<(&'a str, &'a str)>,
    /// Sorted by identifier.
    pub indices: Vec<IndexView<'a>>,
}

/// A live link of a [`CaseView`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexView<'a> {
    /// Unique in its case.
    pub identifier: &'a str,
    /// Type of the target.
    pub referenced_type: &'a str,
    /// Parent or host.
    pub referenced_id: &'a str,
    /// What the link means.
    pub relationship: Relationship,
}

impl<'a> From<&'a Case> for CaseView<'a> {
    fn from(case: &'a Case) -> Self {
        let index = |index: &'a CaseIndex| IndexView {
            identifier: &index.identifier,
            referenced_type: &index.referenced_type,
            referenced_id: index.referenced_id.as_str(),
            relationship: index.relationship,
        };
        Self {
            case_type: &case.case_type.value,
            name: &case.name.value,
            owner_id: &case.owner_id.value,
            external_id: &case.external_id.value,
            opened_on: case.opened_on,
            opened_by: &case.opened_by,
            modified_on: case.modified_on.unwrap_or(case.server_modified_on),
            modified_by: &case.modified_by,
            closed: case.closed.value,
            deleted: case.deletion.is_deleted(),
            properties: case.properties.iter().map(|p| (p.name.as_str(), p.value.as_str())).collect(),
            indices: case.indices.iter().map(index).collect(),
        }
    }
}

/// Kinds of a case transaction, as bits (stable numbers, those of CommCare HQ).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, PartialOrd, Ord)]
pub struct TxKinds(pub u16);

impl TxKinds {
    /// A form.
    pub const FORM: Self = Self(1);
    /// Rebuilt, with a reason.
    pub const REBUILD_WITH_REASON: Self = Self(2);
    /// Rebuilt on request of a user.
    pub const REBUILD_USER_REQUESTED: Self = Self(4);
    /// Rebuilt because a user archived forms.
    pub const REBUILD_USER_ARCHIVED: Self = Self(8);
    /// Rebuilt because a form was archived or unarchived.
    pub const REBUILD_FORM_ARCHIVED: Self = Self(16);
    /// Rebuilt because a form was edited.
    pub const REBUILD_FORM_EDIT: Self = Self(32);
    /// Ledger.
    pub const LEDGER: Self = Self(64);
    /// Create action.
    pub const CREATE: Self = Self(128);
    /// Close action.
    pub const CLOSE: Self = Self(256);
    /// Index action.
    pub const INDEX: Self = Self(512);
    /// Attachment action.
    pub const ATTACHMENT: Self = Self(1024);
    /// Rebuilt because a form was reprocessed.
    pub const REBUILD_FORM_REPROCESS: Self = Self(2048);

    /// Union.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Without the bits of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// All bits of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// A rebuild of any kind.
    pub const fn is_rebuild(self) -> bool {
        self.0 & (2 | 4 | 8 | 16 | 32 | 2048) != 0
    }
}

/// Why a case was rebuilt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RebuildDetails {
    /// Free text and who asked.
    Requested {
        /// Why.
        reason: String,
        /// Who.
        user_id: String,
    },
    /// A form was archived (`true`) or unarchived.
    FormArchived {
        /// The form.
        form_id: FormId,
        /// Which way.
        archived: bool,
    },
    /// A form was edited.
    FormEdited {
        /// The id that the replaced version now has.
        deprecated_form_id: FormId,
    },
    /// A form was reprocessed.
    FormReprocessed {
        /// The form.
        form_id: FormId,
    },
}

/// One entry of a case's history: a form, or a rebuild. Forms are ordered by [`OrderKey`]; a rebuild stands
/// where it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseTransaction {
    /// Place in the order of facts. For an edited form: that of its first version.
    pub key: OrderKey,
    /// The form; `None` for a rebuild.
    pub form_id: Option<FormId>,
    /// Sync token that the form was sent with; `None` when the transaction has a ledger change.
    pub sync_token: Option<String>,
    /// `received_on` of the form, time of the rebuild.
    pub server_date: Timestamp,
    /// `date_modified` of the block, if it had one.
    pub client_date: Option<Timestamp>,
    /// What it did.
    pub kinds: TxKinds,
    /// The form is archived, deprecated without successor here, or deleted: it does not count.
    pub revoked: bool,
    /// Only for a rebuild.
    pub rebuild: Option<RebuildDetails>,
}
