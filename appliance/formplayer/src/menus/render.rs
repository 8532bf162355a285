//! Screens as JSON.

use bolster_runtime::{
    Cell, Cx, Detail, EntityScreen, Env, Error, Field, ListOptions, MenuScreen, Navigation, Navigator,
    PLATFORM, PersistentItem, PersistentMenu, QueryScreen, Row, Screen, best_title, headers, page_of,
};
use bolster_xpath::NodeRef;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::Trip;
use super::details::persistent_tile;
use crate::graph_html;
use crate::reply::{Body, text};

const SPLIT_TOGGLE: &str = "SPLIT_SCREEN_CASE_SEARCH";

/// Which part of a list a client wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListRequest {
    pub search: Option<String>,
    pub sort: i64,
    pub offset: i64,
    pub size: Option<usize>,
}

/// The version of platform and application, as clients show it.
pub(crate) fn version(app_version: i64) -> String {
    format!("Formplayer Version: {}.{}, App Version: {app_version}", PLATFORM.0, PLATFORM.1)
}

/// How a column looks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StyleJson<'s> {
    font_size: i64,
    width_hint: i64,
    horizontal_align: Option<&'s str>,
    vertical_align: Option<&'s str>,
    show_border: bool,
    show_shading: bool,
    display_format: Option<&'static str>,
}

/// Where a cell stands in a tile.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TileJson<'s> {
    grid_x: i64,
    grid_y: i64,
    grid_width: i64,
    grid_height: i64,
    css_id: Option<&'s str>,
    font_size: Option<&'s str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CellJson<'s> {
    Text(&'s str),
    Owned(String),
    None,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowJson<'s> {
    id: String,
    data: Vec<CellJson<'s>>,
    group_key: Option<&'s str>,
    alt_text: Option<&'s [Option<String>]>,
}

fn style(field: &Field) -> StyleJson<'_> {
    let style = &field.style;
    StyleJson {
        font_size: style.font_size.as_deref().map_or(0, |size| size.parse().unwrap_or(12)),
        width_hint: field.template_width.as_deref().and_then(|width| width.parse().ok()).unwrap_or(-1),
        horizontal_align: style.horizontal.as_deref(),
        vertical_align: style.vertical.as_deref(),
        show_border: style.border,
        show_shading: style.shading,
        display_format: match &*field.form {
            "image" | "enum-image" => Some("Image"),
            "audio" => Some("Audio"),
            "text" => Some("Text"),
            "address" => Some("Address"),
            "address-popup" => Some("AddressPopup"),
            "graph" => Some("Graph"),
            "phone" => Some("Phone"),
            "markdown" => Some("Markdown"),
            "clickable-icon" => Some("ClickableIcon"),
            _ => None,
        },
    }
}

/// The looks of columns.
pub(super) fn styles<'f>(fields: impl Iterator<Item = &'f Field>) -> String {
    text(&fields.map(style).collect::<Vec<_>>())
}

/// The places of cells, if rows are tiles.
pub(super) fn tiles(detail: &Detail) -> Option<String> {
    if !detail.uses_tiles() {
        return None;
    }
    let tile = |field: &Field| -> Json {
        let grid = field.style.grid;
        if grid.x < 0 || grid.y < 0 || grid.width < 0 || grid.height < 0 {
            return Json::Null;
        }
        serde_json::to_value(TileJson {
            grid_x: grid.x,
            grid_y: grid.y,
            grid_width: grid.width,
            grid_height: grid.height,
            css_id: field.style.css_id.as_deref(),
            font_size: field.style.font_size.as_deref(),
        })
        .unwrap_or_default()
    };
    Some(text(&detail.fields.iter().map(tile).collect::<Vec<_>>()))
}

fn cell(cell: &Cell) -> CellJson<'_> {
    match cell {
        Cell::Text(text) => CellJson::Text(text),
        Cell::Graph(graph) => CellJson::Owned(graph_html::cell(graph)),
        Cell::None => CellJson::None,
    }
}

/// A cell as JSON.
pub(super) fn cell_json(shown: &Cell) -> String {
    text(&cell(shown))
}

/// Rows as JSON; `id` names each.
pub(super) fn rows_json(
    rows: &[Row],
    id: &dyn Fn(&Row) -> Result<String, Error>,
    with_alt: bool,
) -> Result<String, Error> {
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        out.push(RowJson {
            id: id(row)?,
            data: row.cells.iter().map(cell).collect(),
            group_key: row.group.as_deref(),
            alt_text: with_alt.then_some(&row.alt[..]),
        });
    }
    Ok(text(&out))
}

/// The reply of a screen.
pub(crate) fn screen(
    trip: &Trip<'_>,
    cx: &Cx<'_>,
    navigator: &Navigator<'_>,
    shown: &Screen,
) -> Result<Body, Error> {
    let mut body = Body::base();
    match shown {
        Screen::Menu(menu) => commands(&mut body, cx, navigator, menu)?,
        Screen::Entity(list) => entities(&mut body, trip, cx, navigator, &mut list.borrow_mut())?,
        Screen::Query(query) => prompts(&mut body, cx, &query.borrow())?,
        Screen::Post(_) => {}
    }
    body.set("locales", cx.app.locales.languages().collect::<Vec<_>>());
    common(&mut body, trip, cx, navigator)?;
    Ok(body)
}

/// What screens and forms share.
pub(crate) fn common(
    body: &mut Body,
    trip: &Trip<'_>,
    cx: &Cx<'_>,
    navigator: &Navigator<'_>,
) -> Result<(), Error> {
    if cx.app.profile.property("cc-breadcrumbs-enabled") != Some("no") {
        body.set("breadcrumbs", json!(navigator.breadcrumbs));
    }
    body.set("appId", trip.opened.id.as_str());
    body.set("appVersion", version(cx.app.profile.version));
    if let Some(tile) = persistent_tile(cx, &navigator.session)? {
        body.write("persistentCaseTile", tile);
    }
    if navigator.persistent.enabled() {
        body.set("persistentMenu", persistent(&navigator.persistent.menu));
    }
    Ok(())
}

fn persistent(items: &[PersistentMenu]) -> Json {
    let node = |item: &PersistentMenu| {
        let state = match item.item {
            PersistentItem::Next => "NEXT",
            PersistentItem::Jump => "JUMP",
            PersistentItem::Entity => "ENTITY_SELECT",
        };
        let mut out = Map::new();
        out.insert("index".into(), item.index.as_str().into());
        out.insert("displayText".into(), item.text.as_str().into());
        if let Some(image) = &item.image {
            out.insert("imageUri".into(), image.as_str().into());
        }
        out.insert("navigationState".into(), state.into());
        out.insert("commands".into(), persistent(&item.commands));
        Json::Object(out)
    };
    items.iter().map(node).collect()
}

fn commands(body: &mut Body, cx: &Cx<'_>, navigator: &Navigator<'_>, menu: &MenuScreen) -> Result<(), Error> {
    let session = &navigator.session;
    body.set("title", best_title(session, cx));
    let mut out = Vec::with_capacity(menu.visible.len());
    for (index, item) in menu.visible.iter().enumerate() {
        let display = item.display();
        let media = |text: &Option<bolster_runtime::Text>| {
            text.as_ref().map(|text| item.text(text, session, cx)).transpose()
        };
        let mut command = Map::new();
        command.insert("index".into(), index.into());
        command.insert("id".into(), item.command().into());
        command.insert("displayText".into(), item.name(session, cx)?.into());
        if let Some(audio) = media(&display.audio)? {
            command.insert("audioUri".into(), audio.into());
        }
        if let Some(image) = media(&display.image)? {
            command.insert("imageUri".into(), image.into());
        }
        let state = match item.navigation(session) {
            Navigation::Next => "NEXT",
            Navigation::Jump => "JUMP",
        };
        command.insert("navigationState".into(), state.into());
        command.insert("badgeText".into(), media(&display.badge)?.unwrap_or_default().into());
        out.push(Json::Object(command));
    }
    body.set("commands", out);
    body.set("type", "commands");
    body.set("layoutStyle", cx.app.menu_style(&menu.menu));
    Ok(())
}

fn entities(
    body: &mut Body,
    trip: &Trip<'_>,
    cx: &Cx<'_>,
    navigator: &Navigator<'_>,
    screen: &mut EntityScreen,
) -> Result<(), Error> {
    body.set("type", "entities");
    for (key, value) in [
        ("usesCaseTiles", json!(false)),
        ("maxWidth", json!(0)),
        ("maxHeight", json!(0)),
        ("numEntitiesPerRow", json!(0)),
        ("useUniformUnits", json!(false)),
        ("pageCount", json!(0)),
        ("currentPage", json!(0)),
        ("maxSelectValue", json!(-1)),
        ("hasDetails", json!(true)),
        ("groupHeaderRows", json!(-1)),
        ("multiSelect", json!(false)),
    ] {
        body.set(key, value);
    }
    if screen.shows_detail {
        return Ok(());
    }
    let detail = screen.detail.clone();
    let options = ListOptions {
        search: trip.list.search.as_deref(),
        fuzzy: cx.app.profile.is_on("cc-fuzzy-search-enabled"),
        sort: trip.list.sort,
        offset: trip.list.offset,
        size: trip.list.size,
    };
    actions(body, cx, screen)?;
    let page = page_of(&detail, screen, cx, &options)?;
    let found = screen.found(cx)?;
    let env = Env::new(cx, &screen.scope);
    let place = found.instance.as_deref().and_then(|id| Some((id, env.loaded(id)?)));
    let id = |row: &Row| match place {
        Some((instance, source)) => {
            screen.value_of(NodeRef { instance: Some(instance), source, node: row.node }, cx)
        }
        None => Ok(String::new()),
    };
    body.write("entities", rows_json(&page.rows, &id, true)?);
    body.set("pageCount", page.pages);
    body.set("currentPage", page.current);
    let plain = |text: &Option<bolster_runtime::Text>| {
        text.as_ref().and_then(|text| text.plain(&Env::new(cx, &Default::default())).ok())
    };
    body.set("noItemsText", plain(&detail.no_items));
    body.set("selectText", plain(&detail.select_text));
    body.set("hasDetails", screen.entity()?.long.is_some());
    body.set("title", best_title(&navigator.session, cx));
    if let Some(tiles) = tiles(&detail) {
        body.write("tiles", tiles);
        let (width, height) = detail.extent();
        body.set("usesCaseTiles", true);
        body.set("maxWidth", width);
        body.set("maxHeight", height);
        body.set("numEntitiesPerRow", detail.fit_across);
        body.set("useUniformUnits", detail.uniform_units);
    }
    body.write("styles", styles(detail.fields.iter()));
    endpoint_actions(body, cx, &detail)?;
    let (texts, widths) = headers(&detail, &env, trip.list.sort)?;
    body.set("headers", texts);
    body.set("widthHints", widths);
    body.set("sortIndices", detail.sort_fields());
    if let Some(maximum) = screen.entity()?.multiple {
        body.set("multiSelect", true);
        body.set("maxSelectValue", maximum);
    }
    if let Some(group) = &detail.group {
        body.set("groupHeaderRows", group.header_rows);
    }
    if let Some(query) = &screen.query {
        let query = query.borrow();
        body.set("queryKey", query.key());
        if trip.call.caller.has(SPLIT_TOGGLE) {
            let mut inner = Body::base();
            prompts(&mut inner, cx, &query)?;
            inner.set("locales", cx.app.locales.languages().collect::<Vec<_>>());
            body.write("queryResponse", inner.text());
        }
    }
    Ok(())
}

fn actions(body: &mut Body, cx: &Cx<'_>, screen: &EntityScreen) -> Result<(), Error> {
    let env = Env::new(cx, &screen.scope);
    let mut out = Vec::new();
    let mut redo = None;
    for (number, at) in screen.actions(cx)?.into_iter().enumerate() {
        let action = &screen.detail.actions[at];
        let part =
            |text: &Option<bolster_runtime::Text>| text.as_ref().map(|text| text.plain(&env)).transpose();
        out.push(json!({
            "text": action.display.text.plain(&env)?,
            "audio_uri": part(&action.display.audio)?,
            "image_uri": part(&action.display.image)?,
            "allow_blank_value": false,
            "required": false,
        }));
        if action.redo_last {
            redo = Some(format!("action {number}"));
        }
    }
    body.set("actions", out);
    body.set("redoLast", redo);
    Ok(())
}

fn endpoint_actions(body: &mut Body, cx: &Cx<'_>, detail: &Detail) -> Result<(), Error> {
    let mut out = Vec::with_capacity(detail.fields.len());
    for field in &detail.fields {
        let Some((id, background)) = &field.endpoint else {
            out.push(Json::Null);
            continue;
        };
        let endpoint = cx.app.endpoints.get(&**id).ok_or_else(|| {
            Error::new(
                bolster_runtime::Code::Configuration,
                format!("Invalid endpoint_action id {id} defined for case list screen"),
            )
        })?;
        let arguments: String = endpoint.arguments.iter().map(|a| format!("{0}={{{0}}}", a.id)).collect();
        out.push(json!({
            "urlTemplate": format!("/a/{{domain}}/app/v1/{{appid}}/{id}/?{arguments}"),
            "background": background,
        }));
    }
    body.set("endpointActions", out);
    Ok(())
}

fn prompts(body: &mut Body, cx: &Cx<'_>, screen: &QueryScreen) -> Result<(), Error> {
    let env = Env::new(cx, &screen.scope);
    let query = screen.query()?;
    let mut displays = Vec::with_capacity(query.prompts.len());
    for prompt in &query.prompts {
        let part =
            |text: &Option<bolster_runtime::Text>| text.as_ref().map(|text| text.plain(&env)).transpose();
        let key = &*prompt.key;
        let choices = screen.choices.iter().find(|(known, _)| known == key).map(|(_, choices)| choices);
        let error = screen.errors.iter().find(|(known, _)| known == key).map(|(_, message)| message);
        displays.push(json!({
            "id": key,
            "text": prompt.display.text.plain(&env)?,
            "audio_uri": part(&prompt.display.audio)?,
            "image_uri": part(&prompt.display.image)?,
            "hint": part(&prompt.display.hint)?,
            "input": prompt.input,
            "receive": prompt.receive,
            "hidden": prompt.hidden,
            "value": screen.answer(key),
            "itemsetChoices": choices.map(|all| all.iter().map(|(_, label)| label).collect::<Vec<_>>()),
            "itemsetChoicesKey": choices.map(|all| all.iter().map(|(value, _)| value).collect::<Vec<_>>()),
            "allow_blank_value": prompt.allow_blank,
            "required": screen.required.iter().any(|known| known == key),
            "required_msg": screen.required_message(prompt, cx)?,
            "error": error,
            "groupKey": prompt.group,
        }));
    }
    let mut groups = Map::new();
    for (key, display) in &query.groups {
        groups.insert(key.to_string(), display.text.plain(&env)?.into());
    }
    body.set("displays", displays);
    body.set("groupHeaders", groups);
    body.set("title", screen.title.as_str());
    body.set("description", screen.description.as_str());
    body.set("queryKey", screen.key());
    body.set("dynamicSearch", query.dynamic_search);
    body.set("searchOnClear", query.search_on_clear);
    body.set("type", "query");
    Ok(())
}
