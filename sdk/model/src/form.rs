//! Forms as received and as stored.

use crate::digest::Digest;
use crate::fact::OrderKey;
use crate::id::{CaseId, FormId};
use crate::time::Timestamp;

/// The meta block of a form. Texts are as sent; times are `None` when absent or unreadable.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FormMeta {
    /// `deviceID`.
    pub device_id: Option<String>,
    /// `userID`, or the legacy `user_id`.
    pub user_id: Option<String>,
    /// `username`.
    pub username: Option<String>,
    /// `timeStart`.
    pub time_start: Option<Timestamp>,
    /// `timeEnd`.
    pub time_end: Option<Timestamp>,
    /// `appVersion`, structured values flattened.
    pub app_version_text: Option<String>,
    /// `location`.
    pub location: Option<String>,
}

/// State of a stored form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum FormState {
    /// In force.
    Normal = 1,
    /// Taken out of force by a person.
    Archived = 2,
    /// Replaced by an edit.
    Deprecated = 4,
    /// Sent again unchanged.
    Duplicate = 8,
    /// Its content could not be applied.
    Error = 16,
    /// Not even a form: the bytes are kept.
    SubmissionError = 32,
}

impl FormState {
    /// `doc_type` in CommCare HQ's APIs.
    pub fn doc_type(self) -> &'static str {
        match self {
            Self::Normal => "XFormInstance",
            Self::Archived => "XFormArchived",
            Self::Deprecated => "XFormDeprecated",
            Self::Duplicate => "XFormDuplicate",
            Self::Error => "XFormError",
            Self::SubmissionError => "SubmissionErrorLog",
        }
    }
}

/// What somebody did to a form after it was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum OperationKind {
    /// Archived.
    Archive = 1,
    /// Unarchived.
    Unarchive = 2,
    /// Replaced an earlier version.
    Edit = 3,
}

impl OperationKind {
    /// HQ's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Unarchive => "unarchive",
            Self::Edit => "edit",
        }
    }
}

/// One line of a form's operation history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// Who.
    pub user_id: String,
    /// When.
    pub date: Timestamp,
    /// What.
    pub kind: OperationKind,
}

/// Kind of an authentication context, HQ's `doc_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum AuthDoc {
    /// `AuthContext`.
    Normal = 1,
    /// `WaivedAuthContext`: noauth.
    Waived = 2,
    /// `DefaultAuthContext`: the appliance itself.
    #[default]
    Default = 3,
}

impl AuthDoc {
    /// HQ's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "AuthContext",
            Self::Waived => "WaivedAuthContext",
            Self::Default => "DefaultAuthContext",
        }
    }
}

/// Who sent a form, by credentials rather than by its own claim.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuthContext {
    /// Kind.
    pub doc: AuthDoc,
    /// The authenticated user, if any.
    pub user_id: Option<String>,
    /// Whether credentials were checked and found right.
    pub authenticated: bool,
}

/// The request headers that a form keeps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OpenRosaHeaders {
    /// `X-OpenRosa-Version`.
    pub version: Option<String>,
    /// `Date`, as sent.
    pub date: Option<String>,
    /// `Accept-Language`.
    pub accept_language: Option<String>,
}

/// A file of a form other than its XML.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// Multipart field name.
    pub name: String,
    /// As sent.
    pub content_type: String,
    /// Bytes.
    pub length: u64,
    /// SHA-256 of the content; names the blob.
    pub blob: Digest,
    /// MD5 of the content, for the API.
    pub md5: [u8; 16],
}

/// Facts of a submission besides its XML and verdict.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubmissionInfo {
    /// Server clock when the form was read.
    pub received_on: Timestamp,
    /// Who sent it.
    pub auth: AuthContext,
    /// `X-CommCareHQ-LastSyncToken`.
    pub last_sync_token: Option<String>,
    /// Headers kept.
    pub headers: OpenRosaHeaders,
    /// `Date` as an instant, `None` when unreadable.
    pub date_header: Option<Timestamp>,
    /// Application id (of the app, not the build).
    pub app_id: Option<String>,
    /// Build id, if the URL named a known build.
    pub build_id: Option<String>,
    /// Address of the sender.
    pub submit_ip: Option<String>,
    /// Request path.
    pub path: String,
    /// An SMS session that ended early.
    pub partial_submission: bool,
    /// The other files, sorted by name, unique.
    pub attachments: Vec<Attachment>,
}

/// A stored form with its bytes: what the log holds of a submission.
#[derive(Clone, PartialEq, Debug)]
pub struct FormContent {
    /// Facts of the submission.
    pub info: SubmissionInfo,
    /// Exactly the bytes received.
    pub xml: Vec<u8>,
}

/// The row of a form in the store: identity, state and where its content is. Everything else is read from
/// the content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormRow {
    /// Id under which it is stored.
    pub form_id: FormId,
    /// State; a deleted form keeps the state it had.
    pub state: FormState,
    /// Place in history: for an edited form that of its first version.
    pub position: OrderKey,
    /// Log position of the entry that holds the content (for a duplicate: the original's content).
    pub content_lsn: u64,
    /// Log position of the last entry that changed this row; local.
    pub change_lsn: u64,
    /// Namespace of the root; empty for a submission error.
    pub xmlns: String,
    /// SHA-256 of the XML bytes.
    pub xml_digest: Digest,
    /// SHA-256 of the XML of every earlier version.
    pub earlier_digests: Vec<Digest>,
    /// When received; an edit keeps the original's.
    pub received_on: Timestamp,
    /// When last changed.
    pub server_modified_on: Timestamp,
    /// When an edit replaced the earlier version (on both).
    pub edited_on: Option<Timestamp>,
    /// Id that the earlier version now has.
    pub deprecated_form_id: Option<FormId>,
    /// Id as submitted, for deprecated and duplicate forms.
    pub orig_id: Option<FormId>,
    /// Why it is an error or a duplicate.
    pub problem: Option<String>,
    /// Cases whose arrival would cure the error.
    pub missing_cases: Vec<CaseId>,
    /// True once its case work has succeeded once.
    pub initial_processing_complete: bool,
    /// The last version whose case work counts when this one is an error edit: its deprecated id.
    pub effective_version: Option<FormId>,
    /// Files carried over from earlier versions: attachments in force, complete.
    pub attachments: Vec<Attachment>,
    /// What was done to it.
    pub operations: Vec<Operation>,
    /// Soft deletion: when and its id.
    pub deleted: Option<(Timestamp, String)>,
    /// Exact resends so far.
    pub duplicate_count: u32,
}
