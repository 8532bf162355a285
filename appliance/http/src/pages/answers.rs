//! The answers of a form as a tree that a person can read.

use maud::{Markup, html};
use serde_json::{Map, Value};

/// Most answers shown; longer forms are read in their XML.
const ANSWERS_MAX: usize = 2000;

/// The answers of a form's JSON. Meta and case blocks have their own places on the page.
pub fn answers(form: &Value) -> Markup {
    let mut left = ANSWERS_MAX;
    let empty = Map::new();
    let root = form.as_object().unwrap_or(&empty);
    let tree = entries(root, &mut left, true);
    html! {
        (tree)
        @if left == 0 {
            p .small { "Only the first " (ANSWERS_MAX) " answers are shown; the XML has all." }
        }
    }
}

/// Attributes say how, not what; technical elements are shown elsewhere.
fn hidden(name: &str, top: bool) -> bool {
    name.starts_with('@') || name == "#type" || name == "case" || (top && matches!(name, "meta" | "Meta"))
}

fn entries(map: &Map<String, Value>, left: &mut usize, top: bool) -> Markup {
    html! {
        dl .answers {
            @for (name, value) in map.iter().filter(|(name, _)| !hidden(name, top)) {
                @if *left > 0 {
                    div { dt dir="auto" { (label(name)) } (answer(value, left)) }
                }
            }
        }
    }
}

fn answer(value: &Value, left: &mut usize) -> Markup {
    match value {
        Value::Array(list) => html! {
            @for (number, value) in list.iter().enumerate() {
                @if *left > 0 {
                    dd .nested { span .small { (number + 1) ". " } (inside(value, left)) }
                }
            }
        },
        Value::Object(_) => html! { dd .nested { (inside(value, left)) } },
        _ => html! { dd dir="auto" { (inside(value, left)) } },
    }
}

fn inside(value: &Value, left: &mut usize) -> Markup {
    *left = left.saturating_sub(1);
    match value {
        Value::Object(map) => entries(map, left, false),
        Value::String(text) if text.trim().is_empty() => html! { span .small { "no answer" } },
        Value::String(text) => html! { bdi .value { (text) } },
        other => html! { bdi .value { (other.to_string()) } },
    }
}

fn label(name: &str) -> String {
    if name == "#text" { "text".to_owned() } else { name.replace('_', " ") }
}

#[cfg(test)]
mod tests {
    use super::answers;
    use serde_json::json;

    #[test]
    fn values_are_escaped_and_technical_parts_left_out() {
        let form = json!({"#type": "data", "@xmlns": "x", "child_name": "<script>alert(1)</script>",
            "visit": [{"weight": "3"}, {"weight": ""}], "meta": {"userID": "u"}, "case": {"@case_id": "c"}});
        let html = answers(&form).into_string();
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
        assert!(html.contains("child name") && html.contains(">3<") && html.contains("no answer"));
        assert!(!html.contains("userID") && !html.contains("case_id") && !html.contains("xmlns"));
    }

    #[test]
    fn long_forms_are_cut() {
        let many: serde_json::Map<_, _> = (0..5000).map(|n| (format!("q{n}"), json!("a"))).collect();
        let html = answers(&many.into()).into_string();
        assert!(html.contains("Only the first 2000"));
        assert!(html.matches("<dt").count() == 2000);
    }
}
