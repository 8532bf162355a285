//! One form as JSON: the shape of CommCare HQ's form API, and beside it what HQ keeps but does not show there.

use super::cases::case_v1;
use super::place;
use crate::gate;
use crate::problem::Problem;
use crate::reply::{Reply, json};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{Permit, ReadForm};
use bolster_model::{CaseId, FormContent, FormId, FormRow, FormState, OperationKind, Timestamp};
use bolster_store::ReadExt;
use bolster_usecases::Appliance;
use bolster_wire::Limits;
use hyper::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json as object};
use std::collections::HashSet;

/// What is encoded in one segment of an address.
pub const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Most cases that `cases__full` adds.
const CASES_MAX: usize = 1000;

/// `GET …/form/{form_id}/`, with `?cases__full=true` and the cases it touched.
pub async fn form(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = gate::api::<ReadForm>(state, request, &place(found, "project")?).await?;
    let id = FormId::new(place(found, "form_id")?);
    let with_cases = request.query("cases__full").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let value = state
        .blocking(move |app| {
            let no_such = || Problem::NotFound(format!("Form '{id}' not found"));
            let (row, content) = read(app, &permit, &id)?.ok_or_else(no_such)?;
            let mut value = document(&permit.project().name, &row, &content);
            if with_cases && let Value::Object(map) = &mut value {
                map.insert("cases".to_owned(), cases_of(app, &permit, &content)?);
            }
            Ok(value)
        })
        .await?;
    Ok(json(StatusCode::OK, &value))
}

/// A form that is not deleted, with its content; `None` when there is no such. A form whose bytes are gone has
/// empty XML, and our own log says so.
pub fn read(
    app: &Appliance,
    permit: &Permit<ReadForm>,
    id: &FormId,
) -> Result<Option<(FormRow, FormContent)>, Problem> {
    let store = app.store();
    let Some(row) = store.view().form(permit.project().id, id)?.filter(|row| row.deleted.is_none()) else {
        return Ok(None);
    };
    let content = store.form_content(row.content_lsn)?.unwrap_or_else(|| {
        tracing::error!(form = %id, "the content of a form is missing");
        FormContent { info: Default::default(), xml: Vec::new() }
    });
    Ok(Some((row, content)))
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(at.to_string()))
}

/// The whole document. Fields up to `resource_uri` are HQ's.
pub fn document(project: &str, row: &FormRow, content: &FormContent) -> Value {
    let form = match row.state {
        FormState::SubmissionError => Value::Object(Map::new()),
        _ => bolster_wire::form_json(&content.xml, &Limits::default()).unwrap_or_else(|_| object!({})),
    };
    let text = |key: &str| form.get(key).and_then(Value::as_str).unwrap_or_default();
    let metadata = metadata(&form);
    let user = metadata.get("userID").cloned().unwrap_or_default();
    let version = metadata.get("commcare_version").cloned().unwrap_or_default();
    let build = metadata.get("app_build_version").and_then(Value::as_u64).map(|n| n.to_string());
    let editor = row.operations.iter().rev().find(|o| o.kind == OperationKind::Edit);
    let info = &content.info;
    object!({
        "id": row.form_id.as_str(),
        "domain": project,
        "app_id": info.app_id,
        "build_id": info.build_id,
        "type": text("#type"),
        "version": text("@version"),
        "uiversion": text("@uiVersion"),
        "submit_ip": info.submit_ip,
        "archived": row.state == FormState::Archived,
        "problem": row.problem,
        "initial_processing_complete": row.initial_processing_complete,
        "is_phone_submission": info.headers.version.is_some(),
        "received_on": time(Some(row.received_on)),
        "server_modified_on": time(Some(row.server_modified_on)),
        "indexed_on": time(Some(row.server_modified_on)),
        "edited_on": time(row.edited_on),
        "edited_by_user_id": editor.map(|o| o.user_id.as_str()),
        "metadata": metadata,
        "attachments": attachments(project, row, content),
        "resource_uri": "",
        "doc_type": row.state.doc_type(),
        "name": text("@name"),
        "xmlns": row.xmlns,
        "user_id": user,
        "app_version": build,
        "commcare_version": version,
        "orig_id": row.orig_id.as_ref().map(FormId::as_str),
        "deprecated_form_id": row.deprecated_form_id.as_ref().map(FormId::as_str),
        "duplicate_count": row.duplicate_count,
        "last_sync_token": info.last_sync_token,
        "date_header": time(info.date_header),
        "openrosa_headers": header_map(content),
        "auth_context": {
            "doc_type": info.auth.doc.name(),
            "domain": project,
            "user_id": info.auth.user_id,
            "authenticated": info.auth.authenticated,
        },
        "partial_submission": info.partial_submission,
        "history": history(row),
        // Last, because it is long.
        "form": form,
    })
}

fn history(row: &FormRow) -> Value {
    let lines = row
        .operations
        .iter()
        .map(|o| object!({ "user": o.user_id, "date": o.date.to_string(), "operation": o.kind.name() }));
    Value::Array(lines.collect())
}

/// The headers that a form keeps, under the names that HQ's framework gives them; absent ones left out.
fn header_map(content: &FormContent) -> Value {
    let headers = &content.info.headers;
    let named = [
        ("HTTP_X_OPENROSA_VERSION", &headers.version),
        ("HTTP_DATE", &headers.date),
        ("HTTP_ACCEPT_LANGUAGE", &headers.accept_language),
    ];
    let present = named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    Value::Object(present.map(|(name, value)| (name.to_owned(), value.into())).collect())
}

/// The meta block with what is derived from it; null when the form has none.
fn metadata(form: &Value) -> Value {
    let mut value = bolster_wire::metadata_json(form);
    if let Value::Object(map) = &mut value {
        let text = map.get("appVersion").and_then(Value::as_str).map(str::to_owned);
        let root = form.get("@version").and_then(Value::as_str);
        let versions = bolster_wire::app_version(None, text.as_deref(), root);
        let build = versions.app_version.and_then(|v| v.parse::<u64>().ok());
        map.insert("app_build_version".to_owned(), object!(build));
        map.insert("commcare_version".to_owned(), object!(versions.commcare_version));
        for absent in ["deprecatedID", "geo_point"] {
            map.entry(absent).or_insert(Value::Null);
        }
        map.insert("doc_type".to_owned(), object!("Metadata"));
    }
    value
}

fn attachments(project: &str, row: &FormRow, content: &FormContent) -> Value {
    let url = |name: &str| {
        let id = utf8_percent_encode(row.form_id.as_str(), SEGMENT);
        format!("/a/{project}/api/form_attachment/v1/{id}/{}", utf8_percent_encode(name, SEGMENT))
    };
    let entry = |name: &str, content_type: &str, length: u64| {
        (name.to_owned(), object!({ "content_type": content_type, "length": length, "url": url(name) }))
    };
    let xml = entry("form.xml", "text/xml", content.xml.len() as u64);
    let files = row.attachments.iter().map(|f| entry(&f.name, &f.content_type, f.length));
    Value::Object(std::iter::once(xml).chain(files).collect())
}

/// Cases that the form's blocks name and that are there, once each.
fn cases_of(app: &Appliance, permit: &Permit<ReadForm>, content: &FormContent) -> Result<Value, Problem> {
    let view = app.store().view();
    let project = permit.project();
    let mut cases = Vec::new();
    for id in touched_cases(&content.xml).into_iter().take(CASES_MAX) {
        if let Some(case) = view.case(project.id, &id)?.filter(|c| !c.deletion.is_deleted()) {
            let history = view.transactions(project.id, &id)?;
            cases.push(case_v1(&project.name, &case, &history));
        }
    }
    Ok(Value::Array(cases))
}

/// Ids of the cases that a form's blocks name, in order of first mention, once each.
fn touched_cases(xml: &[u8]) -> Vec<CaseId> {
    let Ok(parsed) = bolster_wire::parse_form(xml, &Limits::default()) else { return Vec::new() };
    let mut seen = HashSet::new();
    let ids = parsed.case_blocks.into_iter().map(|block| block.case_id);
    ids.filter(|id| seen.insert(id.clone())).collect()
}
