//! The choices of selects: those of the form, and those that come from nodes.

use bolster_xpath::{NodeId, NodeRef, Nodeset, Value};

use super::Session;
use super::env::{At, Op};
use super::prompt::Choice;
use crate::definition::{Itemset, Question};
use crate::error::FormError;
use crate::text::Text;

impl Session {
    /// The choices a question offers at a node.
    pub(crate) fn choices(
        &self,
        op: &Op<'_>,
        question: &Question,
        node: NodeId,
    ) -> Result<Vec<Choice>, FormError> {
        if let Some(itemset) = &question.itemset {
            return self.dynamic_choices(op, itemset, node);
        }
        let mut out = Vec::with_capacity(question.choices.len());
        for choice in &question.choices {
            let label = self.caption(op, &choice.label, Some(node), &[])?;
            let short = self.short(op, &choice.label, Some(node), &label)?;
            let media = self.media(op, &choice.label, Some(node))?;
            out.push(Choice { value: choice.value.to_string(), label, short, media });
        }
        Ok(out)
    }

    fn dynamic_choices(
        &self,
        op: &Op<'_>,
        itemset: &Itemset,
        node: NodeId,
    ) -> Result<Vec<Choice>, FormError> {
        let evaluated = self.eval(op, &itemset.nodeset, Some(node), |value, context| {
            let Value::Nodes(nodes) = value else { return Ok(Vec::new()) };
            if let Some(error) = nodes.invalid {
                return Err(*error);
            }
            let original = context.node;
            let mut out = Vec::with_capacity(nodes.nodes.len());
            let Nodeset { instance, source, nodes, .. } = nodes;
            for (number, &node) in nodes.iter().enumerate() {
                let at = At { node: Some(NodeRef { instance, source, node }), original, ..At::default() };
                let text = |expr| self.eval_at(op, expr, at, |v, cx| Ok(v.to_text(cx)?.into_owned()));
                let label = text(&itemset.label)?;
                let value = match &itemset.value {
                    Some(expr) => text(expr)?,
                    None => format!("dynamic:{number}"),
                };
                let sort = itemset.sort.as_ref().map(text).transpose()?;
                out.push((sort, value, label));
            }
            Ok(out)
        });
        let mut items = evaluated.map_err(|error| FormError::of(&error, itemset.nodeset.text(), ""))?;
        if itemset.sort.is_some() {
            items.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let mut out = Vec::with_capacity(items.len());
        for (_, value, label) in items {
            if !itemset.label_is_itext {
                out.push(Choice { value, label: Some(label), ..Choice::default() });
                continue;
            }
            let text = self.def.itext.id(&label).map_or(Text::None, Text::Itext);
            let label = self.caption(op, &text, Some(node), &[])?;
            let short = self.short(op, &text, Some(node), &label)?;
            let media = self.media(op, &text, Some(node))?;
            out.push(Choice { value, label, short, media });
        }
        Ok(out)
    }
}
