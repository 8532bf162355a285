//! Cases of the store as searches see them.

use bolster_model::{Case, CaseId, ProjectId, Relationship};
use bolster_search::{CaseSource, Leaf, Referrer, Scope};
use bolster_store::{ReadExt, StoreError, View};

/// The cases of a project. Every page is read by itself, so that a long search holds up nobody.
pub struct StoredCases {
    /// Committed state.
    pub view: View,
    /// Where.
    pub project: ProjectId,
}

/// Rows read at once.
const PAGE: usize = 1_000;

impl CaseSource for StoredCases {
    type Error = StoreError;

    fn case(&self, id: &CaseId) -> Result<Option<Case>, StoreError> {
        Ok(self.view.case(self.project, id)?.filter(|case| !case.deletion.is_deleted()))
    }

    fn referrers(&self, id: &CaseId) -> Result<Vec<Referrer>, StoreError> {
        let referrers = self.view.referrers(self.project, id)?.into_iter();
        Ok(referrers
            .map(|(case, identifier, relationship)| Referrer {
                case,
                identifier,
                extension: relationship == Relationship::Extension,
            })
            .collect())
    }

    fn scan(&self, scope: &Scope, visit: &mut dyn FnMut(Option<Case>) -> bool) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.view.case_page(self.project, scope.types.as_deref(), after, PAGE)?;
            for case in page.cases {
                let case = case.filter(|case| !case.deletion.is_deleted() && scope.holds(case));
                if !visit(case) {
                    return Ok(());
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn answer(&self, leaf: &Leaf, scope: &Scope, at_most: usize) -> Result<Option<Vec<CaseId>>, StoreError> {
        match leaf {
            Leaf::Equals { property, values } if property == "@case_id" && values.len() <= at_most => {
                Ok(Some(values.iter().map(|id| CaseId(id.clone())).collect()))
            }
            // The list of an owner has open cases only.
            Leaf::Equals { property, values } if property == "@owner_id" && scope.open => {
                self.owned(values, at_most)
            }
            Leaf::Index { identifier, targets } if targets.len() <= at_most => {
                let mut found = Vec::new();
                for target in targets {
                    let referrers = self.referrers(&CaseId(target.clone()))?.into_iter();
                    found.extend(referrers.filter(|r| r.identifier == *identifier).map(|r| r.case));
                    if found.len() > at_most {
                        return Ok(None);
                    }
                }
                Ok(Some(found))
            }
            _ => Ok(None),
        }
    }
}

impl StoredCases {
    /// Open cases of some owners; `None` when they are too many, or there are cases without an owner among them.
    fn owned(&self, owners: &[String], at_most: usize) -> Result<Option<Vec<CaseId>>, StoreError> {
        let mut found = Vec::new();
        for owner in owners {
            if owner.is_empty() {
                return Ok(None);
            }
            let room = at_most.saturating_sub(found.len());
            let some = self.view.owned_cases(self.project, owner, None, room.saturating_add(1))?;
            found.extend(some);
            if found.len() > at_most {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }
}
