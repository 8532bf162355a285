//! Places, groups and lookup tables.

use super::people::{OPERATOR, project};
use super::protocol::PlaceRequest;
use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use bolster_auth::{Action, Permit, Project};
use bolster_usecases::Appliance;
use bolster_usecases::admin::import::{ImportCounts, ImportHow};
use bolster_usecases::nouns::{Group, Location, Locations};
use bolster_usecases::workbook::FILE_BYTES_MAX;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// Does what is asked.
pub fn answer(appliance: &Appliance, name: &str, request: &PlaceRequest) -> Result<Value> {
    let project = project(appliance, name)?;
    let nouns = || appliance.nouns(project.id);
    match request {
        PlaceRequest::TypeCreate(new) => {
            let made = appliance.put_location_type(&permit(appliance, &project), new)?;
            Ok(json!({ "id": made.code, "name": made.name }))
        }
        PlaceRequest::TypeList => Ok(json!({ "types": nouns()?.locations.types() })),
        PlaceRequest::Create(new) => {
            let made = appliance.create_location(&permit(appliance, &project), new)?;
            Ok(location_json(&nouns()?.locations, &made))
        }
        PlaceRequest::List => {
            let nouns = nouns()?;
            let all = nouns.locations.all().iter().map(|l| location_json(&nouns.locations, l));
            Ok(json!({ "locations": all.collect::<Vec<_>>() }))
        }
        PlaceRequest::Archive { code, archived } => {
            let count = appliance.archive_location(&permit(appliance, &project), code, *archived)?;
            Ok(json!({ "site_code": code, "archived": archived, "locations": count }))
        }
        PlaceRequest::Delete { code } => {
            let count = appliance.delete_location(&permit(appliance, &project), code)?;
            Ok(json!({ "site_code": code, "deleted": count }))
        }
        PlaceRequest::Import { file, check } => {
            let how = ImportHow { check: *check, replace: false };
            let counts = appliance.import_locations(&permit(appliance, &project), contents(file)?, how)?;
            Ok(json!({ "checked_only": check, "locations": counts_json(counts) }))
        }
        PlaceRequest::Export => Ok(file_json(&appliance.export_locations(&permit(appliance, &project))?)),
        PlaceRequest::GroupCreate(change) => {
            let made = appliance.create_group(&permit(appliance, &project), change)?;
            Ok(group_json(appliance, &made))
        }
        PlaceRequest::GroupSet(change) => {
            let changed = appliance.change_group(&permit(appliance, &project), change)?;
            Ok(group_json(appliance, &changed))
        }
        PlaceRequest::GroupList => {
            let groups = nouns()?.groups.iter().map(|g| group_json(appliance, g)).collect::<Vec<_>>();
            Ok(json!({ "groups": groups }))
        }
        PlaceRequest::GroupDelete { name } => {
            let gone = appliance.delete_group(&permit(appliance, &project), name)?;
            Ok(group_json(appliance, &gone))
        }
        PlaceRequest::TableImport { file, replace, check } => {
            let how = ImportHow { check: *check, replace: *replace };
            let counts = appliance.import_tables(&permit(appliance, &project), contents(file)?, how)?;
            let (tables, rows) = (counts_json(counts.tables), counts_json(counts.rows));
            Ok(json!({ "checked_only": check, "tables": tables, "rows": rows }))
        }
        PlaceRequest::TableExport { tables } => {
            Ok(file_json(&appliance.export_tables(&permit(appliance, &project), tables)?))
        }
        PlaceRequest::TableList => {
            let nouns = nouns()?;
            let table = |(table, rows): &(bolster_usecases::nouns::LookupTable, Vec<_>)| {
                let fields: Vec<&str> = table.fields.iter().map(|f| f.name.as_str()).collect();
                json!({ "table_id": table.tag, "global": table.is_global, "fields": fields.join(" "), "rows": rows.len() })
            };
            Ok(json!({ "tables": nouns.tables.iter().map(table).collect::<Vec<_>>() }))
        }
    }
}

fn permit<A: Action>(appliance: &Appliance, project: &Arc<Project>) -> Permit<A> {
    appliance.auth().operator_permit(OPERATOR, project)
}

fn location_json(places: &Locations, location: &Location) -> Value {
    let parent = location.parent.as_deref().and_then(|id| places.get(id));
    json!({
        "id": location.id,
        "site_code": location.site_code,
        "name": location.name,
        "type": location.type_code,
        "parent": parent.map(|p| p.site_code.as_str()),
        "archived": if location.archived { "archived" } else { "" },
    })
}

fn group_json(appliance: &Appliance, group: &Group) -> Value {
    let users: Vec<String> =
        group.users.iter().filter_map(|id| appliance.auth().user(id)).map(|u| u.username.clone()).collect();
    json!({
        "id": group.id,
        "name": group.name,
        "case_sharing": group.case_sharing,
        "reporting": group.reporting,
        "users": users,
    })
}

pub(super) fn counts_json(counts: ImportCounts) -> Value {
    json!({
        "created": counts.created,
        "updated": counts.updated,
        "deleted": counts.deleted,
        "unchanged": counts.unchanged,
    })
}

pub(super) fn file_json(bytes: &[u8]) -> Value {
    json!({ "file_base64": base64::engine::general_purpose::STANDARD.encode(bytes) })
}

/// A workbook's bytes, no more than are ever taken.
pub(super) fn contents(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("there is no file {}", path.display()),
        ErrorKind::PermissionDenied => {
            anyhow!("the server may not read {}; put it where it may, for example into /tmp", path.display())
        }
        _ => anyhow!(error).context(format!("{} cannot be read", path.display())),
    })?;
    let mut bytes = Vec::new();
    let most = FILE_BYTES_MAX as u64 + 1;
    file.take(most).read_to_end(&mut bytes).with_context(|| format!("{} cannot be read", path.display()))?;
    if bytes.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(bytes)
}
