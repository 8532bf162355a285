//! A form as the receiver sees it.

use bolster_model::ParsedForm;

use crate::xml::{self, Document, Element};
use crate::{Limits, ParseError, case_blocks, ledger_blocks, metadata};

/// Namespace of device logs, which hold no cases and no stock.
pub(crate) const DEVICE_REPORT: &str = "http://code.javarosa.org/devicereport";

/// Reads a form: ids, metadata, case blocks and ledger blocks. No JSON is built.
///
/// A form whose blocks cannot be applied parses all the same; `content_error` then says why, and the blocks
/// are not complete. Texts too long for what they are meant for, and ids of what does not exist, are not
/// this function's matter.
pub fn parse_form(xml: &[u8], limits: &Limits) -> Result<ParsedForm, ParseError> {
    let document = xml::read(xml, limits)?;
    let root = document.root();
    if root.namespace().is_empty() {
        return Err(ParseError::NoNamespace);
    }
    let text = |name: &str| root.attribute(name).map(str::to_owned);
    let mut form = ParsedForm {
        root_name: root.name().to_owned(),
        xmlns: root.namespace().to_owned(),
        name: text("name"),
        version: text("version"),
        ui_version: text("uiVersion"),
        instance_id: instance_id(root),
        meta: metadata::meta_block(root).map(metadata::form_meta).unwrap_or_default(),
        is_device_log: root.namespace() == DEVICE_REPORT,
        ..ParsedForm::default()
    };
    if !form.is_device_log {
        read_blocks(&document, limits, &mut form)?;
    }
    Ok(form)
}

fn read_blocks(document: &Document<'_>, limits: &Limits, form: &mut ParsedForm) -> Result<(), ParseError> {
    let blocks = case_blocks::find(document);
    let too_many = |what| ParseError::TooMuch { what, bound: limits.blocks };
    if blocks.len() > limits.blocks {
        return Err(too_many("case blocks"));
    }
    match case_blocks::read(&blocks) {
        Ok(blocks) => form.case_blocks = blocks,
        Err(error) => form.content_error = Some(error),
    }
    if form.case_blocks.iter().map(|b| b.indices.len() + b.attachments.len()).sum::<usize>() > limits.blocks {
        return Err(too_many("indices and attachments of cases"));
    }
    match ledger_blocks::read(document) {
        Ok(blocks) => form.ledger_blocks = blocks,
        Err(error) => form.content_error = form.content_error.take().or(Some(error)),
    }
    if form.ledger_blocks.iter().map(|b| b.entries.len() + 1).sum::<usize>() > limits.blocks {
        return Err(too_many("ledger entries"));
    }
    Ok(())
}

/// `meta/uid` if not empty, else `meta/instanceID` if not empty; exactly as sent.
pub(crate) fn instance_id(root: Element<'_>) -> Option<String> {
    let meta = metadata::meta_block(root)?;
    let id = |name: &str| meta.child(name).map(Element::text).filter(|t| !t.is_empty());
    id("uid").or_else(|| id("instanceID")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(xml: &str) -> ParsedForm {
        parse_form(xml.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn ids_and_attributes() {
        let form = parse(
            "<n:data xmlns:n='u' name='N' version='3' uiVersion='1'><meta><uid/><instanceID>uuid:1</instanceID>
             <userID/><user_id>w</user_id></meta></n:data>",
        );
        assert_eq!((form.root_name.as_str(), form.xmlns.as_str()), ("data", "u"));
        assert_eq!(form.name.as_deref(), Some("N"));
        assert_eq!(form.version.as_deref(), Some("3"));
        assert_eq!(form.instance_id.as_deref(), Some("uuid:1"));
        assert_eq!(form.meta.user_id.as_deref(), Some("w"));
        assert_eq!(parse("<a xmlns='u'><meta><instanceID/></meta></a>").instance_id, None);
        assert_eq!(
            parse("<a xmlns='u'><Meta><uid>7</uid></Meta><meta/></a>").instance_id.as_deref(),
            Some("7")
        );
        assert_eq!(parse("<a xmlns='u'/>").instance_id, None);
        let error = parse_form(b"<a/>", &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), "Form is missing a required field: XMLNS");
    }

    #[test]
    fn device_logs_hold_nothing() {
        let form = parse(
            "<r xmlns='http://code.javarosa.org/devicereport'><case case_id=''/>
             <balance xmlns='http://commcarehq.org/ledger/v1'/></r>",
        );
        assert!(form.is_device_log && form.content_error.is_none());
    }

    #[test]
    fn block_counts_are_bounded() {
        let limits = Limits { blocks: 3, ..Limits::default() };
        let case = "<case xmlns='http://commcarehq.org/case/transaction/v2' case_id='a'/>";
        let balance = "<balance xmlns='http://commcarehq.org/ledger/v1' entity-id='a' section-id='s'>
            <entry id='p' quantity='1'/></balance>";
        for (block, most) in [(case, 3), (balance, 1)] {
            let form = |n: usize| format!("<a xmlns='u'>{}</a>", block.repeat(n));
            assert!(parse_form(form(most).as_bytes(), &limits).is_ok());
            let error = parse_form(form(most + 1).as_bytes(), &limits).unwrap_err();
            assert!(matches!(error, ParseError::TooMuch { .. }), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_form_that_parses_has_json_too(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "<case case_id='a' xmlns='http://commcarehq.org/case/transaction/v2'>", "</case>", "<create>", "</create>",
                "<update>", "</update>", "<a>1</a>", "<index>", "</index>", "<p case_type='t'>x</p>", "<close/>",
                "<balance xmlns='http://commcarehq.org/ledger/v1' entity-id='a'>", "</balance>", "<g>", "</g>",
                "<entry id='p' quantity='5'/>", "<meta><instanceID>i</instanceID></meta>", "text", "2024-01-01 10:00",
            ]), 0..20),
        ) {
            let xml = format!("<data xmlns='u'>{}</data>", pieces.concat());
            let form = parse_form(xml.as_bytes(), &Limits::default());
            let json = crate::form_json(xml.as_bytes(), &Limits::default());
            prop_assert_eq!(form.is_ok(), json.is_ok());
            if let Ok(json) = json {
                crate::metadata_json(&json);
            }
        }
    }
}
