//! Files of forms and cases.

use super::place;
use crate::gate;
use crate::problem::Problem;
use crate::receiver::upload::XML_NAME;
use crate::reply::{Reply, file, header_value, whole};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::ReadAttachment;
use bolster_model::{CaseId, Digest, FormId};
use bolster_store::ReadExt;
use bolster_usecases::Appliance;
use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};

/// `GET …/form_attachment/v1/{form_id}/{name}`
pub async fn of_form(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = gate::api_or_page::<ReadAttachment>(state, request, &place(found, "project")?).await?;
    let id = FormId::new(place(found, "form_id")?);
    let name = place(found, "name")?.into_owned();
    let project = permit.project().id;
    state
        .blocking(move |app| {
            if name == XML_NAME {
                let (_, content) = super::forms::load(app, project, &id)?;
                let content = content.ok_or_else(|| Problem::ContentGone(format!("form {id}")))?;
                return Ok(xml_reply(content.xml));
            }
            let row = app.store().view().form(project, &id)?;
            let stored = row.and_then(|row| row.attachments.into_iter().find(|a| a.name == name));
            let stored = stored
                .ok_or_else(|| Problem::NotFound(format!("There is no file '{name}' of form '{id}'")))?;
            send(app, &stored.blob, &stored.content_type)
        })
        .await
}

/// `GET …/case_attachment/v1/{case_id}/{name}`
pub async fn of_case(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = gate::api_or_page::<ReadAttachment>(state, request, &place(found, "project")?).await?;
    let id = CaseId::new(place(found, "case_id")?);
    let name = place(found, "name")?.into_owned();
    let project = permit.project().id;
    state
        .blocking(move |app| {
            let case = app.store().view().case(project, &id)?;
            let stored = case.and_then(|case| case.attachments.into_iter().find(|a| a.name == name));
            let stored = stored
                .ok_or_else(|| Problem::NotFound(format!("There is no file '{name}' of case '{id}'")))?;
            send(app, &stored.blob, &stored.content_type)
        })
        .await
}

fn send(app: &Appliance, blob: &Digest, content_type: &str) -> Result<Reply, Problem> {
    let mut reply = file(app.store().blobs().read(blob)?);
    let content_type = if content_type.is_empty() { "application/octet-stream" } else { content_type };
    reply.headers_mut().insert(CONTENT_TYPE, header_value(content_type));
    Ok(safe(reply))
}

/// The XML of a form, byte for byte.
pub fn xml_reply(xml: Vec<u8>) -> Reply {
    safe(whole(StatusCode::OK, "text/xml", xml))
}

/// What somebody uploaded is never run as a page of this site.
fn safe(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    reply
}
