//! The parameters of a request, and what they ask for.

use crate::config::SearchConfig;
use crate::csql::{self, CsqlError, PATH_STEPS_MAX};
use crate::date;
use crate::document::is_instant;
use crate::filter::{Context, Filter, Leaf, Range, sorted};
use crate::order::{SortKey, SortType};

/// A request that cannot be understood, with what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// No type is named.
    #[error("Search request must specify case_type")]
    NoCaseType,
    /// One value is wanted.
    #[error("{key} must be a string: give it once")]
    Once {
        /// Parameter.
        key: &'static str,
    },
    /// Only some parameters take several values.
    #[error("Multiple values are only supported for simple text and range searches (in: {key})")]
    Multiple {
        /// Parameter.
        key: String,
    },
    /// A range among other values.
    #[error("Only one blank value plus one date range value are supported (in: {key})")]
    RangeAmongOthers {
        /// Parameter.
        key: String,
    },
    /// No range of dates.
    #[error("Invalid date range format, {value}: expected __range__YYYY-MM-DD__YYYY-MM-DD (in: {key})")]
    DateRange {
        /// Parameter.
        key: String,
        /// As given.
        value: String,
    },
    /// A fuzzy property is compared with one value.
    #[error("Fuzzy search is not supported with multiple values (in: {key})")]
    FuzzyList {
        /// Parameter.
        key: String,
    },
    /// No order that is known.
    #[error("{value} is no sort type: use exact, date or numeric (in: commcare_sort)")]
    SortType {
        /// As given.
        value: String,
    },
    /// An ancestor's property with an odd path.
    #[error("{key} is no path of at most {PATH_STEPS_MAX} indices and a property")]
    Path {
        /// Parameter.
        key: String,
    },
    /// More than anybody types.
    #[error("a search may have {LIST_MAX} values at most")]
    TooMany,
    /// The query.
    #[error(transparent)]
    Csql(#[from] CsqlError),
}

/// Most parameters and sort keys.
const LIST_MAX: usize = 10_000;
/// Most sort keys.
const SORT_KEYS_MAX: usize = 20;

/// One condition of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Criterion {
    /// Parameter.
    pub key: String,
    /// All its values, in order.
    pub values: Vec<String>,
}

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SearchRequest {
    /// At least one.
    pub case_types: Vec<String>,
    /// Conditions, by first appearance.
    pub criteria: Vec<Criterion>,
    /// A data registry to search in.
    pub data_registry: Option<String>,
    /// A property of hits that names a further case.
    pub custom_related_case_property: Option<String>,
    /// Whole families are wanted.
    pub include_all_related_cases: bool,
    /// In which order.
    pub sort: Vec<SortKey>,
}

const XPATH: &str = "_xpath_query";
const OWNER: &str = "owner_id";
const NOT_OWNERS: &str = "commcare_blacklisted_owner_ids";
const PROJECT: &str = "commcare_project";
const REGISTRY: &str = "x_commcare_data_registry";
const CUSTOM_RELATED: &str = "x_commcare_custom_related_case_property";
const RANGE: &str = "__range__";

impl SearchRequest {
    /// Reads parameters; keys may repeat.
    pub fn read<'p>(parameters: impl IntoIterator<Item = (&'p str, &'p str)>) -> Result<Self, RequestError> {
        let mut all: Vec<Criterion> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (number, (key, value)) in parameters.into_iter().enumerate() {
            if number >= LIST_MAX {
                return Err(RequestError::TooMany);
            }
            let place = *places.entry(key).or_insert_with(|| {
                all.push(Criterion { key: key.to_owned(), values: Vec::new() });
                all.len() - 1
            });
            all[place].values.push(value.to_owned());
        }
        let mut request = Self::default();
        for criterion in all {
            request.take(criterion)?;
        }
        if request.case_types.is_empty() {
            return Err(RequestError::NoCaseType);
        }
        Ok(request)
    }

    fn take(&mut self, criterion: Criterion) -> Result<(), RequestError> {
        let values = &criterion.values;
        match criterion.key.as_str() {
            "case_type" => self.case_types = values.iter().filter(|t| !t.is_empty()).cloned().collect(),
            REGISTRY => self.data_registry = single(REGISTRY, values)?,
            CUSTOM_RELATED => self.custom_related_case_property = single(CUSTOM_RELATED, values)?,
            "x_commcare_include_all_related_cases" => {
                self.include_all_related_cases = values.iter().any(|v| v.eq_ignore_ascii_case("true"));
            }
            "commcare_sort" => self.sort = sort_list(values)?,
            "x_commcare_tag_module_name" | "include_closed" => {}
            _ => {
                criterion.check()?;
                self.criteria.push(criterion);
            }
        }
        Ok(())
    }

    /// What is asked for, in the project of this name. Open cases only.
    pub fn filter(
        &self,
        config: &SearchConfig,
        context: &Context<'_>,
        project: &str,
    ) -> Result<Filter, RequestError> {
        let mut all = vec![Filter::Leaf(Leaf::Types(self.case_types.clone())), Filter::Leaf(Leaf::Open)];
        for criterion in &self.criteria {
            all.push(self.criterion(criterion, config, context, project)?);
        }
        Ok(Filter::and(all))
    }

    fn criterion(
        &self,
        criterion: &Criterion,
        config: &SearchConfig,
        context: &Context<'_>,
        project: &str,
    ) -> Result<Filter, RequestError> {
        let given: Vec<&str> =
            criterion.values.iter().map(String::as_str).filter(|v| !v.is_empty()).collect();
        match criterion.key.as_str() {
            XPATH => {
                let filters = given.iter().map(|query| csql::filter(query, context));
                Ok(Filter::and(filters.collect::<Result<_, _>>()?))
            }
            OWNER => Ok(match given.first() {
                Some(owner) => owned_by(vec![(*owner).to_owned()]),
                None => Filter::All,
            }),
            NOT_OWNERS => Ok(match given.first() {
                Some(owners) => owned_by(owners.split(' ').map(str::to_owned).collect()).negated(),
                None => Filter::All,
            }),
            PROJECT => {
                Ok(if given.is_empty() || given.contains(&project) { Filter::All } else { Filter::None })
            }
            _ => self.property(criterion, config, context),
        }
    }

    fn property(
        &self,
        criterion: &Criterion,
        config: &SearchConfig,
        context: &Context<'_>,
    ) -> Result<Filter, RequestError> {
        let key = &criterion.key;
        let given: Vec<&String> = criterion.values.iter().filter(|v| !v.is_empty()).collect();
        let blank = given.len() < criterion.values.len();
        if let Some(identifier) = key.strip_prefix("indices.") {
            return Ok(index(identifier, &given, blank));
        }
        let (path, property) = path_of(key)?;
        let mut found = Vec::new();
        if blank {
            found.push(Filter::Leaf(Leaf::Blank { property: property.to_owned() }));
        }
        if let Some(value) = given.iter().find(|v| v.starts_with(RANGE)) {
            found.push(date_range(key, property, value, context)?);
        } else if !given.is_empty() {
            let cleaned: Vec<String> =
                given.iter().map(|v| config.cleaned(&self.case_types, key, v)).collect();
            let fuzzy = config.is_fuzzy(&self.case_types, key);
            if fuzzy && cleaned.len() > 1 {
                return Err(RequestError::FuzzyList { key: key.clone() });
            }
            found.push(csql::equals(property, cleaned, &Context { fuzzy, ..*context }));
        }
        let filter = Filter::or(found);
        if path.is_empty() {
            return Ok(filter);
        }
        Ok(Filter::Ancestor { path, filter: Box::new(filter) })
    }
}

impl Criterion {
    fn check(&self) -> Result<(), RequestError> {
        let key = || self.key.clone();
        if self.values.len() > 1 && matches!(self.key.as_str(), OWNER | NOT_OWNERS) {
            return Err(RequestError::Multiple { key: key() });
        }
        if !self.values.iter().any(|v| v.starts_with(RANGE)) || self.key == XPATH {
            return Ok(());
        }
        let given: Vec<&String> = self.values.iter().filter(|v| !v.is_empty()).collect();
        for value in &given {
            if days_of_range(value).is_none() {
                return Err(RequestError::DateRange { key: key(), value: (*value).clone() });
            }
        }
        if given.len() > 1 {
            return Err(RequestError::RangeAmongOthers { key: key() });
        }
        Ok(())
    }
}

fn single(key: &'static str, values: &[String]) -> Result<Option<String>, RequestError> {
    match values {
        [value] => Ok(Some(value.clone()).filter(|v| !v.is_empty())),
        _ => Err(RequestError::Once { key }),
    }
}

fn owned_by(owners: Vec<String>) -> Filter {
    Filter::Leaf(Leaf::Equals { property: "@owner_id".to_owned(), values: sorted(owners) })
}

fn index(identifier: &str, given: &[&String], blank: bool) -> Filter {
    let identifier = identifier.to_owned();
    let mut found = Vec::new();
    if blank {
        found.push(Filter::Leaf(Leaf::NoIndex { identifier: identifier.clone() }));
    }
    if !given.is_empty() {
        let targets = sorted(given.iter().map(|id| (*id).clone()).collect());
        found.push(Filter::Leaf(Leaf::Index { identifier, targets }));
    }
    Filter::or(found)
}

/// Indices to follow and the property at their end.
fn path_of(key: &str) -> Result<(Vec<String>, &str), RequestError> {
    let Some((path, property)) = key.rsplit_once('/') else { return Ok((Vec::new(), key)) };
    let path: Vec<String> = path.split('/').map(str::to_owned).collect();
    if path.len() > PATH_STEPS_MAX || property.is_empty() || path.iter().any(String::is_empty) {
        return Err(RequestError::Path { key: key.chars().take(200).collect() });
    }
    Ok((path, property))
}

/// First and last day of `__range__YYYY-MM-DD__YYYY-MM-DD`.
fn days_of_range(value: &str) -> Option<(i64, i64)> {
    let (from, to) = value.strip_prefix(RANGE)?.split_once("__")?;
    let day = |text: &str| if text.len() == 10 { date::date(text).good() } else { None };
    Some((day(from)?, day(to)?))
}

fn date_range(key: &str, property: &str, value: &str, context: &Context<'_>) -> Result<Filter, RequestError> {
    let invalid = || RequestError::DateRange { key: key.to_owned(), value: value.to_owned() };
    let (first, last) = days_of_range(value).ok_or_else(invalid)?;
    let zone: &dyn date::Zone = if is_instant(property) { context.zone } else { &date::Utc };
    let (from, before) = (date::day_start(first, zone), date::day_start(last + 1, zone));
    let range = Range { from: Some(from), before: Some(before), upper_edge: false };
    Ok(Filter::Leaf(Leaf::Instant { property: property.to_owned(), range }))
}

fn sort_list(values: &[String]) -> Result<Vec<SortKey>, RequestError> {
    let mut keys = Vec::new();
    for item in values.iter().flat_map(|value| value.split(',')) {
        let mut parts = item.trim_start_matches(['+', '-']).split(':');
        let property = parts.next().unwrap_or_default().to_owned();
        if property.is_empty() {
            continue;
        }
        let kind = match parts.next() {
            Some(name) => {
                SortType::named(name).ok_or_else(|| RequestError::SortType { value: name.to_owned() })?
            }
            None => SortType::Exact,
        };
        keys.push(SortKey { property, kind, descending: item.starts_with('-') });
        if keys.len() > SORT_KEYS_MAX {
            return Err(RequestError::TooMany);
        }
    }
    Ok(keys)
}
