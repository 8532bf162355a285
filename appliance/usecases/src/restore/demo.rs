//! Practice workers whose restore is frozen: each of their phones gets the same bytes, whatever happens.

use super::{Restore, RestoreError, RestoreRequest};
use crate::admin::{Act, AdminError};
use crate::{Appliance, WriteError};
use bolster_auth::{EditUsers, Permit, User, kind};
use bolster_model::{AdminDocument, Digest, ProjectId};
use bolster_store::{ReadExt, StoreError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Kind of the documents that name frozen restores, id = user id.
const FROZEN: &str = "frozen_restore";
/// Largest frozen restore.
const BYTES_MAX: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Frozen {
    blob: String,
}

impl Appliance {
    /// The frozen restore of a user, if there is one.
    pub(super) fn frozen_restore(&self, user: &User) -> Result<Option<Vec<u8>>, RestoreError> {
        let Some(project) = user.project.filter(|_| user.practice) else { return Ok(None) };
        let Some(blob) = self.frozen_blob(project, &user.id)? else { return Ok(None) };
        let reader = self.store().blobs().read(&blob).map_err(StoreError::Blob)?;
        Ok(Some(reader.read_all(BYTES_MAX).map_err(StoreError::Blob)?))
    }

    fn frozen_blob(&self, project: ProjectId, user_id: &str) -> Result<Option<Digest>, RestoreError> {
        let json = self.store().view().document(project, FROZEN, user_id)?;
        let frozen = json.and_then(|json| serde_json::from_str::<Frozen>(&json).ok());
        Ok(frozen.and_then(|f| Digest::parse(&f.blob)))
    }

    /// Makes a mobile worker a practice worker, and keeps what a phone of this worker would get now.
    pub fn freeze_restore(&self, permit: &Permit<EditUsers>, name: &str) -> Result<(), RestoreError> {
        let user = self.worker(permit, name)?;
        let practice = User { practice: true, ..(*user).clone() };
        self.change_practice(permit, &user, &practice, None)?;
        let as_user = practice.wire_name(&permit.project().name);
        let permit_to_read = self.auth().restore_for(permit);
        let request = RestoreRequest { as_user: Some(as_user), ..RestoreRequest::default() };
        let mut staged = self.store().blobs().stage().map_err(StoreError::Blob)?;
        let mut failed = None;
        self.prepare_live_restore(&permit_to_read, request)?.send(
            &mut |bytes| match staged.write(&bytes) {
                Ok(()) => true,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            },
        )?;
        if let Some(error) = failed {
            return Err(StoreError::Blob(error).into());
        }
        // Pinned until the reference to it is committed.
        let (blob, _pin) = staged.finish().map_err(StoreError::Blob)?;
        self.change_practice(permit, &user, &practice, Some(blob.digest))
    }

    /// Ends a frozen restore; the worker is an ordinary one again.
    pub fn unfreeze_restore(&self, permit: &Permit<EditUsers>, name: &str) -> Result<(), RestoreError> {
        let user = self.worker(permit, name)?;
        let ordinary = User { practice: false, ..(*user).clone() };
        self.change_practice(permit, &user, &ordinary, None)
    }

    fn worker(&self, permit: &Permit<EditUsers>, name: &str) -> Result<Arc<User>, RestoreError> {
        let found = self.auth().find_user(permit.project(), name).filter(|u| !u.is_web());
        found.ok_or_else(|| RestoreError::NotAs { reason: format!("there is no mobile worker {name}") })
    }

    fn change_practice(
        &self,
        permit: &Permit<EditUsers>,
        before: &User,
        after: &User,
        blob: Option<Digest>,
    ) -> Result<(), RestoreError> {
        let _turn = self.admin_turn();
        let project = permit.project().id;
        let actor = permit.actor().username();
        let action = if after.practice { "restore frozen" } else { "restore no longer frozen" };
        let act = Act { kind: kind::USER, id: &before.id, action, actor };
        let mut documents = vec![self.document(project, &act, Some(before), after, false)];
        let json = blob.map(|blob| serde_json::json!(Frozen { blob: blob.to_string() }).to_string());
        let frozen = AdminDocument {
            kind: FROZEN.to_owned(),
            id: before.id.clone(),
            json,
            action: action.to_owned(),
            changed: Vec::new(),
            actor: actor.to_owned(),
            at: self.env().clock.now(),
        };
        documents.push((project, frozen, false));
        let row = format!("frozen {}", before.id);
        let old = self.frozen_blob(project, &before.id)?.filter(|old| blob != Some(*old));
        let mut blobs: Vec<_> = old.map(|old| (old, project, row.clone(), false)).into_iter().collect();
        blobs.extend(blob.map(|new| (new, project, row, true)));
        if !blobs.is_empty() {
            self.commit_local_with_blobs(Vec::new(), blobs)?;
        }
        Ok(self.commit_documents(documents)?)
    }
}

impl From<AdminError> for RestoreError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Write(error) => Self::Write(error),
            error => Self::Write(WriteError::Storage(Arc::new(error))),
        }
    }
}

/// A restore that is computed, or one that was kept.
pub enum Answer {
    /// Computed now.
    Live(Box<Restore>),
    /// The same bytes as always.
    Frozen(Vec<u8>),
}
