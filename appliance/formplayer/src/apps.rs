//! Applications: parsed once per build, shared by everybody.

use std::sync::Arc;

use bolster_runtime::{App, UserData};
use serde_json::Value as Json;

use crate::dispatch::Call;
use crate::fault::Fault;
use crate::host::{Account, Failure, Need};
use crate::request::Request;
use crate::world::RequestWorld;
use crate::{APPS_MAX, Formplayer, UserState, lock};

const DAY_MS: i64 = 86_400_000;
const AGGRESSIVE_MS: i64 = 5 * 60_000;

/// An application opened for one request.
pub(crate) struct Opened {
    /// The application.
    pub app: Arc<App>,
    /// Its id.
    pub id: String,
    /// The user had not opened it before.
    pub new: bool,
    /// The data was synchronised.
    pub restored: bool,
    /// The data.
    pub data: Arc<dyn UserData>,
    /// What is remembered of the account.
    pub user: Arc<UserState>,
}

/// When data of an application must be synchronised before it is used.
pub(crate) fn policy(app: Option<&App>, aggressive: bool) -> Need {
    let Some(app) = app else { return Need::Any { older_than_ms: None, unknown_is_old: false } };
    if aggressive && app.profile.is_on("cc-sync-after-form") {
        return Need::Any { older_than_ms: Some(AGGRESSIVE_MS), unknown_is_old: true };
    }
    let older_than_ms = match app.profile.property("cc-autosync-freq") {
        Some("freq-daily") => Some(DAY_MS),
        Some("freq-weekly") => Some(7 * DAY_MS),
        _ => None,
    };
    Need::Any { older_than_ms, unknown_is_old: false }
}

/// Longest name of a time zone.
const ZONE_LEN_MAX: usize = 64;

impl Formplayer {
    /// The application of an id as it is now.
    pub(crate) fn app(
        &self,
        call: &Call<'_>,
        account: &Account,
        id: &str,
        preview: bool,
    ) -> Result<Arc<App>, Fault> {
        let build = call.host.build(account, id, preview).map_err(package_fault)?;
        if let Some(known) = lock(&self.apps).get(&build) {
            return Ok(known.clone());
        }
        let files = call.host.files(account, id, &build).map_err(package_fault)?;
        let app = Arc::new(App::read(&*files)?);
        let mut apps = lock(&self.apps);
        if apps.len() >= APPS_MAX {
            apps.clear();
        }
        apps.insert(build, app.clone());
        Ok(app)
    }

    /// Opens the application that a request names, with data as fresh as it must be.
    pub(crate) fn open(
        &self,
        call: &Call<'_>,
        account: &Account,
        request: &Request,
        aggressive: bool,
    ) -> Result<Opened, Fault> {
        let mut restored = false;
        let mut data = None;
        if request.flag("mustRestore") {
            data = Some(call.host.data(account, Need::Sync { purge: true })?);
            restored = true;
        }
        let id = request.text("app_id").filter(|id| !id.is_empty()).ok_or_else(|| {
            Fault::Other(format!(
                "Cannot configure FormplayerStorageFactory with null arguments. username = {}, domain = {}, appId = \
                 null",
                account.username, account.domain
            ))
        })?;
        let user = self.user(account);
        let preview = request.flag("preview");
        let app = self.app(call, account, &id, preview)?;
        let new = lock(&user.installed).insert(id.clone());
        let data = match data {
            Some(data) => data,
            None => call.host.data(account, policy(Some(&app), aggressive))?,
        };
        if restored {
            lock(&user.confirmed).clear();
        }
        Ok(Opened { app, id, new, restored, data, user })
    }

    /// The world of a request over an opened application.
    pub(crate) fn world<'w>(
        &self,
        call: &Call<'w>,
        account: &'w Account,
        opened: &Opened,
        request: &Request,
    ) -> RequestWorld<'w> {
        let names = opened.app.names.clone();
        let mut world =
            RequestWorld::new(call.host, account, opened.user.results.clone(), names, opened.data.clone());
        world.orders = opened.user.orders.clone();
        world.location = request.text("geo_location").filter(|text| !text.is_empty());
        world.offset_ms = client_offset(request);
        world.zone = client_zone(request);
        world
    }
}

/// The client's time zone by name, if it said one.
pub(crate) fn client_zone(request: &Request) -> Option<String> {
    request.text("tz_from_browser").filter(|zone| !zone.is_empty() && zone.len() <= ZONE_LEN_MAX)
}

/// The client's offset from UTC: -1 stands for none.
pub(crate) fn client_offset(request: &Request) -> Option<i64> {
    match request.number("tz_offset_millis") {
        -1 => None,
        0 if request.get("tz_offset_millis").is_null() => None,
        offset => Some(offset),
    }
}

/// Why an application cannot be had, for people.
fn package_fault(failure: Failure) -> Fault {
    let (status, body) = match failure {
        Failure::Status(status, body) => (status, body),
        failure => return failure.into(),
    };
    let json: Json = serde_json::from_str(&body).unwrap_or_default();
    let errors = || json["errors"].as_array().map(|errors| errors.iter().filter_map(Json::as_str));
    match status {
        400 if json["error_html"].is_string() => {
            Fault::Html(json["error_html"].as_str().unwrap_or_default().to_owned())
        }
        400 => {
            let quoted = errors().map(|all| all.map(|e| Json::from(e).to_string()).collect::<Vec<_>>());
            Fault::Other(quoted.map_or(body, |all| all.join(" ")))
        }
        500 => Fault::Other(match errors() {
            Some(all) => all.map(|error| format!("{error}\n")).collect(),
            None => "There are errors in your application. Please fix these errors in your application before using \
                     app preview."
                .into(),
        }),
        503 => Fault::Other("Server is too busy. Please try again in a moment.".into()),
        504 => Fault::Other(
            "Timed out fetching the CommCare application. Please submit a ticket if you continue to see this.".into(),
        ),
        _ => Fault::Other(
            "Formplayer encountered an unknown error. Please submit a ticket if you continue to see this.".into(),
        ),
    }
}
