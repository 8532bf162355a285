//! `…/phone/claim-case/`: a worker takes a case that search found.

use super::fields::fields;
use super::permit;
use crate::problem::Problem;
use crate::reply::{Reply, text};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_usecases::claim_case::{Claim, ClaimOutcome};
use hyper::StatusCode;
use hyper::header::HeaderName;

const LAST_SYNC_TOKEN: HeaderName = HeaderName::from_static("x-commcarehq-lastsynctoken");
/// `POST …/phone/claim-case/`.
pub async fn claim(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let permit = permit(state, request, &name).await?;
    let token = request.header_text(&LAST_SYNC_TOKEN, 100).filter(|t| !t.is_empty());
    let fields = fields(request).await?;
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
