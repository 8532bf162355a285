//! What an expression can be evaluated against.

use smallvec::SmallVec;

use crate::context::Host;
use crate::names::{Name, Names};

/// A node of one data source. What the number means is the source's own business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// Some nodes of one source, in order; one or two need no allocation.
pub type NodeList = SmallVec<[NodeId; 2]>;

/// The value of a node, as expressions see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NodeValue<'a> {
    /// No value; reads as the empty text.
    Empty,
    /// Text.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// An instant, in milliseconds since 1970-01-01T00:00:00Z.
    Date(i64),
}

/// Passing this many siblings on the way to a child costs one step.
pub const SIBLINGS_A_STEP: u64 = 16;

/// One indexed column of a planned lookup, relative to the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// An attribute: `@case_type`.
    Attribute(&'a str),
    /// A child element: `current_status`.
    Child(&'a str),
    /// A grandchild below `index`: `index/parent`.
    Index(&'a str),
}

/// A hierarchy of named nodes with values, read by expressions.
pub trait DataSource {
    /// The table its names are interned in.
    fn names(&self) -> &Names;

    /// The outermost element.
    fn root(&self) -> NodeId;

    /// The element or attribute owner above, or nothing for the outermost element.
    fn parent(&self, node: NodeId) -> Option<NodeId>;

    /// The local name.
    fn name(&self, node: NodeId) -> Name;

    /// Whether the node is an attribute.
    fn is_attribute(&self, node: NodeId) -> bool;

    /// Position among the siblings of the same name, from 0; templates do not count.
    fn position(&self, node: NodeId) -> usize;

    /// Appends the children called `name`, without templates, in document order.
    fn children(&self, node: NodeId, name: Name, out: &mut NodeList);

    /// Appends all element children, without templates, in document order.
    fn all_children(&self, node: NodeId, out: &mut NodeList);

    /// The `position`-th (from 0) child called `name`.
    fn child_at(&self, node: NodeId, name: Name, position: usize) -> Option<NodeId> {
        let mut found = NodeList::new();
        self.children(node, name, &mut found);
        found.get(position).copied()
    }

    /// The child called `name`, if there is exactly one.
    fn only_child(&self, node: NodeId, name: Name) -> Option<NodeId> {
        let mut found = NodeList::new();
        self.children(node, name, &mut found);
        match found[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// What finding the children called `name` costs besides what is found, in steps; nothing where there are few
    /// others, or where they are not looked at.
    fn passed(&self, _node: NodeId, _name: Name) -> u64 {
        0
    }

    /// The attribute called `name`.
    fn attribute(&self, node: NodeId, name: Name) -> Option<NodeId>;

    /// Appends all attributes of an element, in no particular order.
    fn all_attributes(&self, _node: NodeId, _out: &mut NodeList) {}

    /// The value of the node.
    fn value(&self, node: NodeId) -> NodeValue<'_>;

    /// Whether the node and everything above it is relevant.
    fn relevant(&self, _node: NodeId) -> bool {
        true
    }

    /// Whether a path exists in the structure (templates included), although nothing may be there now. Steps start
    /// at the outermost element; `None` stands for any name.
    fn has_path(&self, steps: &[(Option<Name>, bool)]) -> bool;

    /// [`DataSource::has_path`], adding to `touched` how many nodes were looked at.
    fn has_path_counted(&self, steps: &[(Option<Name>, bool)], _touched: &mut u64) -> bool {
        self.has_path(steps)
    }

    /// Whether the source holds nothing at all and was only declared.
    fn is_unloaded(&self) -> bool {
        false
    }

    /// Whether the name of the outermost element is checked; storage answers to any.
    fn checks_root(&self) -> bool {
        true
    }

    /// Whether `[@name = 'literal']` compares by inferred numbers (see docs/formats/xpath.md, attribute predicates).
    fn infers_numbers(&self) -> bool {
        false
    }

    /// The column number of `key` below `node/name`, if it is answered by an index.
    fn index_column(&self, _node: NodeId, _name: Name, _key: Key<'_>) -> Option<u32> {
        None
    }

    /// Appends the children of `node` whose `column` is exactly `text`, in document order.
    fn lookup(&self, _node: NodeId, _column: u32, _text: &str, _out: &mut NodeList) {}

    /// Whether the candidate's `column` is exactly `text`.
    fn column_is(&self, _candidate: NodeId, _column: u32, _text: &str) -> bool {
        false
    }

    /// The column that holds the text of the one child called `name` of every child `candidates` of `node`, if texts
    /// are kept so. Comparing a column gives what evaluating the path for each candidate would.
    fn text_column(&self, _node: NodeId, _candidates: Name, _name: Name) -> Option<u32> {
        None
    }

    /// Keeps the candidates whose text in `column`, as a number, passes `test`.
    fn retain_numbers(
        &self,
        _column: u32,
        _host: &dyn Host,
        _test: &dyn Fn(f64) -> bool,
        _found: &mut NodeList,
    ) {
    }

    /// Keeps the candidates whose text in `column` is `text` (or is another one, unless `same`).
    fn retain_texts(&self, _column: u32, _text: &str, _same: bool, _found: &mut NodeList) {}
}
