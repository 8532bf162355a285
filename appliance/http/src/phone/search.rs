//! `…/phone/search/` and `…/phone/case_fixture/`: cases that a phone does not hold.

use super::fields::fields;
use super::permit;
use crate::problem::Problem;
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_usecases::search_cases::{SearchAnswer, SearchCasesError};
use bolster_wire::restore::{Printer, result_case, results_begin, results_end};
use hyper::{Method, StatusCode};

const XML: &str = "text/xml; charset=utf-8";
const SCORE: &str = "commcare_search_score";
const IS_RELATED: &str = "commcare_is_related_case";
const PROJECT: &str = "commcare_project";
/// Most parameters of one request.
const PARAMETERS_MAX: usize = 10_000;

/// Parameters of the address, then those of the body.
async fn parameters(request: &mut Request) -> Result<Vec<(String, String)>, Problem> {
    let own = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        (name.into_owned(), value.into_owned())
    };
    let mut all: Vec<(String, String)> = request.queries().take(PARAMETERS_MAX + 1).map(own).collect();
    if request.head.method == Method::POST {
        all.extend(fields(request).await?);
    }
    // Clients add a part of this name so that no form is empty.
    all.retain(|(name, _)| name != "buffer");
    if all.len() > PARAMETERS_MAX {
        return Err(Problem::BadRequest(format!("at most {PARAMETERS_MAX} parameters are taken")));
    }
    Ok(all)
}

/// `GET` or `POST …/phone/search/`, `…/phone/search/{app_id}/`.
pub async fn search(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let permit = permit(state, request, &name).await?;
    let parameters = parameters(request).await?;
    let app_id = found.raw("app_id").map(str::to_owned);
    let _place = state.restore_place().await?;
    let payload = state
        .blocking(move |app| {
            Ok(results(&app.search_cases(&permit, app_id.as_deref(), &parameters).map_err(told)?, true))
        })
        .await?;
    Ok(reply::whole(StatusCode::OK, XML, payload))
}

/// `GET` or `POST …/phone/case_fixture/{app_id}/`, `…/phone/registry_case/{app_id}/`.
pub async fn case_fixture(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let permit = permit(state, request, &name).await?;
    let parameters = parameters(request).await?;
    let all = |name: &str| {
        let named = parameters.iter().filter(|(n, v)| n == name && !v.is_empty());
        named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let (ids, types) = (all("case_id"), all("case_type"));
    let missing: Vec<&str> = [("case_id", &ids), ("case_type", &types)]
        .into_iter()
        .filter(|(_, values)| values.is_empty())
        .map(|(name, _)| name)
        .collect();
    if !missing.is_empty() {
        return Err(Problem::BadRequest(format!("Missing required parameters: {}", missing.join(", "))));
    }
    let _place = state.restore_place().await?;
    let payload = state
        .blocking(move |app| Ok(results(&app.case_fixture(&permit, &ids, &types).map_err(told)?, false)))
        .await?;
    Ok(reply::whole(StatusCode::OK, XML, payload))
}

pub fn told(error: SearchCasesError) -> Problem {
    match error {
        SearchCasesError::Off
        | SearchCasesError::Request(_)
        | SearchCasesError::Exceeded(_)
        | SearchCasesError::TooMany => Problem::BadRequest(error.to_string()),
        SearchCasesError::NoCase { .. } => Problem::NotFound(error.to_string()),
        SearchCasesError::Store(error) => Problem::Store(error),
    }
}

/// What was found, as a phone reads it.
pub fn results(answer: &SearchAnswer, is_search: bool) -> Vec<u8> {
    let mut out = Printer::default();
    results_begin(&mut out);
    let project = answer.project.as_deref().map(|name| (PROJECT, name));
    for hit in &answer.hits {
        let score = hit.score.to_string();
        let scored = is_search.then_some((SCORE, score.as_str()));
        let extra: Vec<(&str, &str)> = scored.into_iter().chain(project).collect();
        result_case(&mut out, &hit.case, &extra);
    }
    for case in &answer.related {
        let tag = is_search.then_some((IS_RELATED, "true"));
        let extra: Vec<(&str, &str)> = tag.into_iter().chain(project).collect();
        result_case(&mut out, case, &extra);
    }
    results_end(&mut out);
    out.take()
}
