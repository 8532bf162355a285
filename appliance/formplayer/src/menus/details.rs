//! Details of one node: of a row of a list, of what was chosen.

use std::sync::Arc;

use bolster_runtime::{
    Code, Cx, Detail, DetailTab, EntityDatum, Env, Error, Navigator, Options, Screen, Session, StepKind,
    TabRows, detail_tabs, node_of, shown_tabs, tile,
};
use bolster_xpath::NodeRef;
use serde_json::json;

use super::render::{cell_json, rows_json, styles, tiles};
use super::{fault, options, path};
use crate::dispatch::Call;
use crate::fault::Fault;
use crate::reply::{Body, Reply};
use crate::request::Request;
use crate::{Formplayer, lock};

/// A tab as JSON.
fn tab_json(tab: &DetailTab<'_>, inline: bool) -> Result<String, Error> {
    let mut body = Body::default();
    body.set("title", tab.title.as_str());
    body.set("hasInlineTile", inline);
    for (key, value) in [
        ("maxWidth", json!(0)),
        ("maxHeight", json!(0)),
        ("numEntitiesPerRow", json!(0)),
        ("usesCaseTiles", json!(false)),
        ("useUniformUnits", json!(false)),
        ("useNodeset", json!(false)),
    ] {
        body.set(key, value);
    }
    match &tab.rows {
        TabRows::Lines(lines) => {
            let cells: Vec<String> = lines.iter().map(|line| cell_json(&line.1)).collect();
            body.write("details", format!("[{}]", cells.join(",")));
            body.set("headers", lines.iter().map(|line| line.0.as_str()).collect::<Vec<_>>());
            body.set("altText", json!(lines.iter().map(|line| line.2.as_deref()).collect::<Vec<_>>()));
            body.write("styles", styles(lines.iter().map(|line| line.3)));
        }
        TabRows::Nodes(headers, page) => {
            body.write("entities", rows_json(&page.rows, &|_| Ok(String::new()), true)?);
            body.set("headers", json!(headers));
            body.write("styles", styles(tab.detail.fields.iter()));
            body.set("useNodeset", true);
        }
    }
    if let Some(tiles) = tiles(tab.detail) {
        let (width, height) = tab.detail.extent();
        body.write("tiles", tiles);
        body.set("usesCaseTiles", true);
        body.set("maxWidth", width);
        body.set("maxHeight", height);
        body.set("numEntitiesPerRow", tab.detail.fit_across);
        body.set("useUniformUnits", tab.detail.uniform_units);
    }
    Ok(body.text())
}

/// The step whose tile stays above later screens: the first of those that have one.
fn framed(cx: &Cx<'_>, session: &Session) -> Option<(String, Arc<bolster_runtime::Datum>)> {
    let steps = session.resolved(cx.app);
    let mut found = None;
    for (at, step) in steps.iter().enumerate().rev() {
        if step.kind != StepKind::Entity {
            continue;
        }
        let first = steps.iter().position(|other| other.id == step.id && other.kind == StepKind::Entity);
        let datum = definition(cx, &steps[..=first.unwrap_or(at)], &step.id);
        if let Some(datum) = datum.filter(|datum| datum.entity().is_some_and(|e| e.persistent.is_some()))
            && let Some(value) = &step.value
        {
            found = Some((value.clone(), datum));
        }
    }
    found
}

/// The declaration of a datum: in the entries of the latest command before it that declares it.
fn definition(cx: &Cx<'_>, steps: &[bolster_runtime::Step], id: &str) -> Option<Arc<bolster_runtime::Datum>> {
    for step in steps.iter().rev().filter(|step| step.kind == StepKind::Command) {
        for entry in cx.app.entries_for(&step.id).unwrap_or_default() {
            let own = entry.data.iter().find(|datum| *datum.id == *id && datum.entity().is_some());
            if let Some(datum) = own {
                return Some(datum.clone());
            }
        }
    }
    None
}

/// Runs something at the node that was chosen for a framed step.
fn at_framed<T>(
    cx: &Cx<'_>,
    session: &Session,
    value: &str,
    entity: &EntityDatum,
    run: impl FnOnce(&Env<'_>, NodeRef<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let scope = session.scope(cx)?;
    let env = Env::new(cx, &scope);
    let Some((instance, node)) = node_of(entity, value, &env)? else {
        return Err(Error::new(
            Code::Configuration,
            format!(
                "Could not create tile for case with ID {value} because this case does not meet the criteria for the \
                 case list with ID {}.",
                entity.short.as_deref().unwrap_or("null")
            ),
        ));
    };
    let Some(source) = instance.as_deref().and_then(|id| env.loaded(id)) else {
        return Err(Error::new(Code::Instance, "The data of the tile is not there."));
    };
    run(&env, NodeRef { instance: instance.as_deref(), source, node })
}

/// The tile of what was chosen, as JSON.
pub(crate) fn persistent_tile(cx: &Cx<'_>, session: &Session) -> Result<Option<String>, Error> {
    let Some((value, datum)) = framed(cx, session) else { return Ok(None) };
    let Some(entity) = datum.entity() else { return Ok(None) };
    let Some(id) = entity.persistent.as_deref() else { return Ok(None) };
    let detail = cx.app.detail(id)?.clone();
    at_framed(cx, session, &value, entity, |env, node| {
        tab_json(&tile(&detail, env, node)?, entity.inline.is_some())
    })
    .map(Some)
}

/// The tabs that open from the tile of what was chosen.
fn inline_tabs(cx: &Cx<'_>, session: &Session) -> Result<Option<String>, Error> {
    let Some((value, datum)) = framed(cx, session) else { return Ok(None) };
    let Some(entity) = datum.entity() else { return Ok(None) };
    let Some(id) = entity.inline.as_deref() else { return Ok(None) };
    let detail = cx.app.detail(id)?.clone();
    let fuzzy = cx.app.profile.is_on("cc-fuzzy-search-enabled");
    at_framed(cx, session, &value, entity, |env, node| {
        tabs_json(&detail.flattened(), env, node, false, fuzzy)
    })
    .map(Some)
}

fn tabs_json(
    tabs: &[&Arc<Detail>],
    env: &Env<'_>,
    node: NodeRef<'_>,
    whole: bool,
    fuzzy: bool,
) -> Result<String, Error> {
    let tabs = detail_tabs(tabs, env, node, whole, fuzzy)?;
    let parts = tabs.iter().map(|tab| tab_json(tab, false)).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[{}]", parts.join(",")))
}

impl Formplayer {
    pub(crate) fn get_details(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        self.trip(call, request, true, |trip, cx| {
            let selections = request.texts("selections").unwrap_or_default();
            let known = |path_so_far: &[String]| {
                lock(&trip.opened.user.confirmed).contains(&path(&trip.opened.id, path_so_far))
            };
            let mut options = options(request, trip.account);
            options.confirmed = Some(&known);
            let mut navigator = Navigator::new(cx);
            let failed = |error| fault(error, trip.world);
            let reply = |details: Option<String>, persistent: bool| {
                let mut body = Body::default();
                body.write("details", details.unwrap_or_else(|| "null".into()));
                body.set("isPersistentDetail", persistent);
                let asked = trip.world.asked_here();
                body.set("shouldRequestLocation", asked && trip.world.location.is_none());
                body.set("shouldWatchLocation", asked);
                Reply::ok(&body)
            };
            if request.flag("isPersistent") {
                navigator.advance(&selections, &options, false).map_err(failed)?;
                return match inline_tabs(cx, &navigator.session).map_err(failed)? {
                    Some(tabs) => Ok(reply(Some(tabs), false)),
                    None => Err(Fault::Other("Could not get inline details".into())),
                };
            }
            let (last, rest) = selections.split_last().ok_or_else(|| {
                Fault::Other("The last selection must be the entity whose details are wanted.".into())
            })?;
            if request.flag("isRefreshCaseSearch") {
                lock(&trip.opened.user.results).clear();
            }
            options.detail = Some(last.clone());
            navigator.advance(rest, &options, false).map_err(failed)?;
            lock(&trip.opened.user.confirmed).insert(path(&trip.opened.id, &navigator.selections));
            let current = navigator.current(&Options { detail: Some(last.clone()), ..Options::default() });
            let Some(Screen::Entity(screen)) = current.map_err(failed)? else {
                return match persistent_tile(cx, &navigator.session).map_err(failed)? {
                    Some(tile) => Ok(reply(Some(format!("[{tile}]")), true)),
                    None => Err(Fault::Other("Tried to get details while not on a case list.".into())),
                };
            };
            let mut screen = screen.borrow_mut();
            screen.init(cx).map_err(failed)?;
            let Some((instance, node)) = screen.node_of(last, cx).map_err(failed)? else {
                return Err(Fault::NotFound(format!("Could not find case with ID {last}")));
            };
            let env = Env::new(cx, &screen.scope);
            let Some(source) = instance.as_deref().and_then(|id| env.loaded(id)) else {
                return Err(Fault::NotFound(format!("Could not find case with ID {last}")));
            };
            let node = NodeRef { instance: instance.as_deref(), source, node };
            lock(&trip.opened.user.confirmed).insert(path(&trip.opened.id, &selections));
            let short = request.flag("isShortDetail");
            let fuzzy = cx.app.profile.is_on("cc-fuzzy-search-enabled");
            let tabs = if short {
                Some(tabs_json(&[&screen.detail], &env, node, true, fuzzy).map_err(failed)?)
            } else {
                match screen.entity()?.long.as_deref() {
                    None => None,
                    Some(id) => {
                        let detail = cx.app.detail(id)?;
                        let shown = shown_tabs(detail, &env, node).map_err(failed)?;
                        Some(tabs_json(&shown, &env, node, false, fuzzy).map_err(failed)?)
                    }
                }
            };
            Ok(reply(tabs, false))
        })
    }
}
