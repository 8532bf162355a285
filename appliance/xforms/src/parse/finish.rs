//! The last steps: the layout of the instance, types, initial values, flags; and the definition itself.

use bolster_xpath::{DataSource, Datum, Host, NodeId, Tree, TreeFlags};

use super::{LoadOptions, Loader};
use crate::data::{self, DataType};
use crate::definition::{Control, Event, FormDefinition, InstanceSource, SchemaId};
use crate::error::{Diagnostic, LoadError, Problem, Severity};
use crate::flags;

/// How many names of unknown attributes saved forms may add to a definition, all together.
const STRAY_NAMES_MAX: usize = 4096;

/// The place of every node, in the order of ids; places of removed nodes mean nothing.
fn places(loader: &Loader<'_>, tree: &Tree) -> Vec<SchemaId> {
    let mut out = vec![0; tree.capacity()];
    let mut pending = vec![NodeId(0)];
    while let Some(node) = pending.pop() {
        let place = out[node.0 as usize];
        for attribute in tree.attributes(node) {
            if let Some(below) = loader.places.get(&(place, tree.name(attribute), true)) {
                out[attribute.0 as usize] = *below;
            }
        }
        for child in tree.child_nodes(node) {
            if let Some(below) = loader.places.get(&(place, tree.name(child), false)) {
                out[child.0 as usize] = *below;
                pending.push(child);
            }
        }
    }
    out
}

/// All nodes, those above before those below.
fn every_node(tree: &Tree) -> Vec<NodeId> {
    let mut out = Vec::with_capacity(tree.len());
    let mut pending = vec![NodeId(0)];
    while let Some(node) = pending.pop() {
        out.push(node);
        out.extend(tree.attributes(node));
        let from = pending.len();
        pending.extend(tree.child_nodes(node));
        pending[from..].reverse();
    }
    out
}

impl Loader<'_> {
    pub fn finish(&mut self, host: &dyn Host) {
        self.prepare_repeats();
        let Some(mut tree) = self.tree.take() else { return };
        let places = places(self, &tree);
        let nodes = every_node(&tree);
        let mut present = vec![false; self.schema.len()];
        for node in &nodes {
            present[places[node.0 as usize] as usize] = true;
        }
        self.layout(&tree, &places, &nodes);
        self.verify(&present);
        self.select_types();
        self.initial_values(&mut tree, &places, &nodes, host);
        self.initial_flags(&mut tree, &places, &nodes);
        // Nothing ever adds a second node to these places, or takes the only one away.
        tree.promise_only(self.schema.iter().filter_map(|own| own.fixed));
        self.tree = Some(tree);
        self.placed = places;
    }

    /// Finds the places where several nodes may be, and the only node of the others.
    fn layout(&mut self, tree: &Tree, places: &[SchemaId], nodes: &[NodeId]) {
        // The parent below which a place was seen last.
        let mut seen: Vec<Option<NodeId>> = vec![None; self.schema.len()];
        for node in nodes {
            for child in tree.child_nodes(*node).filter(|c| !tree.is_template(*c)) {
                let place = places[child.0 as usize] as usize;
                if seen[place].replace(*node) == Some(*node) {
                    self.schema[place].multiple = true;
                }
            }
        }
        for place in 0..self.schema.len() {
            // Outer places come before inner ones.
            let mut multiples = self.schema[place]
                .parent
                .map(|p| self.schema[p as usize].multiples.clone())
                .unwrap_or_default();
            let own = &mut self.schema[place];
            own.multiple |= own.repeat;
            if own.multiple {
                multiples.push(place as SchemaId);
            }
            own.multiples = multiples;
        }
        for node in nodes {
            let own = &mut self.schema[places[node.0 as usize] as usize];
            if own.multiples.is_empty() {
                own.fixed = Some(*node);
            }
        }
    }

    /// A select gives an untyped node the type of its choices.
    fn select_types(&mut self) {
        for control in [Control::SelectOne, Control::SelectMulti] {
            for id in 0..self.elements.len() {
                let element = &self.elements[id];
                let (Some(question), Some(place)) = (element.question(), element.schema) else { continue };
                if question.control != control {
                    continue;
                }
                match self.schema[place as usize].data_type {
                    DataType::Choice | DataType::Choices => {}
                    DataType::Untyped | DataType::Text => {
                        self.schema[place as usize].data_type = match control {
                            Control::SelectOne => DataType::Choice,
                            _ => DataType::Choices,
                        };
                    }
                    other => {
                        let message = format!(
                            "Multiple choice question {} appears to have data type that is incompatible with \
                             selection: {}",
                            self.path_of(place),
                            other.as_str()
                        );
                        let at = self.lines[id];
                        self.report(Severity::Warning, Problem::Choices, at, message);
                    }
                }
            }
        }
    }

    fn initial_values(&mut self, tree: &mut Tree, places: &[SchemaId], nodes: &[NodeId], host: &dyn Host) {
        for node in nodes {
            let place = places[node.0 as usize];
            let Datum::Text(text) = tree.datum(*node).clone() else { continue };
            if tree.is_attribute(*node) {
                continue;
            }
            let value = match data::cast(&text, self.schema[place as usize].data_type, host) {
                Ok(value) => value,
                Err(message) => {
                    let path = self.path_of(place);
                    self.value_error(place, format!("{message} (initial value of {path})"));
                    continue;
                }
            };
            self.initial_choices(place, &value);
            tree.set(*node, value);
        }
    }

    fn value_error(&mut self, place: SchemaId, message: String) {
        let at = self.place_position(place);
        self.report(Severity::Error, Problem::Value, at, message);
        let path = self.path_of(place);
        if let Some(last) = self.last() {
            last.node = Some(path);
            last.suggestion = Some("Correct the value in the instance, or the type in the bind.".into());
        }
    }

    /// Initial values of selects must be among the choices.
    fn initial_choices(&mut self, place: SchemaId, value: &Datum) {
        let (Datum::Choice(text) | Datum::Choices(text)) = value else { return };
        let question = self.schema[place as usize].question;
        let path = self.path_of(place);
        let Some(question) = question.and_then(|id| self.elements[id as usize].question()) else {
            self.value_error(
                place,
                format!("There is no question whose choices hold the initial value of {path}."),
            );
            return;
        };
        if question.itemset.is_some() {
            return;
        }
        let several = matches!(value, Datum::Choices(_));
        let values: Vec<&str> = if several { text.split(' ').collect() } else { vec![text] };
        let unknown =
            values.into_iter().find(|v| !question.choices.iter().any(|choice| *choice.value == **v));
        if let Some(unknown) = unknown {
            let message = format!(
                "value {unknown} could not be loaded into question {path}.  Check to see if value {unknown} is a \
                 valid option for question {path}."
            );
            self.value_error(place, message);
        }
    }

    fn initial_flags(&mut self, tree: &mut Tree, places: &[SchemaId], nodes: &[NodeId]) {
        for node in nodes {
            let mut bits = 0;
            if let Some(initial) = self.flags.get(&places[node.0 as usize]) {
                if initial.irrelevant {
                    bits |= TreeFlags::IRRELEVANT;
                }
                if initial.required {
                    bits |= flags::REQUIRED;
                }
                if initial.readonly {
                    bits |= flags::READONLY;
                }
            }
            if let Some(parent) = tree.parent(*node) {
                let above = tree.flags(parent);
                if above & flags::HIDDEN != 0 {
                    bits |= TreeFlags::INHERITED_IRRELEVANT;
                }
                if above & flags::LOCKED != 0 {
                    bits |= flags::INHERITED_READONLY;
                }
            }
            tree.set_flags(*node, bits, true);
        }
    }

    pub fn into_definition(mut self, options: &LoadOptions) -> Result<FormDefinition, LoadError> {
        let graph = if self.tree.is_some() { Some(self.graph()) } else { None };
        let mut diagnostics = std::mem::take(&mut self.diagnostics);
        diagnostics.sort_by_key(|d| d.severity == Severity::Warning);
        let (Some(graph), Some(tree), false) =
            (graph, self.tree.take(), diagnostics.iter().any(|d| d.severity == Severity::Error))
        else {
            if options.first_error_only {
                diagnostics.truncate(1);
            }
            self.add_labels(&mut diagnostics);
            return Err(LoadError { diagnostics });
        };
        let places = std::mem::take(&mut self.placed);
        let names_max = self.names.len() + STRAY_NAMES_MAX;
        let stray = self.stray_place();
        let on = |event: Event| self.events.iter().filter(|e| e.0 == event).map(|e| e.1).collect();
        self.schema.shrink_to_fit();
        self.elements.shrink_to_fit();
        Ok(FormDefinition {
            on_ready: on(Event::Ready),
            on_insert: on(Event::Insert),
            on_revalidate: on(Event::Revalidate),
            names: self.names,
            title: self.title,
            name: self.name,
            xmlns: self.xmlns,
            root_namespace: self.root_namespace,
            prefixes: self.prefixes,
            tree,
            places,
            schema: self.schema,
            elements: self.elements,
            top: self.top,
            items: graph.items,
            scoped: graph.scoped,
            itext: self.itext,
            instances: self.instances,
            actions: self.actions,
            counted: self.counted,
            warnings: diagnostics,
            stray,
            names_max,
            limits: options.limits,
        })
    }

    /// Names the question a problem is about.
    fn add_labels(&self, diagnostics: &mut [Diagnostic]) {
        for diagnostic in diagnostics {
            let Some(node) = &diagnostic.node else { continue };
            let mut ids = 0..self.elements.len();
            let element = ids.find(|id| self.element_path(*id as u32) == *node).map(|id| &self.elements[id]);
            if let Some(label) = element.and_then(|e| self.plain_label(&e.label)) {
                diagnostic.label = Some(label);
            }
        }
    }

    /// A label as far as it is literal.
    fn plain_label(&self, text: &crate::text::Text) -> Option<String> {
        use crate::text::{PLAIN, Piece, Text};
        let template = match text {
            Text::None => return None,
            Text::Inline(template) | Text::IdOrInline(template, _) => template,
            Text::Itext(id) => self.itext.lookup(self.itext.default, *id, PLAIN)?,
        };
        let pieces = template.pieces.iter().map(|piece| match piece {
            Piece::Literal(text) => text,
            Piece::Output(..) => "…",
        });
        Some(pieces.collect())
    }

    /// Whether an instance can be read under this id.
    pub fn declares(&self, id: &str) -> bool {
        self.instances.iter().any(|instance| {
            *instance.id == *id
                && matches!(instance.source, InstanceSource::Inline(_) | InstanceSource::External(_))
        })
    }
}
