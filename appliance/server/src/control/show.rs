//! `form show` and `case show`.

use anyhow::{Context, Result, bail};
use base64::Engine;
use bolster_model::{
    Attachment, Case, CaseId, CaseTransaction, FormId, FormRow, ProjectId, RebuildDetails, Timestamp, TxKinds,
};
use bolster_store::{ReadExt, View};
use bolster_usecases::Appliance;
use serde_json::{Value, json};

/// Forms deeper or larger than the receiver takes are not here.
fn limits() -> bolster_wire::Limits {
    bolster_wire::Limits::default()
}

/// A form as people look at it, or its XML in base64.
pub fn form(appliance: &Appliance, id: &str, project: Option<&str>, xml: bool) -> Result<Value> {
    let view = appliance.store().view();
    let form_id = FormId(id.to_owned());
    let project = choose(appliance, "form", id, project, view.form_projects(&form_id)?)?;
    let row =
        view.form(project, &form_id)?.with_context(|| format!("there is no form {id} in this project"))?;
    let content = appliance
        .store()
        .form_content(row.content_lsn)
        .context("the content of the form could not be read from the log")?;
    let bytes = content.as_ref().map(|c| c.xml.as_slice());
    if xml {
        let bytes = bytes.with_context(|| format!("the XML of form {id} is not here any more"))?;
        return Ok(json!({"xml_base64": base64::engine::general_purpose::STANDARD.encode(bytes)}));
    }
    let answers = bytes.and_then(|b| bolster_wire::form_json(b, &limits()).ok()).unwrap_or_else(|| json!({}));
    let info = content.as_ref().map(|c| &c.info);
    let mut value = form_row(&row, &project_name(appliance, project));
    value["user"] = info.and_then(|i| i.auth.user_id.clone()).into();
    value["app_id"] = info.and_then(|i| i.app_id.clone()).into();
    value["submit_ip"] = info.and_then(|i| i.submit_ip.clone()).into();
    let files =
        if row.attachments.is_empty() { info.map(|i| &i.attachments) } else { Some(&row.attachments) };
    value["attachments"] = files.into_iter().flatten().map(attachment).collect();
    value["metadata"] = bolster_wire::metadata_json(&answers);
    value["form"] = answers;
    Ok(value)
}

fn form_row(row: &FormRow, project: &str) -> Value {
    let state = match row.deleted {
        Some(_) => "deleted".to_owned(),
        None => format!("{:?}", row.state).to_lowercase(),
    };
    json!({
        "id": row.form_id.as_str(),
        "project": project,
        "state": state,
        "doc_type": row.state.doc_type(),
        "problem": row.problem,
        "xmlns": row.xmlns,
        "received_on": row.received_on.to_string(),
        "edited_on": time(row.edited_on),
        "orig_id": row.orig_id.as_ref().map(FormId::as_str),
        "deprecated_form_id": row.deprecated_form_id.as_ref().map(FormId::as_str),
        "deleted_on": time(row.deleted.as_ref().map(|(at, _)| *at)),
        "duplicates": row.duplicate_count,
        "operations": row.operations.iter().map(|operation| json!({
            "date": operation.date.to_string(),
            "operation": operation.kind.name(),
            "user": operation.user_id,
        })).collect::<Vec<_>>(),
        "log_position": row.content_lsn,
    })
}

fn attachment(file: &Attachment) -> Value {
    json!({"name": file.name, "content_type": file.content_type, "length": file.length, "sha256": file.blob.to_string()})
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// A case as people look at it.
pub fn case(appliance: &Appliance, id: &str, project: Option<&str>, history: bool) -> Result<Value> {
    let view = appliance.store().view();
    let case_id = CaseId(id.to_owned());
    let project = choose(appliance, "case", id, project, view.case_projects(&case_id)?)?;
    let case =
        view.case(project, &case_id)?.with_context(|| format!("there is no case {id} in this project"))?;
    let mut value = case_row(&case, &project_name(appliance, project));
    value["ledgers"] = ledgers(&view, project, &case_id)?;
    if history {
        let transactions = view.transactions(project, &case_id)?;
        value["history"] = transactions.iter().map(transaction).collect();
    }
    Ok(value)
}

fn case_row(case: &Case, project: &str) -> Value {
    let properties: serde_json::Map<String, Value> =
        case.properties.iter().map(|p| (p.name.clone(), p.value.clone().into())).collect();
    let deleted_on = match &case.deletion {
        bolster_model::Deletion::No => None,
        bolster_model::Deletion::Explicit { on, .. } | bolster_model::Deletion::NoForms { on } => Some(*on),
    };
    json!({
        "id": case.id.as_str(),
        "project": project,
        "type": case.case_type.value,
        "name": case.name.value,
        "owner_id": case.owner_id.value,
        "external_id": case.external_id.value,
        "opened_on": time(case.opened_on),
        "opened_by": case.opened_by,
        "modified_on": time(case.modified_on),
        "modified_by": case.modified_by,
        "closed": case.closed.value,
        "closed_on": time(case.closed_on),
        "closed_by": case.closed_by,
        "server_modified_on": case.server_modified_on.to_string(),
        "deleted_on": time(deleted_on),
        "properties": properties,
        "indices": case.indices.iter().map(|index| json!({
            "identifier": index.identifier,
            "relationship": index.relationship.name(),
            "type": index.referenced_type,
            "id": index.referenced_id.as_str(),
        })).collect::<Vec<_>>(),
        "attachments": case.attachments.iter().map(|file| json!({
            "name": file.name, "content_type": file.content_type, "length": file.length,
        })).collect::<Vec<_>>(),
    })
}

fn ledgers(view: &View, project: ProjectId, id: &CaseId) -> Result<Value> {
    let ledgers = view.ledgers(project, id)?;
    Ok(ledgers
        .iter()
        .map(|l| json!({"section": l.key.section_id, "entry": l.key.entry_id, "balance": l.balance}))
        .collect())
}

fn transaction(transaction: &CaseTransaction) -> Value {
    let note = match &transaction.rebuild {
        _ if transaction.revoked => "does not count any more".to_owned(),
        None => String::new(),
        Some(RebuildDetails::Requested { reason, user_id }) => format!("asked for by {user_id}: {reason}"),
        Some(RebuildDetails::FormArchived { form_id, archived: true }) => format!("{form_id} was archived"),
        Some(RebuildDetails::FormArchived { form_id, archived: false }) => {
            format!("{form_id} was unarchived")
        }
        Some(RebuildDetails::FormEdited { deprecated_form_id }) => {
            format!("a form was edited; its earlier version is {deprecated_form_id}")
        }
        Some(RebuildDetails::FormReprocessed { form_id }) => format!("{form_id} was processed again"),
    };
    json!({
        "date": transaction.server_date.to_string(),
        "form_id": transaction.form_id.as_ref().map(FormId::as_str),
        "kinds": kinds(transaction.kinds),
        "note": note,
        "revoked": transaction.revoked,
    })
}

fn kinds(kinds: TxKinds) -> String {
    let named = [
        (TxKinds::CREATE, "create"),
        (TxKinds::CLOSE, "close"),
        (TxKinds::INDEX, "links"),
        (TxKinds::ATTACHMENT, "files"),
        (TxKinds::LEDGER, "stock"),
    ];
    if kinds.is_rebuild() {
        return "rebuild".to_owned();
    }
    let words: Vec<&str> = named.iter().filter(|(kind, _)| kinds.has(*kind)).map(|(_, word)| *word).collect();
    if words.is_empty() { "update".to_owned() } else { words.join("+") }
}

/// The project that is meant: the named one, or the only one that has the thing.
fn choose(
    appliance: &Appliance,
    noun: &str,
    id: &str,
    project: Option<&str>,
    found: Vec<ProjectId>,
) -> Result<ProjectId> {
    if let Some(name) = project {
        return Ok(super::people::project(appliance, name)?.id);
    }
    match found[..] {
        [] => bail!("there is no {noun} {id}"),
        [project] => Ok(project),
        _ => {
            let names: Vec<String> = found.iter().map(|p| project_name(appliance, *p)).collect();
            bail!("several projects have a {noun} {id}: {}; choose one with --project", names.join(", "))
        }
    }
}

fn project_name(appliance: &Appliance, project: ProjectId) -> String {
    super::people::name_of(appliance, project)
}

/// `case problems`
pub fn case_problems(appliance: &Appliance, project: &str) -> Result<Value> {
    let project = super::people::project(appliance, project)?;
    let permit = appliance.auth().operator_permit(super::people::OPERATOR, &project);
    let found = appliance.case_problems(&permit)?;
    let cycles: Vec<Vec<&str>> =
        found.cycles.iter().map(|cycle| cycle.iter().map(|id| id.as_str()).collect()).collect();
    Ok(json!({ "ok": cycles.is_empty(), "cycles": cycles, "partial": found.partial }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_a_transaction_are_words() {
        assert_eq!(kinds(TxKinds::FORM), "update");
        assert_eq!(kinds(TxKinds::FORM.with(TxKinds::CREATE).with(TxKinds::INDEX)), "create+links");
        assert_eq!(kinds(TxKinds::REBUILD_FORM_EDIT), "rebuild");
    }
}
