//! The immutable definition of a form, shared by all its sessions.

use std::sync::Arc;

use bolster_xpath::{Expr, Name, Names, NodeId, PathLevel, PathRef, Tree};
use smallvec::SmallVec;

use crate::data::DataType;
use crate::error::Diagnostic;
use crate::limits::FormLimits;
use crate::text::{Itext, Text};

/// A place in the structure of the main instance: a path without positions.
pub type SchemaId = u32;
/// A group, repeat or question.
pub type ElementId = u32;
pub(crate) type ItemId = u32;
pub(crate) type ActionId = u32;

/// Which item runs when a place changes, and how far its context is tied to that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trigger {
    pub item: ItemId,
    /// How many leading multiple levels of the changed place are the item's own.
    pub tied: u8,
}

/// A constraint with its message.
#[derive(Debug)]
pub(crate) struct Constraint {
    pub expr: Arc<Expr>,
    pub message: Option<Box<str>>,
    /// The message as an expression, if it is one.
    pub computed: Option<Expr>,
}

/// One place of the structure.
#[derive(Debug)]
pub(crate) struct Schema {
    pub name: Name,
    pub parent: Option<SchemaId>,
    pub children: Vec<SchemaId>,
    pub attribute: bool,
    /// The namespace, if it is not the root's.
    pub namespace: Option<Arc<str>>,
    pub data_type: DataType,
    pub constraint: Option<Constraint>,
    pub repeat: bool,
    /// Several nodes may be here, below one parent.
    pub multiple: bool,
    /// The places at and above this one that are multiple, outermost first.
    pub multiples: SmallVec<[SchemaId; 2]>,
    /// The only node there ever is.
    pub fixed: Option<NodeId>,
    pub triggers: Vec<Trigger>,
    /// The first question bound here.
    pub question: Option<ElementId>,
}

/// What an item sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    Relevant,
    Required,
    Readonly,
    Calculate,
}

impl ItemKind {
    pub fn as_str(self) -> &'static str {
        match self {
            ItemKind::Relevant => "relevant",
            ItemKind::Required => "required",
            ItemKind::Readonly => "readonly",
            ItemKind::Calculate => "calculate",
        }
    }

    /// Whether others may depend on what it sets.
    pub fn cascades(self) -> bool {
        matches!(self, ItemKind::Relevant | ItemKind::Calculate)
    }
}

/// An expression that keeps one place up to date.
#[derive(Debug)]
pub(crate) struct Item {
    pub kind: ItemKind,
    pub expr: Arc<Expr>,
    pub target: SchemaId,
    /// It must run whenever it is triggered, even if nothing it reads has changed: its result differs from run to
    /// run, or something else may have overwritten it, or this holds for one that it triggers.
    pub always: bool,
    /// Its dense number among the items below multiple places.
    pub scoped: Option<u32>,
    /// What may have to run after it.
    pub then: Box<[Trigger]>,
}

/// The texts around the entries of a repeat.
#[derive(Debug, Default)]
pub(crate) struct Captions {
    pub main_header: Text,
    pub entry_header: Text,
    pub choose: Text,
    pub add: Text,
    pub add_empty: Text,
    pub delete: Text,
    pub delete_header: Text,
    pub done: Text,
    pub done_empty: Text,
}

/// A repeat.
#[derive(Debug)]
pub(crate) struct Repeat {
    /// The node that says how many entries there are; the place is absent if the path does not exist.
    pub count: Option<(Box<str>, Option<SchemaId>)>,
    /// Users neither add nor remove entries.
    pub fixed: bool,
    pub captions: Captions,
}

/// The widget of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Typed text.
    Input,
    /// Typed text, masked.
    Secret,
    /// Something to confirm, or only to read.
    Trigger,
    /// One of several choices.
    SelectOne,
    /// Any of several choices.
    SelectMulti,
    /// A file of any kind.
    Upload,
    /// A picture.
    UploadImage,
    /// A sound.
    UploadAudio,
    /// A film.
    UploadVideo,
    /// A document.
    UploadDocument,
}

impl Control {
    /// The name front ends see.
    pub fn as_str(self) -> &'static str {
        match self {
            Control::Input => "input",
            Control::Secret => "secret",
            Control::Trigger => "trigger",
            Control::SelectOne => "select1",
            Control::SelectMulti => "select",
            Control::Upload => "upload",
            Control::UploadImage => "upload-image",
            Control::UploadAudio => "upload-audio",
            Control::UploadVideo => "upload-video",
            Control::UploadDocument => "upload-document",
        }
    }

    /// Whether it offers choices.
    pub fn is_select(self) -> bool {
        matches!(self, Control::SelectOne | Control::SelectMulti)
    }
}

/// A choice written in the form.
#[derive(Debug)]
pub(crate) struct StaticChoice {
    pub value: Arc<str>,
    pub label: Text,
}

/// Choices that come from nodes.
#[derive(Debug)]
pub(crate) struct Itemset {
    pub nodeset: Expr,
    pub label: Expr,
    /// The label is the id of a text.
    pub label_is_itext: bool,
    pub value: Option<Expr>,
    pub sort: Option<Expr>,
}

/// A question.
#[derive(Debug)]
pub(crate) struct Question {
    pub control: Control,
    pub hint: Text,
    pub help: Text,
    pub alert: Text,
    pub choices: Vec<StaticChoice>,
    pub itemset: Option<Box<Itemset>>,
    pub max_dimension: Option<i32>,
    pub actions: Vec<ActionId>,
}

/// What an element of the body is.
#[derive(Debug)]
pub(crate) enum ElementKind {
    Group,
    Repeat(Box<Repeat>),
    Question(Box<Question>),
}

/// A group, repeat or question of the body.
#[derive(Debug)]
pub(crate) struct Element {
    pub kind: ElementKind,
    /// Where it is bound; nothing for a trigger that is only text.
    pub schema: Option<SchemaId>,
    pub label: Text,
    pub appearance: Option<Box<str>>,
    pub children: Vec<ElementId>,
}

impl Element {
    pub fn repeat(&self) -> Option<&Repeat> {
        match &self.kind {
            ElementKind::Repeat(repeat) => Some(repeat),
            _ => None,
        }
    }

    pub fn question(&self) -> Option<&Question> {
        match &self.kind {
            ElementKind::Question(question) => Some(question),
            _ => None,
        }
    }
}

/// Where the data of a further instance comes from.
#[derive(Debug)]
pub(crate) enum InstanceSource {
    Inline(Arc<Tree>),
    External(Box<str>),
}

#[derive(Debug)]
pub(crate) struct Instance {
    pub id: Box<str>,
    pub source: InstanceSource,
}

#[derive(Debug)]
pub(crate) enum ActionKind {
    /// Stores the result of an expression.
    Compute(Expr),
    /// Stores a text.
    Literal(Box<str>),
    /// Asks the host to fetch something and stores what comes back.
    Send { resource: Box<str>, parameters: Option<SchemaId> },
}

/// What happens on an event.
#[derive(Debug)]
pub(crate) struct Action {
    pub kind: ActionKind,
    pub target: SchemaId,
    /// The path of the target, if it has predicates.
    pub path: Option<Expr>,
    /// The path as written, for messages.
    pub written: Box<str>,
}

/// When actions of the model run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Ready,
    Insert,
    Revalidate,
}

/// A form, parsed once and shared by everybody who fills it in. Nothing in it ever changes.
#[derive(Debug)]
pub struct FormDefinition {
    pub(crate) names: Names,
    pub(crate) title: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) xmlns: Option<String>,
    pub(crate) root_namespace: Option<Arc<str>>,
    pub(crate) prefixes: Vec<(Box<str>, Box<str>)>,
    /// The main instance as every new session begins with it.
    pub(crate) tree: Tree,
    /// The place of every node of `tree`.
    pub(crate) places: Vec<SchemaId>,
    pub(crate) schema: Vec<Schema>,
    pub(crate) elements: Vec<Element>,
    pub(crate) top: Vec<ElementId>,
    /// In the order in which they run.
    pub(crate) items: Vec<Item>,
    /// How many items have a `scoped` number.
    pub(crate) scoped: u32,
    pub(crate) itext: Itext,
    pub(crate) instances: Vec<Instance>,
    pub(crate) actions: Vec<Action>,
    pub(crate) on_ready: Vec<ActionId>,
    pub(crate) on_insert: Vec<ActionId>,
    pub(crate) on_revalidate: Vec<ActionId>,
    /// Some repeat has its count in the form.
    pub(crate) counted: bool,
    pub(crate) warnings: Vec<Diagnostic>,
    /// The place of attributes that saved forms brought along.
    pub(crate) stray: SchemaId,
    /// Saved forms add no names beyond this many.
    pub(crate) names_max: usize,
    pub(crate) limits: FormLimits,
}

impl FormDefinition {
    /// The title of the form.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The name of the form: `meta/@name`, else the title.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The namespace that identifies the form.
    pub fn xmlns(&self) -> Option<&str> {
        self.xmlns.as_deref()
    }

    /// The languages, in the order of the form.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.itext.languages()
    }

    /// What its author should look at.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The table its names are interned in; a source that shares it is read faster.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The ids and sources of the instances the host has to supply.
    pub fn external_instances(&self) -> impl Iterator<Item = (&str, &str)> {
        self.instances.iter().filter_map(|instance| match &instance.source {
            InstanceSource::External(source) => Some((&*instance.id, &**source)),
            InstanceSource::Inline(_) => None,
        })
    }

    /// How many questions there are.
    pub fn question_count(&self) -> usize {
        self.elements.iter().filter(|e| e.question().is_some()).count()
    }

    /// How many expressions keep the form up to date.
    pub fn item_count(&self) -> usize {
        self.items.len()
    }

    /// The path of a place, without positions.
    pub(crate) fn path(&self, place: SchemaId) -> String {
        schema_path(&self.schema, &self.names, place)
    }

    pub(crate) fn actions_on(&self, event: Event) -> &[ActionId] {
        match event {
            Event::Ready => &self.on_ready,
            Event::Insert => &self.on_insert,
            Event::Revalidate => &self.on_revalidate,
        }
    }

    /// The place called `name` below `parent`.
    pub(crate) fn child(&self, parent: SchemaId, name: Name, attribute: bool) -> Option<SchemaId> {
        child_of(&self.schema, parent, name, attribute)
    }
}

/// The places from the outermost down to `place`.
pub(crate) fn lineage(schema: &[Schema], place: SchemaId) -> SmallVec<[SchemaId; 8]> {
    let mut out = SmallVec::new();
    let mut at = Some(place);
    while let Some(place) = at {
        out.push(place);
        at = schema[place as usize].parent;
    }
    out.reverse();
    out
}

pub(crate) fn schema_path(schema: &[Schema], names: &Names, place: SchemaId) -> String {
    let mut out = String::new();
    for place in lineage(schema, place) {
        let level = &schema[place as usize];
        out.push('/');
        if level.attribute {
            out.push('@');
        }
        out.push_str(&names.text(level.name));
    }
    out
}

pub(crate) fn path_ref(schema: &[Schema], place: SchemaId) -> PathRef {
    let levels = lineage(schema, place)
        .iter()
        .map(|place| &schema[*place as usize])
        .map(|level| PathLevel { name: Some(level.name), attribute: level.attribute })
        .collect();
    PathRef { instance: None, levels }
}

pub(crate) fn child_of(schema: &[Schema], parent: SchemaId, name: Name, attribute: bool) -> Option<SchemaId> {
    schema[parent as usize].children.iter().copied().find(|child| {
        let child = &schema[*child as usize];
        child.name == name && child.attribute == attribute
    })
}
