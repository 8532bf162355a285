//! What phones say of themselves now and then, and what they are told to fetch.

use super::kind;
use crate::Appliance;
use crate::apps::{AppsError, Prompt, RecoveryMeasure};
use bolster_auth::{Permit, RestoreData, ViewUsers};
use bolster_model::ProjectId;
use bolster_store::ReadExt;
use serde::{Deserialize, Serialize};

/// The same words within this time are not written down again.
const AGAIN_US: i64 = 15 * 60 * 1_000_000;
/// Longest text that is kept, in characters.
const CHARS_MAX: usize = 200;

/// What a device says, as text; absent values are empty.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Heartbeat {
    /// Id of the phone.
    pub device_id: String,
    /// App that it runs.
    pub app_id: String,
    /// Version of it.
    pub app_version: String,
    /// Build of the address that was called.
    pub build_id: String,
    /// Language profile.
    pub build_profile: String,
    /// Version of CommCare.
    pub commcare_version: String,
    /// Forms not sent.
    pub unsent_forms: String,
    /// Forms put aside.
    pub quarantined_forms: String,
    /// When it last synced, by its clock.
    pub last_sync: String,
}

/// The last words of a device.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceStatus {
    /// Whose.
    pub user_id: String,
    /// When, microseconds since the epoch.
    pub at: i64,
    /// What.
    pub said: Heartbeat,
}

/// What a phone may be asked to fetch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LatestBuild {
    /// The newest released version of its app.
    pub version: Option<u32>,
    /// Whether it asks its user.
    pub prompt: Prompt,
    /// What it shall do once.
    pub recovery: Vec<RecoveryMeasure>,
}

impl Appliance {
    /// Notes what a phone says and tells it what is new. The note is not worth failing for. May block on the
    /// disk.
    pub fn heartbeat(&self, permit: &Permit<RestoreData>, said: Heartbeat) -> LatestBuild {
        let project = permit.project().id;
        let mut latest = self.latest_build(project, &said.build_id, &said.app_id);
        match self.version_for(permit, &said) {
            Ok(version) => latest.version = version.or(latest.version),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "releases at locations could not be read");
            }
        }
        if let Err(error) = self.note_device(permit, said) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "a heartbeat was not noted");
        }
        latest
    }

    /// The version that the location of the asking user is given apart.
    fn version_for(&self, permit: &Permit<RestoreData>, said: &Heartbeat) -> Result<Option<u32>, AppsError> {
        let project = permit.project().id;
        let known = self.app(project, &self.app_of_submission(project, &said.build_id).0)?;
        let app = match known {
            None => self.app(project, &said.app_id)?,
            known => known,
        };
        match (app, self.auth().user(permit.actor().user_id())) {
            (Some(app), Some(user)) => self.version_at(project, &app, &user),
            _ => Ok(None),
        }
    }

    fn note_device(&self, permit: &Permit<RestoreData>, mut said: Heartbeat) -> Result<(), AppsError> {
        for text in [
            &mut said.device_id,
            &mut said.app_id,
            &mut said.app_version,
            &mut said.build_id,
            &mut said.build_profile,
            &mut said.commcare_version,
            &mut said.unsent_forms,
            &mut said.quarantined_forms,
            &mut said.last_sync,
        ] {
            *text = text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect();
        }
        let user = permit.actor().user_id();
        let id = format!("{}/{user}/{}", permit.project().id, said.device_id);
        let now = self.env().clock.now().0;
        let before = self.store().view().local(kind::DEVICE, &id)?;
        let before: Option<DeviceStatus> = before.and_then(|row| serde_json::from_slice(&row).ok());
        if before.is_some_and(|b| b.said == said && (0..AGAIN_US).contains(&(now - b.at))) {
            return Ok(());
        }
        let status = DeviceStatus { user_id: user.to_owned(), at: now, said };
        let row = serde_json::to_vec(&status).unwrap_or_default();
        Ok(self.commit_local(vec![(kind::DEVICE.to_owned(), id, Some(row))])?)
    }

    /// What the devices of a project last said.
    pub fn devices(&self, permit: &Permit<ViewUsers>) -> Result<Vec<DeviceStatus>, AppsError> {
        let prefix = format!("{}/", permit.project().id);
        let rows = self.store().view().locals(kind::DEVICE)?;
        let own = rows.into_iter().filter(|(id, _)| id.starts_with(&prefix));
        Ok(own.filter_map(|(_, row)| serde_json::from_slice(&row).ok()).collect())
    }

    /// The newest released version of the app of a build; empty where nobody knows it.
    pub fn latest_build(&self, project: ProjectId, build_id: &str, app_id: &str) -> LatestBuild {
        let app = self.app_of_submission(project, build_id).0;
        let found = self.app(project, &app).and_then(|found| match found {
            None => self.app(project, app_id),
            found => Ok(found),
        });
        match found {
            Ok(Some(app)) => {
                let recovery = app.recovery.iter().filter(|m| !m.measure.is_empty()).cloned().collect();
                LatestBuild { version: app.newest(true), prompt: app.prompt_update, recovery }
            }
            Ok(None) => LatestBuild::default(),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "apps could not be read");
                LatestBuild::default()
            }
        }
    }
}
