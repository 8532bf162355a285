//! Fixtures: groups, locations, lookup tables, products.

use super::printer::{Printer, is_name};
use std::collections::BTreeMap;

/// Begins a fixture and answers where the user's id stands: at the end of it.
fn begin(out: &mut Printer, id: &str, user_id: &str, indexed: bool) -> usize {
    out.raw("<fixture");
    out.attribute("id", id);
    out.raw(" user_id=\"");
    out.attribute_text(user_id);
    let user_at = out.len();
    out.raw("\"");
    if indexed {
        out.attribute("indexed", "true");
    }
    out.raw(">");
    user_at
}

fn schema<'n>(out: &mut Printer, id: &str, names: impl IntoIterator<Item = &'n str>) {
    out.raw("<schema");
    out.attribute("id", id);
    out.raw("><indices>");
    names.into_iter().for_each(|name| out.element("index", name));
    out.raw("</indices></schema>");
}

/// `user-groups`: id and name of everything that shares cases with the user. The phone derives from it whose
/// cases it keeps.
pub fn groups(out: &mut Printer, user_id: &str, groups: &[(String, String)]) {
    begin(out, "user-groups", user_id, false);
    out.raw("<groups>");
    for (id, name) in groups {
        out.raw("<group");
        out.attribute("id", id);
        out.raw(">");
        out.element("name", name);
        out.raw("</group>");
    }
    out.raw("</groups></fixture>");
}

/// A location in a fixture.
#[derive(Clone, Debug, Default)]
pub struct FlatLocation<'a> {
    /// Id.
    pub id: &'a str,
    /// Code of its type.
    pub type_code: &'a str,
    /// Name of its type.
    pub type_name: &'a str,
    /// For each type of the project, in order: the location of that type at or above this one, or nothing.
    pub lineage: Vec<&'a str>,
    /// Texts in the order of the elements: name, site code, external id, latitude, longitude.
    pub texts: [&'a str; 5],
    /// Declared fields with their values.
    pub data: Vec<(&'a str, &'a str)>,
}

fn location_body(out: &mut Printer, location: &FlatLocation<'_>) {
    for (name, text) in
        ["name", "site_code", "external_id", "latitude", "longitude"].iter().zip(location.texts)
    {
        out.element(name, text);
    }
    out.element("location_type", location.type_name);
    out.raw("<supply_point_id/>");
    if location.data.is_empty() {
        return out.raw("<location_data/>");
    }
    out.raw("<location_data>");
    for (name, value) in location.data.iter().filter(|(name, _)| is_name(name)) {
        out.element(name, value);
    }
    out.raw("</location_data>");
}

/// `locations` with its schema, for no user; answers where the user's id goes. Locations are sorted by site
/// code, types are all of the project's.
pub fn flat_locations<'l>(
    out: &mut Printer,
    types: &[&str],
    locations: impl Iterator<Item = FlatLocation<'l>>,
) -> usize {
    let attributes: Vec<String> = types.iter().map(|code| format!("{code}_id")).collect();
    let mut names: Vec<String> = types.iter().map(|code| format!("@{code}_id")).collect();
    names.extend(["@id".to_owned(), "@type".to_owned()]);
    names.sort();
    names.push("name".to_owned());
    schema(out, "locations", names.iter().map(String::as_str));
    let user_at = begin(out, "locations", "", true);
    out.raw("<locations>");
    for location in locations {
        out.raw("<location");
        out.attribute("type", location.type_code);
        out.attribute("id", location.id);
        for (name, id) in attributes.iter().zip(&location.lineage) {
            out.attribute(name, id);
        }
        out.raw(">");
        location_body(out, &location);
        out.raw("</location>");
    }
    out.raw("</locations></fixture>");
    user_at
}

/// A location with those below it, by name.
#[derive(Clone, Debug, Default)]
pub struct NestedLocation<'a> {
    /// Itself.
    pub location: FlatLocation<'a>,
    /// Below it.
    pub children: Vec<NestedLocation<'a>>,
}

/// `commtrack:locations`, the older form in which locations hold each other, for no user; answers where the
/// user's id goes.
pub fn nested_locations(out: &mut Printer, roots: &[NestedLocation<'_>]) -> usize {
    let user_at = begin(out, "commtrack:locations", "", false);
    if roots.is_empty() {
        out.raw("<empty_element/>");
    }
    nested(out, roots);
    out.raw("</fixture>");
    user_at
}

fn nested(out: &mut Printer, siblings: &[NestedLocation<'_>]) {
    let mut by_type: BTreeMap<&str, Vec<&NestedLocation<'_>>> = BTreeMap::new();
    for sibling in siblings {
        by_type.entry(sibling.location.type_code).or_default().push(sibling);
    }
    for (code, members) in by_type.into_iter().filter(|(code, _)| is_name(code)) {
        out.raw(&format!("<{code}s>"));
        for member in members {
            out.raw(&format!("<{code}"));
            out.attribute("id", member.location.id);
            out.raw(">");
            location_body(out, &member.location);
            nested(out, &member.children);
            out.raw(&format!("</{code}>"));
        }
        out.raw(&format!("</{code}s>"));
    }
}

/// A field of a lookup table.
#[derive(Clone, Debug, Default)]
pub struct LookupField<'a> {
    /// Its name.
    pub name: &'a str,
    /// The phone makes an index of it.
    pub indexed: bool,
}

/// A lookup table.
#[derive(Clone, Debug, Default)]
pub struct LookupSchema<'a> {
    /// Name of its rows.
    pub tag: &'a str,
    /// Attributes that each row has.
    pub attributes: Vec<&'a str>,
    /// In order.
    pub fields: Vec<LookupField<'a>>,
}

/// An element's name for a field: what XML does not allow there becomes `_`.
fn element_name(field: &str) -> String {
    let name: String = field.chars().map(|c| if c == '/' || c.is_whitespace() { '_' } else { c }).collect();
    if is_name(&name) { name } else { "_".to_owned() }
}

/// Prints `item-list:tag` with its schema, row by row.
pub struct TablePrinter<'p, 's> {
    out: &'p mut Printer,
    schema: &'s LookupSchema<'s>,
    tag: String,
    /// Element names of the fields.
    names: Vec<String>,
    /// Where the user's id stands, at its end.
    user_at: usize,
}

impl<'p, 's> TablePrinter<'p, 's> {
    /// Begins a table.
    pub fn begin(out: &'p mut Printer, user_id: &str, table: &'s LookupSchema<'s>) -> Self {
        let id = format!("item-list:{}", table.tag);
        let mut indexed: Vec<String> =
            table.fields.iter().filter(|f| f.indexed).map(|f| element_name(f.name)).collect();
        indexed.sort();
        if !indexed.is_empty() {
            schema(out, &id, indexed.iter().map(String::as_str));
        }
        let user_at = begin(out, &id, user_id, !indexed.is_empty());
        let tag = element_name(table.tag);
        let names = table.fields.iter().map(|f| element_name(f.name)).collect();
        out.raw(&format!("<{tag}_list>"));
        Self { out, schema: table, tag, names, user_at }
    }

    /// Adds a row, given its attributes, the values of its fields, and text and properties of a value.
    pub fn row<'v, V: 'v>(
        &mut self,
        attribute: impl Fn(&str) -> &'v str,
        values: impl Fn(&str) -> &'v [V],
        parts: impl Fn(&'v V) -> (&'v String, &'v BTreeMap<String, String>),
    ) {
        self.out.raw("<");
        self.out.raw(&self.tag);
        for name in self.schema.attributes.iter().filter(|name| is_name(name)) {
            self.out.attribute(name, attribute(name));
        }
        self.out.raw(">");
        for (field, name) in self.schema.fields.iter().zip(&self.names) {
            let values = values(field.name);
            if values.is_empty() {
                self.out.element(name, "");
            }
            for (text, properties) in values.iter().map(&parts) {
                self.out.raw("<");
                self.out.raw(name);
                for (property, value) in properties.iter().filter(|(p, _)| is_name(p)) {
                    self.out.attribute(property, value);
                }
                self.out.close_tag_with(name, text);
            }
        }
        self.out.raw("</");
        self.out.raw(&self.tag);
        self.out.raw(">");
    }

    /// Ends the table and answers where the user's id stands, at its end.
    pub fn end(self) -> usize {
        self.out.raw(&format!("</{}_list></fixture>", self.tag));
        self.user_at
    }
}

/// A product.
#[derive(Clone, Debug, Default)]
pub struct Product<'a> {
    /// Id.
    pub id: &'a str,
    /// Texts in the order of the elements: name, unit, code, description, category, program_id, cost.
    pub texts: [&'a str; 7],
    /// Custom data.
    pub data: Vec<(&'a str, &'a str)>,
}

/// `commtrack:products` with its schema, for no user; answers where the user's id goes. Products are sorted by
/// code.
pub fn products(out: &mut Printer, products: &[Product<'_>]) -> usize {
    const NAMES: [&str; 7] = ["name", "unit", "code", "description", "category", "program_id", "cost"];
    schema(out, "commtrack:products", ["@id", "category", "code", "program_id"]);
    let user_at = begin(out, "commtrack:products", "", true);
    out.raw("<products>");
    for product in products {
        out.raw("<product");
        out.attribute("id", product.id);
        out.raw(">");
        NAMES.iter().zip(product.texts).for_each(|(name, text)| out.element(name, text));
        if !product.data.is_empty() {
            out.raw("<product_data>");
            let data = product.data.iter().filter(|(name, _)| is_name(name));
            data.for_each(|(name, value)| out.element(name, value));
            out.raw("</product_data>");
        }
        out.raw("</product>");
    }
    out.raw("</products></fixture>");
    user_at
}

/// `commtrack:programs`: id, name, code; for no user. Answers where the user's id goes.
pub fn programs(out: &mut Printer, programs: &[(&str, &str, &str)]) -> usize {
    let user_at = begin(out, "commtrack:programs", "", false);
    out.raw("<programs>");
    for (id, name, code) in programs {
        out.raw("<program");
        out.attribute("id", id);
        out.raw(">");
        out.element("name", name);
        out.element("code", code);
        out.raw("</program>");
    }
    out.raw("</programs></fixture>");
    user_at
}
