//! `…/phone/claim-case/`: a worker takes a case that search found.

use super::permit;
use crate::multipart::{Event, Parser, boundary_of};
use crate::problem::Problem;
use crate::reply::{Reply, text};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_usecases::claim_case::{Claim, ClaimOutcome};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName};

const LAST_SYNC_TOKEN: HeaderName = HeaderName::from_static("x-commcarehq-lastsynctoken");
/// Longest body.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Fields of a form, of either kind.
async fn fields(request: &mut Request, content_type: &str) -> Result<Vec<(String, String)>, Problem> {
    let bad = |_| Problem::BadRequest("the multipart body cannot be read".to_owned());
    let mut body = Vec::new();
    while let Some(chunk) = request.body.chunk().await? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(Problem::BadRequest("this form is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        let pairs = form_urlencoded::parse(&body);
        return Ok(pairs.map(|(n, v)| (n.into_owned(), v.into_owned())).collect());
    }
    let boundary = boundary_of(content_type.as_bytes()).map_err(bad)?;
    let mut parser = Parser::new(&boundary);
    parser.put(&body);
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    while let Some(event) = parser.next_event().map_err(bad)? {
        match event {
            Event::Head(head) => all.push((head.name.unwrap_or_default(), Vec::new())),
            Event::Data(bytes) => {
                if let Some((_, value)) = all.last_mut() {
                    value.extend_from_slice(&bytes);
                }
            }
            Event::End => {}
        }
    }
    parser.end().map_err(bad)?;
    Ok(all.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect())
}

/// `POST …/phone/claim-case/`.
pub async fn claim(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let permit = permit(state, request, &name).await?;
    let content_type = request.header_text(&CONTENT_TYPE, 300).unwrap_or_default();
    let token = request.header_text(&LAST_SYNC_TOKEN, 100).filter(|t| !t.is_empty());
    let fields = fields(request, &content_type).await?;
    let all =
        |name: &str| fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>();
    let case_ids: Vec<String> = all("case_id").into_iter().filter(|id| !id.is_empty()).collect();
    if case_ids.is_empty() {
        return Err(Problem::BadRequest("A case_id is required".to_owned()));
    }
    let claim = Claim { case_ids, as_user: all("commcare_login_as").pop().filter(|n| !n.is_empty()), token };
    let outcome = state.blocking(move |app| Ok(app.claim_cases(&permit, &claim)?)).await?;
    Ok(match outcome {
        ClaimOutcome::Sync => text(StatusCode::CREATED, ""),
        ClaimOutcome::Nothing => crate::reply::empty(StatusCode::NO_CONTENT),
        ClaimOutcome::Missing(id) => text(StatusCode::GONE, format!("No case with id {id}")),
    })
}
