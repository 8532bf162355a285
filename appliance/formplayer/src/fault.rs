//! What goes wrong, as replies.

use bolster_runtime::{Code, Error};
use bolster_xforms::FormError;
use serde_json::{Map, Value as Json, json};

use crate::host::Failure;
use crate::reply::Reply;

/// Why a request has no reply of its own.
#[derive(Debug)]
pub enum Fault {
    /// The session, the application or its data.
    Runtime(Error),
    /// Something outside.
    Outside(Failure),
    /// A form.
    Form(FormError),
    /// What was asked for is not there; the status travels in the body.
    NotFound(String),
    /// The message is HTML.
    Html(String),
    /// Anything else, as a sentence.
    Other(String),
    /// The caller may not do this.
    Forbidden,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Runtime(error)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Fault::Outside(failure)
    }
}

impl From<FormError> for Fault {
    fn from(error: FormError) -> Self {
        Fault::Form(error)
    }
}

/// What people are told about a failure outside.
pub fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Status(status, body) if (400..500).contains(status) => body.clone(),
        Failure::Status(status, body) => format!("The server answered {status}: {body}"),
        Failure::Retry { message, .. }
        | Failure::Broken(message)
        | Failure::Cycle(message)
        | Failure::Unreachable(message) => message.clone(),
    }
}

impl Fault {
    /// What people are told.
    pub fn message(&self) -> String {
        match self {
            Fault::Runtime(error) => error.message.clone(),
            Fault::Outside(failure) => describe(failure),
            Fault::Form(error) => error.message.clone(),
            Fault::NotFound(message) | Fault::Html(message) | Fault::Other(message) => message.clone(),
            Fault::Forbidden => "Forbidden".into(),
        }
    }

    /// The reply of an endpoint that failed.
    pub fn reply(&self, url: &str) -> Reply {
        if let Fault::Forbidden = self {
            return Reply { status: 403, json: json!({"error": "Forbidden"}).to_string() };
        }
        if let Fault::Outside(Failure::Retry { message, done, total, retry_after }) = self {
            let body = json!({
                "exception": message, "status": "retry", "done": done, "total": total, "retryAfter": retry_after,
                "url": url, "type": null, "statusCode": 0,
            });
            return Reply { status: 202, json: body.to_string() };
        }
        let mut body = Map::new();
        body.insert("exception".into(), Json::String(self.sentence()));
        body.insert("status".into(), "error".into());
        body.insert("url".into(), url.into());
        let html = matches!(self, Fault::Html(_)) || self.missing_table().is_some();
        body.insert("type".into(), if html { "html" } else { "text" }.into());
        body.insert("statusCode".into(), if matches!(self, Fault::NotFound(_)) { 404 } else { 0 }.into());
        Reply { status: 200, json: Json::Object(body).to_string() }
    }

    /// The reference of a lookup table that the project should have given to the user, and does not.
    fn missing_table(&self) -> Option<String> {
        let Fault::Runtime(error) = self else { return self.missing_table_of_form() };
        (error.code == Code::Instance).then(|| table_in(&error.message)).flatten()
    }

    fn missing_table_of_form(&self) -> Option<String> {
        let Fault::Form(error) = self else { return None };
        table_in(&error.message).filter(|_| error.message.contains("lookup table"))
    }

    fn sentence(&self) -> String {
        match self {
            Fault::NotFound(message) => format!("404 NOT_FOUND \"{message}\""),
            Fault::Runtime(error)
                if matches!(error.code, Code::Expression(_)) && error.message.contains("instance(groups)") =>
            {
                "The case sharing settings for your user are incorrect. This user must be in exactly one case sharing \
                 group. Please contact your supervisor."
                    .into()
            }
            fault => match fault.missing_table() {
                Some(table) => format!(
                    "Unable to load lookup table: {} ({table})<br>\nPlease go to Home \u{2192} Settings \u{2192} 'Clear \
                     user data' and then 'Sync user data'.<br>\nIf the issue persists please contact CommCare \
                     Support.\n",
                    table.rsplit(':').next().unwrap_or_default()
                ),
                None => fault.message(),
            },
        }
    }
}

/// A reference to a lookup table in a text.
fn table_in(text: &str) -> Option<String> {
    let from = text.find("jr://fixture/item-list:")?;
    text[from..].split(|c: char| c.is_whitespace() || c == ')').next().map(str::to_owned)
}
