//! Questions as JSON.

use bolster_xforms::{Control, DataType, FormHost, FormIndex, GroupPrompt, Media, Position, Prompt, Session};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::lasting::Lasting;
use crate::fault::Fault;
use crate::reply::append;

/// Something of a form as clients see it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Question {
    caption_audio: Option<String>,
    caption_video: Option<String>,
    caption_image: Option<String>,
    caption_markdown: Option<String>,
    caption: Option<String>,
    binding: Option<String>,
    question_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<u8>,
    relevant: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Json>,
    datatype: Option<&'static str>,
    style: Option<Style>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ix: Option<String>,
    choices: Option<Vec<Option<String>>>,
    repeatable: Option<&'static str>,
    exists: Option<&'static str>,
    delete: bool,
    header: Option<String>,
    control: u8,
    help: Option<String>,
    help_image: Option<String>,
    help_audio: Option<String>,
    help_video: Option<String>,
    hint: Option<String>,
    pub output: Option<String>,
    #[serde(rename = "add-choice")]
    add_choice: Option<String>,
}

/// What the form says about how something looks; entries of repeats have an empty one.
#[derive(Debug, Default, Serialize)]
struct Style {
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

fn style(appearance: Option<String>) -> Option<Style> {
    appearance.map(|raw| Style { raw: Some(raw) })
}

impl Question {
    fn media(&mut self, media: Media) {
        self.caption_audio = media.audio;
        self.caption_image = media.image;
        self.caption_video = media.video;
        self.caption_markdown = media.markdown;
    }

    /// Without anything that changes with answers.
    pub fn lasting(mut self) -> Question {
        (self.ix, self.answer, self.required) = (None, None, None);
        self
    }

    fn at(kind: &'static str, index: String) -> Question {
        Question { kind, ix: Some(index), answer: Some(Json::Null), required: Some(0), ..Question::default() }
    }

    fn group(index: &FormIndex, group: GroupPrompt) -> Question {
        let mut out = Question {
            caption: group.caption,
            style: Some(Style::default()),
            ..Question::at("sub-group", index.to_string())
        };
        out.media(group.media);
        out
    }
}

/// The position a client means.
pub(crate) fn parse_index(text: &str) -> Option<FormIndex> {
    let mut out = String::with_capacity(text.len());
    for (number, step) in text.split(',').map(str::trim).filter(|step| !step.is_empty()).enumerate() {
        if number > 0 {
            out.push(',');
        }
        match step.strip_suffix('J') {
            Some(at) => out.push_str(&format!("{at}_-10")),
            None => out.push_str(&step.replace(['.', ':'], "_")),
        }
    }
    FormIndex::parse(&out)
}

fn bare(kind: &'static str, index: &str) -> Question {
    Question { style: Some(Style::default()), ..Question::at(kind, index.into()) }
}

/// One position.
pub(crate) fn question(session: &Session, index: &FormIndex, host: &dyn FormHost) -> Result<Question, Fault> {
    Ok(match session.describe(index, host)? {
        Position::Beginning => bare("form-start", "<"),
        Position::End => bare("form-complete", ">"),
        Position::Question(prompt) => of_prompt(index, *prompt)?,
        Position::Group(group) => {
            let style = style(group.appearance.clone());
            Question { style, repeatable: Some("false"), ..Question::group(index, *group) }
        }
        Position::Repeat(repeat) => Question {
            repeatable: Some("true"),
            exists: Some("true"),
            delete: !repeat.counted,
            ..Question::group(index, repeat.group)
        },
        Position::NewRepeat(slot) => Question {
            repeatable: Some("true"),
            exists: Some("false"),
            add_choice: slot.add_caption,
            ..Question::group(index, slot.group)
        },
        Position::Juncture(slot) => {
            Question { kind: "repeat-juncture", ..Question::group(index, slot.group) }
        }
    })
}

pub(super) fn of_prompt(index: &FormIndex, prompt: Prompt) -> Result<Question, Fault> {
    let binding: String = prompt.reference.clone();
    let last = binding.rsplit('/').next().unwrap_or_default();
    let last = last.split('[').next().unwrap_or_default().to_owned();
    if prompt.control == Control::SelectMulti
        && let Some(bad) = prompt.choices.iter().find(|choice| choice.value.contains(' '))
    {
        return Err(Fault::Other(format!(
            "Select answer options cannot contain spaces. Question {binding} with answer {}",
            bad.label.as_deref().unwrap_or_default()
        )));
    }
    let data_type = data_type(&prompt);
    let mut out = Question {
        answer: Some(answer(data_type, prompt.answer.as_deref(), |value| {
            prompt.choices.iter().position(|choice| choice.value == value).map(|at| at + 1)
        })),
        datatype: Some(data_type),
        control: control(prompt.control),
        required: Some(u8::from(prompt.required)),
        question_id: Some(last),
        binding: Some(generic(&binding)),
        style: style(prompt.appearance),
        choices: prompt.control.is_select().then(|| prompt.choices.into_iter().map(|c| c.label).collect()),
        hint: prompt.hint,
        help: prompt.help,
        help_image: prompt.help_media.image,
        help_audio: prompt.help_media.audio,
        help_video: prompt.help_media.video,
        caption: prompt.caption,
        ..Question::at("question", index.to_string())
    };
    out.media(prompt.media);
    Ok(out)
}

/// A reference without positions.
fn generic(reference: &str) -> String {
    let steps = reference.split('/').map(|step| step.split('[').next().unwrap_or(step));
    steps.collect::<Vec<_>>().join("/")
}

fn control(control: Control) -> u8 {
    match control {
        Control::Input => 1,
        Control::SelectOne => 2,
        Control::SelectMulti => 3,
        Control::Secret => 5,
        Control::Upload => 7,
        Control::Trigger => 9,
        Control::UploadImage => 10,
        Control::UploadAudio => 12,
        Control::UploadVideo => 13,
        Control::UploadDocument => 14,
    }
}

/// The type a client handles an answer as.
pub(crate) fn data_type(prompt: &Prompt) -> &'static str {
    match (prompt.control, prompt.data_type) {
        (Control::Trigger, _) => "info",
        (Control::SelectOne, _) | (_, DataType::Choice) => "select",
        (Control::SelectMulti, _) | (_, DataType::Choices) => "multiselect",
        (_, DataType::Untyped | DataType::Text) => "str",
        (_, DataType::Int) => "int",
        (_, DataType::Long) => "longint",
        (_, DataType::Decimal) => "float",
        (_, DataType::Date) => "date",
        (_, DataType::DateTime) => "datetime",
        (_, DataType::Time) => "time",
        (_, DataType::Geopoint) => "geo",
        (_, DataType::Barcode) => "barcode",
        (_, DataType::Binary) => "binary",
        (_, DataType::Boolean | DataType::Unsupported) => "unrecognized",
    }
}

/// An answer as clients get it; `number` counts the choice of a value from 1.
pub(super) fn answer(kind: &str, text: Option<&str>, number: impl Fn(&str) -> Option<usize>) -> Json {
    let Some(text) = text else { return Json::Null };
    match kind {
        "select" => number(text).map_or(Json::Null, Json::from),
        "multiselect" => json!(text.split(' ').filter_map(number).collect::<Vec<_>>()),
        "int" | "longint" => text.parse::<i64>().map_or(Json::Null, Json::from),
        "float" => text.parse::<f64>().map_or(Json::Null, Json::from),
        "time" => text.get(..5).unwrap_or(text).into(),
        "datetime" => datetime(text).into(),
        "geo" => {
            let parts: Vec<f64> = text.split(' ').take(2).filter_map(|part| part.parse().ok()).collect();
            json!(parts)
        }
        "unrecognized" => Json::Null,
        _ => text.into(),
    }
}

/// An instant without fractions of seconds, with its offset in hours and minutes.
fn datetime(text: &str) -> String {
    let (clock, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let offset = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match offset {
        "Z" | "" => "+00:00".to_owned(),
        short if short.len() == 3 => format!("{short}:00"),
        other => other.to_owned(),
    };
    format!("{clock}{offset}")
}

/// The whole form, nested, as JSON.
pub(crate) fn full(session: &mut Session, lasting: &Lasting, host: &dyn FormHost) -> Result<String, Fault> {
    let mut out = String::with_capacity(lasting.length_of_last());
    out.push('[');
    // The groups around the position, innermost last.
    let mut open: Vec<FormIndex> = Vec::new();
    for index in session.positions(host)? {
        while let Some(outer) = open.last()
            && !index.is_within(outer)
        {
            open.pop();
            out.push_str("]}");
        }
        if !out.ends_with('[') {
            out.push(',');
        }
        if lasting.write(session, &index, host, &mut out)? {
            continue;
        }
        let shown = question(session, &index, host)?;
        let is_group = shown.kind == "sub-group";
        append(&mut out, &shown);
        if is_group {
            out.pop();
            out.push_str(",\"children\":[");
            open.push(index);
        }
    }
    open.iter().for_each(|_| out.push_str("]}"));
    out.push(']');
    lasting.note_length(out.len());
    Ok(out)
}

/// What is shown at a position where one question is shown at a time: the question, or those of its screen.
pub(crate) fn at(
    session: &mut Session,
    index: &FormIndex,
    host: &dyn FormHost,
) -> Result<Vec<Question>, Fault> {
    if *index == FormIndex::End {
        return Ok(Vec::new());
    }
    session.go_to(index, host)?;
    let shown = session.screen(host)?;
    shown.iter().map(|index| question(session, index, host)).collect()
}
