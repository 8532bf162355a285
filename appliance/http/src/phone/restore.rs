//! `…/phone/restore/`: what a phone should hold, streamed while it is computed.

use super::{permit, signed};
use crate::coding::{Coder, Coding};
use crate::problem::Problem;
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_usecases::restore::{Answer, Restore, RestoreError, RestoreRequest};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, HeaderValue, VARY};
use tokio::sync::mpsc;

const XML: &str = "text/xml; charset=utf-8";
/// Chunks on their way to a client that reads slowly.
const CHUNKS_WAITING: usize = 4;
/// Longest device or app id that is kept.
const ID_CHARS_MAX: usize = 255;

/// `GET …/phone/restore/`, `GET …/phone/restore/{app_id}/`.
pub async fn restore(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let asked = asked(request, found);
    let permit = match signed(state, request, &name)? {
        Some(permit) => {
            // A web runtime is nobody itself.
            let user = asked.as_user.as_deref().ok_or(Problem::NobodyNamed("User required"))?;
            let known = state.app.auth().find_user(permit.project(), user);
            known.ok_or(Problem::NobodyNamed("Unknown user"))?;
            permit
        }
        None => permit(state, request, &name).await?,
    };
    if request.query("version").is_some_and(|v| !matches!(&*v, "1.0" | "2.0" | "3.0")) {
        return Err(Problem::BadRequest("version must be 1.0, 2.0 or 3.0".to_owned()));
    }
    let restore = match state.blocking(move |app| Ok(app.prepare_restore(&permit, asked)?)).await? {
        Answer::Live(restore) => *restore,
        Answer::Frozen(bytes) => return Ok(reply::whole(StatusCode::OK, XML, bytes)),
    };
    let coding = Coding::chosen(request.headers());
    let mut reply = if restore.is_short() {
        let payload = state.blocking(move |_| whole(restore, coding)).await?;
        reply::whole(StatusCode::OK, XML, payload)
    } else {
        stream(state, restore, coding).await?
    };
    if let Some(name) = coding.name() {
        reply.headers_mut().insert(CONTENT_ENCODING, name);
    }
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    Ok(reply)
}

fn asked(request: &Request, found: &Found<'_>) -> RestoreRequest {
    let text = |name: &str| request.query(name).map(|v| v.chars().take(ID_CHARS_MAX).collect::<String>());
    let on = |name: &str| request.query(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    RestoreRequest {
        as_user: text("as").filter(|name| !name.is_empty()),
        since: text("since").filter(|token| !token.is_empty()),
        state: text("state"),
        user_id: text("user_id"),
        device_id: text("device_id").unwrap_or_default(),
        app_id: found.raw("app_id").unwrap_or_default().chars().take(ID_CHARS_MAX).collect(),
        items: on("items"),
        skip_fixtures: on("skip_fixtures"),
    }
}

fn coder(coding: Coding) -> Result<Coder, Problem> {
    // Only memory can be lacking.
    Coder::new(coding).map_err(|_| Problem::GivenUp)
}

fn whole(restore: Restore, coding: Coding) -> Result<Vec<u8>, Problem> {
    let mut coder = coder(coding)?;
    let mut payload = Vec::new();
    restore.send(&mut |bytes| {
        payload.extend(coder.coded(bytes));
        true
    })?;
    payload.extend(coder.end());
    Ok(payload)
}

async fn stream(state: &State, restore: Restore, coding: Coding) -> Result<Reply, Problem> {
    let mut coder = coder(coding)?;
    let place = state.restore_place().await?;
    let (chunks, body) = mpsc::channel::<Result<Bytes, RestoreError>>(CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let put = |bytes: Vec<u8>| bytes.is_empty() || chunks.blocking_send(Ok(bytes.into())).is_ok();
        let result = restore.send(&mut |bytes| put(coder.coded(bytes)));
        match result {
            Ok(()) => {
                put(coder.end());
            }
            Err(RestoreError::Gone) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a restore broke off");
                // The connection is cut, so that the phone does not take the part for the whole.
                let _ = chunks.blocking_send(Err(error));
            }
        }
    });
    Ok(reply::stream(XML, body))
}
