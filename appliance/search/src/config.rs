//! What a project says about its searches.

use std::collections::{BTreeMap, BTreeSet};

/// Letters that must agree at the beginning of a fuzzy word, unless the project says otherwise.
pub const FUZZY_PREFIX: usize = 2;

/// Text that is taken out of what is searched for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IgnorePattern {
    /// In searches for this type.
    pub case_type: String,
    /// And this property.
    pub property: String,
    /// Literally.
    pub text: String,
}

/// Settings of a project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SearchConfig {
    /// Properties that are compared fuzzily, by case type.
    pub fuzzy: BTreeMap<String, BTreeSet<String>>,
    /// Texts to take out.
    pub ignore: Vec<IgnorePattern>,
    /// First letters that must agree in a fuzzy comparison.
    pub fuzzy_prefix: usize,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self { fuzzy: BTreeMap::new(), ignore: Vec::new(), fuzzy_prefix: FUZZY_PREFIX }
    }
}

impl SearchConfig {
    /// Whether a property is fuzzy for any of these types.
    pub fn is_fuzzy(&self, types: &[String], property: &str) -> bool {
        types.iter().any(|t| self.fuzzy.get(t).is_some_and(|all| all.contains(property)))
    }

    /// A value without what is to be ignored.
    pub fn cleaned(&self, types: &[String], property: &str, value: &str) -> String {
        let mut value = value.to_owned();
        for pattern in &self.ignore {
            if pattern.property == property && types.contains(&pattern.case_type) && !pattern.text.is_empty()
            {
                value = value.replace(&pattern.text, "");
            }
        }
        value
    }
}
