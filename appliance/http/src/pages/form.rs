//! One form: its answers, what it did to cases, what was done to it.

use crate::gate::{self, Visitor};
use crate::pages::answers::answers;
use crate::pages::words::{case_link, form_address, maybe_time, person, state_label, state_name, time};
use crate::pages::{Frame, page, words};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::resources::attachments::xml_reply;
use crate::resources::forms::{SEGMENT, read};
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{Permit, Project, ReadForm};
use bolster_model::{Case, CaseBlock, FormContent, FormId, FormRow, OperationKind, ParsedForm};
use bolster_store::ReadExt;
use bolster_usecases::Appliance;
use bolster_wire::Limits;
use hyper::StatusCode;
use maud::{Markup, html};
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

/// Most case blocks shown.
const BLOCKS_MAX: usize = 200;

/// What the page shows.
struct Shown {
    row: FormRow,
    content: FormContent,
    parsed: Option<ParsedForm>,
    json: Value,
    /// Blocks with the case as it is now.
    blocks: Vec<(CaseBlock, Option<Case>)>,
}

/// `GET …/reports/form_data/{form_id}/`
pub async fn form(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let (visitor, permit) = visitor(state, request, found).await?;
    let id = id_of(found)?;
    let shown = state.blocking(move |app| shown(app, &permit, &id)).await?;
    Ok(render(state, &visitor, &shown))
}

/// `GET …/reports/form_data/{form_id}/download/`
pub async fn xml(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let (_, permit) = visitor(state, request, found).await?;
    let id = id_of(found)?;
    let content = state.blocking(move |app| read(app, &permit, &id)?.ok_or_else(no_such_form)).await?.1;
    Ok(xml_reply(content.xml))
}

async fn visitor(
    state: &State,
    request: &Request,
    found: &Found<'_>,
) -> Result<(Visitor, Permit<ReadForm>), Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ReadForm>(state)?;
    Ok((visitor, permit))
}

fn id_of(found: &Found<'_>) -> Result<FormId, Problem> {
    found.text("form_id").map(|id| FormId::new(id.into_owned())).ok_or_else(no_such_form)
}

fn no_such_form() -> Problem {
    Problem::NotFound("there is no form of this id in this project".to_owned())
}

fn shown(app: &Appliance, permit: &Permit<ReadForm>, id: &FormId) -> Result<Shown, Problem> {
    let (row, content) = read(app, permit, id)?.ok_or_else(no_such_form)?;
    let limits = Limits::default();
    let parsed = bolster_wire::parse_form(&content.xml, &limits).ok();
    let json = bolster_wire::form_json(&content.xml, &limits).unwrap_or(Value::Null);
    let view = app.store().view();
    let mut blocks = Vec::new();
    for block in parsed.iter().flat_map(|p| &p.case_blocks).take(BLOCKS_MAX) {
        let case = view.case(permit.project().id, &block.case_id)?;
        blocks.push((block.clone(), case));
    }
    Ok(Shown { row, content, parsed, json, blocks })
}

fn render(state: &State, visitor: &Visitor, shown: &Shown) -> Reply {
    let project = &*visitor.project;
    let Shown { row, content, parsed, .. } = shown;
    let name = parsed.as_ref().and_then(|p| p.name.as_deref()).filter(|n| !n.trim().is_empty());
    let name = name.unwrap_or("Form");
    let markup = html! {
        h1 { span dir="auto" { (name) } " " (state_label(row.state)) }
        @if let Some(problem) = &row.problem { p .mistake dir="auto" { (problem) } }
        (facts(&state.app, project, row, content, parsed.as_ref()))
        p { a .button href={ (form_address(project, &row.form_id)) "download/" } { "XML as received" } }
        @if parsed.is_some() {
            section aria-labelledby="answers" { h2 #answers { "Answers" } (answers(&shown.json)) }
        } @else if content.xml.is_empty() {
            p .mistake { "The content of this form is missing on this server." }
        } @else {
            section aria-labelledby="bytes" {
                h2 #bytes { "What was received" }
                pre dir="auto" { (beginning(&content.xml)) }
            }
        }
        @if !shown.blocks.is_empty() {
            section aria-labelledby="cases" {
                h2 #cases { "Cases" }
                @for (block, case) in &shown.blocks { (case_block(&state.app, project, block, case.as_ref())) }
            }
        }
        (files(project, row))
        (history(&state.app, project, row))
    };
    let frame = Frame { title: name, project: Some(project), user: Some(visitor.actor.username()) };
    page(StatusCode::OK, &frame, &markup)
}

/// The first characters of something that is no form.
fn beginning(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(16 << 10)]).into_owned();
    text.chars().take(4000).collect()
}

fn facts(
    app: &Appliance,
    project: &Project,
    row: &FormRow,
    content: &FormContent,
    parsed: Option<&ParsedForm>,
) -> Markup {
    let meta = parsed.map(|p| &p.meta);
    let sent_by = content.info.auth.user_id.as_deref();
    let says = meta.and_then(|m| m.user_id.as_deref());
    html! {
        dl .facts {
            div { dt { "Received" } dd { (time(row.received_on)) } }
            div { dt { "State" } dd { (state_name(row.state)) } }
            @if let Some(user) = meta.and_then(|m| m.username.as_deref().or(m.user_id.as_deref())) {
                div { dt { "Filled in by" } dd { bdi { (user) } } }
            }
            @if let Some(user) = sent_by {
                div {
                    dt { "Sent by" }
                    dd {
                        (person(app, user))
                        @if says.is_some_and(|s| s != user) { " " span .label { "not who filled it in" } }
                    }
                }
            }
            @if let Some(meta) = meta {
                div { dt { "Started" } dd { (maybe_time(meta.time_start)) } }
                div { dt { "Finished" } dd { (maybe_time(meta.time_end)) } }
                @if let Some(device) = &meta.device_id { div { dt { "Device" } dd { bdi { (device) } } } }
                @if let Some(version) = &meta.app_version_text {
                    div { dt { "App" } dd { bdi { (version) } } }
                }
            }
            div { dt { "Id" } dd { code dir="auto" { (row.form_id) } } }
            @if !row.xmlns.is_empty() { div { dt { "Kind" } dd { code dir="auto" { (row.xmlns) } } } }
            @if let Some(id) = &row.orig_id {
                div {
                    dt { "Came as" }
                    dd { a href=(form_address(project, id)) { code dir="auto" { (id) } } }
                }
            }
            @if let Some(id) = &row.deprecated_form_id {
                div {
                    dt { "Earlier version" }
                    dd { a href=(form_address(project, id)) { code dir="auto" { (id) } } }
                }
            }
            @if row.duplicate_count > 0 {
                div { dt { "Sent again" } dd { (row.duplicate_count) " times, unchanged" } }
            }
        }
    }
}

/// What a form asked of one case.
fn case_block(app: &Appliance, project: &Project, block: &CaseBlock, case: Option<&Case>) -> Markup {
    html! {
        div .card {
            h3 {
                (case_link(project, &block.case_id, case))
                @if !block.create.is_empty() { " " span .label { "created" } }
                @if block.close { " " span .label { "closed" } }
            }
            (changes(app, project, block))
        }
    }
}

/// Values that a block sets, as a list.
pub fn changes(app: &Appliance, project: &Project, block: &CaseBlock) -> Markup {
    let values: Vec<&(String, String)> = block.create.iter().chain(&block.update).collect();
    html! {
        @if values.is_empty() && block.indices.is_empty() {
            p .small { "No values." }
        } @else {
            dl .facts {
                @for (name, value) in values {
                    div {
                        dt dir="auto" { (name) }
                        @if name == "owner_id" { dd { (person(app, value)) } } @else { dd dir="auto" { (value) } }
                    }
                }
                @for index in &block.indices {
                    div {
                        dt dir="auto" { (index.identifier) }
                        dd {
                            @match &index.referenced_id {
                                Some(id) => { "link to " (case_link(project, id, None)) },
                                None => { "link removed" },
                            }
                        }
                    }
                }
            }
        }
    }
}

fn files(project: &Project, row: &FormRow) -> Markup {
    let id = utf8_percent_encode(row.form_id.as_str(), SEGMENT);
    let place = format!("/a/{}/api/form_attachment/v1/{id}/", project.name);
    words::files(&place, row.attachments.iter().map(|f| (f.name.as_str(), f.content_type.as_str(), f.length)))
}

fn history(app: &Appliance, project: &Project, row: &FormRow) -> Markup {
    html! {
        section aria-labelledby="history" {
            h2 #history { "History" }
            ul .list {
                li { (time(row.received_on)) " received" }
                @for operation in &row.operations {
                    li {
                        (time(operation.date)) " "
                        @match operation.kind {
                            OperationKind::Archive => { "archived" },
                            OperationKind::Unarchive => { "taken out of the archive" },
                            OperationKind::Edit => { "edited" },
                        }
                        " by " (person(app, &operation.user_id))
                        @if operation.kind == OperationKind::Edit
                            && let Some(id) = &row.deprecated_form_id
                        {
                            " (" a href=(form_address(project, id)) { "earlier version" } ")"
                        }
                    }
                }
            }
        }
    }
}
