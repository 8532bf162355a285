//! Case blocks: finding them in a form, and what each asks for.
//!
//! They are looked for where CommCare HQ looks: in the form's JSON, whose order differs from the document's
//! in that siblings of one name stand together at the place of the first.

use std::collections::HashMap;

use bolster_model::{
    AttachmentAction, AttachmentSource, CaseBlock, CaseId, ContentError, ErrorClass, IndexAction,
    Relationship,
};

use crate::form::DEVICE_REPORT;
use crate::form_json::property_text;
use crate::times;
use crate::xml::{Document, Element};

/// The only version that is still understood.
const VERSION_2: &str = "http://commcarehq.org/case/transaction/v2";

/// A `case` element with a case id, and the element it stands in.
pub(crate) struct Found<'d> {
    block: Element<'d>,
    parent: Element<'d>,
}

/// All case blocks of a form in the order of its JSON. Inside a block nothing is looked for, nor inside a
/// device report; a `case` element without case id is something else.
pub(crate) fn find<'d>(document: &'d Document<'d>) -> Vec<Found<'d>> {
    let cases: Vec<u32> =
        document.elements().skip(1).filter(|e| e.name() == "case").map(Element::index).collect();
    let mut found = Vec::with_capacity(cases.len());
    if !cases.is_empty() {
        walk(document.root(), &cases, &mut found);
    }
    found
}

/// Finds the blocks below `parent`; `cases` are the `case` elements there, in document order.
fn walk<'d>(parent: Element<'d>, cases: &[u32], found: &mut Vec<Found<'d>>) {
    let mut branches: Vec<(Element<'d>, &[u32])> = Vec::new();
    let mut rest = cases;
    for child in parent.children() {
        let Some(&first) = rest.first() else { break };
        if first >= child.end() {
            continue;
        }
        let (here, after) = rest.split_at(rest.partition_point(|&c| c < child.end()));
        branches.push((child, here));
        rest = after;
    }
    if branches.len() > 1 {
        group(parent, &mut branches);
    }
    for (child, cases) in branches {
        if child.name() == "case" {
            if child.attribute("case_id").is_some() || child.child("case_id").is_some() {
                found.push(Found { block: child, parent });
            }
        } else if child.namespace() != DEVICE_REPORT {
            walk(child, cases, found);
        }
    }
}

/// Brings siblings of one name together at the place of the first one of that name.
fn group<'d>(parent: Element<'d>, branches: &mut [(Element<'d>, &[u32])]) {
    let mut first: HashMap<&str, u32> = HashMap::new();
    for child in parent.children() {
        first.entry(child.name()).or_insert(child.index());
    }
    branches.sort_by_key(|(child, _)| first.get(child.name()).copied());
}

/// Reads blocks and puts them in the order of application: by case id, then by earliest action, then as they
/// came. The error is the one that CommCare HQ would meet first.
pub(crate) fn read(found: &[Found<'_>]) -> Result<Vec<CaseBlock>, ContentError> {
    for Found { block, .. } in found {
        check_date(*block)?;
    }
    let mut blocks = found.iter().map(read_block).collect::<Result<Vec<_>, _>>()?;
    if blocks.len() > 1 {
        blocks.sort_by(|a, b| a.case_id.cmp(&b.case_id).then_with(|| earliest(a).cmp(&earliest(b))));
    }
    Ok(blocks)
}

/// Place of the first action in create, update, index, close, attachment. A block without action counts as an
/// update.
fn earliest(block: &CaseBlock) -> u8 {
    let actions = [
        !block.create.is_empty(),
        !block.update.is_empty(),
        !block.indices.is_empty(),
        block.close,
        !block.attachments.is_empty(),
    ];
    actions.iter().position(|a| *a).unwrap_or(1) as u8
}

fn date_of<'d>(block: Element<'d>) -> Option<&'d str> {
    block.attribute("date_modified").filter(|d| !d.is_empty())
}

fn check_date(block: Element<'_>) -> Result<(), ContentError> {
    match date_of(block) {
        Some(date) if times::iso(date).is_none() => {
            Err(ContentError::new(ErrorClass::PhoneDateValueError, format!("'{}' is no date", shown(date))))
        }
        _ => Ok(()),
    }
}

fn read_block(found: &Found<'_>) -> Result<CaseBlock, ContentError> {
    let Found { block, parent } = found;
    check_version(*block, *parent)?;
    let Some(case_id) = block.attribute("case_id") else {
        return Err(ContentError::new(
            ErrorClass::IllegalCaseId,
            "a case block without the attribute case_id",
        ));
    };
    if case_id.is_empty() {
        return Err(ContentError::new(ErrorClass::IllegalCaseId, "case_id must not be empty"));
    }
    let mut out = CaseBlock {
        case_id: CaseId::new(case_id),
        user_id: block.attribute("user_id").filter(|u| !u.is_empty()).map(str::to_owned),
        date_modified: date_of(*block).and_then(times::iso),
        ..CaseBlock::default()
    };
    for part in block.children() {
        match part.name() {
            "create" => out.create.extend(properties(part)),
            "update" => out.update.extend(properties(part)),
            "close" => out.close = true,
            "index" => {
                for index in part.children() {
                    out.indices.push(read_index(index, case_id)?);
                }
            }
            "attachment" => out.attachments.extend(part.children().filter_map(read_attachment)),
            _ => {}
        }
    }
    Ok(out)
}

/// Only version 2 is read. A block that adds no namespace to its surroundings is of version 1.
fn check_version(block: Element<'_>, parent: Element<'_>) -> Result<(), ContentError> {
    let referral =
        block.children().any(|c| c.name() == "referral" && (c.has_children() || !c.text().is_empty()));
    if referral {
        return Err(ContentError::new(
            ErrorClass::UsesReferrals,
            "Sorry, referrals are no longer supported!",
        ));
    }
    let namespace = block.namespace();
    if namespace == VERSION_2 {
        return Ok(());
    }
    let detail = if namespace.is_empty() || block.same_namespace(parent) {
        "a case block of version 1".to_owned()
    } else {
        format!("'{}' is not a case namespace", shown(namespace))
    };
    Err(ContentError::new(ErrorClass::VersionNotSupported, detail))
}

fn properties(part: Element<'_>) -> impl Iterator<Item = (String, String)> {
    part.children().map(|p| (p.name().to_owned(), property_text(p)))
}

fn read_index(index: Element<'_>, case_id: &str) -> Result<IndexAction, ContentError> {
    let bad = |detail: String| Err(ContentError::new(ErrorClass::InvalidCaseIndex, detail));
    let (identifier, case_id) = (index.name(), shown(case_id));
    let target = Some(index.text()).filter(|t| !t.trim().is_empty());
    let case_type = index.attribute("case_type");
    let relationship = match index.attribute("relationship") {
        None | Some("" | "child") => Relationship::Child,
        Some("extension") => Relationship::Extension,
        Some(_) if target.is_none() => Relationship::Child,
        Some(other) => {
            let other = shown(other);
            return bad(format!(
                "index '{identifier}' of case '{case_id}' has an unknown relationship '{other}'"
            ));
        }
    };
    if target.is_some() && case_type.is_none() {
        return bad(format!("index '{identifier}' of case '{case_id}' has no case type"));
    }
    Ok(IndexAction {
        identifier: identifier.to_owned(),
        referenced_type: case_type.unwrap_or_default().to_owned(),
        referenced_id: target.map(CaseId::new),
        relationship,
    })
}

/// `None` for an attachment that says where it is but not from what file of this form.
fn read_attachment(e: Element<'_>) -> Option<AttachmentAction> {
    let source = match (e.attribute("src"), e.attribute("from")) {
        (Some(src), _) if !src.is_empty() => AttachmentSource::File { src: src.to_owned() },
        (_, Some(from)) if !from.is_empty() => return None,
        _ => AttachmentSource::Remove,
    };
    Some(AttachmentAction { name: e.name().to_owned(), source })
}

/// As much of an outside text as an error message may repeat.
pub(crate) fn shown(text: &str) -> &str {
    match text.char_indices().nth(80) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}
