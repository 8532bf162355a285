//! Submitting a form: validate, post once, synchronise, find the next screen.

use bolster_runtime::{Cx, Navigator, Options};
use serde_json::{Map, Value as Json};

use super::{FormWorld, OpenForm, Record, answers};
use crate::apps::Opened;
use crate::dispatch::Call;
use crate::fault::Fault;
use crate::host::{Account, Failure, Need, Shelf, Submission};
use crate::menus::{ListRequest, Trip, fault};
use crate::reply::{Body, Reply};
use crate::request::Request;
use crate::utilities::notice;
use crate::world::RequestWorld;
use crate::{Formplayer, lock};

/// Files of one form at most.
const FILES_MAX: usize = 50;

/// The reply of a submission.
fn reply(status: &str, errors: Map<String, Json>) -> Body {
    let mut body = Body::base();
    body.set("status", status);
    body.set("errors", errors);
    body.set("submitResponseMessage", Json::Null);
    body.set("nextScreen", Json::Null);
    body.set("seq_id", 0);
    body
}

/// The reply of a submission that failed with a sentence.
fn failed(status: &str, message: &str) -> Body {
    let mut body = reply(status, Map::new());
    body.set("notification", notice(Some(message), true, "submit"));
    body
}

/// The message of the envelope that receivers answer with.
fn envelope_message(body: &str) -> Option<String> {
    let document = roxmltree::Document::parse(body.trim()).ok()?;
    let root = document.root_element();
    if root.tag_name().name() != "OpenRosaResponse" {
        return None;
    }
    let message = root.children().find(|child| child.tag_name().name() == "message")?;
    Some(message.children().filter_map(|child| child.text()).collect())
}

impl Formplayer {
    pub(crate) fn submit_all(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let kept = self.kept(call, request)?;
        let account = kept.account.clone();
        let app = self.app_of(call, &kept)?;
        let world = self.form_world(call, &account, request, app.as_deref())?;
        let mut form = self.opened(call, kept, app, &world)?;
        let body = self.submit(call, request, &mut form, &world);
        let body = body.unwrap_or_else(|fault| failed("error", &fault.message()));
        Ok(Reply::ok(&body))
    }

    fn submit(
        &self,
        call: &Call<'_>,
        request: &Request,
        form: &mut OpenForm,
        world: &RequestWorld<'_>,
    ) -> Result<Body, Fault> {
        if !form.record.posted {
            let errors = answers::answer_all(form, world, request.get("answers"))?;
            if !errors.is_empty() || !request.flag("prevalidated") {
                return Ok(reply("validation-error", errors));
            }
            if let Some(refused) = self.post_form(call, form, world)? {
                return Ok(refused);
            }
        }
        let record = form.record.clone();
        let app = form.app.clone();
        let suppressed = {
            let host = FormWorld::new(world, &record, app.as_deref());
            form.session.itext("Pragma-Suppress-Autosync", &host)?.is_some()
        };
        if !suppressed && app.as_ref().is_some_and(|app| app.profile.is_on("cc-sync-after-form")) {
            world.refresh(Need::Sync { purge: true })?;
        } else {
            world.refresh(Need::Any { older_than_ms: None, unknown_is_old: false })?;
        }
        lock(&self.user(&form.account).confirmed).clear();
        let mut body = reply("success", Map::new());
        body.set("submitResponseMessage", record.message.clone());
        if let Some(next) = self.next_screen(call, form, world)? {
            body.write("nextScreen", next);
        }
        call.host.remove(Shelf::Forms, &record.id);
        lock(&self.live).remove(&record.id);
        call.host.drop_file(&record.id, None);
        Ok(body)
    }

    /// Sends the form; gives the reply if it was not accepted.
    fn post_form(
        &self,
        call: &Call<'_>,
        form: &mut OpenForm,
        world: &RequestWorld<'_>,
    ) -> Result<Option<Body>, Fault> {
        let record = form.record.clone();
        let app = form.app.clone();
        let host = FormWorld::new(world, &record, app.as_deref());
        if call.host.file_count(&record.id) > FILES_MAX {
            let known = app.as_ref().and_then(|app| {
                app.locales.get(&record.menu_language, "form.upload.attachments.limit.exceeded")
            });
            let text = known.unwrap_or("More than ${0} attachments found for this form.");
            return Ok(Some(failed("error", &text.replace("${0}", &FILES_MAX.to_string()))));
        }
        let draft = form.session.draft(&host)?;
        form.session.finalize(&host)?;
        let xml = form.session.submission(&host)?;
        let submission = Submission {
            url: &record.post_url,
            xml: &xml,
            session: &record.id,
            purge: app.as_ref().is_some_and(|app| app.profile.is_on("cc-auto-purge")),
        };
        let answer = match call.host.submit(&form.account, &submission) {
            Ok(answer) => answer,
            Err(Failure::Status(429, _)) => return Ok(Some(reply("too-many-requests", Map::new()))),
            Err(Failure::Cycle(_)) => {
                return Ok(Some(failed(
                    "case-cycle-error",
                    "Form submission failed due to a cyclic case relationship. Please contact the support desk to help \
                     resolve this issue.",
                )));
            }
            Err(Failure::Status(status, body)) if (400..500).contains(&status) => {
                let text =
                    format!("Form submission failed with error response: {}", status_line(status, &body));
                return Ok(Some(failed("error", &text)));
            }
            Err(failure) => return Ok(Some(failed("error", &crate::fault::describe(&failure)))),
        };
        // Noted before anything else: a repeated request must not post again.
        form.record.posted = true;
        form.record.message = envelope_message(&answer);
        call.host.save(Shelf::Forms, &form.account.key(), &record.id, &form.record.written(&draft));
        lock(&self.live).remove(&record.id);
        Ok(None)
    }

    /// What comes after the form, as JSON; nothing if that is the home screen.
    fn next_screen(
        &self,
        call: &Call<'_>,
        form: &OpenForm,
        world: &RequestWorld<'_>,
    ) -> Result<Option<String>, Fault> {
        let (Some(app), Some(session)) = (&form.app, &form.record.session) else { return Ok(None) };
        let record: &Record = &form.record;
        let account: &Account = &form.account;
        let language = record.menu_language.clone();
        let cx = Cx { app, world, language: &language, window_width: record.window_width.as_deref() };
        let opened = Opened {
            app: app.clone(),
            id: record.app_id.clone().unwrap_or_default(),
            new: false,
            restored: false,
            data: bolster_runtime::World::data(world),
            user: self.user(account),
        };
        let trip = Trip {
            call,
            account,
            opened: &opened,
            world,
            list: ListRequest { size: Some(10), ..ListRequest::default() },
            language: language.clone(),
            one_question: record.one_question,
            preview: record.preview,
            window_width: record.window_width.clone(),
        };
        let mut navigator = Navigator::with(&cx, session.clone());
        let options = Options { login_as: account.full_login_as(), ..Options::default() };
        let outcome = navigator.resolve(&options).map_err(|error| fault(error, world))?;
        let Some(outcome) = outcome else { return Ok(None) };
        let body = self.outcome(&trip, &cx, &mut navigator, outcome, None)?;
        Ok(Some(body.text()))
    }
}

/// A status with its usual name and what came with it.
fn status_line(status: u16, body: &str) -> String {
    let name = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        406 => "Not Acceptable",
        409 => "Conflict",
        410 => "Gone",
        422 => "Unprocessable Entity",
        _ => "",
    };
    let body = if body.is_empty() { "[no body]".to_owned() } else { Json::from(body).to_string() };
    format!("{status} {name}: {body}")
}
