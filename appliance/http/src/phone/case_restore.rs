//! `…/phone/case_restore/`: what a web runtime gets that speaks with the person of a case.

use super::signed;
use crate::problem::{Challenge, Problem};
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_model::CaseId;
use hyper::StatusCode;

/// `GET …/phone/case_restore/{case_id}/`. Only requests that are signed are answered.
pub async fn case_restore(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let Some(permit) = signed(state, request, &name)? else {
        return Err(Problem::Unknown { challenge: Challenge::Basic });
    };
    let case_id = CaseId::new(found.text("case_id").unwrap_or_default());
    let shown = case_id.clone();
    let _place = state.restore_place().await?;
    let payload = state.blocking(move |app| Ok(app.case_restore(&permit, &case_id)?)).await?;
    let payload = payload.ok_or_else(|| Problem::NotFound(format!("there is no case {shown} here")))?;
    Ok(reply::whole(StatusCode::OK, "text/xml; charset=utf-8", payload))
}
