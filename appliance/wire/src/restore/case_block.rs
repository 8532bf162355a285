//! A case as a block of casexml version 2, and its ledgers as balances.

use super::printer::{Printer, is_name};
use bolster_model::{CaseView, LedgerValue, Relationship};

/// Most characters of type, name, owner and external id: the phone fails a sync over a longer one.
const TEXT_CHARS_MAX: usize = 255;

/// Bytes of the day in the text of an instant.
const DAY_BYTES: usize = 10;

/// As much of a type, name, owner or external id as a phone takes.
pub fn short(text: &str) -> &str {
    if text.len() <= TEXT_CHARS_MAX {
        return text;
    }
    text.char_indices().nth(TEXT_CHARS_MAX).map_or(text, |(at, _)| &text[..at])
}

/// Identifier, type of the target, and (unless it is gone) the target with whether it is extended.
type PrintedIndex<'a> = (&'a str, &'a str, Option<(&'a str, bool)>);

/// Prints a case of an id: everything it is, not what changed. `create` when the phone has no such case. Indices for
/// which `leave_out` answers true are not sent; those in `removed` (identifier, type of the target) are sent
/// as gone.
pub fn case_block(
    out: &mut Printer,
    case_id: &str,
    case: &CaseView<'_>,
    create: bool,
    leave_out: impl Fn(&str) -> bool,
    removed: &[(String, String)],
) {
    out.raw("<case xmlns=\"http://commcarehq.org/case/transaction/v2\"");
    out.attribute("case_id", case_id);
    out.attribute("user_id", case.modified_by);
    out.raw(" date_modified=\"");
    out.bytes(&case.modified_on.text());
    out.raw("\">");
    // The phone takes no empty owner.
    let owner = sent_owner(case);
    let identity = |out: &mut Printer| {
        out.element("case_type", short(case.case_type));
        out.element("case_name", short(case.name));
        out.element("owner_id", short(owner));
    };
    if create {
        out.raw("<create>");
        identity(out);
        out.raw("</create><update>");
    } else {
        out.raw("<update>");
        identity(out);
    }
    if !case.external_id.is_empty() {
        out.element("external_id", short(case.external_id));
    }
    if let Some(opened) = case.opened_on {
        out.raw("<date_opened>");
        out.bytes(&opened.text()[..DAY_BYTES]);
        out.raw("</date_opened>");
    }
    for (name, value) in case.properties.iter().filter(|(name, _)| is_sent_property(name)) {
        out.element(name, value);
    }
    out.raw("</update>");
    let gone = removed.iter().filter(|(name, _)| is_name(name));
    let indices = case.indices.iter().filter(|i| is_name(i.identifier) && !leave_out(i.identifier));
    let mut printed: Vec<PrintedIndex<'_>> = indices
        .map(|i| {
            let target = (i.referenced_id, i.relationship == Relationship::Extension);
            (i.identifier, i.referenced_type, Some(target))
        })
        .chain(gone.map(|(name, kind)| (name.as_str(), kind.as_str(), None)))
        .collect();
    printed.sort_by_key(|(name, ..)| *name);
    if !printed.is_empty() {
        out.raw("<index>");
        for (name, kind, target) in printed {
            out.raw("<");
            out.raw(name);
            out.attribute("case_type", kind);
            if target.is_some_and(|(_, extension)| extension) {
                out.attribute("relationship", "extension");
            }
            out.close_tag_with(name, target.map_or("", |(id, _)| id));
        }
        out.raw("</index>");
    }
    if case.closed || case.deleted {
        out.raw("<close/>");
    }
    out.raw("</case>");
}

/// Whether a property can be an element of its own inside `update`; others stay here.
pub fn is_sent_property(name: &str) -> bool {
    is_name(name) && !is_special(name)
}

/// Whether an index of this identifier can be sent.
pub fn is_sent_index(identifier: &str) -> bool {
    is_name(identifier)
}

/// The owner that a phone is told: a case without one belongs to who opened or changed it.
pub fn sent_owner<'c>(case: &CaseView<'c>) -> &'c str {
    let owners = [case.owner_id, case.opened_by, case.modified_by, "-"];
    owners.into_iter().find(|o| !o.is_empty()).unwrap_or("-")
}

/// Names that mean something else inside `update`.
fn is_special(name: &str) -> bool {
    matches!(name, "case_type" | "case_name" | "owner_id" | "external_id" | "date_opened")
}

/// Prints the balances of a case, one for each section, and answers how many. `values` are sorted by key.
pub fn balances(out: &mut Printer, values: &[LedgerValue]) -> usize {
    let mut count = 0;
    for section in values.chunk_by(|a, b| a.key.section_id == b.key.section_id) {
        count += 1;
        out.raw("<balance xmlns=\"http://commcarehq.org/ledger/v1\"");
        out.attribute("entity-id", section[0].key.case_id.as_str());
        let latest = section.iter().filter_map(|v| v.last.as_ref()).map(|place| place.report_date).max();
        let latest = latest.unwrap_or_default();
        out.attribute("date", &latest.to_string());
        out.attribute("section-id", &section[0].key.section_id);
        out.raw(">");
        for value in section {
            out.raw("<entry");
            out.attribute("id", &value.key.entry_id);
            out.attribute("quantity", &value.balance.to_string());
            out.raw("/>");
        }
        out.raw("</balance>");
    }
    count
}
