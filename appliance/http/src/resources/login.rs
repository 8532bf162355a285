//! Signing in and out with a browser.

use crate::pages;
use crate::problem::Problem;
use crate::reply::{Reply, empty, header_value};
use crate::request::{Request, SESSION_COOKIE};
use crate::router::State;
use bolster_auth::{AuthError, Password};
use bolster_usecases::admin::sessions::LoginError;
use hyper::header::{LOCATION, SET_COOKIE};
use hyper::{Method, StatusCode};
use std::collections::HashMap;

/// Largest body of the login form.
const FORM_BYTES_MAX: usize = 8 << 10;
/// How long the cookie lasts, in seconds: as long as the session.
const COOKIE_SECS: i64 = bolster_auth::session::SESSION_US / 1_000_000;

async fn fields(request: &mut Request) -> Result<HashMap<String, String>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = request.body.chunk().await? {
        if bytes.len() + chunk.len() > FORM_BYTES_MAX {
            return Err(Problem::BadRequest("the form is too large".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(form_urlencoded::parse(&bytes).into_owned().collect())
}

/// Only addresses of this site.
fn next(wanted: Option<&str>) -> String {
    match wanted {
        Some(path) if path.starts_with('/') && !path.starts_with("//") && !path.contains('\\') => {
            path.to_owned()
        }
        _ => "/".to_owned(),
    }
}

fn see(to: &str) -> Reply {
    let mut reply = empty(StatusCode::SEE_OTHER);
    reply.headers_mut().insert(LOCATION, header_value(to));
    reply
}

/// Another site cannot sign somebody in here under another name: browsers say where a form comes from.
fn same_site(request: &Request) -> bool {
    let site = request.header(hyper::header::HeaderName::from_static("sec-fetch-site"));
    let origin = request.header(hyper::header::ORIGIN);
    let own_origin = match (origin, request.host()) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, o)| o == host),
        (Some(_), None) => false,
        (None, _) => true,
    };
    matches!(site, None | Some("same-origin" | "none")) && own_origin
}

/// `/login/`
pub async fn login(state: &State, request: &mut Request) -> Result<Reply, Problem> {
    let wanted = next(request.query("next").as_deref());
    if request.head.method != Method::POST {
        return Ok(pages::login::page(&wanted, "", None));
    }
    if !same_site(request) {
        return Err(Problem::Forged);
    }
    let fields = fields(request).await?;
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let email = field("username").trim().to_lowercase();
    let password = Password::new(field("password"));
    let name = email.clone();
    let app = state.app.clone();
    let work = move || app.log_in(&name, &password);
    let result = tokio::task::spawn_blocking(work).await.map_err(|_| Problem::GivenUp)?;
    let to = next(fields.get("next").map(String::as_str));
    match result {
        Ok(token) => {
            let mut reply = see(&to);
            reply.headers_mut().insert(SET_COOKIE, header_value(&cookie(&token, COOKIE_SECS)));
            Ok(reply)
        }
        Err(LoginError::Auth(
            error @ (AuthError::Wrong | AuthError::LockedOut { .. } | AuthError::Inactive),
        )) => Ok(pages::login::page(&to, &email, Some(&error.to_string()))),
        Err(LoginError::Auth(AuthError::Storage(_))) => Err(Problem::GivenUp),
        Err(LoginError::Auth(error)) => Err(Problem::BadRequest(error.to_string())),
        Err(LoginError::Write(error)) => Err(error.into()),
    }
}

fn cookie(token: &str, seconds: i64) -> String {
    format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

/// `/logout/`: a question, and its answer.
pub async fn logout(state: &State, request: &mut Request) -> Result<Reply, Problem> {
    let Some(token) = request.cookie(SESSION_COOKIE).map(str::to_owned) else { return Ok(see("/login/")) };
    if request.head.method != Method::POST {
        return Ok(match state.app.auth().signed_in(&token) {
            Ok(signed_in) => pages::login::leave(&signed_in),
            Err(_) => see("/login/"),
        });
    }
    let fields = fields(request).await?;
    if !state.app.auth().csrf_fits(&token, fields.get("csrf").map(String::as_str).unwrap_or_default()) {
        return Err(Problem::Forged);
    }
    state.blocking(move |app| Ok(app.log_out(&token)?)).await?;
    let mut reply = see("/login/");
    reply.headers_mut().insert(SET_COOKIE, header_value(&cookie("", 0)));
    Ok(reply)
}
