//! The apps of a project, and the page from which a phone installs one.

use crate::gate;
use crate::pages::words::{maybe_time, time};
use crate::pages::{Frame, page, shown_name};
use crate::problem::Problem;
use crate::reply::{Reply, empty, header_value, whole};
use crate::request::Request;
use crate::resources::apps::{no_app, open_project};
use crate::router::State;
use crate::routes::Found;
use bolster_auth::ViewApps;
use bolster_model::Timestamp;
use bolster_usecases::Appliance;
use bolster_usecases::apps::{FoundBuild, Target, Wanted, app_code};
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use maud::html;
use qrcodegen::{QrCode, QrCodeEcc};

/// White around a code, in modules: what cameras need.
const QUIET_MODULES: usize = 4;
/// Pixels of a module.
const MODULE_PIXELS: usize = 8;

/// `GET /a/{project}/apps/`
pub async fn apps(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let name = found.text("project").unwrap_or_default();
    let visitor = gate::visitor(state, request, &name).await?;
    let permit = visitor.permit::<ViewApps>(state)?;
    let id = visitor.project.id;
    let (apps, nouns) = state.blocking(move |app| Ok((app.list_apps(&permit)?, app.nouns(id)?))).await?;
    let project = &*visitor.project;
    let content = html! {
        h1 { "Apps" }
        @if apps.is_empty() {
            p { "There is no app yet. Export one from CommCare HQ's app builder (\"Download CCZ\") and take it in:" }
            p { code { "bolster app import --project " (project.name) " app.ccz" } }
        }
        ul .list {
            @for app in &apps {
                li {
                    a href={ "/a/" (project.name) "/apps/odk/" (app.id) "/install/" } dir="auto" { (app.name) }
                    @match app.newest(true) {
                        Some(version) => { " · version " (version) " is released" }
                        None => { " · no version is released yet" }
                    }
                    @for release in &app.at_locations {
                        @let place = nouns.locations.get(&release.location).map_or("–", |l| l.name.as_str());
                        div .small { "Workers at " bdi { (place) } " and below get version " (release.version) }
                    }
                    @for build in app.builds.iter().rev() {
                        div .small {
                            "Version " (build.version)
                            @if !build.profile.is_empty() { " (" (build.profile) ")" }
                            " · taken in " (time(Timestamp(build.imported_at)))
                            " · released " (maybe_time(build.released()))
                            " · " a href={ "/a/" (project.name) "/apps/odk/" (build.id) "/install/" } { "install this one" }
                            @if !build.notes.is_empty() { div .value dir="auto" { (build.notes) } }
                        }
                    }
                }
            }
        }
    };
    let frame = Frame { title: "Apps", project: Some(project), user: Some(visitor.actor.username()) };
    Ok(page(StatusCode::OK, &frame, &content))
}

/// The build that an id in an address stands for, and the address where phones get it: the newest for an app,
/// exactly this one for a build.
async fn installed(
    state: &State,
    request: &Request,
    found: &Found<'_>,
) -> Result<(FoundBuild, String), Problem> {
    let project = open_project(state, found)?;
    let id = found.text("app_id").unwrap_or_default().into_owned();
    let profile = request.query("profile").map(|p| p.into_owned());
    let find = move |app: &Appliance| -> Result<_, Problem> {
        let latest = app.app(project.id, &id)?.map(|_| Target::Release);
        let wanted = Wanted { latest, profile: profile.as_deref(), version: None };
        let build = app.find_build(project.id, &id, &wanted)?.ok_or_else(no_app)?;
        let base = format!("/a/{}/apps/download", project.name);
        let path = match latest {
            // Who installs has not signed in, and cannot say where he works.
            Some(_) if !build.app.at_locations.is_empty() => {
                format!("{base}/{}/media_profile.ccpr", build.entry.id)
            }
            Some(_) if build.build.profile.is_empty() => {
                format!("{base}/{}/media_profile.ccpr?latest=true", build.app.id)
            }
            Some(_) => {
                let profile = &build.build.profile;
                format!("{base}/{}/media_profile.ccpr?latest=true&profile={profile}", build.app.id)
            }
            None => format!("{base}/{}/media_profile.ccpr", build.entry.id),
        };
        Ok((build, path))
    };
    let (build, path) = state.blocking(find).await?;
    Ok((build, format!("{}{path}", state.site(request))))
}

/// `GET /i/{code}`: an address short enough to be typed on a phone.
pub async fn code(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let code = found.text("code").unwrap_or_default().into_owned();
    let (project, app_id) =
        state.blocking(move |app| Ok(app.app_of_code(&code)?)).await?.ok_or_else(no_app)?;
    let find = move |app: &Appliance| -> Result<String, Problem> {
        let base = format!("/a/{project}/apps/download");
        let newest = format!("{base}/{app_id}/media_profile.ccpr?latest=true");
        let project = app.auth().project_named(&project).ok_or_else(no_app)?;
        let wanted = Wanted { latest: Some(Target::Release), ..Wanted::default() };
        let build = app.find_build(project.id, &app_id, &wanted)?;
        let apart = build.filter(|build| !build.app.at_locations.is_empty());
        Ok(apart.map_or(newest, |build| format!("{base}/{}/media_profile.ccpr", build.entry.id)))
    };
    let address = format!("{}{}", state.site(request), state.blocking(find).await?);
    let mut reply = empty(StatusCode::FOUND);
    reply.headers_mut().insert(LOCATION, header_value(&address));
    Ok(reply)
}

/// `GET …/apps/odk/{app_id}/install/`: for anybody, as a phone has not signed in yet.
pub async fn install(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let (build, address) = installed(state, request, found).await?;
    let project = open_project(state, found)?;
    let id = found.raw("app_id").unwrap_or_default();
    let base = format!("/a/{}/apps", project.name);
    let query =
        request.query("profile").map(|_| format!("?profile={}", build.build.profile)).unwrap_or_default();
    let (app, entry) = (&build.app, &build.entry);
    let short = format!("{}/i/{}", state.site(request), app_code(&project, &app.id));
    let content = html! {
        h1 dir="auto" { (app.name) }
        p { "Version " (entry.version) " for " bdi { (shown_name(&project)) }
            @if entry.released_at.is_none() { " · " span .label { "not released" } } }
        ol .list {
            li { "Install CommCare on the phone, from the store or from a file." }
            li { "In CommCare, choose " strong { "Scan Application Barcode" } " and point the camera at this code:"
                div { img src={ (base) "/odk/" (id) "/qr_code/" (query) } alt="Code for installing this app"
                    width="296" height="296"; }
                div .small { "It says " code { (address) } "." }
                div .small { "Without a camera choose " strong { "Enter URL" } " and type " code { (short) } } }
            li { "Sign in with the name and password that you were given." }
        }
        h2 { "Without a connection" }
        p { a .button href={ (base) "/download/" (entry.id) "/app.ccz" } { "Download the app as a file" } }
        p .small { "Copy it to the phone and choose " strong { "Offline Install" } "." }
        @if !entry.notes.is_empty() { h2 { "What is new" } p .value dir="auto" { (entry.notes) } }
    };
    let frame = Frame { title: &app.name, project: None, user: None };
    Ok(page(StatusCode::OK, &frame, &content))
}

/// `GET …/apps/odk/{app_id}/qr_code/`: a picture of the address.
pub async fn qr_code(state: &State, request: &Request, found: &Found<'_>) -> Result<Reply, Problem> {
    let (_, address) = installed(state, request, found).await?;
    let too_long = || Problem::BadRequest("the address is too long for a code".to_owned());
    let picture = picture(&address).ok_or_else(too_long)?;
    let mut reply = whole(StatusCode::OK, "image/png", picture);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    Ok(reply)
}

/// A code as a picture in black and white; a quarter of it may be dirty and it can still be read.
fn picture(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::encode_text(text, QrCodeEcc::Quartile).ok()?;
    let modules = usize::try_from(code.size()).ok()? + 2 * QUIET_MODULES;
    let pixels = modules * MODULE_PIXELS;
    let is_dark = |x: usize, y: usize| {
        let module = |at: usize| (at / MODULE_PIXELS) as i32 - QUIET_MODULES as i32;
        code.get_module(module(x), module(y))
    };
    let bit = |x: usize, y: usize| u8::from(x >= pixels || !is_dark(x, y));
    let row = |y: usize| {
        (0..pixels.div_ceil(8)).map(move |byte| (0..8).fold(0, |b, i| b << 1 | bit(byte * 8 + i, y)))
    };
    let bits: Vec<u8> = (0..pixels).flat_map(row).collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, pixels as u32, pixels as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&bits).ok()?;
    writer.finish().ok()?;
    Some(out)
}
