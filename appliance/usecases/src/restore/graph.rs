//! Cases of the store as the rules of syncing see them.

use bolster_cases::sync::{CaseGraph, Link, SyncCase};
use bolster_model::{CaseId, ProjectId, Relationship};
use bolster_store::{ReadExt, StoreError, View};

/// The cases of a project.
pub struct StoredCases {
    /// Committed state.
    pub view: View,
    /// Where.
    pub project: ProjectId,
}

impl CaseGraph for StoredCases {
    type Error = StoreError;

    fn case(&self, id: &CaseId) -> Result<Option<SyncCase>, StoreError> {
        let Some(links) = self.view.case_links(self.project, id)?.filter(|links| !links.deleted) else {
            return Ok(None);
        };
        let indices = links.indices.into_iter().map(|(identifier, target, relationship)| Link {
            identifier,
            target,
            extension: relationship == Relationship::Extension,
        });
        Ok(Some(SyncCase { owner: links.owner_id, closed: links.closed, links: indices.collect() }))
    }

    fn extensions(&self, id: &CaseId) -> Result<Vec<CaseId>, StoreError> {
        let referrers = self.view.referrers(self.project, id)?.into_iter();
        Ok(referrers
            .filter(|(_, _, relationship)| *relationship == Relationship::Extension)
            .map(|(source, ..)| source)
            .collect())
    }
}

/// Ids read at once from the list of an owner.
const OWNED_AT_ONCE: usize = 10_000;

impl StoredCases {
    /// All open cases of some owners.
    pub fn owned<'o>(&self, owners: impl IntoIterator<Item = &'o String>) -> Result<Vec<CaseId>, StoreError> {
        let mut all = Vec::new();
        for owner in owners {
            let mut after: Option<CaseId> = None;
            loop {
                let some = self.view.owned_cases(self.project, owner, after.as_ref(), OWNED_AT_ONCE)?;
                let full = some.len() == OWNED_AT_ONCE;
                after = some.last().cloned();
                all.extend(some);
                if !full {
                    break;
                }
            }
        }
        Ok(all)
    }

    /// What a case is linked with, in either direction.
    pub fn neighbours(&self, id: &CaseId) -> Result<Vec<CaseId>, StoreError> {
        let case = self.case(id)?;
        let mut all: Vec<CaseId> = case.into_iter().flat_map(|c| c.links).map(|l| l.target).collect();
        all.extend(self.view.referrers(self.project, id)?.into_iter().map(|(source, ..)| source));
        Ok(all)
    }
}
