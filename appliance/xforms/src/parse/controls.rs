//! The body: groups, repeats, questions, choices.

use bolster_xpath::{Expr, PathRef};
use roxmltree::Node;

use super::document::{JAVAROSA, attribute, elements, javarosa, leading_text};
use super::{Loader, Located, is_control};
use crate::definition::{
    Captions, Control, Element, ElementId, ElementKind, Itemset, Question, Repeat, SchemaId, StaticChoice,
};
use crate::error::Problem;
use crate::text::Text;

/// Choices with longer values are hard to handle for others.
const VALUE_MAX: usize = 256;

/// What is checked about an itemset once everything is read.
pub(crate) struct ItemsetCheck {
    pub line: (u32, u32),
    pub nodeset: PathRef,
    pub parts: Vec<(&'static str, PathRef)>,
    pub question: SchemaId,
}

impl<'d> Loader<'d> {
    /// Reads a control of the body or of a group.
    pub fn control(&mut self, node: Node<'d, 'd>, parent: Option<ElementId>) {
        match node.tag_name().name() {
            "group" => self.group(node, parent, false),
            "repeat" => self.group(node, parent, true),
            "select1" => self.question(node, parent, Control::SelectOne),
            "select" => self.question(node, parent, Control::SelectMulti),
            "secret" => self.question(node, parent, Control::Secret),
            "trigger" => self.question(node, parent, Control::Trigger),
            "upload" => {
                let control = match attribute(node, "mediatype") {
                    Some("image/*") => Control::UploadImage,
                    Some("audio/*") => Control::UploadAudio,
                    Some("video/*") => Control::UploadVideo,
                    Some("application/*,text/*") => Control::UploadDocument,
                    _ => Control::Upload,
                };
                self.question(node, parent, control);
            }
            _ => self.question(node, parent, Control::Input),
        }
    }

    fn context(&self, parent: Option<ElementId>) -> SchemaId {
        parent.and_then(|parent| self.elements[parent as usize].schema).unwrap_or(0)
    }

    fn add(&mut self, element: Element, written: String, node: Node<'_, '_>) -> ElementId {
        let id = self.elements.len() as ElementId;
        self.elements.push(element);
        self.written.push(written);
        let at = self.position(node);
        self.lines.push(at);
        id
    }

    /// Where an element is bound, or should be.
    pub fn element_path(&self, id: ElementId) -> String {
        match self.elements[id as usize].schema {
            Some(place) if self.written[id as usize].is_empty() => self.path_of(place),
            _ => self.written[id as usize].clone(),
        }
    }

    fn attach(&mut self, parent: Option<ElementId>, id: ElementId) {
        match parent {
            Some(parent) => self.elements[parent as usize].children.push(id),
            None => self.top.push(id),
        }
    }

    /// The place a control is bound to: the path as far as it is known if a problem was reported, nothing if it has no
    /// binding.
    fn binding(
        &mut self,
        node: Node<'d, 'd>,
        parent: Option<ElementId>,
        reference: &str,
        kind: &str,
    ) -> Result<Option<SchemaId>, String> {
        let located = if let Some(id) = attribute(node, "bind") {
            match self.bind_ids.get(id) {
                Some(Some(place)) => return Ok(Some(*place)),
                Some(None) => Located {
                    path: format!("bind {id}").into(),
                    place: None,
                    places: super::Places::new(),
                    predicates: false,
                    instance: false,
                },
                None => {
                    let message = if kind == "Question" {
                        format!("XForm Parse: invalid binding ID '{id}'")
                    } else {
                        format!("XForm Parse: invalid binding ID [{id}]")
                    };
                    self.error(Problem::Control, node, message);
                    return Err(String::new());
                }
            }
        } else {
            let Some(text) = attribute(node, reference) else { return Ok(None) };
            match self.locate(text, self.context(parent)) {
                Ok(located) => located,
                Err(message) => {
                    self.error(Problem::Control, node, message);
                    return Err(String::new());
                }
            }
        };
        if located.instance {
            let message = format!(
                "<{}> points to an non-main instance ({}), which isn't supported.",
                node.tag_name().name(),
                located.path
            );
            self.error(Problem::Control, node, message);
            return Err(String::new());
        }
        if located.predicates {
            let message = "XForm Parse: The ref path of a control isn't allowed to have predicates.";
            self.error(Problem::Control, node, message);
            return Err(String::new());
        }
        match located.place {
            Some(place) => Ok(Some(place)),
            None => {
                let message = format!("{kind} bound to non-existent node: [{}]", located.path);
                self.error(Problem::MissingNode, node, message);
                if let Some(last) = self.last() {
                    last.node = Some(located.path.to_string());
                    last.suggestion =
                        Some("Add the node to the main instance, or correct the reference.".into());
                }
                Err(located.path.into_owned())
            }
        }
    }

    fn group(&mut self, node: Node<'d, 'd>, parent: Option<ElementId>, repeat: bool) {
        let kind = if repeat { "Repeat" } else { "Group" };
        let reference = if repeat { "nodeset" } else { "ref" };
        let bound = match self.binding(node, parent, reference, kind) {
            Ok(Some(place)) => (Some(place), String::new()),
            Ok(None) if repeat => {
                let message = "XForm Parse: <repeat> with no binding ('bind' or 'nodeset')";
                self.error(Problem::Repeat, node, message);
                (Some(self.context(parent)), String::new())
            }
            Ok(None) => {
                let context = self.context(parent);
                (Some(context), String::new())
            }
            Err(path) => (Some(self.context(parent)), path),
        };
        let element_kind = if repeat { self.repeat(node, parent) } else { ElementKind::Group };
        let element = Element {
            kind: element_kind,
            schema: bound.0,
            label: Text::None,
            appearance: attribute(node, "appearance").map(Box::from),
            children: Vec::new(),
        };
        let id = self.add(element, bound.1, node);
        self.attach(parent, id);
        self.group_children(node, id, repeat);
    }

    fn group_children(&mut self, node: Node<'d, 'd>, id: ElementId, repeat: bool) {
        for child in elements(node) {
            match child.tag_name().name() {
                "label" if repeat => {}
                "label" => {
                    let label = self.text(child, "Group <label>");
                    self.elements[id as usize].label = label;
                }
                name if is_control(name) => self.control(child, Some(id)),
                name => {
                    self.unknown_markup(child, name);
                    self.group_children(child, id, true);
                }
            }
        }
    }

    fn repeat(&mut self, node: Node<'d, 'd>, parent: Option<ElementId>) -> ElementKind {
        let mut count = None;
        if let Some(text) = javarosa(node, "count") {
            self.counted = true;
            match self.locate(text, self.context(parent)) {
                Ok(located) => count = Some((located.path.into(), located.place)),
                Err(message) => self.error(Problem::Repeat, node, message),
            }
        }
        let fixed = count.is_some() || javarosa(node, "noAddRemove").is_some();
        let mut captions = Captions::default();
        for child in elements(node).filter(|c| c.tag_name().namespace() == Some(JAVAROSA)) {
            let slot = match child.tag_name().name() {
                "mainHeader" => &mut captions.main_header,
                "entryHeader" => &mut captions.entry_header,
                "chooseCaption" => &mut captions.choose,
                "addCaption" => &mut captions.add,
                "addEmptyCaption" => &mut captions.add_empty,
                "delCaption" => &mut captions.delete,
                "delHeader" => &mut captions.delete_header,
                "doneCaption" => &mut captions.done,
                "doneEmptyCaption" => &mut captions.done_empty,
                _ => continue,
            };
            *slot = self.caption(child);
        }
        ElementKind::Repeat(Box::new(Repeat { count, fixed, captions }))
    }

    fn question(&mut self, node: Node<'d, 'd>, parent: Option<ElementId>, control: Control) {
        let bound = match self.binding(node, parent, "ref", "Question") {
            Ok(Some(place)) => (Some(place), String::new()),
            Ok(None) if control == Control::Trigger => (None, String::new()),
            Ok(None) => {
                self.error(
                    Problem::Control,
                    node,
                    "XForm Parse: input control with neither 'ref' nor 'bind'",
                );
                return;
            }
            Err(path) => (None, path),
        };
        let max_dimension = javarosa(node, "imageDimensionScaledMax").and_then(|text| {
            let number = text.trim().strip_suffix("px").unwrap_or(text.trim());
            let number = number.trim().parse::<i32>().ok();
            if number.is_none() {
                let message = format!("Invalid input for image max dimension: {text}");
                self.error(Problem::Control, node, message);
            }
            number
        });
        let question = Question {
            control,
            hint: Text::None,
            help: Text::None,
            alert: Text::None,
            choices: Vec::new(),
            itemset: None,
            max_dimension,
            actions: Vec::new(),
        };
        let element = Element {
            kind: ElementKind::Question(Box::new(question)),
            schema: bound.0,
            label: Text::None,
            appearance: attribute(node, "appearance").map(Box::from),
            children: Vec::new(),
        };
        let id = self.add(element, bound.1, node);
        if let Some(place) = bound.0 {
            let first = &mut self.schema[place as usize].question;
            *first = first.or(Some(id));
        }
        for child in elements(node) {
            self.question_child(child, id, control);
        }
        if control.is_select() {
            let path = self.element_path(id);
            let question = self.elements[id as usize].question();
            let (listed, itemset) = question.map_or((0, false), |q| (q.choices.len(), q.itemset.is_some()));
            let message = match (listed > 0, itemset) {
                (true, true) => {
                    format!("Multiple choice question at {path} contains both literal choices and <itemset>")
                }
                (false, false) => format!("Multiple choice question at {path} has no choices"),
                _ => String::new(),
            };
            if !message.is_empty() && !self.has_choice_errors(node) {
                self.error(Problem::Choices, node, message);
            }
        }
        self.attach(parent, id);
    }

    /// Whether something was already said about the choices of this question.
    fn has_choice_errors(&self, node: Node<'_, '_>) -> bool {
        let at = self.position(node);
        self.diagnostics.iter().any(|d| d.problem == Problem::Choices && (d.line, d.column) > at)
    }

    fn question_child(&mut self, child: Node<'d, 'd>, id: ElementId, control: Control) {
        let name = child.tag_name().name();
        match name {
            "label" | "hint" | "help" | "alert" => {
                let text = self.text(child, &format!("<{name}>"));
                let element = &mut self.elements[id as usize];
                if name == "label" {
                    element.label = text;
                    return;
                }
                let ElementKind::Question(question) = &mut element.kind else { return };
                match name {
                    "hint" => question.hint = text,
                    "help" => question.help = text,
                    _ => question.alert = text,
                }
            }
            "item" if control.is_select() => {
                if let Some(choice) = self.item(child, id, control) {
                    self.edit(id, |question| question.choices.push(choice));
                }
            }
            "itemset" if control.is_select() => {
                if let Some(itemset) = self.itemset(child, id) {
                    self.edit(id, |question| question.itemset = Some(Box::new(itemset)));
                }
            }
            "setvalue" | "send" => self.action(child, Some(id)),
            _ => {}
        }
    }

    pub fn edit(&mut self, id: ElementId, change: impl FnOnce(&mut Question)) {
        if let ElementKind::Question(question) = &mut self.elements[id as usize].kind {
            change(question);
        }
    }

    fn item(&mut self, node: Node<'d, 'd>, id: ElementId, control: Control) -> Option<StaticChoice> {
        let mut label = Text::None;
        let mut value = None;
        for child in elements(node) {
            match child.tag_name().name() {
                "label" => label = self.text(child, "Item <label>"),
                "value" => value = leading_text(child),
                _ => {}
            }
        }
        let missing =
            if label.is_none() { "<item> without proper <label>" } else { "<item> without proper <value>" };
        let Some(value) = value.filter(|_| !label.is_none()) else {
            let path = self.element_path(id);
            self.error(Problem::Choices, node, format!("{missing} in the question at {path}"));
            return None;
        };
        if value.chars().count() > VALUE_MAX {
            let message =
                format!("choice value [{value}] is too long; max. suggested length {VALUE_MAX} chars");
            self.warning(Problem::Choices, node, message);
        }
        if value.contains([' ', '\n', '\t', '\u{c}', '\r', '\'', '"', '`']) {
            let message = if control == Control::SelectMulti {
                format!(
                    "select question <value>s [{value}] cannot contain spaces, and are recommended not to contain \
                     apostrophes/quotation marks"
                )
            } else {
                format!(
                    "select1 question <value>s [{value}] should not contain spaces, and are recommended not to \
                     contain apostrophes/quotation marks"
                )
            };
            self.warning(Problem::Choices, node, message);
        }
        Some(StaticChoice { value: value.into(), label })
    }

    fn itemset_path(&mut self, text: &str, node: Node<'d, 'd>, context: &PathRef) -> Option<(Expr, PathRef)> {
        let parsed =
            self.expression(text).map_err(|e| e.to_string()).and_then(|expr| match expr.path(context) {
                Ok(Some(path)) => Ok(((*expr).clone(), path)),
                Ok(None) => Err(format!("Expected XPath path, got XPath expression: [{text}]")),
                Err(e) => Err(e.to_string()),
            });
        match parsed {
            Ok(found) => Some(found),
            Err(message) => {
                self.error(Problem::Choices, node, message);
                None
            }
        }
    }

    fn itemset(&mut self, node: Node<'d, 'd>, id: ElementId) -> Option<Itemset> {
        let question = self.elements[id as usize].schema.unwrap_or(0);
        let context = self.reference(question);
        let Some(text) = attribute(node, "nodeset") else {
            self.error(Problem::Choices, node, "No nodeset attribute in element: itemset");
            return None;
        };
        let (nodeset, path) = self.itemset_path(text, node, &context)?;
        let (mut label, mut value, mut sort, mut copy) = (None, None, None, false);
        let mut label_is_itext = false;
        let mut parts = Vec::new();
        for child in elements(node) {
            let name = match child.tag_name().name() {
                "label" => "label",
                "value" => "value",
                "sort" => "sort",
                "copy" => {
                    copy = true;
                    continue;
                }
                _ => continue,
            };
            let Some(mut text) = attribute(child, "ref") else {
                self.error(Problem::Choices, child, format!("<{name}> in <itemset> requires 'ref'"));
                return None;
            };
            if name == "label"
                && let Some(inner) = text.strip_prefix("jr:itext(").and_then(|t| t.strip_suffix(')'))
            {
                label_is_itext = true;
                text = inner;
            }
            let (expr, part) = self.itemset_path(text, child, &path)?;
            parts.push((name, part));
            match name {
                "label" => label = Some(expr),
                "value" => value = Some(expr),
                _ => sort = Some(expr),
            }
        }
        let Some(label) = label else {
            self.error(Problem::Choices, node, "<itemset> requires <label>");
            return None;
        };
        if copy {
            let message = "<copy> in an <itemset> is not supported; use <value>.";
            if value.is_none() {
                self.error(Problem::Choices, node, message);
                return None;
            }
            self.warning(Problem::Choices, node, message);
        } else if value.is_none() {
            self.error(Problem::Choices, node, "<itemset> requires <copy> or <value>");
            return None;
        }
        let line = self.position(node);
        self.itemsets.push(ItemsetCheck { line, nodeset: path, parts, question });
        Some(Itemset { nodeset, label, label_is_itext, value, sort })
    }

    /// A group that only wraps a repeat is the repeat, with the label of the group.
    pub fn collapse_groups(&mut self) {
        let mut top = std::mem::take(&mut self.top);
        self.collapse(&mut top);
        self.top = top;
        for id in 0..self.elements.len() {
            let mut children = std::mem::take(&mut self.elements[id].children);
            self.collapse(&mut children);
            self.elements[id].children = children;
        }
    }

    fn collapse(&mut self, children: &mut [ElementId]) {
        for child in children {
            let group = &self.elements[*child as usize];
            let (ElementKind::Group, &[only]) = (&group.kind, &group.children[..]) else { continue };
            if self.elements[only as usize].repeat().is_some() {
                let label = group.label.clone();
                self.elements[only as usize].label = label;
                *child = only;
            }
        }
    }
}
