//! What clients send.

use bolster_runtime::QueryInputs;
use serde_json::Value as Json;

use crate::host::Account;

/// The body of a request. Members are read where they are needed.
#[derive(Clone, Debug, Default)]
pub struct Request {
    body: Json,
}

impl Request {
    /// A request of a body.
    pub fn new(body: Json) -> Request {
        Request { body }
    }

    /// A member.
    pub fn get(&self, key: &str) -> &Json {
        &self.body[key]
    }

    /// A text; numbers are read as texts, too.
    pub fn text(&self, key: &str) -> Option<String> {
        as_text(&self.body[key])
    }

    /// A truth value; false if it is absent.
    pub fn flag(&self, key: &str) -> bool {
        match &self.body[key] {
            Json::Bool(on) => *on,
            Json::String(text) => text == "true",
            _ => false,
        }
    }

    /// A whole number; 0 if it is absent.
    pub fn number(&self, key: &str) -> i64 {
        match &self.body[key] {
            Json::Number(number) => number.as_i64().unwrap_or(0),
            Json::String(text) => text.trim().parse().unwrap_or(0),
            _ => 0,
        }
    }

    /// Texts in order.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        Some(self.body[key].as_array()?.iter().filter_map(as_text).collect())
    }

    /// Names and texts.
    pub fn pairs(&self, key: &str) -> Option<Vec<(String, String)>> {
        let object = self.body[key].as_object()?;
        Some(object.iter().filter_map(|(key, value)| Some((key.clone(), as_text(value)?))).collect())
    }

    /// The id of a form session.
    pub fn session_id(&self) -> Option<String> {
        ["session_id", "session-id", "sessionId"].iter().find_map(|key| self.text(key))
    }

    /// Whose data the request works on; nothing if it does not say.
    pub fn account(&self, signed: bool) -> Option<Account> {
        Some(Account {
            domain: self.text("domain")?,
            username: self.text("username")?,
            login_as: self.text("restoreAs").filter(|name| !name.is_empty()),
            case: self.text("restoreAsCaseId").filter(|id| !id.is_empty()),
            signed,
        })
    }

    /// What was entered into searches.
    pub fn queries(&self) -> Vec<QueryInputs> {
        let Some(queries) = self.body["query_data"].as_object() else { return Vec::new() };
        queries
            .iter()
            .filter(|(_, value)| value.is_object())
            .map(|(key, value)| QueryInputs {
                key: key.clone(),
                inputs: value["inputs"].as_object().map(|inputs| {
                    inputs.iter().filter_map(|(key, value)| Some((key.clone(), as_text(value)?))).collect()
                }),
                execute: value["execute"].as_bool() == Some(true),
                force_manual: value["force_manual_search"].as_bool() == Some(true),
                extras: Vec::new(),
            })
            .collect()
    }
}

fn as_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(on) => Some(on.to_string()),
        _ => None,
    }
}
