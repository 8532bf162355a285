//! Queries, requests and values.

use anyhow::{Context as _, Result, bail, ensure};
use bolster_model::{Case, CaseId, Property, Register, SetBy, Timestamp};
use bolster_search::csql::{self, Value as QueryValue};
use bolster_search::{
    Budget, Context, HITS_MAX, Hit, MemoryCases, Meter, Related, Search, SearchConfig, SearchRequest,
    SortKey, Utc, related as related_cases, search,
};
use bolster_wire::times;
use serde_json::Value;

use crate::compare::{ids, same_error, same_order, same_set};
use crate::datasets::{Datasets, cases};
use crate::zone::Named;

const NOW: &str = "2024-03-01T12:00:00Z";

fn now(vector: &Value) -> Result<Timestamp> {
    times::iso(vector["now"].as_str().unwrap_or(NOW)).context("no time")
}

fn found(cases: &MemoryCases, wanted: &Search) -> Result<Vec<Hit>> {
    let never = || false;
    Ok(search(cases, wanted, &Meter::new(Budget::default(), &never))?.hits)
}

fn ids_of(hits: Vec<Hit>) -> Vec<String> {
    hits.into_iter().map(|hit| hit.case.id.as_str().to_owned()).collect()
}

pub fn csql(datasets: &Datasets, vector: &Value) -> Result<()> {
    let set = datasets.get(vector)?;
    let context = Context {
        now: now(vector)?,
        zone: &set.zone,
        fuzzy: vector["fuzzy_everything"] == true,
        fuzzy_prefix: set.config.fuzzy_prefix,
    };
    let filter = csql::filter(vector["query"].as_str().context("no query")?, &context)?;
    let hits = found(&set.cases, &Search { filter, sort: Vec::new(), limit: usize::MAX })?;
    same_set(&vector["expect"]["ids"], ids_of(hits))
}

pub fn csql_error(vector: &Value) -> Result<()> {
    let context = Context { now: now(vector)?, zone: &Utc, fuzzy: false, fuzzy_prefix: 2 };
    same_error(&vector["expect"], csql::filter(vector["query"].as_str().context("no query")?, &context))
}

fn read(vector: &Value) -> Result<Result<SearchRequest, bolster_search::RequestError>> {
    let mut parameters = Vec::new();
    for (key, values) in vector["request"].as_object().context("no request")? {
        for value in values.as_array().context("a parameter without values")? {
            parameters.push((key.as_str(), value.as_str().context("a value that is no text")?));
        }
    }
    Ok(SearchRequest::read(parameters))
}

pub fn request(datasets: &Datasets, vector: &Value) -> Result<()> {
    let set = datasets.get(vector)?;
    let request = read(vector)??;
    let context =
        Context { now: now(vector)?, zone: &set.zone, fuzzy: false, fuzzy_prefix: set.config.fuzzy_prefix };
    let filter = request.filter(&set.config, &context, &set.domain)?;
    let hits = ids_of(found(&set.cases, &Search { filter, sort: request.sort, limit: HITS_MAX })?);
    let expect = &vector["expect"];
    if expect["ordered"] == true { same_order(expect, hits) } else { same_set(&expect["ids"], hits) }
}

pub fn request_error(datasets: &Datasets, vector: &Value) -> Result<()> {
    let set = datasets.get(vector)?;
    let context =
        Context { now: now(vector)?, zone: &set.zone, fuzzy: false, fuzzy_prefix: set.config.fuzzy_prefix };
    let result = read(vector)?.and_then(|request| request.filter(&set.config, &context, &set.domain));
    same_error(&vector["expect"], result)
}

fn sort_key(key: &SortKey) -> Value {
    serde_json::json!({ "property": key.property, "type": key.kind.name(), "descending": key.descending })
}

/// Only what is expected is compared.
pub fn request_parse(vector: &Value) -> Result<()> {
    let request = read(vector)??;
    for (key, expected) in vector["expect"].as_object().context("nothing expected")? {
        let got = match key.as_str() {
            "case_types" => serde_json::json!(request.case_types),
            "data_registry" => serde_json::json!(request.data_registry),
            "custom_related_case_property" => serde_json::json!(request.custom_related_case_property),
            "include_all_related_cases" if expected.is_string() => {
                serde_json::json!(if request.include_all_related_cases { "true" } else { "" })
            }
            "include_all_related_cases" => serde_json::json!(request.include_all_related_cases),
            "commcare_sort" => request.sort.iter().map(sort_key).collect(),
            "criteria" => request
                .criteria
                .iter()
                .map(|c| match c.values.as_slice() {
                    [one] => serde_json::json!([c.key, one]),
                    several => serde_json::json!([c.key, several]),
                })
                .collect(),
            other => bail!("{other} of a request is not known"),
        };
        ensure!(&got == expected, "{key}: expected {expected}, found {got}");
    }
    Ok(())
}

/// So many cases of one type.
pub fn request_generated(vector: &Value) -> Result<()> {
    let generate = &vector["generate"];
    let count = ["count", "cases", "number"].iter().find_map(|key| generate[*key].as_u64());
    let count = count.context("no number of cases to generate")?;
    let kind = generate["case_type"].as_str().unwrap_or("case");
    let register = |value: &str| Register { value: value.to_owned(), by: SetBy::NEVER };
    let mut properties: Vec<Property> = Vec::new();
    for (name, value) in generate["properties"].as_object().into_iter().flatten() {
        let value = value.as_str().context("a property that is no text")?.to_owned();
        properties.push(Property { name: name.clone(), value, by: SetBy::NEVER });
    }
    properties.sort_by(|a, b| a.name.cmp(&b.name));
    let made = (0..count).map(|number| Case {
        id: CaseId(format!("g{number}")),
        case_type: register(kind),
        name: register(&format!("g{number}")),
        properties: properties.clone(),
        ..Case::default()
    });
    let made = MemoryCases::new(made);
    let request = if vector["request"].is_object() {
        read(vector)??
    } else {
        SearchRequest::read([("case_type", kind)])?
    };
    let context = Context { now: now(vector)?, zone: &Utc, fuzzy: false, fuzzy_prefix: 2 };
    let filter = request.filter(&SearchConfig::default(), &context, "")?;
    let hits = found(&made, &Search { filter, sort: request.sort, limit: HITS_MAX })?;
    let expected = vector["expect"]["count"].as_u64().context("no count expected")?;
    ensure!(hits.len() as u64 == expected, "expected {expected} cases, found {}", hits.len());
    Ok(())
}

pub fn value(vector: &Value) -> Result<()> {
    let zone = Named::new(vector["timezone"].as_str())?;
    let context = Context { now: now(vector)?, zone: &zone, fuzzy: false, fuzzy_prefix: 2 };
    let result = csql::value(vector["expression"].as_str().context("no expression")?, &context);
    let expect = &vector["expect"];
    if expect["error"].is_object() {
        return same_error(expect, result.map(|_| ()));
    }
    let expected = &expect["value"];
    match (result?, expected) {
        (QueryValue::Text(got), Value::String(wanted)) => {
            ensure!(got == *wanted, "expected {wanted:?}, found {got:?}");
        }
        (QueryValue::Number(got), Value::Number(wanted)) => {
            let wanted = wanted.as_f64().context("no number")?;
            ensure!((got.float() - wanted).abs() <= 1e-7, "expected {wanted}, found {}", got.float());
        }
        (QueryValue::List(got), Value::Array(_)) => {
            ensure!(got == ids(expected)?, "expected {expected}, found {got:?}");
        }
        (got, wanted) => bail!("expected {wanted}, found {got:?}"),
    }
    Ok(())
}

pub fn fuzzy_dates(vector: &Value) -> Result<()> {
    let dates = csql::fuzzy_dates(vector["date"].as_str().context("no date")?).context("not a date")?;
    let expect = &vector["expect"];
    ensure!(
        expect["exact"].as_str() == dates.first().map(String::as_str),
        "the date itself is not the first"
    );
    same_set(&expect["set"], dates)
}

pub fn related(vector: &Value) -> Result<()> {
    let all = cases(&vector["cases"])?;
    let kind = vector["search_case_type"].as_str().context("no type")?;
    let hits: Vec<Hit> = all
        .iter()
        .filter(|case| case.case_type.value == kind)
        .map(|case| Hit { case: case.clone(), score: 1.0 })
        .collect();
    let path = |path: String| path.split('/').map(str::to_owned).collect();
    let wanted = Related {
        custom_property: vector["custom_related_case_property"].as_str().map(str::to_owned),
        all: vector["include_all"] == true,
        paths: ids(&vector["paths"])?.into_iter().map(path).collect(),
        child_types: ids(&vector["child_types"])?.into_iter().collect(),
    };
    let never = || false;
    let found =
        related_cases(&MemoryCases::new(all), &hits, &wanted, &Meter::new(Budget::default(), &never))?;
    same_set(&vector["expect"]["related_ids"], found.iter().map(|c| c.id.as_str().to_owned()).collect())
}
