//! Releasing versions, and what an app tells phones besides.

use super::AppsError;
use super::documents::{App, LocationRelease, Prompt, RecoveryMeasure, kind};
use crate::Appliance;
use crate::admin::Act;
use bolster_auth::{EditApps, Permit, RestoreData, User, ViewApps};
use bolster_model::ProjectId;
use std::sync::Arc;

/// Names of recovery measures in the protocol.
pub const RECOVERY_MEASURES: [&str; 5] = [
    "app_reinstall_and_update",
    "app_update",
    "cc_reinstall",
    "cc_update",
    "app_offline_reinstall_and_update",
];
/// Most locations with versions of their own.
const LOCATIONS_MAX: usize = 1_000;
/// Most measures of an app: phones read them all each time.
const MEASURES_MAX: usize = 100;

impl Appliance {
    /// The apps of a project, by name.
    pub fn list_apps(&self, permit: &Permit<ViewApps>) -> Result<Vec<Arc<App>>, AppsError> {
        Ok(self.apps_of(permit.project().id)?)
    }

    /// The app of an id or, where only one has it, of a name.
    pub fn named_app(&self, permit: &Permit<ViewApps>, name: &str) -> Result<Arc<App>, AppsError> {
        self.app_named(permit.project().id, name)
    }

    fn app_named(&self, project: ProjectId, name: &str) -> Result<Arc<App>, AppsError> {
        if let Some(app) = self.app(project, name)? {
            return Ok(app);
        }
        let mut apps = self.apps_of(project)?;
        apps.retain(|app| app.name == name || app.builds.iter().any(|b| b.id == name));
        match apps.pop() {
            Some(app) if apps.is_empty() => Ok(app),
            _ => Err(AppsError::NoApp(name.to_owned())),
        }
    }

    /// Gives a version to phones, or takes that back: then phones that do not have it yet do not get it.
    pub fn release_app(
        &self,
        permit: &Permit<EditApps>,
        app: &str,
        version: u32,
        (released, notes): (bool, Option<&str>),
    ) -> Result<Arc<App>, AppsError> {
        let action = if released { "version of an app released" } else { "release of a version taken back" };
        let (now, actor) = (self.env().clock.now().0, permit.actor().username().to_owned());
        self.change_app(permit, app, action, |app| {
            let known = app.versions();
            if !known.contains(&version) {
                return Err(AppsError::NoVersion { app: app.name.clone(), version, known });
            }
            for build in app.builds.iter_mut().filter(|b| b.version == version) {
                if let Some(notes) = notes {
                    build.notes = notes.to_owned();
                }
                if released != build.released_at.is_some() {
                    build.released_at = released.then_some(now);
                    build.released_by = if released { actor.clone() } else { String::new() };
                }
            }
            Ok(())
        })
    }

    /// Gives a released version to the workers of a location (its site code or id) and of those below it, in
    /// place of the newest released one, or takes that back. A location nearer to the worker wins.
    pub fn release_app_at(
        &self,
        permit: &Permit<EditApps>,
        app: &str,
        version: u32,
        (location, released): (&str, bool),
    ) -> Result<Arc<App>, AppsError> {
        let nouns = self.nouns(permit.project().id)?;
        let place = nouns.locations.find(location).filter(|l| !l.archived);
        let place = place.ok_or_else(|| AppsError::Setting(format!("there is no location {location}")))?;
        let action = if released {
            "version of an app released at a location"
        } else {
            "release at a location taken back"
        };
        self.change_app(permit, app, action, |app| {
            let known = app.versions();
            if !known.contains(&version) {
                return Err(AppsError::NoVersion { app: app.name.clone(), version, known });
            }
            let is_released = app.builds.iter().any(|b| b.version == version && b.released_at.is_some());
            if released && !is_released {
                let text = format!(
                    "version {version} of {} must be released before it is given to a location",
                    app.name
                );
                return Err(AppsError::Setting(text));
            }
            let had = app.at_locations.iter().any(|r| r.location == place.id && r.version == version);
            if !released && !had {
                let text =
                    format!("{} at {} is not given version {version} apart", app.name, place.site_code);
                return Err(AppsError::Setting(text));
            }
            app.at_locations.retain(|r| r.location != place.id);
            if released {
                if app.at_locations.len() >= LOCATIONS_MAX {
                    return Err(AppsError::Setting(format!(
                        "an app has versions for at most {LOCATIONS_MAX} locations"
                    )));
                }
                app.at_locations.push(LocationRelease { location: place.id.clone(), version });
            }
            Ok(())
        })
    }

    /// The version that the workers of a user's primary location, or of the nearest above it that has one, are
    /// given apart; `None` when it is the usual one.
    pub fn version_at(&self, project: ProjectId, app: &App, user: &User) -> Result<Option<u32>, AppsError> {
        if app.at_locations.is_empty() || user.project != Some(project) {
            return Ok(None);
        }
        let nouns = self.nouns(project)?;
        let Some(place) = user.locations.first().and_then(|id| nouns.locations.get(id)) else {
            return Ok(None);
        };
        let mut lineage = nouns.locations.lineage(place);
        let of = |id: &str| app.at_locations.iter().find(|r| r.location == id).map(|r| r.version);
        let found = lineage.find_map(|above| of(&above.id));
        // One whose release was taken back since is no better than the usual one.
        let is_released = |v: &u32| app.builds.iter().any(|b| b.version == *v && b.released_at.is_some());
        Ok(found.filter(is_released))
    }

    /// The apps that somebody at a phone may install, by name: those with a released version.
    pub fn apps_for_phone(&self, permit: &Permit<RestoreData>) -> Result<Vec<Arc<App>>, AppsError> {
        let mut apps = self.apps_of(permit.project().id)?;
        apps.retain(|app| app.newest(true).is_some());
        Ok(apps)
    }

    /// Changes what an app tells phones: `name`, `prompt_update` (`off`, `on`, `forced`), `recovery` (adds a
    /// measure; `none` takes all back).
    pub fn set_app(
        &self,
        permit: &Permit<EditApps>,
        app: &str,
        settings: &[(String, String)],
    ) -> Result<Arc<App>, AppsError> {
        self.change_app(permit, app, "app changed", |app| {
            for (key, value) in settings {
                match (key.as_str(), value.as_str()) {
                    ("prompt_update", "off") => app.prompt_update = Prompt::Off,
                    ("prompt_update", "on") => app.prompt_update = Prompt::On,
                    ("prompt_update", "forced") => app.prompt_update = Prompt::Forced,
                    ("prompt_update", other) => {
                        let text = format!("prompt_update is off, on or forced, not {other}");
                        return Err(AppsError::Setting(text));
                    }
                    ("name", name) => {
                        if !super::import::name_fits(name) {
                            return Err(AppsError::Setting(
                                "a name of an app has 1 to 200 characters".to_owned(),
                            ));
                        }
                        (app.name, app.named_here) = (name.trim().to_owned(), true);
                    }
                    ("recovery", measure) => add_measure(app, measure)?,
                    (other, _) => {
                        let text =
                            format!("an app has no setting {other}; it has name, prompt_update and recovery");
                        return Err(AppsError::Setting(text));
                    }
                }
            }
            Ok(())
        })
    }

    /// Hides an app: phones do not get it any more. A new version brings it back.
    pub fn delete_app(&self, permit: &Permit<EditApps>, app: &str) -> Result<Arc<App>, AppsError> {
        let now = self.env().clock.now().0;
        self.change_app(permit, app, "app deleted", |app| {
            app.deleted_at = Some(now);
            Ok(())
        })
    }

    fn change_app(
        &self,
        permit: &Permit<EditApps>,
        name: &str,
        action: &str,
        change: impl FnOnce(&mut App) -> Result<(), AppsError>,
    ) -> Result<Arc<App>, AppsError> {
        let _turn = self.admin_turn();
        let project = permit.project().id;
        let before = self.app_named(project, name)?;
        let mut after = (*before).clone();
        change(&mut after)?;
        if after != *before {
            let actor = permit.actor().username();
            let act = Act { kind: kind::APP, id: &before.id, action, actor };
            self.commit_documents(vec![self.document(project, &act, Some(&*before), &after, false)])?;
        }
        Ok(Arc::new(after))
    }
}

fn add_measure(app: &mut App, measure: &str) -> Result<(), AppsError> {
    if measure == "none" {
        // Phones remember the highest number they have seen: it must never be given twice.
        app.recovery.iter_mut().for_each(|m| m.measure.clear());
        return Ok(());
    }
    if !RECOVERY_MEASURES.contains(&measure) {
        let text = format!("a recovery measure is none or one of {}", RECOVERY_MEASURES.join(", "));
        return Err(AppsError::Setting(text));
    }
    let last = app.recovery.iter().map(|m| m.sequence_number).max().unwrap_or_default();
    app.recovery.retain(|m| !m.measure.is_empty());
    if app.recovery.len() >= MEASURES_MAX {
        return Err(AppsError::Setting(format!("an app has at most {MEASURES_MAX} recovery measures")));
    }
    app.recovery.push(RecoveryMeasure { sequence_number: last + 1, measure: measure.to_owned() });
    Ok(())
}
