//! Cases as JSON, the shapes of CommCare HQ's case APIs.

use super::fields::FieldFilter;
use super::place;
use crate::gate;
use crate::problem::Problem;
use crate::reply::{Reply, json};
use crate::request::Request;
use crate::router::State;
use crate::routes::{Found, decoded};
use bolster_auth::{Permit, ReadCase};
use bolster_model::{Case, CaseId, CaseIndex, CaseTransaction, Register, SetBy, Timestamp};
use bolster_store::ReadExt;
use bolster_usecases::Appliance;
use hyper::StatusCode;
use serde_json::{Map, Value, json as object};

/// Most ids of one request (HQ's bound).
const CASES_MAX: usize = 5000;

/// `GET …/case/v2/{id}` and `…/{id},{id},…`
pub async fn cases(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let permit = gate::api::<ReadCase>(state, request, &place(found, "project")?).await?;
    let fields = FieldFilter::of(request.queries()).map_err(Problem::BadRequest)?;
    let raw = found.raw("case_ids").unwrap_or_default();
    let ids: Option<Vec<String>> = raw.split(',').map(|id| Some(decoded(id)?.into_owned())).collect();
    let ids = ids.ok_or(Problem::NoRoute)?;
    let value = state
        .blocking(move |app| match ids.as_slice() {
            [one] => match read(app, &permit, one)? {
                Some(value) => Ok(fields.of_case(value)),
                // Some clients encode the commas of a list.
                None if one.contains(',') => {
                    let ids: Vec<String> = one.split(',').map(str::to_owned).collect();
                    several(app, &permit, &ids, &fields)
                }
                None => Err(Problem::NotFound(format!("Case '{one}' not found"))),
            },
            ids => several(app, &permit, ids, &fields),
        })
        .await?;
    Ok(json(StatusCode::OK, &value))
}

/// A case that is not deleted.
fn read(app: &Appliance, permit: &Permit<ReadCase>, id: &str) -> Result<Option<Value>, Problem> {
    let project = permit.project();
    let case = app.store().view().case(project.id, &CaseId::from(id))?;
    Ok(case.filter(|c| !c.deletion.is_deleted()).map(|case| case_v2(&project.name, &case)))
}

/// One entry for each id asked for, in order; never "not found" as a whole.
fn several(
    app: &Appliance,
    permit: &Permit<ReadCase>,
    ids: &[String],
    fields: &FieldFilter,
) -> Result<Value, Problem> {
    let ids: Vec<&String> = ids.iter().filter(|id| !id.is_empty()).collect();
    if ids.len() > CASES_MAX {
        return Err(Problem::BadRequest(format!("You cannot request more than {CASES_MAX} cases")));
    }
    let mut found = 0;
    let mut cases = Vec::with_capacity(ids.len());
    for id in &ids {
        cases.push(match read(app, permit, id)? {
            Some(value) => {
                found += 1;
                fields.of_case(value)
            }
            None => object!({ "case_id": id, "error": "not found" }),
        });
    }
    Ok(object!({ "cases": cases, "matching_records": found, "missing_records": ids.len() - found }))
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(at.to_string()))
}

/// Null for what no form has ever set.
fn unless_never(register: &Register<String>) -> Value {
    match register.by == SetBy::NEVER && register.value.is_empty() {
        true => Value::Null,
        false => Value::String(register.value.clone()),
    }
}

fn indices(case: &Case) -> Value {
    let entry = |index: &CaseIndex| {
        let value = object!({
            "case_id": index.referenced_id.as_str(),
            "case_type": index.referenced_type,
            "relationship": index.relationship.name(),
        });
        (index.identifier.clone(), value)
    };
    Value::Object(case.indices.iter().map(entry).collect())
}

fn properties(case: &Case) -> Map<String, Value> {
    case.properties.iter().map(|p| (p.name.clone(), Value::String(p.value.clone()))).collect()
}

/// The object of version 2 (v0.6).
pub fn case_v2(project: &str, case: &Case) -> Value {
    object!({
        "domain": project,
        "case_id": case.id.as_str(),
        "case_type": case.case_type.value,
        "case_name": case.name.value,
        "external_id": unless_never(&case.external_id),
        "owner_id": case.owner_id.value,
        "date_opened": time(case.opened_on),
        "last_modified": time(case.modified_on),
        "server_last_modified": time(Some(case.server_modified_on)),
        "indexed_on": time(Some(case.server_modified_on)),
        "closed": case.closed.value,
        "date_closed": time(case.closed_on),
        "properties": properties(case),
        "indices": indices(case),
    })
}

/// The object of version 1 (v0.5), as it stands inside forms.
pub fn case_v1(project: &str, case: &Case, history: &[CaseTransaction]) -> Value {
    let mut shown = properties(case);
    shown.insert("case_name".to_owned(), object!(case.name.value));
    shown.insert("case_type".to_owned(), object!(case.case_type.value));
    shown.insert("date_opened".to_owned(), time(case.opened_on));
    shown.insert("external_id".to_owned(), unless_never(&case.external_id));
    shown.insert("owner_id".to_owned(), object!(case.owner_id.value));
    let in_force = history.iter().filter(|t| !t.revoked);
    let forms: Vec<&str> = in_force.filter_map(|t| t.form_id.as_ref()).map(|id| id.as_str()).collect();
    object!({
        "id": case.id.as_str(),
        "case_id": case.id.as_str(),
        "domain": project,
        "user_id": case.modified_by,
        "opened_by": case.opened_by,
        "closed_by": if case.closed.value { Value::String(case.closed_by.clone()) } else { Value::Null },
        "closed": case.closed.value,
        "date_closed": time(case.closed_on),
        "date_modified": time(case.modified_on),
        "server_date_modified": time(Some(case.server_modified_on)),
        "server_date_opened": time(history.first().map(|t| t.server_date)),
        "indexed_on": time(Some(case.server_modified_on)),
        "xform_ids": forms,
        "properties": shown,
        "indices": indices(case),
        "resource_uri": "",
    })
}
