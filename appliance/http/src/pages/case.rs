//! One case: what it is now, what it is linked to, and which form changed what.

use crate::gate::{self, Visitor};
use crate::pages::form::changes;
use crate::pages::words::{case_label, case_link, form_address, maybe_time, person, time};
use crate::pages::{Frame, page, words};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::resources::forms::SEGMENT;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{Permit, Project, ReadCase};
use bolster_model::{
    Case, CaseBlock, CaseId, CaseTransaction, LedgerValue, RebuildDetails, Relationship, SetBy, TxKinds,
};
use bolster_store::ReadExt;
use bolster_usecases::Appliance;
use bolster_wire::Limits;
use hyper::StatusCode;
use maud::{Markup, html};
use percent_encoding::utf8_percent_encode;

/// Transactions shown, the latest; `?all` shows up to [`ALL_MAX`].
const HISTORY: usize = 50;
/// Most transactions shown at all.
const ALL_MAX: usize = 2000;
/// Most cases listed that point here.
const REFERRERS_MAX: usize = 200;

/// A line of the history.
struct Line {
    transaction: CaseTransaction,
    name: String,
    blocks: Vec<CaseBlock>,
}

/// What the page shows.
struct Shown {
    case: Case,
    /// The whole history, oldest first, to tell which form set a value.
    transactions: Vec<CaseTransaction>,
    /// The latest first.
    lines: Vec<Line>,
    targets: Vec<Option<Case>>,
    referrers: Vec<(CaseId, String, Relationship, Option<Case>)>,
    ledgers: Vec<LedgerValue>,
}

/// `GET …/reports/case_data/{case_id}/`
pub async fn case(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ReadCase>(state)?;
    let id = found.text("case_id").map(|id| CaseId::new(id.into_owned())).ok_or_else(no_such_case)?;
    let most = if request.query("all").is_some() { ALL_MAX } else { HISTORY };
    let shown = state.blocking(move |app| shown(app, &permit, &id, most)).await?;
    Ok(render(state, &visitor, &shown))
}

fn no_such_case() -> Problem {
    Problem::NotFound("there is no case of this id in this project".to_owned())
}

fn shown(app: &Appliance, permit: &Permit<ReadCase>, id: &CaseId, most: usize) -> Result<Shown, Problem> {
    let project = permit.project().id;
    let view = app.store().view();
    let case = view.case(project, id)?.ok_or_else(no_such_case)?;
    let transactions = view.transactions(project, id)?;
    let mut lines = Vec::new();
    for transaction in transactions.iter().rev().take(most) {
        lines.push(line(app, permit, id, transaction)?);
    }
    let mut targets = Vec::new();
    for index in &case.indices {
        targets.push(view.case(project, &index.referenced_id)?);
    }
    let mut referrers = Vec::new();
    for (source, identifier, relationship) in view.referrers(project, id)?.into_iter().take(REFERRERS_MAX) {
        let case = view.case(project, &source)?;
        referrers.push((source, identifier, relationship, case));
    }
    let ledgers = view.ledgers(project, id)?;
    Ok(Shown { case, transactions, lines, targets, referrers, ledgers })
}

/// A transaction with what its form asked of this case.
fn line(
    app: &Appliance,
    permit: &Permit<ReadCase>,
    case: &CaseId,
    transaction: &CaseTransaction,
) -> Result<Line, Problem> {
    let mut line = Line { transaction: transaction.clone(), name: String::new(), blocks: Vec::new() };
    let Some(form_id) = &transaction.form_id else { return Ok(line) };
    let store = app.store();
    let Some(row) = store.view().form(permit.project().id, form_id)? else { return Ok(line) };
    let content = store.form_content(row.content_lsn)?;
    if let Some(parsed) = content.and_then(|c| bolster_wire::parse_form(&c.xml, &Limits::default()).ok()) {
        line.name = parsed.name.unwrap_or_default();
        line.blocks = parsed.case_blocks.into_iter().filter(|b| b.case_id == *case).collect();
    }
    Ok(line)
}

fn render(state: &State, visitor: &Visitor, shown: &Shown) -> Reply {
    let (app, project, case) = (&state.app, &*visitor.project, &shown.case);
    let name = match case.name.value.trim() {
        "" => "Case without a name",
        name => name,
    };
    let markup = html! {
        h1 { span dir="auto" { (name) } " " (case_label(case)) }
        (facts(app, case))
        section aria-labelledby="properties" {
            h2 #properties { "Properties" }
            (properties(project, shown))
        }
        (links(project, shown))
        (ledgers(&shown.ledgers))
        (files(project, case))
        section aria-labelledby="history" {
            h2 #history { "History" }
            ol .list reversed { @for line in &shown.lines { (history_line(app, project, line)) } }
            @if shown.lines.len() < shown.transactions.len() {
                p { a href="?all=1" { "All " (shown.transactions.len()) } }
            }
        }
    };
    let frame = Frame { title: name, project: Some(project), user: Some(visitor.actor.username()) };
    page(StatusCode::OK, &frame, &markup)
}

fn facts(app: &Appliance, case: &Case) -> Markup {
    html! {
        dl .facts {
            div { dt { "Type" } dd dir="auto" { (case.case_type.value) } }
            div { dt { "Owner" } dd { (person(app, &case.owner_id.value)) } }
            div { dt { "Opened" } dd { (maybe_time(case.opened_on)) " by " (person(app, &case.opened_by)) } }
            div { dt { "Changed" } dd { (maybe_time(case.modified_on)) " by " (person(app, &case.modified_by)) } }
            @if case.closed.value {
                div { dt { "Closed" } dd { (maybe_time(case.closed_on)) " by " (person(app, &case.closed_by)) } }
            }
            @if !case.external_id.value.is_empty() {
                div { dt { "External id" } dd dir="auto" { (case.external_id.value) } }
            }
            div { dt { "Id" } dd { code dir="auto" { (case.id) } } }
        }
    }
}

/// A link to the form that set a value.
fn set_by(project: &Project, shown: &Shown, by: SetBy) -> Markup {
    let form = shown.transactions.get(by.0 as usize).and_then(|t| t.form_id.as_ref());
    html! {
        @if let Some(form) = form {
            " " a .small href=(form_address(project, form)) { "from a form" }
        }
    }
}

fn properties(project: &Project, shown: &Shown) -> Markup {
    let case = &shown.case;
    html! {
        @if case.properties.is_empty() { p .small { "None." } } @else {
            dl .facts {
                @for property in &case.properties {
                    div {
                        dt dir="auto" { (property.name) }
                        dd { bdi .value { (property.value) } (set_by(project, shown, property.by)) }
                    }
                }
            }
        }
    }
}

fn links(project: &Project, shown: &Shown) -> Markup {
    let case = &shown.case;
    html! {
        @if !case.indices.is_empty() || !shown.referrers.is_empty() {
            section aria-labelledby="links" {
                h2 #links { "Linked cases" }
                ul .list {
                    @for (index, target) in case.indices.iter().zip(&shown.targets) {
                        li {
                            bdi { (index.identifier) } ": "
                            (case_link(project, &index.referenced_id, target.as_ref()))
                            " " span .label { (index.relationship.name()) " of" }
                            (set_by(project, shown, index.by))
                        }
                    }
                    @for (id, identifier, relationship, source) in &shown.referrers {
                        li {
                            (case_link(project, id, source.as_ref())) " "
                            span .label { (relationship.name()) }
                            div .small { "as " bdi { (identifier) } }
                        }
                    }
                }
            }
        }
    }
}

fn ledgers(ledgers: &[LedgerValue]) -> Markup {
    html! {
        @if !ledgers.is_empty() {
            section aria-labelledby="stock" {
                h2 #stock { "Stock" }
                dl .facts {
                    @for ledger in ledgers {
                        div {
                            dt { bdi { (ledger.key.section_id) } " / " bdi { (ledger.key.entry_id) } }
                            dd { (ledger.balance) }
                        }
                    }
                }
            }
        }
    }
}

fn files(project: &Project, case: &Case) -> Markup {
    let id = utf8_percent_encode(case.id.as_str(), SEGMENT);
    let place = format!("/a/{}/api/case_attachment/v1/{id}/", project.name);
    words::files(
        &place,
        case.attachments.iter().map(|f| (f.name.as_str(), f.content_type.as_str(), f.length)),
    )
}

fn history_line(app: &Appliance, project: &Project, line: &Line) -> Markup {
    let transaction = &line.transaction;
    html! {
        li {
            @match &transaction.form_id {
                Some(id) => {
                    a href=(form_address(project, id)) dir="auto" {
                        @if line.name.trim().is_empty() { (id) } @else { (line.name) }
                    }
                },
                None => (rebuild(app, project, transaction.rebuild.as_ref())),
            }
            @for word in kinds(transaction.kinds) { " " span .label { (word) } }
            @if transaction.revoked { " " span .label.bad { "no longer counts" } }
            div .small { (time(transaction.server_date)) }
            @for block in &line.blocks { (changes(app, project, block)) }
        }
    }
}

fn kinds(kinds: TxKinds) -> impl Iterator<Item = &'static str> {
    let words = [
        (TxKinds::CREATE, "created"),
        (TxKinds::CLOSE, "closed"),
        (TxKinds::INDEX, "linked"),
        (TxKinds::ATTACHMENT, "attachment"),
        (TxKinds::LEDGER, "stock"),
    ];
    words.into_iter().filter(move |(kind, _)| kinds.has(*kind)).map(|(_, word)| word)
}

fn rebuild(app: &Appliance, project: &Project, details: Option<&RebuildDetails>) -> Markup {
    html! {
        "Computed again: "
        @match details {
            Some(RebuildDetails::Requested { reason, user_id }) => {
                bdi { (reason) } ", by " (person(app, user_id))
            },
            Some(RebuildDetails::FormArchived { form_id, archived }) => {
                a href=(form_address(project, form_id)) { "a form" }
                @if *archived { " was archived" } @else { " was taken out of the archive" }
            },
            Some(RebuildDetails::FormEdited { deprecated_form_id }) => {
                a href=(form_address(project, deprecated_form_id)) { "a form" } " was edited"
            },
            Some(RebuildDetails::FormReprocessed { form_id }) => {
                a href=(form_address(project, form_id)) { "a form" } " could be applied after all"
            },
            None => { "no reason given" },
        }
    }
}
