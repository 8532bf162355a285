//! The front door: what this is, and the projects of who is signed in.

use crate::gate;
use crate::pages::{Frame, page, shown_name};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use crate::router::State;
use hyper::StatusCode;
use maud::{Markup, html};

/// `GET /`
pub async fn landing(state: &State, request: &Request) -> Result<Reply, Problem> {
    let auth = state.app.auth();
    match gate::signed_in(state, request).await {
        Ok(signed_in) => {
            let projects = auth.projects_of(&signed_in.user);
            let content = html! {
                h1 { "Your projects" }
                @if projects.is_empty() {
                    p { "You do not belong to any project yet. An administrator of a project can add you." }
                } @else {
                    ul .list {
                        @for project in &projects {
                            li { a href={ "/a/" (project.name) "/data/" } dir="auto" { (shown_name(project)) } }
                        }
                    }
                }
            };
            let frame = Frame { title: "Projects", project: None, user: Some(&signed_in.user.username) };
            Ok(page(StatusCode::OK, &frame, &content))
        }
        Err(Problem::NotSignedIn { .. }) => {
            let content = if auth.project_count() == 0 { first_steps() } else { welcome() };
            Ok(page(StatusCode::OK, &Frame { title: "Welcome", project: None, user: None }, &content))
        }
        Err(problem) => Err(problem),
    }
}

fn welcome() -> Markup {
    html! {
        h1 { "Bolster" }
        p { "This server receives forms from phones and keeps what they say about people and places." }
        p { a .button href="/login/" { "Sign in" } }
    }
}

fn first_steps() -> Markup {
    html! {
        h1 { "Bolster is running" }
        p { "There is no project yet. Make the first one on this machine:" }
        ol .list {
            li { code { "bolster project create clinic" } }
            li { code { "bolster user create --project clinic --web --admin you@example.org" } }
            li { "then " a href="/login/" { "sign in" } " here." }
        }
    }
}
