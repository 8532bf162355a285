//! Answering questions.

use bolster_xforms::{Answer, FormIndex, Position};
use serde_json::{Map, Value as Json, json};

use super::{FormWorld, OpenForm, open, steps, tree};
use crate::Formplayer;
use crate::dispatch::Call;
use crate::fault::{Fault, describe};
use crate::host::Upload;
use crate::reply::{Body, Output, Reply, text};
use crate::request::Request;
use crate::world::RequestWorld;

/// Bytes of a file must stay below this.
const FILE_MAX: u64 = 4 * 1024 * 1024 - 1024;
const EXTENSIONS: [&str; 30] = [
    "jpg", "jpeg", "png", "pdf", "docx", "xlsx", "txt", "html", "rtf", "msg", "3gpp", "3gp", "3ga", "3g2",
    "mp3", "wav", "amr", "mp4", "3gp2", "mpg4", "mpeg4", "m4v", "mpg", "mpeg", "qcp", "ogg", "doc", "xls",
    "gif", "aac",
];
const TYPES: [&str; 5] = ["image/", "audio/", "video/", "text/", "application/msg"];

/// What became of an answer, as clients read it.
pub(super) struct Outcome {
    pub status: &'static str,
    pub kind: Option<&'static str>,
    pub reason: Option<String>,
}

impl Outcome {
    fn accepted() -> Self {
        Outcome { status: "accepted", kind: None, reason: None }
    }

    fn bad(reason: String) -> Self {
        Outcome { status: "error", kind: Some("illegal-argument"), reason: Some(reason) }
    }

    pub fn is_accepted(&self) -> bool {
        self.status == "accepted"
    }

    /// The outcome as one of several errors.
    pub fn error(&self) -> Json {
        json!({"status": self.status, "type": self.kind})
    }
}

/// An answer as text, whatever it was sent as.
pub(super) fn as_text(answer: &Json) -> Option<String> {
    match answer {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        Json::Array(values) => {
            let parts: Vec<String> = values.iter().filter_map(as_text).collect();
            Some(format!("[{}]", parts.join(", ")))
        }
        other => Some(other.to_string()),
    }
}

/// The value of the n-th choice, counted from 1.
fn choice(prompt: &bolster_xforms::Prompt, text: &str) -> Result<Result<String, Outcome>, Fault> {
    let Ok(number) = text.trim().parse::<i64>() else {
        return Ok(Err(Outcome::bad(format!("For input string: \"{text}\""))));
    };
    let at = usize::try_from(number - 1).ok();
    match at.and_then(|at| prompt.choices.get(at)) {
        Some(choice) => Ok(Ok(choice.value.clone())),
        None => Err(Fault::Other(format!("Index {number} out of range for question {}", prompt.reference))),
    }
}

/// Answers the question at a position with what a client sent.
pub(super) fn answer(
    form: &mut OpenForm,
    host: &FormWorld<'_>,
    index: &FormIndex,
    sent: Option<&str>,
    skip_unchanged: bool,
) -> Result<Outcome, Fault> {
    let Position::Question(prompt) = form.session.describe(index, host)? else {
        return Err(Fault::Other(format!("There is no question at {index}.")));
    };
    let value = match (tree::data_type(&prompt), sent) {
        (_, None) => None,
        ("select", Some(text)) => match choice(&prompt, text)? {
            Ok(value) => Some(value),
            Err(outcome) => return Ok(outcome),
        },
        ("multiselect", Some(text)) => {
            let inner = text.trim();
            let inner = inner.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(inner);
            let mut values = Vec::new();
            for part in inner.split(' ') {
                match choice(&prompt, &part.replace(',', ""))? {
                    Ok(value) => values.push(value),
                    Err(outcome) => return Ok(outcome),
                }
            }
            Some(values.join(" "))
        }
        ("geo", Some(text)) => {
            let plain = text.replace(',', " ").replace(['[', ']'], "");
            Some(plain.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        (_, Some("")) => None,
        (_, Some(text)) => Some(text.to_owned()),
    };
    if skip_unchanged && value.is_some() && value == prompt.answer {
        return Ok(Outcome::accepted());
    }
    Ok(match form.session.answer(index, value.as_deref(), host)? {
        Answer::Accepted => Outcome::accepted(),
        Answer::BadInput(reason) => Outcome::bad(reason),
        Answer::Required => Outcome { status: "validation-error", kind: Some("required"), reason: None },
        Answer::Constraint { without_candidate, .. } => {
            Outcome { status: "validation-error", kind: Some("constraint"), reason: without_candidate }
        }
    })
}

/// Answers several questions; gives what was refused, by position.
pub(super) fn answer_all(
    form: &mut OpenForm,
    world: &RequestWorld<'_>,
    answers: &Json,
) -> Result<Map<String, Json>, Fault> {
    let record = form.record.clone();
    let app = form.app.clone();
    let host = FormWorld::new(world, &record, app.as_deref());
    let skip = form.session.itext("Pragma-Skip-Full-Form-Validation", &host)?.is_some();
    let mut errors = Map::new();
    for (key, sent) in answers.as_object().into_iter().flatten() {
        let Some(index) = tree::parse_index(key) else {
            return Err(Fault::Other(format!("There is no position {key}.")));
        };
        if !matches!(form.session.describe(&index, &host)?, Position::Question(_)) {
            continue;
        }
        let outcome = answer(form, &host, &index, as_text(sent).as_deref(), skip)?;
        if !outcome.is_accepted() {
            errors.insert(key.clone(), outcome.error());
        }
    }
    Ok(errors)
}

impl Formplayer {
    /// Answers one question, or takes its answer away.
    pub(crate) fn answer_question(
        &self,
        call: &Call<'_>,
        request: &Request,
        clear: bool,
    ) -> Result<Reply, Fault> {
        self.answered(call, request, clear, None)
    }

    pub(crate) fn answer_media(
        &self,
        call: &Call<'_>,
        request: &Request,
        upload: &mut Upload<'_>,
    ) -> Result<Reply, Fault> {
        self.answered(call, request, false, Some(upload))
    }

    fn answered(
        &self,
        call: &Call<'_>,
        request: &Request,
        clear: bool,
        upload: Option<&mut Upload<'_>>,
    ) -> Result<Reply, Fault> {
        let (mut body, id) = self.with_form(call, request, true, |form, world| {
            let record = form.record.clone();
            let app = form.app.clone();
            let host = FormWorld::new(world, &record, app.as_deref());
            let wanted = request.text("ix").unwrap_or_else(|| record.index.clone());
            let index = tree::parse_index(&wanted)
                .ok_or_else(|| Fault::Other(format!("There is no position {wanted}.")))?;
            let mut sent = as_text(request.get("answer"));
            let before = match form.session.describe(&index, &host)? {
                Position::Question(prompt) if tree::data_type(&prompt) == "binary" => prompt.answer,
                Position::Question(prompt) if clear && prompt.answer.is_some() => {
                    return Err(Fault::Other(
                        "Only uploaded files are cleared like this; send an empty answer instead.".into(),
                    ));
                }
                Position::Question(_) => None,
                _ => return Err(Fault::Other(format!("There is no question at {wanted}."))),
            };
            if let Some(upload) = upload {
                sent = Some(keep(call, &record.id, upload, app.as_deref(), &record.menu_language)?);
            }
            if clear {
                sent = None;
            }
            let outcome = answer(form, &host, &index, sent.as_deref(), false)?;
            if outcome.is_accepted()
                && before != sent
                && let Some(old) = &before
            {
                call.host.drop_file(&record.id, Some(old));
            }
            let mut body = Body::base();
            if outcome.is_accepted() {
                if record.prompts {
                    body = steps::next_event(form, world)?;
                } else if record.one_question {
                    let at = tree::parse_index(&record.index).unwrap_or(FormIndex::Beginning);
                    body.write("tree", text(&tree::at(&mut form.session, &at, &host)?));
                } else {
                    body.write("tree", tree::full(&mut form.session, &form.lasting, &host)?);
                }
            }
            let errors = answer_all(form, world, request.get("answersToValidate"))?;
            body.set("errors", errors);
            body.set("title", record.title.as_str());
            body.set("status", outcome.status);
            body.set("type", outcome.kind);
            body.set("reason", outcome.reason);
            body.set("translations", open::translations(&record.menu_language, app.as_deref()));
            let draft = form.session.draft(&host)?;
            body.write("instanceXml", text(&Output { output: &draft }));
            form.draft = Some(draft);
            body.set("seq_id", record.version + 1);
            Ok((body, record.id))
        })?;
        let _ = id;
        body.set("session_id", Json::Null);
        Ok(Reply::ok(&body))
    }
}

/// Keeps a file and gives its name, if it is one that may be kept.
fn keep(
    call: &Call<'_>,
    session: &str,
    upload: &mut Upload<'_>,
    app: Option<&bolster_runtime::App>,
    language: &str,
) -> Result<String, Fault> {
    let refuse = |key: &str, otherwise: &str| {
        let known = app.and_then(|app| app.locales.get(language, key));
        Fault::Other(known.unwrap_or(otherwise).replace("${0}", upload.name))
    };
    let name = upload.name.to_ascii_lowercase();
    let known = EXTENSIONS[..26].iter().any(|extension| name.ends_with(extension));
    if !known && !TYPES.iter().any(|kind| upload.content_type.starts_with(kind)) {
        return Err(refuse(
            "form.attachment.invalid.error",
            "Invalid file ${0} attached with this form. Please select a valid multimedia file.",
        ));
    }
    if upload.size > FILE_MAX {
        return Err(refuse(
            "form.attachment.oversize.error",
            "File ${0} is more than the maximum limit of 3 MB.",
        ));
    }
    let id = match upload.name.rsplit_once('.') {
        Some((_, extension)) => format!("{}.{extension}", call.host.uuid()),
        None => call.host.uuid(),
    };
    call.host.keep_file(session, &id, upload).map_err(|failure| Fault::Other(describe(&failure)))?;
    Ok(id)
}
