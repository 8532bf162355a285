//! The answers of a form as people read them who look into an app's trouble.

use crate::pages::answers::answers;
use bolster_wire::{Limits, form_json};
use serde_json::{Value, json};

/// Most answers in the list.
const ANSWERS_MAX: usize = 2_000;

/// The answers of an instance as HTML, and as a list of paths.
pub fn readable(instance: &str) -> String {
    let form = form_json(instance.as_bytes(), &Limits::default()).unwrap_or_default();
    let mut list = Vec::new();
    collect(&form, "/data", &mut list);
    json!({"form_data": answers(&form).into_string(), "form_questions": list}).to_string()
}

fn collect(value: &Value, path: &str, list: &mut Vec<Value>) {
    if list.len() == ANSWERS_MAX {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(name, _)| !name.starts_with(['@', '#'])) {
                collect(value, &format!("{path}/{name}"), list);
            }
        }
        Value::Array(entries) => entries.iter().for_each(|value| collect(value, path, list)),
        value => list.push(json!({"label": path, "value": path, "response": value, "children": []})),
    }
}
