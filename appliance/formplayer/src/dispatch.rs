//! From endpoints to what answers them.

use serde_json::Value as Json;

use crate::Formplayer;
use crate::fault::Fault;
use crate::host::{Account, Host, Upload};
use crate::reply::Reply;
use crate::request::Request;

/// How a call was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The session of a person, and whether the call carried the token that other sites cannot know.
    Session {
        /// It did.
        csrf: bool,
    },
    /// The body is signed by a machine that knows the key.
    Signed,
    /// Not at all.
    Nobody,
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// How the call was authenticated.
    pub credential: Credential,
    /// The user of the session.
    pub username: String,
    /// The projects of the user.
    pub domains: Vec<String>,
    /// May act for anybody.
    pub superuser: bool,
    /// Toggles that are on.
    pub toggles: Vec<String>,
}

impl Caller {
    /// Whether a toggle is on.
    pub fn has(&self, toggle: &str) -> bool {
        self.toggles.iter().any(|known| known == toggle)
    }
}

/// One call.
#[derive(Clone, Copy)]
pub struct Call<'c> {
    /// Everything outside.
    pub host: &'c dyn Host,
    /// Who calls.
    pub caller: &'c Caller,
    /// The address of the API, without a slash at its end.
    pub base: &'c str,
}

/// Endpoints that need the session of a person.
const PERSONAL: [&str; 17] = [
    "navigate_menu",
    "navigate_menu_start",
    "get_details",
    "get_endpoint",
    "incomplete-form",
    "delete-incomplete-form",
    "get_sessions",
    "new-repeat",
    "evaluate-xpath",
    "evaluate-menu-xpath",
    "menu_debugger_content",
    "formatted_questions",
    "interval_sync-db",
    "answer_media",
    "delete_application_dbs",
    "update",
    "clear_user_data",
];

impl Formplayer {
    /// Answers a call.
    ///
    /// Bounds: time and memory are those of the application's expressions, which have limits of their own.
    pub fn handle(&self, call: &Call<'_>, method: &str, endpoint: &str, body: &[u8]) -> Reply {
        let url = format!("{}/{endpoint}", call.base);
        let answer = self.answer(call, method, endpoint, body);
        answer.unwrap_or_else(|fault| fault.reply(&url))
    }

    /// Answers a call that brings a file: `answer_media`.
    pub fn handle_upload(&self, call: &Call<'_>, answer: &[u8], upload: &mut Upload<'_>) -> Reply {
        let url = format!("{}/answer_media", call.base);
        let done = self.authorize_open(call, "answer_media", answer).and_then(|request| {
            self.authorize(call, &request)?;
            self.answer_media(call, &request, upload)
        });
        done.unwrap_or_else(|fault| fault.reply(&url))
    }

    fn authorize_open(&self, call: &Call<'_>, endpoint: &str, body: &[u8]) -> Result<Request, Fault> {
        match call.caller.credential {
            Credential::Nobody | Credential::Session { csrf: false } => return Err(Fault::Forbidden),
            Credential::Signed if PERSONAL.contains(&endpoint) && !endpoint.starts_with("delete_") => {}
            _ => {}
        }
        if body.is_empty() {
            return Ok(Request::new(Json::Null));
        }
        serde_json::from_slice(body).map(Request::new).map_err(|error| match call.caller.credential {
            // Nobody can tell whose it is.
            Credential::Session { .. } => Fault::Forbidden,
            _ => Fault::Other(format!("The request is not JSON: {error}")),
        })
    }

    /// Whether the caller may act for the account that the request names.
    fn authorize(&self, call: &Call<'_>, request: &Request) -> Result<(), Fault> {
        let caller = call.caller;
        if caller.credential == Credential::Signed || caller.superuser {
            return Ok(());
        }
        let (Some(domain), Some(username)) = (request.text("domain"), request.text("username")) else {
            // What is about a form says by it whose it is.
            return if request.session_id().is_some() { Ok(()) } else { Err(Fault::Forbidden) };
        };
        let own = caller.domains.contains(&domain) && caller.username == username;
        if own { Ok(()) } else { Err(Fault::Forbidden) }
    }

    fn answer(&self, call: &Call<'_>, method: &str, endpoint: &str, body: &[u8]) -> Result<Reply, Fault> {
        let allowed = match endpoint {
            "serverup" => method == "GET",
            "get-instance" => method == "GET" || method == "POST",
            _ => method == "POST",
        };
        if endpoint == "serverup" && allowed {
            return Ok(Reply { status: 200, json: r#"{"status":"ok"}"#.into() });
        }
        if !allowed {
            return Err(Fault::Other(format!("Request method '{method}' is not supported")));
        }
        if endpoint == "validate_form" {
            if let Credential::Nobody | Credential::Session { csrf: false } = call.caller.credential {
                return Err(Fault::Forbidden);
            }
            return self.validate_form(call, body);
        }
        let request = self.authorize_open(call, endpoint, body)?;
        self.authorize(call, &request)?;
        if call.caller.credential == Credential::Signed && PERSONAL.contains(&endpoint) {
            let personal = !matches!(endpoint, "delete_application_dbs" | "update" | "clear_user_data");
            if personal {
                return Err(Fault::Other(
                    "Required cookie 'sessionid' for method parameter type String is not present".into(),
                ));
            }
        }
        match endpoint {
            "navigate_menu" | "navigate_menu_start" => self.navigate(call, &request),
            "get_details" => self.get_details(call, &request),
            "get_endpoint" => self.get_endpoint(call, &request),
            "new-form" => self.new_form(call, &request),
            "incomplete-form" => self.incomplete_form(call, &request),
            "delete-incomplete-form" => self.delete_incomplete_form(call, &request),
            "get_sessions" => self.get_sessions(call, &request),
            "answer" => self.answer_question(call, &request, false),
            "clear_answer" => self.answer_question(call, &request, true),
            "current" => self.current(call, &request),
            "next_index" => self.step(call, &request, true),
            "prev_index" => self.step(call, &request, false),
            "next" => self.next_prompt(call, &request),
            "new-repeat" => self.repeat(call, &request, true),
            "delete-repeat" => self.repeat(call, &request, false),
            "change_locale" => self.change_locale(call, &request),
            "submit-all" => self.submit_all(call, &request),
            "get-instance" => self.get_instance(call, &request),
            "evaluate-xpath" => self.evaluate_in_form(call, &request),
            "evaluate-menu-xpath" => self.evaluate_in_menu(call, &request),
            "menu_debugger_content" => self.menu_debugger(call, &request),
            "formatted_questions" => self.formatted_questions(call, &request),
            "sync-db" => self.sync(call, &request),
            "interval_sync-db" => self.interval_sync(call, &request),
            "delete_application_dbs" | "update" => self.forget_app(call, &request),
            "clear_user_data" => self.clear_user_data(call, &request),
            "check_locks" => Ok(Reply { status: 200, json: r#"{"locked":false,"seckondsLocked":0}"#.into() }),
            "break_locks" => self.break_locks(),
            _ => Err(Fault::Other(format!("No endpoint {method} /{endpoint}."))),
        }
    }

    /// The account a request names.
    pub(crate) fn account(&self, call: &Call<'_>, request: &Request) -> Result<Account, Fault> {
        request
            .account(call.caller.credential == Credential::Signed)
            .ok_or_else(|| Fault::Other("The request must name a domain and a username.".into()))
    }
}
