//! `<setvalue>`, `<send>`, `<submission>`.

use roxmltree::Node;

use super::Loader;
use super::document::{Run, attribute, runs};
use crate::definition::{Action, ActionId, ActionKind, ElementId, Event, SchemaId};
use crate::error::Problem;

/// Where a `<send>` goes.
#[derive(Clone)]
pub(crate) struct Submission {
    pub resource: Box<str>,
    pub target: SchemaId,
    pub parameters: Option<SchemaId>,
    pub written: Box<str>,
}

impl<'d> Loader<'d> {
    fn required<'a>(&mut self, node: Node<'a, '_>, name: &str) -> Option<&'a str> {
        let value = attribute(node, name).filter(|value| !value.is_empty());
        if value.is_none() {
            let near = attribute(node, "targetref").or(attribute(node, "ref")).map(str::to_owned);
            self.error(Problem::Action, node, format!("Missing required attribute {name} in element"));
            if let Some(last) = self.last() {
                last.node = near;
            }
        }
        value
    }

    /// The place of a target, which must exist.
    fn target(&mut self, node: Node<'d, 'd>, text: &str) -> Option<SchemaId> {
        match self.locate(text, 0) {
            Ok(located) => match located.place {
                Some(place) => {
                    let at = self.position(node);
                    self.action_targets.push((place, at));
                    Some(place)
                }
                None => {
                    let message = format!("Invalid Action - Targets non-existent node: {}", located.path);
                    self.error(Problem::Action, node, message);
                    if let Some(last) = self.last() {
                        last.node = Some(located.path.into_owned());
                    }
                    None
                }
            },
            Err(message) => {
                self.error(Problem::Action, node, message);
                None
            }
        }
    }

    pub fn submission(&mut self, node: Node<'d, 'd>) {
        let resource = self.required(node, "resource");
        let Some(target) = self.required(node, "targetref") else { return };
        for (name, supported) in [("method", "get"), ("replace", "text"), ("mode", "synchronous")] {
            let given = attribute(node, name).unwrap_or("null");
            if given != supported {
                self.error(Problem::Action, node, format!("Unsupported submission @{name}: {given}"));
            }
        }
        if target.trim_start().starts_with("instance(") {
            self.error(Problem::Action, node, "<submission> events can only target the main instance");
            return;
        }
        let written = target.into();
        let target = self.target(node, target);
        let mut parameters = None;
        if let Some(text) = attribute(node, "ref") {
            parameters = self.target(node, text);
        }
        let (Some(resource), Some(target)) = (resource, target) else { return };
        let submission = Submission { resource: resource.into(), target, parameters, written };
        self.submissions.insert(attribute(node, "id").unwrap_or("").to_owned(), submission);
    }

    /// Reads an action of the model, or of a question.
    pub fn action(&mut self, node: Node<'d, 'd>, question: Option<ElementId>) {
        let event = attribute(node, "event");
        let known = match event {
            Some("xforms-ready") => Some(Event::Ready),
            Some("jr-insert") => Some(Event::Insert),
            Some("xforms-revalidate") => Some(Event::Revalidate),
            Some("xforms-value-changed") => None,
            _ => {
                let message =
                    format!("An action was registered for an unsupported event: {}", event.unwrap_or("null"));
                self.error(Problem::Action, node, message);
                if let Some(last) = self.last() {
                    last.suggestion = Some(
                        "Use xforms-ready, jr-insert, xforms-revalidate or, in a question, xforms-value-changed."
                            .into(),
                    );
                }
                return;
            }
        };
        let action = if node.tag_name().name() == "send" { self.send(node) } else { self.setvalue(node) };
        let Some(action) = action else { return };
        let id = self.actions.len() as ActionId;
        self.actions.push(action);
        match (known, question) {
            (Some(event), None) => self.events.push((event, id)),
            (None, Some(question)) => self.edit(question, |q| q.actions.push(id)),
            _ => {
                let message = format!("The event {} never happens here.", event.unwrap_or(""));
                self.warning(Problem::Action, node, message);
            }
        }
    }

    fn send(&mut self, node: Node<'d, 'd>) -> Option<Action> {
        let id = self.required(node, "submission")?;
        let Some(submission) = self.submissions.get(id).cloned() else {
            self.warning(Problem::Action, node, format!("There is no <submission> \"{id}\"."));
            return None;
        };
        Some(Action {
            kind: ActionKind::Send { resource: submission.resource, parameters: submission.parameters },
            target: submission.target,
            path: None,
            written: submission.written,
        })
    }

    fn setvalue(&mut self, node: Node<'d, 'd>) -> Option<Action> {
        let (place, path, written) = if let Some(id) = attribute(node, "bind") {
            match self.bind_ids.get(id) {
                Some(Some(place)) => (*place, None, self.path_of(*place)),
                Some(None) => {
                    self.error(
                        Problem::Action,
                        node,
                        format!("Invalid Action - Targets bind {id} without node"),
                    );
                    return None;
                }
                None => {
                    let message = format!("XForm Parse: invalid binding ID in submit'{id}'");
                    self.error(Problem::Action, node, message);
                    return None;
                }
            }
        } else if let Some(text) = attribute(node, "ref") {
            let place = self.target(node, text)?;
            let expr = self.expression(text).ok()?;
            let path = expr.has_predicates().then(|| (*expr).clone());
            (place, path, self.path_of(place))
        } else {
            self.error(Problem::Action, node, "setvalue action with no target!");
            return None;
        };
        let kind = match attribute(node, "value") {
            Some(text) => match self.expression(text) {
                Ok(expr) => ActionKind::Compute((*expr).clone()),
                Err(error) => {
                    let message = format!(
                        "Invalid XPath in value set action declaration: '{text}' for {written}, {error}"
                    );
                    self.error(Problem::Expression, node, message);
                    if let Some(last) = self.last() {
                        last.node = Some(written);
                    }
                    return None;
                }
            },
            None => match runs(node).into_iter().next() {
                Some(Run::Text(text)) => ActionKind::Literal(text.as_ref().into()),
                _ => {
                    let message = format!(
                        "No 'value' attribute and no inner value set in <setvalue> associated with: {written}"
                    );
                    self.error(Problem::Action, node, message);
                    return None;
                }
            },
        };
        Some(Action { kind, target: place, path, written: written.into() })
    }
}
