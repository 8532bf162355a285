//! From the text of a form to its definition. Everything that is wrong is reported together.

mod actions;
mod binds;
mod controls;
pub(crate) mod document;
mod finish;
mod graph;
mod instances;
mod itext;
mod labels;
mod repeats;
mod verify;

use std::sync::Arc;

use bolster_xpath::{Expr, Host, Name, Names, PathRef, Tree};
use roxmltree::{Document, Node};

use crate::Map;
use crate::definition::{
    Action, ActionId, Element, ElementId, Event, FormDefinition, Instance, ItemKind, Schema, SchemaId,
    path_ref, schema_path,
};
use crate::error::{Diagnostic, LoadError, Problem, Severity};
use crate::limits::FormLimits;
use crate::text::Itext;
use document::{attribute, elements};

/// More problems than this are not listed.
const DIAGNOSTICS_MAX: usize = 1000;

/// How a form is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Bounds.
    pub limits: FormLimits,
    /// Report the first error only, as the original engine does.
    pub first_error_only: bool,
}

impl FormDefinition {
    /// Reads a form. The host is asked about time zones only, for dates among the initial values.
    ///
    /// Bounds: time and memory grow with the text of the form, within the limits.
    /// Errors: all problems found, unless only the first is asked for.
    pub fn parse(text: &str, options: &LoadOptions, host: &dyn Host) -> Result<FormDefinition, LoadError> {
        let read = document::with_document(text, &options.limits, |document| {
            let mut loader = Loader::new(document, &options.limits);
            loader.load(host);
            loader.into_definition(options)
        });
        read.unwrap_or_else(|error| {
            Err(LoadError {
                diagnostics: vec![Diagnostic {
                    severity: Severity::Error,
                    problem: if error.limit { Problem::Limit } else { Problem::Xml },
                    message: error.message,
                    line: error.line,
                    column: error.column,
                    node: None,
                    label: None,
                    suggestion: None,
                }],
            })
        })
    }
}

/// An item as it was declared, before items are ordered.
pub(crate) struct RawItem {
    pub kind: ItemKind,
    pub expr: Arc<Expr>,
    pub target: SchemaId,
    pub line: (u32, u32),
}

/// A `<bind>` whose place exists.
#[derive(Default)]
pub(crate) struct InitialFlags {
    pub irrelevant: bool,
    pub required: bool,
    pub readonly: bool,
}

/// What is gathered while a form is read.
pub(crate) struct Loader<'d> {
    document: &'d Document<'d>,
    limits: &'d FormLimits,
    line_starts: Vec<usize>,
    pub names: Names,
    diagnostics: Vec<Diagnostic>,
    expressions: Map<Box<str>, Arc<Expr>>,
    pub schema: Vec<Schema>,
    pub places: Map<(SchemaId, Name, bool), SchemaId>,
    pub tree: Option<Tree>,
    /// The place of every node of the finished tree.
    pub placed: Vec<SchemaId>,
    pub instances: Vec<Instance>,
    pub bind_ids: Map<String, Option<SchemaId>>,
    pub flags: Map<SchemaId, InitialFlags>,
    pub items: Vec<RawItem>,
    pub itext: Itext,
    pub has_itext: bool,
    pub elements: Vec<Element>,
    pub lines: Vec<(u32, u32)>,
    pub written: Vec<String>,
    pub top: Vec<ElementId>,
    pub itemsets: Vec<controls::ItemsetCheck>,
    pub actions: Vec<Action>,
    pub events: Vec<(Event, ActionId)>,
    pub action_targets: Vec<(SchemaId, (u32, u32))>,
    pub submissions: Map<String, actions::Submission>,
    pub title: Option<String>,
    pub name: Option<String>,
    pub xmlns: Option<String>,
    pub root_namespace: Option<Arc<str>>,
    pub prefixes: Vec<(Box<str>, Box<str>)>,
    pub counted: bool,
    /// Where in the text each place was first written.
    pub offsets: Vec<usize>,
    /// Numbers of the expressions in placeholders.
    pub outputs: Map<String, u32>,
    instance_nodes: usize,
}

/// What the body consists of, in the order of the document.
enum Part<'a, 'd> {
    Title(Node<'a, 'd>),
    Meta(Node<'a, 'd>),
    Model(Node<'a, 'd>),
    Control(Node<'a, 'd>),
}

const QUIET: [&str; 15] = [
    "html",
    "head",
    "body",
    "xform",
    "chooseCaption",
    "addCaption",
    "addEmptyCaption",
    "delCaption",
    "doneCaption",
    "doneEmptyCaption",
    "mainHeader",
    "entryHeader",
    "delHeader",
    "hashtags",
    "hashtagTransforms",
];

/// Whether an element of the body is a control.
pub(crate) fn is_control(name: &str) -> bool {
    matches!(name, "input" | "secret" | "trigger" | "select" | "select1" | "upload" | "group" | "repeat")
}

impl<'d> Loader<'d> {
    fn new(document: &'d Document<'d>, limits: &'d FormLimits) -> Self {
        let bytes = document.input_text().as_bytes();
        // Most of a form are nodes and binds; a guess that is off costs little.
        let guess = document.input_text().len() / 160 + 16;
        let line_starts = memchr::memchr_iter(b'\n', bytes).map(|at| at + 1).collect();
        Loader {
            document,
            limits,
            line_starts,
            names: Names::new(),
            diagnostics: Vec::new(),
            expressions: Map::default(),
            schema: Vec::with_capacity(guess),
            places: Map::default(),
            tree: None,
            placed: Vec::new(),
            instances: Vec::new(),
            bind_ids: Map::default(),
            flags: Map::default(),
            items: Vec::with_capacity(guess / 2),
            itext: Itext::default(),
            has_itext: false,
            elements: Vec::with_capacity(guess),
            lines: Vec::new(),
            written: Vec::new(),
            top: Vec::new(),
            itemsets: Vec::new(),
            actions: Vec::new(),
            events: Vec::new(),
            action_targets: Vec::new(),
            submissions: Map::default(),
            title: None,
            name: None,
            xmlns: None,
            root_namespace: None,
            prefixes: Vec::new(),
            counted: false,
            offsets: Vec::with_capacity(guess),
            outputs: Map::default(),
            instance_nodes: 0,
        }
    }

    fn load(&mut self, host: &dyn Host) {
        let root = self.document.root_element();
        let mut parts = Vec::new();
        self.find_parts(root, &mut parts);
        for part in &parts {
            match part {
                Part::Title(node) => {
                    let title = document::leading_text(*node);
                    self.name = self.name.take().or_else(|| title.clone());
                    self.title = title;
                }
                Part::Meta(node) => {
                    if let Some(name) = attribute(*node, "name") {
                        self.name = Some(name.to_owned());
                    }
                }
                Part::Model(_) | Part::Control(_) => {}
            }
        }
        let mut models = parts.iter().filter_map(|part| match part {
            Part::Model(node) => Some(*node),
            _ => None,
        });
        let Some(model) = models.next() else {
            self.error(Problem::Structure, root, "The form has no <model>.");
            return;
        };
        for other in models {
            self.warning(
                Problem::Structure,
                other,
                "Multiple models not supported. Ignoring subsequent models.",
            );
        }
        self.model(model);
        if self.tree.is_none() {
            self.error(Problem::Instance, model, "The form has no main <instance> with an element in it.");
            return;
        }
        for part in &parts {
            if let Part::Control(node) = part {
                self.control(*node, None);
            }
        }
        self.collapse_groups();
        self.finish(host);
    }

    fn find_parts<'a>(&mut self, node: Node<'a, 'd>, parts: &mut Vec<Part<'a, 'd>>)
    where
        'd: 'a,
    {
        match node.tag_name().name() {
            "title" => parts.push(Part::Title(node)),
            "meta" => parts.push(Part::Meta(node)),
            "model" => parts.push(Part::Model(node)),
            name if is_control(name) => parts.push(Part::Control(node)),
            "label" => {
                self.warning(Problem::Markup, node, "A <label> outside of a question or group is ignored.")
            }
            name => {
                self.unknown_markup(node, name);
                for child in elements(node) {
                    self.find_parts(child, parts);
                }
            }
        }
    }

    pub fn unknown_markup(&mut self, node: Node<'_, '_>, name: &str) {
        if !QUIET.contains(&name) {
            let message = format!("Unrecognized element [{name}]. Ignoring and processing children...");
            self.warning(Problem::Markup, node, message);
        }
    }

    fn model(&mut self, model: Node<'d, 'd>) {
        let mut later = Vec::new();
        let mut binds = Vec::new();
        for run in document::runs(model) {
            let child = match run {
                document::Run::Text(text) => {
                    let message =
                        format!("Unrecognized text content found within <model>: \"{}\"", text.trim());
                    self.error(Problem::Structure, model, message);
                    continue;
                }
                document::Run::Element(child) => child,
            };
            match child.tag_name().name() {
                "instance" => self.instance(child),
                "bind" => binds.push(child),
                "itext" => self.read_itext(child),
                "submission" | "setvalue" | "send" => later.push(child),
                "pollsensor" => {}
                name if child.tag_name().namespace() == Some(document::XFORMS) => {
                    let message = format!("Unrecognized top-level tag [{name}] found within <model>");
                    self.error(Problem::Structure, child, message);
                }
                _ => {}
            }
        }
        if self.tree.is_none() {
            return;
        }
        for bind in binds {
            self.bind(bind);
        }
        for child in &later {
            if child.tag_name().name() == "submission" {
                self.submission(*child);
            }
        }
        for child in later {
            if child.tag_name().name() != "submission" {
                self.action(child, None);
            }
        }
    }

    /// Line and column of an element.
    pub fn position(&self, node: Node<'_, '_>) -> (u32, u32) {
        self.position_of(node.range().start)
    }

    /// Line and column of an offset.
    fn position_of(&self, at: usize) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = if line == 0 { 0 } else { self.line_starts[line - 1] };
        (line as u32 + 1, (at - start) as u32 + 1)
    }

    pub fn error(&mut self, problem: Problem, node: Node<'_, '_>, message: impl Into<String>) {
        let at = self.position(node);
        self.report(Severity::Error, problem, at, message.into());
    }

    pub fn warning(&mut self, problem: Problem, node: Node<'_, '_>, message: impl Into<String>) {
        let at = self.position(node);
        self.report(Severity::Warning, problem, at, message.into());
    }

    pub fn report(&mut self, severity: Severity, problem: Problem, at: (u32, u32), message: String) {
        if self.diagnostics.len() < DIAGNOSTICS_MAX {
            self.diagnostics.push(Diagnostic {
                severity,
                problem,
                message,
                line: at.0,
                column: at.1,
                node: None,
                label: None,
                suggestion: None,
            });
        }
    }

    /// The diagnostic reported last, to add to it.
    pub fn last(&mut self) -> Option<&mut Diagnostic> {
        self.diagnostics.last_mut()
    }

    /// Parses an expression, once per text.
    pub fn expression(&mut self, text: &str) -> Result<Arc<Expr>, bolster_xpath::Error> {
        if let Some(known) = self.expressions.get(text) {
            return Ok(known.clone());
        }
        let expr = Arc::new(Expr::parse_within(text, &self.names, &self.limits.expressions)?);
        self.expressions.insert(text.into(), expr.clone());
        Ok(expr)
    }

    /// Line and column of the first node of a place.
    pub fn place_position(&self, place: SchemaId) -> (u32, u32) {
        self.offsets.get(place as usize).map_or((0, 0), |at| self.position_of(*at))
    }

    pub fn path_of(&self, place: SchemaId) -> String {
        schema_path(&self.schema, &self.names, place)
    }

    pub fn reference(&self, place: SchemaId) -> PathRef {
        path_ref(&self.schema, place)
    }

    /// Finds the place a path denotes.
    pub fn locate<'t>(&mut self, text: &'t str, context: SchemaId) -> Result<Located<'t>, String> {
        if let Some(found) = self.locate_plain(text) {
            return Ok(found);
        }
        let expr = self.expression(text).map_err(|e| format!("[{text}] is not a path: {e}"))?;
        let context = self.reference(context);
        let reference = match expr.path(&context) {
            Ok(Some(reference)) => reference,
            Ok(None) => return Err(format!("Expected XPath path, got XPath expression: [{text}]")),
            Err(e) => return Err(format!("[{text}]: {e}")),
        };
        let path = self.print(&reference).into();
        let places = self.places_of(&reference);
        let predicates = expr.has_predicates();
        let instance = reference.instance.is_some();
        Ok(Located { path, place: places.first().copied(), places, predicates, instance })
    }

    /// A path that is only slashes and names needs no parser.
    fn locate_plain<'t>(&self, text: &'t str) -> Option<Located<'t>> {
        let rest = text.strip_prefix('/')?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'.' | b'@');
        if rest.is_empty() || !rest.bytes().all(plain) || rest.contains("//") || rest.ends_with('/') {
            return None;
        }
        let mut place = None;
        for (level, step) in rest.split('/').enumerate() {
            let (name, attribute) = match step.strip_prefix('@') {
                Some(name) => (name, true),
                None => (step, false),
            };
            if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                return None;
            }
            let name = self.names.get(name)?;
            place = match place {
                None if level == 0 => self.root().filter(|_| !attribute && self.schema[0].name == name),
                Some(parent) => self.places.get(&(parent, name, attribute)).copied(),
                None => None,
            };
            place?;
        }
        let place = place?;
        Some(Located {
            path: text.into(),
            place: Some(place),
            places: Places::from_slice(&[place]),
            predicates: false,
            instance: false,
        })
    }

    pub fn root(&self) -> Option<SchemaId> {
        (!self.schema.is_empty()).then_some(0)
    }

    pub fn print(&self, reference: &PathRef) -> String {
        let mut out = match &reference.instance {
            Some(id) => format!("instance({id})"),
            None => String::new(),
        };
        for level in &reference.levels {
            out.push('/');
            if level.attribute {
                out.push('@');
            }
            match level.name {
                Some(name) => out.push_str(&self.names.text(name)),
                None => out.push('*'),
            }
        }
        if out.is_empty() { "/".into() } else { out }
    }

    /// The places of the main instance a reference may mean; several for `*`.
    pub fn places_of(&self, reference: &PathRef) -> Places {
        if reference.instance.is_some() {
            return Places::new();
        }
        let mut levels = reference.levels.iter();
        let Some(first) = levels.next() else { return Places::new() };
        let Some(root) = self.root() else { return Places::new() };
        if first.attribute || first.name.is_some_and(|name| name != self.schema[0].name) {
            return Places::new();
        }
        let mut found = Places::from_slice(&[root]);
        for level in levels {
            found = match level.name {
                Some(name) => found
                    .iter()
                    .filter_map(|parent| self.places.get(&(*parent, name, level.attribute)).copied())
                    .collect(),
                None => found
                    .iter()
                    .flat_map(|parent| self.schema[*parent as usize].children.iter().copied())
                    .filter(|child| self.schema[*child as usize].attribute == level.attribute)
                    .collect(),
            };
        }
        found
    }
}

/// Mostly one place.
pub(crate) type Places = smallvec::SmallVec<[SchemaId; 2]>;

/// What a path denotes.
pub(crate) struct Located<'t> {
    /// The path, absolute.
    pub path: std::borrow::Cow<'t, str>,
    pub place: Option<SchemaId>,
    pub places: Places,
    pub predicates: bool,
    /// It lies in another instance.
    pub instance: bool,
}
