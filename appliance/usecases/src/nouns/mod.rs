//! Places, groups and tables of a project: administrative documents, kept in memory while they do not change.
//!
//! Invariant: what a reader gets is one consistent state, at least as new as the last change it was told of.

pub mod groups;
pub mod locations;
pub mod printed;
pub mod tables;

pub use groups::Group;
pub use locations::{Location, LocationType, Locations};
pub use tables::{LookupRow, LookupTable, Product, Program, Value};

use crate::Appliance;
use bolster_model::ProjectId;
use bolster_store::{ReadExt, StoreError};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

/// Kinds of these documents.
pub mod kind {
    /// [`super::LocationType`], id = code.
    pub const LOCATION_TYPE: &str = "location_type";
    /// [`super::Location`].
    pub const LOCATION: &str = "location";
    /// [`super::Group`].
    pub const GROUP: &str = "group";
    /// [`super::LookupTable`], id = tag.
    pub const LOOKUP_TABLE: &str = "lookup_table";
    /// [`super::LookupRow`].
    pub const LOOKUP_ROW: &str = "lookup_row";
    /// [`super::Product`].
    pub const PRODUCT: &str = "product";
    /// [`super::Program`].
    pub const PROGRAM: &str = "program";
    /// All of them.
    pub const ALL: [&str; 7] = [LOCATION_TYPE, LOCATION, GROUP, LOOKUP_TABLE, LOOKUP_ROW, PRODUCT, PROGRAM];
}

/// Everything of one project.
#[derive(Debug, Default)]
pub struct Nouns {
    /// Types and tree.
    pub locations: Locations,
    /// By name.
    pub groups: Vec<Group>,
    /// By tag, each with its rows in order.
    pub tables: Vec<(LookupTable, Vec<LookupRow>)>,
    /// By code.
    pub products: Vec<Product>,
    /// By code.
    pub programs: Vec<Program>,
    /// Fixtures made of them.
    pub(crate) printed: printed::Printed,
}

/// Most projects whose nouns are kept.
const KEPT_PROJECTS_MAX: usize = 64;

/// Nouns in memory, and how often each project's changed.
#[derive(Default)]
pub(crate) struct NounCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    projects: HashMap<ProjectId, Arc<Nouns>>,
    /// Rises with each change, so that what was read before one is not kept after it.
    changes: u64,
    /// Bytes of all printed fixtures.
    printed_bytes: Arc<AtomicUsize>,
}

impl NounCache {
    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Documents of a project changed.
    pub(crate) fn changed(&self, project: ProjectId, kind: &str) {
        if kind::ALL.contains(&kind) {
            let mut kept = self.lock();
            kept.projects.remove(&project);
            kept.changes += 1;
        }
    }
}

impl Appliance {
    /// Places, groups and tables of a project.
    pub fn nouns(&self, project: ProjectId) -> Result<Arc<Nouns>, StoreError> {
        let changes = {
            let kept = self.noun_cache().lock();
            if let Some(nouns) = kept.projects.get(&project) {
                return Ok(nouns.clone());
            }
            kept.changes
        };
        let nouns = Arc::new(self.load_nouns(project)?);
        let mut kept = self.noun_cache().lock();
        if kept.changes == changes {
            if kept.projects.len() >= KEPT_PROJECTS_MAX {
                kept.projects.clear();
            }
            kept.projects.insert(project, nouns.clone());
        }
        Ok(nouns)
    }

    fn load_nouns(&self, project: ProjectId) -> Result<Nouns, StoreError> {
        let locations =
            Locations::new(self.load(project, kind::LOCATION_TYPE)?, self.load(project, kind::LOCATION)?);
        let mut groups: Vec<Group> = self.load(project, kind::GROUP)?;
        groups.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let mut tables: Vec<(LookupTable, Vec<LookupRow>)> =
            self.load(project, kind::LOOKUP_TABLE)?.into_iter().map(|t| (t, Vec::new())).collect();
        tables.sort_by(|a: &(LookupTable, _), b| a.0.tag.cmp(&b.0.tag));
        for row in self.load::<LookupRow>(project, kind::LOOKUP_ROW)? {
            if let Ok(at) = tables.binary_search_by(|(table, _)| table.tag.cmp(&row.table)) {
                tables[at].1.push(row);
            }
        }
        tables.iter_mut().for_each(|(_, rows)| rows.sort_by(|a, b| (a.order, &a.id).cmp(&(b.order, &b.id))));
        let mut products: Vec<Product> = self.load(project, kind::PRODUCT)?;
        products.sort_by(|a, b| a.code.cmp(&b.code));
        let mut programs: Vec<Program> = self.load(project, kind::PROGRAM)?;
        programs.sort_by(|a, b| a.code.cmp(&b.code));
        let printed = printed::Printed::new(self.noun_cache().lock().printed_bytes.clone());
        Ok(Nouns { locations, groups, tables, products, programs, printed })
    }

    fn load<T: DeserializeOwned>(&self, project: ProjectId, kind: &str) -> Result<Vec<T>, StoreError> {
        let documents = self.store().view().documents(project, kind)?;
        Ok(documents
            .into_iter()
            .filter_map(|(id, json)| match serde_json::from_str(&json) {
                Ok(document) => Some(document),
                Err(error) => {
                    tracing::error!(
                        kind,
                        id,
                        error = &error as &dyn std::error::Error,
                        "a document cannot be read"
                    );
                    None
                }
            })
            .collect())
    }
}
