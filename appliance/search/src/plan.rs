//! Which cases need to be looked at: conditions that the source answers by itself, put together.

use crate::filter::{Filter, Leaf};
use crate::run::{Runner, SearchError};
use crate::source::{CaseSource, Scope};
use bolster_model::CaseId;
use std::collections::BTreeSet;

/// Most candidates that are worth naming instead of looking at every case.
pub const CANDIDATES_MAX: usize = 50_000;
/// A further condition narrows only if it names not many more than are left already.
const WORTHWHILE: usize = 4;
const WORTHWHILE_MIN: usize = 1_000;

type Ids = BTreeSet<CaseId>;

impl<S: CaseSource> Runner<'_, '_, S> {
    /// A set that contains at least all cases of a scope that the filter finds; `None` when every case of the scope
    /// must be looked at.
    pub(crate) fn candidates(
        &mut self,
        filter: &Filter,
        scope: &Scope,
        at_most: usize,
    ) -> Result<Option<Ids>, SearchError<S::Error>> {
        match filter {
            Filter::None => Ok(Some(Ids::new())),
            Filter::All | Filter::Not(_) => Ok(None),
            Filter::Leaf(leaf) => self.answered(leaf, scope, at_most),
            Filter::And(all) => self.narrowest(all, scope, at_most),
            Filter::Or(any) => {
                let mut union = Ids::new();
                for filter in any {
                    let Some(ids) = self.candidates(filter, scope, at_most)? else { return Ok(None) };
                    union.extend(ids);
                    if union.len() > at_most {
                        return Ok(None);
                    }
                }
                Ok(Some(union))
            }
            Filter::Ancestor { path, filter } => self.below(path, filter, at_most),
            Filter::Subcases { count, .. } if count.takes_none() => Ok(None),
            Filter::Subcases { identifier, filter, .. } => self.parents(identifier, filter, at_most),
        }
    }

    fn answered(
        &mut self,
        leaf: &Leaf,
        scope: &Scope,
        at_most: usize,
    ) -> Result<Option<Ids>, SearchError<S::Error>> {
        let Some(ids) = self.source.answer(leaf, scope, at_most).map_err(SearchError::Source)? else {
            return Ok(None);
        };
        self.meter.ids(ids.len())?;
        self.note(|| format!("answered without a scan, {} cases: {leaf:?}", ids.len()));
        Ok(Some(ids.into_iter().collect()))
    }

    fn narrowest(
        &mut self,
        all: &[Filter],
        scope: &Scope,
        at_most: usize,
    ) -> Result<Option<Ids>, SearchError<S::Error>> {
        let mut best: Option<Ids> = None;
        // Conditions on the case itself first: those on related cases cost more to answer.
        let (plain, related): (Vec<&Filter>, Vec<&Filter>) = all.iter().partition(|f| !f.is_related());
        for filter in plain.into_iter().chain(related) {
            let room = best.as_ref().map_or(at_most, |ids| (ids.len() * WORTHWHILE).max(WORTHWHILE_MIN));
            if filter.is_related() && best.as_ref().is_some_and(|ids| ids.len() <= WORTHWHILE_MIN) {
                break;
            }
            let Some(ids) = self.candidates(filter, scope, room.min(at_most))? else { continue };
            best = Some(match best {
                Some(before) => before.intersection(&ids).cloned().collect(),
                None => ids,
            });
        }
        Ok(best)
    }

    /// Cases below the ancestors that a filter finds.
    fn below(
        &mut self,
        path: &[String],
        filter: &Filter,
        at_most: usize,
    ) -> Result<Option<Ids>, SearchError<S::Error>> {
        let Some(ancestors) = self.candidates(filter, &Scope::default(), at_most)? else { return Ok(None) };
        let mut level = Ids::new();
        for id in ancestors {
            if self.passes_by_id(filter, &id)? {
                level.insert(id);
            }
        }
        self.note(|| format!("{} ancestors found for {}", level.len(), path.join("/")));
        for identifier in path.iter().rev() {
            let mut next = Ids::new();
            for id in &level {
                let referrers = self.source.referrers(id).map_err(SearchError::Source)?;
                self.meter.ids(referrers.len())?;
                next.extend(referrers.into_iter().filter(|r| r.identifier == *identifier).map(|r| r.case));
                if next.len() > at_most {
                    return Ok(None);
                }
            }
            level = next;
        }
        Ok(Some(level))
    }

    /// Cases that those which a filter finds point to.
    fn parents(
        &mut self,
        identifier: &str,
        filter: &Filter,
        at_most: usize,
    ) -> Result<Option<Ids>, SearchError<S::Error>> {
        let Some(children) = self.candidates(filter, &Scope::default(), at_most)? else { return Ok(None) };
        let mut parents = Ids::new();
        for id in children {
            self.meter.case()?;
            let Some(child) = self.source.case(&id).map_err(SearchError::Source)? else { continue };
            let indices = child.indices.into_iter().filter(|index| index.identifier == identifier);
            parents.extend(indices.map(|index| index.referenced_id));
        }
        self.meter.ids(parents.len())?;
        self.note(|| format!("{} cases are pointed at by \"{identifier}\"", parents.len()));
        Ok(Some(parents))
    }
}
