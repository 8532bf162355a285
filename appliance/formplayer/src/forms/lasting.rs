//! What lasts of the questions of a form, as JSON: their texts and choices, whoever fills them in.
//!
//! Most questions have fixed texts. Their JSON is made once for a form and a language; what changes is put behind it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use bolster_xforms::{ElementId, FormDefinition, FormHost, FormIndex, Position, Session};

use super::tree;
use crate::fault::Fault;
use crate::lock;
use crate::reply::{append, text};

/// Forms whose questions are kept.
const FORMS_MAX: usize = 1_000;
/// Bytes that are kept of one form.
const BYTES_MAX: usize = 4 << 20;

/// One question.
struct Question {
    /// Its object without the closing brace.
    json: String,
    data_type: &'static str,
    /// The values of its choices.
    values: Vec<String>,
}

#[derive(Default)]
struct Known {
    /// By language and element; nothing for a question that does not last.
    questions: HashMap<(usize, ElementId), Option<Question>>,
    bytes: usize,
}

/// The questions of one form.
#[derive(Default)]
pub(crate) struct Lasting {
    known: RwLock<Known>,
    /// How long the last whole form was.
    length: AtomicUsize,
}

impl Lasting {
    /// How long the whole form was when it was written last.
    pub fn length_of_last(&self) -> usize {
        self.length.load(Ordering::Relaxed) + 1_024
    }

    /// Notes how long it was now.
    pub fn note_length(&self, length: usize) {
        self.length.store(length, Ordering::Relaxed);
    }

    /// Writes the question at a position, if it is one that lasts.
    pub fn write(
        &self,
        session: &Session,
        index: &FormIndex,
        host: &dyn FormHost,
        out: &mut String,
    ) -> Result<bool, Fault> {
        let Some(key) = session.lasting_key(index) else { return Ok(false) };
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            match known.questions.get(&key) {
                Some(Some(question)) => return Ok(question.write(session, index, host, out)),
                Some(None) => return Ok(false),
                None => {}
            }
        }
        let question = match session.lasts(key.1) {
            true => Question::of(session, index, host)?,
            false => None,
        };
        let written = question.as_ref().is_some_and(|question| question.write(session, index, host, out));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.bytes += question.as_ref().map_or(0, |question| question.json.len());
        if known.bytes <= BYTES_MAX {
            known.questions.insert(key, question);
        }
        Ok(written)
    }
}

impl Question {
    fn of(session: &Session, index: &FormIndex, host: &dyn FormHost) -> Result<Option<Self>, Fault> {
        let Position::Question(prompt) = session.describe(index, host)? else { return Ok(None) };
        let data_type = tree::data_type(&prompt);
        let values = prompt.choices.iter().map(|choice| choice.value.clone()).collect();
        let mut json = text(&tree::of_prompt(index, *prompt)?.lasting());
        json.pop();
        Ok(Some(Self { json, data_type, values }))
    }

    fn write(&self, session: &Session, index: &FormIndex, host: &dyn FormHost, out: &mut String) -> bool {
        let Some(changing) = session.changing(index, host) else { return false };
        out.push_str(&self.json);
        out.push_str(",\"ix\":\"");
        out.push_str(&index.to_string());
        out.push_str(if changing.required { "\",\"required\":1" } else { "\",\"required\":0" });
        out.push_str(",\"answer\":");
        match changing.answer {
            None => out.push_str("null"),
            Some(answer) => {
                let number = |value: &str| self.values.iter().position(|v| v == value).map(|at| at + 1);
                append(out, &tree::answer(self.data_type, Some(&answer), number));
            }
        }
        out.push('}');
        true
    }
}

/// The questions of all forms in use.
#[derive(Default)]
pub(crate) struct LastingForms(Mutex<ByForm>);

/// By the address of the form, which stays taken while the weak reference is there.
type ByForm = HashMap<usize, (Weak<FormDefinition>, Arc<Lasting>)>;

impl LastingForms {
    /// Those of a form.
    pub fn of(&self, definition: &Arc<FormDefinition>) -> Arc<Lasting> {
        let mut forms = lock(&self.0);
        let at = Arc::as_ptr(definition) as usize;
        if let Some((known, lasting)) = forms.get(&at)
            && known.strong_count() > 0
        {
            return lasting.clone();
        }
        if forms.len() >= FORMS_MAX {
            forms.retain(|_, (known, _)| known.strong_count() > 0);
            if forms.len() >= FORMS_MAX {
                forms.clear();
            }
        }
        let lasting = Arc::<Lasting>::default();
        forms.insert(at, (Arc::downgrade(definition), lasting.clone()));
        lasting
    }
}
