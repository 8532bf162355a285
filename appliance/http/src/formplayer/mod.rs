//! `/formplayer/…`: apps in a browser, by Formplayer's own requests.
//!
//! Here is what HTTP is: cookies, signatures, bodies. What a request means is `bolster-formplayer`'s business, and
//! what it needs from the appliance comes through [`host::WebHost`].

mod host;
mod questions;

use crate::body::MemoryShare;
use crate::gate;
use crate::multipart::{Event, Parser, boundary_of};
use crate::problem::Problem;
use crate::reply::{self, Reply};
use crate::request::{Request, SESSION_COOKIE};
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{SignedIn, User};
use bolster_formplayer::{Call, Caller, Credential, Reply as Answer, Upload};
use host::{WebHost, Who};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use serde_json::Value as Json;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

/// Digest of a body that a machine signed.
const MAC_DIGEST: HeaderName = HeaderName::from_static("x-mac-digest");
/// What only pages of this server can say.
const XSRF_HEADER: HeaderName = HeaderName::from_static("x-xsrf-token");
const XSRF_COOKIE: &str = "XSRF-TOKEN";
/// What CommCare HQ turns on project by project, and everybody has here: links into apps, search beside its results.
const TOGGLES: [&str; 2] = ["SESSION_ENDPOINTS", "SPLIT_SCREEN_CASE_SEARCH"];
const JSON: &str = "application/json;charset=UTF-8";
/// Largest request without a file: all answers of a large form, or a form to be validated.
const BODY_BYTES_MAX: usize = 12 << 20;
/// Largest request with a file; the file itself may have 4 MB.
const UPLOAD_BYTES_MAX: usize = 5 << 20;

/// `POST /formplayer/{endpoint}`, `GET` where the API has it.
pub async fn formplayer(state: &State, request: &mut Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let endpoint = found.text("endpoint").unwrap_or_default().into_owned();
    let is_upload = endpoint == "answer_media";
    let share = MemoryShare::new(&state.memory);
    let (body, _share) =
        body(request, if is_upload { UPLOAD_BYTES_MAX } else { BODY_BYTES_MAX }, share).await?;
    let upload = match is_upload {
        true => Some(parts(request, &body)?),
        false => None,
    };
    let signed_in = gate::signed_in(state, request).await.ok();
    let cookie = signed_in.as_ref().filter(|_| endpoint == "serverup");
    let cookie = cookie.and_then(|signed_in| csrf_cookie(state, request, &signed_in.csrf));
    let asked = upload.as_ref().map_or(&body[..], |parts| &parts.answer);
    let asked: Json = serde_json::from_slice(asked).unwrap_or_default();
    let (caller, who) = caller(state, request, (&body, &asked), signed_in);
    let base = format!("{}/formplayer", state.site(request));
    let peer = request.peer.ip().to_canonical().to_string();
    let method = if request.reads() { "GET" } else { "POST" };
    let api = state.formplayer.clone();
    let turns = state.turns.clone();
    let key = state.options.runtime_key.clone();
    let answer = state
        .blocking(move |app| {
            let _turn = turns.take(&asked);
            let host = WebHost::new(app.clone(), who, key, peer);
            let call = Call { host: &host, caller: &caller, base: &base };
            Ok(match upload {
                Some(Parts { answer, name, content_type, file }) => {
                    let size = file.len() as u64;
                    let mut content = &file[..];
                    let mut upload =
                        Upload { name: &name, content_type: &content_type, size, content: &mut content };
                    api.handle_upload(&call, &answer, &mut upload)
                }
                None => api.handle(&call, method, &endpoint, &body),
            })
        })
        .await?;
    Ok(sent(answer, cookie))
}

fn sent(answer: Answer, cookie: Option<HeaderValue>) -> Reply {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut reply = reply::whole(status, JSON, answer.json);
    if let Some(cookie) = cookie {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    reply
}

async fn body(
    request: &mut Request,
    bytes_max: usize,
    mut share: MemoryShare,
) -> Result<(Vec<u8>, MemoryShare), Problem> {
    let mut body = Vec::with_capacity(request.body.hint());
    while let Some(chunk) = request.body.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Err(Problem::BadRequest(format!("a request has at most {} MB", bytes_max >> 20)));
        }
        share.cover(body.len() + chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok((body, share))
}

/// Who calls: a machine that signed the body, or somebody with a session.
fn caller(
    state: &State,
    request: &Request,
    (body, asked): (&[u8], &Json),
    signed_in: Option<SignedIn>,
) -> (Caller, Who) {
    let nobody = |credential| Caller {
        credential,
        username: String::new(),
        domains: Vec::new(),
        superuser: false,
        toggles: Vec::new(),
    };
    if let Some(digest) = request.header_text(&MAC_DIGEST, 200) {
        let key = state.options.runtime_key.as_ref();
        return match key.is_some_and(|key| state.app.auth().signature_fits(key.bytes(), body, &digest)) {
            true => (nobody(Credential::Signed), Who::Machine { body: body.to_vec(), digest }),
            false => (nobody(Credential::Nobody), Who::Nobody),
        };
    }
    let (Some(token), Some(signed_in)) = (request.cookie(SESSION_COOKIE), signed_in) else {
        return (nobody(Credential::Nobody), Who::Nobody);
    };
    let said = request.header_text(&XSRF_HEADER, 100);
    let csrf = said.is_some_and(|said| state.app.auth().csrf_fits(token, &said));
    let user = signed_in.user;
    let projects = state.app.auth().projects_of(&user);
    let names = names(&user, &projects.iter().map(|p| p.name.as_str()).collect::<Vec<_>>());
    let asked = asked["username"].as_str().unwrap_or_default();
    let name = names.iter().find(|name| name.eq_ignore_ascii_case(asked)).map(|_| asked.to_owned());
    let caller = Caller {
        credential: Credential::Session { csrf },
        username: name.or_else(|| names.first().cloned()).unwrap_or_default(),
        domains: projects.iter().map(|p| p.name.clone()).collect(),
        superuser: user.server_admin,
        toggles: TOGGLES.map(str::to_owned).to_vec(),
    };
    (caller, Who::Person { token: token.to_owned(), names })
}

/// Names that a user goes by: whole, and as typed at login.
fn names(user: &Arc<User>, projects: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = projects.iter().map(|project| user.wire_name(project)).collect();
    names.push(user.username.clone());
    names.dedup();
    names
}

/// The cookie that lets a page of this server prove that it is one.
fn csrf_cookie(state: &State, request: &Request, value: &str) -> Option<HeaderValue> {
    let secure = if state.site(request).starts_with("https://") { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{XSRF_COOKIE}={value}; Path=/; SameSite=Lax{secure}")).ok()
}

/// Turns at open forms: two requests about one form, from two windows, come one after the other, so that neither
/// undoes what the other did.
#[derive(Debug)]
pub struct Turns(Vec<Mutex<()>>);

/// More than the requests that are answered at once.
const TURNS: usize = 512;

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    /// Waits for the turn of the form that a request is about; `None` when it is about none.
    fn take(&self, request: &Json) -> Option<MutexGuard<'_, ()>> {
        let names = ["session_id", "session-id", "sessionId"];
        let id = names.iter().find_map(|name| request[*name].as_str())?;
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let turn = &self.0[(hasher.finish() % TURNS as u64) as usize];
        Some(turn.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

/// A file and the request that it belongs to.
struct Parts {
    answer: Vec<u8>,
    name: String,
    content_type: String,
    file: Vec<u8>,
}

fn parts(request: &Request, body: &[u8]) -> Result<Parts, Problem> {
    let bad = |_| Problem::BadRequest("the multipart body cannot be read".to_owned());
    let content_type = request.header_text(&CONTENT_TYPE, 300).unwrap_or_default();
    let boundary = boundary_of(content_type.as_bytes()).map_err(bad)?;
    let mut parser = Parser::new(&boundary);
    parser.put(&bytes::Bytes::copy_from_slice(body));
    let mut out =
        Parts { answer: Vec::new(), name: String::new(), content_type: String::new(), file: Vec::new() };
    let mut current = String::new();
    while let Some(event) = parser.next_event().map_err(bad)? {
        match event {
            Event::Head(head) => {
                current = head.name.unwrap_or_default();
                if current == "file" {
                    out.name = head.filename.unwrap_or_default();
                    out.content_type = head.content_type;
                }
            }
            Event::Data(bytes) if current == "file" => out.file.extend_from_slice(&bytes),
            Event::Data(bytes) if current == "answer" => out.answer.extend_from_slice(&bytes),
            Event::Data(_) | Event::End => {}
        }
    }
    parser.end().map_err(bad)?;
    Ok(out)
}
