//! The tree of locations: whose cases a place shares, and which places a phone is told of.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A level of the tree.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LocationType {
    /// Unique in the project; part of element and attribute names on phones.
    pub code: String,
    /// As people see it.
    pub name: String,
    /// Code of the level above.
    pub parent: Option<String>,
    /// Its locations own cases.
    pub shares_cases: bool,
    /// Users there see the cases of the locations below.
    pub view_descendants: bool,
    /// The phone's walk begins at the ancestor of this type.
    pub expand_from: Option<String>,
    /// The phone's walk begins at the roots.
    pub expand_from_root: bool,
    /// The phone's walk ends at the depth of this type.
    pub expand_to: Option<String>,
    /// All locations down to the depth of this type are added.
    pub include_without_expanding: Option<String>,
    /// Only locations of these types are sent.
    pub include_only: Vec<String>,
}

/// A place.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Location {
    /// Never changes; owns cases when its type shares them.
    pub id: String,
    /// Unique in the project.
    pub site_code: String,
    /// As people see it.
    pub name: String,
    /// Code of its type.
    #[serde(rename = "type")]
    pub type_code: String,
    /// Id of the place above.
    pub parent: Option<String>,
    /// Id elsewhere.
    pub external_id: String,
    /// Degrees, as text.
    pub latitude: String,
    /// Degrees, as text.
    pub longitude: String,
    /// Custom fields.
    pub data: BTreeMap<String, String>,
    /// Out of use.
    pub archived: bool,
}

/// Deepest tree that is walked: a parent chain that is longer is a cycle made by hand.
const DEPTH_MAX: usize = 64;

/// Types and tree of a project.
#[derive(Debug, Default)]
pub struct Locations {
    types: Vec<LocationType>,
    all: Vec<Location>,
    by_id: HashMap<String, usize>,
    children: HashMap<String, Vec<usize>>,
}

impl Locations {
    pub(super) fn new(mut types: Vec<LocationType>, mut all: Vec<Location>) -> Self {
        types.sort_by(|a, b| a.code.cmp(&b.code));
        all.sort_by(|a, b| (&a.site_code, &a.id).cmp(&(&b.site_code, &b.id)));
        let by_id = all.iter().enumerate().map(|(at, l)| (l.id.clone(), at)).collect();
        let mut children: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, location) in all.iter().enumerate() {
            if let Some(parent) = &location.parent {
                children.entry(parent.clone()).or_default().push(at);
            }
        }
        Self { types, all, by_id, children }
    }

    /// Types by code.
    pub fn types(&self) -> &[LocationType] {
        &self.types
    }
    /// All locations by site code.
    pub fn all(&self) -> &[Location] {
        &self.all
    }
    /// One location.
    pub fn get(&self, id: &str) -> Option<&Location> {
        self.by_id.get(id).map(|at| &self.all[*at])
    }
    /// One location by site code.
    pub fn by_site_code(&self, code: &str) -> Option<&Location> {
        self.all.binary_search_by(|l| l.site_code.as_str().cmp(code)).ok().map(|at| &self.all[at])
    }
    /// A type.
    pub fn type_of(&self, location: &Location) -> Option<&LocationType> {
        self.type_named(&location.type_code)
    }
    /// A type by code.
    pub fn type_named(&self, code: &str) -> Option<&LocationType> {
        self.types.iter().find(|t| t.code == code)
    }
    /// Directly below, by site code.
    pub fn children(&self, id: &str) -> impl Iterator<Item = &Location> {
        self.children.get(id).into_iter().flatten().map(|at| &self.all[*at])
    }
    fn roots(&self) -> impl Iterator<Item = &Location> {
        self.all.iter().filter(|l| l.parent.as_ref().is_none_or(|p| !self.by_id.contains_key(p)))
    }

    /// Itself, then what is above it, up to the root.
    pub fn lineage<'l>(&'l self, location: &'l Location) -> impl Iterator<Item = &'l Location> {
        std::iter::successors(Some(location), |l| self.get(l.parent.as_deref()?)).take(DEPTH_MAX)
    }

    /// Levels above a type.
    fn depth_of_type(&self, code: &str) -> usize {
        let chain = std::iter::successors(self.type_named(code), |t| self.type_named(t.parent.as_deref()?));
        chain.take(DEPTH_MAX).count().saturating_sub(1)
    }

    fn depth(&self, location: &Location) -> usize {
        self.depth_of_type(&location.type_code)
    }

    /// Locations that own cases for somebody assigned to these, with the names that phones show.
    pub fn sharing(&self, assigned: &[String]) -> Vec<(String, String)> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        for location in assigned.iter().filter_map(|id| self.get(id)) {
            let Some(kind) = self.type_of(location) else { continue };
            if kind.shares_cases {
                found.insert(self.by_id[&location.id]);
            }
            if kind.view_descendants {
                let mut below: Vec<(&Location, usize)> =
                    self.children(&location.id).map(|l| (l, 1)).collect();
                while let Some((location, depth)) = below.pop() {
                    if location.archived || depth > DEPTH_MAX {
                        continue;
                    }
                    if self.type_of(location).is_some_and(|t| t.shares_cases) {
                        found.insert(self.by_id[&location.id]);
                    }
                    below.extend(self.children(&location.id).map(|l| (l, depth + 1)));
                }
            }
        }
        found
            .into_iter()
            .map(|at| {
                let location = &self.all[at];
                let mut names: Vec<&str> = self.lineage(location).map(|l| l.name.as_str()).collect();
                names.reverse();
                (location.id.clone(), format!("{}-Cases", names.join("/")))
            })
            .collect()
    }

    /// Locations that the phone of somebody assigned to these is told of, by site code.
    ///
    /// Source: docs/formats/restore.md, locations.
    pub fn for_phone(&self, assigned: &[String]) -> Vec<&Location> {
        let mut found: HashSet<&str> = HashSet::new();
        for location in assigned.iter().filter_map(|id| self.get(id)).filter(|l| !l.archived) {
            let Some(kind) = self.type_of(location) else { continue };
            let mut mine = self.expanded(location, kind);
            if let Some(code) = &kind.include_without_expanding {
                let depth = self.depth_of_type(code);
                let near = self.reachable().into_iter().filter(|l| self.depth(l) <= depth);
                mine.extend(near.map(|l| l.id.as_str()));
            }
            if !kind.include_only.is_empty() {
                let wanted =
                    |id: &&str| self.get(id).is_some_and(|l| kind.include_only.contains(&l.type_code));
                mine.retain(wanted);
            }
            found.extend(mine);
        }
        self.all.iter().filter(|l| found.contains(l.id.as_str())).collect()
    }

    /// All locations that no archived one cuts off, by site code.
    pub fn in_use(&self) -> Vec<&Location> {
        let mut all = self.reachable();
        all.sort_by(|a, b| (&a.site_code, &a.id).cmp(&(&b.site_code, &b.id)));
        all
    }

    fn reachable(&self) -> Vec<&Location> {
        let mut found = Vec::new();
        let mut next: Vec<(&Location, usize)> = self.roots().map(|l| (l, 0)).collect();
        while let Some((location, depth)) = next.pop() {
            if !location.archived && depth <= DEPTH_MAX {
                found.push(location);
                next.extend(self.children(&location.id).map(|l| (l, depth + 1)));
            }
        }
        found
    }

    /// The walk that a type asks for, with what is above its beginning.
    fn expanded<'l>(&'l self, location: &'l Location, kind: &LocationType) -> HashSet<&'l str> {
        let starts: Vec<&Location> = if kind.expand_from_root {
            self.roots().collect()
        } else {
            let from = kind.expand_from.as_ref();
            let above = from.and_then(|code| self.lineage(location).find(|l| l.type_code == *code));
            vec![above.unwrap_or(location)]
        };
        let depth_max = kind.expand_to.as_ref().map_or(DEPTH_MAX, |code| self.depth_of_type(code));
        let mut found: HashSet<&str> = HashSet::new();
        for start in &starts {
            found.extend(self.lineage(start).filter(|l| !l.archived).map(|l| l.id.as_str()));
        }
        found.extend(self.lineage(location).filter(|l| !l.archived).map(|l| l.id.as_str()));
        let mut next: Vec<(&Location, usize)> = starts.into_iter().map(|l| (l, 0)).collect();
        while let Some((location, steps)) = next.pop() {
            if location.archived || steps > DEPTH_MAX || self.depth(location) > depth_max {
                continue;
            }
            found.insert(&location.id);
            next.extend(self.children(&location.id).map(|l| (l, steps + 1)));
        }
        found
    }

    /// Site code of a location, or its id: what people type.
    pub fn find(&self, text: &str) -> Option<&Location> {
        self.by_site_code(text).or_else(|| self.get(text))
    }
}
