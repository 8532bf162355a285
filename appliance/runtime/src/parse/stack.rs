//! Stack operations and endpoints.

use roxmltree::Node;

use super::Parser;
use super::xml::{self, attribute, elements, name};
use crate::error::Error;
use crate::suite::{Endpoint, EndpointArgument, Operation, OperationKind, StepTemplate, StepValue};
use crate::text::Text;

const SELECTED: &str = "jr://instance/selected-entities";

impl Parser<'_> {
    /// The operations below a `<stack>`.
    pub fn operations(&self, node: Node<'_, '_>) -> Result<Vec<Operation>, Error> {
        elements(node).map(|child| self.operation(child)).collect()
    }

    fn operation(&self, node: Node<'_, '_>) -> Result<Operation, Error> {
        let kind = match name(node) {
            "create" => OperationKind::Create,
            "push" => OperationKind::Push,
            "clear" => OperationKind::Clear,
            _ => return Err(Error::package(format!("{} is not a valid stack operation!", xml::place(node)))),
        };
        if kind == OperationKind::Clear && elements(node).next().is_some() {
            return Err(Error::package(format!("{} does not support children", xml::place(node))));
        }
        let steps = elements(node).map(|child| self.step(child)).collect::<Result<_, _>>()?;
        Ok(Operation { kind, condition: self.optional(node, "if")?, steps })
    }

    fn step(&self, node: Node<'_, '_>) -> Result<StepTemplate, Error> {
        let id = || attribute(node, "id").unwrap_or_default().into();
        Ok(match name(node) {
            "command" => StepTemplate::Command(self.value(node)?),
            "datum" => StepTemplate::Datum(id(), self.value(node)?),
            "instance-datum" => StepTemplate::InstanceDatum(id(), self.value(node)?),
            "mark" => StepTemplate::Mark,
            "rewind" => StepTemplate::Rewind(match self.value(node)? {
                StepValue::Literal(text) if text.is_empty() => None,
                value => Some(value),
            }),
            "query" => StepTemplate::Query(id(), self.url(node, "value")?, self.parameters(node)?),
            "jump" => {
                let url = xml::child(node, "url")
                    .ok_or_else(|| Error::package(format!("{} needs an <url>", xml::place(node))))?;
                StepTemplate::Jump(self.text_below(url)?.unwrap_or(Text::Empty))
            }
            _ => {
                return Err(Error::package(format!(
                    "{} is not a valid stack frame element!",
                    xml::place(node)
                )));
            }
        })
    }

    fn value(&self, node: Node<'_, '_>) -> Result<StepValue, Error> {
        Ok(match self.optional(node, "value")? {
            Some(expr) => StepValue::Expression(expr),
            None => StepValue::Literal(xml::trim(&xml::text_of(node)).into()),
        })
    }

    pub fn endpoint(&self, node: Node<'_, '_>) -> Result<Endpoint, Error> {
        let id = |node| match attribute(node, "id") {
            Some(id) if !id.is_empty() => Ok(Box::from(id)),
            _ => Err(Error::package(format!("{} must define a non empty id", xml::place(node)))),
        };
        let mut endpoint = Endpoint {
            id: id(node)?,
            respect_relevancy: attribute(node, "respect-relevancy") != Some("false"),
            arguments: Vec::new(),
            stack: Vec::new(),
        };
        for child in elements(node) {
            match name(child) {
                "argument" => {
                    let instance = attribute(child, "instance-id");
                    match attribute(child, "instance-src") {
                        None if instance.is_some() => {
                            return Err(Error::package(format!(
                                "{} must define an instance-src",
                                xml::place(child)
                            )));
                        }
                        Some(source) if source != SELECTED => {
                            return Err(Error::package(format!(
                                "instance-src must be {SELECTED}: {}",
                                xml::place(child)
                            )));
                        }
                        _ => {}
                    }
                    endpoint
                        .arguments
                        .push(EndpointArgument { id: id(child)?, instance: instance.map(Into::into) });
                }
                "stack" => endpoint.stack.extend(self.operations(child)?),
                _ => {}
            }
        }
        Ok(endpoint)
    }
}
