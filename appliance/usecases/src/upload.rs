//! What comes in with a submission, and what becomes of it.

use bolster_model::{FormId, ProjectId, SubmissionInfo};
use std::sync::Arc;

/// A submission whose bytes are complete and within limits.
#[derive(Debug)]
pub struct FormUpload {
    /// Where it goes.
    pub project: ProjectId,
    /// The XML exactly as received.
    pub xml: Vec<u8>,
    /// Facts of the request. `received_on` is the time when the body was complete.
    pub info: SubmissionInfo,
    /// How it must be treated.
    pub mode: SubmitMode,
    /// The sender is told that this is refused for good, for this reason: it is kept and never applied.
    pub refused: Option<String>,
}

/// Submissions that are not what they seem.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SubmitMode {
    /// Without credentials (`authtype=noauth`): only harmless forms of the demo user and device logs pass.
    pub noauth: bool,
    /// `submit_mode=demo`: forms of anybody but the demo user are answered and dropped.
    pub demo: bool,
    /// An importer may say when a form was received: keep `info.received_on` although it lies in the past.
    pub import: bool,
}

/// What became of a submission that was decided and is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubmissionOutcome {
    /// Stored and applied.
    Stored {
        /// Its id.
        form_id: FormId,
    },
    /// The bytes of a form that is here already.
    Duplicate {
        /// Id of the record of this arrival.
        form_id: FormId,
        /// The form that it repeats.
        of: FormId,
    },
    /// Stored as an error form; nothing was applied.
    ContentError {
        /// Its id.
        form_id: FormId,
        /// `Class: detail`.
        problem: String,
    },
    /// No form; the bytes are kept.
    Unparseable {
        /// Id of the record.
        form_id: FormId,
        /// Why.
        problem: String,
    },
    /// A device log, kept.
    DeviceLog {
        /// Its id.
        form_id: FormId,
    },
    /// A demo form, not stored.
    Ignored,
}

/// Why a submission was not decided. The sender keeps it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitFormError {
    /// Too much waits already.
    #[error("too many submissions wait to be written")]
    Busy,
    /// No room.
    #[error("the disk is full")]
    DiskFull,
    /// The appliance is stopping, or in maintenance.
    #[error("the appliance does not take submissions now")]
    Unavailable,
    /// Demo rules forbid it.
    #[error("{reason}")]
    Forbidden {
        /// Why.
        reason: String,
    },
    /// Our fault or the disk's.
    #[error("the submission could not be stored")]
    Storage(#[source] Arc<dyn std::error::Error + Send + Sync>),
}
