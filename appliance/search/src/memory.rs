//! Cases in memory: what tests and tools search in.

use crate::filter::Leaf;
use crate::source::{CaseSource, Referrer, Scope};
use bolster_model::{Case, CaseId, Relationship};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

/// Some cases, by id.
#[derive(Clone, Debug, Default)]
pub struct MemoryCases {
    cases: BTreeMap<CaseId, Case>,
    referrers: HashMap<CaseId, Vec<Referrer>>,
}

impl MemoryCases {
    /// Of these; deleted ones are left out.
    pub fn new(cases: impl IntoIterator<Item = Case>) -> Self {
        let mut all = Self::default();
        for case in cases.into_iter().filter(|case| !case.deletion.is_deleted()) {
            for index in &case.indices {
                all.referrers.entry(index.referenced_id.clone()).or_default().push(Referrer {
                    case: case.id.clone(),
                    identifier: index.identifier.clone(),
                    extension: index.relationship == Relationship::Extension,
                });
            }
            all.cases.insert(case.id.clone(), case);
        }
        all
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Case> {
        self.cases.values()
    }
}

impl CaseSource for MemoryCases {
    type Error = Infallible;

    fn case(&self, id: &CaseId) -> Result<Option<Case>, Infallible> {
        Ok(self.cases.get(id).cloned())
    }

    fn referrers(&self, id: &CaseId) -> Result<Vec<Referrer>, Infallible> {
        Ok(self.referrers.get(id).cloned().unwrap_or_default())
    }

    fn scan(&self, scope: &Scope, visit: &mut dyn FnMut(Option<Case>) -> bool) -> Result<(), Infallible> {
        for case in self.cases.values() {
            if !visit(scope.holds(case).then(|| case.clone())) {
                break;
            }
        }
        Ok(())
    }

    fn answer(&self, leaf: &Leaf, _: &Scope, at_most: usize) -> Result<Option<Vec<CaseId>>, Infallible> {
        Ok(match leaf {
            Leaf::Equals { property, values } if property == "@case_id" && values.len() <= at_most => {
                Some(values.iter().map(|id| CaseId(id.clone())).collect())
            }
            _ => None,
        })
    }
}
