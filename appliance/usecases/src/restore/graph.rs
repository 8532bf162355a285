//! Cases of the store as the rules of syncing see them.

use bolster_cases::sync::{CaseGraph, Link, SyncCase};
use bolster_model::{CaseId, IndexView, ProjectId, Relationship};
use bolster_store::{ReadExt, SteadyView, StoreError};

/// The cases of a project.
pub struct StoredCases {
    /// Committed state.
    pub view: SteadyView,
    /// Where.
    pub project: ProjectId,
}

impl CaseGraph for StoredCases {
    type Error = StoreError;

    fn case(&self, id: &CaseId) -> Result<Option<SyncCase>, StoreError> {
        let case = self.view.look_at_case(self.project, id, |case| {
            let link = |index: &IndexView<'_>| Link {
                identifier: index.identifier.to_owned(),
                target: CaseId::new(index.referenced_id),
                extension: index.relationship == Relationship::Extension,
            };
            let links = case.indices.iter().map(link).collect();
            let owner = case.owner_id.to_owned();
            (!case.deleted).then_some(SyncCase { owner, closed: case.closed, links })
        })?;
        Ok(case.flatten())
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
