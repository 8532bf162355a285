//! Location types and locations, one by one and by workbook.

use super::custom_data::FieldRules;
use super::import::{ImportCounts, ImportError, ImportHow, Problems, check_headers};
use super::{Act, AdminError, tree};
use crate::nouns::{Location, LocationType, Locations, kind};
use crate::workbook::{self, Page, Row, Sheet, yes};
use crate::{Appliance, DocumentFact};
use bolster_auth::{EditLocations, Permit, User, ViewLocations, kind as people};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A location to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NewLocation {
    /// Site code.
    pub site_code: String,
    /// As people see it; the site code if empty.
    pub name: String,
    /// Code or name of the type.
    pub type_code: String,
    /// Site code of the location that it lies in.
    pub parent: Option<String>,
    /// Id elsewhere.
    pub external_id: String,
    /// Degrees, as text.
    pub latitude: String,
    /// Degrees, as text.
    pub longitude: String,
    /// Custom fields.
    pub data: BTreeMap<String, String>,
}

const TYPES_SHEET: &str = "types";
const TYPE_HEADERS: [&str; 10] = [
    "code",
    "name",
    "parent_code",
    "Delete(Y/N)",
    "Shares Cases Y/N",
    "View Child Cases (Y/N)",
    "expand_from",
    "expand_from_root (Y/N)",
    "expand_to",
    "include_only",
];
const LOCATION_HEADERS: [&str; 8] = [
    "location_id",
    "site_code",
    "name",
    "parent_site_code",
    "external_id",
    "latitude",
    "longitude",
    "Delete(Y/N)",
];

/// A tree as it is, and as it is to be.
struct Change {
    types: Vec<LocationType>,
    locations: Vec<Location>,
}

impl Change {
    fn of(now: &Locations) -> Self {
        Self { types: now.types().to_vec(), locations: now.all().to_vec() }
    }

    fn check(&self) -> Result<(), AdminError> {
        let problems = tree::problems(&self.types, &self.locations);
        if problems.is_empty() { Ok(()) } else { Err(AdminError::NotPossible(problems.join("; "))) }
    }
}

impl Appliance {
    /// Makes a location type, or changes the one of this code.
    pub fn put_location_type(
        &self,
        permit: &Permit<EditLocations>,
        new: &LocationType,
    ) -> Result<LocationType, AdminError> {
        let _turn = self.admin_turn();
        let now = self.nouns(permit.project().id)?;
        let mut change = Change::of(&now.locations);
        change.types.retain(|t| t.code != new.code);
        change.types.push(new.clone());
        change.check()?;
        self.apply(permit, &now.locations, &change)?;
        Ok(new.clone())
    }

    /// Makes a location.
    pub fn create_location(
        &self,
        permit: &Permit<EditLocations>,
        new: &NewLocation,
    ) -> Result<Location, AdminError> {
        let _turn = self.admin_turn();
        let now = self.nouns(permit.project().id)?;
        let places = &now.locations;
        if places.by_site_code(&new.site_code).is_some() {
            return Err(AdminError::Exists { what: "location", name: new.site_code.clone() });
        }
        let kind = places.types().iter().find(|t| t.code == new.type_code || t.name == new.type_code);
        let missing = |what, name: &str| AdminError::Missing { what, name: name.to_owned() };
        let kind = kind.ok_or_else(|| missing("location type", &new.type_code))?;
        let parent = match &new.parent {
            Some(code) => Some(places.find(code).ok_or_else(|| missing("location", code))?.id.clone()),
            None => None,
        };
        let location = Location {
            id: self.random_id(),
            site_code: new.site_code.clone(),
            name: if new.name.is_empty() { new.site_code.clone() } else { new.name.clone() },
            type_code: kind.code.clone(),
            parent,
            external_id: new.external_id.clone(),
            latitude: new.latitude.clone(),
            longitude: new.longitude.clone(),
            data: new.data.clone(),
            archived: false,
        };
        FieldRules::new(&permit.project().location_fields)?.check_location(&location.data)?;
        let mut change = Change::of(places);
        change.locations.push(location.clone());
        change.check()?;
        self.apply(permit, places, &change)?;
        Ok(location)
    }

    /// Takes a location, and all below it, out of use, or back into it (then alone). Users there lose the
    /// assignment; cases stay.
    pub fn archive_location(
        &self,
        permit: &Permit<EditLocations>,
        code: &str,
        archived: bool,
    ) -> Result<usize, AdminError> {
        let _turn = self.admin_turn();
        let now = self.nouns(permit.project().id)?;
        let location = found(&now.locations, code)?;
        let touched =
            if archived { below(&now.locations, location) } else { HashSet::from([location.id.as_str()]) };
        let mut change = Change::of(&now.locations);
        let mut count = 0;
        for place in change.locations.iter_mut().filter(|l| touched.contains(l.id.as_str())) {
            count += usize::from(place.archived != archived);
            place.archived = archived;
        }
        change.check()?;
        self.apply(permit, &now.locations, &change)?;
        Ok(count)
    }

    /// Removes a location and all below it.
    pub fn delete_location(&self, permit: &Permit<EditLocations>, code: &str) -> Result<usize, AdminError> {
        let _turn = self.admin_turn();
        let now = self.nouns(permit.project().id)?;
        let gone = below(&now.locations, found(&now.locations, code)?);
        let mut change = Change::of(&now.locations);
        change.locations.retain(|l| !gone.contains(l.id.as_str()));
        self.apply(permit, &now.locations, &change)?;
        Ok(gone.len())
    }

    /// Takes in a workbook of types and locations: all of it or nothing.
    pub fn import_locations(
        &self,
        permit: &Permit<EditLocations>,
        file: Vec<u8>,
        how: ImportHow,
    ) -> Result<ImportCounts, ImportError> {
        let sheets = workbook::read(file)?;
        let _turn = self.admin_turn();
        let now = self.nouns(permit.project().id)?;
        let mut problems = Problems::default();
        let change = self.read_tree(&now.locations, &sheets, &mut problems);
        problems.end()?;
        let mut problems = Problems::default();
        let rules = FieldRules::new(&permit.project().location_fields)?;
        // What was taken once stays as it is until it is changed.
        let touched = |l: &&Location| now.locations.get(&l.id).is_none_or(|before| before.data != l.data);
        for location in change.locations.iter().filter(|l| !l.archived).filter(touched) {
            if let Err(problem) = rules.check_location(&location.data) {
                problems.add(format!("location {}: {problem}", location.site_code));
            }
        }
        tree::problems(&change.types, &change.locations).into_iter().for_each(|p| problems.add(p));
        problems.end()?;
        let counts = counted(&now.locations, &change);
        if !how.check {
            self.apply(permit, &now.locations, &change)?;
        }
        Ok(counts)
    }

    fn read_tree(&self, now: &Locations, sheets: &[Sheet], problems: &mut Problems) -> Change {
        let mut change = Change::of(now);
        let named = |name: &str| sheets.iter().find(|s| s.name == name);
        let mut deleted_types = HashSet::new();
        let type_headers: Vec<String> = TYPE_HEADERS.iter().map(|h| workbook::header(h)).collect();
        match named(TYPES_SHEET) {
            Some(sheet) => {
                check_headers(sheet, problems, |h| {
                    type_headers.iter().any(|known| known.eq_ignore_ascii_case(h))
                });
                for row in &sheet.rows {
                    let (read, delete) = read_type(sheet, row, problems);
                    if delete {
                        deleted_types.insert(read.code.clone());
                    }
                    let known = change.types.iter().position(|t| t.code == read.code);
                    match (known, delete) {
                        (Some(at), true) => drop(change.types.remove(at)),
                        (None, true) => {
                            problems.at(sheet, row, format!("there is no type {} to delete", read.code))
                        }
                        (Some(at), false) => change.types[at] = read,
                        (None, false) => change.types.push(read),
                    }
                }
            }
            None => problems
                .add(format!("the workbook needs a sheet named {TYPES_SHEET:?}, with the location types")),
        }
        let is_place_sheet = |s: &&Sheet| s.name != TYPES_SHEET;
        for sheet in sheets.iter().filter(is_place_sheet) {
            let known = change.types.iter().any(|t| t.code == sheet.name);
            if !known && !deleted_types.contains(&sheet.name) {
                problems.add(format!("sheet {}: there is no location type of this code", sheet.name));
            }
        }
        self.read_places(now, sheets, &mut change, problems);
        change
    }

    fn read_places(&self, now: &Locations, sheets: &[Sheet], change: &mut Change, problems: &mut Problems) {
        let headers: Vec<String> = LOCATION_HEADERS.iter().map(|h| workbook::header(h)).collect();
        let mut seen: HashSet<String> = HashSet::new();
        // Site codes of parents are looked up when all locations are known.
        let mut parents: Vec<(String, String, &Sheet, &Row)> = Vec::new();
        let mut at: HashMap<String, usize> =
            change.locations.iter().enumerate().map(|(n, l)| (l.id.clone(), n)).collect();
        let mut gone: HashSet<String> = HashSet::new();
        for sheet in sheets.iter().filter(|s| s.name != TYPES_SHEET) {
            check_headers(sheet, problems, |h| {
                headers.iter().any(|known| known.eq_ignore_ascii_case(h)) || h.starts_with("data: ")
            });
            let fields = sheet.prefixed("data");
            for row in &sheet.rows {
                let text = |name: &str| sheet.text(row, name).to_owned();
                let (id, code) = (text("location_id"), text("site_code"));
                let known = if id.is_empty() { now.by_site_code(&code) } else { now.get(&id) };
                if known.is_none() && !id.is_empty() {
                    problems.at(
                        sheet,
                        row,
                        format!("there is no location with the id {id}; leave it empty for a new one"),
                    );
                    continue;
                }
                if id.is_empty() && code.is_empty() {
                    problems.at(sheet, row, "it needs a site_code (or the location_id of one that exists)");
                    continue;
                }
                let id = known.map_or_else(|| self.random_id(), |l| l.id.clone());
                let shown = if code.is_empty() { known.map_or("", |l| &l.site_code) } else { &code };
                if !seen.insert(shown.to_owned()) {
                    problems.at(sheet, row, format!("{shown} is in the workbook twice"));
                    continue;
                }
                let Some(delete) = yes(sheet.text(row, "delete")) else {
                    problems.at(sheet, row, "Delete(Y/N) is Y or N");
                    continue;
                };
                if delete {
                    match known {
                        Some(known) => gone.extend(below(now, known).into_iter().map(str::to_owned)),
                        None => problems.at(sheet, row, format!("there is no location {code} to delete")),
                    }
                    continue;
                }
                let mut location = known.cloned().unwrap_or_default();
                location.id = id.clone();
                if !code.is_empty() {
                    location.site_code = code;
                }
                for (header, part) in [
                    ("name", &mut location.name),
                    ("external_id", &mut location.external_id),
                    ("latitude", &mut location.latitude),
                    ("longitude", &mut location.longitude),
                ] {
                    if sheet.column(header).is_some() {
                        *part = text(header);
                    }
                }
                location.type_code.clone_from(&sheet.name);
                for (field, column) in &fields {
                    match row.at(*column) {
                        "" => drop(location.data.remove(*field)),
                        value => drop(location.data.insert((*field).to_owned(), value.to_owned())),
                    }
                }
                if sheet.column("parent_site_code").is_some() {
                    parents.push((id.clone(), text("parent_site_code"), sheet, row));
                }
                match at.get(&id) {
                    Some(number) => change.locations[*number] = location,
                    None => {
                        at.insert(id, change.locations.len());
                        change.locations.push(location);
                    }
                }
            }
        }
        let ids: HashMap<String, String> =
            change.locations.iter().map(|l| (l.site_code.clone(), l.id.clone())).collect();
        for (id, parent, sheet, row) in parents {
            let found = ids.get(&parent);
            if found.is_none() && !parent.is_empty() {
                problems.at(sheet, row, format!("there is no location {parent} for it to lie in"));
            }
            if let Some(number) = at.get(&id) {
                change.locations[*number].parent = found.cloned();
            }
        }
        change.locations.retain(|l| !gone.contains(&l.id));
    }

    /// A workbook of all types and locations, as the import takes it.
    pub fn export_locations(&self, permit: &Permit<ViewLocations>) -> Result<Vec<u8>, ImportError> {
        let now = self.nouns(permit.project().id)?;
        let places = &now.locations;
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let yn = |yes: bool| if yes { "Y" } else { "N" }.to_owned();
        let or_none = |code: &Option<String>| code.clone().unwrap_or_default();
        let rows = places.types().iter().map(|t| {
            vec![
                t.code.clone(),
                t.name.clone(),
                or_none(&t.parent),
                "N".to_owned(),
                yn(t.shares_cases),
                yn(t.view_descendants),
                or_none(&t.expand_from),
                yn(t.expand_from_root),
                or_none(&t.expand_to),
                t.include_only.join(" "),
            ]
        });
        let mut pages: Vec<Page> = vec![(TYPES_SHEET.to_owned(), texts(&TYPE_HEADERS), rows.collect())];
        for kind in places.types() {
            let mine: Vec<&Location> =
                places.all().iter().filter(|l| l.type_code == kind.code && !l.archived).collect();
            let mut fields: Vec<&str> = mine.iter().flat_map(|l| l.data.keys()).map(String::as_str).collect();
            fields.extend(permit.project().location_fields.iter().map(|f| f.slug.as_str()));
            fields.sort_unstable();
            fields.dedup();
            let mut headers = texts(&LOCATION_HEADERS);
            headers.extend(fields.iter().map(|f| format!("data: {f}")));
            let row = |l: &&Location| {
                let parent = l.parent.as_deref().and_then(|id| places.get(id));
                let mut row = vec![
                    l.id.clone(),
                    l.site_code.clone(),
                    l.name.clone(),
                    parent.map(|p| p.site_code.clone()).unwrap_or_default(),
                    l.external_id.clone(),
                    l.latitude.clone(),
                    l.longitude.clone(),
                    "N".to_owned(),
                ];
                row.extend(fields.iter().map(|f| l.data.get(*f).cloned().unwrap_or_default()));
                row
            };
            pages.push((kind.code.clone(), headers, mine.iter().map(row).collect()));
        }
        Ok(workbook::write(&pages)?)
    }

    /// Commits the difference between the tree as it is and as it is to be, with the users who lose a place.
    fn apply(
        &self,
        permit: &Permit<EditLocations>,
        now: &Locations,
        change: &Change,
    ) -> Result<(), AdminError> {
        let (project, actor) = (permit.project().id, permit.actor().username());
        let mut facts: Vec<DocumentFact> = Vec::new();
        let after: HashMap<&str, &LocationType> = change.types.iter().map(|t| (t.code.as_str(), t)).collect();
        for kind_after in &change.types {
            let before = now.type_named(&kind_after.code);
            if before != Some(kind_after) {
                let action = if before.is_some() { "location type changed" } else { "location type created" };
                let act = Act { kind: kind::LOCATION_TYPE, id: &kind_after.code, action, actor };
                facts.push(self.document(project, &act, before, kind_after, false));
            }
        }
        for gone in now.types().iter().filter(|t| !after.contains_key(t.code.as_str())) {
            let act =
                Act { kind: kind::LOCATION_TYPE, id: &gone.code, action: "location type deleted", actor };
            facts.push(self.removal(project, &act));
        }
        let after: HashMap<&str, &Location> = change.locations.iter().map(|l| (l.id.as_str(), l)).collect();
        for location in &change.locations {
            let before = now.get(&location.id);
            if before != Some(location) {
                let action = match before {
                    None => "location created",
                    Some(before) if !before.archived && location.archived => "location archived",
                    Some(before) if before.archived && !location.archived => "location restored",
                    Some(_) => "location changed",
                };
                let act = Act { kind: kind::LOCATION, id: &location.id, action, actor };
                facts.push(self.document(project, &act, before, location, false));
            }
        }
        for gone in now.all().iter().filter(|l| !after.contains_key(l.id.as_str())) {
            let act = Act { kind: kind::LOCATION, id: &gone.id, action: "location deleted", actor };
            facts.push(self.removal(project, &act));
        }
        let in_use = |id: &String| after.get(id.as_str()).is_some_and(|l| !l.archived);
        for member in self.auth().members(project) {
            let user: &Arc<User> = &member.user;
            if let Some(membership) = &member.membership
                && !membership.locations.iter().all(in_use)
            {
                let mut moved = (**membership).clone();
                moved.locations.retain(in_use);
                let act =
                    Act { kind: people::MEMBERSHIP, id: &user.id, action: "location taken away", actor };
                facts.push(self.document(project, &act, Some(&**membership), &moved, false));
            } else if !user.is_web() && !user.locations.iter().all(in_use) {
                let mut moved = (**user).clone();
                moved.locations.retain(in_use);
                let act = Act { kind: people::USER, id: &user.id, action: "location taken away", actor };
                facts.push(self.document(project, &act, Some(&**user), &moved, false));
            }
        }
        if facts.is_empty() { Ok(()) } else { Ok(self.commit_documents(facts)?) }
    }
}

fn found<'l>(places: &'l Locations, code: &str) -> Result<&'l Location, AdminError> {
    places.find(code).ok_or_else(|| AdminError::Missing { what: "location", name: code.to_owned() })
}

/// Ids of a location and of all below it.
fn below<'l>(places: &'l Locations, location: &'l Location) -> HashSet<&'l str> {
    let mut found = HashSet::new();
    let mut next = vec![location];
    while let Some(location) = next.pop() {
        if found.insert(location.id.as_str()) {
            next.extend(places.children(&location.id));
        }
    }
    found
}

fn counted(now: &Locations, change: &Change) -> ImportCounts {
    let mut counts = ImportCounts::default();
    for location in &change.locations {
        match now.get(&location.id) {
            None => counts.created += 1,
            Some(before) if before == location => counts.unchanged += 1,
            Some(_) => counts.updated += 1,
        }
    }
    counts.deleted = now.all().len() + counts.created - change.locations.len();
    counts
}

fn read_type(sheet: &Sheet, row: &Row, problems: &mut Problems) -> (LocationType, bool) {
    let text = |name: &str| sheet.text(row, name);
    let or_none = |name: &str| Some(text(name).to_owned()).filter(|code| !code.is_empty());
    let mut switch = |name: &str| {
        yes(text(name)).unwrap_or_else(|| {
            problems.at(sheet, row, format!("{name} is Y or N"));
            false
        })
    };
    let code = text("code").to_owned();
    let read = LocationType {
        name: or_none("name").unwrap_or_else(|| code.clone()),
        parent: or_none("parent_code"),
        shares_cases: switch("shares cases"),
        view_descendants: switch("view child cases"),
        expand_from: or_none("expand_from"),
        expand_from_root: switch("expand_from_root"),
        expand_to: or_none("expand_to"),
        include_without_expanding: None,
        include_only: text("include_only").split_whitespace().map(str::to_owned).collect(),
        code,
    };
    (read, switch("delete"))
}
