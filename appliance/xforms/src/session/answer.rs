//! Answering questions, and validating a whole form.

use bolster_xpath::{Datum, NodeId, NodeRef};

use super::Session;
use super::env::{At, Op};
use super::index::{FormIndex, Path};
use super::journal::Journal;
use super::walk::Kind;
use super::write::is_writable;
use crate::data::{self, DataType};
use crate::definition::{Control, Event};
use crate::error::{FormCode, FormError};
use crate::flags;
use crate::host::FormHost;

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is stored, and everything that depends on it is up to date.
    Accepted,
    /// The text does not fit the type of the question; nothing changed.
    BadInput(String),
    /// An answer is required; nothing changed.
    Required,
    /// The constraint does not hold; nothing changed.
    Constraint {
        /// The message, with the refused answer visible to it.
        message: Option<String>,
        /// The message as it reads without the refused answer.
        without_candidate: Option<String>,
    },
}

/// The outcome of validating a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Every question accepted its answer again; the end is the current position.
    Valid,
    /// The question at the current position refused its answer.
    Invalid(Answer),
}

impl Session {
    fn question_node(&self, index: &FormIndex) -> Result<Option<NodeId>, FormError> {
        let none = || FormError::new(FormCode::Index, format!("There is no question at {index}."));
        let levels = index.levels();
        if self.kind(levels) != Some(Kind::Question) {
            return Err(none());
        }
        match self.element_at(levels).map(|id| self.element(id).schema) {
            Some(None) => Ok(None),
            _ => self.node_of(levels).map(Some).ok_or_else(none),
        }
    }

    /// The type an answer at a position is cast to: the control's, then the node's.
    fn answer_type(&self, index: &FormIndex, node: NodeId) -> DataType {
        let control =
            self.element_at(index.levels()).and_then(|id| self.element(id).question()).map(|q| q.control);
        match control {
            Some(Control::SelectOne) => DataType::Choice,
            Some(Control::SelectMulti) => DataType::Choices,
            _ => self.def.schema[self.place(node) as usize].data_type,
        }
    }

    /// Answers the question at a position; nothing (or empty text) takes the answer away.
    ///
    /// Atomic: an error leaves the session as it was.
    pub fn answer(
        &mut self,
        index: &FormIndex,
        text: Option<&str>,
        host: &dyn FormHost,
    ) -> Result<Answer, FormError> {
        let Some(node) = self.question_node(index)? else { return Ok(Answer::Accepted) };
        let text = text.unwrap_or("");
        if !is_writable(text) {
            return Ok(Answer::BadInput("The answer contains characters that XML cannot hold.".into()));
        }
        match data::cast(text, self.answer_type(index, node), host) {
            Ok(value) => self.answer_value(&Op::new(host, self), index, node, value),
            Err(message) => Ok(Answer::BadInput(message)),
        }
    }

    fn answer_value(
        &mut self,
        op: &Op<'_>,
        index: &FormIndex,
        node: NodeId,
        value: Datum,
    ) -> Result<Answer, FormError> {
        let empty = value == Datum::Empty;
        if empty && self.tree.flags(node) & flags::REQUIRED != 0 {
            return Ok(Answer::Required);
        }
        if !empty && !self.satisfies(op, node, &value)? {
            let message = self.constraint_message(op, index, node, Some(&value))?;
            let without_candidate = self.constraint_message(op, index, node, None)?;
            return Ok(Answer::Constraint { message, without_candidate });
        }
        let mut journal = Journal::new();
        let result = self.commit(op, index, node, value, &mut journal);
        if let Err(error) = result {
            self.undo(journal);
            return Err(error);
        }
        Ok(Answer::Accepted)
    }

    fn commit(
        &mut self,
        op: &Op<'_>,
        index: &FormIndex,
        node: NodeId,
        value: Datum,
        journal: &mut Journal,
    ) -> Result<(), FormError> {
        if value != Datum::Empty || *self.tree.datum(node) != Datum::Empty {
            self.store(op, node, value, journal)?;
        }
        let def = self.def.clone();
        let question = self.element_at(index.levels()).and_then(|id| def.elements[id as usize].question());
        match question {
            Some(question) if !question.actions.is_empty() => {
                self.run_actions(op, &question.actions, node, journal)
            }
            _ => Ok(()),
        }
    }

    fn satisfies(&self, op: &Op<'_>, node: NodeId, value: &Datum) -> Result<bool, FormError> {
        let place = self.place(node);
        let Some(constraint) = &self.def.schema[place as usize].constraint else { return Ok(true) };
        let at = self.at_candidate(node, Some(value));
        let held = self.eval_at(op, &constraint.expr, at, |value, context| value.to_boolean(context));
        held.map_err(|error| {
            let mut out = FormError::of(&error, constraint.expr.text(), "");
            out.node = Some(self.def.path(place));
            out
        })
    }

    fn at_candidate<'v>(&'v self, node: NodeId, value: Option<&'v Datum>) -> At<'v> {
        let node = Some(NodeRef { instance: None, source: &self.tree, node });
        At { node, candidate: value.map(Datum::view), ..At::default() }
    }

    /// The message for a refused answer: the question's alert, else the bind's message, computed or literal.
    fn constraint_message(
        &self,
        op: &Op<'_>,
        index: &FormIndex,
        node: NodeId,
        value: Option<&Datum>,
    ) -> Result<Option<String>, FormError> {
        let question = self.element_at(index.levels()).and_then(|id| self.element(id).question());
        if let Some(question) = question
            && let Some(alert) = self.caption(op, &question.alert, Some(node), &[])?
        {
            return Ok(Some(alert));
        }
        let Some(constraint) = &self.def.schema[self.place(node) as usize].constraint else {
            return Ok(None);
        };
        let literal = constraint.message.as_deref().map(str::to_owned);
        let Some(computed) = &constraint.computed else { return Ok(literal) };
        let at = self.at_candidate(node, value);
        op.raw_texts.set(true);
        let text = self.eval_at(op, computed, at, |value, cx| Ok(value.to_text(cx)?.into_owned()));
        op.raw_texts.set(false);
        Ok(match text {
            Ok(text) if text.is_empty() => None,
            Ok(text) => Some(text),
            Err(_) => literal,
        })
    }

    /// Visits every question from the beginning and answers it with what it shows.
    pub fn validate(&mut self, host: &dyn FormHost) -> Result<Validation, FormError> {
        let op = Op::new(host, self);
        let mut index = FormIndex::Beginning;
        for _ in 0..self.def.limits.positions {
            index = self.adjacent(&op, &index, true, true)?;
            let FormIndex::At(Path(levels)) = &index else {
                self.current = FormIndex::End;
                return Ok(Validation::Valid);
            };
            if self.kind(levels) != Some(Kind::Question) {
                continue;
            }
            let Some(node) = self.question_node(&index)? else { continue };
            let value = self.shown_value(&op, levels, node)?;
            let answer = self.answer_value(&op, &index, node, value)?;
            if answer != Answer::Accepted {
                self.current = index;
                return Ok(Validation::Invalid(answer));
            }
        }
        let message =
            format!("The form has more than {} positions (limit: positions).", self.def.limits.positions);
        Err(FormError::new(FormCode::Limit, message))
    }

    /// Runs what belongs to the end of filling in; a form that was submitted before has had its end.
    pub fn finalize(&mut self, host: &dyn FormHost) -> Result<(), FormError> {
        if self.completed {
            return Ok(());
        }
        let op = Op::new(host, self);
        let mut journal = Journal::new();
        let result = self.run_event(&op, Event::Revalidate, &mut journal);
        if result.is_err() {
            self.undo(journal);
        }
        result
    }
}
