//! What is wrong with the cases of a project, for somebody to mend.

use crate::gate;
use crate::pages::words::{case_link, person};
use crate::pages::{Frame, page};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::ReadCase;
use bolster_model::Case;
use bolster_store::ReadExt;
use hyper::StatusCode;
use maud::html;

/// Groups, and cases of a group, on the page.
const SHOWN_MAX: usize = 100;

/// `GET /a/{project}/data/problems/`.
pub async fn problems(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ReadCase>(state)?;
    let project = visitor.project.clone();
    let (problems, groups) = state
        .blocking(move |app| {
            let problems = app.case_problems(&permit)?;
            let view = app.store().view();
            let mut groups: Vec<Vec<Case>> = Vec::new();
            for cycle in problems.cycles.iter().take(SHOWN_MAX) {
                let mut cases = Vec::new();
                for id in cycle.iter().take(SHOWN_MAX) {
                    cases.extend(view.case(project.id, id)?);
                }
                groups.push(cases);
            }
            Ok((problems, groups))
        })
        .await?;
    let project = &*visitor.project;
    let content = html! {
        h1 { "Problems" }
        @if groups.is_empty() { p { "Nothing is wrong with the cases of this project." } }
        @else {
            p {
                "These cases index themselves, directly or by way of each other. Phones get them without the index "
                "that closes the ring; what depends on that index does not work there. Change or remove one index "
                "of each ring with a form."
            }
        }
        @for (cycle, cases) in problems.cycles.iter().zip(&groups) {
            ul .list {
                @for case in cases {
                    li {
                        (case_link(project, &case.id, Some(case)))
                        div .small {
                            bdi { (case.case_type.value) } " · " (person(&state.app, &case.owner_id.value))
                            @for index in case.indices.iter().filter(|i| cycle.contains(&i.referenced_id)) {
                                " · " bdi { (index.identifier) } " → "
                                @let target = cases.iter().find(|c| c.id == index.referenced_id);
                                (case_link(project, &index.referenced_id, target))
                            }
                        }
                    }
                }
                @if cycle.len() > SHOWN_MAX { li { "and " (cycle.len() - SHOWN_MAX) " more" } }
            }
        }
        @if problems.cycles.len() > SHOWN_MAX { p { "and " (problems.cycles.len() - SHOWN_MAX) " more rings" } }
        @if problems.partial { p .small { "There were too many indices to look at all of them." } }
    };
    let frame = Frame { title: "Problems", project: Some(project), user: Some(visitor.actor.username()) };
    Ok(page(StatusCode::OK, &frame, &content))
}
