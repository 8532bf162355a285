//! What a tree of locations must be like.

use crate::nouns::{Location, LocationType};
use std::collections::{BTreeMap, HashMap};

/// Deepest tree.
const DEPTH_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 255;

/// A type's code: it is part of names of XML elements on phones.
pub fn is_type_code(code: &str) -> bool {
    let mut chars = code.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    code.len() <= 100
        && first
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
}

/// A location's site code.
pub fn is_site_code(code: &str) -> bool {
    (1..=100).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

fn is_degree(text: &str, most: f64) -> bool {
    text.is_empty() || text.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= most)
}

/// What is wrong with a tree, in sentences that begin with what they are about; nothing when all is well.
pub fn problems(types: &[LocationType], locations: &[Location]) -> Vec<String> {
    let mut found = type_problems(types);
    let types: HashMap<&str, &LocationType> = types.iter().map(|t| (t.code.as_str(), t)).collect();
    let by_id: HashMap<&str, &Location> = locations.iter().map(|l| (l.id.as_str(), l)).collect();
    let mut codes: HashMap<&str, &str> = HashMap::new();
    let mut siblings: HashMap<(Option<&str>, &str), &str> = HashMap::new();
    for location in locations {
        let mut wrong = |problem: String| found.push(format!("location {}: {problem}", location.site_code));
        if !is_site_code(&location.site_code) {
            wrong("a site code is up to 100 lower-case letters, digits, _ and -".to_owned());
        }
        if location.name.is_empty() || location.name.chars().count() > TEXT_CHARS_MAX {
            wrong(format!("it needs a name of up to {TEXT_CHARS_MAX} characters"));
        }
        if !is_degree(&location.latitude, 90.0) || !is_degree(&location.longitude, 180.0) {
            wrong("latitude and longitude are degrees, for example -1.95 and 30.06".to_owned());
        }
        if let Some(other) = codes.insert(&location.site_code, &location.id)
            && other != location.id
        {
            wrong("another location has this site code".to_owned());
        }
        if !location.archived
            && let Some(other) =
                siblings.insert((location.parent.as_deref(), &location.name), &location.site_code)
        {
            wrong(format!("{other} has the same name {} in the same place", location.name));
        }
        let Some(kind) = types.get(location.type_code.as_str()) else {
            wrong(format!("there is no location type {}", location.type_code));
            continue;
        };
        match (&kind.parent, location.parent.as_deref().map(|id| by_id.get(id))) {
            (None, None) => {}
            (None, Some(_)) => wrong(format!("a {} lies in no other location", kind.code)),
            (Some(above), None) => wrong(format!("a {} lies in a {above}; say in which", kind.code)),
            (Some(_), Some(None)) => wrong("the location that it lies in does not exist".to_owned()),
            (Some(above), Some(Some(parent))) => {
                if parent.type_code != *above {
                    wrong(format!(
                        "a {} lies in a {above}, and {} is a {}",
                        kind.code, parent.site_code, parent.type_code
                    ));
                } else if parent.archived && !location.archived {
                    wrong(format!("{}, which it lies in, is archived", parent.site_code));
                }
            }
        }
    }
    found
}

fn type_problems(types: &[LocationType]) -> Vec<String> {
    let mut found = Vec::new();
    let by_code: BTreeMap<&str, &LocationType> = types.iter().map(|t| (t.code.as_str(), t)).collect();
    for kind in types {
        let mut wrong = |problem: String| found.push(format!("location type {}: {problem}", kind.code));
        if !is_type_code(&kind.code) {
            wrong(
                "a code is up to 100 lower-case letters, digits, _ and -, and begins with a letter"
                    .to_owned(),
            );
        }
        if kind.name.is_empty() || kind.name.chars().count() > TEXT_CHARS_MAX {
            wrong(format!("it needs a name of up to {TEXT_CHARS_MAX} characters"));
        }
        let named = [&kind.parent, &kind.expand_from, &kind.expand_to, &kind.include_without_expanding];
        for code in named.into_iter().flatten().chain(&kind.include_only) {
            if !by_code.contains_key(code.as_str()) {
                wrong(format!("there is no location type {code}"));
            }
        }
        let above = |t: &&LocationType| t.parent.as_deref().and_then(|code| by_code.get(code).copied());
        if std::iter::successors(Some(kind), above).take(DEPTH_MAX + 1).count() > DEPTH_MAX {
            wrong("it lies in itself".to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str, parent: Option<&str>) -> LocationType {
        LocationType {
            code: code.into(),
            name: code.into(),
            parent: parent.map(str::to_owned),
            ..LocationType::default()
        }
    }

    fn place(code: &str, kind: &str, parent: Option<&str>) -> Location {
        Location {
            id: code.into(),
            site_code: code.into(),
            name: code.into(),
            type_code: kind.into(),
            parent: parent.map(str::to_owned),
            ..Location::default()
        }
    }

    #[test]
    fn a_sound_tree() {
        let types = [kind("state", None), kind("ward", Some("state"))];
        let places = [place("north", "state", None), place("w1", "ward", Some("north"))];
        assert_eq!(problems(&types, &places), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let types = [kind("a", Some("b")), kind("b", Some("a")), kind("Ward", Some("none"))];
        let found = problems(&types, &[]).join("\n");
        for part in ["type a: it lies in itself", "type Ward: a code is", "there is no location type none"] {
            assert!(found.contains(part), "{part} is not in {found}");
        }
        let types = [kind("state", None), kind("ward", Some("state"))];
        let mut twin = place("w2", "ward", Some("north"));
        twin.name = "w1".into();
        let mut odd = place("w3", "ward", Some("w1"));
        odd.latitude = "north".into();
        let places = [
            place("north", "state", None),
            place("w1", "ward", Some("north")),
            twin,
            odd,
            place("w4", "ward", None),
            place("s2", "state", Some("north")),
            place("x", "village", None),
        ];
        let found = problems(&types, &places).join("\n");
        for part in [
            "w2: w1 has the same name",
            "w3: latitude and longitude",
            "w3: a ward lies in a state, and w1 is a ward",
            "w4: a ward lies in a state; say in which",
            "s2: a state lies in no other",
            "x: there is no location type village",
        ] {
            assert!(found.contains(part), "{part} is not in {found}");
        }
    }
}
