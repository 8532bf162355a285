//! Submissions: who may send them, what they may hold, and what the sender is told.

pub mod answer;
mod authtype;
mod file_sink;
pub mod upload;

use crate::gate;
use crate::problem::{Challenge, Problem};
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use answer::{OPENROSA_VERSION, VERSION_3, answer};
use authtype::{AuthType, auth_type};
use bolster_auth::{Accept, Actor, AuthError, Entrance, Method, Permit, Project, SubmitForm};
use bolster_model::id::ID_LEN_MAX;
use bolster_model::{OpenRosaHeaders, SubmissionInfo, Timestamp};
use bolster_store::BlobPin;
use bolster_usecases::submit_form::INLINE_XML_BYTES_MAX;
use bolster_usecases::{FormUpload, SubmissionOutcome, SubmitFormError, SubmitMode};
use bolster_wire::{http_date, times};
use hyper::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, DATE, HeaderName};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use upload::Received;

const LAST_SYNC_TOKEN: HeaderName = HeaderName::from_static("x-commcarehq-lastsynctoken");
const SUBMIT_TIME: HeaderName = HeaderName::from_static("x-submit-time");
/// Longest text of a request header that a form keeps, in characters.
const HEADER_CHARS_MAX: usize = 255;

/// Which of the receiver's addresses was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// Credentials only if the project demands them.
    Plain,
    /// Credentials always.
    Secure,
    /// Programs, with API permissions.
    Api,
}

/// Takes a submission.
pub async fn submit(
    state: &State,
    request: &mut Request,
    found: &Found<'_>,
    door: Door,
) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let Some(project) = gate::project(state, &name) else {
        return Err(Problem::NoProject { name: name.into_owned() });
    };
    if project.maintenance || state.app.settings().maintenance() {
        return Err(Problem::Maintenance);
    }
    let (permit, noauth) = admitted(state, request, &project, door).await?;
    let mut received = receive(state, request).await?;
    let pins = std::mem::take(&mut received.pins);
    let refused = received.refused.take();
    let mode = SubmitMode {
        noauth,
        demo: request.query("submit_mode").as_deref() == Some("demo"),
        import: may_import(permit.actor(), door),
    };
    let clock = &state.app.env().clock;
    let (now, since) = (clock.now(), clock.monotonic_us());
    let named = found.raw("app_id").map(|id| state.app.app_of_submission(project.id, id));
    let mut upload = upload(request, &permit, named, received, (now, mode));
    if let Some(error) = refused {
        if !noauth {
            upload.refused = Some(error.to_string().trim_end().to_owned());
            decided(state, permit, upload, pins).await?;
        }
        return Err(error.into());
    }
    let outcome = decided(state, permit, upload, pins).await?;
    state.metrics.submitted(clock.monotonic_us().saturating_sub(since));
    let version_3 =
        request.headers().get(OPENROSA_VERSION).is_some_and(|v| v.as_bytes() == VERSION_3.as_bytes());
    Ok(answer(&outcome, version_3, &state.site(request)))
}

/// The permit to submit, and whether it was given without credentials on request.
async fn admitted(
    state: &State,
    request: &Request,
    project: &Arc<Project>,
    door: Door,
) -> Result<(Permit<SubmitForm>, bool), Problem> {
    let auth = state.app.auth();
    let (accept, challenge) = match door {
        Door::Plain if !project.secure_submissions => {
            let nobody = auth.nobody(project);
            return Ok((auth.permit(&nobody, project, Entrance::Phone)?, false));
        }
        Door::Api => (Accept::ANY, Challenge::Digest),
        Door::Plain | Door::Secure => match auth_type(request).ok_or(Problem::AuthType)? {
            AuthType::NoAuth => {
                let waived = auth.waived(project);
                return Ok((auth.permit(&waived, project, Entrance::Phone)?, true));
            }
            AuthType::OAuth2 => return Err(Problem::Bearer),
            AuthType::Basic => (Accept::BASIC, Challenge::Basic),
            AuthType::Digest => (Accept::DIGEST, Challenge::Digest),
            AuthType::ApiKey => (Accept::API_KEY, Challenge::Basic),
        },
    };
    let refused = |error: AuthError| Problem::NotSignedIn { error, challenge };
    let actor = gate::actor(state, request, project, accept).await.map_err(refused)?;
    let entrance = if door == Door::Api { Entrance::Api } else { Entrance::Phone };
    Ok((auth.permit(&actor, project, entrance)?, false))
}

async fn receive(state: &State, request: &mut Request) -> Result<Received, Problem> {
    let context =
        upload::Context { options: &state.options, memory: &state.memory, blobs: state.app.store().blobs() };
    let content_type = request.head.headers.get(CONTENT_TYPE).map(|v| v.as_bytes());
    Ok(upload::receive(&context, content_type, &mut request.body).await?)
}

/// Who may say when a form was received: programs whose key or door comes with permission to edit data.
fn may_import(actor: &Actor, door: Door) -> bool {
    door == Door::Api || actor.method() == Method::ApiKey
}

fn upload(
    request: &Request,
    permit: &Permit<SubmitForm>,
    named: Option<(String, Option<String>)>,
    received: Received,
    (now, mut mode): (Timestamp, SubmitMode),
) -> FormUpload {
    let (app_id, build_id) = match named {
        Some((app_id, build_id)) => (Some(app_id), build_id),
        None => (None, None),
    };
    let text = |name: &HeaderName| request.header_text(name, HEADER_CHARS_MAX);
    let date = text(&DATE);
    let submit_time = if mode.import { text(&SUBMIT_TIME) } else { None };
    let submit_time = submit_time.as_deref().and_then(times::iso).filter(|at| *at <= now);
    mode.import = submit_time.is_some();
    let info = SubmissionInfo {
        received_on: submit_time.unwrap_or(now),
        auth: permit.actor().auth_context(),
        last_sync_token: text(&LAST_SYNC_TOKEN).filter(|t| !t.is_empty()),
        headers: OpenRosaHeaders {
            version: text(&OPENROSA_VERSION),
            accept_language: text(&ACCEPT_LANGUAGE),
            date: date.clone(),
        },
        date_header: date.as_deref().and_then(http_date::parse),
        app_id: app_id.map(|id| id.chars().take(ID_LEN_MAX).collect()),
        build_id,
        submit_ip: Some(request.peer.ip().to_canonical().to_string()),
        path: request.head.uri.path().chars().take(HEADER_CHARS_MAX).collect(),
        partial_submission: false,
        attachments: received.attachments,
    };
    FormUpload { project: permit.project().id, xml: received.xml, info, mode, refused: None }
}

/// Hands the submission over and waits until it is durable or refused.
async fn decided(
    state: &State,
    permit: Permit<SubmitForm>,
    upload: FormUpload,
    pins: Vec<BlobPin>,
) -> Result<SubmissionOutcome, Problem> {
    let (tell, told) = oneshot::channel();
    let reply = move |result: Result<SubmissionOutcome, SubmitFormError>| {
        // By now a form refers to the files, or none ever will.
        drop(pins);
        // The request may be gone; its form is stored all the same.
        let _ = tell.send(result);
    };
    if upload.xml.len() > INLINE_XML_BYTES_MAX {
        let app = state.app.clone();
        // Reading and storing much XML takes its time; not on a thread that others wait for.
        spawn_blocking(move || app.submit(permit, upload, reply)).await.map_err(|_| Problem::GivenUp)?;
    } else {
        state.app.submit(permit, upload, reply);
    }
    match told.await {
        Ok(result) => Ok(result?),
        // The writer is gone: nothing was stored that anybody heard of.
        Err(_) => Err(Problem::Submit(SubmitFormError::Unavailable)),
    }
}
