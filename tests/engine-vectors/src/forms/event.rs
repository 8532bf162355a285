//! Positions as the vectors describe them.

use bolster_xforms::{Choice, FormIndex, GroupPrompt, Media, Position, Session};
use serde_json::{Map, Value as Json, json};

use super::host::RecordedHost;

type Fields = Map<String, Json>;

fn put(out: &mut Fields, name: &str, text: &Option<String>) {
    if let Some(text) = text {
        out.insert(name.to_owned(), json!(text));
    }
}

fn on(out: &mut Fields, name: &str, value: bool) {
    if value {
        out.insert(name.to_owned(), json!(true));
    }
}

fn media(out: &mut Fields, prefix: &str, media: &Media) {
    put(out, &format!("{prefix}image"), &media.image);
    put(out, &format!("{prefix}audio"), &media.audio);
    put(out, &format!("{prefix}video"), &media.video);
    if prefix.is_empty() {
        put(out, "markdown", &media.markdown);
    }
}

fn group(out: &mut Fields, group: &GroupPrompt) {
    out.insert("ref".into(), json!(group.reference));
    if !group.relevant {
        out.insert("relevant".into(), json!(false));
    }
    put(out, "caption", &group.caption);
    put(out, "short", &group.short);
    media(out, "", &group.media);
    put(out, "appearance", &group.appearance);
    on(out, "field-list", group.field_list);
}

fn choice(choice: &Choice) -> Json {
    let mut out = Fields::new();
    out.insert("value".into(), json!(choice.value));
    out.insert("label".into(), json!(choice.label));
    put(&mut out, "short", &choice.short);
    media(&mut out, "", &choice.media);
    Json::Object(out)
}

/// Describes a position.
pub fn describe(session: &Session, index: &FormIndex, host: &RecordedHost) -> Json {
    let position = match session.describe(index, host) {
        Ok(position) => position,
        Err(error) => return json!({"error": error.to_string(), "index": index.to_string()}),
    };
    let mut out = Fields::new();
    let event = match &position {
        Position::Beginning => "begin",
        Position::End => "end",
        Position::Question(_) => "question",
        Position::Group(_) => "group",
        Position::Repeat(_) => "repeat",
        Position::NewRepeat(_) => "new-repeat",
        Position::Juncture(_) => "repeat-juncture",
    };
    out.insert("event".into(), json!(event));
    if let FormIndex::At(_) = index {
        out.insert("index".into(), json!(index.to_string()));
    }
    match position {
        Position::Beginning | Position::End => {}
        Position::Question(prompt) => {
            out.insert("ref".into(), json!(prompt.reference));
            out.insert("control".into(), json!(prompt.control.as_str()));
            out.insert("type".into(), json!(prompt.data_type.as_str()));
            if !prompt.relevant {
                out.insert("relevant".into(), json!(false));
            }
            put(&mut out, "caption", &prompt.caption);
            put(&mut out, "short", &prompt.short);
            media(&mut out, "", &prompt.media);
            put(&mut out, "hint", &prompt.hint);
            put(&mut out, "help", &prompt.help);
            media(&mut out, "help-", &prompt.help_media);
            put(&mut out, "appearance", &prompt.appearance);
            on(&mut out, "required", prompt.required);
            on(&mut out, "readonly", prompt.readonly);
            if let Some(dimension) = prompt.max_dimension {
                out.insert("max-dimension".into(), json!(dimension));
            }
            if prompt.control.is_select() {
                out.insert("choices".into(), prompt.choices.iter().map(choice).collect());
            }
            put(&mut out, "answer", &prompt.answer);
            put(&mut out, "answer-text", &prompt.answer_text);
        }
        Position::Group(prompt) => group(&mut out, &prompt),
        Position::Repeat(prompt) => {
            group(&mut out, &prompt.group);
            out.insert("count".into(), json!(prompt.count));
            put(&mut out, "header", &prompt.header);
            on(&mut out, "counted", prompt.counted);
            out.insert("delete-caption".into(), json!(prompt.delete_caption));
        }
        Position::NewRepeat(prompt) => {
            group(&mut out, &prompt.group);
            out.insert("count".into(), json!(prompt.count));
            put(&mut out, "header", &prompt.header);
            put(&mut out, "add-caption", &prompt.add_caption);
            out.insert("done-caption".into(), json!(prompt.done_caption));
        }
        Position::Juncture(prompt) => {
            group(&mut out, &prompt.group);
            out.insert("count".into(), json!(prompt.count));
            put(&mut out, "main-header", &prompt.header);
            put(&mut out, "add-caption", &prompt.add_caption);
            out.insert("done-caption".into(), json!(prompt.done_caption));
            put(&mut out, "delete-caption", &prompt.delete_caption);
            put(&mut out, "delete-header", &prompt.delete_header);
            out.insert("entries".into(), json!(prompt.entries));
        }
    }
    Json::Object(out)
}
