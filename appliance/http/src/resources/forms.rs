//! One form as JSON, in the shape of HQ's form API.

use super::place;
use crate::gate;
use crate::problem::Problem;
use crate::reply::{Reply, json};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{Permit, ReadForm};
use bolster_model::{FormContent, FormId, FormRow, FormState, ProjectId};
use bolster_store::ReadExt;
use bolster_usecases::Appliance;
use bolster_wire::{Limits, app_version, form_json, metadata_json};
use hyper::StatusCode;
use serde_json::{Map, Value, json};

/// `GET …/form/{form_id}/`
pub async fn form(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = gate::api::<ReadForm>(state, request, &place(found, "project")?).await?;
    let id = FormId::new(place(found, "form_id")?);
    let project = permit.project().clone();
    state
        .blocking(move |app| {
            let (row, content) = load(app, project.id, &id)?;
            Ok(json(StatusCode::OK, &document(&project.name, &row, content.as_ref())))
        })
        .await
}

/// What is encoded in one segment of an address.
pub const SEGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A form with its content; `None` when there is no such form.
pub fn read(
    app: &Appliance,
    permit: &Permit<ReadForm>,
    id: &FormId,
) -> Result<Option<(FormRow, FormContent)>, Problem> {
    match load(app, permit.project().id, id) {
        Ok((row, Some(content))) => Ok(Some((row, content))),
        Ok((row, None)) => Err(Problem::ContentGone(format!("form {}", row.form_id))),
        Err(Problem::NotFound(_)) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// A form's row and content; the content is `None` when its bytes are gone.
pub fn load(
    app: &Appliance,
    project: ProjectId,
    id: &FormId,
) -> Result<(FormRow, Option<FormContent>), Problem> {
    let row = app.store().view().form(project, id)?;
    let row = row.ok_or_else(|| Problem::NotFound(format!("Form '{id}' not found")))?;
    let content = app.store().form_content(row.content_lsn)?;
    Ok((row, content))
}

/// HQ's `doc_type`: deletion overrides the state.
pub fn doc_type(row: &FormRow) -> &'static str {
    if row.deleted.is_some() { "XFormInstance-Deleted" } else { row.state.doc_type() }
}

fn header_map(content: &FormContent) -> Value {
    let headers = &content.info.headers;
    let named = [
        ("HTTP_X_OPENROSA_VERSION", &headers.version),
        ("HTTP_DATE", &headers.date),
        ("HTTP_ACCEPT_LANGUAGE", &headers.accept_language),
    ];
    named
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value.as_deref()?))))
        .collect::<Map<_, _>>()
        .into()
}

/// The whole document.
pub fn document(project: &str, row: &FormRow, content: Option<&FormContent>) -> Value {
    let form = content
        .filter(|_| row.state != FormState::SubmissionError)
        .and_then(|c| form_json(&c.xml, &Limits::default()).ok())
        .unwrap_or_else(|| json!({}));
    let mut metadata = metadata_json(&form);
    let text = |name: &str| form.get(name).and_then(Value::as_str).map(str::to_owned);
    let root_version = text("@version");
    let version =
        app_version(None, metadata.get("appVersion").and_then(Value::as_str), root_version.as_deref());
    if let Some(fields) = metadata.as_object_mut() {
        fields.insert("commcare_version".into(), version.commcare_version.clone().into());
        fields.insert(
            "app_build_version".into(),
            version.app_version.as_deref().and_then(|v| v.parse::<u64>().ok()).into(),
        );
        fields.insert("doc_type".into(), "Metadata".into());
    }
    let info = content.map(|c| &c.info);
    let time = |t: Option<bolster_model::Timestamp>| Value::from(t.map(|t| t.to_string()));
    json!({
        "id": row.form_id.as_str(),
        "domain": project,
        "doc_type": doc_type(row),
        "app_id": info.and_then(|i| i.app_id.clone()),
        "build_id": info.and_then(|i| i.build_id.clone()),
        "type": text("#type"),
        "name": text("@name"),
        "version": root_version,
        "uiversion": text("@uiVersion"),
        "xmlns": row.xmlns,
        "user_id": metadata.get("userID").cloned().unwrap_or_default(),
        "submit_ip": info.and_then(|i| i.submit_ip.clone()),
        "archived": row.state == FormState::Archived,
        "problem": row.problem,
        "initial_processing_complete": row.initial_processing_complete,
        "is_phone_submission": info.is_some_and(|i| i.headers.version.is_some()),
        "received_on": row.received_on.to_string(),
        "server_modified_on": row.server_modified_on.to_string(),
        "indexed_on": row.server_modified_on.to_string(),
        "edited_on": time(row.edited_on),
        "edited_by_user_id": row.operations.iter().rev()
            .find(|o| o.kind == bolster_model::OperationKind::Edit).map(|o| o.user_id.clone()),
        "orig_id": row.orig_id.as_ref().map(FormId::as_str),
        "deprecated_form_id": row.deprecated_form_id.as_ref().map(FormId::as_str),
        "last_sync_token": info.and_then(|i| i.last_sync_token.clone()),
        "date_header": time(info.and_then(|i| i.date_header)),
        "openrosa_headers": content.map(header_map),
        "auth_context": info.map(|i| json!({
            "doc_type": i.auth.doc.name(),
            "domain": project,
            "user_id": i.auth.user_id,
            "authenticated": i.auth.authenticated,
        })),
        "partial_submission": info.is_some_and(|i| i.partial_submission),
        "app_version": version.app_version,
        "commcare_version": version.commcare_version,
        "history": row.operations.iter().map(|o| json!({
            "user": o.user_id, "date": o.date.to_string(), "operation": o.kind.name(),
        })).collect::<Vec<_>>(),
        "duplicate_count": row.duplicate_count,
        "metadata": metadata,
        "form": form,
        "attachments": attachments(project, row, content),
        "resource_uri": "",
    })
}

fn attachments(project: &str, row: &FormRow, content: Option<&FormContent>) -> Value {
    let url = |name: &str| {
        let encode = |t: &str| percent_encoding::utf8_percent_encode(t, SEGMENT).to_string();
        format!("/a/{project}/api/form_attachment/v1/{}/{}", encode(row.form_id.as_str()), encode(name))
    };
    let mut files = Map::new();
    if let Some(content) = content {
        let xml = json!({"content_type": "text/xml", "length": content.xml.len(), "url": url("form.xml")});
        files.insert("form.xml".into(), xml);
    }
    for file in &row.attachments {
        let value = json!({"content_type": file.content_type, "length": file.length, "url": url(&file.name)});
        files.insert(file.name.clone(), value);
    }
    files.into()
}
