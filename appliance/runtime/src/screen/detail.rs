//! One node in detail: tabs, lists of nodes below it, tiles.

use std::sync::Arc;

use bolster_xpath::NodeRef;

use super::list::{Cell, ListOptions, Page, cell, headers, rows, variables};
use crate::detail::{Detail, Field};
use crate::env::Env;
use crate::error::Error;

/// A line about a node: header, cell, what is read out, and the field.
pub type Line<'d> = (String, Cell, Option<String>, &'d Field);

/// What a tab shows.
pub enum TabRows<'d> {
    /// Lines about the node.
    Lines(Vec<Line<'d>>),
    /// Nodes below it: headers and rows.
    Nodes(Vec<String>, Page),
}

/// A tab.
pub struct DetailTab<'d> {
    /// Its title.
    pub title: String,
    /// The tab.
    pub detail: &'d Arc<Detail>,
    /// What it shows.
    pub rows: TabRows<'d>,
}

/// The tabs of a detail that are shown for a node. With `whole`, lines that are blank stay.
pub fn detail_tabs<'d>(
    tabs: &[&'d Arc<Detail>],
    env: &Env<'_>,
    node: NodeRef<'_>,
    whole: bool,
    fuzzy: bool,
) -> Result<Vec<DetailTab<'d>>, Error> {
    let mut out = Vec::with_capacity(tabs.len());
    for detail in tabs {
        let title = detail.title.text.evaluate(env, None, &[])?;
        let rows = match &detail.nodeset {
            None => TabRows::Lines(lines(detail, env, node, whole)?),
            Some(nodeset) => {
                let found = env.nodes(nodeset, Some(node), &[])?;
                let place = (found.instance, found.source);
                let options = ListOptions { fuzzy, ..ListOptions::default() };
                let page = rows(detail, &found.nodes, Some(place), env, &options)?;
                TabRows::Nodes(headers(detail, env, 0)?.0, page)
            }
        };
        out.push(DetailTab { title, detail, rows });
    }
    Ok(out)
}

/// The tabs of a detail whose conditions hold for a node; the detail itself if it has none.
pub fn shown_tabs<'d>(
    detail: &'d Arc<Detail>,
    env: &Env<'_>,
    node: NodeRef<'_>,
) -> Result<Vec<&'d Arc<Detail>>, Error> {
    let own = variables(detail, env, Some(node))?;
    let mut out = Vec::new();
    for tab in &detail.tabs {
        let shown = match &tab.relevant {
            Some(relevant) => env.boolean(relevant, Some(node), &own)?,
            None => true,
        };
        if shown {
            out.push(tab);
        }
    }
    Ok(if out.is_empty() { vec![detail] } else { out })
}

fn lines<'d>(
    detail: &'d Detail,
    env: &Env<'_>,
    node: NodeRef<'_>,
    whole: bool,
) -> Result<Vec<Line<'d>>, Error> {
    let own = variables(detail, env, Some(node))?;
    let mut out = Vec::new();
    for field in &detail.fields {
        let shown = cell(field, env, Some(node), &own)?;
        let blank = match &shown {
            Cell::Text(text) => text.trim().is_empty(),
            Cell::None => true,
            Cell::Graph(_) => false,
        };
        if blank && !whole {
            continue;
        }
        let header = field.header.evaluate(env, Some(node), &own)?;
        let alt = field.alt_text.as_ref().map(|text| text.evaluate(env, Some(node), &own)).transpose()?;
        out.push((header, shown, alt, field));
    }
    Ok(out)
}

/// The tile of a node that was chosen.
pub fn tile<'d>(detail: &'d Arc<Detail>, env: &Env<'_>, node: NodeRef<'_>) -> Result<DetailTab<'d>, Error> {
    Ok(DetailTab {
        title: "Details".to_owned(),
        detail,
        rows: TabRows::Lines(lines(detail, env, node, false)?),
    })
}
