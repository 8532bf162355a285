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

#[cfg(test)]
mod tests {
    use bolster_model::{AttachmentSource, CaseBlock, ErrorClass, ParsedForm, Relationship};

    use crate::{Limits, parse_form};

    const V2: &str = "xmlns='http://commcarehq.org/case/transaction/v2'";

    fn form(inner: &str) -> ParsedForm {
        let xml = format!("<data xmlns='u'>{}</data>", inner.replace("V2", V2));
        parse_form(xml.as_bytes(), &Limits::default()).unwrap()
    }

    fn block(inner: &str) -> CaseBlock {
        let form = form(&format!("<case V2 case_id='a'>{inner}</case>"));
        assert_eq!(form.content_error, None, "{inner}");
        form.case_blocks.into_iter().next().unwrap()
    }

    /// Ids of the blocks in the order of application, told apart by user id.
    fn order(inner: &str) -> String {
        let blocks = form(inner).case_blocks;
        blocks
            .iter()
            .map(|b| b.user_id.clone().unwrap_or_else(|| b.case_id.to_string()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn blocks_are_found_at_any_depth_and_only_with_an_id() {
        let rows = [
            ("<case V2 case_id='a'/>", "a"),
            (
                "<g><h><case V2 case_id='a'/></h></g><n:case xmlns:n='http://commcarehq.org/case/transaction/v2' case_id='b'/>",
                "a b",
            ),
            ("<case V2/><case>text</case><case><patient_id>1</patient_id></case>", ""),
            ("<Case V2 case_id='a'/><cases V2 case_id='b'/>", ""),
            ("<case V2 case_id='a'><update><case V2 case_id='b'/></update></case>", "a"),
            ("<g xmlns='http://code.javarosa.org/devicereport'><h><case V2 case_id='a'/></h></g>", ""),
            ("<g V2><case case_id='a' V2/></g>", "a"),
        ];
        for (inner, expected) in rows {
            assert_eq!(order(inner), expected, "{inner}");
        }
    }

    #[test]
    fn blocks_of_one_case_go_by_earliest_action_then_in_the_order_of_the_json() {
        let block = |user: &str, inner: &str| format!("<case V2 case_id='a' user_id='{user}'>{inner}</case>");
        let update = |user: &str| block(user, "<update><p>1</p></update>");
        let rows = [
            // Creates first, and a block without action counts as an update.
            (
                [
                    block("5", "<attachment><x/></attachment>"),
                    block("4", "<close/>"),
                    block("3", "<index><i/></index>"),
                    block("2", ""),
                    update("22"),
                    block("1", "<create><case_type>t</case_type></create><close/>"),
                ]
                .concat(),
                "1 2 22 3 4 5",
            ),
            // The second g belongs to the first.
            (format!("<g>{}</g>{}<g>{}</g>", update("1"), update("2"), update("3")), "1 3 2"),
            (format!("<g/>{}<h>{}</h><g>{}</g>", update("1"), update("2"), update("3")), "3 1 2"),
            (format!("{}<g>{}</g>{}", update("1"), update("2"), update("3")), "1 3 2"),
            (format!("<z>{}</z><case V2 case_id='A'/>", update("1")), "A 1"),
        ];
        for (inner, expected) in rows {
            assert_eq!(order(&inner), expected, "{inner}");
        }
    }

    #[test]
    fn values_are_kept_as_sent() {
        let b = block(
            "<create><case_name> x </case_name><case_type/></create><create><owner_id> </owner_id></create>
             <update><p a='1'> </p><p a='1'>t</p><q>t<r/></q><t>2024-05-05 10:11</t></update><update><p>2</p></update>
             <update/><close>x</close>",
        );
        let pair = |(n, v): (&str, &str)| (n.to_owned(), v.to_owned());
        assert_eq!(b.create, [("case_name", " x "), ("case_type", ""), ("owner_id", " ")].map(pair));
        let update = [("p", ""), ("p", "t"), ("q", "t"), ("t", "2024-05-05T10:11:00.000000Z"), ("p", "2")];
        assert_eq!(b.update, update.map(pair));
        assert!(b.close);
        assert_eq!(block("").date_modified, None);
    }

    #[test]
    fn indices_and_attachments() {
        let b = block(
            "<index><p case_type='t'>x</p><h case_type='t' relationship='extension'> y</h><e case_type='t' relationship=''>z</e>
             <gone case_type=''/><bare/><blank relationship='odd'> </blank></index>
             <attachment><a src='f.jpg' from='local'/><b from='remote'/><c/></attachment>",
        );
        let found: Vec<_> = b
            .indices
            .iter()
            .map(|i| (&*i.identifier, i.referenced_id.as_ref().map(|c| c.as_str()), i.relationship))
            .collect();
        let (child, extension) = (Relationship::Child, Relationship::Extension);
        assert_eq!(
            found,
            [
                ("p", Some("x"), child),
                ("h", Some(" y"), extension),
                ("e", Some("z"), child),
                ("gone", None, child),
                ("bare", None, child),
                ("blank", None, child)
            ]
        );
        let file = AttachmentSource::File { src: "f.jpg".to_owned() };
        assert_eq!(
            b.attachments.into_iter().map(|a| (a.name, a.source)).collect::<Vec<_>>(),
            [("a".to_owned(), file), ("c".to_owned(), AttachmentSource::Remove)]
        );
    }

    #[test]
    fn one_bad_block_is_the_error_of_the_form() {
        let good = "<case V2 case_id='good'/>";
        let rows = [
            ("<case V2 case_id=''/>", ErrorClass::IllegalCaseId),
            ("<case V2><case_id>a</case_id></case>", ErrorClass::IllegalCaseId),
            (
                "<case V2 case_id='a' date_modified='2015-08-06T14:33:12.077 05:30'/>",
                ErrorClass::PhoneDateValueError,
            ),
            (
                "<case V2 case_id=''/><case V2 case_id='a' date_modified='soon'/>",
                ErrorClass::PhoneDateValueError,
            ),
            ("<case><case_id>a</case_id></case>", ErrorClass::VersionNotSupported),
            ("<case case_id='a'/>", ErrorClass::VersionNotSupported),
            ("<case xmlns='' case_id='a'/>", ErrorClass::VersionNotSupported),
            ("<case xmlns='v9' case_id='a'/>", ErrorClass::VersionNotSupported),
            ("<case><case_id>a</case_id><referral><type/></referral></case>", ErrorClass::UsesReferrals),
            (
                "<case V2 case_id='a'><index><p case_type='t' relationship='parent'>b</p></index></case>",
                ErrorClass::InvalidCaseIndex,
            ),
            ("<case V2 case_id='a'><index><p>b</p></index></case>", ErrorClass::InvalidCaseIndex),
        ];
        for (bad, expected) in rows {
            let error = form(&format!("{good}{bad}")).content_error;
            assert_eq!(error.map(|e| e.class), Some(expected), "{bad}");
        }
        assert_eq!(form("<case V2 case_id='a' date_modified=''/>").content_error, None);
    }

    #[test]
    fn a_wide_form_takes_no_more_than_its_size() {
        let wide: String = (0..100_000).map(|i| format!("<q{i}/>")).collect();
        let deep = format!("{}<case V2 case_id='a'/>{}", "<g>".repeat(200), "</g>".repeat(200));
        assert_eq!(order(&format!("<case V2 case_id='b'/>{wide}{deep}")), "a b");
    }
}
