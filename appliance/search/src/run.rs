//! Answering a query.

use crate::filter::{Filter, Leaf};
use crate::meter::{Exceeded, Meter};
use crate::order::{Ranking, SortKey};
use crate::plan::CANDIDATES_MAX;
use crate::source::{CaseSource, Scope};
use bolster_model::{Case, CaseId};
use std::collections::HashMap;

/// Why a search was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SearchError<E> {
    /// It costs too much.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// Cases could not be read.
    #[error("the cases could not be read")]
    Source(#[source] E),
}

/// A query with its order.
#[derive(Clone, PartialEq, Debug)]
pub struct Search {
    /// What is wanted.
    pub filter: Filter,
    /// In which order; by score when there is none.
    pub sort: Vec<SortKey>,
    /// At most so many.
    pub limit: usize,
}

/// A case that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Hit {
    /// It.
    pub case: Case,
    /// How well it fits: 1 and more.
    pub score: f64,
}

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// In order.
    pub hits: Vec<Hit>,
    /// There are more than were asked for.
    pub more: bool,
    /// How it was found, a line for each step.
    pub steps: Vec<String>,
}

/// Answers a query.
pub fn search<S: CaseSource>(
    source: &S,
    search: &Search,
    meter: &Meter<'_>,
) -> Result<Found, SearchError<S::Error>> {
    let mut runner = Runner::new(source, meter);
    let scope = scope_of(&search.filter);
    let candidates = runner.candidates(&search.filter, &scope, CANDIDATES_MAX)?;
    let mut ranking = Ranking::new(&search.sort, search.limit);
    // Any hits are as good as others when nothing tells them apart.
    let any = search.sort.is_empty() && !search.filter.is_graded();
    let mut look = |runner: &mut Runner<'_, '_, S>, case: Case| {
        if runner.passes(&search.filter, &case)? {
            ranking.offer(Hit { score: 1.0 + search.filter.score(&case), case });
        }
        Ok::<bool, SearchError<S::Error>>(!(any && ranking.offered() > search.limit as u64))
    };
    match candidates {
        Some(ids) => {
            runner.note(|| format!("looking at {} cases", ids.len()));
            for id in ids {
                meter.case()?;
                let Some(case) = source.case(&id).map_err(SearchError::Source)? else { continue };
                if !look(&mut runner, case)? {
                    break;
                }
            }
        }
        None => {
            runner.note(|| match &scope.types {
                Some(types) => format!("looking at all cases of the types: {}", types.join(", ")),
                None => "looking at all cases".to_owned(),
            });
            let mut result = Ok(true);
            let visit = &mut |case: Option<Case>| {
                result = meter.case().map_err(SearchError::Exceeded).and_then(|()| match case {
                    Some(case) => look(&mut runner, case),
                    None => Ok(true),
                });
                matches!(result, Ok(true))
            };
            source.scan(&scope, visit).map_err(SearchError::Source)?;
            result?;
        }
    }
    let more = ranking.offered() > search.limit as u64;
    runner.note(|| format!("{} cases read", meter.cases_read()));
    Ok(Found { hits: ranking.end(), more, steps: runner.steps })
}

/// Types and state that all hits have.
fn scope_of(filter: &Filter) -> Scope {
    let all = match filter {
        Filter::And(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut scope = Scope::default();
    for filter in all {
        match filter {
            Filter::Leaf(Leaf::Types(types)) => scope.types = Some(types.clone()),
            Filter::Leaf(Leaf::Open) => scope.open = true,
            _ => {}
        }
    }
    scope
}

/// One run of a query.
pub(crate) struct Runner<'s, 't, S: CaseSource> {
    pub source: &'s S,
    pub meter: &'s Meter<'t>,
    /// Whether what is above a case passes: by filter, steps left, case.
    above: HashMap<(usize, usize, CaseId), bool>,
    pub steps: Vec<String>,
}

/// Most lines that tell how something was found.
const STEPS_MAX: usize = 200;

impl<'s, 't, S: CaseSource> Runner<'s, 't, S> {
    pub fn new(source: &'s S, meter: &'s Meter<'t>) -> Self {
        Self { source, meter, above: HashMap::new(), steps: Vec::new() }
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.steps.len() < STEPS_MAX {
            let line = line();
            const LINE_CHARS_MAX: usize = 300;
            self.steps.push(line.chars().take(LINE_CHARS_MAX).collect());
        }
    }

    pub fn passes_by_id(&mut self, filter: &Filter, id: &CaseId) -> Result<bool, SearchError<S::Error>> {
        self.meter.case()?;
        match self.source.case(id).map_err(SearchError::Source)? {
            Some(case) => self.passes(filter, &case),
            None => Ok(false),
        }
    }

    /// Whether a filter finds a case.
    pub fn passes(&mut self, filter: &Filter, case: &Case) -> Result<bool, SearchError<S::Error>> {
        match filter {
            Filter::All => Ok(true),
            Filter::None => Ok(false),
            Filter::And(all) => {
                for filter in all {
                    if !self.passes(filter, case)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Or(any) => {
                for filter in any {
                    if self.passes(filter, case)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::Not(inner) => Ok(!self.passes(inner, case)?),
            Filter::Leaf(leaf) => {
                self.meter.steps(leaf.cost())?;
                Ok(leaf.holds(case))
            }
            Filter::Ancestor { path, filter } => self.has_ancestor(path, filter, case),
            Filter::Subcases { identifier, filter, count } => {
                let mut found = 0;
                let referrers = self.source.referrers(&case.id).map_err(SearchError::Source)?;
                self.meter.steps(1 + referrers.len() as u64)?;
                for referrer in referrers.iter().filter(|r| r.identifier == *identifier) {
                    found += u64::from(self.passes_by_id(filter, &referrer.case)?);
                    if count.is_settled(found) {
                        break;
                    }
                }
                Ok(count.passes(found))
            }
        }
    }

    fn has_ancestor(
        &mut self,
        path: &[String],
        filter: &Filter,
        case: &Case,
    ) -> Result<bool, SearchError<S::Error>> {
        self.meter.steps(1)?;
        let Some((first, rest)) = path.split_first() else { return self.passes(filter, case) };
        let Some(index) = case.indices.iter().find(|index| index.identifier == *first) else {
            return Ok(false);
        };
        let target = &index.referenced_id;
        let key = (std::ptr::from_ref(filter) as usize, rest.len(), target.clone());
        if let Some(known) = self.above.get(&key) {
            return Ok(*known);
        }
        self.meter.case()?;
        let passes = match self.source.case(target).map_err(SearchError::Source)? {
            Some(above) => self.has_ancestor(rest, filter, &above)?,
            None => false,
        };
        self.meter.ids(1)?;
        self.above.insert(key, passes);
        Ok(passes)
    }
}
