//! Fields of custom data, and profiles.

use super::people::{OPERATOR, project};
use super::protocol::{DataRequest, FieldChange};
use anyhow::Result;
use bolster_auth::{Action, DataField, Permit, Project};
use bolster_usecases::Appliance;
use serde_json::{Value, json};
use std::sync::Arc;

/// Does what is asked.
pub fn answer(appliance: &Appliance, name: &str, request: &DataRequest) -> Result<Value> {
    let project = project(appliance, name)?;
    match request {
        DataRequest::FieldSet { location, change } => {
            let field = changed(fields(&project, *location), change);
            if *location {
                appliance.put_location_field(&permit(appliance, &project), &field)?;
            } else {
                appliance.put_user_field(&permit(appliance, &project), &field)?;
            }
            Ok(json!({ "field": field.slug }))
        }
        DataRequest::FieldList { location } => {
            let fields: Vec<Value> = fields(&project, *location).iter().map(field_json).collect();
            Ok(json!({ "fields": fields }))
        }
        DataRequest::FieldRemove { location, slug } => {
            if *location {
                appliance.remove_location_field(&permit(appliance, &project), slug)?;
            } else {
                appliance.remove_user_field(&permit(appliance, &project), slug)?;
            }
            Ok(json!({ "field": slug }))
        }
        DataRequest::ProfileSet { name, values } => {
            let made = appliance.put_profile(&permit(appliance, &project), name, values)?;
            Ok(json!({ "id": made.id, "name": made.name, "values": made.fields }))
        }
        DataRequest::ProfileList => {
            let one = |p: &bolster_auth::Profile| json!({ "id": p.id, "name": p.name, "values": p.fields });
            Ok(json!({ "profiles": project.user_profiles.iter().map(one).collect::<Vec<_>>() }))
        }
        DataRequest::ProfileRemove { name } => {
            appliance.remove_profile(&permit(appliance, &project), name)?;
            Ok(json!({ "name": name }))
        }
    }
}

fn permit<A: Action>(appliance: &Appliance, project: &Arc<Project>) -> Permit<A> {
    appliance.auth().operator_permit(OPERATOR, project)
}

fn fields(project: &Project, location: bool) -> &[DataField] {
    if location { &project.location_fields } else { &project.user_fields }
}

fn changed(fields: &[DataField], change: &FieldChange) -> DataField {
    let known = fields.iter().find(|f| f.slug == change.slug).cloned();
    let now = known.unwrap_or_else(|| DataField::plain(&change.slug));
    DataField {
        slug: now.slug,
        label: change.label.clone().unwrap_or(now.label),
        required: change.required.unwrap_or(now.required),
        required_web: change.required_web.unwrap_or(now.required_web),
        choices: change.choices.clone().unwrap_or(now.choices),
        pattern: change.pattern.clone().unwrap_or(now.pattern),
        pattern_message: change.pattern_message.clone().unwrap_or(now.pattern_message),
    }
}

fn field_json(field: &DataField) -> Value {
    json!({
        "key": field.slug,
        "label": field.label,
        "required": if field.required { "required" } else { "" },
        "required_web": if field.required_web { "required of web users" } else { "" },
        "choices": field.choices,
        "pattern": field.pattern,
        "message": field.pattern_message,
    })
}
