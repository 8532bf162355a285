//! Lookup tables, products and programs.

use super::Nouns;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// A field of a lookup table.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Field {
    /// Unique in the table.
    pub name: String,
    /// Names of the properties that its values may have.
    pub properties: Vec<String>,
    /// Phones make an index of it.
    pub indexed: bool,
}

/// A lookup table.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LookupTable {
    /// Unique in the project; the name of its rows.
    pub tag: String,
    /// Everybody sees all rows.
    pub is_global: bool,
    /// Attributes of each row.
    pub item_attributes: Vec<String>,
    /// In order.
    pub fields: Vec<Field>,
}

/// A value of a field.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Value {
    /// Text.
    pub value: String,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
}

/// A row of a lookup table.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LookupRow {
    /// Never changes.
    pub id: String,
    /// Tag of its table.
    pub table: String,
    /// Place among the rows.
    pub order: i64,
    /// Values of the attributes.
    pub attributes: BTreeMap<String, String>,
    /// Values of the fields.
    pub fields: BTreeMap<String, Vec<Value>>,
    /// Ids of users who see it.
    pub users: Vec<String>,
    /// Ids of groups whose members see it.
    pub groups: Vec<String>,
    /// Ids of locations: those at or below one see it.
    pub locations: Vec<String>,
}

/// Something kept in stock.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Product {
    /// Id, as in ledgers.
    pub id: String,
    /// As people see it.
    pub name: String,
    /// Unit of measure.
    pub unit: String,
    /// Unique in the project.
    pub code: String,
    /// For people.
    pub description: String,
    /// For people.
    pub category: String,
    /// Id of a program.
    pub program_id: String,
    /// Price, as text.
    pub cost: String,
    /// Custom data.
    pub data: BTreeMap<String, String>,
}

/// A group of products.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    /// Id.
    pub id: String,
    /// As people see it.
    pub name: String,
    /// Unique in the project.
    pub code: String,
}

/// Whom rows are assigned to, when the user is one of them.
pub struct Audience<'n> {
    user_id: &'n str,
    groups: HashSet<&'n str>,
    locations: HashSet<&'n str>,
}

impl Nouns {
    /// What of the tables a user sees. `None` for who owns no rows: web users.
    pub fn audience<'n>(&'n self, user_id: &'n str, assigned: &[String]) -> Audience<'n> {
        let assigned = assigned.iter().filter_map(|id| self.locations.get(id));
        Audience {
            user_id,
            groups: self.groups_of(user_id).collect(),
            locations: assigned.flat_map(|l| self.locations.lineage(l)).map(|l| l.id.as_str()).collect(),
        }
    }
}

impl Audience<'_> {
    /// Whether the user sees a row of a table that is not global.
    pub fn sees(&self, row: &LookupRow) -> bool {
        row.users.iter().any(|u| u == self.user_id)
            || row.groups.iter().any(|g| self.groups.contains(g.as_str()))
            || row.locations.iter().any(|l| self.locations.contains(l.as_str()))
    }
}
