//! Signing in and out with a browser.

use crate::body::BodyReader;
use crate::gate;
use crate::pages;
use crate::problem::{Challenge, Problem};
use crate::reply::{Reply, empty, header_value};
use crate::request::{Request, SESSION_COOKIE};
use crate::router::State;
use bolster_auth::session::SESSION_US;
use bolster_auth::{AuthError, Password};
use bolster_usecases::admin::sessions::LoginError;
use hyper::StatusCode;
use hyper::header::{HeaderName, LOCATION, ORIGIN, SET_COOKIE};

/// Most bytes of a form sent by one of our pages.
const FORM_BYTES_MAX: usize = 16 << 10;

/// `GET` shows the page, `POST` signs in.
pub async fn login(state: &State, request: &mut Request) -> Result<Reply, Problem> {
    if request.reads() {
        let next = local(request.query("next").as_deref());
        return Ok(pages::login::page(&next, "", None));
    }
    from_here(state, request)?;
    let form = Form::read(&mut request.body).await?;
    let next = local(form.get("next"));
    let name = form.get("username").unwrap_or_default().trim().to_owned();
    let password = Password::new(form.get("password").unwrap_or_default());
    let typed = name.clone();
    let peer = Some(request.peer.ip());
    match state.login(move |app| Ok(app.log_in(&typed, &password, peer))).await? {
        Ok(token) => {
            let mut reply = to(&next);
            let cookie = cookie(state, &token, SESSION_US / 1_000_000);
            reply.headers_mut().insert(SET_COOKIE, header_value(&cookie));
            Ok(reply)
        }
        Err(LoginError::Write(error)) => Err(error.into()),
        Err(LoginError::Auth(error)) => match said(&error) {
            Some(sentence) => Ok(pages::login::page(&next, &name, Some(&sentence))),
            None => Err(Problem::NotSignedIn { error, challenge: Challenge::Page }),
        },
    }
}

/// `GET` asks, `POST` signs out.
pub async fn logout(state: &State, request: &mut Request) -> Result<Reply, Problem> {
    let signed_in = match gate::signed_in(state, request).await {
        Ok(signed_in) => signed_in,
        Err(Problem::NotSignedIn { .. }) => return Ok(to("/")),
        Err(problem) => return Err(problem),
    };
    if request.reads() {
        return Ok(pages::login::leave(&signed_in));
    }
    from_here(state, request)?;
    let form = Form::read(&mut request.body).await?;
    let token = request.cookie(SESSION_COOKIE).unwrap_or_default().to_owned();
    if !state.app.auth().csrf_fits(&token, form.get("csrf").unwrap_or_default()) {
        return Err(Problem::Forged);
    }
    state.blocking(move |app| Ok(app.log_out(&token)?)).await?;
    let mut reply = to("/");
    reply.headers_mut().insert(SET_COOKIE, header_value(&cookie(state, "", 0)));
    Ok(reply)
}

/// What a person who could not sign in is told; `None` for what is no mistake of that person.
fn said(error: &AuthError) -> Option<String> {
    match error {
        AuthError::Missing | AuthError::Wrong | AuthError::WrongKey | AuthError::Stale => {
            Some("Name or password is wrong.".to_owned())
        }
        AuthError::LockedOut { retry_after_s } => {
            let minutes = retry_after_s.div_ceil(60);
            Some(format!("Too many wrong passwords. Try again in {minutes} minutes."))
        }
        AuthError::Inactive => {
            Some("This user is deactivated. Ask an administrator of your project.".to_owned())
        }
        AuthError::Deleted => Some("This account was deleted.".to_owned()),
        AuthError::SessionEnded | AuthError::NotMember | AuthError::Busy | AuthError::Storage(_) => None,
    }
}

fn cookie(state: &State, token: &str, seconds: i64) -> String {
    let https = state.options.site.as_deref().is_some_and(|site| site.starts_with("https://"));
    let secure = if https { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

pub(crate) fn to(place: &str) -> Reply {
    let mut reply = empty(StatusCode::SEE_OTHER);
    reply.headers_mut().insert(LOCATION, header_value(place));
    reply
}

/// An address of ours to go on to; anything that could lead elsewhere becomes the front door.
fn local(next: Option<&str>) -> String {
    match next {
        Some(next)
            if next.starts_with('/')
                && !next.starts_with("//")
                && !next.contains('\\')
                && next.bytes().all(|b| (0x21..0x7f).contains(&b)) =>
        {
            next.to_owned()
        }
        _ => "/".to_owned(),
    }
}

/// The form was sent by a page of this site. Browsers say where a form comes from; what says nothing is no
/// browser and has no cookie to misuse.
pub(crate) fn from_here(state: &State, request: &Request) -> Result<(), Problem> {
    const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    if request.header(FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(Problem::Forged);
    }
    let Some(origin) = request.header(ORIGIN) else { return Ok(()) };
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let ours = request.host() == Some(host) || state.options.site.as_deref() == Some(origin);
    if ours { Ok(()) } else { Err(Problem::Forged) }
}

/// Fields of a form.
struct Form(Vec<(String, String)>);

impl Form {
    async fn read(body: &mut BodyReader) -> Result<Self, Problem> {
        let mut bytes = Vec::new();
        while let Some(chunk) = body.chunk().await? {
            if bytes.len() + chunk.len() > FORM_BYTES_MAX {
                return Err(Problem::BadRequest("this form is too long".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Self(form_urlencoded::parse(&bytes).map(|(n, v)| (n.into_owned(), v.into_owned())).collect()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn goes_on_to_addresses_of_ours_only() {
        for good in ["/", "/a/demo/data/?before=3", "/x%20y"] {
            assert_eq!(local(Some(good)), good);
        }
        for bad in ["", "//evil.org", "/\\evil.org", "https://evil.org", "evil", "/a\r\nX: y", "/a b", "/é"]
        {
            assert_eq!(local(Some(bad)), "/", "{bad}");
        }
        assert_eq!(local(None), "/");
    }
}
