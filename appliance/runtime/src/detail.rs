//! Lists and details: fields, templates, tiles, sorting, grouping, actions.

use std::sync::Arc;

use bolster_xpath::Expr;

use crate::suite::Operation;
use crate::text::{Display, Text};

/// A list of nodes, one node in detail, or several tabs of such.
#[derive(Debug, Default)]
pub struct Detail {
    /// Its id; empty for a tab.
    pub id: Box<str>,
    /// Its title.
    pub title: Display,
    /// For a tab: the nodes below the chosen one that it lists.
    pub nodeset: Option<Expr>,
    /// For a tab: whether it is shown.
    pub relevant: Option<Expr>,
    /// What an empty list says.
    pub no_items: Option<Text>,
    /// What the button to choose says.
    pub select_text: Option<Text>,
    /// Computed for each node, in order.
    pub variables: Vec<(Box<str>, Expr)>,
    /// What can be done with the list.
    pub actions: Vec<Action>,
    /// What rows are gathered by, and how many rows of the grid a group shares.
    pub group: Option<Group>,
    /// Tiles in a row.
    pub fit_across: i64,
    /// Whether cells of tiles are squares.
    pub uniform_units: bool,
    /// Whether cells are computed only for the rows that are shown.
    pub lazy: bool,
    /// Tabs.
    pub tabs: Vec<Arc<Detail>>,
    /// Columns, or lines of a detail.
    pub fields: Vec<Field>,
}

/// How rows are gathered.
#[derive(Debug)]
pub struct Group {
    /// The key of a row.
    pub function: Expr,
    /// Rows of the grid that are drawn once.
    pub header_rows: i64,
}

/// Something that can be done with a list.
#[derive(Debug)]
pub struct Action {
    /// Its name.
    pub display: Display,
    /// What it does.
    pub stack: Vec<Operation>,
    /// When it is offered.
    pub relevant: Option<Expr>,
    /// When it is done at once.
    pub auto_launch: Option<Expr>,
    /// Whether it does the last search again.
    pub redo_last: bool,
}

/// What a cell shows.
#[derive(Debug)]
pub enum Template {
    /// Text.
    Text(Text),
    /// A chart.
    Graph(Box<crate::graph::Graph>),
    /// A call to another program; nothing is shown.
    Callout,
}

/// How texts compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortType {
    /// As texts in lower case.
    #[default]
    Text,
    /// As whole numbers.
    Int,
    /// As numbers.
    Double,
}

/// How rows are ordered by a field.
#[derive(Debug, Default)]
pub struct Sort {
    /// What is compared instead of what is shown.
    pub text: Option<Text>,
    /// How.
    pub kind: SortType,
    /// The other way round.
    pub descending: bool,
}

/// A place in the grid of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Column.
    pub x: i64,
    /// Row.
    pub y: i64,
    /// Columns.
    pub width: i64,
    /// Rows.
    pub height: i64,
}

impl Default for Grid {
    fn default() -> Self {
        Grid { x: -1, y: -1, width: -1, height: -1 }
    }
}

/// How a cell looks.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Where in a tile.
    pub grid: Grid,
    /// Left, center, right.
    pub horizontal: Option<Box<str>>,
    /// Top, center, bottom.
    pub vertical: Option<Box<str>>,
    /// As written.
    pub font_size: Option<Box<str>>,
    /// A name for style sheets.
    pub css_id: Option<Box<str>>,
    /// Whether it has a border.
    pub border: bool,
    /// Whether it has a background.
    pub shading: bool,
}

/// A column, or a line of a detail.
#[derive(Debug)]
pub struct Field {
    /// What stands above or beside it.
    pub header: Text,
    /// How wide the header is, as written.
    pub header_width: Option<Box<str>>,
    /// What it shows.
    pub template: Template,
    /// How wide it is, as written.
    pub template_width: Option<Box<str>>,
    /// What kind of thing it shows, as written.
    pub form: Box<str>,
    /// How it looks.
    pub style: Style,
    /// The place among the keys rows are ordered by; below 1 for none.
    pub sort_order: i64,
    /// How rows are ordered by it, if it says so.
    pub sort: Sort,
    /// Whether blank values come last.
    pub blanks_last: bool,
    /// What is read out instead of it.
    pub alt_text: Option<Text>,
    /// The endpoint behind it, and whether it is called without leaving the list.
    pub endpoint: Option<(Box<str>, bool)>,
    /// Whether it is remembered from one list to the next.
    pub cached: bool,
}

impl Field {
    /// Whether it has a place in the grid.
    pub fn is_tile(&self) -> bool {
        let Grid { x, y, width, height } = self.style.grid;
        x >= 0 && y >= 0 && width >= 0 && height > 0
    }
}

impl Detail {
    /// Whether rows are tiles.
    pub fn uses_tiles(&self) -> bool {
        self.fields.iter().any(Field::is_tile)
    }

    /// The tabs, or the detail itself if it has none.
    pub fn flattened(self: &Arc<Self>) -> Vec<&Arc<Detail>> {
        if self.tabs.is_empty() { vec![self] } else { self.tabs.iter().collect() }
    }

    /// The numbers of the fields rows are ordered by, first key first. Fields that are only indexed follow.
    pub fn sort_fields(&self) -> Vec<usize> {
        let mut keys: Vec<usize> =
            (0..self.fields.len()).filter(|at| self.fields[*at].sort_order >= 1).collect();
        keys.sort_by_key(|at| self.fields[*at].sort_order);
        keys.extend((0..self.fields.len()).filter(|at| self.fields[*at].sort_order == -2));
        keys
    }

    /// The extent of the grid: columns and rows.
    pub fn extent(&self) -> (i64, i64) {
        let extent = |start: fn(&Grid) -> i64| {
            self.fields.iter().map(|field| start(&field.style.grid)).max().unwrap_or(0).max(0)
        };
        (extent(|grid| grid.x + grid.width), extent(|grid| grid.y + grid.height))
    }
}
