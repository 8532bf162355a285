//! A case as searches see it: names and values, all text.

use bolster_model::{Case, Timestamp};
use std::borrow::Cow;

/// When a case changed last.
pub fn last_modified(case: &Case) -> Timestamp {
    case.modified_on.unwrap_or(case.server_modified_on)
}

/// The instant behind a property that is one; `None` for all other properties.
pub fn instant_of(case: &Case, name: &str) -> Option<Option<Timestamp>> {
    Some(match name {
        "date_opened" => case.opened_on,
        "closed_on" => case.closed_on,
        "last_modified" => Some(last_modified(case)),
        _ => return None,
    })
}

/// Whether a property is an instant of every case.
pub fn is_instant(name: &str) -> bool {
    instant_of(&Case::default(), name).is_some()
}

/// A property's value; `None` when the case has no such property.
pub fn property<'c>(case: &'c Case, name: &str) -> Option<Cow<'c, str>> {
    if let Some(instant) = instant_of(case, name) {
        return instant.map(|at| Cow::Owned(at.to_string()));
    }
    Some(Cow::Borrowed(match name {
        "@case_id" => case.id.as_str(),
        "@case_type" => &case.case_type.value,
        "@owner_id" => &case.owner_id.value,
        "@status" if case.closed.value => "closed",
        "@status" => "open",
        "name" | "case_name" => &case.name.value,
        "external_id" => &case.external_id.value,
        _ => return dynamic(case, name).map(Cow::Borrowed),
    }))
}

/// A dynamic property's value.
pub fn dynamic<'c>(case: &'c Case, name: &str) -> Option<&'c str> {
    let at = case.properties.binary_search_by(|p| p.name.as_str().cmp(name)).ok()?;
    Some(&case.properties[at].value)
}
