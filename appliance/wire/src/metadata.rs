//! The metadata of a form: its meta block as an object, and what the version text tells.

use bolster_model::FormMeta;
use serde_json::{Map, Value};

use crate::form_json::{element_json, normalised};
use crate::times;
use crate::xml::Element;

/// Fields that every metadata object has, null when absent.
const FIELDS: [&str; 8] =
    ["timeStart", "timeEnd", "instanceID", "userID", "deviceID", "username", "appVersion", "location"];

/// Shortest version text that is looked at, in characters.
const VERSION_TEXT_MIN: usize = 6;

/// Versions of the app and of CommCare that made a form.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AppVersion {
    /// Version of the app, decimal digits.
    pub app_version: Option<String>,
    /// Version of CommCare, three parts.
    pub commcare_version: Option<String>,
}

/// Versions out of the number of the build the form was sent to, the text of `appVersion` and the root's
/// `@version`, in this order of preference.
pub fn app_version(build: Option<u64>, text: Option<&str>, root_version: Option<&str>) -> AppVersion {
    let text = text.filter(|t| t.chars().count() >= VERSION_TEXT_MIN).unwrap_or_default();
    let app = build.or_else(|| number_in(text)).or_else(|| {
        let version = root_version.filter(|v| *v != "1" && is_number(v))?;
        version.parse().ok()
    });
    AppVersion { app_version: app.map(|n| n.to_string()), commcare_version: commcare_version(text) }
}

/// The first of ` #N `, `b[N]`, `App vN`.
fn number_in(text: &str) -> Option<u64> {
    [(" #", " "), ("b[", "]"), ("App v", "")].into_iter().find_map(|(before, after)| {
        text.match_indices(before).find_map(|(at, _)| {
            let rest = &text[at + before.len()..];
            let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
            if rest[digits.len()..].starts_with(after) { digits.parse().ok() } else { None }
        })
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The first of `version "X"`, `"X" (digits)`, `"X"`, in three parts.
fn commcare_version(text: &str) -> Option<String> {
    // Every quoted run of digits and dots, with where it starts and what follows it.
    let quoted = || {
        text.match_indices('"').filter_map(|(at, _)| {
            let rest = &text[at + 1..];
            let len = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let after = rest[len..].strip_prefix('"')?;
            (len > 0).then_some((&text[..at], &rest[..len], after))
        })
    };
    let numbered = |after: &str| {
        let digits = after.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')'));
        digits.is_some_and(|(digits, _)| is_number(digits))
    };
    let found = quoted()
        .find(|(before, _, _)| before.ends_with("version "))
        .or_else(|| quoted().find(|(_, _, after)| numbered(after)))
        .or_else(|| quoted().next());
    found.map(|(_, version, _)| {
        let missing = 2usize.saturating_sub(version.matches('.').count());
        format!("{version}{}", ".0".repeat(missing))
    })
}

/// The metadata object of a form, from its JSON; null when the form has no meta block.
pub fn metadata_json(form: &Value) -> Value {
    let block = |name: &str| match form.get(name) {
        Some(Value::Array(list)) => list.first().and_then(Value::as_object),
        Some(value) => value.as_object(),
        None => None,
    };
    let Some(meta) = block("Meta").filter(|m| !m.is_empty()).or_else(|| block("meta")) else {
        return Value::Null;
    };
    let mut out: Map<String, Value> = FIELDS.iter().map(|f| ((*f).to_owned(), Value::Null)).collect();
    for (key, value) in meta.iter().filter(|(key, _)| !key.starts_with('@')) {
        let shown = match key.as_str() {
            "appVersion" | "location" => text_of(value).map_or(Value::Null, Value::String),
            "timeStart" | "timeEnd" => {
                let at = value.as_str().and_then(times::iso);
                at.map_or(Value::Null, |t| Value::String(t.to_string()))
            }
            _ if value.is_object() => Value::String(flattened(value)),
            _ => value.clone(),
        };
        out.insert(key.clone(), shown);
    }
    Value::Object(out)
}

/// `#text`, if it is not blank; `None` for an element with attributes only.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Object(map) => match map.get("#text") {
            Some(Value::String(text)) => Some(text.clone()),
            _ if map.keys().all(|k| k.starts_with('@')) => None,
            _ => Some(flattened(value)),
        },
        other => Some(flattened(other)),
    }
}

/// `key:value, key:value`.
fn flattened(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            let parts: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", flattened(v))).collect();
            parts.join(", ")
        }
        Value::Array(list) => list.iter().map(flattened).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The meta block of a form: the first root child of that name that is not empty.
pub(crate) fn meta_block(root: Element<'_>) -> Option<Element<'_>> {
    let legacy = root.child("Meta").filter(|m| m.has_children());
    legacy.or_else(|| root.child("meta"))
}

/// What the receiver reads of a meta block.
pub(crate) fn form_meta(meta: Element<'_>) -> FormMeta {
    let mut out = FormMeta::default();
    let mut legacy_user = None;
    for child in meta.children() {
        let slot = match child.name() {
            "deviceID" => &mut out.device_id,
            "userID" => &mut out.user_id,
            "user_id" => &mut legacy_user,
            "username" => &mut out.username,
            "appVersion" => {
                out.app_version_text = out.app_version_text.or_else(|| text_of(&element_json(child, meta)));
                continue;
            }
            "location" => {
                out.location = out.location.or_else(|| text_of(&element_json(child, meta)));
                continue;
            }
            "timeStart" => {
                out.time_start = out.time_start.or_else(|| times::iso(child.text()));
                continue;
            }
            "timeEnd" => {
                out.time_end = out.time_end.or_else(|| times::iso(child.text()));
                continue;
            }
            _ => continue,
        };
        if slot.is_none() {
            *slot = Some(field(child, meta));
        }
    }
    out.user_id = out.user_id.filter(|u| !u.is_empty()).or(legacy_user.filter(|u| !u.is_empty()));
    out
}

fn field(child: Element<'_>, meta: Element<'_>) -> String {
    let plain = child.same_namespace(meta) && !child.has_attributes() && !child.has_children();
    if plain { normalised(child.text()) } else { flattened(&element_json(child, meta)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Limits, form_json};

    #[test]
    fn versions_come_out_of_the_text() {
        let rows = [
            (
                "CommCare ODK, version \"2.11.0\"(29272). App v65. CommCare Version 2.11. Build 29272",
                "65",
                "2.11.0",
            ),
            ("CommCare Android, version \"2.44\" (423345). App v7", "7", "2.44.0"),
            ("CCODK:\"2.5.1\"(11126). v236 CC2.5b[11126] on April-15-2013", "11126", "2.5.1"),
            ("v2.0.0dev (5fb368-980df7-unvers) #86 b:2012-Apr-23 r:2012-Apr-24", "86", ""),
            ("about \"nothing\" but \"2\" or version \"3\"", "", "3.0.0"),
            ("v1.2.3 (biz bazzle)", "", ""),
            ("\"2.0\"", "", ""),
            ("#1 b[] App v", "", ""),
        ];
        for (text, app, commcare) in rows {
            let found = app_version(None, Some(text), None);
            assert_eq!(found.app_version.unwrap_or_default(), app, "{text}");
            assert_eq!(found.commcare_version.unwrap_or_default(), commcare, "{text}");
        }
    }

    #[test]
    fn the_build_counts_before_the_text_and_the_root_last() {
        let text = Some("x #86 y..");
        let rows = [
            (Some(12), text, Some("3"), Some("12")),
            (None, text, Some("3"), Some("86")),
            (None, None, Some("3"), Some("3")),
            (None, None, Some("1"), None),
            (None, None, Some("new"), None),
            (None, None, None, None),
        ];
        for (build, text, root, expected) in rows {
            assert_eq!(app_version(build, text, root).app_version.as_deref(), expected);
        }
    }

    fn metadata(meta: &str) -> Value {
        let xml = format!("<data xmlns='u'>{meta}</data>");
        metadata_json(&form_json(xml.as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn the_meta_block_is_cleaned() {
        assert_eq!(metadata(""), Value::Null);
        let found = metadata(
            "<meta xmlns='m' a='1'><timeStart>2014-07-10</timeStart><timeEnd>soon</timeEnd>
             <userID>u</userID><username>2013-07-19</username><clinic>7</clinic>
             <n:appVersion xmlns:n='c'>2.0</n:appVersion><n:location xmlns:n='c'/>
             <n:deviceID xmlns:n='c'>d</n:deviceID></meta>",
        );
        assert_eq!(
            found,
            json!({
                "timeStart": "2014-07-10T00:00:00.000000Z", "timeEnd": null, "instanceID": null, "userID": "u",
                "deviceID": "@xmlns:c, #text:d", "username": "2013-07-19", "appVersion": "2.0",
                "location": null, "clinic": "7"
            })
        );
        assert_eq!(metadata("<Meta><user_id>w</user_id></Meta>")["user_id"], "w");
    }
}
