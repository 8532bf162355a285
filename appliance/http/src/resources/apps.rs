//! What phones and scripts fetch of apps: files of builds, media, whole packages, the list.
//!
//! Files are told to anybody who knows an app's id, as CommCare HQ does: a phone installs before anybody has
//! signed in.

use super::place;
use crate::coding::takes;
use crate::gate;
use crate::phone;
use crate::problem::{Challenge, Problem};
use crate::reply::{Reply, empty, file, header_value, json, whole};
use crate::request::Request;
use crate::resources::forms::SEGMENT;
use crate::router::State;
use crate::routes::Found;
use bolster_auth::{AuthError, Permit, Project, ViewApps};
use bolster_model::{Digest, Timestamp};
use bolster_store::BlobReader;
use bolster_usecases::Appliance;
use bolster_usecases::apps::{AppsError, FoundBuild, ServeError, Served, Target, Wanted, content_tag};
use bolster_wire::restore::Printer;
use flate2::Compression;
use flate2::write::GzEncoder;
use form_urlencoded::byte_serialize;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, VARY,
};
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json as object};
use std::io::Write as _;
use std::sync::Arc;

/// What a package holds is never run as a page of this site.
const HARMLESS: &str = "default-src 'none'; sandbox";
/// A released build, and media, whose names are made from their bytes.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// What the newest is, and what may still be thrown away.
const A_MINUTE: &str = "public, max-age=60";
/// Largest text that is compressed: it is in memory meanwhile.
const GZIP_BYTES_MAX: u64 = 8 << 20;
/// When a build was released, for phones.
const RELEASED_ON: HeaderName = HeaderName::from_static("x-commcarehq-appreleasedon");

impl From<AppsError> for Problem {
    fn from(error: AppsError) -> Self {
        match error {
            AppsError::NoApp(_) | AppsError::NoVersion { .. } => Self::NotFound(error.to_string()),
            AppsError::Setting(text) => Self::BadRequest(text),
            AppsError::Refused(refused) => Self::Refused(refused),
            AppsError::Store(error) => Self::Store(error),
            AppsError::Blob(error) => Self::Blob(error),
            AppsError::Write(error) => Self::Write(error),
        }
    }
}

impl From<ServeError> for Problem {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Store(error) => Self::Store(error),
            ServeError::Blob(error) => Self::Blob(error),
            ServeError::Damaged(_) => Self::ContentGone("this file".to_owned()),
        }
    }
}

pub(crate) fn no_app() -> Problem {
    Problem::NotFound("Application not found".to_owned())
}

/// The project of an address that tells no secrets.
pub(crate) fn open_project(state: &State, found: &Found<'_>) -> Result<Arc<Project>, Problem> {
    gate::project(state, &place(found, "project")?).filter(|p| p.active).ok_or_else(no_app)
}

/// Which build the query asks for.
fn wanted(request: &Request) -> (Option<Target>, Option<String>) {
    let target = match request.query("target").as_deref() {
        Some("build") => Target::Build,
        Some("save") => Target::Save,
        _ => Target::Release,
    };
    let latest = (request.query("latest").as_deref() == Some("true")).then_some(target);
    (latest, request.query("profile").map(std::borrow::Cow::into_owned))
}

/// `GET …/apps/download/{app_id}/{path}`
pub async fn download(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let project = open_project(state, found)?;
    let id = place(found, "app_id")?.into_owned();
    let path = place(found, "path")?.into_owned();
    let site = state.site(request);
    let (latest, profile) = wanted(request);
    let is_package = !path.contains('/') && path.ends_with(".ccz");
    if is_package {
        let find = move |app: &Appliance, project: &Project| {
            let wanted = Wanted { latest, profile: profile.as_deref(), version: None };
            app.find_build(project.id, &id, &wanted)
        };
        return package(state, project, site, true, find).await;
    }
    let name = path.clone();
    let gzip =
        is_text(&name) && request.headers().get_all(ACCEPT_ENCODING).iter().any(|value| takes(value, "gzip"));
    let known = request.header(IF_NONE_MATCH).map(str::to_owned);
    let text = |name: &str| request.query(name).map(|v| v.into_owned()).filter(|v| !v.is_empty());
    let username = text("username");
    let open = move |app: &Appliance| -> Result<Option<Ready>, Problem> {
        let wanted = Wanted { latest, profile: profile.as_deref(), version: None };
        // Who tests what is not released gets that wherever he is.
        let version = match latest {
            Some(Target::Release) => at_location(app, &project, &id, username.as_deref())?,
            _ => None,
        };
        let wanted = Wanted { version, ..wanted };
        let Some(build) = app.find_build(project.id, &id, &wanted)? else { return Ok(None) };
        let served = app.app_file(&build, &project.name, &site, &path)?;
        served.map(|served| ready(build, served, gzip, known.as_deref())).transpose()
    };
    let no_file = || Problem::NotFound(format!("there is no file {name} in this application"));
    let Ready { build, tag, body, gzipped } = state.blocking(open).await?.ok_or_else(no_file)?;
    let mut reply = match body {
        None => empty(StatusCode::NOT_MODIFIED),
        Some(Served::Bytes(bytes)) => whole(StatusCode::OK, "application/xml", bytes),
        Some(Served::File(reader, _)) => file(reader),
    };
    if gzipped {
        reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if is_text(&name) {
        reply.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(&name)));
    headers.insert(ETAG, header_value(&tag));
    let forever = build.pinned && build.entry.released_at.is_some();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(if forever { FOREVER } else { A_MINUTE }));
    if let Some(released) = build.entry.released().filter(|_| name.ends_with("profile.ccpr")) {
        headers.insert(RELEASED_ON, header_value(&without_micros(released)));
    }
    if request.query("download").as_deref() == Some("true") {
        headers.insert(CONTENT_DISPOSITION, attachment(name.rsplit('/').next().unwrap_or_default()));
    }
    guard(&mut reply);
    Ok(reply)
}

/// The version for the location of the user who looks for an update, where an app has such: it must be known
/// who looks.
fn at_location(
    app: &Appliance,
    project: &Project,
    id: &str,
    username: Option<&str>,
) -> Result<Option<u32>, Problem> {
    let family = match app.app(project.id, id)? {
        None => app.app(project.id, &app.app_of_submission(project.id, id).0)?,
        family => family,
    };
    let Some(family) = family.filter(|family| !family.at_locations.is_empty()) else { return Ok(None) };
    let username = username.ok_or(Problem::UpdateNeedsLogin)?;
    match app.auth().find_user(project, username) {
        Some(user) => Ok(app.version_at(project.id, &family, &user)?),
        None => Ok(None),
    }
}

/// A file on its way to a phone.
struct Ready {
    build: FoundBuild,
    tag: String,
    /// Nothing when the phone has it.
    body: Option<Served>,
    gzipped: bool,
}

/// Texts are sent compressed to who takes that: forms become a tenth of their size.
fn ready(build: FoundBuild, served: Served, gzip: bool, known: Option<&str>) -> Result<Ready, Problem> {
    let served = match served {
        Served::File(reader, _) if gzip && reader.length() <= GZIP_BYTES_MAX => {
            Served::Bytes(reader.read_all(GZIP_BYTES_MAX)?)
        }
        other => other,
    };
    let gzipped = gzip && matches!(served, Served::Bytes(_));
    let suffix = if gzipped { "-gzip" } else { "" };
    let tag = match &served {
        Served::Bytes(bytes) => format!("\"{}{suffix}\"", content_tag(bytes)),
        Served::File(_, digest) => format!("\"{digest}\""),
    };
    if known.is_some_and(|known| known.contains(&tag)) {
        return Ok(Ready { build, tag, body: None, gzipped: false });
    }
    let body = match served {
        Served::Bytes(bytes) if gzipped => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            // Writing to memory does not fail.
            let done = encoder.write_all(&bytes).and_then(|()| encoder.finish());
            Served::Bytes(done.map_err(|_| Problem::GivenUp)?)
        }
        other => other,
    };
    Ok(Ready { build, tag, body: Some(body), gzipped })
}

fn is_text(name: &str) -> bool {
    [".xml", ".ccpr", ".txt", ".html"].iter().any(|end| name.ends_with(end))
}

/// `2024-05-02T08:00:00Z`: phones do not read fractions here.
fn without_micros(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}Z", text.split('.').next().unwrap_or(&text))
}

fn unchanged(request: &Request, tag: &str) -> bool {
    request.header(IF_NONE_MATCH).is_some_and(|known| known.contains(tag))
}

fn guard(reply: &mut Reply) {
    reply.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(HARMLESS));
}

fn attachment(name: &str) -> HeaderValue {
    header_value(&format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(name, SEGMENT)))
}

/// HQ's types; what a browser would run is only bytes.
fn content_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "ccpr" => "commcare/profile",
        "xml" => "application/xml",
        "txt" => "text/plain",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" | "oga" => "audio/ogg",
        "m4a" => "audio/mp4",
        "3gp" | "3gpp" => "video/3gpp",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

/// `GET /hq/multimedia/file/{class}/{media_id}/{name}`
pub async fn media(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let missing = || Problem::NotFound("there is no such media file".to_owned());
    let digest = Digest::parse(&place(found, "media_id")?).ok_or_else(missing)?;
    let tag = format!("\"{digest}\"");
    let known = unchanged(request, &tag);
    let open = move |app: &Appliance| -> Result<_, Problem> {
        let Some(media) = app.find_media(&digest)? else { return Ok(None) };
        let reader = if known { None } else { Some(app.store().blobs().read(&media.digest)?) };
        Ok(Some((media, reader)))
    };
    let (media, reader) = state.blocking(open).await?.ok_or_else(missing)?;
    let mut reply = reader.map_or_else(|| empty(StatusCode::NOT_MODIFIED), file);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(&media.path)));
    headers.insert(ETAG, header_value(&tag));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOREVER));
    guard(&mut reply);
    Ok(reply)
}

/// A whole package of the build that `find` answers. Few are made at the same time: each takes room on the
/// disk until it was sent.
async fn package(
    state: &State,
    project: Arc<Project>,
    site: String,
    with_media: bool,
    find: impl FnOnce(&Appliance, &Project) -> Result<Option<FoundBuild>, bolster_store::StoreError>
    + Send
    + 'static,
) -> Result<Reply, Problem> {
    let place = state.package_place().ok_or(Problem::Crowded)?;
    let make = move |app: &Appliance| -> Result<Option<(FoundBuild, BlobReader)>, Problem> {
        let Some(build) = find(app, &project)? else { return Ok(None) };
        let reader = app.app_package(&build, &project.name, &site, with_media)?;
        Ok(Some((build, reader)))
    };
    let (build, reader) = state.blocking(make).await?.ok_or_else(no_app)?;
    let mut reply = file(reader);
    if let crate::reply::ReplyBody::File(body) = reply.body_mut() {
        body.hold(place);
    }
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    let name = format!("{} v{}.ccz", build.app.name, build.entry.version);
    headers.insert(CONTENT_DISPOSITION, attachment(&name));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    guard(&mut reply);
    Ok(reply)
}

/// `GET …/apps/api/list_apps/`
pub async fn list(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = place(found, "project")?;
    let permit: Permit<ViewApps> = gate::api(state, request, &name).await?;
    let base = format!("{}/a/{name}/apps/api/download_ccz/?app_id=", state.site(request));
    let apps = state.blocking(move |app| Ok(app.list_apps(&permit)?)).await?;
    let apps: Vec<Value> = apps
        .iter()
        .map(|app| {
            object!({
                "name": app.name,
                "version": app.newest(false),
                "app_id": app.id,
                "download_url": format!("{base}{}", app.id),
            })
        })
        .collect();
    Ok(json(StatusCode::OK, &object!({ "status": "success", "applications": apps })))
}

/// Projects of a web user whose apps are listed.
const PROJECTS_MAX: usize = 20;

/// `GET /phone/list_apps`: what somebody with a name and a password may install, of all projects.
pub async fn of_phone(state: &State, request: &Request) -> Result<Reply, Problem> {
    let challenge = Challenge::Basic;
    let refused = |error| Problem::NotSignedIn { error, challenge };
    let header = request.headers().get(AUTHORIZATION).ok_or_else(|| refused(AuthError::Missing))?;
    let projects = state.app.auth().projects_of_login(header.as_bytes());
    if projects.is_empty() {
        return Err(refused(AuthError::Missing));
    }
    let site = state.site(request);
    let mut list = Vec::new();
    let mut last = None;
    for project in projects.into_iter().take(PROJECTS_MAX) {
        match phone::permit(state, request, &project.name).await {
            Ok(permit) => {
                let username: String = byte_serialize(permit.actor().username().as_bytes()).collect();
                let apps = state.blocking(move |app| Ok(app.apps_for_phone(&permit)?)).await?;
                list.extend(apps.into_iter().map(|app| (project.name.clone(), username.clone(), app)));
            }
            // Who may use a phone in one project gets its apps, whatever the others say.
            Err(problem @ (Problem::Refused(_) | Problem::NotHere { .. } | Problem::Maintenance)) => {
                last = Some(problem);
            }
            Err(problem) => return Err(problem),
        }
    }
    if let Some(problem) = last.filter(|_| list.is_empty()) {
        return Err(problem);
    }
    let mut out = Printer::default();
    out.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<apps>");
    for (project, username, app) in &list {
        let place = format!("{site}/a/{project}/apps/download/{}", app.id);
        // Which version it is may depend on who asks.
        let query = match app.at_locations.is_empty() {
            true => "latest=true".to_owned(),
            false => format!("latest=true&username={username}"),
        };
        out.raw("<app");
        for (name, value) in [
            ("domain", project.as_str()),
            ("name", &app.name),
            ("version", &app.newest(true).unwrap_or_default().to_string()),
            ("profile", &format!("{place}/profile.ccpr?{query}")),
            ("media-profile", &format!("{place}/media_profile.ccpr?{query}")),
            ("environment", "Production"),
        ] {
            out.attribute(name, value);
        }
        out.raw("/>");
    }
    out.raw("</apps>");
    Ok(whole(StatusCode::OK, "text/xml; charset=utf-8", out.take()))
}

/// `GET …/apps/api/download_ccz/`
pub async fn direct_ccz(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let error = |status, message: &str| Ok(json(status, &object!({ "status": "error", "message": message })));
    let bad = |message| error(StatusCode::BAD_REQUEST, message);
    let Some(app_id) = request.query("app_id").filter(|id| !id.is_empty()).map(|id| id.into_owned()) else {
        return bad("You must specify `app_id` in your GET parameters");
    };
    let version = request.query("version").filter(|v| !v.is_empty());
    let latest = request.query("latest");
    if version.is_some() && latest.is_some() {
        return bad("You can't specify both 'version' and 'latest'");
    }
    let target = match latest.as_deref() {
        None | Some("save") => Target::Save,
        Some("build") => Target::Build,
        Some("release") => Target::Release,
        Some(_) => return bad("latest must be either 'release', 'build', or 'save'"),
    };
    let version: Option<u32> = match version.map(|v| v.parse()) {
        None => None,
        Some(Ok(version)) => Some(version),
        Some(Err(_)) => return bad("'version' must be an integer"),
    };
    let with_media = request.query("include_multimedia").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let project = open_project(state, found)?;
    let find = move |app: &Appliance, project: &Project| {
        let Some(family) = app.app(project.id, &app_id)? else { return Ok(None) };
        let number = version.or(match target {
            Target::Release => family.newest(true),
            Target::Build | Target::Save => family.newest(false),
        });
        let Some(entry) = number.and_then(|n| family.builds.iter().find(|b| b.version == n)) else {
            return Ok(None);
        };
        let entry = family.build(entry.version, None).unwrap_or(entry);
        app.find_build(project.id, &entry.id, &Wanted::default())
    };
    match package(state, project, state.site(request), with_media, find).await {
        Err(Problem::NotFound(_)) => error(StatusCode::NOT_FOUND, "Application not found"),
        other => other,
    }
}
