//! Actions: storing values and sending on events.

use bolster_xpath::{DataSource, Datum, NodeId};

use super::Session;
use super::env::Op;
use super::journal::Journal;
use crate::data;
use crate::definition::{Action, ActionId, ActionKind, Event};
use crate::error::{FormCode, FormError};

impl Session {
    /// Runs the actions of the model for an event, in the order of the form.
    pub(crate) fn run_event(
        &mut self,
        op: &Op<'_>,
        event: Event,
        journal: &mut Journal,
    ) -> Result<(), FormError> {
        let def = self.def.clone();
        for action in def.actions_on(event) {
            self.run_action(op, &def.actions[*action as usize], None, journal)?;
        }
        Ok(())
    }

    /// Runs the actions of a question that was answered.
    pub(crate) fn run_actions(
        &mut self,
        op: &Op<'_>,
        actions: &[ActionId],
        node: NodeId,
        journal: &mut Journal,
    ) -> Result<(), FormError> {
        let def = self.def.clone();
        for action in actions {
            self.run_action(op, &def.actions[*action as usize], Some(node), journal)?;
        }
        Ok(())
    }

    /// Runs one action; false if it had no node to work on.
    pub(crate) fn run_action(
        &mut self,
        op: &Op<'_>,
        action: &Action,
        context: Option<NodeId>,
        journal: &mut Journal,
    ) -> Result<bool, FormError> {
        let Some(node) = self.action_target(op, action, context)? else { return Ok(false) };
        let value = match &action.kind {
            ActionKind::Literal(text) => self.recast(op, action, Datum::text(text))?,
            ActionKind::Compute(expr) => {
                let data_type = self.def.schema[action.target as usize].data_type;
                let result =
                    self.eval(op, expr, Some(node), |value, context| data::store(value, data_type, context));
                let value = result.map_err(|error| {
                    let mut out = FormError::of(&error, expr.text(), "");
                    out.node = Some(action.written.to_string());
                    out
                })?;
                self.recast(op, action, value)?
            }
            ActionKind::Send { resource, parameters } => {
                let parameters = parameters.and_then(|place| {
                    let node = *self.expand(place, &[]).first()?;
                    Some(self.parameters(op, node))
                });
                match op.host.send(resource, parameters.as_deref()) {
                    Some(reply) => Datum::text(&reply),
                    None => return Ok(false),
                }
            }
        };
        self.store(op, node, value, journal)?;
        Ok(true)
    }

    /// What is stored must fit the type of its node.
    fn recast(&self, op: &Op<'_>, action: &Action, value: Datum) -> Result<Datum, FormError> {
        let data_type = self.def.schema[action.target as usize].data_type;
        let text = data::text(&value, op.host);
        data::cast(&text, data_type, op.host).map_err(|message| {
            let message = format!(
                "Invalid data type in setvalue event targetting |{}|\nError: {message}",
                action.written
            );
            let mut out = FormError::new(FormCode::Expression(bolster_xpath::Code::Type), message);
            out.node = Some(action.written.to_string());
            out
        })
    }

    /// The names and values of the children that have one.
    fn parameters(&self, op: &Op<'_>, node: NodeId) -> Vec<(String, String)> {
        let children = self.tree.child_nodes(node).filter(|child| !self.tree.is_template(*child));
        children
            .filter(|child| *self.tree.datum(*child) != Datum::Empty)
            .map(|child| {
                let name = self.def.names.text(self.tree.name(child)).to_string();
                (name, data::text(self.tree.datum(child), op.host))
            })
            .collect()
    }

    /// The one node an action works on; nothing if there is none now, or several.
    fn action_target(
        &self,
        op: &Op<'_>,
        action: &Action,
        context: Option<NodeId>,
    ) -> Result<Option<NodeId>, FormError> {
        if let Some(path) = &action.path {
            let nodes = self.select(op, path, context);
            let nodes = nodes.map_err(|error| FormError::of(&error, path.text(), ""))?;
            return match &nodes[..] {
                [] => Ok(None),
                [node] => Ok(Some(*node)),
                _ => {
                    let message = format!(
                        "XPath nodeset has more than one node [{}]; Actions can only target a single node reference. \
                         Refine path expression to match only one node.",
                        action.written
                    );
                    Err(FormError::new(FormCode::Expression(bolster_xpath::Code::Type), message))
                }
            };
        }
        let pins = context.map(|node| self.pins(node)).unwrap_or_default();
        // Only those entries count that the target shares with the context.
        let multiples = &self.def.schema[action.target as usize].multiples;
        let shared =
            pins.iter().zip(multiples).take_while(|(node, place)| self.place(**node) == **place).count();
        match &self.expand(action.target, &pins[..shared])[..] {
            [node] => Ok(Some(*node)),
            _ => Ok(None),
        }
    }
}
