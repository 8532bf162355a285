//! Cases that an app shows beside the hits.

use crate::document::dynamic;
use crate::meter::Meter;
use crate::run::{Hit, SearchError};
use crate::source::CaseSource;
use bolster_cases::sync::{CaseGraph, SyncCase, live};
use bolster_model::{Case, CaseId};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What an app shows beside the hits.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Related {
    /// A property of hits that names a further case.
    pub custom_property: Option<String>,
    /// Whole families.
    pub all: bool,
    /// Ancestors by their paths of indices.
    pub paths: BTreeSet<Vec<String>>,
    /// Children of these types.
    pub child_types: BTreeSet<String>,
}

impl Related {
    /// Nothing beside the hits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Index by which children point to their parents.
const PARENT: &str = "parent";

struct Family<'f, 't, S> {
    source: &'f S,
    meter: &'f Meter<'t>,
    starts: &'f HashSet<CaseId>,
}

/// Owner of the cases that a family is built around; no case has it.
const OURS: &str = "\u{1}";

impl<S: CaseSource> CaseGraph for Family<'_, '_, S> {
    type Error = SearchError<S::Error>;

    fn case(&self, id: &CaseId) -> Result<Option<SyncCase>, Self::Error> {
        self.meter.case()?;
        let case = self.source.case(id).map_err(SearchError::Source)?;
        let owner = if self.starts.contains(id) { OURS } else { "" };
        Ok(case.as_ref().and_then(SyncCase::of).map(|case| SyncCase { owner: owner.to_owned(), ..case }))
    }

    fn extensions(&self, id: &CaseId) -> Result<Vec<CaseId>, Self::Error> {
        let referrers = self.source.referrers(id).map_err(SearchError::Source)?;
        self.meter.ids(referrers.len())?;
        Ok(referrers.into_iter().filter(|r| r.extension).map(|r| r.case).collect())
    }
}

struct Finder<'f, 't, S> {
    source: &'f S,
    meter: &'f Meter<'t>,
    found: Vec<Case>,
    known: HashSet<CaseId>,
}

/// Cases beside the hits, each once, none of the hits.
pub fn related<S: CaseSource>(
    source: &S,
    hits: &[Hit],
    wanted: &Related,
    meter: &Meter<'_>,
) -> Result<Vec<Case>, SearchError<S::Error>> {
    let known: HashSet<CaseId> = hits.iter().map(|hit| hit.case.id.clone()).collect();
    let mut finder = Finder { source, meter, found: Vec::new(), known };
    if wanted.is_empty() || hits.is_empty() {
        return Ok(finder.found);
    }
    if let Some(property) = &wanted.custom_property {
        let named = hits.iter().filter_map(|hit| dynamic(&hit.case, property));
        for id in named.filter(|id| !id.is_empty()).collect::<BTreeSet<_>>() {
            finder.add(&CaseId(id.to_owned()))?;
        }
    }
    let starts: Vec<Case> = hits.iter().map(|hit| &hit.case).chain(&finder.found).cloned().collect();
    if wanted.all {
        let ids: HashSet<CaseId> = starts.iter().map(|case| case.id.clone()).collect();
        let family = Family { source, meter, starts: &ids };
        let owners = HashSet::from([OURS.to_owned()]);
        let mut members = live(&family, &owners, starts.iter().map(|case| case.id.clone()))?;
        members.sort_by(|a, b| a.id.cmp(&b.id));
        for member in members {
            finder.add(&member.id)?;
        }
        finder.children(&starts, |_| true)?;
        return Ok(finder.found);
    }
    finder.ancestors(&starts, &wanted.paths)?;
    if !wanted.child_types.is_empty() {
        finder.children(&starts, |case| wanted.child_types.contains(&case.case_type.value))?;
    }
    Ok(finder.found)
}

impl<S: CaseSource> Finder<'_, '_, S> {
    fn read(&self, id: &CaseId) -> Result<Option<Case>, SearchError<S::Error>> {
        self.meter.case()?;
        self.source.case(id).map_err(SearchError::Source)
    }

    fn add(&mut self, id: &CaseId) -> Result<(), SearchError<S::Error>> {
        if !self.known.contains(id)
            && let Some(case) = self.read(id)?
        {
            self.keep(case);
        }
        Ok(())
    }

    fn keep(&mut self, case: Case) {
        if self.known.insert(case.id.clone()) {
            self.found.push(case);
        }
    }

    /// Cases at the ends of some paths; those on the way only where a path ends there.
    fn ancestors(
        &mut self,
        starts: &[Case],
        paths: &BTreeSet<Vec<String>>,
    ) -> Result<(), SearchError<S::Error>> {
        let mut levels: BTreeMap<&[String], Vec<Case>> = BTreeMap::new();
        for path in paths {
            for len in 1..=path.len() {
                let (way, before) = (&path[..len], &path[..len - 1]);
                if levels.contains_key(way) {
                    continue;
                }
                let below = levels.get(before).map_or(starts, Vec::as_slice);
                let identifier = &path[len - 1];
                let indices = below.iter().flat_map(|case| &case.indices);
                let targets: BTreeSet<&CaseId> =
                    indices.filter(|i| i.identifier == *identifier).map(|i| &i.referenced_id).collect();
                let mut level = Vec::new();
                for id in targets {
                    level.extend(self.read(id)?);
                }
                levels.insert(way, level);
            }
        }
        for path in paths {
            for case in levels.get(path.as_slice()).into_iter().flatten() {
                self.keep(case.clone());
            }
        }
        Ok(())
    }

    fn children(
        &mut self,
        starts: &[Case],
        wanted: impl Fn(&Case) -> bool,
    ) -> Result<(), SearchError<S::Error>> {
        for parent in starts {
            let referrers = self.source.referrers(&parent.id).map_err(SearchError::Source)?;
            self.meter.ids(referrers.len())?;
            for referrer in referrers.into_iter().filter(|r| r.identifier == PARENT) {
                if self.known.contains(&referrer.case) {
                    continue;
                }
                if let Some(case) = self.read(&referrer.case)?.filter(&wanted) {
                    self.keep(case);
                }
            }
        }
        Ok(())
    }
}
