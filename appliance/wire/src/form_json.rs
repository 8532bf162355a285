//! A form as JSON, the shape that CommCare HQ's API and exports show.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use crate::xml::{self, Element};
use crate::{Limits, ParseError, times};

/// The JSON of a form: an object with `#type`, `@xmlns`, attributes, children and `#text`, in this order.
///
/// Every leaf is a string; what looks like a date and time is in UTC. Repeated children become a list at
/// the first one's place. Text after a child element is lost.
pub fn form_json(xml: &[u8], limits: &Limits) -> Result<Value, ParseError> {
    let document = xml::read(xml, limits)?;
    let root = document.root();
    if root.namespace().is_empty() {
        return Err(ParseError::NoNamespace);
    }
    let mut out = Map::new();
    out.insert("#type".to_owned(), Value::String(root.name().to_owned()));
    out.insert("@xmlns".to_owned(), Value::String(root.namespace().to_owned()));
    fill(root, &mut out);
    Ok(Value::Object(out))
}

/// The JSON of an element inside another.
pub(crate) fn element_json(element: Element<'_>, parent: Element<'_>) -> Value {
    // An element that leaves its namespace for none adds nothing itself; its children may.
    let foreign = !element.same_namespace(parent) && !element.namespace().is_empty();
    if !foreign && is_plain(element) {
        return Value::String(normalised(element.text()));
    }
    let mut out = Map::new();
    if foreign {
        out.insert("@xmlns".to_owned(), Value::String(element.namespace().to_owned()));
    }
    fill(element, &mut out);
    Value::Object(out)
}

/// Neither attributes nor children.
fn is_plain(element: Element<'_>) -> bool {
    !element.has_attributes() && !element.has_children()
}

fn fill(element: Element<'_>, out: &mut Map<String, Value>) {
    for (namespace, name, value) in element.attributes() {
        let key = if namespace.is_empty() { format!("@{name}") } else { format!("@{{{namespace}}}{name}") };
        out.insert(key, Value::String(normalised(value)));
    }
    for child in element.children() {
        let value = element_json(child, element);
        match out.entry(child.name()) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(list) => list.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }
    if !element.text().trim().is_empty() {
        out.insert("#text".to_owned(), Value::String(normalised(element.text())));
    }
}

/// A text with time stamps rewritten to UTC.
pub(crate) fn normalised(text: &str) -> String {
    times::loose(text).map_or_else(|| text.to_owned(), |t| t.to_string())
}

/// What a property of this element is: its text; when there is more than text to it, nothing if blank.
pub(crate) fn property_text(element: Element<'_>) -> String {
    let text = element.text();
    if !is_plain(element) && text.trim().is_empty() {
        return String::new();
    }
    normalised(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(inner: &str, expected: Value) {
        let xml = format!("<data xmlns='u'>{inner}</data>");
        let found = form_json(xml.as_bytes(), &Limits::default()).unwrap();
        let mut whole = json!({"#type": "data", "@xmlns": "u"});
        whole.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        assert_eq!(found, whole, "{inner}");
    }

    #[test]
    fn elements_become_strings_objects_and_lists() {
        check("<a> x </a><b/><c>  </c>", json!({"a": " x ", "b": "", "c": "  "}));
        check("<a>1</a><b>2</b><a>3</a>", json!({"a": ["1", "3"], "b": "2"}));
        check("<a x='1'/><b x='1'>t</b>", json!({"a": {"@x": "1"}, "b": {"@x": "1", "#text": "t"}}));
        check("<a>t<b>1</b>lost</a><c> <b/></c>", json!({"a": {"b": "1", "#text": "t"}, "c": {"b": ""}}));
        check("<a><b>1</b><b/><b c='2'/></a>", json!({"a": {"b": ["1", "", {"@c": "2"}]}}));
        check("root text", json!({"#text": "root text"}));
    }

    #[test]
    fn namespaces_show_where_they_change() {
        check("<n:a xmlns:n='v'>1</n:a>", json!({"a": {"@xmlns": "v", "#text": "1"}}));
        check("<a xmlns='v'><b>1</b></a>", json!({"a": {"@xmlns": "v", "b": "1"}}));
        check("<a xmlns=''>1</a>", json!({"a": "1"}));
        check("<a xmlns=''><b xmlns='u'/></a>", json!({"a": {"b": {"@xmlns": "u"}}}));
        check("<n:a xmlns:n='u'>1</n:a><a>2</a>", json!({"a": ["1", "2"]}));
        check(
            "<a xml:lang='sw' xmlns:z='urn:z' z:k='v'/>",
            json!({"a": {"@{http://www.w3.org/XML/1998/namespace}lang": "sw", "@{urn:z}k": "v"}}),
        );
    }

    #[test]
    fn times_are_rewritten_everywhere() {
        check(
            "<a t='2024-05-05 10:11+01'>2024-05-05T10:11:12Z</a><b>2024-05-05</b><c>10:11</c>",
            json!({
                "a": {"@t": "2024-05-05T09:11:00.000000Z", "#text": "2024-05-05T10:11:12.000000Z"},
                "b": "2024-05-05", "c": "10:11"
            }),
        );
    }

    #[test]
    fn a_root_without_namespace_is_no_form() {
        assert_eq!(form_json(b"<a/>", &Limits::default()), Err(ParseError::NoNamespace));
        assert!(matches!(form_json(b"<a", &Limits::default()), Err(ParseError::NotXml { .. })));
    }
}
