//! Forms of scenarios as XML.

use anyhow::{Context, Result};
use bolster_wire::restore::Printer;
use serde_json::Value;

/// Who fills a form in, and when.
pub struct FormHead<'a> {
    /// Instance id.
    pub id: &'a str,
    /// User id.
    pub user_id: &'a str,
    /// Time, as text.
    pub at: &'a str,
    /// Phone.
    pub device: &'a str,
}

fn begin(out: &mut Printer) {
    out.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<data xmlns=\"http://openrosa.org/formdesigner/vectors\" uiVersion=\"1\" version=\"1\" name=\"Vector\">");
}

fn end(out: &mut Printer, head: &FormHead<'_>) {
    out.raw("<meta xmlns=\"http://openrosa.org/jr/xforms\">");
    out.element("deviceID", head.device);
    out.element("timeStart", head.at);
    out.element("timeEnd", head.at);
    out.element("username", head.user_id);
    out.element("userID", head.user_id);
    out.element("instanceID", head.id);
    out.raw("</meta></data>");
}

fn pairs(out: &mut Printer, name: &str, values: &Value) {
    let Some(values) = values.as_object() else { return };
    out.raw(&format!("<{name}>"));
    for (name, value) in values {
        out.element(name, &text(value));
    }
    out.raw(&format!("</{name}>"));
}

/// A value as the text of an element.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A form with case blocks.
pub fn with_blocks(head: &FormHead<'_>, blocks: &[Value]) -> Result<Vec<u8>> {
    let mut out = Printer::default();
    begin(&mut out);
    for block in blocks {
        out.raw("<case xmlns=\"http://commcarehq.org/case/transaction/v2\"");
        out.attribute("case_id", block["case_id"].as_str().context("a block without case_id")?);
        out.attribute("user_id", block["user_id"].as_str().unwrap_or(head.user_id));
        out.attribute("date_modified", block["date_modified"].as_str().unwrap_or(head.at));
        out.raw(">");
        pairs(&mut out, "create", &block["create"]);
        pairs(&mut out, "update", &block["update"]);
        if block["close"] == true {
            out.raw("<close/>");
        }
        if let Some(indices) = block["index"].as_object() {
            out.raw("<index>");
            for (name, index) in indices {
                out.raw(&format!("<{name}"));
                out.attribute("case_type", index["case_type"].as_str().unwrap_or_default());
                if let Some(relationship) = index["relationship"].as_str() {
                    out.attribute("relationship", relationship);
                }
                out.close_tag_with(name, index["case_id"].as_str().unwrap_or_default());
            }
            out.raw("</index>");
        }
        out.raw("</case>");
    }
    end(&mut out, head);
    Ok(out.take())
}

/// A form with balances.
pub fn with_ledgers(head: &FormHead<'_>, blocks: &[Value]) -> Result<Vec<u8>> {
    let mut out = Printer::default();
    begin(&mut out);
    for block in blocks {
        out.raw("<balance xmlns=\"http://commcarehq.org/ledger/v1\"");
        out.attribute("entity-id", block["entity"].as_str().context("a balance without entity")?);
        out.attribute("section-id", block["section"].as_str().unwrap_or_default());
        out.attribute("date", block["date"].as_str().unwrap_or(head.at));
        out.raw(">");
        for (id, quantity) in block["entries"].as_object().into_iter().flatten() {
            out.raw("<entry");
            out.attribute("id", id);
            out.attribute("quantity", &quantity.to_string());
            out.raw("/>");
        }
        out.raw("</balance>");
    }
    end(&mut out, head);
    Ok(out.take())
}
