//! What pages that change something have in common: a form is taken only from a page of this site and session,
//! and what went wrong is said above the same page.

use crate::gate::{self, Visitor};
use crate::pages::{Frame, page};
use crate::phone::fields::parts;
use crate::problem::Problem;
use crate::reply::{Reply, header_value, whole};
use crate::request::{Request, SESSION_COOKIE};
use crate::resources::login::{from_here, to};
use crate::router::State;
use bolster_auth::Refused;
use bolster_usecases::admin::AdminError;
use bolster_usecases::admin::import::ImportError;
use bolster_usecases::workbook::FILE_BYTES_MAX;
use hyper::StatusCode;
use hyper::header::CONTENT_DISPOSITION;
use maud::{Markup, html};

/// Type of a workbook.
const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A form that a page of ours sent.
pub struct Posted(Vec<(String, Vec<u8>)>);

impl Posted {
    /// Reads it, after looking where it comes from.
    pub async fn read(state: &State, request: &mut Request) -> Result<Self, Problem> {
        from_here(state, request)?;
        let posted = Self(parts(request, FILE_BYTES_MAX + (64 << 10)).await?);
        let token = request.cookie(SESSION_COOKIE).unwrap_or_default();
        if !state.app.auth().csrf_fits(token, &posted.text("csrf")) {
            return Err(Problem::Forged);
        }
        Ok(posted)
    }

    /// Text of a field; empty when there is none.
    pub fn text(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    /// Texts of all fields of a name that hold any.
    pub fn all(&self, name: &str) -> Vec<String> {
        let fields = self.0.iter().filter(|(n, _)| n == name);
        fields
            .map(|(_, value)| String::from_utf8_lossy(value).trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// Names without a beginning, and texts, of the fields that begin so; of several, the last.
    pub fn beginning<'p>(&'p self, begin: &'p str) -> impl Iterator<Item = (String, String)> + 'p {
        self.0.iter().filter_map(move |(name, value)| {
            let name = name.strip_prefix(begin)?;
            Some((name.to_owned(), String::from_utf8_lossy(value).trim().to_owned()))
        })
    }

    /// The form has a field of this name, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// A box that may be ticked.
    pub fn ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// Bytes of a file.
    pub fn file(&mut self, name: &str) -> Vec<u8> {
        let field = self.0.iter_mut().find(|(n, _)| n == name);
        field.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }
}

/// What came of a form.
pub enum Outcome {
    /// Done; the page is shown anew.
    Done,
    /// Done, with something to say.
    Said(String),
    /// Not done; lines that say why.
    Mistake(String),
}

/// A mistake of the person at the page is said there; anything else is a problem of its own.
pub fn outcome<T>(result: Result<T, AdminError>) -> Result<Outcome, Problem> {
    match result {
        Ok(_) => Ok(Outcome::Done),
        Err(AdminError::Refused(refused)) => Err(refused.into()),
        Err(AdminError::Write(error)) => Err(error.into()),
        Err(AdminError::Store(error)) => Err(error.into()),
        Err(error) => Ok(Outcome::Mistake(error.to_string())),
    }
}

/// The same for a workbook.
pub fn imported<T>(
    result: Result<T, ImportError>,
    said: impl FnOnce(T) -> String,
) -> Result<Outcome, Problem> {
    match result {
        Ok(counts) => Ok(Outcome::Said(said(counts))),
        Err(ImportError::Admin(error)) => outcome::<()>(Err(error)),
        Err(ImportError::Store(error)) => Err(error.into()),
        Err(error) => Ok(Outcome::Mistake(error.to_string())),
    }
}

/// A workbook to keep.
pub fn workbook(result: Result<Vec<u8>, ImportError>, name: &str) -> Result<Reply, Problem> {
    let bytes = match result {
        Ok(bytes) => bytes,
        Err(ImportError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(Problem::BadRequest(error.to_string())),
    };
    let mut reply = whole(StatusCode::OK, WORKBOOK, bytes);
    let disposition = header_value(&format!("attachment; filename=\"{name}.xlsx\""));
    reply.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    Ok(reply)
}

/// What the hidden field of each form holds.
pub async fn csrf(state: &State, request: &Request) -> Result<Markup, Problem> {
    let signed_in = gate::signed_in(state, request).await?;
    Ok(html! { input type="hidden" name="csrf" value=(signed_in.csrf); })
}

/// The page, with what came of the form that was sent from it.
pub fn show(
    request: &Request,
    visitor: &Visitor,
    title: &str,
    outcome: Option<&Outcome>,
    content: &Markup,
) -> Reply {
    let place = request.head.uri.path();
    if let Some(Outcome::Done) = outcome {
        // So that reloading the page does not send the form again.
        return to(place);
    }
    let status = match outcome {
        Some(Outcome::Mistake(_)) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let content = html! {
        h1 { (title) }
        @match outcome {
            Some(Outcome::Mistake(lines)) => {
                div .mistake role="alert" { @for line in lines.lines() { p dir="auto" { (line) } } }
            }
            Some(Outcome::Said(text)) => { div .card role="status" { @for line in text.lines() { p { (line) } } } }
            _ => {}
        }
        (content)
    };
    let frame = Frame { title, project: Some(&*visitor.project), user: Some(visitor.actor.username()) };
    page(status, &frame, &content)
}

/// A permission that is missing makes a form disappear, nothing else a page.
pub fn allowed<T>(permit: Result<T, Problem>) -> Result<Option<T>, Problem> {
    match permit {
        Ok(permit) => Ok(Some(permit)),
        Err(Problem::Refused(Refused::Lacks { .. })) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// A form that was sent without the permission that the page asks for.
pub fn needed<T>(permit: Option<T>) -> Result<T, Problem> {
    permit.ok_or_else(|| Problem::BadRequest("this page has no such form for you".to_owned()))
}
