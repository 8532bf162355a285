//! Lookup tables, by workbook: a sheet `types`, and a sheet of rows for each table.

use super::import::{ImportCounts, ImportError, ImportHow, Problems, check_headers};
use super::{Act, AdminError};
use crate::nouns::tables::Field;
use crate::nouns::{LookupRow, LookupTable, Nouns, Value, kind};
use crate::workbook::{self, Page, Row, Sheet, number_after, yes};
use crate::{Appliance, DocumentFact};
use bolster_auth::{EditTables, Permit, Project, ViewTables};
use std::collections::{BTreeMap, HashMap, HashSet};

const TYPES_SHEET: &str = "types";
/// Longest name of a table: a sheet of a workbook has its name.
const TAG_CHARS_MAX: usize = 31;
const NAME_CHARS_MAX: usize = 255;
const FIELDS_MAX: usize = 200;
/// Owner columns and what they name.
const OWNERS: [&str; 3] = ["user", "group", "location"];

/// What an import did, or would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TableCounts {
    /// Tables.
    pub tables: ImportCounts,
    /// Rows.
    pub rows: ImportCounts,
}

/// Text that can be the name of an XML element.
fn is_element_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && text.chars().count() <= NAME_CHARS_MAX
}

/// A field's name: blanks and slashes become `_` on phones.
fn is_field_name(text: &str) -> bool {
    is_element_name(&text.replace(['/', ' '], "_"))
}

/// Tables of a workbook.
#[derive(Default)]
struct Read {
    tables: Vec<(LookupTable, Vec<LookupRow>)>,
    deleted_tables: Vec<String>,
    deleted_rows: Vec<String>,
}

impl Appliance {
    /// Takes in a workbook of lookup tables: all of it or nothing. Tables that it does not name stay as they are.
    pub fn import_tables(
        &self,
        permit: &Permit<EditTables>,
        file: Vec<u8>,
        how: ImportHow,
    ) -> Result<TableCounts, ImportError> {
        let sheets = workbook::read(file)?;
        let _turn = self.admin_turn();
        let project = permit.project();
        let now = self.nouns(project.id)?;
        let mut problems = Problems::default();
        let read = self.read_tables(project, &now, &sheets, &mut problems);
        problems.end()?;
        let actor = permit.actor().username();
        let (counts, facts) = self.table_facts(project, actor, &now, &read, how.replace);
        if !how.check && !facts.is_empty() {
            self.commit_documents(facts)?;
        }
        Ok(counts)
    }

    fn read_tables(&self, project: &Project, now: &Nouns, sheets: &[Sheet], problems: &mut Problems) -> Read {
        let mut read = Read::default();
        let Some(types) = sheets.iter().find(|s| s.name == TYPES_SHEET) else {
            problems
                .add(format!("the workbook needs a sheet named {TYPES_SHEET:?}, with a row for each table"));
            return read;
        };
        check_headers(types, problems, is_types_header);
        if types.column("table_id").is_none() {
            problems.add(format!("sheet {TYPES_SHEET}: it needs a column table_id"));
            return read;
        }
        let owners = Owners::of(self, project, now);
        let mut taken: HashSet<String> = HashSet::new();
        for row in &types.rows {
            let tag = types.text(row, "table_id").to_owned();
            if !taken.insert(tag.clone()) {
                problems.at(types, row, format!("table {tag} is here twice"));
                continue;
            }
            match yes(types.text(row, "delete")) {
                None => problems.at(types, row, "Delete(Y/N) is Y or N"),
                Some(true) if now.tables.iter().any(|(t, _)| t.tag == tag) => read.deleted_tables.push(tag),
                Some(true) => problems.at(types, row, format!("there is no table {tag} to delete")),
                Some(false) => {
                    let Some(table) = read_table(types, row, problems) else { continue };
                    let rows = match sheets.iter().find(|s| s.name == tag) {
                        Some(sheet) => {
                            let (rows, deleted) = self.read_rows(now, &table, sheet, &owners, problems);
                            read.deleted_rows.extend(deleted);
                            rows
                        }
                        None => {
                            problems.add(format!(
                                "the workbook needs a sheet named {tag:?}, with the table's rows"
                            ));
                            Vec::new()
                        }
                    };
                    read.tables.push((table, rows));
                }
            }
        }
        for sheet in sheets.iter().filter(|s| s.name != TYPES_SHEET && !taken.contains(&s.name)) {
            problems.add(format!("sheet {}: the sheet {TYPES_SHEET} names no such table", sheet.name));
        }
        read
    }

    fn read_rows(
        &self,
        now: &Nouns,
        table: &LookupTable,
        sheet: &Sheet,
        owners: &Owners,
        problems: &mut Problems,
    ) -> (Vec<LookupRow>, Vec<String>) {
        check_headers(sheet, problems, |h| is_row_header(table, h));
        for field in &table.fields {
            if sheet.numbered(&format!("field: {}", field.name)).is_empty() {
                problems.add(format!("sheet {}: it needs a column \"field: {}\"", sheet.name, field.name));
            }
        }
        let known: HashMap<&str, &LookupRow> =
            now.tables.iter().flat_map(|(_, rows)| rows).map(|row| (row.id.as_str(), row)).collect();
        let owner_columns = OWNERS.map(|name| sheet.numbered(name));
        let mut seen: HashSet<String> = HashSet::new();
        let (mut rows, mut deleted): (Vec<LookupRow>, Vec<String>) = Default::default();
        for (number, row) in sheet.rows.iter().enumerate() {
            let id = sheet.text(row, "uid").to_owned();
            if !id.is_empty() && !seen.insert(id.clone()) {
                problems.at(sheet, row, format!("the UID {id} is here twice"));
                continue;
            }
            let before = known.get(id.as_str());
            if before.is_some_and(|row| row.table != table.tag) {
                problems.at(
                    sheet,
                    row,
                    format!("the UID {id} belongs to a row of another table; leave it empty"),
                );
                continue;
            }
            match yes(sheet.text(row, "delete")) {
                None => {
                    problems.at(sheet, row, "Delete(Y/N) is Y or N");
                    continue;
                }
                Some(true) => {
                    match before {
                        Some(_) => deleted.push(id),
                        None => problems.at(sheet, row, "a row to delete needs the UID of one that exists"),
                    }
                    continue;
                }
                Some(false) => {}
            }
            if id.len() > NAME_CHARS_MAX || id.chars().any(char::is_control) {
                problems.at(sheet, row, "this is no possible UID; leave it empty for a new row");
                continue;
            }
            let attribute =
                |name: &String| (name.clone(), sheet.text(row, &format!("property: {name}")).to_owned());
            let wanted = before.map_or(number as i64, |row| row.order);
            let mut read = LookupRow {
                id: if id.is_empty() { self.random_id() } else { id },
                table: table.tag.clone(),
                order: wanted.max(rows.last().map_or(0, |last| last.order + 1)),
                attributes: table.item_attributes.iter().map(attribute).collect(),
                fields: table.fields.iter().map(|f| (f.name.clone(), values(sheet, row, f))).collect(),
                ..LookupRow::default()
            };
            let lists = [&mut read.users, &mut read.groups, &mut read.locations];
            for ((what, columns), list) in OWNERS.iter().zip(&owner_columns).zip(lists) {
                for name in row.filled(columns) {
                    match owners.find(what, name) {
                        Some(id) => list.push(id.to_owned()),
                        None => problems.at(sheet, row, format!("there is no {what} {name}")),
                    }
                }
            }
            rows.push(read);
        }
        (rows, deleted)
    }

    fn table_facts(
        &self,
        project: &Project,
        actor: &str,
        now: &Nouns,
        read: &Read,
        replace: bool,
    ) -> (TableCounts, Vec<DocumentFact>) {
        let mut counts = TableCounts::default();
        let mut facts = Vec::new();
        let act = |kind, id, action| Act { kind, id, action, actor };
        let mut gone: HashSet<&str> = read.deleted_rows.iter().map(String::as_str).collect();
        for (table, rows) in &read.tables {
            let before = now.tables.iter().find(|(t, _)| t.tag == table.tag);
            let action = if before.is_some() { "lookup table changed" } else { "lookup table created" };
            match before {
                Some((known, _)) if known == table => counts.tables.unchanged += 1,
                Some(_) => counts.tables.updated += 1,
                None => counts.tables.created += 1,
            }
            if before.is_none_or(|(known, _)| known != table) {
                let act = act(kind::LOOKUP_TABLE, &table.tag, action);
                facts.push(self.document(project.id, &act, before.map(|(t, _)| t), table, false));
            }
            let known: HashMap<&str, &LookupRow> =
                before.iter().flat_map(|(_, rows)| rows).map(|row| (row.id.as_str(), row)).collect();
            for row in rows {
                let before = known.get(row.id.as_str()).copied();
                match before {
                    Some(known) if known == row => {
                        counts.rows.unchanged += 1;
                        continue;
                    }
                    Some(_) => counts.rows.updated += 1,
                    None => counts.rows.created += 1,
                }
                let action = if before.is_some() { "row changed" } else { "row created" };
                facts.push(self.document(
                    project.id,
                    &act(kind::LOOKUP_ROW, &row.id, action),
                    before,
                    row,
                    false,
                ));
            }
            if replace {
                let here: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
                gone.extend(known.keys().filter(|id| !here.contains(*id)));
            }
        }
        for tag in &read.deleted_tables {
            counts.tables.deleted += 1;
            facts.push(self.removal(project.id, &act(kind::LOOKUP_TABLE, tag, "lookup table deleted")));
            let rows = now.tables.iter().filter(|(t, _)| t.tag == *tag).flat_map(|(_, rows)| rows);
            gone.extend(rows.map(|row| row.id.as_str()));
        }
        counts.rows.deleted = gone.len();
        let mut gone: Vec<&str> = gone.into_iter().collect();
        gone.sort_unstable();
        facts.extend(
            gone.iter().map(|id| self.removal(project.id, &act(kind::LOOKUP_ROW, id, "row deleted"))),
        );
        (counts, facts)
    }

    /// A workbook of all tables, or of some, as the import takes it.
    pub fn export_tables(
        &self,
        permit: &Permit<ViewTables>,
        tags: &[String],
    ) -> Result<Vec<u8>, ImportError> {
        let project = permit.project();
        let now = self.nouns(project.id)?;
        if let Some(name) = tags.iter().find(|tag| !now.tables.iter().any(|(t, _)| t.tag == **tag)) {
            return Err(AdminError::Missing { what: "lookup table", name: name.clone() }.into());
        }
        let wanted = |t: &LookupTable| tags.is_empty() || tags.contains(&t.tag);
        let tables: Vec<&(LookupTable, Vec<LookupRow>)> =
            now.tables.iter().filter(|(t, _)| wanted(t)).collect();
        let mut pages = vec![types_page(&tables)];
        pages.extend(tables.iter().map(|(table, rows)| self.rows_page(&now, table, rows)));
        Ok(workbook::write(&pages)?)
    }

    fn rows_page(&self, now: &Nouns, table: &LookupTable, rows: &[LookupRow]) -> Page {
        let most = |count: &dyn Fn(&LookupRow) -> usize| rows.iter().map(count).max().unwrap_or(0);
        let mut headers = vec!["UID".to_owned(), "Delete(Y/N)".to_owned()];
        headers.extend(table.item_attributes.iter().map(|name| format!("property: {name}")));
        let mut times: Vec<usize> = Vec::new();
        for field in &table.fields {
            let name = &field.name;
            let count = most(&|row| row.fields.get(name).map_or(0, Vec::len)).max(1);
            times.push(count);
            if field.properties.is_empty() && count == 1 {
                headers.push(format!("field: {name}"));
                continue;
            }
            for number in 1..=count {
                headers.push(format!("field: {name} {number}"));
                headers.extend(field.properties.iter().map(|p| format!("{name}: {p} {number}")));
            }
        }
        let lists: [fn(&LookupRow) -> &Vec<String>; 3] = [|r| &r.users, |r| &r.groups, |r| &r.locations];
        let owner_counts = lists.map(|list| most(&|row| list(row).len()));
        for (what, count) in OWNERS.iter().zip(owner_counts) {
            headers.extend((1..=count).map(|number| format!("{what} {number}")));
        }
        let cells = |row: &LookupRow| {
            let mut cells = vec![row.id.clone(), "N".to_owned()];
            cells.extend(
                table.item_attributes.iter().map(|a| row.attributes.get(a).cloned().unwrap_or_default()),
            );
            for (field, times) in table.fields.iter().zip(&times) {
                let values = row.fields.get(&field.name);
                for number in 0..*times {
                    let value = values.and_then(|v| v.get(number));
                    cells.push(value.map(|v| v.value.clone()).unwrap_or_default());
                    let of =
                        |p: &String| value.and_then(|v| v.properties.get(p)).cloned().unwrap_or_default();
                    cells.extend(field.properties.iter().map(of));
                }
            }
            let names: [&dyn Fn(&str) -> String; 3] = [
                &|id| self.auth().user(id).map_or_else(|| id.to_owned(), |u| u.username.clone()),
                &|id| {
                    now.groups.iter().find(|g| g.id == id).map_or_else(|| id.to_owned(), |g| g.name.clone())
                },
                &|id| now.locations.get(id).map_or_else(|| id.to_owned(), |l| l.site_code.clone()),
            ];
            for ((list, count), name) in lists.iter().zip(owner_counts).zip(names) {
                let ids = list(row);
                cells.extend((0..count).map(|n| ids.get(n).map(|id| name(id)).unwrap_or_default()));
            }
            cells
        };
        (table.tag.clone(), headers, rows.iter().map(cells).collect())
    }
}

fn types_page(tables: &[&(LookupTable, Vec<LookupRow>)]) -> Page {
    let fields = tables.iter().map(|(t, _)| t.fields.len()).max().unwrap_or(0);
    let properties = |number: usize| {
        let of = |t: &LookupTable| t.fields.get(number).map_or(0, |f| f.properties.len());
        tables.iter().map(|(t, _)| of(t)).max().unwrap_or(0)
    };
    let attributes = tables.iter().map(|(t, _)| t.item_attributes.len()).max().unwrap_or(0);
    let mut headers = vec!["Delete(Y/N)".to_owned(), "table_id".into(), "is_global?".into()];
    for number in 0..fields {
        headers.push(format!("field {}", number + 1));
        headers.push(format!("field {}: is_indexed?", number + 1));
        headers.extend((1..=properties(number)).map(|p| format!("field {} : property {p}", number + 1)));
    }
    headers.extend((1..=attributes).map(|number| format!("property {number}")));
    let yn = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let row = |(table, _): &&(LookupTable, Vec<LookupRow>)| {
        let mut row = vec!["N".to_owned(), table.tag.clone(), yn(table.is_global)];
        for number in 0..fields {
            let field = table.fields.get(number);
            row.push(field.map(|f| f.name.clone()).unwrap_or_default());
            row.push(field.map(|f| yn(f.indexed)).unwrap_or_default());
            let property = |p: usize| field.and_then(|f| f.properties.get(p)).cloned().unwrap_or_default();
            row.extend((0..properties(number)).map(property));
        }
        row.extend((0..attributes).map(|n| table.item_attributes.get(n).cloned().unwrap_or_default()));
        row
    };
    (TYPES_SHEET.to_owned(), headers, tables.iter().map(row).collect())
}

fn is_types_header(header: &str) -> bool {
    let plain = ["delete", "table_id", "is_global", "uid"];
    plain.iter().any(|known| known.eq_ignore_ascii_case(header))
        || number_after(header, "field").is_some()
        || number_after(header, "property").is_some()
        || header.split_once(": ").is_some_and(|(field, rest)| {
            number_after(field, "field").is_some()
                && (rest.eq_ignore_ascii_case("is_indexed") || number_after(rest, "property").is_some())
        })
}

fn is_row_header(table: &LookupTable, header: &str) -> bool {
    let of_field = |field: &Field| {
        number_after(header, &format!("field: {}", field.name)).is_some()
            || field
                .properties
                .iter()
                .any(|property| number_after(header, &format!("{}: {property}", field.name)).is_some())
    };
    ["uid", "delete"].iter().any(|known| known.eq_ignore_ascii_case(header))
        || OWNERS.iter().any(|owner| number_after(header, owner).is_some())
        || table.item_attributes.iter().any(|a| header.eq_ignore_ascii_case(&format!("property: {a}")))
        || table.fields.iter().any(of_field)
}

fn read_table(sheet: &Sheet, row: &Row, problems: &mut Problems) -> Option<LookupTable> {
    let tag = sheet.text(row, "table_id").to_owned();
    if !is_element_name(&tag) || tag.chars().count() > TAG_CHARS_MAX || tag == TYPES_SHEET {
        problems.at(
            sheet,
            row,
            format!(
                "{tag:?} cannot be a table_id: use up to {TAG_CHARS_MAX} letters, digits and the signs _ - . and \
                 begin with a letter"
            ),
        );
        return None;
    }
    let mut fields: Vec<Field> = Vec::new();
    for (number, column) in sheet.numbered("field") {
        let name = row.at(column).to_owned();
        if name.is_empty() {
            continue;
        }
        if !is_field_name(&name) {
            let problem = "use letters, digits and the signs _ - . and begin with a letter";
            problems.at(sheet, row, format!("{name:?} cannot be the name of a field: {problem}"));
        }
        if fields.iter().any(|f| f.name == name) {
            problems.at(sheet, row, format!("the field {name} is here twice"));
        }
        let indexed = yes(sheet.text(row, &format!("field {number}: is_indexed")));
        if indexed.is_none() {
            problems.at(sheet, row, format!("field {number}: is_indexed? is yes or no"));
        }
        let properties = row.filled(&sheet.numbered(&format!("field {number}: property")));
        fields.push(Field {
            name,
            properties: properties.into_iter().map(str::to_owned).collect(),
            indexed: indexed.unwrap_or(false),
        });
    }
    let item_attributes: Vec<String> =
        row.filled(&sheet.numbered("property")).into_iter().map(str::to_owned).collect();
    for name in fields.iter().flat_map(|f| &f.properties).chain(&item_attributes) {
        if !is_element_name(name) {
            problems.at(sheet, row, format!("{name:?} cannot be the name of a property"));
        }
    }
    if fields.is_empty() && item_attributes.is_empty() {
        problems.at(sheet, row, format!("table {tag} has neither fields nor properties"));
    }
    if fields.len() > FIELDS_MAX {
        problems.at(sheet, row, format!("a table has at most {FIELDS_MAX} fields"));
    }
    let is_global = yes(sheet.text(row, "is_global"));
    if is_global.is_none() {
        problems.at(sheet, row, "is_global? is yes or no");
    }
    Some(LookupTable { tag, is_global: is_global.unwrap_or(false), item_attributes, fields })
}

/// Values of a field in a row.
fn values(sheet: &Sheet, row: &Row, field: &Field) -> Vec<Value> {
    let mut values = Vec::new();
    for (number, column) in sheet.numbered(&format!("field: {}", field.name)) {
        let property = |name: &String| {
            let header = match number {
                0 => format!("{}: {name}", field.name),
                number => format!("{}: {name} {number}", field.name),
            };
            (name.clone(), sheet.text(row, &header).to_owned())
        };
        let properties: BTreeMap<String, String> = field.properties.iter().map(property).collect();
        let value = row.at(column).to_owned();
        values.push(Value { value, properties });
    }
    // Further columns are there for rows with more values; one value there always is.
    let first = values.first().cloned();
    values.retain(|v| !v.value.is_empty() || v.properties.values().any(|text| !text.is_empty()));
    if values.is_empty() {
        values.extend(first);
    }
    values
}

/// Ids of owners by what people write.
struct Owners {
    by_name: HashMap<(&'static str, String), String>,
}

impl Owners {
    fn of(app: &Appliance, project: &Project, now: &Nouns) -> Self {
        let mut by_name: HashMap<(&'static str, String), String> = HashMap::new();
        let mut names: HashMap<String, Vec<&str>> = HashMap::new();
        for location in now.locations.all() {
            names.entry(location.name.to_lowercase()).or_default().push(&location.id);
        }
        // A name serves where only one location has it; site codes come after, and win.
        for (name, ids) in names.iter().filter(|(_, ids)| ids.len() == 1) {
            by_name.insert(("location", name.clone()), ids[0].to_owned());
        }
        for location in now.locations.all() {
            by_name.insert(("location", location.site_code.to_lowercase()), location.id.clone());
        }
        for group in &now.groups {
            by_name.insert(("group", group.name.clone()), group.id.clone());
        }
        for member in app.auth().members(project.id) {
            by_name.insert(("user", member.user.username.clone()), member.user.id.clone());
            by_name.insert(("user", member.user.wire_name(&project.name)), member.user.id.clone());
        }
        Self { by_name }
    }

    fn find(&self, what: &'static str, name: &str) -> Option<&str> {
        let name = if what == "group" { name.to_owned() } else { name.to_lowercase() };
        self.by_name.get(&(what, name)).map(String::as_str)
    }
}
