//! The pages for signing in and out.

use crate::pages::{Frame, page as whole_page};
use crate::reply::Reply;
use bolster_auth::SignedIn;
use hyper::StatusCode;
use maud::html;

/// The form for signing in. `next` is an address of ours, `name` what was typed before.
pub fn page(next: &str, name: &str, mistake: Option<&str>) -> Reply {
    let content = html! {
        h1 { "Sign in" }
        @if let Some(mistake) = mistake {
            p .mistake role="alert" { (mistake) }
        }
        form .card method="post" action="/login/" {
            input type="hidden" name="next" value=(next);
            label for="username" { "E-mail address or user name" }
            input #username name="username" type="text" inputmode="email" autocapitalize="none" spellcheck="false" value=(name) required autocomplete="username"
                autofocus[name.is_empty()] dir="ltr";
            label for="password" { "Password" }
            input #password name="password" type="password" required autocomplete="current-password"
                autofocus[!name.is_empty()];
            button type="submit" { "Sign in" }
        }
        p .small { "Mobile workers sign in with their whole name, such as name@project.commcarehq.org." }
    };
    let status = if mistake.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    whole_page(status, &Frame { title: "Sign in", project: None, user: None }, &content)
}

/// The form for signing out.
pub fn leave(signed_in: &SignedIn) -> Reply {
    let content = html! {
        h1 { "Sign out" }
        form .card method="post" action="/logout/" {
            input type="hidden" name="csrf" value=(signed_in.csrf);
            p { "You are signed in as " bdi { (signed_in.user.username) } "." }
            button type="submit" { "Sign out" }
        }
    };
    let frame = Frame { title: "Sign out", project: None, user: Some(&signed_in.user.username) };
    whole_page(StatusCode::OK, &frame, &content)
}
