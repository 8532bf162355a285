//! Replies: a status and JSON, put together from parts that were written before.

use serde::Serialize;
use serde_json::{Map, Value as Json};

/// What an endpoint answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub json: String,
}

impl Reply {
    /// A reply of status 200.
    pub fn ok(body: &Body) -> Reply {
        Reply { status: 200, json: body.text() }
    }

    /// A reply of a value.
    pub fn of(value: &impl Serialize) -> Reply {
        Reply { status: 200, json: text(value) }
    }
}

/// A value as JSON.
pub fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}

/// Adds a value as JSON to a text.
pub fn append(out: &mut String, value: &impl Serialize) {
    out.push_str(&text(value));
}

/// An instance as clients get it.
#[derive(Serialize)]
pub struct Output<'o> {
    /// The XML.
    pub output: &'o str,
}

/// An object: members that are small, and members that were written already.
#[derive(Clone, Debug, Default)]
pub struct Body {
    members: Map<String, Json>,
    written: Vec<(&'static str, String)>,
}

impl Body {
    /// The members that most replies have.
    pub fn base() -> Body {
        let mut body = Body::default();
        for (key, value) in [
            ("notification", Json::Null),
            ("title", Json::Null),
            ("clearSession", false.into()),
            ("shouldAutoSubmit", false.into()),
            ("appId", Json::Null),
            ("appVersion", Json::Null),
            ("selections", Json::Null),
            ("translations", Json::Null),
            ("smartLinkRedirect", Json::Null),
            ("dynamicSearch", false.into()),
            ("persistentMenu", Json::Null),
            ("metaData", Json::Null),
            ("shouldRequestLocation", false.into()),
            ("shouldWatchLocation", false.into()),
        ] {
            body.set(key, value);
        }
        body
    }

    /// Sets a member.
    pub fn set(&mut self, key: &str, value: impl Into<Json>) {
        self.members.insert(key.to_owned(), value.into());
    }

    /// A member.
    pub fn get(&self, key: &str) -> &Json {
        self.members.get(key).unwrap_or(&Json::Null)
    }

    /// Sets a member to what is JSON already.
    pub fn write(&mut self, key: &'static str, json: String) {
        self.members.remove(key);
        self.written.retain(|(known, _)| *known != key);
        self.written.push((key, json));
    }

    /// The whole.
    pub fn text(&self) -> String {
        let mut out = text(&self.members);
        out.pop();
        out.reserve(self.written.iter().map(|(key, json)| key.len() + json.len() + 4).sum::<usize>() + 1);
        for (key, json) in &self.written {
            if out.len() > 1 {
                out.push(',');
            }
            out.push('"');
            out.push_str(key);
            out.push_str("\":");
            out.push_str(json);
        }
        out.push('}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_members_are_part_of_the_object() {
        let mut body = Body::default();
        body.write("tree", "[1,2]".into());
        assert_eq!(body.text(), r#"{"tree":[1,2]}"#);
        body.set("a", 1);
        assert_eq!(body.text(), r#"{"a":1,"tree":[1,2]}"#);
    }
}
