//! A user's cases as columns: interned texts, hash lookups, reverse edges.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::OnceLock;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::context::{Host, NoHost};
use crate::names::{Name, Names};
use crate::source::{DataSource, Key, NodeId, NodeList, NodeValue};
use crate::value::text_to_number;

/// One case, as it is put into a [`CaseSnapshot`].
#[derive(Clone, Debug, Default)]
pub struct CaseRecord {
    /// `@case_id`.
    pub case_id: String,
    /// `@case_type`.
    pub case_type: String,
    /// `@owner_id`; may be empty.
    pub owner_id: String,
    /// `@status`: closed or open.
    pub closed: bool,
    /// `case_name`.
    pub case_name: String,
    /// `date_opened`, an instant in milliseconds.
    pub date_opened: Option<i64>,
    /// `last_modified`, an instant in milliseconds.
    pub last_modified: Option<i64>,
    /// `@external_id`, if there is one.
    pub external_id: Option<String>,
    /// `@category`, if there is one.
    pub category: Option<String>,
    /// `@state`, if there is one.
    pub state: Option<String>,
    /// All other properties.
    pub properties: Vec<(String, String)>,
    /// Index name, target id, target type, relationship.
    pub indices: Vec<(String, String, String, String)>,
    /// Attachment name and source.
    pub attachments: Vec<(String, String)>,
}

const ATTRIBUTES: [&str; 7] =
    ["case_id", "case_type", "status", "owner_id", "external_id", "category", "state"];
const ABSENT: u32 = 0;

#[derive(Clone, Copy)]
struct Edge {
    name: Name,
    target: u32,
    case_type: u32,
    relationship: u32,
}

/// Cases after which the number of texts is guessed.
const SAMPLE: usize = 256;

/// Distinct texts by number; number 0 is "absent".
struct Texts {
    texts: Vec<Box<str>>,
    numbers: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
}

impl Default for Texts {
    fn default() -> Self {
        let texts = vec![Box::default()];
        Texts { texts, numbers: HashTable::new(), hasher: foldhash::fast::RandomState::default() }
    }
}

impl Texts {
    fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    fn get(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.numbers.find(hash, |number| self.text(*number) == text).copied()
    }

    fn intern(&mut self, text: &str) -> u32 {
        let Texts { texts, numbers, hasher } = self;
        let same = |number: &u32| &*texts[*number as usize] == text;
        let rehash = |number: &u32| hasher.hash_one(&*texts[*number as usize]);
        match numbers.entry(hasher.hash_one(text), same, rehash) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                let number = texts.len() as u32;
                place.insert(number);
                texts.push(text.into());
                number
            }
        }
    }

    fn reserve(&mut self, more: usize) {
        let Texts { texts, numbers, hasher } = self;
        numbers.reserve(more, |number| hasher.hash_one(&*texts[*number as usize]));
        texts.reserve(more);
    }
}

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
type Rows = Map<u32, Vec<u32>>;

/// The column of a property that no case has.
const NO_COLUMN: u32 = u32::MAX;

/// The not-a-number that stands for a text whose number depends on the zone: a calendar day.
const ASK: u64 = 0x7ff8_0000_0000_0001;

/// All cases a user may see, in storage order. Immutable; build a new one when they change.
///
/// Bounds: 4 bytes per case and property besides the distinct texts, 16 per index; 8 more per case for a property that
/// was compared as a number.
pub struct CaseSnapshot {
    names: Names,
    texts: Texts,
    rows: usize,
    attributes: [Vec<u32>; 7],
    attribute_names: [Name; 7],
    columns: Vec<Vec<u32>>,
    /// The columns as numbers, made when they are first compared so.
    numbers: Vec<OnceLock<Box<[f64]>>>,
    column_of: Map<Name, u32>,
    column_names: Vec<Name>,
    dates: [Vec<Option<i64>>; 2],
    edges: Vec<Edge>,
    edges_from: Vec<u32>,
    attachments: Vec<(u32, Name, u32)>,
    index: [OnceLock<Rows>; 7],
    edge_index: OnceLock<Map<(Name, u32), Vec<u32>>>,
    n_casedb: Name,
    n_case: Name,
    n_index: Name,
    n_attachment: Name,
    n_case_type: Name,
    n_relationship: Name,
    n_dates: [Name; 2],
}

const ROOT: u64 = 0;
const CASE: u64 = 1;
const ATTRIBUTE: u64 = 2;
const PROPERTY: u64 = 3;
const DATE: u64 = 4;
const INDEX: u64 = 5;
const EDGE: u64 = 6;
const EDGE_ATTRIBUTE: u64 = 7;
const ATTACHMENT: u64 = 8;
const FILE: u64 = 9;

fn id(kind: u64, row: usize, sub: usize) -> NodeId {
    NodeId(kind << 56 | (row as u64) << 24 | (sub as u64 & 0xff_ffff))
}

fn parts(node: NodeId) -> (u64, usize, usize) {
    (node.0 >> 56, (node.0 >> 24 & 0xffff_ffff) as usize, (node.0 & 0xff_ffff) as usize)
}

impl CaseSnapshot {
    /// Builds a snapshot. Cases keep the order they come in.
    pub fn new(names: &Names, cases: impl IntoIterator<Item = CaseRecord>) -> Self {
        Self::of(names, 0, cases.into_iter().map(Cow::Owned))
    }

    /// Builds a snapshot of cases that are held elsewhere, about as many as `expected`.
    pub fn of<'c>(names: &Names, expected: usize, cases: impl Iterator<Item = Cow<'c, CaseRecord>>) -> Self {
        let name = |text: &str| names.intern(text);
        let mut snapshot = CaseSnapshot {
            names: names.clone(),
            texts: Texts::default(),
            rows: 0,
            attributes: Default::default(),
            attribute_names: ATTRIBUTES.map(name),
            columns: Vec::new(),
            numbers: Vec::new(),
            column_of: Map::default(),
            column_names: Vec::new(),
            dates: Default::default(),
            edges: Vec::new(),
            edges_from: vec![0],
            attachments: Vec::new(),
            index: Default::default(),
            edge_index: OnceLock::new(),
            n_casedb: name("casedb"),
            n_case: name("case"),
            n_index: name("index"),
            n_attachment: name("attachment"),
            n_case_type: name("case_type"),
            n_relationship: name("relationship"),
            n_dates: ["date_opened", "last_modified"].map(name),
        };
        let mut order = Vec::new();
        for case in cases {
            snapshot.push(&case, &mut order);
            if snapshot.rows == SAMPLE && expected > SAMPLE {
                // The rest will be about like these.
                snapshot.texts.reserve(snapshot.texts.texts.len() * (expected / SAMPLE));
            }
        }
        let rows = snapshot.rows;
        for column in &mut snapshot.columns {
            column.resize(rows, ABSENT);
            column.shrink_to_fit();
        }
        snapshot.numbers.resize_with(snapshot.columns.len(), OnceLock::new);
        snapshot
    }

    /// How many cases there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn push(&mut self, case: &CaseRecord, order: &mut Vec<(String, u32)>) {
        let row = self.rows;
        self.rows += 1;
        let status = if case.closed { "closed" } else { "open" };
        let own = [Some(&*case.case_id), Some(&case.case_type), Some(status), Some(&case.owner_id)];
        let optional = [case.external_id.as_deref(), case.category.as_deref(), case.state.as_deref()];
        for (at, value) in own.into_iter().chain(optional).enumerate() {
            let value = value.map_or(ABSENT, |text| self.texts.intern(text));
            self.attributes[at].push(value);
        }
        self.dates[0].push(case.date_opened);
        self.dates[1].push(case.last_modified);
        let named = [("case_name", &case.case_name)];
        let others = case.properties.iter().map(|(name, value)| (&**name, value));
        for (at, (name, value)) in named.into_iter().chain(others).enumerate() {
            // Most cases have the properties of the one before, in the same order.
            let column = match order.get(at) {
                Some((known, column)) if known == name => *column,
                _ => {
                    let column = self.column(name);
                    order.truncate(at);
                    order.push((name.to_owned(), column));
                    column
                }
            };
            let value = self.texts.intern(value);
            let column = &mut self.columns[column as usize];
            column.resize(row, ABSENT);
            column.push(value);
        }
        for (name, target, case_type, relationship) in &case.indices {
            let edge = Edge {
                name: self.names.intern(name),
                target: self.texts.intern(target),
                case_type: self.texts.intern(case_type),
                relationship: self.texts.intern(relationship),
            };
            self.edges.push(edge);
        }
        self.edges_from.push(self.edges.len() as u32);
        for (name, source) in &case.attachments {
            let entry = (row as u32, self.names.intern(name), self.texts.intern(source));
            self.attachments.push(entry);
        }
    }

    /// The column of a property.
    fn column(&mut self, name: &str) -> u32 {
        let name = self.names.intern(name);
        if let Some(&column) = self.column_of.get(&name) {
            return column;
        }
        let column = self.columns.len() as u32;
        self.columns.push(Vec::new());
        self.column_names.push(name);
        self.column_of.insert(name, column);
        column
    }

    fn numbers_of(&self, column: u32) -> &[f64] {
        self.numbers[column as usize].get_or_init(|| {
            let number = |&text: &u32| {
                let text = self.texts.text(text);
                let n = text_to_number(text, &NoHost);
                let day = !n.is_nan() && text.trim_start_matches(|c: char| c <= ' ').find('-') > Some(0);
                if day { f64::from_bits(ASK) } else { n }
            };
            self.columns[column as usize].iter().map(number).collect()
        })
    }

    fn edges_of(&self, row: usize) -> std::ops::Range<usize> {
        self.edges_from[row] as usize..self.edges_from[row + 1] as usize
    }

    fn files_of(&self, row: usize) -> std::ops::Range<usize> {
        let start = self.attachments.partition_point(|a| (a.0 as usize) < row);
        let end = self.attachments.partition_point(|a| a.0 as usize <= row);
        start..end
    }

    fn rows_with(&self, attribute: usize) -> &Rows {
        self.index[attribute].get_or_init(|| {
            let mut rows = Rows::default();
            for (row, &value) in self.attributes[attribute].iter().enumerate() {
                rows.entry(value).or_default().push(row as u32);
            }
            rows
        })
    }

    fn rows_by_edge(&self) -> &Map<(Name, u32), Vec<u32>> {
        self.edge_index.get_or_init(|| {
            let mut rows: Map<_, Vec<u32>> = Map::default();
            for row in 0..self.rows {
                for edge in &self.edges[self.edges_of(row)] {
                    rows.entry((edge.name, edge.target)).or_default().push(row as u32);
                }
            }
            rows
        })
    }
}

impl DataSource for CaseSnapshot {
    fn names(&self) -> &Names {
        &self.names
    }

    fn root(&self) -> NodeId {
        NodeId(0)
    }

    fn parent(&self, node: NodeId) -> Option<NodeId> {
        let (kind, row, sub) = parts(node);
        match kind {
            ROOT => None,
            CASE => Some(NodeId(0)),
            EDGE => Some(id(INDEX, row, 0)),
            EDGE_ATTRIBUTE => Some(id(EDGE, row, sub / 2)),
            FILE => Some(id(ATTACHMENT, row, 0)),
            _ => Some(id(CASE, row, 0)),
        }
    }

    fn name(&self, node: NodeId) -> Name {
        let (kind, row, sub) = parts(node);
        match kind {
            ROOT => self.n_casedb,
            CASE => self.n_case,
            ATTRIBUTE => self.attribute_names[sub],
            PROPERTY => self.column_names[sub],
            DATE => self.n_dates[sub],
            INDEX => self.n_index,
            EDGE => self.edges[self.edges_of(row).start + sub].name,
            EDGE_ATTRIBUTE if sub % 2 == 0 => self.n_case_type,
            EDGE_ATTRIBUTE => self.n_relationship,
            ATTACHMENT => self.n_attachment,
            _ => self.attachments[self.files_of(row).start + sub].1,
        }
    }

    fn is_attribute(&self, node: NodeId) -> bool {
        matches!(parts(node).0, ATTRIBUTE | EDGE_ATTRIBUTE)
    }

    fn position(&self, node: NodeId) -> usize {
        match parts(node) {
            (CASE, row, _) => row,
            _ => 0,
        }
    }

    fn children(&self, node: NodeId, name: Name, out: &mut NodeList) {
        let (kind, row, _) = parts(node);
        match kind {
            ROOT if name == self.n_case => out.extend((0..self.rows).map(|row| id(CASE, row, 0))),
            CASE if name == self.n_index => {
                out.extend((!self.edges_of(row).is_empty()).then(|| id(INDEX, row, 0)));
            }
            CASE if name == self.n_attachment => out.push(id(ATTACHMENT, row, 0)),
            CASE => {
                if let Some(at) = self.n_dates.iter().position(|n| *n == name) {
                    out.push(id(DATE, row, at));
                } else if let Some(&column) = self.column_of.get(&name)
                    && self.columns[column as usize][row] != ABSENT
                {
                    out.push(id(PROPERTY, row, column as usize));
                }
            }
            INDEX => {
                let edges = &self.edges[self.edges_of(row)];
                let found = edges.iter().enumerate().filter(|(_, e)| e.name == name);
                out.extend(found.map(|(at, _)| id(EDGE, row, at)));
            }
            ATTACHMENT => {
                let files = &self.attachments[self.files_of(row)];
                let found = files.iter().enumerate().filter(|(_, f)| f.1 == name);
                out.extend(found.map(|(at, _)| id(FILE, row, at)));
            }
            _ => {}
        }
    }

    fn only_child(&self, node: NodeId, name: Name) -> Option<NodeId> {
        if let (CASE, row, _) = parts(node)
            && let Some(&column) = self.column_of.get(&name)
            && self.text_column(NodeId(0), self.n_case, name).is_some()
        {
            let held = self.columns[column as usize][row] != ABSENT;
            return held.then(|| id(PROPERTY, row, column as usize));
        }
        let mut found = NodeList::new();
        self.children(node, name, &mut found);
        match found[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    fn all_children(&self, node: NodeId, out: &mut NodeList) {
        let (kind, row, _) = parts(node);
        match kind {
            ROOT => self.children(node, self.n_case, out),
            CASE => {
                if let Some(&column) =
                    self.column_names.iter().position(|n| &*self.names.text(*n) == "case_name").as_ref()
                {
                    out.push(id(PROPERTY, row, column));
                }
                out.extend((0..2).map(|at| id(DATE, row, at)));
                for (at, column) in self.columns.iter().enumerate() {
                    let node = id(PROPERTY, row, at);
                    if column[row] != ABSENT && !out.contains(&node) {
                        out.push(node);
                    }
                }
                self.children(node, self.n_index, out);
                self.children(node, self.n_attachment, out);
            }
            INDEX => out.extend((0..self.edges_of(row).len()).map(|at| id(EDGE, row, at))),
            ATTACHMENT => out.extend((0..self.files_of(row).len()).map(|at| id(FILE, row, at))),
            _ => {}
        }
    }

    fn child_at(&self, node: NodeId, name: Name, position: usize) -> Option<NodeId> {
        if parts(node).0 == ROOT {
            return (name == self.n_case && position < self.rows).then(|| id(CASE, position, 0));
        }
        let mut found = NodeList::new();
        self.children(node, name, &mut found);
        found.get(position).copied()
    }

    fn attribute(&self, node: NodeId, name: Name) -> Option<NodeId> {
        let (kind, row, sub) = parts(node);
        match kind {
            CASE => {
                let at = self.attribute_names.iter().position(|n| *n == name)?;
                (self.attributes[at][row] != ABSENT).then(|| id(ATTRIBUTE, row, at))
            }
            EDGE if name == self.n_case_type => Some(id(EDGE_ATTRIBUTE, row, sub * 2)),
            EDGE if name == self.n_relationship => Some(id(EDGE_ATTRIBUTE, row, sub * 2 + 1)),
            _ => None,
        }
    }

    fn all_attributes(&self, node: NodeId, out: &mut NodeList) {
        let (kind, row, sub) = parts(node);
        match kind {
            CASE => {
                let own = (0..self.attribute_names.len()).filter(|at| self.attributes[*at][row] != ABSENT);
                out.extend(own.map(|at| id(ATTRIBUTE, row, at)));
            }
            EDGE => out.extend((0..2).map(|at| id(EDGE_ATTRIBUTE, row, sub * 2 + at))),
            _ => {}
        }
    }

    fn value(&self, node: NodeId) -> NodeValue<'_> {
        let (kind, row, sub) = parts(node);
        let text = match kind {
            ATTRIBUTE => self.attributes[sub][row],
            PROPERTY => self.columns[sub][row],
            DATE => return self.dates[sub][row].map_or(NodeValue::Empty, NodeValue::Date),
            EDGE => self.edges[self.edges_of(row).start + sub].target,
            EDGE_ATTRIBUTE => {
                let edge = &self.edges[self.edges_of(row).start + sub / 2];
                if sub % 2 == 0 { edge.case_type } else { edge.relationship }
            }
            FILE => self.attachments[self.files_of(row).start + sub].2,
            _ => return NodeValue::Empty,
        };
        NodeValue::Text(self.texts.text(text))
    }

    fn has_path(&self, steps: &[(Option<Name>, bool)]) -> bool {
        let is = |step: &(Option<Name>, bool), name: Name| !step.1 && step.0.is_none_or(|n| n == name);
        match steps {
            [] => true,
            [root] => !root.1,
            [_, case] => is(case, self.n_case),
            [_, case, rest @ ..] if is(case, self.n_case) => match rest {
                [(name, true)] => name.is_some_and(|n| self.attribute_names.contains(&n)),
                [_] => true,
                [group, (_, false)] => is(group, self.n_index) || is(group, self.n_attachment),
                [group, (_, false), (Some(name), true)] => {
                    is(group, self.n_index) && (*name == self.n_case_type || *name == self.n_relationship)
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn checks_root(&self) -> bool {
        false
    }

    fn index_column(&self, node: NodeId, name: Name, key: Key<'_>) -> Option<u32> {
        if parts(node).0 != ROOT || name != self.n_case {
            return None;
        }
        match key {
            Key::Attribute(text) => ATTRIBUTES.iter().position(|a| *a == text).map(|at| at as u32),
            Key::Index(text) => {
                // A name that no case uses still is a key: it matches nothing.
                Some(16 + self.names.get(text).map_or(u32::MAX - 16, |name| name.0))
            }
            Key::Child(_) => None,
        }
    }

    fn lookup(&self, _node: NodeId, column: u32, text: &str, out: &mut NodeList) {
        let known = self.texts.get(text);
        let found: &[u32] = match (column.checked_sub(16), known) {
            (None, known) => {
                let rows = self.rows_with(column as usize);
                let of = |value: Option<u32>| value.and_then(|v| rows.get(&v)).map_or(&[][..], |r| r);
                if text.is_empty() {
                    let mut all = [of(Some(ABSENT)), of(known)].concat();
                    all.sort_unstable();
                    out.extend(all.iter().map(|&row| id(CASE, row as usize, 0)));
                    return;
                }
                of(known)
            }
            (Some(name), Some(target)) if !text.is_empty() => {
                self.rows_by_edge().get(&(Name(name), target)).map_or(&[][..], |r| r)
            }
            _ => &[],
        };
        out.extend(found.iter().map(|&row| id(CASE, row as usize, 0)));
    }

    fn column_is(&self, candidate: NodeId, column: u32, text: &str) -> bool {
        let (_, row, _) = parts(candidate);
        match column.checked_sub(16) {
            None => self.texts.text(self.attributes[column as usize][row]) == text,
            Some(name) => {
                !text.is_empty()
                    && self.edges[self.edges_of(row)]
                        .iter()
                        .any(|e| e.name.0 == name && self.texts.text(e.target) == text)
            }
        }
    }

    fn text_column(&self, node: NodeId, candidates: Name, name: Name) -> Option<u32> {
        let grouped = name == self.n_index || name == self.n_attachment || self.n_dates.contains(&name);
        if parts(node).0 != ROOT || candidates != self.n_case || grouped {
            return None;
        }
        Some(self.column_of.get(&name).copied().unwrap_or(NO_COLUMN))
    }

    fn retain_numbers(&self, column: u32, host: &dyn Host, test: &dyn Fn(f64) -> bool, found: &mut NodeList) {
        if column == NO_COLUMN {
            return found.retain(|_| test(f64::NAN));
        }
        let numbers = self.numbers_of(column);
        found.retain(|node| {
            let row = parts(*node).1;
            let number = numbers[row];
            if number.to_bits() == ASK {
                let text = self.texts.text(self.columns[column as usize][row]);
                return test(text_to_number(text, host));
            }
            test(number)
        });
    }

    fn retain_texts(&self, column: u32, text: &str, same: bool, found: &mut NodeList) {
        if column == NO_COLUMN {
            return found.retain(|_| text.is_empty() == same);
        }
        let known = self.texts.get(text);
        let column = &self.columns[column as usize];
        found.retain(|node| {
            let held = column[parts(*node).1];
            (Some(held) == known || (text.is_empty() && held == ABSENT)) == same
        });
    }
}
