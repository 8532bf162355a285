//! What went wrong, and the one place that says which status, code and sentence it gets.
//!
//! The sentence is for whoever reads the answer and tells no path, key or cause; the cause goes to our own
//! log. Codes are stable; `docs/errors/` has a page for each.

use crate::body::BodyError;
use crate::pages;
use crate::receiver::answer::openrosa;
use crate::receiver::upload::UploadError;
use crate::reply::{ERROR_CODE, Reply, empty, header_value, json, text};
use crate::request::Request;
use crate::router::State;
use bolster_auth::{AuthError, Refused};
use bolster_store::{BlobError, StoreError};
use bolster_usecases::restore::RestoreError;
use bolster_usecases::{SubmitFormError, WriteError};
use bolster_wire::openrosa::Nature;
use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use std::borrow::Cow;
use std::error::Error;

/// How a client is asked for credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Challenge {
    /// Phones send their first request bare and expect this.
    Basic,
    /// Programs.
    Digest,
    /// Bearer tokens.
    Bearer,
    /// People: sent to the login page.
    Page,
}

/// Which clothes an answer wears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Envelope {
    /// The receiver: OpenRosa for what is final, else plain text or nothing.
    Receiver,
    /// Phones: plain text, OpenRosa for a restore that must start again, JSON for what a phone can show.
    Phone,
    /// `{"error": …}`.
    Api,
    /// A page.
    Page,
}

/// Anything that ends a request otherwise than with what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// No such address.
    #[error("there is nothing at this address")]
    NoRoute,
    /// The address takes other methods.
    #[error("this address takes {allow} only")]
    Method {
        /// Header `Allow`.
        allow: &'static str,
    },
    /// No project of this name (the receiver says so).
    #[error("No domain with name {name}")]
    NoProject {
        /// As in the address.
        name: String,
    },
    /// Nothing is told about this project.
    #[error("not authorized")]
    Unknown {
        /// How to ask.
        challenge: Challenge,
    },
    /// `?authtype=` of a kind nobody knows.
    #[error("authtype must be one of: digest,basic,noauth,api_key,oauth2")]
    AuthType,
    /// Bearer tokens are not given out here.
    #[error("bearer tokens are not accepted by this server")]
    Bearer,
    /// No, wrong or useless credentials.
    #[error("not signed in")]
    NotSignedIn {
        /// Why.
        #[source]
        error: AuthError,
        /// How to ask.
        challenge: Challenge,
    },
    /// Known, and may not.
    #[error("not allowed")]
    Refused(#[from] Refused),
    /// Belongs to another project.
    #[error("you are not in this project: the user was not in the domain {project}")]
    NotHere {
        /// As in the address.
        project: String,
    },
    /// A look for an update by nobody in particular, where versions depend on the location.
    #[error("Please log in to the app to check for an update.")]
    UpdateNeedsLogin,
    /// A signed request that does not say for whom it is, or for nobody we know.
    #[error("{0}")]
    NobodyNamed(&'static str),
    /// There is no restore.
    #[error("no restore")]
    Restore(#[from] RestoreError),
    /// The body is no submission.
    #[error("the submission cannot be taken")]
    Upload(#[from] UploadError),
    /// The body of another request.
    #[error("the body cannot be read")]
    Body(#[from] BodyError),
    /// The submission was not decided.
    #[error("the submission was not decided")]
    Submit(#[from] SubmitFormError),
    /// The project or the server is in maintenance.
    #[error("in maintenance")]
    Maintenance,
    /// A request that makes no sense; the text says why.
    #[error("{0}")]
    BadRequest(String),
    /// A form sent by another site, or from a page that is too old.
    #[error("this page is out of date; go back, reload it and try again")]
    Forged,
    /// Nothing of this id.
    #[error("{0}")]
    NotFound(String),
    /// The bytes of something that is known are gone.
    #[error("the content of {0} is missing on this server")]
    ContentGone(String),
    /// Committed state could not be read.
    #[error("data could not be read")]
    Store(#[from] StoreError),
    /// A file could not be read.
    #[error("a file could not be read")]
    Blob(#[from] BlobError),
    /// A change was not written.
    #[error("a change was not stored")]
    Write(#[from] WriteError),
    /// Too many people sign in at once.
    #[error("too many people sign in at once")]
    Crowded,
    /// A thread gave up; it said why itself.
    #[error("the work on this request was given up")]
    GivenUp,
}

/// What an answer needs to know of a problem.
struct Facts {
    status: StatusCode,
    code: &'static str,
    text: Cow<'static, str>,
    /// Seconds.
    retry_after: Option<u64>,
    /// The same bytes will never be taken.
    is_final: bool,
}

impl Facts {
    fn new(status: StatusCode, code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, text: text.into(), retry_after: None, is_final: false }
    }
    fn retry(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
    /// The same bytes will never be taken: phones keep such a form aside and do not send it again.
    fn fatal(self) -> Self {
        Self { is_final: true, ..self }
    }
}

const INTERNAL: &str = "Something went wrong on this server. The cause is in its log. Try again later.";
const DISK_FULL: &str = "The disk of this server is full. Nothing was stored, and nothing is lost: it is taken as soon as there \
     is room again.";
const BUSY: &str = "This server has too much to do now. Try again in a moment.";

fn internal() -> Facts {
    Facts::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", INTERNAL)
}
fn disk_full() -> Facts {
    Facts::new(StatusCode::SERVICE_UNAVAILABLE, "disk-full", DISK_FULL).retry(60)
}
fn busy(status: StatusCode) -> Facts {
    Facts::new(status, "busy", BUSY).retry(2)
}
fn unavailable() -> Facts {
    let text = "This server is stopping or in maintenance. Nothing was stored; try again later.";
    Facts::new(StatusCode::SERVICE_UNAVAILABLE, "maintenance", text).retry(120)
}

impl Problem {
    /// The sentence of a kind that says it all itself.
    fn own(&self, status: StatusCode, code: &'static str) -> Facts {
        Facts::new(status, code, self.to_string())
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NoRoute => self.own(StatusCode::NOT_FOUND, "no-such-address"),
            Self::Method { .. } => self.own(StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::NoProject { .. } => self.own(StatusCode::BAD_REQUEST, "no-such-project"),
            Self::Unknown { .. } => self.own(StatusCode::UNAUTHORIZED, "not-signed-in"),
            Self::AuthType => self.own(StatusCode::BAD_REQUEST, "authtype"),
            Self::Bearer => self.own(StatusCode::UNAUTHORIZED, "not-signed-in"),
            Self::NotSignedIn { error, .. } => auth_facts(error),
            Self::Refused(refused) => Facts::new(StatusCode::FORBIDDEN, "not-allowed", refused.to_string()),
            Self::UpdateNeedsLogin => self.own(StatusCode::NOT_ACCEPTABLE, "not-signed-in"),
            Self::NotHere { .. } | Self::NobodyNamed(_) => self.own(StatusCode::UNAUTHORIZED, "not-allowed"),
            Self::Restore(error) => restore_facts(error),
            Self::Upload(error) => upload_facts(error),
            Self::Body(error) => body_facts(error),
            Self::Submit(error) => submit_facts(error),
            Self::Maintenance => unavailable(),
            Self::Crowded => busy(StatusCode::SERVICE_UNAVAILABLE),
            Self::BadRequest(_) => self.own(StatusCode::BAD_REQUEST, "bad-request"),
            Self::Forged => self.own(StatusCode::FORBIDDEN, "page-out-of-date"),
            Self::NotFound(_) => self.own(StatusCode::NOT_FOUND, "not-found"),
            Self::ContentGone(_) => self.own(StatusCode::NOT_FOUND, "content-missing"),
            Self::Store(_) | Self::GivenUp => internal(),
            Self::Blob(error) if error.is_disk_full() => disk_full(),
            Self::Blob(BlobError::Missing(_)) => Facts::new(
                StatusCode::NOT_FOUND,
                "content-missing",
                "The content of this file is missing on this server.",
            ),
            Self::Blob(BlobError::Io(_)) => internal(),
            Self::Write(error) => write_facts(error),
        }
    }

    fn challenge(&self) -> Option<Challenge> {
        match self {
            Self::Unknown { challenge } => Some(*challenge),
            Self::Bearer => Some(Challenge::Bearer),
            Self::NotHere { .. } | Self::Restore(RestoreError::NotAs { .. }) => Some(Challenge::Basic),
            Self::NotSignedIn { error, challenge } => match error {
                AuthError::NotMember | AuthError::Busy | AuthError::Storage(_) => None,
                AuthError::Missing
                | AuthError::Wrong
                | AuthError::WrongKey
                | AuthError::LockedOut { .. }
                | AuthError::Inactive
                | AuthError::Deleted
                | AuthError::Stale
                | AuthError::SessionEnded => Some(*challenge),
            },
            _ => None,
        }
    }

    /// The answer, and a line in our own log where it is our fault.
    pub fn reply(&self, envelope: Envelope, state: &State, request: &Request) -> Reply {
        let facts = self.facts();
        if facts.status.is_server_error() {
            self.log(&facts, request);
        }
        let challenge = self.challenge();
        if challenge == Some(Challenge::Page) {
            return to_login(request);
        }
        let mut reply = match envelope {
            Envelope::Receiver => self.receiver(&facts),
            Envelope::Phone => self.phone(&facts),
            Envelope::Api if matches!(self, Self::UpdateNeedsLogin) => {
                let key = "app.update.not.allowed.user.logged_out";
                json(facts.status, &serde_json::json!({ "error": key, "default_response": facts.text }))
            }
            Envelope::Api => json(facts.status, &serde_json::json!({ "error": facts.text })),
            Envelope::Page => pages::problem(facts.status, facts.code, &facts.text),
        };
        let headers = reply.headers_mut();
        headers.insert(ERROR_CODE, HeaderValue::from_static(facts.code));
        // HQ's export tool takes any answer of an API with this header for "too many requests".
        let may_say_when = envelope != Envelope::Api || facts.status == StatusCode::TOO_MANY_REQUESTS;
        if let Some(seconds) = facts.retry_after.filter(|_| may_say_when) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::Method { allow } = self {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        let challenge = challenge.map(|kind| match kind {
            Challenge::Digest => {
                let stale = matches!(self, Self::NotSignedIn { error: AuthError::Stale, .. });
                state.app.auth().digest_challenge(stale)
            }
            Challenge::Bearer => "Bearer".to_owned(),
            Challenge::Basic | Challenge::Page => state.app.auth().basic_challenge(),
        });
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, header_value(&challenge));
        }
        reply
    }

    /// What phones call an account that is switched off or gone.
    fn account_key(&self) -> Option<&'static str> {
        match self {
            Self::NotSignedIn { error: AuthError::Inactive, .. } => Some("user.deactivated"),
            Self::NotSignedIn { error: AuthError::Deleted, .. } => Some("user.deleted"),
            _ => None,
        }
    }

    fn receiver(&self, facts: &Facts) -> Reply {
        if let Some(key) = self.account_key() {
            // The one refusal of credentials that a phone can show in its own words.
            return no_account(key, &facts.text);
        }
        match facts.status {
            status if facts.is_final => openrosa(status, Nature::ProcessingFailure, &facts.text),
            // HQ says nothing in these; phones look at the status only.
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => empty(status),
            status => text(status, facts.text.clone().into_owned()),
        }
    }

    fn phone(&self, facts: &Facts) -> Reply {
        if let Some(key) = self.account_key() {
            let shown = serde_json::json!({ "error": key, "default_response": facts.text });
            return json(StatusCode::NOT_ACCEPTABLE, &shown);
        }
        match self {
            Self::Restore(RestoreError::StartAgain { reason }) => crate::reply::whole(
                StatusCode::PRECONDITION_FAILED,
                "text/xml; charset=utf-8",
                bolster_wire::restore::refusal(reason),
            ),
            _ => text(facts.status, facts.text.clone().into_owned()),
        }
    }

    fn log(&self, facts: &Facts, request: &Request) {
        let path = request.head.uri.path();
        let error: &dyn Error = self;
        match facts.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                tracing::warn!(code = facts.code, path, error, "a request was turned away");
            }
            _ => tracing::error!(code = facts.code, path, error, "a request failed"),
        }
    }
}

/// 406 with an error code: HQ's shape for what a phone's user can act on. The form stays on the phone.
fn no_account(key: &str, message: &str) -> Reply {
    let mut escaped = String::new();
    bolster_wire::openrosa::push_escaped(&mut escaped, message);
    let body = format!(
        "<OpenRosaResponse xmlns=\"http://openrosa.org/http/response\"><message nature=\"submit_error\">\
         <error>{key}</error><default_response>{escaped}</default_response></message>\
         </OpenRosaResponse>"
    );
    crate::reply::whole(StatusCode::NOT_ACCEPTABLE, "text/xml; charset=utf-8", body)
}

/// To the login page and back.
fn to_login(request: &Request) -> Reply {
    let mut reply = empty(StatusCode::SEE_OTHER);
    let back: String = match request.reads() {
        true => form_urlencoded::byte_serialize(request.target().as_bytes()).collect(),
        false => "%2F".to_owned(),
    };
    reply.headers_mut().insert(LOCATION, header_value(&format!("/login/?next={back}")));
    reply
}

fn auth_facts(error: &AuthError) -> Facts {
    let denied = |code| Facts::new(StatusCode::UNAUTHORIZED, code, error.to_string());
    match error {
        AuthError::Missing | AuthError::SessionEnded | AuthError::Stale => denied("not-signed-in"),
        AuthError::Wrong | AuthError::WrongKey => denied("wrong-credentials"),
        AuthError::LockedOut { .. } => denied("locked-out"),
        AuthError::Inactive | AuthError::Deleted => denied("user-inactive"),
        AuthError::NotMember => Facts::new(StatusCode::FORBIDDEN, "not-allowed", error.to_string()),
        AuthError::Busy => busy(StatusCode::SERVICE_UNAVAILABLE),
        AuthError::Storage(_) => internal(),
    }
}

fn upload_facts(error: &UploadError) -> Facts {
    let own = |status, code| Facts::new(status, code, error.to_string());
    match error {
        UploadError::PlainField
        | UploadError::NoXmlField
        | UploadError::EmptyXmlField
        | UploadError::EmptyBody
        | UploadError::Multipart(_) => own(StatusCode::BAD_REQUEST, "bad-submission"),
        UploadError::XmlTooLarge | UploadError::FileTooLarge => {
            own(StatusCode::PAYLOAD_TOO_LARGE, "too-large")
        }
        UploadError::XmlExtension
        | UploadError::FileType
        | UploadError::FileName
        | UploadError::TooManyParts { .. } => own(StatusCode::UNPROCESSABLE_ENTITY, "bad-attachment").fatal(),
        UploadError::Body(error) => body_facts(error),
        UploadError::Store(error) if error.is_disk_full() => disk_full(),
        UploadError::Store(_) => internal(),
    }
}

fn body_facts(error: &BodyError) -> Facts {
    let own = |status, code| Facts::new(status, code, error.to_string());
    match error {
        BodyError::TooLarge { .. } => own(StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        BodyError::TooSlow => own(StatusCode::REQUEST_TIMEOUT, "too-slow"),
        BodyError::Broken(_) | BodyError::BadGzip => own(StatusCode::BAD_REQUEST, "bad-request"),
        BodyError::UnknownEncoding(_) => own(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad-request"),
        BodyError::NoMemory => busy(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn submit_facts(error: &SubmitFormError) -> Facts {
    match error {
        SubmitFormError::Busy => busy(StatusCode::TOO_MANY_REQUESTS),
        SubmitFormError::DiskFull => disk_full(),
        SubmitFormError::Unavailable => unavailable(),
        SubmitFormError::Forbidden { .. } => {
            Facts::new(StatusCode::FORBIDDEN, "not-allowed", error.to_string())
        }
        SubmitFormError::Storage(_) => internal(),
    }
}

fn restore_facts(error: &RestoreError) -> Facts {
    match error {
        RestoreError::StartAgain { .. } => {
            Facts::new(StatusCode::PRECONDITION_FAILED, "start-again", error.to_string())
        }
        RestoreError::NotAs { .. } => Facts::new(StatusCode::UNAUTHORIZED, "not-allowed", error.to_string()),
        RestoreError::TooMany { .. } => {
            Facts::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-request", error.to_string())
        }
        RestoreError::Write(error) => write_facts(error),
        RestoreError::Store(_) | RestoreError::Unreadable(_) | RestoreError::Gone => internal(),
    }
}

fn write_facts(error: &WriteError) -> Facts {
    match error {
        WriteError::Busy => busy(StatusCode::SERVICE_UNAVAILABLE),
        WriteError::DiskFull => disk_full(),
        WriteError::Stopped | WriteError::Unavailable(_) => unavailable(),
        WriteError::Storage(_) => internal(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Codes are written as literals with a hyphen or as one of these words.
    const PLAIN: [&str; 6] = ["authtype", "busy", "internal", "maintenance", "method", "bad-request"];

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let source = include_str!("problem.rs");
        let (code, _) = source.split_once("#[cfg(test)]").unwrap();
        let is_code = |text: &&str| {
            let hyphened = text.contains('-') && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            hyphened || PLAIN.contains(text)
        };
        let codes: BTreeSet<String> =
            code.split('"').skip(1).step_by(2).filter(is_code).map(str::to_owned).collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        let pages: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| {
                entry.unwrap().file_name().into_string().unwrap().strip_suffix(".md").map(str::to_owned)
            })
            .filter(|name| name != "README")
            .collect();
        assert_eq!(codes, pages);
    }
}
