//! Menus, lists, searches and details.

mod details;
mod render;

use bolster_runtime::{Code, Cx, Error, Navigator, Options, Outcome, Screen, ScreenNotice};
use serde_json::json;

use crate::apps::Opened;
use crate::dispatch::Call;
use crate::fault::Fault;
use crate::host::Account;
use crate::reply::{Body, Reply};
use crate::request::Request;
use crate::utilities::notice;
use crate::world::RequestWorld;
use crate::{Formplayer, lock};

pub(crate) use render::{ListRequest, common};

/// Rows of a page where the client does not say.
const PAGE_DEFAULT: i64 = 10;
/// Rows of a page at most.
const PAGE_MAX: i64 = 100;
const ENDPOINTS_TOGGLE: &str = "SESSION_ENDPOINTS";

/// What one navigation needs to know besides selections.
pub(crate) struct Trip<'t> {
    pub call: &'t Call<'t>,
    pub account: &'t Account,
    pub opened: &'t Opened,
    pub world: &'t RequestWorld<'t>,
    pub list: ListRequest,
    pub language: String,
    pub one_question: bool,
    pub preview: bool,
    pub window_width: Option<String>,
}

/// The error of a request: the failure outside that caused it, if there was one.
pub(crate) fn fault(error: Error, world: &RequestWorld<'_>) -> Fault {
    if error.code == Code::Outside
        && let Some(failure) = world.take_failure()
    {
        return Fault::Outside(failure);
    }
    error.into()
}

fn list_request(request: &Request) -> ListRequest {
    let size = match request.number("cases_per_page") {
        0 => PAGE_DEFAULT,
        size => size.clamp(1, PAGE_MAX),
    };
    ListRequest {
        search: request.text("search_text"),
        sort: request.number("sortIndex"),
        offset: request.number("offset"),
        size: usize::try_from(size).ok(),
    }
}

fn options<'o>(request: &Request, account: &Account) -> Options<'o> {
    Options {
        queries: request.queries(),
        selected_values: request.texts("selected_values"),
        offset: request.number("offset"),
        login_as: account.full_login_as(),
        ..Options::default()
    }
}

impl Formplayer {
    /// Runs something with the application that a request names opened.
    pub(crate) fn trip<T>(
        &self,
        call: &Call<'_>,
        request: &Request,
        aggressive: bool,
        run: impl FnOnce(&Trip<'_>, &Cx<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let account = self.account(call, request)?;
        let opened = self.open(call, &account, request, aggressive)?;
        let world = self.world(call, &account, &opened, request);
        let wanted = request.text("locale");
        let language = opened.app.language(wanted.as_deref()).to_owned();
        let window_width = request.text("windowWidth");
        let cx = Cx {
            app: &opened.app,
            world: &world,
            language: &language,
            window_width: window_width.as_deref(),
        };
        let trip = Trip {
            call,
            account: &account,
            opened: &opened,
            world: &world,
            list: list_request(request),
            language: language.clone(),
            one_question: request.flag("oneQuestionPerScreen"),
            preview: request.flag("preview"),
            window_width: window_width.clone(),
        };
        run(&trip, &cx)
    }

    /// Remembers that a path of selections was good.
    fn confirm(&self, trip: &Trip<'_>, selections: &[String]) {
        if !selections.is_empty() {
            lock(&trip.opened.user.confirmed).insert(path(&trip.opened.id, selections));
        }
    }

    pub(crate) fn navigate(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        self.trip(call, request, true, |trip, cx| {
            let selections = request.texts("selections").unwrap_or_default();
            let known = |path_so_far: &[String]| {
                lock(&trip.opened.user.confirmed).contains(&path(&trip.opened.id, path_so_far))
            };
            let mut options = options(request, trip.account);
            options.confirmed = Some(&known);
            let mut navigator = Navigator::new(cx);
            let from_form = request.text("form_session_id").is_some();
            let moved = navigator.advance(&selections, &options, from_form);
            let (outcome, message) = moved.map_err(|error| fault(error, trip.world))?;
            let body = self.outcome(trip, cx, &mut navigator, outcome, message)?;
            self.finish(trip, request, body)
        })
    }

    pub(crate) fn get_endpoint(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        self.trip(call, request, false, |trip, cx| {
            if !call.caller.has(ENDPOINTS_TOGGLE) {
                return Err(Fault::Other(
                    "Linking into applications has been disabled for this project.".into(),
                ));
            }
            let mut navigator = Navigator::new(cx);
            let known = |path_so_far: &[String]| {
                lock(&trip.opened.user.confirmed).contains(&path(&trip.opened.id, path_so_far))
            };
            let mut options = options(request, trip.account);
            options.confirmed = Some(&known);
            let id = request.text("endpoint_id").unwrap_or_default();
            let arguments = request.pairs("endpoint_args");
            let moved = navigator.go_to_endpoint(&id, arguments.as_deref(), &options);
            let (outcome, message) = moved.map_err(|error| fault(error, trip.world))?;
            let body = self.outcome(trip, cx, &mut navigator, outcome, message)?;
            self.finish(trip, request, body)
        })
    }

    /// The reply for where a navigation ended.
    pub(crate) fn outcome(
        &self,
        trip: &Trip<'_>,
        cx: &Cx<'_>,
        navigator: &mut Navigator<'_>,
        outcome: Outcome,
        message: Option<ScreenNotice>,
    ) -> Result<Body, Fault> {
        let mut body = match outcome {
            Outcome::Screen(Screen::Post(_)) => {
                return Err(Fault::Other("The claim could not be made; please try again.".into()));
            }
            Outcome::Screen(screen) => {
                let shown = render::screen(trip, cx, navigator, &screen);
                shown.map_err(|error| fault(error, trip.world))?
            }
            Outcome::Form => self.open_form(trip, cx, navigator)?,
            Outcome::Home(own) => {
                let mut body = Body::base();
                let shown = own.or_else(|| message.clone()).unwrap_or(ScreenNotice {
                    message: None,
                    error: false,
                    tag: "selection",
                });
                body.set("notification", notice(shown.message.as_deref(), shown.error, shown.tag));
                body.set("clearSession", true);
                return Ok(body);
            }
            Outcome::Redirect(url) => {
                let mut body = Body::base();
                body.set("smartLinkRedirect", url);
                body.set("clearSession", true);
                return Ok(body);
            }
            Outcome::Refused(text) => {
                let mut body = Body::base();
                body.set("title", "App Configuration Error");
                let own = json!({"message": text, "error": true, "type": "app_error", "tag": "menu"});
                body.set("notification", own);
                body.set("clearSession", true);
                body
            }
        };
        self.confirm(trip, &navigator.selections);
        if body.get("notification").is_null()
            && let Some(shown) = message
        {
            body.set("notification", notice(shown.message.as_deref(), shown.error, shown.tag));
        }
        body.set("selections", json!(navigator.selections));
        Ok(body)
    }

    /// What every navigation adds; a form that submits itself is submitted.
    fn finish(&self, trip: &Trip<'_>, request: &Request, mut body: Body) -> Result<Reply, Fault> {
        body.set("metaData", json!({"attemptRestore": trip.opened.restored, "appInstall": trip.opened.new}));
        if body.get("shouldAutoSubmit").as_bool() == Some(true)
            && let Some(id) = body.get("session_id").as_str()
        {
            let answers = json!({
                "session_id": id, "answers": {}, "prevalidated": true, "domain": trip.account.domain,
                "username": trip.account.username, "restoreAs": trip.account.login_as,
                "windowWidth": request.text("windowWidth"),
            });
            return self.submit_all(trip.call, &Request::new(answers));
        }
        let asked = trip.world.asked_here();
        body.set("shouldRequestLocation", asked && trip.world.location.is_none());
        body.set("shouldWatchLocation", asked);
        Ok(Reply::ok(&body))
    }
}

/// A path of selections in an application, as one text.
fn path(app: &str, selections: &[String]) -> String {
    let mut out = app.to_owned();
    for selection in selections {
        out.push('|');
        out.push_str(selection);
    }
    out
}
