//! `search`.

use super::people;
use anyhow::Result;
use bolster_auth::RestoreData;
use bolster_usecases::Appliance;
use serde_json::{Value, json};

/// Cases that some queries find, and how.
pub fn search(
    appliance: &Appliance,
    project: &str,
    queries: &[String],
    types: &[String],
    explain: bool,
) -> Result<Value> {
    let project = people::project(appliance, project)?;
    let permit = appliance.auth().operator_permit::<RestoreData>(people::OPERATOR, &project);
    let answer = appliance.query_cases(&permit, queries, types)?;
    let cases = answer.hits.iter().map(|hit| {
        json!({
            "id": hit.case.id.as_str(),
            "type": hit.case.case_type.value,
            "name": hit.case.name.value,
            "owner": hit.case.owner_id.value,
            "state": if hit.case.closed.value { "closed" } else { "open" },
            "score": hit.score,
        })
    });
    let mut value = json!({"cases": cases.collect::<Vec<_>>(), "more": answer.more});
    if explain {
        value["steps"] = json!(answer.steps);
    }
    Ok(value)
}
