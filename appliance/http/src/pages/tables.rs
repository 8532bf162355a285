//! Lookup tables.

use crate::gate;
use crate::pages::manage::{Outcome, Posted, allowed, csrf, imported, needed, show, workbook};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{EditTables, Permit, ViewTables};
use bolster_usecases::Appliance;
use bolster_usecases::admin::import::ImportHow;
use bolster_usecases::nouns::{LookupRow, LookupTable};
use maud::{Markup, html};

/// Rows of a table on the page; the workbook has them all.
const ROWS_MAX: usize = 200;

/// `GET /a/{project}/tables/`, and what its form does.
pub async fn tables(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    visitor.permit::<ViewTables>(state)?;
    let edit = allowed(visitor.permit::<EditTables>(state))?;
    let mut came = None;
    if !request.reads() {
        let permit = needed(edit.clone())?;
        let mut posted = Posted::read(state, request).await?;
        came = Some(state.blocking(move |app| act(app, &permit, &mut posted)).await?);
    }
    let project = visitor.project.clone();
    let nouns = state.blocking(move |app| Ok(app.nouns(project.id)?)).await?;
    let csrf = csrf(state, request).await?;
    let content = html! {
        p .small { "Lists that apps let people choose from. Phones get a changed list at their next sync." }
        @if nouns.tables.is_empty() {
            p { "There is no table yet." }
        } @else {
            p { a href={ "/a/" (visitor.project.name) "/tables/workbook/" } { "All of them as a workbook" } }
        }
        @for (table, rows) in &nouns.tables { (one(table, rows)) }
        @if edit.is_some() {
            h2 #import { "From a workbook" }
            form .card method="post" enctype="multipart/form-data" aria-labelledby="import" {
                (csrf)
                label for="file" { "Workbook (.xlsx) with a sheet \"types\" and a sheet for each table" }
                input #file name="file" type="file" required accept=".xlsx";
                label .tick { input type="checkbox" name="replace" value="yes"; " Remove rows that it does not have" }
                label .tick { input type="checkbox" name="check" value="yes"; " Only look whether it is right" }
                button { "Take it in" }
            }
        }
    };
    Ok(show(request, &visitor, "Lookup tables", came.as_ref(), &content))
}

/// `GET /a/{project}/tables/workbook/`.
pub async fn download(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ViewTables>(state)?;
    state.blocking(move |app| workbook(app.export_tables(&permit, &[]), "tables")).await
}

fn act(app: &Appliance, permit: &Permit<EditTables>, posted: &mut Posted) -> Result<Outcome, Problem> {
    let how = ImportHow { check: posted.ticked("check"), replace: posted.ticked("replace") };
    imported(app.import_tables(permit, posted.file("file"), how), |counts| {
        let head = if how.check { "Nothing is wrong. It would make" } else { "It made" };
        format!(
            "{head} {} new tables and {} new rows, {} rows changed, {} removed; {} stay as they were.",
            counts.tables.created,
            counts.rows.created,
            counts.rows.updated,
            counts.rows.deleted,
            counts.rows.unchanged
        )
    })
}

fn one(table: &LookupTable, rows: &[LookupRow]) -> Markup {
    let text = |row: &LookupRow, field: &str| {
        let values = row.fields.get(field).map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|v| v.value.as_str()).collect::<Vec<_>>().join(" / ")
    };
    html! {
        section {
            h2 { (table.tag) " " @if table.is_global { span .label { "for everybody" } } @else { span .label { "by owner" } } }
            div .wide tabindex="0" role="region" aria-label={ "Rows of " (table.tag) } {
                table {
                    thead { tr { @for field in &table.fields { th scope="col" { (field.name) } } } }
                    tbody {
                        @for row in rows.iter().take(ROWS_MAX) {
                            tr { @for field in &table.fields { td dir="auto" { (text(row, &field.name)) } } }
                        }
                    }
                }
            }
            @if rows.len() > ROWS_MAX { p .small { (rows.len() - ROWS_MAX) " more rows are in the workbook." } }
        }
    }
}
