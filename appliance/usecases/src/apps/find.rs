//! Which build somebody means, kept in memory.

use super::documents::{App, Build, BuildEntry, kind};
use crate::Appliance;
use bolster_auth::Project;
use bolster_model::ProjectId;
use bolster_store::{ReadExt, StoreError};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// Which build of a family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Target {
    /// The newest released one.
    #[default]
    Release,
    /// The newest one.
    Build,
    /// What is being worked on; here the newest one.
    Save,
}

/// How a build is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted<'a> {
    /// The latest of the family, whatever id was named.
    pub latest: Option<Target>,
    /// For a language profile; ones nobody knows are ignored.
    pub profile: Option<&'a str>,
    /// This version of the family, where it is known which one somebody shall have.
    pub version: Option<u32>,
}

/// A build that was found.
#[derive(Clone, Debug)]
pub struct FoundBuild {
    /// Its app.
    pub app: Arc<App>,
    /// What the app says of it.
    pub entry: BuildEntry,
    /// What it holds.
    pub build: Arc<Build>,
    /// It was named by its own id, so the same request always answers the same.
    pub pinned: bool,
}

/// Apps of one project.
#[derive(Default)]
struct ProjectApps {
    apps: BTreeMap<String, Arc<App>>,
    /// Build ids of here and of the places of origin: app and build.
    builds: HashMap<String, (String, String)>,
    /// Builds that were asked for.
    loaded: Mutex<HashMap<String, Arc<Build>>>,
}

/// Apps in memory, by project; what a change touches is read again when it is asked for next.
#[derive(Default)]
pub(crate) struct AppsCache(Mutex<HashMap<ProjectId, Arc<ProjectApps>>>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl AppsCache {
    /// These documents changed.
    pub fn documents_changed(&self, changed: &[(ProjectId, String, String)]) {
        for (project, kind, _) in changed {
            if kind == kind::APP || kind == kind::APP_BUILD {
                locked(&self.0).remove(project);
            }
        }
    }
}

/// A committed document; one that cannot be read is left out, and said so in our log.
pub(super) fn read<T: serde::de::DeserializeOwned>(kind: &str, id: &str, json: &str) -> Option<T> {
    match serde_json::from_str(json) {
        Ok(document) => Some(document),
        Err(error) => {
            tracing::error!(kind, id, error = &error as &dyn std::error::Error, "a document cannot be read");
            None
        }
    }
}

impl Appliance {
    fn project_apps(&self, project: ProjectId) -> Result<Arc<ProjectApps>, StoreError> {
        // The lock is held while reading: a change that comes meanwhile throws away what was read.
        let mut all = locked(&self.apps_cache().0);
        if let Some(found) = all.get(&project) {
            return Ok(found.clone());
        }
        let mut apps = ProjectApps::default();
        for (id, json) in self.store().view().documents(project, kind::APP)? {
            let Some(app) = read::<App>(kind::APP, &id, &json) else { continue };
            for build in &app.builds {
                let place = (app.id.clone(), build.id.clone());
                if let Some(source) = &build.source_id {
                    apps.builds.entry(source.clone()).or_insert_with(|| place.clone());
                }
                apps.builds.insert(build.id.clone(), place);
            }
            apps.apps.insert(app.id.clone(), Arc::new(app));
        }
        let apps = Arc::new(apps);
        all.insert(project, apps.clone());
        Ok(apps)
    }

    /// Every app of a project, deleted ones too.
    pub(super) fn all_apps(&self, project: ProjectId) -> Result<Vec<Arc<App>>, StoreError> {
        Ok(self.project_apps(project)?.apps.values().cloned().collect())
    }

    /// All apps of a project, by name.
    pub(super) fn apps_of(&self, project: ProjectId) -> Result<Vec<Arc<App>>, StoreError> {
        let mut apps = self.all_apps(project)?;
        apps.retain(|app| app.deleted_at.is_none());
        apps.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(apps)
    }

    /// The app of an id, of here or of its place of origin.
    pub fn app(&self, project: ProjectId, id: &str) -> Result<Option<Arc<App>>, StoreError> {
        let apps = self.project_apps(project)?;
        let by_source = || apps.apps.values().find(|app| app.source_id == id);
        let found = apps.apps.get(id).or_else(by_source).cloned();
        Ok(found.filter(|app| app.deleted_at.is_none()))
    }

    /// Project and id of the app of a short name, whatever its letters are mistaken for; the first of two that share one.
    pub fn app_of_code(&self, code: &str) -> Result<Option<(String, String)>, StoreError> {
        let read = |c: char| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        };
        let code: String = code.chars().take(2 * CODE_LEN).map(read).collect();
        for project in self.auth().projects().into_iter().filter(|p| p.active) {
            let mut apps = self.apps_of(project.id)?.into_iter();
            if let Some(app) = apps.find(|app| app_code(&project, &app.id) == code) {
                return Ok(Some((project.name.clone(), app.id.clone())));
            }
        }
        Ok(None)
    }

    /// App and build that an address of a submission names. An id that nobody knows stands for itself.
    pub fn app_of_submission(&self, project: ProjectId, id: &str) -> (String, Option<String>) {
        let found = self.project_apps(project).map(|apps| apps.builds.get(id).cloned());
        match found {
            Ok(Some((app, build))) => (app, Some(build)),
            Ok(None) => (id.to_owned(), None),
            Err(error) => {
                // A form is worth more than the name of its build.
                tracing::error!(error = &error as &dyn std::error::Error, "apps could not be read");
                (id.to_owned(), None)
            }
        }
    }

    /// The build that an id of an app or of a build stands for.
    pub fn find_build(
        &self,
        project: ProjectId,
        id: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Option<FoundBuild>, StoreError> {
        let apps = self.project_apps(project)?;
        let named = apps.builds.get(id);
        let app = match named {
            Some((app, _)) => apps.apps.get(app).filter(|app| app.deleted_at.is_none()).cloned(),
            None => self.app(project, id)?,
        };
        let Some(app) = app else { return Ok(None) };
        let named = named.and_then(|(_, build)| app.builds.iter().find(|b| b.id == *build));
        let Some(entry) = chosen(&app, named, wanted) else { return Ok(None) };
        let pinned = wanted.latest.is_none() && wanted.version.is_none() && named.is_some();
        let Some(build) = self.build(&apps, project, &entry.id)? else { return Ok(None) };
        Ok(Some(FoundBuild { entry: entry.clone(), app, build, pinned }))
    }

    fn build(
        &self,
        apps: &ProjectApps,
        project: ProjectId,
        id: &str,
    ) -> Result<Option<Arc<Build>>, StoreError> {
        if let Some(build) = locked(&apps.loaded).get(id) {
            return Ok(Some(build.clone()));
        }
        let json = self.store().view().document(project, kind::APP_BUILD, id)?;
        let build = json.and_then(|json| read::<Build>(kind::APP_BUILD, id, &json)).map(Arc::new);
        if let Some(build) = &build {
            locked(&apps.loaded).insert(id.to_owned(), build.clone());
        }
        Ok(build)
    }
}

/// Letters and digits that nobody mistakes for others.
const CODE_DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code: enough for the apps of one server, few enough to type.
const CODE_LEN: usize = 6;

/// A short name of an app on this server, to be typed on phones without a camera.
pub fn app_code(project: &Project, app_id: &str) -> String {
    let digest = Sha256::new().chain_update(project.id.0).chain_update(app_id).finalize();
    digest.iter().take(CODE_LEN).map(|b| char::from(CODE_DIGITS[usize::from(b % 32)])).collect()
}

/// HQ's rule: the latest of the family, but never an older one than a released one that was named, and the
/// one that was named where there is none.
fn chosen<'a>(app: &'a App, named: Option<&'a BuildEntry>, wanted: &Wanted<'_>) -> Option<&'a BuildEntry> {
    let newest = match wanted.latest {
        None => None,
        Some(Target::Release) => {
            let least = named.filter(|b| b.released_at.is_some()).map_or(0, |b| b.version);
            app.newest(true).filter(|version| *version >= least)
        }
        Some(Target::Build | Target::Save) => app.newest(false),
    };
    let given = wanted.version.filter(|version| app.builds.iter().any(|b| b.version == *version));
    let version = given.or(newest).or(named.map(|b| b.version)).or_else(|| app.newest(false))?;
    // The language profile of a build that was named is kept.
    let profile = wanted.profile.filter(|p| app.builds.iter().any(|b| b.profile == *p));
    let profile = profile.or(named.map(|b| b.profile.as_str()));
    app.build(version, profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(builds: &[(u32, &str, bool)]) -> App {
        let entry = |(version, profile, released): &(u32, &str, bool)| BuildEntry {
            id: format!("b{version}{profile}"),
            version: *version,
            profile: (*profile).to_owned(),
            released_at: released.then_some(1),
            ..BuildEntry::default()
        };
        App { builds: builds.iter().map(entry).collect(), ..App::default() }
    }

    #[test]
    fn which_build_is_meant() {
        use Target::{Build, Release, Save};
        let family = app(&[(1, "", true), (2, "", true), (2, "fra", true), (3, "", false)]);
        type Row<'a> = (Option<&'a str>, Option<Target>, Option<&'a str>, &'a str);
        let rows: &[Row<'_>] = &[
            // An app without `latest` is what is being worked on.
            (None, None, None, "b3"),
            (None, Some(Release), None, "b2"),
            (None, Some(Build), None, "b3"),
            (None, Some(Save), None, "b3"),
            (Some("b1"), None, None, "b1"),
            (Some("b1"), Some(Release), None, "b2"),
            (Some("b1"), Some(Build), None, "b3"),
            (Some("b3"), Some(Release), None, "b2"),
            (None, Some(Release), Some("fra"), "b2fra"),
            (None, Some(Release), Some("None"), "b2"),
            (None, Some(Release), Some("xx"), "b2"),
            (Some("b2fra"), None, None, "b2fra"),
            (Some("b2fra"), Some(Release), Some("None"), "b2fra"),
            (Some("b2"), None, Some("fra"), "b2fra"),
            // A profile that the version does not have.
            (Some("b1"), None, Some("fra"), "b1"),
        ];
        for (named, latest, profile, expected) in rows {
            let entry = named.map(|id| family.builds.iter().find(|b| b.id == id).unwrap());
            let wanted = Wanted { latest: *latest, profile: *profile, version: None };
            let found = chosen(&family, entry, &wanted).map(|b| b.id.as_str());
            assert_eq!(found, Some(*expected), "{named:?} {latest:?} {profile:?}");
        }
        let unreleased = app(&[(1, "", false), (2, "", false)]);
        let wanted = Wanted { latest: Some(Release), ..Wanted::default() };
        assert_eq!(chosen(&unreleased, None, &wanted).map(|b| b.version), Some(2));
        assert_eq!(chosen(&unreleased, Some(&unreleased.builds[0]), &wanted).map(|b| b.version), Some(1));
        assert_eq!(chosen(&app(&[]), None, &wanted), None);
    }
}
