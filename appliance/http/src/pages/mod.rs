//! Pages for people: written whole on the server, readable without scripts, on a phone, in any script's
//! direction, with a keyboard.

pub mod answers;
pub mod apps;
pub mod audit;
pub mod case;
pub mod device_logs;
pub mod fields;
pub mod form;
pub mod groups;
pub mod landing;
pub mod locations;
pub mod login;
pub mod manage;
pub mod people;
pub mod person;
pub mod phones;
pub mod problems;
pub mod project;
pub mod tables;
mod words;

use crate::reply::{Reply, whole};
use bolster_auth::Project;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use maud::{DOCTYPE, Markup, html};

/// Nothing but our own style sheet and pictures; forms go to ourselves only.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("style.css");

/// The style sheet.
pub fn style() -> Reply {
    let mut reply = whole(StatusCode::OK, "text/css; charset=utf-8", STYLE);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    reply
}

/// What stands above a page.
pub struct Frame<'a> {
    /// Title of the window.
    pub title: &'a str,
    /// Project, for the way back to its list.
    pub project: Option<&'a Project>,
    /// Name of who is signed in.
    pub user: Option<&'a str>,
}

/// A page.
pub fn page(status: StatusCode, frame: &Frame<'_>, content: &Markup) -> Reply {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (frame.title) " · Bolster" }
                link rel="stylesheet" href="/static/bolster.css";
            }
            body {
                a .skip href="#content" { "To the content" }
                header {
                    nav aria-label="Main" {
                        a .home href="/" { "Bolster" }
                        @if let Some(project) = frame.project {
                            a href={ "/a/" (project.name) "/data/" } dir="auto" { (shown_name(project)) }
                        }
                    }
                    @if let Some(user) = frame.user {
                        p .who { bdi { (user) } " " a href="/logout/" { "Sign out" } }
                    }
                }
                main #content tabindex="-1" { (content) }
            }
        }
    };
    let mut reply = whole(status, "text/html; charset=utf-8", markup.into_string());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    reply
}

/// How people call a project.
pub fn shown_name(project: &Project) -> &str {
    if project.display_name.is_empty() { &project.name } else { &project.display_name }
}

/// A page that says what went wrong and what to do next.
pub fn problem(status: StatusCode, code: &str, sentence: &str) -> Reply {
    let title = match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        status if status.is_server_error() => "This did not work",
        _ => "This cannot be done",
    };
    let next = match status {
        StatusCode::NOT_FOUND => "Check the address, or go back to the list and look there.",
        StatusCode::FORBIDDEN => "Ask an administrator of the project for the permission.",
        status if status.is_server_error() => {
            "Try again in a while; if it stays so, tell who runs this server."
        }
        _ => "Go back and try again.",
    };
    let content = html! {
        h1 { (title) }
        p dir="auto" { (capital(sentence)) }
        p { (next) }
        p { a href="/" { "To the beginning" } }
        p .small { "Code: " code { (code) } }
    };
    page(status, &Frame { title, project: None, user: None }, &content)
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
