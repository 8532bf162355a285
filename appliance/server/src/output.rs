//! Turns results into text for people. Results are JSON, the same that `--json` prints.

use crate::control::protocol::{DataRequest, PlaceRequest, Request};
use serde_json::Value;
use std::fmt::Write as _;

/// The result of a request as text; may be empty.
pub fn text(request: &Request, value: &Value) -> String {
    let text = match request {
        Request::ProjectCreate { .. } | Request::ProjectSet { .. } | Request::UserCreate(_) => {
            string(value, "id")
        }
        Request::ApiKeyCreate { .. } => string(value, "key"),
        Request::ProjectList => table(value, "projects", &["name", "id"]),
        Request::UserList { .. } => table(value, "users", &["username", "kind", "role", "active", "id"]),
        Request::UserSetActive { active: true, .. } => format!("{} can sign in", string(value, "username")),
        Request::UserSetActive { active: false, .. } => {
            format!("{} can no longer sign in", string(value, "username"))
        }
        Request::UserDelete { .. } => match number(value, "open_cases") {
            0 => format!("{} is deleted", string(value, "username")),
            cases => format!("{} is deleted, and still owns {cases} open cases", string(value, "username")),
        },
        Request::UserUndelete { .. } => format!("{} can sign in again", string(value, "username")),
        Request::Data { request, .. } => data(request, value),
        Request::UserPassword { .. } => format!("{} has a new password", string(value, "username")),
        Request::UserSet { name, .. } => format!("{name} is changed"),
        Request::UserImport { .. } => imported(value, &[("users", "workers")]),
        Request::UserExport { .. } => String::new(),
        Request::UserFreeze { name, frozen: true, .. } => {
            format!("every phone of {name} gets what {name} has now")
        }
        Request::UserFreeze { name, .. } => format!("{name} is an ordinary worker again"),
        Request::ApiKeyList { .. } => {
            table(value, "keys", &["username", "begins", "active", "name", "created_at", "id"])
        }
        Request::ApiKeyRevoke { .. } => {
            format!("the key {} is good for nothing any more", string(value, "key"))
        }
        Request::RoleList { .. } => table(value, "roles", &["name", "permissions"]),
        Request::RoleSet { .. } => string(value, "id"),
        Request::RoleDelete { name, .. } => format!("{name} is removed"),
        Request::Audit { .. } => table(value, "acts", &["lsn", "at", "actor", "action", "id", "changed"]),
        Request::AppImport { .. } => string(value, "id"),
        Request::AppList { .. } => table(value, "apps", &["name", "project", "newest", "released", "id"]),
        Request::AppRelease { location: Some(place), version, released, .. } => {
            let name = string(value, "name");
            match released {
                true => format!("phones at {place} and below get version {version} of {name}"),
                false => format!("phones at {place} get the same version of {name} as others"),
            }
        }
        Request::AppRelease { .. } => match value["released_version"].as_u64() {
            Some(version) => format!("phones get version {version} of {}", string(value, "name")),
            None => format!("no version of {} is released", string(value, "name")),
        },
        Request::AppDelete { .. } | Request::AppSet { .. } => string(value, "id"),
        Request::Place { request, .. } => place(request, value),
        Request::FormShow { .. } => form(value),
        Request::CaseShow { .. } => case(value),
        Request::CaseProblems { .. } => problems(value),
        Request::Search { .. } => found(value),
        Request::LogTail { .. } => entry(value),
        Request::LogVerify => format!(
            "the log is sound: {} entries in {} commits, {} bytes",
            number(value, "entries"),
            number(value, "commits"),
            number(value, "stored_bytes")
        ),
        Request::ShardsResize { .. } => format!("the state lies in {} files now", number(value, "shards")),
        Request::Rebuild { name } if name.as_deref() == Some("blobs") => format!(
            "looked at {} files and removed {} that nothing refers to",
            number(value, "files"),
            number(value, "removed")
        ),
        Request::Rebuild { .. } => format!("built again from {} log entries", number(value, "entries")),
        Request::Lag => lag(value),
        Request::Doctor => doctor(value),
    };
    text.trim_end().to_owned()
}

/// What an import did, for each kind of thing: its name in the result, and for people.
fn imported(value: &Value, what: &[(&str, &str)]) -> String {
    let line = |(of, what): &(&str, &str)| {
        let counts = &value[*of];
        format!(
            "{what}: {} new, {} changed, {} removed, {} as before",
            number(counts, "created"),
            number(counts, "updated"),
            number(counts, "deleted"),
            number(counts, "unchanged")
        )
    };
    let head = if value["checked_only"] == true { "nothing is wrong; it would make\n" } else { "" };
    format!("{head}{}", what.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn data(request: &DataRequest, value: &Value) -> String {
    match request {
        DataRequest::FieldSet { .. } => format!("{} is declared", string(value, "field")),
        DataRequest::FieldList { .. } => {
            table(value, "fields", &["key", "label", "required", "required_web", "choices", "pattern"])
        }
        DataRequest::FieldRemove { .. } => format!("{} is no field any more", string(value, "field")),
        DataRequest::ProfileSet { .. } => string(value, "id"),
        DataRequest::ProfileList => table(value, "profiles", &["name", "values", "id"]),
        DataRequest::ProfileRemove { .. } => format!("{} is removed", string(value, "name")),
    }
}

fn place(request: &PlaceRequest, value: &Value) -> String {
    match request {
        PlaceRequest::TypeCreate(_) | PlaceRequest::Create(_) => string(value, "id"),
        PlaceRequest::GroupCreate(_) | PlaceRequest::GroupSet(_) => string(value, "id"),
        PlaceRequest::TypeList => table(value, "types", &["code", "name", "parent", "shares_cases"]),
        PlaceRequest::List => {
            table(value, "locations", &["site_code", "name", "type", "parent", "archived", "id"])
        }
        PlaceRequest::Archive { code, archived: true } => {
            format!("{code} is archived, {} locations in all", number(value, "locations"))
        }
        PlaceRequest::Archive { code, archived: false } => format!("{code} is in use again"),
        PlaceRequest::Delete { code } => {
            format!("{code} is deleted, {} locations in all", number(value, "deleted"))
        }
        PlaceRequest::Import { .. } => imported(value, &[("locations", "locations")]),
        PlaceRequest::GroupList => table(value, "groups", &["name", "case_sharing", "users", "id"]),
        PlaceRequest::GroupDelete { .. } => format!("{} is deleted", string(value, "name")),
        PlaceRequest::TableImport { .. } => imported(value, &[("tables", "tables"), ("rows", "rows")]),
        PlaceRequest::TableList => table(value, "tables", &["table_id", "rows", "global", "fields"]),
        PlaceRequest::Export | PlaceRequest::TableExport { .. } => String::new(),
    }
}

/// What a person should know besides the result; not part of it.
pub fn notes(request: &Request, value: &Value) -> Vec<String> {
    let Request::AppImport { .. } = request else { return Vec::new() };
    let warnings = value["warnings"].as_array().into_iter().flatten();
    let mut notes: Vec<String> = warnings.map(|w| format!("warning: {}", plain(w))).collect();
    let (id, version) = (string(value, "id"), number(value, "version"));
    if value["new"] == false {
        notes.push(format!("version {version} is here already, with the same contents"));
    } else if value["released"] == false {
        notes.push(format!("phones get it after \"bolster app release {id} {version}\""));
    }
    notes
}

fn string(value: &Value, name: &str) -> String {
    plain(&value[name])
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

/// A value without quotes; nothing for null.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect();
            fields.join(" ")
        }
        other => other.to_string(),
    }
}

/// Data must not give orders to a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Columns as wide as their widest value.
fn table(value: &Value, list: &str, columns: &[&str]) -> String {
    let empty = Vec::new();
    let rows = value[list].as_array().unwrap_or(&empty);
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|c| plain(&row[*c])).collect()).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let pad = width - cell.chars().count();
            let _ = write!(line, "{cell}{}  ", " ".repeat(pad));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Cases of a search, and how they were found.
fn found(value: &Value) -> String {
    let mut text = table(value, "cases", &["name", "type", "owner", "state", "id"]);
    if value["more"] == true {
        text.push_str("and more; ask for less to see the others\n");
    }
    let steps = value["steps"].as_array().into_iter().flatten();
    for (number, step) in steps.enumerate() {
        let _ = writeln!(text, "{}{}. {}", if number == 0 { "\n" } else { "" }, number + 1, plain(step));
    }
    text
}

/// Rings of cases.
fn problems(value: &Value) -> String {
    let mut text = String::new();
    for ring in value["cycles"].as_array().into_iter().flatten() {
        let cases = ring.as_array().map_or(0, Vec::len);
        let what = if cases == 1 { "a case indexes itself" } else { "cases index each other in a ring" };
        let _ = writeln!(text, "{what}: {}", plain(ring));
    }
    if text.is_empty() {
        text.push_str("nothing is wrong with the cases\n");
    }
    if value["partial"] == true {
        text.push_str("there were too many indices to look at all of them\n");
    }
    text
}

/// `name  value` lines of the fields that have a value.
fn fields(value: &Value, names: &[(&str, &str)]) -> String {
    let shown: Vec<(&str, String)> = names
        .iter()
        .map(|(field, title)| (*title, string(value, field)))
        .filter(|(_, v)| !v.is_empty())
        .collect();
    let width = shown.iter().map(|(title, _)| title.chars().count()).max().unwrap_or(0);
    shown.iter().fold(String::new(), |text, (title, v)| text + &format!("{title:<width$}  {v}\n"))
}

fn form(value: &Value) -> String {
    let mut text = fields(
        value,
        &[
            ("id", "form"),
            ("project", "project"),
            ("state", "state"),
            ("problem", "problem"),
            ("xmlns", "xmlns"),
            ("received_on", "received"),
            ("edited_on", "edited"),
            ("user", "user"),
            ("orig_id", "sent as"),
            ("deprecated_form_id", "replaces"),
            ("deleted_on", "deleted"),
        ],
    );
    section(&mut text, value, "attachments", "files", &["name", "content_type", "length"]);
    section(&mut text, value, "operations", "done to it", &["date", "operation", "user"]);
    if let Some(answers) = value.get("form").filter(|f| f.as_object().is_some_and(|o| !o.is_empty())) {
        text.push_str("\nanswers\n");
        tree(&mut text, answers, 1);
    }
    text
}

fn case(value: &Value) -> String {
    let mut text = fields(
        value,
        &[
            ("id", "case"),
            ("project", "project"),
            ("type", "type"),
            ("name", "name"),
            ("owner_id", "owner"),
            ("external_id", "external id"),
            ("opened_on", "opened"),
            ("opened_by", "opened by"),
            ("modified_on", "modified"),
            ("modified_by", "modified by"),
            ("closed_on", "closed"),
            ("closed_by", "closed by"),
            ("deleted_on", "deleted"),
        ],
    );
    if value["properties"].as_object().is_some_and(|p| !p.is_empty()) {
        text.push_str("\nproperties\n");
        tree(&mut text, &value["properties"], 1);
    }
    section(&mut text, value, "indices", "links", &["identifier", "relationship", "type", "id"]);
    section(&mut text, value, "attachments", "files", &["name", "content_type", "length"]);
    section(&mut text, value, "ledgers", "stock", &["section", "entry", "balance"]);
    section(&mut text, value, "history", "history", &["date", "kinds", "form_id", "note"]);
    text
}

fn section(text: &mut String, value: &Value, list: &str, title: &str, columns: &[&str]) {
    if value[list].as_array().is_some_and(|list| !list.is_empty()) {
        let _ = write!(text, "\n{title}\n");
        for line in table(value, list, columns).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
}

/// Nested answers, indented.
fn tree(text: &mut String, value: &Value, depth: usize) {
    let pad = "  ".repeat(depth);
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        let name = clean(name);
        let list = match value {
            Value::Array(list) => list.iter().collect(),
            other => vec![other],
        };
        for value in list {
            if value.is_object() {
                let _ = writeln!(text, "{pad}{name}");
                tree(text, value, depth + 1);
            } else {
                let _ = writeln!(text, "{pad}{name}: {}", plain(value).replace('\n', "\n    "));
            }
        }
    }
}

/// One line for an entry of the log.
pub fn entry(value: &Value) -> String {
    if value.get("lsn").is_none() {
        return String::new();
    }
    let mut line =
        format!("{:>9}  {}  {}", number(value, "lsn"), string(value, "time"), string(value, "what"));
    for name in ["project", "id", "note"] {
        let text = string(value, name);
        if !text.is_empty() {
            let _ = write!(line, "  {text}");
        }
    }
    line
}

fn lag(value: &Value) -> String {
    let head = number(value, "head");
    let mut text = format!("log head {head}\n");
    for reader in value["readers"].as_array().into_iter().flatten() {
        let lag = number(reader, "lag");
        let state = if lag == 0 { "up to date".to_owned() } else { format!("{lag} entries behind") };
        let _ = writeln!(text, "{}  {state}", string(reader, "name"));
    }
    text
}

fn doctor(value: &Value) -> String {
    let listed = |name: &str| value[name].as_array().into_iter().flatten();
    let mut text = listed("checks").fold(String::new(), |text, check| {
        let word = if check["ok"] == true { "ok    " } else { "WRONG " };
        text + &format!("{word}{}\n", string(check, "sentence"))
    });
    for user in listed("heaviest_users") {
        let (user, project, cases) = (string(user, "user"), string(user, "project"), &user["cases"]);
        text.push_str(&format!("heavy {user} of {project} works in a browser with {cases} cases\n"));
    }
    for app in listed("heaviest_apps") {
        let (name, project, forms) = (string(app, "app"), string(app, "project"), &app["forms"]);
        let mib = app["bytes"].as_u64().unwrap_or(0) as f64 / f64::from(1 << 20);
        text.push_str(&format!("heavy {name} of {project} has {forms} forms and {mib:.1} MiB\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_created_thing_is_its_id() {
        let request = Request::ProjectCreate { name: "p".into() };
        assert_eq!(text(&request, &json!({"id": "abc", "name": "p"})), "abc");
    }

    #[test]
    fn tables_are_aligned() {
        let value = json!({"projects": [{"name": "a", "id": "1"}, {"name": "long", "id": "2"}]});
        assert_eq!(text(&Request::ProjectList, &value), "a     1\nlong  2");
    }

    #[test]
    fn a_case_shows_what_it_has_and_nothing_empty() {
        let value = json!({
            "id": "c1", "type": "patient", "name": "", "properties": {"age": "7", "note": "two\nlines"},
            "indices": [{"identifier": "parent", "relationship": "child", "type": "house", "id": "h1"}],
        });
        let request = Request::CaseShow { id: "c1".into(), project: None, history: false };
        let shown = text(&request, &value);
        assert!(shown.starts_with("case  c1\ntype  patient\n"), "{shown}");
        assert!(!shown.contains("name"), "{shown}");
        assert!(shown.contains("  age: 7\n"), "{shown}");
        assert!(shown.contains("  parent  child  house  h1"), "{shown}");
    }

    #[test]
    fn data_cannot_give_orders_to_the_terminal() {
        let value = json!({"id": "c\u{1b}[2J", "properties": {"a\u{7}": "\u{1b}]0;x"}});
        let request = Request::CaseShow { id: "c".into(), project: None, history: false };
        assert!(!text(&request, &value).contains(['\u{1b}', '\u{7}']));
    }
}
