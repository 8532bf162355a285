//! What a suite declares: menus, entries, data they need, searches, stack operations, endpoints.

use std::sync::Arc;

use bolster_xpath::Expr;

use crate::detail::Detail;
use crate::text::{Display, Text};

/// The id of the menu everything hangs from.
pub const ROOT: &str = "root";

/// An instance that expressions may use: its id and source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRef {
    /// What `instance('…')` names.
    pub id: Arc<str>,
    /// Where its data is: `jr://…`.
    pub source: Arc<str>,
}

/// A condition with the text shown when it does not hold.
#[derive(Debug)]
pub struct Assertion {
    /// What must be true.
    pub test: Expr,
    /// What is shown otherwise.
    pub message: Text,
}

/// A command listed by a menu.
#[derive(Debug)]
pub struct Command {
    /// The id of an entry or of another menu.
    pub id: Box<str>,
    /// When it is listed; always, if nothing.
    pub relevant: Option<Expr>,
}

/// A menu. Several of one id are one menu.
#[derive(Debug)]
pub struct Menu {
    /// Its id.
    pub id: Box<str>,
    /// The id of the menu it hangs from.
    pub root: Box<str>,
    /// When it is listed.
    pub relevant: Option<Expr>,
    /// How front ends lay it out.
    pub style: Option<Box<str>>,
    /// Its name.
    pub display: Display,
    /// What it lists.
    pub commands: Vec<Command>,
    /// What its conditions may use.
    pub instances: Vec<InstanceRef>,
    /// What must hold for it to be shown.
    pub assertions: Vec<Assertion>,
}

/// What becomes of choosing an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A form is opened.
    Form,
    /// Something is looked at.
    View,
    /// Something is sent to the server.
    RemoteRequest,
}

/// A leaf of the menus.
#[derive(Debug)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// The id of its command.
    pub command: Box<str>,
    /// Its name.
    pub display: Display,
    /// The namespace of its form.
    pub form: Option<Box<str>>,
    /// What it needs, in order.
    pub data: Vec<Arc<Datum>>,
    /// What its expressions may use.
    pub instances: Vec<InstanceRef>,
    /// What happens when it is done.
    pub stack: Vec<Operation>,
    /// What must hold for it to open.
    pub assertions: Vec<Assertion>,
    /// What is sent to the server before it opens.
    pub post: Option<Post>,
}

/// A request to the server.
#[derive(Debug)]
pub struct Post {
    /// Where to.
    pub url: Box<str>,
    /// When it is sent, with each parameter as a variable.
    pub relevant: Option<Expr>,
    /// Its parameters.
    pub data: Vec<Parameter>,
}

/// A parameter of a request.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub key: Box<str>,
    /// Its value, at each node if there is a nodeset.
    pub value: Expr,
    /// Where the values come from.
    pub nodeset: Option<Expr>,
    /// What is left out.
    pub exclude: Option<Expr>,
}

/// Something an entry needs before it can open.
#[derive(Debug)]
pub struct Datum {
    /// What the session calls it.
    pub id: Box<str>,
    /// How it is had.
    pub kind: DatumKind,
}

/// How a datum is had.
#[derive(Debug)]
pub enum DatumKind {
    /// One node is chosen, or several.
    Entity(Box<EntityDatum>),
    /// It is computed.
    Computed(Expr),
    /// It is computed and names the form to open.
    Form(Expr),
    /// Something is searched on the server.
    Query(Box<Query>),
}

impl Datum {
    /// The choice, if it is one.
    pub fn entity(&self) -> Option<&EntityDatum> {
        match &self.kind {
            DatumKind::Entity(entity) => Some(entity),
            _ => None,
        }
    }

    /// The search, if it is one.
    pub fn query(&self) -> Option<&Query> {
        match &self.kind {
            DatumKind::Query(query) => Some(query),
            _ => None,
        }
    }
}

/// A choice among nodes.
#[derive(Debug)]
pub struct EntityDatum {
    /// The nodes.
    pub nodeset: Expr,
    /// The same with the condition that the value is `$entity_id` first of all.
    pub one: Expr,
    /// The value of a node.
    pub value: Expr,
    /// The list.
    pub short: Option<Box<str>>,
    /// What is shown before a choice is confirmed.
    pub long: Option<Box<str>>,
    /// What opens from the tile of what was chosen.
    pub inline: Option<Box<str>>,
    /// The tile of what was chosen.
    pub persistent: Option<Box<str>>,
    /// Whether it is chosen without asking where there is no choice.
    pub auto_select: bool,
    /// The largest number of nodes that may be chosen; nothing where it is one.
    pub multiple: Option<usize>,
}

/// A search on the server.
#[derive(Debug)]
pub struct Query {
    /// Where to.
    pub url: Box<str>,
    /// Whether the results are read as cases, whose unknown properties are blank.
    pub case_template: bool,
    /// Whether it is made at once.
    pub default_search: bool,
    /// Whether front ends search while people type.
    pub dynamic_search: bool,
    /// Whether clearing the prompts searches again.
    pub search_on_clear: bool,
    /// What stands above the prompts.
    pub title: Option<Text>,
    /// What stands below the title.
    pub description: Option<Text>,
    /// Parameters that are always sent.
    pub data: Vec<Parameter>,
    /// Names of groups of prompts.
    pub groups: Vec<(Box<str>, Display)>,
    /// What people are asked.
    pub prompts: Vec<QueryPrompt>,
}

/// A question of a search.
#[derive(Debug)]
pub struct QueryPrompt {
    /// The name of the parameter.
    pub key: Box<str>,
    /// The widget; nothing for text.
    pub input: Option<Box<str>>,
    /// How it looks.
    pub appearance: Option<Box<str>>,
    /// What it listens to.
    pub receive: Option<Box<str>>,
    /// Whether it is not drawn, as written.
    pub hidden: Option<Box<str>>,
    /// Whether people may look for the blank value.
    pub allow_blank: bool,
    /// Its group.
    pub group: Option<Box<str>>,
    /// Its name.
    pub display: Display,
    /// Its first answer.
    pub default: Option<Expr>,
    /// When its answer is not sent.
    pub exclude: Option<Expr>,
    /// When an answer is required, and what is said if there is none.
    pub required: Option<(Expr, Option<Text>)>,
    /// What an answer must fulfil, and what is said if it does not.
    pub validation: Option<(Expr, Option<Text>)>,
    /// Its choices.
    pub itemset: Option<Box<Itemset>>,
}

/// Choices from nodes.
#[derive(Debug)]
pub struct Itemset {
    /// The nodes.
    pub nodeset: Expr,
    /// What is shown.
    pub label: Option<Expr>,
    /// Whether the label is the key of a translation.
    pub label_is_key: bool,
    /// What is sent.
    pub value: Option<Expr>,
    /// What they are ordered by.
    pub sort: Option<Expr>,
}

/// What a stack operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Makes a new frame.
    Create,
    /// Adds to the current frame.
    Push,
    /// Takes the current frame off the stack.
    Clear,
}

/// One operation on the stack of frames.
#[derive(Debug)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// When it is done.
    pub condition: Option<Expr>,
    /// The steps of the frame.
    pub steps: Vec<StepTemplate>,
}

/// A value of a step before it is evaluated.
#[derive(Debug)]
pub enum StepValue {
    /// As written.
    Literal(Box<str>),
    /// Computed.
    Expression(Expr),
}

/// A step of a frame before it is made.
#[derive(Debug)]
pub enum StepTemplate {
    /// A command.
    Command(StepValue),
    /// A datum, whose kind shows later.
    Datum(Box<str>, StepValue),
    /// The id of a list of chosen values.
    InstanceDatum(Box<str>, StepValue),
    /// A search with its address and parameters.
    Query(Box<str>, Box<str>, Vec<Parameter>),
    /// A bookmark.
    Mark,
    /// Back to the bookmark, with the value of what was needed there.
    Rewind(Option<StepValue>),
    /// Out of the application.
    Jump(Text),
}

/// A place of the application that can be linked to.
#[derive(Debug)]
pub struct Endpoint {
    /// Its id.
    pub id: Box<str>,
    /// Whether conditions of menus count on the way there.
    pub respect_relevancy: bool,
    /// Its arguments.
    pub arguments: Vec<EndpointArgument>,
    /// How to get there.
    pub stack: Vec<Operation>,
}

/// An argument of an endpoint.
#[derive(Debug)]
pub struct EndpointArgument {
    /// Its name.
    pub id: Box<str>,
    /// The instance it becomes, if it is a list of chosen values.
    pub instance: Option<Box<str>>,
}

/// One suite.
#[derive(Debug, Default)]
pub struct Suite {
    /// Paths of forms.
    pub forms: Vec<String>,
    /// Language and path of files with translations.
    pub locales: Vec<(String, String)>,
    /// In the order of the suite.
    pub menus: Vec<Arc<Menu>>,
    /// In the order of the suite; the last of an id counts.
    pub entries: Vec<Arc<Entry>>,
    /// Lists and details.
    pub details: Vec<Arc<Detail>>,
    /// Endpoints.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Lookup tables of the application itself: id and content.
    pub fixtures: Vec<(String, bolster_xpath::Tree)>,
}
