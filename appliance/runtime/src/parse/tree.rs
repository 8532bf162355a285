//! XML as a data source.

use bolster_xpath::{DataSource, Datum, Names, NodeId, Tree};
use roxmltree::Node;

use super::xml::{elements, text_of, trim};

/// Copies an element with everything below it.
pub fn tree(root: Node<'_, '_>, names: &Names) -> Tree {
    let mut tree = Tree::new(names, names.intern(root.tag_name().name()));
    let mut pending = vec![(root, tree.root())];
    while let Some((node, at)) = pending.pop() {
        for attribute in node.attributes() {
            let id = tree.add_attribute(at, names.intern(attribute.name()));
            tree.set(id, Datum::text(attribute.value().trim()));
        }
        let mut leaf = true;
        for child in elements(node) {
            leaf = false;
            let id = tree.append(at, names.intern(child.tag_name().name()));
            pending.push((child, id));
        }
        if leaf {
            tree.set(at, Datum::text(trim(&text_of(node))));
        }
    }
    tree
}

/// A tree of one level below the outermost element: name, attributes, text of each child.
pub fn flat<'v>(
    names: &Names,
    root: &str,
    children: impl IntoIterator<Item = (&'v str, Option<(&'v str, &'v str)>, &'v str)>,
) -> Tree {
    let mut tree = Tree::new(names, names.intern(root));
    for (name, attribute, text) in children {
        let child: NodeId = tree.append(NodeId(0), names.intern(name));
        if let Some((key, value)) = attribute {
            let id = tree.add_attribute(child, names.intern(key));
            tree.set(id, Datum::text(value));
        }
        tree.set(child, Datum::text(text));
    }
    tree
}
