//! The tree of locations.

use crate::gate;
use crate::pages::manage::{Outcome, Posted, allowed, csrf, imported, needed, outcome, show, workbook};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{EditLocations, Permit, ViewLocations};
use bolster_usecases::Appliance;
use bolster_usecases::admin::import::ImportHow;
use bolster_usecases::admin::places::NewLocation;
use bolster_usecases::nouns::{Location, LocationType, Locations};
use maud::{Markup, html};

/// Locations on the page; the workbook has them all.
const SHOWN_MAX: usize = 2_000;
/// Deepest level that is drawn.
const DEPTH_MAX: usize = 20;

/// `GET /a/{project}/locations/`, and what its forms do.
pub async fn locations(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    visitor.permit::<ViewLocations>(state)?;
    let edit = allowed(visitor.permit::<EditLocations>(state))?;
    let mut came = None;
    if !request.reads() {
        let permit = needed(edit.clone())?;
        let mut posted = Posted::read(state, request).await?;
        came = Some(state.blocking(move |app| act(app, &permit, &mut posted)).await?);
    }
    let project = visitor.project.clone();
    let nouns = state.blocking(move |app| Ok(app.nouns(project.id)?)).await?;
    let places = &nouns.locations;
    let csrf = csrf(state, request).await?;
    let editing = edit.is_some().then_some(&csrf);
    let roots: Vec<&Location> = places.all().iter().filter(|l| l.parent.is_none()).collect();
    let mut left = SHOWN_MAX;
    let content = html! {
        p .small { "Workers at a location whose type shares cases all get the cases that it owns." }
        p { a href={ "/a/" (visitor.project.name) "/locations/workbook/" } { "All of it as a workbook" } }
        h2 { "Types" }
        @if places.types().is_empty() { p { "There is no type yet. The first one is the top of the tree." } }
        ul .list { @for kind in places.types() { (type_line(kind)) } }
        h2 { "Locations" }
        @if roots.is_empty() { p { "There is no location yet." } }
        (branch(places, &roots, editing, 0, &mut left))
        @if left == 0 { p { "There are more; the workbook has them all." } }
        @if let Some(csrf) = editing { (forms(csrf, places)) }
    };
    Ok(show(request, &visitor, "Locations", came.as_ref(), &content))
}

/// `GET /a/{project}/locations/workbook/`.
pub async fn download(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ViewLocations>(state)?;
    state.blocking(move |app| workbook(app.export_locations(&permit), "locations")).await
}

fn act(app: &Appliance, permit: &Permit<EditLocations>, posted: &mut Posted) -> Result<Outcome, Problem> {
    let code = posted.text("code");
    let parent = Some(posted.text("parent")).filter(|p| !p.is_empty());
    match posted.text("action").as_str() {
        "type" => {
            let kind = LocationType {
                name: Some(posted.text("name")).filter(|n| !n.is_empty()).unwrap_or_else(|| code.clone()),
                code,
                parent,
                shares_cases: posted.ticked("shares_cases"),
                view_descendants: posted.ticked("view_descendants"),
                ..LocationType::default()
            };
            outcome(app.put_location_type(permit, &kind))
        }
        "create" => {
            let new = NewLocation {
                site_code: code,
                name: posted.text("name"),
                type_code: posted.text("type"),
                parent,
                ..NewLocation::default()
            };
            outcome(app.create_location(permit, &new))
        }
        "archive" => outcome(app.archive_location(permit, &code, true)),
        "restore" => outcome(app.archive_location(permit, &code, false)),
        "import" => {
            let check = posted.ticked("check");
            let how = ImportHow { check, replace: false };
            imported(app.import_locations(permit, posted.file("file"), how), |counts| {
                let head = if check { "Nothing is wrong. It would make" } else { "It made" };
                format!(
                    "{head} {} new locations, {} changed, {} removed; {} stay as they were.",
                    counts.created, counts.updated, counts.deleted, counts.unchanged
                )
            })
        }
        _ => Err(Problem::BadRequest("this page has no such form".to_owned())),
    }
}

fn type_line(kind: &LocationType) -> Markup {
    html! {
        li {
            bdi { (kind.name) } " " code { (kind.code) } " "
            @if kind.shares_cases { span .label { "shares cases" } " " }
            @if kind.view_descendants { span .label { "sees what is below" } " " }
            @if let Some(parent) = &kind.parent { span .small { "in " code { (parent) } } }
        }
    }
}

fn branch(
    places: &Locations,
    siblings: &[&Location],
    csrf: Option<&Markup>,
    depth: usize,
    left: &mut usize,
) -> Markup {
    let mut lines = Vec::new();
    for location in siblings {
        if *left == 0 || depth > DEPTH_MAX {
            break;
        }
        *left -= 1;
        let below: Vec<&Location> = places.children(&location.id).collect();
        lines.push(html! {
            li {
                bdi { (location.name) } " " code { (location.site_code) } " "
                span .label { (location.type_code) } " "
                @if location.archived { span .label.bad { "archived" } }
                @if let Some(csrf) = csrf {
                    form .inline method="post" {
                        (csrf)
                        input type="hidden" name="code" value=(location.site_code);
                        @if location.archived {
                            button .quiet name="action" value="restore" aria-label={ "Bring back " (location.name) } { "Bring back" }
                        } @else {
                            button .quiet name="action" value="archive" aria-label={ "Archive " (location.name) } { "Archive" }
                        }
                    }
                }
                @if !below.is_empty() { (branch(places, &below, csrf, depth + 1, left)) }
            }
        });
    }
    html! { ul .tree { @for line in &lines { (line) } } }
}

fn forms(csrf: &Markup, places: &Locations) -> Markup {
    let live = places.all().iter().filter(|l| !l.archived).take(SHOWN_MAX);
    html! {
        @if !places.types().is_empty() {
            h2 #new { "A new location" }
            form .card method="post" aria-labelledby="new" {
                (csrf)
                label for="name" { "Name" }
                input #name name="name" required;
                label for="code" { "Site code: small letters, digits, _ and -" }
                input #code name="code" required pattern="[a-z0-9_\\-]+" autocapitalize="none" spellcheck="false";
                label for="type" { "Type" }
                select #type name="type" { @for kind in places.types() { option value=(kind.code) { (kind.name) } } }
                label for="parent" { "It lies in" }
                select #parent name="parent" {
                    option value="" { "nothing" }
                    @for place in live { option value=(place.site_code) { (place.name) } }
                }
                button name="action" value="create" { "Create" }
            }
        }
        h2 #newtype { "A new type" }
        form .card method="post" aria-labelledby="newtype" {
            (csrf)
            label for="tname" { "Name" }
            input #tname name="name" required;
            label for="tcode" { "Code: small letters, digits, _ and -" }
            input #tcode name="code" required pattern="[a-z_][a-z0-9_\\-]*" autocapitalize="none" spellcheck="false";
            label for="tparent" { "The type above it" }
            select #tparent name="parent" {
                option value="" { "none, it is the top" }
                @for kind in places.types() { option value=(kind.code) { (kind.name) } }
            }
            label .tick { input type="checkbox" name="shares_cases" value="yes"; " Workers there share its cases" }
            label .tick { input type="checkbox" name="view_descendants" value="yes"; " They see the cases of what lies below" }
            button name="action" value="type" { "Create" }
        }
        h2 #import { "From a workbook" }
        form .card method="post" enctype="multipart/form-data" aria-labelledby="import" {
            (csrf)
            label for="file" { "Workbook (.xlsx), like the one above" }
            input #file name="file" type="file" required accept=".xlsx";
            label .tick { input type="checkbox" name="check" value="yes"; " Only look whether it is right" }
            button name="action" value="import" { "Take it in" }
        }
    }
}
