//! Taking a package in.

use super::AppsError;
use super::documents::{App, Build, BuildEntry, BuildFile, Form, kind};
use super::package::{PackageLimits, UnpackError, Unpacked, UnpackedFiles, unpack};
use crate::Appliance;
use crate::admin::Act;
use bolster_auth::{EditApps, Permit, Project};
use bolster_store::{BlobError, ReadExt, StoreError};
use bolster_wire::app::{self, AppError, FormHead, Package, Profile, ResourceKind, Severity, Suite};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::sync::Arc;

/// Where a package may have its profile, first come first served.
const PROFILES: [&str; 4] = ["profile.ccpr", "profile.xml", "media_profile.ccpr", "media_profile.xml"];
/// Ids that mean something else in addresses.
const TAKEN_IDS: [&str; 4] = ["api", "secure", "submission", "odk"];
/// Longest name and notes, in characters.
const NAME_CHARS_MAX: usize = 200;
const NOTES_CHARS_MAX: usize = 10_000;

/// How a package is taken in.
#[derive(Clone, Debug, Default)]
pub struct ImportApp {
    /// Name to show in place of the package's own, on phones too.
    pub name: Option<String>,
    /// What is new in this version.
    pub notes: String,
    /// What it may cost.
    pub limits: PackageLimits,
}

/// What was taken in.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The app, with the build in its list.
    pub app: Arc<App>,
    /// The build.
    pub build: BuildEntry,
    /// False when exactly this build was here already.
    pub is_new: bool,
    /// Files, and their bytes.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// What is not as it should be, though phones will take it.
    pub warnings: Vec<String>,
}

/// Why a package was not taken in. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// What is wrong with it.
    #[error("the package cannot be taken:\n  {}", .0.join("\n  "))]
    Package(Vec<String>),
    /// The version is here with other contents.
    #[error(
        "version {version} of {app} is here already, with other contents; phones would never fetch this one. \
         Make a new version in the app builder and export that"
    )]
    SameVersion {
        /// Name of the app.
        app: String,
        /// Its number.
        version: u32,
    },
    /// A name that cannot be given.
    #[error("a name of an app has 1 to {NAME_CHARS_MAX} characters")]
    Name,
    /// The package's file cannot be read.
    #[error("the package cannot be read")]
    Read(#[source] std::io::Error),
    /// Storage.
    #[error(transparent)]
    Apps(#[from] AppsError),
}

impl From<UnpackError> for ImportError {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Bad(wrong) => Self::Package(wrong),
            UnpackError::Read(error) => Self::Read(error),
            UnpackError::Blob(error) => Self::Apps(AppsError::Blob(error)),
        }
    }
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Apps(AppsError::Store(error))
    }
}

/// A package that was read.
struct Contents {
    files: Vec<Unpacked>,
    profile_path: String,
    profile: Profile,
    suites: Vec<(String, Result<Suite, AppError>)>,
    forms: Vec<(String, Result<FormHead, AppError>)>,
    warnings: Vec<String>,
}

impl Appliance {
    /// Takes a package in: as a new app, or as a new version of the app with the same unique id. Blocks while
    /// the package is unpacked and its files become durable. Phones get the version once it is released.
    pub fn import_app(
        &self,
        permit: &Permit<EditApps>,
        package: impl Read + Seek,
        new: &ImportApp,
    ) -> Result<Imported, ImportError> {
        let name = new.name.as_deref().map(str::trim);
        if name.is_some_and(|name| !name_fits(name)) {
            return Err(ImportError::Name);
        }
        // The pins keep the files until the build that refers to them is committed.
        let UnpackedFiles { files, pins: _pins } = unpack(self.store().blobs(), package, &new.limits)?;
        let mut contents = self.read_package(files, &new.limits)?;
        // Versions are compared and the list is changed by one at a time.
        let _turn = self.admin_turn();
        let project = permit.project();
        let before = self.app_of_package(project, &contents.profile)?;
        let app_id = match &before {
            Some(app) => app.id.clone(),
            None => self.new_app_id(project, &contents.profile)?,
        };
        let build = build_of(project, &app_id, &contents);
        let bytes = build.bytes();
        let (profile, version) = (&contents.profile, contents.profile.version);
        if let Some(app) = &before {
            let same = app.builds.iter().find(|b| b.version == version && b.profile == build.profile);
            if let Some(entry) = same {
                if entry.id != build.id {
                    return Err(ImportError::SameVersion { app: app.name.clone(), version });
                }
                if app.deleted_at.is_some() {
                    let text = "the app was deleted; a new version brings it back, this one does not";
                    contents.warnings.push(text.to_owned());
                }
                let (app, build, files) = (app.clone(), entry.clone(), contents.files.len());
                return Ok(Imported { app, build, is_new: false, files, bytes, warnings: contents.warnings });
            }
            if let Some(newest) = app.newest(false).filter(|newest| *newest > version) {
                let text =
                    format!("version {newest} is here already, and phones never go back to an older one");
                contents.warnings.push(text);
            }
        }
        let now = self.env().clock.now();
        let actor = permit.actor().username();
        let entry = BuildEntry {
            id: build.id.clone(),
            version,
            profile: build.profile.clone(),
            source_id: profile.source_build().filter(|id| *id != build.id).map(str::to_owned),
            imported_at: now.0,
            imported_by: actor.to_owned(),
            notes: new.notes.chars().take(NOTES_CHARS_MAX).collect(),
            ..BuildEntry::default()
        };
        let mut app = match &before {
            Some(app) => (**app).clone(),
            None => {
                App { id: app_id, source_id: profile.unique_id.clone(), created_at: now.0, ..App::default() }
            }
        };
        match name {
            Some(name) => (app.name, app.named_here) = (name.to_owned(), true),
            None if !app.named_here && !profile.name.is_empty() => {
                app.name = profile.name.chars().take(NAME_CHARS_MAX).collect();
            }
            None => {}
        }
        if app.name.is_empty() {
            app.name = app.id.clone();
        }
        app.deleted_at = None;
        app.builds.push(entry.clone());
        app.builds.sort_by(|a, b| (a.version, &a.profile).cmp(&(b.version, &b.profile)));
        let action = if before.is_none() { "app imported" } else { "version of an app imported" };
        let app_act = Act { kind: kind::APP, id: &app.id, action, actor };
        let build_act = Act { kind: kind::APP_BUILD, id: &build.id, action: "package stored", actor };
        let documents = vec![
            self.document(project.id, &build_act, None, &build, false),
            self.document(project.id, &app_act, before.as_deref(), &app, false),
        ];
        self.commit_documents(documents).map_err(AppsError::Write)?;
        Ok(Imported {
            app: Arc::new(app),
            build: entry,
            is_new: true,
            files: contents.files.len(),
            bytes,
            warnings: contents.warnings,
        })
    }

    /// Reads and judges the files of a package.
    fn read_package(&self, files: Vec<Unpacked>, limits: &PackageLimits) -> Result<Contents, ImportError> {
        let by_path: BTreeMap<&str, &Unpacked> = files.iter().map(|f| (f.path.as_str(), f)).collect();
        let read = |path: &str| -> Option<Result<Vec<u8>, BlobError>> {
            let file = by_path.get(path)?;
            Some(self.store().blobs().read(&file.digest).and_then(|r| r.read_all(limits.text_bytes)))
        };
        let wrong = |text: String| ImportError::Package(vec![text]);
        let too_large = |path: &str| wrong(format!("{path} cannot be read; is it larger than is sensible?"));
        let text = |path: &str| read(path).map(|bytes| bytes.map_err(|_| too_large(path))).transpose();
        let path = PROFILES.into_iter().find(|p| by_path.contains_key(p));
        let path = path.ok_or_else(|| wrong("it has no profile.ccpr at its top; is it a CCZ?".to_owned()))?;
        let bytes = text(path)?.unwrap_or_default();
        let profile = app::read_profile(&bytes).map_err(|error| wrong(format!("{path}: {error}")))?;

        let mut suites = Vec::new();
        for suite in profile.resources.iter().filter(|r| r.kind == ResourceKind::Suite) {
            let Some(path) = suite.path.clone() else { continue };
            if let Some(bytes) = text(&path)? {
                let suite = app::read_suite(&bytes);
                suites.push((path, suite));
            }
        }
        let resources = || suites.iter().filter_map(|(_, s)| s.as_ref().ok()).flat_map(|s| &s.resources);
        let paths_of = |kind| -> BTreeSet<&String> {
            resources().filter(|r| r.kind == kind).filter_map(|r| r.path.as_ref()).collect()
        };
        let mut forms = Vec::new();
        for path in paths_of(ResourceKind::Form) {
            if let Some(bytes) = text(path)? {
                forms.push((path.clone(), app::form_head(&bytes).map_err(AppError::from)));
            }
        }
        let mut texts = BTreeSet::new();
        let mut wrong_files = Vec::new();
        for locale in resources().filter(|r| r.kind == ResourceKind::Locale) {
            let Some(path) = locale.path.as_deref() else { continue };
            let Some(bytes) = text(path)? else { continue };
            match std::str::from_utf8(&bytes) {
                Ok(keys) if locale.language.as_deref() == Some("default") => {
                    texts.extend(app::locale_keys(keys).map(str::to_owned));
                }
                Ok(_) => {}
                Err(_) => wrong_files.push(format!("{path} is not encoded in UTF-8")),
            }
        }
        for path in paths_of(ResourceKind::UserRestore) {
            let Some(bytes) = text(path)? else { continue };
            match app::is_practice_restore(&bytes) {
                Ok(true) => {}
                Ok(false) => wrong_files.push(format!("{path} is no restore of a practice user with a name")),
                Err(error) => wrong_files.push(format!("{path}: {error}")),
            }
        }
        let has = |path: &str| by_path.contains_key(path);
        let package = Package { profile: &profile, suites: &suites, forms: &forms, texts: &texts, has: &has };
        let found = app::check(&package);
        let of = |severity| found.iter().filter(move |t| t.severity == severity).map(|t| t.text.clone());
        let errors: Vec<String> = of(Severity::Error).chain(wrong_files).collect();
        if !errors.is_empty() {
            return Err(ImportError::Package(errors));
        }
        let warnings = of(Severity::Warning).collect();
        Ok(Contents { profile_path: path.to_owned(), profile, suites, forms, warnings, files })
    }

    /// The app that a package is a version of.
    fn app_of_package(&self, project: &Project, profile: &Profile) -> Result<Option<Arc<App>>, StoreError> {
        let unique_id = profile.unique_id.as_str();
        let apps = self.all_apps(project.id)?;
        let by_name = || unique_id.is_empty() && !profile.name.is_empty();
        let fits = |app: &&Arc<App>| match by_name() {
            true => app.source_id.is_empty() && app.name == profile.name,
            false => !unique_id.is_empty() && app.source_id == unique_id,
        };
        Ok(apps.iter().find(fits).cloned())
    }

    /// The package's own unique id. Phones tell apps apart by it, so where another project has it, or it
    /// cannot be an address, it is one made from it.
    fn new_app_id(&self, project: &Project, profile: &Profile) -> Result<String, StoreError> {
        let id = profile.unique_id.as_str();
        let mut free = !id.is_empty() && !TAKEN_IDS.contains(&id);
        for other in self.auth().projects() {
            free = free && self.store().view().document(other.id, kind::APP, id)?.is_none();
        }
        if free {
            return Ok(id.to_owned());
        }
        let name = if id.is_empty() { profile.name.as_str() } else { id };
        Ok(hex_id(&[b"bolster app", &project.id.0, name.as_bytes()]))
    }
}

/// Can be the name of an app.
pub(super) fn name_fits(name: &str) -> bool {
    let name = name.trim();
    !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.contains(char::is_control)
}

/// 32 hex digits made from parts.
fn hex_id(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// The build: its id is made from everything that is in it.
fn build_of(project: &Project, app_id: &str, contents: &Contents) -> Build {
    let profile = &contents.profile;
    let version = profile.version.to_le_bytes();
    let mut parts: Vec<&[u8]> =
        vec![b"bolster build", &project.id.0, app_id.as_bytes(), &version, profile.build_profile.as_bytes()];
    for file in &contents.files {
        parts.extend([file.path.as_bytes(), &file.digest.0]);
    }
    let file =
        |f: &Unpacked| BuildFile { path: f.path.clone(), digest: f.digest.to_string(), length: f.length };
    let form = |(path, head): &(String, Result<FormHead, AppError>)| {
        let head = head.as_ref().ok()?;
        Some(Form { path: path.clone(), xmlns: head.xmlns.clone(), title: head.title.clone() })
    };
    let suites = contents.suites.iter().filter_map(|(_, s)| s.as_ref().ok());
    let languages: BTreeSet<String> = suites
        .flat_map(|s| &s.resources)
        .filter_map(|r| r.language.clone())
        .filter(|l| l != "default")
        .collect();
    Build {
        id: hex_id(&parts),
        app_id: app_id.to_owned(),
        version: profile.version,
        profile: profile.build_profile.clone(),
        name: profile.name.clone(),
        home: profile.home().map(|home| (home.host, home.project)),
        requires: profile
            .requires
            .map(|p| format!("{}.{}.{}", p.major, p.minor, p.minimal))
            .unwrap_or_default(),
        profile_path: contents.profile_path.clone(),
        suites: contents.suites.iter().map(|(path, _)| path.clone()).collect(),
        languages: languages.into_iter().collect(),
        forms: contents.forms.iter().filter_map(form).collect(),
        files: contents.files.iter().map(file).collect(),
        warnings: contents.warnings.clone(),
    }
}
