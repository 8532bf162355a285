//! Cases as JSON, in the shape of HQ's case API v2.

use super::fields::FieldFilter;
use super::place;
use crate::gate;
use crate::problem::Problem;
use crate::reply::{Reply, json};
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::ReadCase;
use bolster_model::{Case, CaseId};
use bolster_store::ReadExt;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

/// Most ids of one request (HQ's bound).
const CASES_MAX: usize = 5000;

/// `GET …/case/v2/{id}` and `…/{id},{id},…`
pub async fn cases(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = gate::api::<ReadCase>(state, request, &place(found, "project")?).await?;
    let ids = place(found, "case_ids")?.into_owned();
    let filter = FieldFilter::of(request.queries()).map_err(Problem::BadRequest)?;
    let project = permit.project().clone();
    state
        .blocking(move |app| {
            let view = app.store().view();
            let load = |id: &str| view.case(project.id, &CaseId::from(id));
            if !ids.contains(',') {
                // A deleted case is not found, as in HQ.
                let case = load(&ids)?.filter(|c| !c.deletion.is_deleted());
                let case = case.ok_or_else(|| Problem::NotFound(format!("Case '{ids}' not found")))?;
                return Ok(json(StatusCode::OK, &filter.of_case(document(&project.name, &case))));
            }
            let wanted: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
            if wanted.len() > CASES_MAX {
                return Err(Problem::BadRequest(format!("You cannot request more than {CASES_MAX} cases")));
            }
            let mut all = Vec::with_capacity(wanted.len());
            let mut missing = 0;
            for id in &wanted {
                all.push(match load(id)?.filter(|c| !c.deletion.is_deleted()) {
                    Some(case) => filter.of_case(document(&project.name, &case)),
                    None => {
                        missing += 1;
                        json!({"case_id": id, "error": "not found"})
                    }
                });
            }
            let found = wanted.len() - missing;
            let answer = json!({"cases": all, "matching_records": found, "missing_records": missing});
            Ok(json(StatusCode::OK, &answer))
        })
        .await
}

/// One case.
pub fn document(project: &str, case: &Case) -> Value {
    let time = |t: Option<bolster_model::Timestamp>| Value::from(t.map(|t| t.to_string()));
    let text = |t: &str| if t.is_empty() { Value::Null } else { Value::from(t) };
    let properties: Map<String, Value> =
        case.properties.iter().map(|p| (p.name.clone(), Value::from(p.value.as_str()))).collect();
    let indices: Map<String, Value> = case
        .indices
        .iter()
        .map(|i| {
            let value = json!({
                "case_id": i.referenced_id.as_str(),
                "case_type": i.referenced_type,
                "relationship": i.relationship.name(),
            });
            (i.identifier.clone(), value)
        })
        .collect();
    json!({
        "domain": project,
        "case_id": case.id.as_str(),
        "case_type": case.case_type.value,
        "case_name": case.name.value,
        "external_id": text(&case.external_id.value),
        "owner_id": case.owner_id.value,
        "date_opened": time(case.opened_on),
        "last_modified": time(case.modified_on),
        "server_last_modified": case.server_modified_on.to_string(),
        "indexed_on": case.server_modified_on.to_string(),
        "closed": case.closed.value,
        "date_closed": time(case.closed_on),
        "properties": properties,
        "indices": indices,
    })
}
