//! What a position shows.

use bolster_xpath::{DataSource, Datum, NodeId, NodeRef, Value};

use super::Session;
use super::env::{At, Op};
use super::index::{FormIndex, Level, Path};
use super::walk::Kind;
use crate::data::{self, DataType};
use crate::definition::{Control, ElementId, Question};
use crate::error::{FormCode, FormError};
use crate::flags;
use crate::host::FormHost;
use crate::text::{PLAIN, Piece, Template, Text, TextForm};

const LONG: TextForm = 1;
const SHORT: TextForm = 2;
const IMAGE: TextForm = 3;
const AUDIO: TextForm = 4;
const VIDEO: TextForm = 5;
const MARKDOWN: TextForm = 6;

/// The forms of a text besides the plain one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// A reference to a picture.
    pub image: Option<String>,
    /// A reference to a sound.
    pub audio: Option<String>,
    /// A reference to a film.
    pub video: Option<String>,
    /// The text with markup.
    pub markdown: Option<String>,
}

/// A choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// What is stored.
    pub value: String,
    /// What is shown; nothing if the language has no such text.
    pub label: Option<String>,
    /// A shorter label, if there is one.
    pub short: Option<String>,
    /// Other forms of the label.
    pub media: Media,
}

/// A question.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Where it is bound.
    pub reference: String,
    /// Its widget.
    pub control: Control,
    /// The type of its node.
    pub data_type: DataType,
    /// Whether the walk stops here.
    pub relevant: bool,
    /// Whether an answer is required.
    pub required: bool,
    /// Whether the answer cannot be changed.
    pub readonly: bool,
    /// The label.
    pub caption: Option<String>,
    /// A shorter label, if there is one.
    pub short: Option<String>,
    /// Other forms of the label.
    pub media: Media,
    /// More about the question.
    pub hint: Option<String>,
    /// Still more, on demand.
    pub help: Option<String>,
    /// Other forms of the help.
    pub help_media: Media,
    /// What front ends make of it.
    pub appearance: Option<String>,
    /// The largest width or height of a picture.
    pub max_dimension: Option<i32>,
    /// The choices of a select.
    pub choices: Vec<Choice>,
    /// The answer, as it is written.
    pub answer: Option<String>,
    /// The answer of a select by its labels.
    pub answer_text: Option<String>,
}

/// What changes of a question whose texts last, see [`Session::lasting_key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changing {
    /// Whether an answer is required.
    pub required: bool,
    /// The answer, as it is written.
    pub answer: Option<String>,
}

/// A group.
#[derive(Clone, Debug)]
pub struct GroupPrompt {
    /// Where it is bound.
    pub reference: String,
    /// Whether the walk stops here.
    pub relevant: bool,
    /// The label.
    pub caption: Option<String>,
    /// A shorter label, if there is one.
    pub short: Option<String>,
    /// Other forms of the label.
    pub media: Media,
    /// What front ends make of it.
    pub appearance: Option<String>,
    /// All its questions are shown on one screen.
    pub field_list: bool,
}

/// An entry of a repeat.
#[derive(Clone, Debug)]
pub struct RepeatPrompt {
    /// The group it is.
    pub group: GroupPrompt,
    /// How many entries there are.
    pub count: i32,
    /// The title of this entry.
    pub header: Option<String>,
    /// The number of entries comes from the form.
    pub counted: bool,
    /// What to call the deletion of an entry.
    pub delete_caption: String,
}

/// The slot of a new entry, or the position that stands for all entries.
#[derive(Clone, Debug)]
pub struct SlotPrompt {
    /// The group it is.
    pub group: GroupPrompt,
    /// How many entries there are.
    pub count: i32,
    /// The title of the slot, or of the whole repeat.
    pub header: Option<String>,
    /// What to call the making of an entry.
    pub add_caption: Option<String>,
    /// What to call going on without one.
    pub done_caption: String,
    /// What to call the deletion of an entry, if there is one.
    pub delete_caption: Option<String>,
    /// The question which entry to delete, if there is one.
    pub delete_header: Option<String>,
    /// The titles of the entries, where one position stands for all.
    pub entries: Vec<Option<String>>,
}

/// What a position is.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Position {
    Beginning,
    End,
    Question(Box<Prompt>),
    Group(Box<GroupPrompt>),
    Repeat(Box<RepeatPrompt>),
    NewRepeat(Box<SlotPrompt>),
    Juncture(Box<SlotPrompt>),
}

/// The title of a repeat in captions; one without a label reads as it does in the original.
fn shown_title(title: &Option<String>) -> &str {
    title.as_deref().unwrap_or("null")
}

type Variables<'v> = [(&'v str, Value<'v>)];

impl Session {
    /// Describes a position.
    pub fn describe(&self, index: &FormIndex, host: &dyn FormHost) -> Result<Position, FormError> {
        let levels = match index {
            FormIndex::Beginning => return Ok(Position::Beginning),
            FormIndex::End => return Ok(Position::End),
            FormIndex::At(Path(levels)) => levels,
        };
        let none = || FormError::new(FormCode::Index, format!("There is nothing at {index}."));
        let kind = self.kind(levels).ok_or_else(none)?;
        let id = self.element_at(levels).ok_or_else(none)?;
        let op = Op::new(host, self);
        Ok(match kind {
            Kind::Question => Position::Question(Box::new(self.question(&op, levels, id)?)),
            Kind::Group => Position::Group(Box::new(self.group(&op, levels, id)?)),
            Kind::Entry => Position::Repeat(Box::new(self.entry(&op, levels, id)?)),
            Kind::NewEntry => Position::NewRepeat(Box::new(self.slot(&op, levels, id, false)?)),
            Kind::Juncture => Position::Juncture(Box::new(self.slot(&op, levels, id, true)?)),
        })
    }

    /// Names the texts of the question at a position: its language and its element.
    ///
    /// A question of the same name in any session of this form differs by [`Self::changing`] only, if
    /// [`Self::lasts`]. `None` if there is no question here, or it has no node.
    pub fn lasting_key(&self, index: &FormIndex) -> Option<(usize, ElementId)> {
        let levels = index.levels();
        if self.kind(levels)? != Kind::Question {
            return None;
        }
        self.node_of(levels)?;
        Some((self.language, self.element_at(levels)?))
    }

    /// Whether the texts of an element have no placeholders and its choices come from the form.
    pub fn lasts(&self, id: ElementId) -> bool {
        let element = self.element(id);
        let Some(question) = element.question() else { return false };
        let choices = question.choices.iter().map(|choice| &choice.label);
        let mut texts = [&element.label, &question.hint, &question.help].into_iter().chain(choices);
        question.itemset.is_none() && texts.all(|text| self.is_literal(text))
    }

    fn is_literal(&self, text: &Text) -> bool {
        let forms = [PLAIN, LONG, SHORT, IMAGE, AUDIO, VIDEO, MARKDOWN];
        let mut templates = forms.iter().filter_map(|form| self.template(text, *form));
        templates.all(|template| template.pieces.iter().all(|piece| matches!(piece, Piece::Literal(_))))
    }

    /// What changes of a question that lasts; `None` if it has no node.
    pub fn changing(&self, index: &FormIndex, host: &dyn FormHost) -> Option<Changing> {
        let node = self.node_of(index.levels())?;
        let value = self.tree.datum(node);
        let answer = (*value != Datum::Empty).then(|| data::text(value, host));
        Some(Changing { required: self.tree.flags(node) & flags::REQUIRED != 0, answer })
    }

    /// The kind of a position and where it is bound.
    pub fn outline(&self, index: &FormIndex) -> Option<(&'static str, String)> {
        let kind = match self.kind(index.levels())? {
            Kind::Question => "question",
            Kind::Group => "group",
            Kind::Entry => "repeat",
            Kind::NewEntry => "new-repeat",
            Kind::Juncture => "repeat-juncture",
        };
        Some((kind, self.reference_of(index.levels())))
    }

    /// A text in one form, filled.
    fn form_of(
        &self,
        op: &Op<'_>,
        text: &Text,
        form: TextForm,
        node: Option<NodeId>,
        variables: &Variables<'_>,
    ) -> Result<Option<String>, FormError> {
        match self.template(text, form) {
            None => Ok(None),
            Some(template) => self.filled(op, template, node, variables).map(Some),
        }
    }

    fn filled(
        &self,
        op: &Op<'_>,
        template: &Template,
        node: Option<NodeId>,
        variables: &Variables<'_>,
    ) -> Result<String, FormError> {
        let here = node.map(|node| NodeRef { instance: None, source: &self.tree, node });
        let at = At { node: here, original: here, variables, ..At::default() };
        self.fill(op, template, at).map_err(|error| FormError::of(&error, "", ""))
    }

    /// The long form of a text, or the plain one.
    pub(crate) fn caption(
        &self,
        op: &Op<'_>,
        text: &Text,
        node: Option<NodeId>,
        variables: &Variables<'_>,
    ) -> Result<Option<String>, FormError> {
        match self.form_of(op, text, LONG, node, variables)? {
            Some(long) => Ok(Some(long)),
            None => self.form_of(op, text, PLAIN, node, variables),
        }
    }

    pub(crate) fn media(&self, op: &Op<'_>, text: &Text, node: Option<NodeId>) -> Result<Media, FormError> {
        if !matches!(text, Text::Itext(_)) {
            return Ok(Media::default());
        }
        Ok(Media {
            image: self.form_of(op, text, IMAGE, node, &[])?,
            audio: self.form_of(op, text, AUDIO, node, &[])?,
            video: self.form_of(op, text, VIDEO, node, &[])?,
            markdown: self.form_of(op, text, MARKDOWN, node, &[])?,
        })
    }

    /// The short form of a text, if it is another one than the caption.
    pub(crate) fn short(
        &self,
        op: &Op<'_>,
        text: &Text,
        node: Option<NodeId>,
        caption: &Option<String>,
    ) -> Result<Option<String>, FormError> {
        if !matches!(text, Text::Itext(_)) {
            return Ok(None);
        }
        Ok(self.form_of(op, text, SHORT, node, &[])?.filter(|short| Some(short) != caption.as_ref()))
    }

    fn question(&self, op: &Op<'_>, levels: &[Level], id: ElementId) -> Result<Prompt, FormError> {
        let element = self.element(id);
        let none = || FormError::new(FormCode::Index, "There is no question here.");
        let question = element.question().ok_or_else(none)?;
        let node = self.node_of(levels);
        let caption = self.caption(op, &element.label, node, &[])?;
        let short = self.short(op, &element.label, node, &caption)?;
        let bits = node.map_or(0, |node| self.tree.flags(node));
        let choices = match node {
            Some(node) if question.control.is_select() => self.choices(op, question, node)?,
            _ => Vec::new(),
        };
        let value = match node {
            Some(node) => self.shown(question, &choices, node),
            None => Datum::Empty,
        };
        let answer_text = match &value {
            _ if !question.control.is_select() => None,
            Datum::Choice(value) => self.choice_label(&choices, value),
            Datum::Choices(values) => {
                let labels = values.split(' ').map(|v| self.choice_label(&choices, v).unwrap_or_default());
                Some(labels.map(|label| label + " ").collect())
            }
            _ => None,
        };
        Ok(Prompt {
            reference: self.reference_of(levels),
            control: question.control,
            data_type: element.schema.map_or(DataType::Untyped, |p| self.def.schema[p as usize].data_type),
            relevant: node.is_none_or(|node| self.tree.relevant(node)),
            required: bits & flags::REQUIRED != 0,
            readonly: bits & flags::LOCKED != 0,
            short,
            media: self.media(op, &element.label, node)?,
            caption,
            hint: self.caption(op, &question.hint, node, &[])?,
            help: self.caption(op, &question.help, node, &[])?,
            help_media: self.media(op, &question.help, node)?,
            appearance: element.appearance.as_deref().map(str::to_owned),
            max_dimension: question.max_dimension,
            answer: (value != Datum::Empty).then(|| data::text(&value, op.host)),
            answer_text,
            choices,
        })
    }

    fn choice_label(&self, choices: &[Choice], value: &str) -> Option<String> {
        choices.iter().find(|choice| choice.value == value).and_then(|choice| choice.label.clone())
    }

    /// What a question shows as its answer: choices from nodes count only while they are offered.
    fn shown(&self, question: &Question, choices: &[Choice], node: NodeId) -> Datum {
        let value = self.tree.datum(node);
        let Some(itemset) = &question.itemset else { return value.clone() };
        if itemset.value.is_none() {
            return Datum::Empty;
        }
        let offered = |v: &str| choices.iter().any(|choice| choice.value == v);
        let kept: Vec<&str> = match value {
            Datum::Choices(values) => values.split(' ').filter(|v| offered(v)).collect(),
            Datum::Choice(one) => [&**one].into_iter().filter(|v| offered(v)).collect(),
            _ => Vec::new(),
        };
        match (kept.first(), question.control) {
            (None, _) => Datum::Empty,
            (Some(_), Control::SelectMulti) => Datum::Choices(kept.join(" ").into()),
            (Some(first), _) => Datum::Choice((*first).into()),
        }
    }

    /// The value that validation answers with.
    pub(crate) fn shown_value(
        &self,
        op: &Op<'_>,
        levels: &[Level],
        node: NodeId,
    ) -> Result<Datum, FormError> {
        let question = self.element_at(levels).and_then(|id| self.element(id).question());
        let Some(question) = question.filter(|question| question.itemset.is_some()) else {
            return Ok(self.tree.datum(node).clone());
        };
        if *self.tree.datum(node) == Datum::Empty {
            return Ok(Datum::Empty);
        }
        let choices = self.choices(op, question, node)?;
        Ok(self.shown(question, &choices, node))
    }

    fn group(&self, op: &Op<'_>, levels: &[Level], id: ElementId) -> Result<GroupPrompt, FormError> {
        let element = self.element(id);
        let node = self.context_node(levels);
        let caption = self.caption(op, &element.label, node, &[])?;
        Ok(GroupPrompt {
            reference: self.reference_of(levels),
            relevant: self.node_of(levels).is_none_or(|node| self.tree.relevant(node)),
            short: self.short(op, &element.label, node, &caption)?,
            caption,
            media: self.media(op, &element.label, node)?,
            appearance: element.appearance.as_deref().map(str::to_owned),
            field_list: self.is_field_list(levels),
        })
    }

    /// The node texts of a position belong to: its own, or the one that holds the entries of its repeat.
    fn context_node(&self, levels: &[Level]) -> Option<NodeId> {
        self.node_of(levels).or_else(|| {
            let place = self.element(self.element_at(levels)?).schema?;
            let parent = self.def.schema[place as usize].parent?;
            self.node_at(parent, &self.entries_at(levels))
        })
    }

    fn entry(&self, op: &Op<'_>, levels: &[Level], id: ElementId) -> Result<RepeatPrompt, FormError> {
        let group = self.group(op, levels, id)?;
        let count = self.entry_count(levels);
        let Some(repeat) = self.element(id).repeat() else {
            return Err(FormError::new(FormCode::Index, "There is no repeat here."));
        };
        let (captions, counted) = (&repeat.captions, repeat.count.is_some());
        let title = group.caption.clone();
        let header = self.entry_title(op, levels, &captions.entry_header, &title, count)?;
        let delete = self.repeat_text(op, levels, &captions.delete, &title, count)?;
        let delete_caption = delete.unwrap_or_else(|| format!("Delete {}", shown_title(&title)));
        Ok(RepeatPrompt { group, count, header, counted, delete_caption })
    }

    /// The title of one entry: `<title> i/n`, unless the form has another one.
    fn entry_title(
        &self,
        op: &Op<'_>,
        levels: &[Level],
        text: &Text,
        title: &Option<String>,
        count: i32,
    ) -> Result<Option<String>, FormError> {
        let number = levels.last().map_or(0, |level| level.entry.saturating_add(1));
        let name = title.as_deref().unwrap_or("");
        let variables = [
            ("name", Value::text(name)),
            ("i", Value::Number(f64::from(number))),
            ("n", Value::Number(f64::from(count))),
            ("new", Value::Boolean(number > count)),
        ];
        let own = self.caption_of(op, text, levels, &variables)?;
        Ok(Some(own.unwrap_or_else(|| match title {
            Some(title) => format!("{title} {number}/{count}"),
            None => format!("{number}/{count}"),
        })))
    }

    fn caption_of(
        &self,
        op: &Op<'_>,
        text: &Text,
        levels: &[Level],
        variables: &Variables<'_>,
    ) -> Result<Option<String>, FormError> {
        self.form_of(op, text, PLAIN, self.context_node(levels), variables)
    }

    fn repeat_text(
        &self,
        op: &Op<'_>,
        levels: &[Level],
        text: &Text,
        title: &Option<String>,
        count: i32,
    ) -> Result<Option<String>, FormError> {
        let name = title.as_deref().unwrap_or("");
        let variables = [("name", Value::text(name)), ("n", Value::Number(f64::from(count)))];
        self.caption_of(op, text, levels, &variables)
    }

    fn slot(
        &self,
        op: &Op<'_>,
        levels: &[Level],
        id: ElementId,
        juncture: bool,
    ) -> Result<SlotPrompt, FormError> {
        let group = self.group(op, levels, id)?;
        let count = self.entry_count(levels);
        let Some(repeat) = self.element(id).repeat() else {
            return Err(FormError::new(FormCode::Index, "There is no repeat here."));
        };
        let captions = &repeat.captions;
        let title = group.caption.clone();
        let text = |text: &Text| self.repeat_text(op, levels, text, &title, count);
        let (add, done) = if count > 0 {
            let add = text(&captions.add)?.unwrap_or_else(|| format!("Add another {}", shown_title(&title)));
            (add, text(&captions.done)?.unwrap_or_else(|| "Done".into()))
        } else {
            let own = match text(&captions.add_empty)? {
                None => text(&captions.add)?,
                own => own,
            };
            let done = match text(&captions.done_empty)? {
                None => text(&captions.done)?,
                own => own,
            };
            let add = own.unwrap_or_else(|| format!("Add a new {}", shown_title(&title)));
            (add, done.unwrap_or_else(|| "Skip".into()))
        };
        let header = if juncture {
            text(&captions.main_header)?.or_else(|| title.clone())
        } else {
            self.entry_title(op, levels, &captions.entry_header, &title, count)?
        };
        let (mut delete_caption, mut delete_header, mut entries) = (None, None, Vec::new());
        if juncture && count > 0 {
            let shown = shown_title(&title);
            delete_caption = Some(text(&captions.delete)?.unwrap_or_else(|| format!("Delete {shown}")));
            delete_header =
                Some(text(&captions.delete_header)?.unwrap_or_else(|| format!("Delete which {shown}?")));
            let choose = if captions.choose.is_none() { &captions.entry_header } else { &captions.choose };
            for number in 0..count {
                let mut own: super::index::Levels = levels.into();
                if let Some(level) = own.last_mut() {
                    level.entry = number;
                }
                entries.push(self.entry_title(op, &own, choose, &title, count)?);
            }
        }
        Ok(SlotPrompt {
            group,
            count,
            header,
            add_caption: Some(add).filter(|_| !juncture || !repeat.fixed),
            done_caption: done,
            delete_caption,
            delete_header,
            entries,
        })
    }
}
