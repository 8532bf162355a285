//! Searches and their prompts.

use roxmltree::Node;

use super::Parser;
use super::xml::{self, attribute, elements, name};
use crate::error::Error;
use crate::suite::{Datum, DatumKind, Itemset, Query, QueryPrompt};
use crate::text::{Display, Text};
use bolster_xpath::Expr;

impl Parser<'_> {
    pub fn query(&self, node: Node<'_, '_>) -> Result<Datum, Error> {
        let id = attribute(node, "storage-instance").ok_or_else(|| {
            Error::package(format!("{} lacks 'url' or 'storage-instance'", xml::place(node)))
        })?;
        let mut query = Query {
            url: self.url(node, "url")?,
            case_template: attribute(node, "template") == Some("case"),
            default_search: attribute(node, "default_search") == Some("true"),
            dynamic_search: attribute(node, "dynamic_search") == Some("true"),
            search_on_clear: attribute(node, "search_on_clear") == Some("true"),
            title: None,
            description: None,
            data: self.parameters(node)?,
            groups: Vec::new(),
            prompts: Vec::new(),
        };
        for child in elements(node) {
            match name(child) {
                "title" => query.title = self.text_below(child)?,
                "description" => query.description = self.text_below(child)?,
                "group" => {
                    let key = attribute(child, "key").unwrap_or_default().into();
                    query.groups.push((key, self.shown(child)?.unwrap_or_default()));
                }
                "prompt" => {
                    let prompt = self.prompt(child)?;
                    match query.prompts.iter().position(|known| known.key == prompt.key) {
                        Some(known) => query.prompts[known] = prompt,
                        None => query.prompts.push(prompt),
                    }
                }
                _ => {}
            }
        }
        Ok(Datum { id: id.into(), kind: DatumKind::Query(Box::new(query)) })
    }

    fn prompt(&self, node: Node<'_, '_>) -> Result<QueryPrompt, Error> {
        let text = |key| attribute(node, key).map(Into::into);
        let old = self.optional(node, "required")?;
        let mut required = None;
        let mut validation = None;
        let mut display = Display::default();
        let mut itemset = None;
        for child in elements(node) {
            match name(child) {
                "display" => display = self.display(child)?,
                "itemset" => itemset = Some(Box::new(self.itemset(child)?)),
                "validation" => validation = Some(self.condition(child)?),
                "required" if old.is_some() => {
                    return Err(Error::package(format!(
                        "Both required attribute and node in {}",
                        xml::place(node)
                    )));
                }
                "required" => required = Some(self.condition(child)?),
                _ => {}
            }
        }
        Ok(QueryPrompt {
            key: attribute(node, "key").unwrap_or_default().into(),
            input: text("input"),
            appearance: text("appearance"),
            receive: text("receive"),
            hidden: text("hidden"),
            allow_blank: attribute(node, "allow_blank_value") == Some("true"),
            group: text("group_key"),
            display,
            default: self.optional(node, "default")?,
            exclude: self.optional(node, "exclude")?,
            required: old.map(|test| (test, None)).or(required),
            validation,
            itemset,
        })
    }

    fn condition(&self, node: Node<'_, '_>) -> Result<(Expr, Option<Text>), Error> {
        let test = attribute(node, "test")
            .ok_or_else(|| Error::package(format!("No test condition defined in {}", xml::place(node))))?;
        Ok((self.expr(test, node, "test")?, self.text_below(node)?))
    }

    fn itemset(&self, node: Node<'_, '_>) -> Result<Itemset, Error> {
        let nodeset = attribute(node, "nodeset")
            .ok_or_else(|| Error::package(format!("{} needs a nodeset", xml::place(node))))?;
        let mut itemset = Itemset {
            nodeset: self.expr(nodeset, node, "nodeset")?,
            label: None,
            label_is_key: false,
            value: None,
            sort: None,
        };
        for child in elements(node) {
            let Some(reference) = attribute(child, "ref") else { continue };
            match name(child) {
                "label" => {
                    let inner =
                        reference.trim().strip_prefix("jr:itext(").and_then(|rest| rest.strip_suffix(')'));
                    itemset.label_is_key = inner.is_some();
                    itemset.label = Some(self.expr(inner.unwrap_or(reference), child, "ref")?);
                }
                "value" => itemset.value = Some(self.expr(reference, child, "ref")?),
                "sort" => itemset.sort = Some(self.expr(reference, child, "ref")?),
                _ => {}
            }
        }
        Ok(itemset)
    }
}
