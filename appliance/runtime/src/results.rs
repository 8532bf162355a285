//! Results of a search read as cases: every property that a case could have is a valid path.

use bolster_xpath::{DataSource, Name, Names, NodeId, NodeList, NodeValue, Tree};

/// A tree of cases.
pub struct CaseResults {
    tree: Tree,
    case: Name,
}

impl CaseResults {
    /// Wraps a tree.
    pub fn new(tree: Tree) -> Self {
        let case = tree.names().intern("case");
        CaseResults { tree, case }
    }
}

impl DataSource for CaseResults {
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
        self.tree.all_children(node, out);
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
        // Below a case: any attribute, any property, any index or attachment.
        let depth = steps.len();
        let below_case = depth >= 2 && !steps[1].1 && steps[1].0.is_none_or(|name| name == self.case);
        (below_case && depth <= 5) || self.tree.has_path(steps)
    }

    fn checks_root(&self) -> bool {
        self.tree.checks_root()
    }

    fn infers_numbers(&self) -> bool {
        self.tree.infers_numbers()
    }
}
