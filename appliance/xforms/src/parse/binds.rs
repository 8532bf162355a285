//! `<bind>`: types, flags, conditions, calculations, constraints.

use std::sync::Arc;

use bolster_xpath::{Code, Expr};
use roxmltree::Node;

use super::document::{attribute, javarosa};
use super::{InitialFlags, Loader, RawItem};
use crate::data::DataType;
use crate::definition::{Constraint, ItemKind};
use crate::error::Problem;

impl<'d> Loader<'d> {
    pub fn bind(&mut self, node: Node<'d, 'd>) {
        let Some(nodeset) = attribute(node, "nodeset") else {
            self.error(Problem::Bind, node, "XForm Parse: <bind> without nodeset");
            return;
        };
        let located = match self.locate(nodeset, 0) {
            Ok(located) => located,
            Err(message) => {
                self.error(Problem::Bind, node, message);
                return;
            }
        };
        if let Some(id) = attribute(node, "id")
            && self.bind_ids.insert(id.to_owned(), located.place).is_some()
        {
            self.error(Problem::Bind, node, format!("XForm Parse: <bind>s with duplicate ID: '{id}'"));
        }
        let data_type = attribute(node, "type").map_or(DataType::Untyped, |text| {
            DataType::named(text).unwrap_or_else(|| {
                self.warning(Problem::Bind, node, format!("unrecognized data type [{text}]"));
                DataType::Unsupported
            })
        });
        let mut flags = InitialFlags::default();
        let relevant = self.condition(node, nodeset, ItemKind::Relevant, &mut flags);
        let required = self.condition(node, nodeset, ItemKind::Required, &mut flags);
        let readonly = self.condition(node, nodeset, ItemKind::Readonly, &mut flags);
        let constraint = attribute(node, "constraint")
            .and_then(|text| self.bind_expression(node, nodeset, text, "validation"));
        let calculate = attribute(node, "calculate")
            .and_then(|text| self.bind_expression(node, nodeset, text, "calculate"));
        if located.places.is_empty() {
            let message = if located.instance {
                format!("<bind> points to an non-main instance ({}), which is read-only.", located.path)
            } else {
                format!(
                    "<bind> defined for a node that doesn't exist [{}]. The node was renamed and the bind should \
                     be updated accordingly.",
                    located.path
                )
            };
            self.warning(Problem::Bind, node, message);
            return;
        }
        let line = self.position(node);
        for place in located.places {
            let initial = self.flags.entry(place).or_default();
            if relevant.is_none() {
                initial.irrelevant = flags.irrelevant;
            }
            if required.is_none() {
                initial.required = flags.required;
            }
            if readonly.is_none() {
                initial.readonly = flags.readonly;
            }
            self.schema[place as usize].data_type = data_type;
            if let Some(expr) = &constraint {
                self.schema[place as usize].constraint = Some(self.constraint(node, expr.clone()));
            }
            let items = [
                (ItemKind::Relevant, &relevant),
                (ItemKind::Required, &required),
                (ItemKind::Readonly, &readonly),
                (ItemKind::Calculate, &calculate),
            ];
            for (kind, expr) in items {
                if let Some(expr) = expr {
                    self.items.push(RawItem { kind, expr: expr.clone(), target: place, line });
                }
            }
        }
    }

    fn constraint(&self, node: Node<'_, '_>, expr: Arc<Expr>) -> Constraint {
        let message: Option<Box<str>> = javarosa(node, "constraintMsg").map(Box::from);
        let computed = message.as_deref().and_then(|text| {
            Expr::parse_within(&format!("string({text})"), &self.names, &self.limits.expressions).ok()
        });
        Constraint { expr, message, computed }
    }

    /// A condition, or a flag if it is constant.
    fn condition(
        &mut self,
        node: Node<'d, 'd>,
        nodeset: &str,
        kind: ItemKind,
        flags: &mut InitialFlags,
    ) -> Option<Arc<Expr>> {
        let text = attribute(node, kind.as_str())?;
        let constant = match text {
            "true()" => Some(true),
            "false()" => Some(false),
            _ => None,
        };
        if let Some(on) = constant {
            match kind {
                ItemKind::Relevant => flags.irrelevant = !on,
                ItemKind::Required => flags.required = on,
                _ => flags.readonly = on,
            }
            return None;
        }
        let what = match kind {
            ItemKind::Relevant => "display condition",
            ItemKind::Required => "require condition",
            _ => "readonly condition",
        };
        match self.expression(text) {
            Ok(expr) => self.supported(node, nodeset, text, what, expr),
            Err(error) => {
                let message = format!(
                    "Encountered a problem with {what} for node [{nodeset}] at line: {text}, {error}"
                );
                self.bind_error(node, nodeset, message, &error);
                None
            }
        }
    }

    fn bind_expression(
        &mut self,
        node: Node<'d, 'd>,
        nodeset: &str,
        text: &str,
        what: &str,
    ) -> Option<Arc<Expr>> {
        match self.expression(text) {
            // A constraint is only evaluated when somebody answers.
            Ok(expr) if what == "validation" => Some(expr),
            Ok(expr) => self.supported(node, nodeset, text, what, expr),
            Err(error) => {
                let message = format!(
                    "Problem with bind for {nodeset} contains invalid {what} expression [{text}] {error}"
                );
                self.bind_error(node, nodeset, message, &error);
                None
            }
        }
    }

    /// Refuses constructs outside of the dialect.
    fn supported(
        &mut self,
        node: Node<'d, 'd>,
        nodeset: &str,
        text: &str,
        what: &str,
        expr: Arc<Expr>,
    ) -> Option<Arc<Expr>> {
        if expr.is_supported() {
            return Some(expr);
        }
        let context = self.reference(0);
        match expr.references(&context) {
            Err(error) if error.code == Code::Unsupported => {
                let message = format!(
                    "Problem with bind for {nodeset} contains invalid {what} expression [{text}] {error}"
                );
                self.bind_error(node, nodeset, message, &error);
                None
            }
            _ => Some(expr),
        }
    }

    fn bind_error(
        &mut self,
        node: Node<'_, '_>,
        nodeset: &str,
        message: String,
        error: &bolster_xpath::Error,
    ) {
        self.error(Problem::Expression, node, message);
        let suggestion = match error.code {
            Code::Arity => Some("Check how many arguments the function takes.".to_owned()),
            Code::Syntax => {
                Some(format!("Look at the expression from its character {} on.", error.span.start + 1))
            }
            _ => None,
        };
        if let Some(last) = self.last() {
            last.node = Some(nodeset.to_owned());
            last.suggestion = suggestion;
        }
    }
}
