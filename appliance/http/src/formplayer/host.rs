//! What the API needs from the appliance, for one call.

use super::questions;
use crate::options::RuntimeKey;
use crate::phone::search::results;
use bolster_auth::{Accept, Check, Entrance, Permit, Presented, Project, RestoreData, UseWebApps};
use bolster_env::random;
use bolster_formplayer::{Account, Failure, Host, Need, Shelf, Submission, Upload};
use bolster_model::id::ID_LEN_MAX;
use bolster_model::{Attachment, CaseId, OpenRosaHeaders, SubmissionInfo, Timestamp};
use bolster_runtime::{Files, UserData};
use bolster_store::BlobPin;
use bolster_usecases::apps::{FoundBuild, ServeError, Served, Target, Wanted};
use bolster_usecases::claim_case::{Claim, ClaimOutcome};
use bolster_usecases::restore::RestoreError;
use bolster_usecases::search_cases::zone_offset_seconds;
use bolster_usecases::{Appliance, FormUpload, SubmissionOutcome, SubmitFormError, SubmitMode};
use bolster_wire::openrosa::{Nature, TICK, response};
use bolster_xpath::Zone;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

/// Largest form, profile or suite of a package.
const TEXT_BYTES_MAX: u64 = 32 << 20;
/// Bytes read at once of a file of an answer.
const CHUNK_BYTES: usize = 64 << 10;
/// What is used to make addresses of packages that never leave this process.
const SITE: &str = "http://localhost";

/// Who calls.
pub enum Who {
    /// Nobody that is known.
    Nobody,
    /// Somebody with a session.
    Person {
        /// Of the session.
        token: String,
        /// Names that the person goes by.
        names: Vec<String>,
    },
    /// A machine that signed its request.
    Machine {
        /// What it signed.
        body: Vec<u8>,
        /// Its digest.
        digest: String,
    },
}

/// The appliance, for one call.
pub struct WebHost {
    app: Appliance,
    who: Who,
    key: Option<RuntimeKey>,
    peer: String,
    permits: RefCell<HashMap<String, Permit<RestoreData>>>,
}

impl WebHost {
    /// For a call of somebody.
    pub fn new(app: Appliance, who: Who, key: Option<RuntimeKey>, peer: String) -> Self {
        Self { app, who, key, peer, permits: RefCell::default() }
    }

    fn permit(&self, account: &Account) -> Result<Permit<RestoreData>, Failure> {
        if let Some(known) = self.permits.borrow().get(&account.domain) {
            return Ok(known.clone());
        }
        let refused = |text: String| Failure::Status(403, text);
        let auth = self.app.auth();
        let project = auth.project_named(&account.domain);
        let project =
            project.ok_or_else(|| refused(format!("There is no project {} here.", account.domain)))?;
        if project.maintenance || self.app.settings().maintenance() {
            return Err(Failure::Status(503, "The project is being maintained; try again later.".into()));
        }
        let permit = match &self.who {
            Who::Nobody => return Err(refused("Sign in first.".into())),
            Who::Machine { body, digest } => {
                let key =
                    self.key.as_ref().ok_or_else(|| refused("Signed requests are not taken.".into()))?;
                let permit = auth.signed_permit(key.bytes(), (body, digest), &project);
                permit.map_err(|error| refused(error.to_string()))?
            }
            Who::Person { token, .. } => {
                let presented = Presented {
                    project: &project,
                    accept: Accept::SESSION,
                    authorization: None,
                    session: Some(token),
                    query_key: None,
                    method: "POST",
                    target: "",
                    peer: None,
                };
                let actor = match auth.check(&presented) {
                    Check::Done(result) => result,
                    Check::Blocking(check) => check.run(),
                };
                let actor = actor.map_err(|error| refused(error.to_string()))?;
                let permit: Permit<UseWebApps> = auth
                    .permit(&actor, &project, Entrance::Page)
                    .map_err(|error| refused(error.to_string()))?;
                auth.restore_for_web_apps(&permit)
            }
        };
        self.permits.borrow_mut().insert(account.domain.clone(), permit.clone());
        Ok(permit)
    }

    /// Who the data is of, if it is not the caller.
    fn as_user(&self, account: &Account) -> Option<String> {
        let other = account.full_login_as();
        match &self.who {
            Who::Person { names, .. } => other.or_else(|| {
                let own = names.iter().any(|name| name.eq_ignore_ascii_case(&account.username));
                (!own).then(|| account.username.clone())
            }),
            Who::Machine { .. } | Who::Nobody => other.or_else(|| Some(account.username.clone())),
        }
    }

    fn found(&self, project: &Project, app_id: &str, preview: bool) -> Result<FoundBuild, Failure> {
        let is_app =
            self.app.app(project.id, app_id).map_err(store_failure)?.is_some_and(|app| app.id == app_id);
        let latest = (is_app && !preview).then_some(Target::Release);
        let wanted = Wanted { latest, ..Wanted::default() };
        let found = self.app.find_build(project.id, app_id, &wanted).map_err(store_failure)?;
        let missing =
            || format!("There is no app {app_id} in the project {}, or it has no build yet.", project.name);
        found.ok_or_else(|| Failure::Broken(missing()))
    }

    /// Files of answers as attachments; they stay as long as the pins do.
    fn attachments(&self, session: &str) -> std::io::Result<(Vec<Attachment>, Vec<BlobPin>)> {
        let (mut attachments, mut pins) = (Vec::new(), Vec::new());
        let drafts = self.app.drafts();
        for name in drafts.files(session)? {
            let file = drafts.open_file(session, &name)?;
            let mut staged = self.app.store().blobs().stage().map_err(std::io::Error::other)?;
            let (length, mut at) = (file.len()?, 0);
            while at < length {
                let mut chunk = vec![0; CHUNK_BYTES.min((length - at) as usize)];
                file.read_at(at, &mut chunk)?;
                staged.write(&chunk).map_err(std::io::Error::other)?;
                at += chunk.len() as u64;
            }
            let (info, pin) = staged.finish().map_err(std::io::Error::other)?;
            let content_type = content_type(&name).to_owned();
            attachments.push(Attachment {
                name,
                content_type,
                length: info.length,
                blob: info.digest,
                md5: info.md5,
            });
            pins.push(pin);
        }
        Ok((attachments, pins))
    }
}

/// The usual type of a file, by its extension.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "html" => "text/html",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "amr" => "audio/amr",
        "ogg" => "audio/ogg",
        "mp4" | "m4v" | "mpg4" | "mpeg4" => "video/mp4",
        "mpg" | "mpeg" => "video/mpeg",
        "3gp" | "3gpp" | "3g2" | "3gp2" => "video/3gpp",
        _ => "application/octet-stream",
    }
}

fn store_failure(error: impl std::error::Error + 'static) -> Failure {
    tracing::error!(error = &error as &dyn std::error::Error, "web apps could not read data");
    Failure::Broken("The data could not be read; the server's log says why.".into())
}

fn restore_failure(error: RestoreError) -> Failure {
    match error {
        RestoreError::NotAs { reason } => Failure::Status(403, reason),
        error @ RestoreError::TooMany { .. } => Failure::Broken(error.to_string()),
        error => store_failure(error),
    }
}

/// Project and the rest of `/a/{project}/…`, and the parameters of the address.
struct Address {
    project: String,
    rest: Vec<String>,
    query: Vec<(String, String)>,
}

impl Address {
    /// Only the path counts: packages name the server that they were made on.
    fn parse(url: &str) -> Option<Address> {
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.find('/').map(|at| &rest[at..])?,
            None => url,
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut segments = path.split('/').filter(|s| !s.is_empty());
        if segments.next() != Some("a") {
            return None;
        }
        let text = |segment: &str| crate::routes::decoded(segment).map(|text| text.into_owned());
        let project = text(segments.next()?)?;
        let rest = segments.map(text).collect::<Option<Vec<_>>>()?;
        let query = form_urlencoded::parse(query.as_bytes());
        Some(Address { project, rest, query: query.map(|(k, v)| (k.into_owned(), v.into_owned())).collect() })
    }

    fn rest(&self) -> Vec<&str> {
        self.rest.iter().map(String::as_str).collect()
    }
}

fn elsewhere(url: &str) -> Failure {
    Failure::Unreachable(format!("{url} is not an address of this project on this server"))
}

/// The files of a build.
struct BuildFiles {
    app: Appliance,
    found: FoundBuild,
    project: String,
}

impl Files for BuildFiles {
    fn text(&self, path: &str) -> Option<String> {
        let read = || -> Result<Option<Vec<u8>>, ServeError> {
            Ok(match self.app.app_file(&self.found, &self.project, SITE, path)? {
                Some(Served::Bytes(bytes)) => Some(bytes),
                Some(Served::File(reader, _)) => Some(reader.read_all(TEXT_BYTES_MAX)?),
                None => None,
            })
        };
        match read() {
            Ok(bytes) => String::from_utf8(bytes?).ok(),
            Err(error) => {
                tracing::error!(
                    path,
                    error = &error as &dyn std::error::Error,
                    "a file of an app could not be read"
                );
                None
            }
        }
    }
}

fn shelf(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Forms => "forms",
        Shelf::Lists => "lists",
    }
}

fn told<T: Default>(what: &'static str, result: std::io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "{what}");
        T::default()
    })
}

impl Host for WebHost {
    fn now_ms(&self) -> i64 {
        self.app.env().clock.now().0.div_euclid(1_000)
    }

    fn offset_ms(&self, _zone: Zone, _utc_ms: i64) -> i64 {
        0
    }

    fn named_offset_ms(&self, zone: &str, utc_ms: i64) -> Option<i64> {
        zone_offset_seconds(zone, Timestamp(utc_ms.saturating_mul(1_000))).map(|s| i64::from(s) * 1_000)
    }

    fn random(&self) -> f64 {
        let bytes = random::bytes::<8>(&*self.app.env().random);
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn uuid(&self) -> String {
        let mut bytes = random::bytes::<16>(&*self.app.env().random);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    fn build(&self, account: &Account, app_id: &str, preview: bool) -> Result<String, Failure> {
        let permit = self.permit(account)?;
        let found = self.found(permit.project(), app_id, preview)?;
        Ok(format!("{}/{}", permit.project().id, found.build.id))
    }

    fn files(&self, account: &Account, _app_id: &str, build: &str) -> Result<Box<dyn Files>, Failure> {
        let permit = self.permit(account)?;
        let build = build.rsplit('/').next().unwrap_or(build);
        let found =
            self.app.find_build(permit.project().id, build, &Wanted::default()).map_err(store_failure)?;
        let found = found.ok_or_else(|| Failure::Broken(format!("The build {build} is gone.")))?;
        Ok(Box::new(BuildFiles { app: self.app.clone(), found, project: permit.project().name.clone() }))
    }

    fn data(&self, account: &Account, _need: Need) -> Result<Arc<dyn UserData>, Failure> {
        let permit = self.permit(account)?;
        if let Some(case) = &account.case {
            let found = self.app.live_case(&permit, &CaseId::new(case)).map_err(restore_failure)?;
            let found =
                found.ok_or_else(|| Failure::Status(404, format!("There is no case {case} here.")))?;
            return Ok(found);
        }
        Ok(self.app.live_data(&permit, self.as_user(account).as_deref()).map_err(restore_failure)?)
    }

    fn forget(&self, account: &Account) {
        if let Ok(permit) = self.permit(account) {
            // Nothing is lost: what is in memory is read again.
            let _ = self.app.forget_live(&permit, self.as_user(account).as_deref());
        }
    }

    fn search(
        &self,
        account: &Account,
        url: &str,
        parameters: &[(String, String)],
    ) -> Result<String, Failure> {
        let address =
            Address::parse(url).filter(|a| a.project == account.domain).ok_or_else(|| elsewhere(url))?;
        let permit = self.permit(account)?;
        let mut all = address.query.clone();
        all.extend(parameters.iter().cloned());
        let refused = |error: bolster_usecases::search_cases::SearchCasesError| {
            let error: crate::problem::Problem = crate::phone::search::told(error);
            match error {
                crate::problem::Problem::BadRequest(text) => Failure::Status(400, text),
                crate::problem::Problem::NotFound(text) => Failure::Status(404, text),
                crate::problem::Problem::Store(error) => store_failure(error),
                _ => Failure::Broken("The search failed.".into()),
            }
        };
        let answer = match address.rest()[..] {
            ["phone", "search"] => {
                results(&self.app.search_cases(&permit, None, &all).map_err(refused)?, true)
            }
            ["phone", "search", app_id] => {
                results(&self.app.search_cases(&permit, Some(app_id), &all).map_err(refused)?, true)
            }
            ["phone", "case_fixture" | "registry_case", _] => {
                let named = |name: &str| -> Vec<String> {
                    let named = all.iter().filter(|(n, v)| n == name && !v.is_empty());
                    named.map(|(_, value)| value.clone()).collect()
                };
                let found = self.app.case_fixture(&permit, &named("case_id"), &named("case_type"));
                results(&found.map_err(refused)?, false)
            }
            _ => return Err(elsewhere(url)),
        };
        String::from_utf8(answer).map_err(store_failure)
    }

    fn post(&self, account: &Account, url: &str, parameters: &[(String, String)]) -> Result<u16, Failure> {
        let address =
            Address::parse(url).filter(|a| a.project == account.domain).ok_or_else(|| elsewhere(url))?;
        if address.rest()[..] != ["phone", "claim-case"] {
            return Err(elsewhere(url));
        }
        if matches!(self.who, Who::Machine { .. }) {
            return Err(Failure::Status(403, "A signed request cannot claim cases.".into()));
        }
        let permit = self.permit(account)?;
        let named = parameters.iter().filter(|(name, value)| name == "case_id" && !value.is_empty());
        let case_ids: Vec<String> = named.map(|(_, id)| id.clone()).collect();
        if case_ids.is_empty() {
            return Err(Failure::Status(400, "A case_id is required".into()));
        }
        let claim = Claim { case_ids, as_user: self.as_user(account), token: None };
        match self.app.claim_cases(&permit, &claim).map_err(restore_failure)? {
            ClaimOutcome::Sync => Ok(201),
            ClaimOutcome::Nothing => Ok(204),
            ClaimOutcome::Missing(id) => Err(Failure::Status(410, format!("No case with id {id}"))),
        }
    }

    fn submit(&self, account: &Account, submission: &Submission<'_>) -> Result<String, Failure> {
        let url = submission.url;
        let address =
            Address::parse(url).filter(|a| a.project == account.domain).ok_or_else(|| elsewhere(url))?;
        let app_id = match address.rest()[..] {
            ["receiver"] => None,
            ["receiver", "secure" | "submission"] => None,
            ["receiver", app_id] | ["receiver", "secure", app_id] => Some(app_id),
            _ => return Err(elsewhere(url)),
        };
        let permit = self.permit(account)?;
        let project = permit.project().clone();
        // Who acts as another must be allowed to, also for what is sent.
        if account.case.is_none() {
            self.app.live_data(&permit, self.as_user(account).as_deref()).map_err(restore_failure)?;
        }
        let (attachments, pins) = self.attachments(submission.session).map_err(store_failure)?;
        let named = app_id.map(|id| self.app.app_of_submission(project.id, id));
        let (app_id, build_id) = named.map_or((None, None), |(app, build)| (Some(app), build));
        let text = |text: &str| text.chars().take(ID_LEN_MAX).collect::<String>();
        let info = SubmissionInfo {
            received_on: self.app.env().clock.now(),
            auth: permit.actor().auth_context(),
            headers: OpenRosaHeaders { version: Some("3.0".into()), ..OpenRosaHeaders::default() },
            app_id: app_id.as_deref().map(text),
            build_id,
            submit_ip: Some(self.peer.clone()),
            path: format!("/a/{}/{}/", project.name, address.rest.join("/")),
            attachments,
            ..SubmissionInfo::default()
        };
        let upload = FormUpload {
            project: project.id,
            xml: submission.xml.as_bytes().to_vec(),
            info,
            mode: SubmitMode { noauth: false, demo: false, import: false },
            refused: None,
        };
        let (tell, told) = sync_channel(1);
        self.app.submit(self.app.auth().submit_for(&permit), upload, move |result| {
            drop(pins);
            // The receiver waits below.
            let _ = tell.send(result);
        });
        match told.recv().unwrap_or(Err(SubmitFormError::Unavailable)) {
            Ok(
                SubmissionOutcome::ContentError { problem, .. }
                | SubmissionOutcome::Unparseable { problem, .. },
            ) => Err(Failure::Status(422, problem)),
            Ok(_) => Ok(response(Nature::SubmitSuccess, TICK)),
            Err(error) => Err(Failure::Status(503, error.to_string())),
        }
    }

    fn fetch(&self, account: &Account, url: &str) -> Result<String, Failure> {
        let address =
            Address::parse(url).filter(|a| a.project == account.domain).ok_or_else(|| elsewhere(url))?;
        let ["apps", "download", app_id, path @ ..] = &address.rest()[..] else { return Err(elsewhere(url)) };
        let permit = self.permit(account)?;
        let found = self.found(permit.project(), app_id, false)?;
        let files = BuildFiles { app: self.app.clone(), found, project: permit.project().name.clone() };
        files.text(&path.join("/")).ok_or_else(|| Failure::Status(404, format!("There is no file at {url}.")))
    }

    fn readable_questions(
        &self,
        account: &Account,
        parameters: &[(String, String)],
    ) -> Result<String, Failure> {
        self.permit(account)?;
        let instance = parameters.iter().find(|(name, _)| name == "instanceXml");
        Ok(questions::readable(instance.map_or("", |(_, xml)| xml)))
    }

    fn save(&self, on: Shelf, owner: &str, id: &str, bytes: &[u8]) {
        told("a draft could not be kept", self.app.drafts().save(shelf(on), owner, id, bytes));
    }

    fn load(&self, on: Shelf, id: &str) -> Option<(String, Vec<u8>)> {
        told("a draft could not be read", self.app.drafts().load(shelf(on), id))
    }

    fn remove(&self, on: Shelf, id: &str) {
        told("a draft could not be removed", self.app.drafts().remove(shelf(on), id));
    }

    fn owned(&self, on: Shelf, owner: &str) -> Vec<(String, Vec<u8>)> {
        told("drafts could not be read", self.app.drafts().owned(shelf(on), owner))
    }

    fn keep_file(&self, session: &str, id: &str, upload: &mut Upload<'_>) -> Result<(), Failure> {
        let failed = |error: std::io::Error| store_failure(error);
        let mut file = self.app.drafts().new_file(session, id).map_err(failed)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match upload.content.read(&mut chunk).map_err(failed)? {
                0 => return file.finish().map_err(failed),
                n => file.write(&chunk[..n]).map_err(failed)?,
            }
        }
    }

    fn drop_file(&self, session: &str, id: Option<&str>) {
        told("a file of a draft could not be removed", self.app.drafts().drop_file(session, id));
    }

    fn file_count(&self, session: &str) -> usize {
        told("files of a draft could not be counted", self.app.drafts().files(session)).len()
    }
}
