//! The rows of a list: filtered, sorted, grouped, paged. Only what is looked at is computed.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::sync::Arc;

use bolster_xpath::{DataSource, NodeId, NodeRef, Value};

use super::search::{fuzzy_distance, normalize};
use crate::detail::{Detail, Field, SortType, Template};
use crate::env::{Cx, Env};
use crate::error::{Code, Error};
use crate::graph::GraphData;

/// What a cell shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A chart.
    Graph(Box<GraphData>),
    /// Nothing.
    None,
}

impl Cell {
    /// The text; charts have none.
    pub fn text(&self) -> &str {
        match self {
            Cell::Text(text) => text,
            _ => "",
        }
    }
}

/// A row as it is shown.
#[derive(Clone, Debug)]
pub struct Row {
    /// The node.
    pub node: NodeId,
    /// A cell per field.
    pub cells: Vec<Cell>,
    /// What is read out instead, per field.
    pub alt: Vec<Option<String>>,
    /// The key of its group.
    pub group: Option<String>,
}

/// What the client wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListOptions<'o> {
    /// Words that must be there.
    pub search: Option<&'o str>,
    /// Whether typing errors are forgiven.
    pub fuzzy: bool,
    /// The number of the column rows are ordered by, from 1; negative for the other way round; 0 for the list's own.
    pub sort: i64,
    /// The first row (or group) wanted.
    pub offset: i64,
    /// Rows (or groups) of a page; nothing for all.
    pub size: Option<usize>,
}

/// Some rows of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In order.
    pub rows: Vec<Row>,
    /// How many pages there are; 0 if everything fits one.
    pub pages: usize,
    /// The number of the page, from 0.
    pub current: i64,
}

/// A row while the list is made.
struct Candidate {
    node: NodeId,
    variables: OnceCell<Vec<(Box<str>, Value<'static>)>>,
    cells: Vec<OnceCell<Cell>>,
    sorts: Vec<OnceCell<Option<String>>>,
    /// What text is compared by.
    folded: Vec<OnceCell<Vec<u16>>>,
}

struct Maker<'m> {
    detail: &'m Detail,
    env: &'m Env<'m>,
    instance: Option<&'m str>,
    source: &'m dyn DataSource,
}

impl Maker<'_> {
    fn place(&self, node: NodeId) -> NodeRef<'_> {
        NodeRef { instance: self.instance, source: self.source, node }
    }

    fn variables<'c>(&self, row: &'c Candidate) -> Result<&'c [(Box<str>, Value<'static>)], Error> {
        if let Some(known) = row.variables.get() {
            return Ok(known);
        }
        let computed = variables(self.detail, self.env, Some(self.place(row.node)))?;
        Ok(row.variables.get_or_init(|| computed))
    }

    fn cell<'c>(&self, row: &'c Candidate, at: usize) -> Result<&'c Cell, Error> {
        if let Some(known) = row.cells[at].get() {
            return Ok(known);
        }
        let cell = self.variables(row).and_then(|variables| {
            cell(&self.detail.fields[at], self.env, Some(self.place(row.node)), variables)
        });
        let cell = match cell {
            Err(error) if self.detail.lazy && matches!(error.code, Code::Expression(_)) => {
                Cell::Text(format!("<invalid xpath: {}>", error.message))
            }
            cell => cell?,
        };
        Ok(row.cells[at].get_or_init(|| cell))
    }

    /// The text rows are compared by; nothing if the field has no text of its own for that.
    fn sort<'c>(&self, row: &'c Candidate, at: usize) -> Result<Option<&'c str>, Error> {
        if let Some(known) = row.sorts[at].get() {
            return Ok(known.as_deref());
        }
        let field = &self.detail.fields[at];
        let text = match &field.sort.text {
            None => None,
            Some(text) => {
                let computed = self
                    .variables(row)
                    .and_then(|own| text.evaluate(self.env, Some(self.place(row.node)), own));
                Some(match computed {
                    Err(error) if self.detail.lazy && matches!(error.code, Code::Expression(_)) => {
                        format!("<invalid xpath: {}>", error.message)
                    }
                    Ok(text) if self.detail.lazy => normalize(&text),
                    computed => computed?,
                })
            }
        };
        Ok(row.sorts[at].get_or_init(|| text).as_deref())
    }

    fn key<'c>(&self, row: &'c Candidate, at: usize) -> Result<&'c str, Error> {
        match self.sort(row, at)? {
            Some(text) => Ok(text),
            None => Ok(self.cell(row, at)?.text()),
        }
    }

    /// The score of a row that has all terms; nothing if it lacks one.
    fn score(&self, row: &Candidate, terms: &[String], fuzzy: bool) -> Result<Option<usize>, Error> {
        let mut score = 0;
        'terms: for term in terms {
            for at in 0..self.detail.fields.len() {
                let found = match self.detail.lazy {
                    true => has(&self.sort(row, at)?.unwrap_or_default().to_lowercase(), term),
                    false => has_normalized(self.cell(row, at)?.text(), term),
                };
                if found {
                    continue 'terms;
                }
                if fuzzy && let Some(sort) = self.sort(row, at)? {
                    let sort = normalize(sort);
                    if let Some(distance) =
                        sort.split_whitespace().find_map(|word| fuzzy_distance(term, word))
                    {
                        score += distance;
                        continue 'terms;
                    }
                }
            }
            return Ok(None);
        }
        Ok(Some(score))
    }

    /// The text of a row in the form that is compared, made once.
    fn folded<'c>(&self, row: &'c Candidate, at: usize) -> Result<&'c [u16], Error> {
        if let Some(known) = row.folded[at].get() {
            return Ok(known);
        }
        let folded = self.key(row, at)?.to_lowercase().encode_utf16().collect();
        Ok(row.folded[at].get_or_init(|| folded))
    }

    fn compare(
        &self,
        a: &Candidate,
        b: &Candidate,
        keys: &[usize],
        reverse: bool,
    ) -> Result<Ordering, Error> {
        for &at in keys {
            let field = &self.detail.fields[at];
            let (left, right) = (self.key(a, at)?, self.key(b, at)?);
            let order = match (left.is_empty(), right.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) if field.blanks_last => Ordering::Greater,
                (true, false) => Ordering::Less,
                (false, true) if field.blanks_last => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => {
                    let order = match field.sort.kind {
                        SortType::Text => self.folded(a, at)?.cmp(self.folded(b, at)?),
                        kind => compare_typed(kind, left, right, self.env),
                    };
                    if field.sort.descending != reverse { order.reverse() } else { order }
                }
            };
            if order != Ordering::Equal {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
    }
}

/// Whether a text without accents and in lower case has a term.
fn has_normalized(text: &str, term: &str) -> bool {
    if !text.is_ascii() {
        return has(&normalize(text), term);
    }
    let (text, term) = (text.as_bytes(), term.as_bytes());
    match term.len() {
        0 => !text.is_empty(),
        length => text.windows(length).any(|part| part.eq_ignore_ascii_case(term)),
    }
}

/// Whether a text has a term; a text of nothing has none.
fn has(text: &str, term: &str) -> bool {
    !text.is_empty() && text.contains(term)
}

fn compare_typed(kind: SortType, a: &str, b: &str, env: &Env<'_>) -> Ordering {
    let context = env.context(None, &[]);
    let number = |text: &str| {
        let value = Value::text(text.to_owned());
        match kind {
            SortType::Int => value.to_int(&context),
            _ => value.to_number(&context),
        }
        .unwrap_or(f64::NAN)
    };
    // Numbers before what is none.
    let (a, b) = (number(a), number(b));
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(&b),
        (a, b) => a.cmp(&b),
    }
}

/// The variables of a detail at a node.
pub fn variables(
    detail: &Detail,
    env: &Env<'_>,
    node: Option<NodeRef<'_>>,
) -> Result<Vec<(Box<str>, Value<'static>)>, Error> {
    let mut out: Vec<(Box<str>, Value<'static>)> = Vec::with_capacity(detail.variables.len());
    for (name, expr) in &detail.variables {
        let value = env.value(expr, node, &out)?;
        out.push((name.clone(), value));
    }
    Ok(out)
}

/// What a field shows at a node.
pub fn cell(
    field: &Field,
    env: &Env<'_>,
    node: Option<NodeRef<'_>>,
    variables: &crate::env::Variables,
) -> Result<Cell, Error> {
    Ok(match &field.template {
        Template::Text(text) => Cell::Text(text.evaluate(env, node, variables)?),
        Template::Graph(graph) => Cell::Graph(Box::new(graph.evaluate(env, node, variables)?)),
        Template::Callout => Cell::None,
    })
}

/// The headers of a list with the mark of the order chosen, and the width of each column.
pub fn headers(detail: &Detail, env: &Env<'_>, sort: i64) -> Result<(Vec<String>, Vec<i64>), Error> {
    let keys = detail.sort_fields();
    let chosen = sort.unsigned_abs().checked_sub(1).map(|at| at as usize);
    let mut texts = Vec::with_capacity(detail.fields.len());
    let mut widths = Vec::with_capacity(detail.fields.len());
    for (at, field) in detail.fields.iter().enumerate() {
        let mut text = field.header.evaluate(env, None, &[])?;
        if keys.contains(&at) && chosen == Some(at) {
            text.push_str(if sort < 0 { " Λ " } else { " V " });
        }
        texts.push(text);
        let even = 100 / detail.fields.len() as i64;
        widths.push(field.header_width.as_deref().and_then(|width| width.parse().ok()).unwrap_or(even));
    }
    Ok((texts, widths))
}

/// The keys a list is ordered by: those of its fields, else the first field with a header.
fn keys(detail: &Detail, sort: i64, env: &Env<'_>) -> Result<(Vec<usize>, bool), Error> {
    if sort != 0 {
        let at = sort.unsigned_abs() as usize - 1;
        if at >= detail.fields.len() {
            let message = format!("There is no column {} to sort by.", sort.unsigned_abs());
            return Err(Error::new(Code::Configuration, message));
        }
        return Ok((vec![at], sort < 0));
    }
    let mut keys = detail.sort_fields();
    if keys.is_empty() {
        for (at, field) in detail.fields.iter().enumerate() {
            if !field.header.plain(env)?.is_empty() {
                keys.push(at);
                break;
            }
        }
    }
    Ok((keys, false))
}

/// The order of a list's rows, as long as nothing it was made from changes.
pub struct ListOrder {
    /// In order, those that were searched for.
    nodes: Vec<NodeId>,
    /// The key of the group of each, if the list has groups.
    groups: Vec<String>,
}

/// What a list's order depends on. Equal ones have equal orders for about a minute: expressions may ask for the time.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ListKey {
    app: (usize, i64),
    detail: String,
    session: String,
    language: String,
    search: Option<String>,
    fuzzy: bool,
    sort: i64,
    minute: i64,
}

/// Makes the rows that are wanted of some nodes.
pub fn rows(
    detail: &Detail,
    nodes: &[NodeId],
    place: Option<(Option<&str>, &dyn DataSource)>,
    env: &Env<'_>,
    options: &ListOptions<'_>,
) -> Result<Page, Error> {
    let Some((instance, source)) = place else { return Ok(Page::default()) };
    let maker = Maker { detail, env, instance, source };
    page_in(&maker, &order(&maker, nodes, options)?, options)
}

fn candidate(node: NodeId, fields: usize) -> Candidate {
    Candidate {
        node,
        variables: OnceCell::new(),
        cells: (0..fields).map(|_| OnceCell::new()).collect(),
        sorts: (0..fields).map(|_| OnceCell::new()).collect(),
        folded: (0..fields).map(|_| OnceCell::new()).collect(),
    }
}

/// Filters, sorts and groups.
fn order(maker: &Maker<'_>, nodes: &[NodeId], options: &ListOptions<'_>) -> Result<ListOrder, Error> {
    let (detail, env) = (maker.detail, maker.env);
    let mut all: Vec<Candidate> = nodes.iter().map(|&node| candidate(node, detail.fields.len())).collect();
    if let Some(search) = options.search.filter(|text| !text.is_empty()) {
        all = filter(maker, all, search, options.fuzzy)?;
    }
    let (keys, reverse) = keys(detail, options.sort, env)?;
    let mut failed = None;
    if !keys.is_empty() && all.len() > 1 {
        all.sort_by(|a, b| {
            maker.compare(a, b, &keys, reverse).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                Ordering::Equal
            })
        });
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let mut groups = Vec::new();
    if let Some(group) = &detail.group {
        groups = gather(maker, &mut all, group)?;
    }
    Ok(ListOrder { nodes: all.into_iter().map(|row| row.node).collect(), groups })
}

/// The rows of a page.
fn page_in(maker: &Maker<'_>, order: &ListOrder, options: &ListOptions<'_>) -> Result<Page, Error> {
    let (wanted, pages, current) = paginate(maker.detail, order.nodes.len(), &order.groups, options);
    let mut out = Page { rows: Vec::new(), pages, current };
    for at in wanted {
        let row = candidate(order.nodes[at], maker.detail.fields.len());
        out.rows.push(finished(maker, &row, order.groups.get(at).cloned())?);
    }
    Ok(out)
}

fn finished(maker: &Maker<'_>, row: &Candidate, group: Option<String>) -> Result<Row, Error> {
    let mut cells = Vec::with_capacity(row.cells.len());
    let mut alt = Vec::with_capacity(row.cells.len());
    for (at, field) in maker.detail.fields.iter().enumerate() {
        cells.push(maker.cell(row, at)?.clone());
        alt.push(match &field.alt_text {
            None => None,
            Some(text) => {
                let computed = maker
                    .variables(row)
                    .and_then(|own| text.evaluate(maker.env, Some(maker.place(row.node)), own));
                Some(match computed {
                    Err(error) if maker.detail.lazy && matches!(error.code, Code::Expression(_)) => {
                        format!("<invalid xpath: {}>", error.message)
                    }
                    computed => computed?,
                })
            }
        });
    }
    Ok(Row { node: row.node, cells, alt, group })
}

fn filter(
    maker: &Maker<'_>,
    all: Vec<Candidate>,
    search: &str,
    fuzzy: bool,
) -> Result<Vec<Candidate>, Error> {
    let mut terms: Vec<String> = search.split(' ').map(normalize).collect();
    while terms.last().is_some_and(String::is_empty) {
        terms.pop();
    }
    let mut found = Vec::new();
    for row in all {
        if let Some(score) = maker.score(&row, &terms, fuzzy)? {
            found.push((score, row));
        }
    }
    if fuzzy {
        found.sort_by_key(|(score, _)| *score);
    }
    Ok(found.into_iter().map(|(_, row)| row).collect())
}

/// Puts the rows of a group together, in the order in which groups first come; gives the key of each row.
fn gather(
    maker: &Maker<'_>,
    all: &mut Vec<Candidate>,
    group: &crate::detail::Group,
) -> Result<Vec<String>, Error> {
    let mut order: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    let mut keyed = Vec::with_capacity(all.len());
    for row in all.drain(..) {
        let key = maker.env.text(&group.function, Some(maker.place(row.node)), maker.variables(&row)?)?;
        let next = order.len();
        keyed.push((*order.entry(key.clone()).or_insert(next), key, row));
    }
    keyed.sort_by_key(|(at, ..)| *at);
    let mut keys = Vec::with_capacity(keyed.len());
    for (_, key, row) in keyed {
        keys.push(key);
        all.push(row);
    }
    Ok(keys)
}

/// The rows of the page that is wanted, how many pages there are, and its number.
fn paginate(
    detail: &Detail,
    count: usize,
    groups: &[String],
    options: &ListOptions<'_>,
) -> (std::ops::Range<usize>, usize, i64) {
    let Some(size) = options.size.filter(|size| count > *size && detail.fit_across <= 1 && *size > 0) else {
        return (0..count, 0, 0);
    };
    let mut pages = count.div_ceil(size);
    let mut offset = usize::try_from(options.offset).unwrap_or(0);
    if offset > count {
        offset = size * (pages - 1);
    }
    let current = (offset / size) as i64;
    if detail.group.is_none() {
        return (offset..(offset + size).min(count), pages, current);
    }
    let mut starts: Vec<usize> = (0..count).filter(|at| *at == 0 || groups[*at] != groups[*at - 1]).collect();
    pages = starts.len().div_ceil(size);
    starts.push(count);
    let last = starts.len() - 1;
    let (from, to) = (offset.min(last), (offset + size).min(last));
    (starts[from]..starts[to], pages, current)
}

/// The language and data of some rows, for callers that show them.
pub fn page_of(
    detail: &Detail,
    screen: &mut super::EntityScreen,
    cx: &Cx<'_>,
    options: &ListOptions<'_>,
) -> Result<Page, Error> {
    if !screen.has_rows {
        return Ok(Page::default());
    }
    // Results of searches may change without a trace in what the order is remembered by.
    let key = (!screen.scope.has_results()).then(|| ListKey {
        app: (std::ptr::from_ref(cx.app) as usize, cx.app.profile.version),
        detail: detail.id.to_string(),
        session: screen.came_by.clone(),
        language: cx.language.to_owned(),
        search: options.search.map(str::to_owned),
        fuzzy: options.fuzzy,
        sort: options.sort,
        minute: cx.world.now_ms().div_euclid(60_000),
    });
    if let Some(order) = key.as_ref().and_then(|key| cx.world.order(key)) {
        let env = Env::new(cx, &screen.scope);
        let place = match &order.1 {
            // The instance is loaded as it was when the order was made.
            Some(id) => env.loaded(id).map(|source| (Some(id.as_str()), source)),
            None => None,
        };
        if let Some((instance, source)) = place {
            return page_in(&Maker { detail, env: &env, instance, source }, &order.0, options);
        }
    }
    let found = screen.found(cx)?;
    let env = Env::new(cx, &screen.scope);
    let Some((instance, source)) = super::entity::located(&env, &found) else { return Ok(Page::default()) };
    let maker = Maker { detail, env: &env, instance, source };
    let order = Arc::new((order(&maker, &found.nodes, options)?, found.instance.clone()));
    if let Some(key) = key {
        cx.world.keep_order(key, order.clone());
    }
    page_in(&maker, &order.0, options)
}

/// An order and the instance that its nodes are of.
pub type KeptOrder = Arc<(ListOrder, Option<String>)>;
