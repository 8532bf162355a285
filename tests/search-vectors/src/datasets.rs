//! Projects of `datasets.json`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use bolster_model::{Case, CaseId, CaseIndex, Property, Register, Relationship, SetBy};
use bolster_search::{IgnorePattern, MemoryCases, SearchConfig};
use bolster_wire::times;
use serde_json::Value;

use crate::zone::Named;

/// A project.
pub struct Dataset {
    pub domain: String,
    pub zone: Named,
    pub config: SearchConfig,
    pub cases: MemoryCases,
}

/// All of a folder; none where there is no such file.
#[derive(Default)]
pub struct Datasets(BTreeMap<String, Value>);

impl Datasets {
    pub fn load(file: &Path) -> Result<Self> {
        if !file.is_file() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let all: Value =
            serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
        let all = all.as_object().context("datasets that are no object")?;
        Ok(Self(all.iter().map(|(name, set)| (name.clone(), set.clone())).collect()))
    }

    pub fn get(&self, vector: &Value) -> Result<Dataset> {
        let name = vector["dataset"].as_str().context("a vector without dataset")?;
        let set = self.0.get(name).with_context(|| format!("there is no dataset {name}"))?;
        Ok(Dataset {
            domain: set["domain"].as_str().unwrap_or_default().to_owned(),
            zone: Named::new(set["timezone"].as_str())?,
            config: config(&set["config"])?,
            cases: MemoryCases::new(cases(&set["cases"])?),
        })
    }
}

fn config(of: &Value) -> Result<SearchConfig> {
    let mut config = SearchConfig::default();
    for (key, value) in of.as_object().into_iter().flatten() {
        match key.as_str() {
            "fuzzy_prefix_length" => {
                config.fuzzy_prefix = value.as_u64().context("no length")? as usize;
            }
            "fuzzy_properties" => {
                for of_type in value.as_array().context("no list")? {
                    let names = of_type["properties"].as_array().context("no properties")?;
                    let names = names.iter().filter_map(Value::as_str).map(str::to_owned);
                    config.fuzzy.entry(text(of_type, "case_type")?).or_default().extend(names);
                }
            }
            "ignore_patterns" => {
                for pattern in value.as_array().context("no list")? {
                    config.ignore.push(IgnorePattern {
                        case_type: text(pattern, "case_type")?,
                        property: text(pattern, "case_property")?,
                        text: text(pattern, "regex")?,
                    });
                }
            }
            // Every property that is a point can be searched for.
            "gps_properties" => {}
            other => bail!("the setting {other} is not known"),
        }
    }
    Ok(config)
}

fn text(of: &Value, key: &str) -> Result<String> {
    Ok(of[key].as_str().with_context(|| format!("no {key}"))?.to_owned())
}

/// Cases as vectors write them.
pub fn cases(list: &Value) -> Result<Vec<Case>> {
    list.as_array().context("no list of cases")?.iter().map(case).collect()
}

fn case(of: &Value) -> Result<Case> {
    let register =
        |key: &str| Register { value: of[key].as_str().unwrap_or_default().to_owned(), by: SetBy::NEVER };
    let time = |key: &str| of[key].as_str().map(|at| times::iso(at).context("no time")).transpose();
    let mut properties: Vec<Property> = Vec::new();
    for (name, value) in of["properties"].as_object().into_iter().flatten() {
        let value = value.as_str().with_context(|| format!("{name} is no text"))?.to_owned();
        properties.push(Property { name: name.clone(), value, by: SetBy::NEVER });
    }
    properties.sort_by(|a, b| a.name.cmp(&b.name));
    let mut indices = Vec::new();
    for index in of["indices"].as_array().into_iter().flatten() {
        indices.push(CaseIndex {
            identifier: text(index, "identifier")?,
            referenced_type: index["referenced_type"].as_str().unwrap_or_default().to_owned(),
            referenced_id: CaseId(text(index, "referenced_id")?),
            relationship: match index["relationship"].as_str() {
                Some("extension") => Relationship::Extension,
                _ => Relationship::Child,
            },
            by: SetBy::NEVER,
        });
    }
    indices.sort_by(|a, b| a.identifier.cmp(&b.identifier));
    Ok(Case {
        id: CaseId(text(of, "case_id")?),
        case_type: register("case_type"),
        name: register("name"),
        owner_id: register("owner_id"),
        external_id: register("external_id"),
        opened_on: time("opened_on")?,
        modified_on: time("modified_on")?,
        closed_on: time("closed_on")?,
        closed: Register { value: of["closed"] == true, by: SetBy::NEVER },
        properties,
        indices,
        ..Case::default()
    })
}
