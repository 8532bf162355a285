//! Files of forms and cases, sent from the blob store without being held in memory.

use super::place;
use crate::gate;
use crate::problem::Problem;
use crate::receiver::upload::XML_NAME;
use crate::reply::{Reply, empty, file, header_value, whole};
use crate::request::Request;
use crate::resources::forms::SEGMENT;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{Permit, ReadAttachment};
use bolster_model::{CaseId, Digest, FormId};
use bolster_store::{BlobReader, ReadExt};
use bolster_usecases::Appliance;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue,
    IF_NONE_MATCH,
};
use percent_encoding::utf8_percent_encode;

/// What somebody uploaded is never run as a page of this site.
const HARMLESS: &str = "default-src 'none'; sandbox";

/// What is known of a file before it is opened.
struct File {
    content_type: String,
    digest: Digest,
}

/// `GET …/form_attachment/v1/{form_id}/{name}`; `form.xml` is always one of the names.
pub async fn of_form(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = permit(state, request, found).await?;
    let id = FormId::new(place(found, "form_id")?);
    let name = place(found, "name")?.into_owned();
    if name == XML_NAME {
        let xml = state.blocking(move |app| xml_of(app, &permit, &id)).await?;
        return Ok(xml_reply(xml));
    }
    let wanted = name.clone();
    let find = move |app: &Appliance| {
        let row = app.store().view().form(permit.project().id, &id)?.filter(|row| row.deleted.is_none());
        let files = row.map(|row| row.attachments).unwrap_or_default();
        let file = files.into_iter().find(|f| f.name == wanted);
        Ok(file.map(|f| File { content_type: f.content_type, digest: f.blob }))
    };
    send(state, request, &name, find).await
}

/// `GET …/case_attachment/v1/{case_id}/{name}`
pub async fn of_case(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = permit(state, request, found).await?;
    let id = CaseId::new(place(found, "case_id")?);
    let name = place(found, "name")?.into_owned();
    let wanted = name.clone();
    let find = move |app: &Appliance| {
        let case = app.store().view().case(permit.project().id, &id)?;
        let files = case.filter(|c| !c.deletion.is_deleted()).map(|c| c.attachments).unwrap_or_default();
        let file = files.into_iter().find(|f| f.name == wanted);
        Ok(file.map(|f| File { content_type: f.content_type, digest: f.blob }))
    };
    send(state, request, &name, find).await
}

/// Programs with credentials, and people with a session: pages link here.
async fn permit(
    state: &State,
    request: &Request,
    found: &Found<'_>,
) -> Result<Permit<ReadAttachment>, Problem> {
    gate::api_or_page(state, request, &place(found, "project")?).await
}

fn no_such_file() -> Problem {
    Problem::NotFound("Attachment not found".to_owned())
}

fn xml_of(app: &Appliance, permit: &Permit<ReadAttachment>, id: &FormId) -> Result<Vec<u8>, Problem> {
    let store = app.store();
    let row = store.view().form(permit.project().id, id)?.filter(|row| row.deleted.is_none());
    let row = row.ok_or_else(no_such_file)?;
    match store.form_content(row.content_lsn)? {
        Some(content) => Ok(content.xml),
        None => Err(Problem::ContentGone(format!("form {id}"))),
    }
}

/// The XML of a form, byte for byte.
pub fn xml_reply(xml: Vec<u8>) -> Reply {
    let mut reply = whole(StatusCode::OK, "text/xml", xml);
    guard(&mut reply);
    reply
}

fn guard(reply: &mut Reply) {
    reply.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(HARMLESS));
    // Kept by browsers, but asked for again: who may see it can change.
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

async fn send(
    state: &State,
    request: &Request,
    name: &str,
    find: impl FnOnce(&Appliance) -> Result<Option<File>, Problem> + Send + 'static,
) -> Result<Reply, Problem> {
    let known = request.header(IF_NONE_MATCH).map(str::to_owned);
    let open = move |app: &Appliance| -> Result<(File, Option<BlobReader>), Problem> {
        let found = find(app)?.ok_or_else(no_such_file)?;
        let unchanged = known.is_some_and(|tags| tags.contains(&tag(&found.digest)));
        let reader = if unchanged { None } else { Some(app.store().blobs().read(&found.digest)?) };
        Ok((found, reader))
    };
    let (found, reader) = state.blocking(open).await?;
    let mut reply = match reader {
        Some(reader) => file(reader),
        None => empty(StatusCode::NOT_MODIFIED),
    };
    let headers = reply.headers_mut();
    headers.insert(ETAG, header_value(&tag(&found.digest)));
    let content_type = HeaderValue::from_str(&found.content_type).ok().filter(|v| !v.is_empty());
    headers
        .insert(CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(CONTENT_DISPOSITION, disposition(&found.content_type, name));
    guard(&mut reply);
    Ok(reply)
}

fn tag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Pictures, sound and films are shown where they are linked; anything else is only saved.
fn disposition(content_type: &str, name: &str) -> HeaderValue {
    let shown = ["image/", "audio/", "video/"].iter().any(|kind| content_type.starts_with(kind))
        && content_type != "image/svg+xml";
    let how = if shown { "inline" } else { "attachment" };
    // RFC 5987 leaves the quote and a few others plain, but nobody minds them encoded.
    let value = format!("{how}; filename*=UTF-8''{}", utf8_percent_encode(name, SEGMENT));
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}
