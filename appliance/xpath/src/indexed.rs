//! A lookup table that declares indexed columns: those compare as exact texts, as storage does.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::names::{Name, Names};
use crate::source::{DataSource, Key, NodeId, NodeList, NodeValue};
use crate::tree::Tree;

/// A read-only tree whose rows (children of the outermost element) have indexed columns.
pub struct IndexedTree {
    tree: Tree,
    /// Column name and whether it is an attribute.
    keys: Vec<(Name, bool)>,
    rows: Vec<OnceLock<HashMap<String, Vec<NodeId>>>>,
}

impl IndexedTree {
    /// Wraps `tree`; `keys` are written `@id` or `name`.
    pub fn new<'k>(tree: Tree, keys: impl IntoIterator<Item = &'k str>) -> Self {
        let names = tree.names().clone();
        let keys: Vec<_> = keys
            .into_iter()
            .map(|key| match key.strip_prefix('@') {
                Some(name) => (names.intern(name), true),
                None => (names.intern(key), false),
            })
            .collect();
        let rows = keys.iter().map(|_| OnceLock::new()).collect();
        IndexedTree { tree, keys, rows }
    }

    fn cell(&self, row: NodeId, column: u32) -> &str {
        let (name, attribute) = self.keys[column as usize];
        let node = match attribute {
            true => self.tree.attribute(row, name),
            false => self.tree.child_at(row, name, 0),
        };
        match node.map(|node| self.tree.value(node)) {
            Some(NodeValue::Text(text)) => text,
            _ => "",
        }
    }
}

impl DataSource for IndexedTree {
    fn names(&self) -> &Names {
        self.tree.names()
    }

    fn root(&self) -> NodeId {
        self.tree.root()
    }

    fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.tree.parent(node)
    }

    fn name(&self, node: NodeId) -> Name {
        self.tree.name(node)
    }

    fn is_attribute(&self, node: NodeId) -> bool {
        self.tree.is_attribute(node)
    }

    fn position(&self, node: NodeId) -> usize {
        self.tree.position(node)
    }

    fn children(&self, node: NodeId, name: Name, out: &mut NodeList) {
        self.tree.children(node, name, out);
    }

    fn all_children(&self, node: NodeId, out: &mut NodeList) {
        // Storage answers by name only; its rows have no wildcard.
        if node != self.tree.root() {
            self.tree.all_children(node, out);
        }
    }

    fn only_child(&self, node: NodeId, name: Name) -> Option<NodeId> {
        self.tree.only_child(node, name)
    }

    fn passed(&self, node: NodeId, name: Name) -> u64 {
        self.tree.passed(node, name)
    }

    fn child_at(&self, node: NodeId, name: Name, position: usize) -> Option<NodeId> {
        self.tree.child_at(node, name, position)
    }

    fn attribute(&self, node: NodeId, name: Name) -> Option<NodeId> {
        self.tree.attribute(node, name)
    }

    fn all_attributes(&self, node: NodeId, out: &mut NodeList) {
        self.tree.all_attributes(node, out);
    }

    fn value(&self, node: NodeId) -> NodeValue<'_> {
        self.tree.value(node)
    }

    fn has_path(&self, steps: &[(Option<Name>, bool)]) -> bool {
        steps.get(1).is_none_or(|step| step.0.is_some()) && self.tree.has_path(steps)
    }

    fn infers_numbers(&self) -> bool {
        false
    }

    fn index_column(&self, node: NodeId, _name: Name, key: Key<'_>) -> Option<u32> {
        if node != self.tree.root() {
            return None;
        }
        let (text, attribute) = match key {
            Key::Attribute(text) => (text, true),
            Key::Child(text) => (text, false),
            Key::Index(_) => return None,
        };
        let name = self.tree.names().get(text)?;
        self.keys.iter().position(|key| *key == (name, attribute)).map(|at| at as u32)
    }

    fn lookup(&self, _node: NodeId, column: u32, text: &str, out: &mut NodeList) {
        let rows = self.rows[column as usize].get_or_init(|| {
            let mut rows: HashMap<String, Vec<NodeId>> = HashMap::new();
            for row in self.tree.child_nodes(self.tree.root()) {
                rows.entry(self.cell(row, column).to_owned()).or_default().push(row);
            }
            rows
        });
        out.extend(rows.get(text).into_iter().flatten().copied());
    }

    fn column_is(&self, candidate: NodeId, column: u32, text: &str) -> bool {
        self.cell(candidate, column) == text
    }
}
