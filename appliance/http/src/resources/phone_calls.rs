//! Small calls of the CommCare app: heartbeat, recovery measures, keys, numbers.

use super::apps::open_project;
use super::place;
use crate::phone;
use crate::problem::Problem;
use crate::reply::{Reply, json, text, whole};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bolster_auth::{Permit, RestoreData};
use bolster_model::Timestamp;
use bolster_usecases::apps::Prompt;
use bolster_usecases::phone_calls::{Heartbeat, KeyRecord, NumberError};
use bolster_wire::app::PLATFORM_VERSION;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Value, json as object};

impl From<NumberError> for Problem {
    fn from(error: NumberError) -> Self {
        match error {
            NumberError::Name(_) => Self::BadRequest(error.to_string()),
            NumberError::Apps(error) => error.into(),
        }
    }
}

async fn permit(state: &State, request: &Request, found: &Found<'_>) -> Result<Permit<RestoreData>, Problem> {
    phone::permit(state, request, &place(found, "project")?).await
}

fn no_store(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn asked(request: &Request, name: &str) -> String {
    request.query(name).map(|value| value.into_owned()).unwrap_or_default()
}

/// `GET …/phone/heartbeat/{app_id}/`. The answer repeats the app's id, by which phones know it is for them.
pub async fn heartbeat(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = permit(state, request, found).await?;
    let said = Heartbeat {
        device_id: asked(request, "device_id"),
        app_id: asked(request, "app_id"),
        app_version: asked(request, "app_version"),
        build_id: found.text("app_id").unwrap_or_default().into_owned(),
        build_profile: asked(request, "build_profile_id"),
        commcare_version: asked(request, "cc_version"),
        unsent_forms: asked(request, "num_unsent_forms"),
        quarantined_forms: asked(request, "num_quarantined_forms"),
        last_sync: asked(request, "last_sync_time"),
    };
    let app_id = said.app_id.clone();
    let latest = state.blocking(move |app| Ok(app.heartbeat(&permit, said))).await?;
    let version = match (latest.prompt, latest.version) {
        (Prompt::Off, _) | (_, None) => object!({}),
        (prompt, Some(version)) => object!({ "value": version, "force": prompt == Prompt::Forced }),
    };
    let answer = object!({ "app_id": app_id, "latest_apk_version": {}, "latest_ccz_version": version });
    Ok(no_store(json(StatusCode::OK, &answer)))
}

/// `GET …/phone/recovery_measures/{app_id}/`: no credentials, for phones that cannot sign in any more.
pub async fn recovery(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let project = open_project(state, found)?;
    let build = place(found, "app_id")?.into_owned();
    let app_id = asked(request, "app_id");
    let named = app_id.clone();
    let latest = state.blocking(move |app| Ok(app.latest_build(project.id, &build, &named))).await?;
    let mut answer = object!({
        "latest_apk_version": PLATFORM_VERSION,
        "latest_ccz_version": latest.version,
        "app_id": app_id,
    });
    let measures: Vec<Value> = latest
        .recovery
        .iter()
        .map(|m| object!({ "sequence_number": m.sequence_number, "type": m.measure }))
        .collect();
    if !measures.is_empty() {
        answer["recovery_measures"] = measures.into();
    }
    Ok(no_store(json(StatusCode::OK, &answer)))
}

/// `GET …/phone/keys/`
pub async fn keys(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = permit(state, request, found).await?;
    let project = permit.project().name.clone();
    let record = state.blocking(move |app| Ok(app.mobile_key(&permit)?)).await?;
    Ok(no_store(whole(StatusCode::OK, "text/xml; charset=utf-8", keys_xml(&project, &record))))
}

fn keys_xml(project: &str, record: &KeyRecord) -> String {
    let time = |at: Timestamp| {
        let text = at.to_string();
        format!("{}Z", text.split('.').next().unwrap_or(&text))
    };
    format!(
        "<OpenRosaResponse xmlns=\"http://openrosa.org/http/response\"><message nature=\"submit_success\">\
         Keys attached</message><auth_keys domain=\"{project}\" issued=\"{}\">\
         <key_record valid=\"{}\" expires=\"{}\"><uuid>{}</uuid><key type=\"AES256\">{}</key></key_record>\
         </auth_keys></OpenRosaResponse>",
        time(record.issued),
        time(record.valid),
        time(record.expires),
        record.uuid,
        STANDARD.encode(record.key)
    )
}

/// `GET …/phone/get_next_id/`
pub async fn next_id(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = permit(state, request, found).await?;
    let Some(pool) = request.query("pool_id").map(|p| p.into_owned()) else {
        return Err(Problem::BadRequest("You must provide a pool_id parameter".to_owned()));
    };
    let session = request.query("session_id").map(|s| s.into_owned());
    let number = state.blocking(move |app| Ok(app.next_number(&permit, &pool, session.as_deref())?)).await?;
    Ok(no_store(text(StatusCode::OK, number.to_string())))
}
