//! `fields` and `exclude` of the case API: which parts of a case object are answered.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// What was asked for. Paths are names joined by dots.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldFilter {
    only: Vec<String>,
    without: Vec<String>,
}

impl FieldFilter {
    /// Reads `fields`, `fields.<parent>`, `exclude`, `exclude.<parent>`; both kinds together are an error.
    pub fn of<'a>(query: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Result<Self, String> {
        let mut filter = Self::default();
        for (name, value) in query {
            let (list, parent) = match name.split_once('.') {
                None => (name.as_ref(), None),
                Some((list, parent)) => (list, Some(parent)),
            };
            let paths = match list {
                "fields" => &mut filter.only,
                "exclude" => &mut filter.without,
                _ => continue,
            };
            let names = value.split(',').map(str::trim).filter(|n| !n.is_empty());
            paths.extend(names.map(|n| parent.map_or_else(|| n.to_owned(), |p| format!("{p}.{n}"))));
        }
        if !filter.only.is_empty() && !filter.without.is_empty() {
            return Err("Use either 'fields' or 'exclude', not both".to_owned());
        }
        Ok(filter)
    }

    /// The case object with the parts asked for.
    pub fn of_case(&self, case: Value) -> Value {
        match (self.only.is_empty(), self.without.is_empty(), case) {
            (false, _, Value::Object(map)) => Value::Object(kept(&map, "", &self.only)),
            (true, false, Value::Object(map)) => Value::Object(left(map, "", &self.without)),
            (_, _, case) => case,
        }
    }
}

fn path_of(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn kept(map: &Map<String, Value>, prefix: &str, only: &[String]) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in map {
        let path = path_of(prefix, name);
        if only.contains(&path) {
            out.insert(name.clone(), value.clone());
            continue;
        }
        let inside =
            only.iter().any(|o| o.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.')));
        if let (true, Value::Object(map)) = (inside, value) {
            out.insert(name.clone(), Value::Object(kept(map, &path, only)));
        }
    }
    out
}

fn left(map: Map<String, Value>, prefix: &str, without: &[String]) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in map {
        let path = path_of(prefix, &name);
        if without.contains(&path) {
            continue;
        }
        let value = match value {
            Value::Object(map) => Value::Object(left(map, &path, without)),
            value => value,
        };
        out.insert(name, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::FieldFilter;
    use serde_json::json;

    #[test]
    fn parts_of_a_case() {
        let case = json!({"case_id": "c", "owner_id": "o", "properties": {"a": "1", "b": "2", "c.d": "3"}});
        let rows = [
            ("", case.clone()),
            ("other=1", case.clone()),
            ("fields=case_id,properties.b", json!({"case_id": "c", "properties": {"b": "2"}})),
            (
                "fields=case_id&fields.properties=a,%20c.d",
                json!({"case_id": "c", "properties": {"a": "1", "c.d": "3"}}),
            ),
            ("fields=properties", json!({"properties": {"a": "1", "b": "2", "c.d": "3"}})),
            ("fields=nothing", json!({})),
            ("exclude=owner_id,properties.a", json!({"case_id": "c", "properties": {"b": "2", "c.d": "3"}})),
            ("exclude.properties=a,b&exclude=case_id", json!({"owner_id": "o", "properties": {"c.d": "3"}})),
        ];
        for (query, expected) in rows {
            let filter = FieldFilter::of(form_urlencoded::parse(query.as_bytes())).unwrap();
            assert_eq!(filter.of_case(case.clone()), expected, "{query}");
        }
        assert!(FieldFilter::of(form_urlencoded::parse(b"fields=a&exclude=b")).is_err());
    }
}
