//! What is wrong with the cases of a project: links that lead back to where they begin.
//!
//! Such cases are taken and stored, as CommCare HQ does, and phones get them without the link that closes the
//! ring; somebody has to know and to mend them. What was found is kept in memory with its log position, so
//! that asking again costs what changed since, not what exists.

use crate::Appliance;
use bolster_auth::{Permit, ReadCase};
use bolster_cases::cycles::{cycles, suspects};
use bolster_model::{CaseId, ProjectId};
use bolster_store::{ReadExt, StoreError};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

/// Links that are looked at: 16 bytes each while they are.
const LINKS_MAX: usize = 4_000_000;
/// Links read at once.
const LINKS_AT_ONCE: usize = 10_000;
/// Cases that are looked at closely.
const CASES_MAX: usize = 20_000;
/// Changes since the last time that are looked at one by one; beyond that everything is looked at again.
const CHANGES_MAX: usize = 1_000;
/// Projects whose problems are remembered.
const PROJECTS_MAX: usize = 64;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CaseProblems {
    /// Cases that index themselves by way of each other, or directly; each group sorted.
    pub cycles: Vec<Vec<CaseId>>,
    /// There was too much to look at all of it.
    pub partial: bool,
}

struct Known {
    lsn: u64,
    found: Arc<CaseProblems>,
}

/// What was found lately, by project.
#[derive(Default)]
pub(crate) struct ProblemCache(Mutex<HashMap<ProjectId, Known>>);

impl ProblemCache {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ProjectId, Known>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Appliance {
    /// What is wrong with the cases of a project now.
    pub fn case_problems(&self, permit: &Permit<ReadCase>) -> Result<Arc<CaseProblems>, StoreError> {
        let project = permit.project().id;
        let known = self.problem_cache().lock().get(&project).map(|known| (known.lsn, known.found.clone()));
        let lsn = self.store().visible_lsn();
        let seeds = match &known {
            Some((before, found)) if !found.partial => match self.changed_since(project, *before)? {
                Some(changed) if changed.is_empty() => return Ok(found.clone()),
                Some(changed) => {
                    Some(changed.into_iter().chain(found.cycles.iter().flatten().cloned()).collect())
                }
                None => None,
            },
            _ => None,
        };
        let near = seeds.map(|seeds| self.cycles_near(project, seeds)).transpose()?;
        let found = match near {
            Some(near) if !near.partial => near,
            _ => {
                let (seeds, partial) = self.suspicious(project)?;
                let near = self.cycles_near(project, seeds)?;
                CaseProblems { partial: partial || near.partial, ..near }
            }
        };
        let found = Arc::new(found);
        let mut all = self.problem_cache().lock();
        if all.len() >= PROJECTS_MAX && !all.contains_key(&project) {
            all.clear();
        }
        all.insert(project, Known { lsn, found: found.clone() });
        Ok(found)
    }

    /// Cases that changed after a log position; `None` when they are many.
    fn changed_since(&self, project: ProjectId, lsn: u64) -> Result<Option<Vec<CaseId>>, StoreError> {
        let changes = self.store().view().changes_after(project, lsn, CHANGES_MAX)?;
        if changes.len() == CHANGES_MAX {
            return Ok(None);
        }
        let cases: Vec<CaseId> = changes.into_iter().flat_map(|change| change.cases).collect();
        Ok((cases.len() <= CASES_MAX).then_some(cases))
    }

    /// Cases of the project that may lie in a cycle, and whether there was too much to look at all.
    fn suspicious(&self, project: ProjectId) -> Result<(Vec<CaseId>, bool), StoreError> {
        let view = self.store().view();
        // Two cases of one number only make more suspects.
        let hasher = RandomState::new();
        let number = |id: &CaseId| hasher.hash_one(id.as_str());
        let (mut links, mut after, mut partial) = (Vec::new(), None, false);
        loop {
            let page = view.case_links(project, after, LINKS_AT_ONCE)?;
            links.extend(page.links.iter().map(|(source, target)| (number(source), number(target))));
            after = page.next;
            if after.is_none() {
                break;
            }
            if links.len() >= LINKS_MAX {
                partial = true;
                break;
            }
        }
        let suspects = suspects(&links);
        drop(links);
        let (mut seeds, mut after) = (BTreeSet::new(), None);
        while !suspects.is_empty() {
            let page = view.case_links(project, after, LINKS_AT_ONCE)?;
            let sources = page.links.into_iter().map(|(source, _)| source);
            seeds.extend(sources.filter(|id| suspects.contains(&number(id))));
            after = page.next;
            if seeds.len() > CASES_MAX {
                partial = true;
                break;
            }
            if after.is_none() {
                break;
            }
        }
        Ok((seeds.into_iter().take(CASES_MAX).collect(), partial))
    }

    /// Cycles among what can be reached from some cases by their links. Deleted cases have none.
    fn cycles_near(&self, project: ProjectId, seeds: Vec<CaseId>) -> Result<CaseProblems, StoreError> {
        let view = self.store().view();
        let (mut links, mut seen, mut next) = (Vec::new(), HashSet::new(), seeds);
        let mut partial = false;
        while let Some(id) = next.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            if seen.len() > 2 * CASES_MAX {
                partial = true;
                break;
            }
            let Some(case) = view.case(project, &id)?.filter(|case| !case.deletion.is_deleted()) else {
                continue;
            };
            for index in &case.indices {
                links.push((id.clone(), index.referenced_id.clone()));
                next.push(index.referenced_id.clone());
            }
        }
        Ok(CaseProblems { cycles: cycles(&links), partial })
    }
}
