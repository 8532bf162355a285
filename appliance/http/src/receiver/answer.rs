//! What a sender is told of a submission that was decided.

use crate::reply::{Reply, header_value, whole};
use bolster_usecases::SubmissionOutcome;
use bolster_wire::openrosa::{Nature, TICK, response};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use std::sync::LazyLock;

/// `X-CommCareHQ-FormID`: the stored form's id. Its absence says that nothing was stored as a form.
pub const FORM_ID: HeaderName = HeaderName::from_static("x-commcarehq-formid");
/// `X-OpenRosa-Version`.
pub const OPENROSA_VERSION: HeaderName = HeaderName::from_static("x-openrosa-version");
/// The version of the protocol that is spoken here; clients that send the same are told more.
pub const VERSION_3: &str = "3.0";
/// Content type of every OpenRosa answer.
const XML: &str = "text/xml; charset=utf-8";
/// Text of the answer to a form that was thrown away on purpose.
const IGNORED: &str = "√ (this submission was ignored)";

static SUCCESS: LazyLock<Bytes> = LazyLock::new(|| response(Nature::SubmitSuccess, TICK).into());

/// An OpenRosa answer.
pub fn openrosa(status: StatusCode, nature: Nature, message: &str) -> Reply {
    whole(status, XML, response(nature, message))
}

/// The answer to an outcome: spec of the receiver, table of responses. `version_3`: the client speaks
/// OpenRosa 3.0, where a form that can never be applied is told apart.
pub fn answer(outcome: &SubmissionOutcome, version_3: bool, location: &str) -> Reply {
    let success = || whole(StatusCode::CREATED, XML, SUCCESS.clone());
    let (mut reply, form_id) = match outcome {
        SubmissionOutcome::Stored { form_id } => (success(), Some(form_id)),
        SubmissionOutcome::Duplicate { form_id, .. } if version_3 => (success(), Some(form_id)),
        SubmissionOutcome::Duplicate { form_id, of } => {
            let message = format!("Form is a duplicate of another! ({of})");
            (openrosa(StatusCode::CREATED, Nature::SubmitError, &message), Some(form_id))
        }
        SubmissionOutcome::ContentError { form_id, problem } => {
            let (status, nature) = match version_3 {
                true => (StatusCode::UNPROCESSABLE_ENTITY, Nature::ProcessingFailure),
                false => (StatusCode::CREATED, Nature::SubmitError),
            };
            (openrosa(status, nature, problem), Some(form_id))
        }
        SubmissionOutcome::Unparseable { problem, .. } => {
            let message = format!("There was an error processing the form: {problem}");
            (openrosa(StatusCode::UNPROCESSABLE_ENTITY, Nature::ProcessingFailure, &message), None)
        }
        SubmissionOutcome::DeviceLog { .. } => (success(), None),
        SubmissionOutcome::Ignored => (openrosa(StatusCode::CREATED, Nature::SubmitSuccess, IGNORED), None),
    };
    if let Some(form_id) = form_id {
        reply.headers_mut().insert(FORM_ID, header_value(form_id.as_str()));
    }
    if let Ok(location) = HeaderValue::from_str(location) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply
}
