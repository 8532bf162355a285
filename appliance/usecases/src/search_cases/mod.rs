//! A worker looks for cases, whoever owns them; and an app reads cases that it knows by id.
//!
//! The query is read and answered by `bolster-search`; here are the cases, the project's settings and the limits.
//!
//! Source: docs/formats/case-search.md.

mod source;
mod zone;

use crate::Appliance;
use bolster_auth::{Permit, Project, RestoreData};
use bolster_model::{Case, CaseId};
use bolster_search::{
    Budget, Context, Exceeded, Filter, HITS_MAX, HITS_MAX_RAISED, Hit, IgnorePattern, Meter, Related,
    RequestError, Search, SearchConfig, SearchError, SearchRequest, csql, of_types, related, search,
};
use bolster_store::{ReadExt, StoreError};
use source::StoredCases;
use std::collections::BTreeSet;
use zone::ProjectZone;
pub use zone::zone_offset_seconds;

/// Longest time that one search takes.
const SEARCH_MS_MAX: u64 = 10_000;
/// What finding hits may cost.
const BUDGET: Budget = Budget { cases: 1_000_000, ids: 500_000, steps: 50_000_000 };
/// What cases beside the hits may cost: all of them are held and sent.
const RELATED_BUDGET: Budget = Budget { cases: 10_000, ids: 100_000, steps: 1_000_000 };
/// Most cases that are asked for by id.
const FIXTURE_CASES_MAX: usize = 1_000;

/// Why a search is not answered.
#[derive(Debug, thiserror::Error)]
pub enum SearchCasesError {
    /// The project does not want it.
    #[error("Case search is switched off in this project")]
    Off,
    /// The request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It costs too much.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// A case that is asked for by id.
    #[error("No case with id {id} of the given type")]
    NoCase {
        /// As asked for.
        id: String,
    },
    /// Too many at once.
    #[error("at most {FIXTURE_CASES_MAX} cases can be asked for at once")]
    TooMany,
    /// Cases could not be read.
    #[error("the cases could not be read")]
    Store(#[from] StoreError),
}

impl From<SearchError<StoreError>> for SearchCasesError {
    fn from(error: SearchError<StoreError>) -> Self {
        match error {
            SearchError::Exceeded(exceeded) => Self::Exceeded(exceeded),
            SearchError::Source(error) => Self::Store(error),
        }
    }
}

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub struct SearchAnswer {
    /// In order.
    pub hits: Vec<Hit>,
    /// Shown beside the hits, none of them.
    pub related: Vec<Case>,
    /// Name of the project, where cases are told with it.
    pub project: Option<String>,
    /// There are more hits than are answered.
    pub more: bool,
    /// How it was found.
    pub steps: Vec<String>,
}

impl Appliance {
    /// Answers the search of a phone. Every worker of a project finds every open case of it, as in CommCare HQ.
    ///
    /// Bounds: 500 hits (1,500 where the project says so); `SEARCH_MS_MAX`; the budgets above.
    /// Errors: `Request` for what cannot be understood, `Exceeded` with what to narrow.
    pub fn search_cases(
        &self,
        permit: &Permit<RestoreData>,
        app_id: Option<&str>,
        parameters: &[(String, String)],
    ) -> Result<SearchAnswer, SearchCasesError> {
        let project = permit.project();
        if !project.case_search {
            return Err(SearchCasesError::Off);
        }
        let request = SearchRequest::read(parameters.iter().map(|(k, v)| (k.as_str(), v.as_str())))?;
        let config = config_of(project);
        let zone = ProjectZone::named(&project.timezone);
        let context = Context {
            now: self.env().clock.now(),
            zone: &zone,
            fuzzy: false,
            fuzzy_prefix: config.fuzzy_prefix,
        };
        let filter = request.filter(&config, &context, &project.name)?;
        let limit = if project.case_search_more { HITS_MAX_RAISED } else { HITS_MAX };
        let wanted = Search { filter, sort: request.sort.clone(), limit };
        // As in CommCare HQ, only an app that says who it is gets more than the hits.
        let beside = match app_id {
            Some(app_id) => self.beside_hits(project, app_id, &request),
            None => Related::default(),
        };
        let mut answer = self.answer_search(project, &wanted, &beside)?;
        // Other projects of a data registry are not known here: this one answers alone.
        answer.project = request.data_registry.is_some().then(|| project.name.clone());
        Ok(answer)
    }

    fn beside_hits(&self, project: &Project, app_id: &str, request: &SearchRequest) -> Related {
        let needs = self.search_needs(project.id, app_id, &request.case_types).unwrap_or_else(|error| {
            // The hits are worth more than what is shown beside them.
            tracing::error!(app_id, error = &error as &dyn std::error::Error, "an app could not be read");
            Default::default()
        });
        Related {
            custom_property: request.custom_related_case_property.clone(),
            all: request.include_all_related_cases,
            paths: needs.paths,
            child_types: needs.child_types,
        }
    }

    /// Answers queries of the language alone, all of which must hold: of some types or any, open and closed.
    pub fn query_cases(
        &self,
        permit: &Permit<RestoreData>,
        queries: &[String],
        types: &[String],
    ) -> Result<SearchAnswer, SearchCasesError> {
        let project = permit.project();
        let zone = ProjectZone::named(&project.timezone);
        let prefix = usize::from(project.fuzzy_prefix_length);
        let context =
            Context { now: self.env().clock.now(), zone: &zone, fuzzy: false, fuzzy_prefix: prefix };
        let all: Result<Vec<Filter>, _> = queries.iter().map(|query| csql::filter(query, &context)).collect();
        let filter = of_types(types, Filter::and(all.map_err(RequestError::Csql)?));
        self.answer_search(
            project,
            &Search { filter, sort: Vec::new(), limit: HITS_MAX },
            &Related::default(),
        )
    }

    fn answer_search(
        &self,
        project: &Project,
        wanted: &Search,
        beside: &Related,
    ) -> Result<SearchAnswer, SearchCasesError> {
        let source = StoredCases { view: self.store().view(), project: project.id };
        let clock = &self.env().clock;
        let start = clock.monotonic_us();
        let is_late = || clock.monotonic_us().saturating_sub(start) > SEARCH_MS_MAX * 1_000;
        let found = search(&source, wanted, &Meter::new(BUDGET, &is_late))?;
        let related = related(&source, &found.hits, beside, &Meter::new(RELATED_BUDGET, &is_late))?;
        Ok(SearchAnswer { hits: found.hits, related, project: None, more: found.more, steps: found.steps })
    }

    /// Cases by id, with their families. All of them must be there, and of one of the types.
    pub fn case_fixture(
        &self,
        permit: &Permit<RestoreData>,
        case_ids: &[String],
        case_types: &[String],
    ) -> Result<SearchAnswer, SearchCasesError> {
        let project = permit.project();
        if case_ids.len() > FIXTURE_CASES_MAX {
            return Err(SearchCasesError::TooMany);
        }
        let source = StoredCases { view: self.store().view(), project: project.id };
        let mut hits = Vec::new();
        for id in case_ids.iter().collect::<BTreeSet<_>>() {
            let case = source.view.case(project.id, &CaseId(id.clone()))?;
            let case = case.filter(|c| !c.deletion.is_deleted() && case_types.contains(&c.case_type.value));
            let case = case.ok_or_else(|| SearchCasesError::NoCase { id: id.clone() })?;
            hits.push(Hit { case, score: 1.0 });
        }
        let clock = &self.env().clock;
        let start = clock.monotonic_us();
        let is_late = || clock.monotonic_us().saturating_sub(start) > SEARCH_MS_MAX * 1_000;
        let all = Related { all: true, ..Related::default() };
        let related = related(&source, &hits, &all, &Meter::new(RELATED_BUDGET, &is_late))?;
        let project = Some(project.name.clone());
        Ok(SearchAnswer { hits, related, project, more: false, steps: Vec::new() })
    }
}

/// What a project says about its searches.
fn config_of(project: &Project) -> SearchConfig {
    let mut config =
        SearchConfig { fuzzy_prefix: usize::from(project.fuzzy_prefix_length), ..SearchConfig::default() };
    for (case_type, property) in project.fuzzy_properties.iter().filter_map(|item| item.split_once(':')) {
        config.fuzzy.entry(case_type.to_owned()).or_default().insert(property.to_owned());
    }
    for item in &project.ignore_patterns {
        let mut parts = item.splitn(3, ':');
        if let (Some(case_type), Some(property), Some(text)) = (parts.next(), parts.next(), parts.next()) {
            config.ignore.push(IgnorePattern {
                case_type: case_type.to_owned(),
                property: property.to_owned(),
                text: text.replace("%20", " ").replace("%25", "%"),
            });
        }
    }
    config
}
