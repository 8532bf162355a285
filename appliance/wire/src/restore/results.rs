//! Cases that a search answers: elements `case` as in the case database of the phone, below `results`.

use super::day;
use super::printer::{Printer, is_name};
use bolster_model::{Case, Relationship};

/// Begins an answer.
pub fn results_begin(out: &mut Printer) {
    out.raw("<results id=\"case\">");
}

/// Ends an answer.
pub fn results_end(out: &mut Printer) {
    out.raw("</results>");
}

/// Prints one case, with properties that only this answer has. They win over the case's own of the same name.
pub fn result_case(out: &mut Printer, case: &Case, extra: &[(&str, &str)]) {
    // The phone fails the whole answer over an empty one of these four.
    let known = |text: &'_ str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let owners = [case.owner_id.value.as_str(), &case.opened_by, &case.modified_by];
    let owner = owners.into_iter().find(|o| !o.is_empty()).unwrap_or_default();
    out.raw("<case");
    out.attribute("case_id", case.id.as_str());
    out.attribute("case_type", &known(&case.case_type.value));
    out.attribute("owner_id", &known(owner));
    out.attribute("status", if case.closed.value { "closed" } else { "open" });
    out.raw(">");
    out.element("case_name", &case.name.value);
    out.element("last_modified", &case.modified_on.unwrap_or(case.server_modified_on).to_string());
    if !case.external_id.value.is_empty() {
        out.element("external_id", &case.external_id.value);
    }
    if let Some(opened) = case.opened_on {
        out.element("date_opened", &day(opened));
    }
    for (name, value) in extra {
        out.element(name, value);
    }
    for property in &case.properties {
        let is_extra = extra.iter().any(|(name, _)| *name == property.name);
        if is_name(&property.name) && !is_extra && !is_special(&property.name) {
            out.element(&property.name, &property.value);
        }
    }
    let indices: Vec<_> = case.indices.iter().filter(|index| is_name(&index.identifier)).collect();
    if !indices.is_empty() {
        out.raw("<index>");
        for index in indices {
            out.raw("<");
            out.raw(&index.identifier);
            out.attribute("case_type", &index.referenced_type);
            if index.relationship == Relationship::Extension {
                out.attribute("relationship", "extension");
            }
            out.close_tag_with(&index.identifier, index.referenced_id.as_str());
        }
        out.raw("</index>");
    }
    out.raw("</case>");
}

/// Elements that mean something else here.
fn is_special(name: &str) -> bool {
    matches!(name, "case_name" | "last_modified" | "external_id" | "date_opened" | "index" | "attachment")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolster_model::{CaseId, CaseIndex, Property, Register, SetBy, Timestamp};

    fn printed(case: &Case, extra: &[(&str, &str)]) -> String {
        let mut out = Printer::default();
        result_case(&mut out, case, extra);
        String::from_utf8(out.take()).unwrap()
    }

    #[test]
    fn a_case_has_what_phones_insist_on() {
        let register = |value: &str| Register { value: value.to_owned(), by: SetBy::NEVER };
        let property = |name: &str, value: &str| Property {
            name: name.to_owned(),
            value: value.to_owned(),
            by: SetBy::NEVER,
        };
        let case = Case {
            id: CaseId::new("c-9"),
            case_type: register("well"),
            name: register("Well <Z>"),
            owner_id: register("loc-3"),
            external_id: register("W-9"),
            opened_on: Timestamp::from_civil(2023, 1, 1, 0),
            modified_on: Timestamp::from_civil(2024, 5, 1, 36_000_000_000),
            properties: vec![property("a b", "no name"), property("case_name", "x"), property("depth", "12")],
            indices: vec![CaseIndex {
                identifier: "parent".to_owned(),
                referenced_type: "site".to_owned(),
                referenced_id: CaseId::new("s-1"),
                relationship: Relationship::Child,
                by: SetBy::NEVER,
            }],
            ..Case::default()
        };
        assert_eq!(
            printed(&case, &[("commcare_search_score", "2.5")]),
            "<case case_id=\"c-9\" case_type=\"well\" owner_id=\"loc-3\" status=\"open\">\
             <case_name>Well &lt;Z&gt;</case_name><last_modified>2024-05-01T10:00:00.000000Z</last_modified>\
             <external_id>W-9</external_id><date_opened>2023-01-01</date_opened>\
             <commcare_search_score>2.5</commcare_search_score><depth>12</depth>\
             <index><parent case_type=\"site\">s-1</parent></index></case>"
        );
        let bare = Case { id: CaseId::new("c"), ..Case::default() };
        assert!(
            printed(&bare, &[]).starts_with("<case case_id=\"c\" case_type=\"-\" owner_id=\"-\" status=")
        );
    }
}
