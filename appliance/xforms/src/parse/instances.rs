//! Instances: the structure and data of the main one, and the further ones.

use std::sync::Arc;

use bolster_xpath::{Datum, Name, Names, NodeId, Tree, TreeFlags};
use roxmltree::Node;
use smallvec::SmallVec;

use super::Loader;
use super::document::{JAVAROSA, Run, attribute, elements, runs};
use crate::data::DataType;
use crate::definition::{Instance, InstanceSource, Schema, SchemaId};
use crate::error::Problem;

/// The place above the outermost element.
const NOWHERE: SchemaId = SchemaId::MAX;

/// The text of an element without element children, trimmed.
fn leaf_text(node: Node<'_, '_>) -> String {
    let mut out = String::new();
    for run in runs(node) {
        if let Run::Text(text) = run {
            out.push_str(&text);
        }
    }
    out.trim().to_owned()
}

/// Fills a read-only tree of texts from an element.
pub(crate) fn text_tree(root: Node<'_, '_>, names: &Names) -> Tree {
    let mut tree = Tree::new(names, names.intern(root.tag_name().name()));
    let mut pending = vec![(root, NodeId(0))];
    while let Some((node, at)) = pending.pop() {
        for attribute in node.attributes() {
            let id = tree.add_attribute(at, names.intern(attribute.name()));
            tree.set(id, Datum::text(attribute.value()));
        }
        let mut leaf = true;
        for child in elements(node) {
            leaf = false;
            let id = tree.append(at, names.intern(child.tag_name().name()));
            pending.push((child, id));
        }
        if leaf {
            tree.set(at, Datum::text(&leaf_text(node)));
        }
    }
    tree
}

impl<'d> Loader<'d> {
    pub fn instance(&mut self, node: Node<'d, 'd>) {
        let main = self.instance_nodes == 0;
        self.instance_nodes += 1;
        let mut children = elements(node);
        let child = children.next();
        if children.next().is_some() {
            self.error(Problem::Instance, node, "XForm Parse: <instance> has more than one child element");
            return;
        }
        let id = attribute(node, "id");
        if main {
            if let Some(root) = child {
                self.main_instance(root);
            }
            return;
        }
        let Some(id) = id else {
            let message = "XForm Parse: Non-main <instance> element requires an id attribute";
            self.error(Problem::Instance, node, message);
            return;
        };
        let source = match (child, attribute(node, "src")) {
            (Some(_), Some(_)) => {
                let message = format!(
                    "Instance declaration for instance {id} contains both a src and a body, only one is permitted"
                );
                self.error(Problem::Instance, node, message);
                return;
            }
            (Some(root), None) => InstanceSource::Inline(Arc::new(text_tree(root, &self.names))),
            (None, Some(source)) => InstanceSource::External(source.into()),
            (None, None) => {
                let message = format!("The instance \"{id}\" has neither content nor a src.");
                self.warning(Problem::Instance, node, message);
                InstanceSource::Inline(Arc::new(Tree::new(&self.names, self.names.intern("instance"))))
            }
        };
        match self.instances.iter_mut().find(|known| *known.id == *id) {
            Some(known) => {
                known.source = source;
                let message = format!("Two instances are called \"{id}\"; the last one is used.");
                self.warning(Problem::Instance, node, message);
            }
            None => self.instances.push(Instance { id: id.into(), source }),
        }
    }

    /// The place of a name below another; made if it is new.
    fn place(&mut self, parent: SchemaId, name: Name, attribute: bool, at: usize) -> SchemaId {
        if let Some(&known) = self.places.get(&(parent, name, attribute)) {
            return known;
        }
        let place = self.schema.len() as SchemaId;
        self.schema.push(Schema {
            name,
            parent: (parent != NOWHERE).then_some(parent),
            children: Vec::new(),
            attribute,
            namespace: None,
            data_type: DataType::Untyped,
            constraint: None,
            repeat: false,
            multiple: false,
            multiples: SmallVec::new(),
            fixed: None,
            triggers: Vec::new(),
            question: None,
        });
        if parent != NOWHERE {
            self.schema[parent as usize].children.push(place);
        }
        self.offsets.push(at);
        self.places.insert((parent, name, attribute), place);
        place
    }

    /// The place of attributes that no form declares; nothing depends on it.
    pub fn stray_place(&mut self) -> SchemaId {
        self.place(NOWHERE, self.names.intern(""), true, 0)
    }

    fn main_instance(&mut self, root: Node<'d, 'd>) {
        let namespace = root.tag_name().namespace();
        let default = self.document.root_element().lookup_namespace_uri(None);
        self.xmlns = namespace.filter(|uri| !uri.is_empty() && Some(*uri) != default).map(str::to_owned);
        // In the default namespace of the document, the form has no name and is written without one.
        self.root_namespace = self.xmlns.as_deref().map(Arc::from);
        let outer: Vec<_> = root
            .parent()
            .map(|parent| parent.namespaces().map(|n| (n.name(), n.uri())).collect())
            .unwrap_or_default();
        for declared in root.namespaces() {
            if let Some(prefix) = declared.name()
                && !outer.contains(&(Some(prefix), declared.uri()))
            {
                self.prefixes.push((prefix.into(), declared.uri().into()));
            }
        }
        let name = self.names.intern(root.tag_name().name());
        let place = self.place(NOWHERE, name, false, root.range().start);
        let mut tree = Tree::new(&self.names, name);
        let mut pending = vec![(root, NodeId(0), place)];
        let mut templates: Vec<(NodeId, Name)> = Vec::new();
        while let Some((node, at, place)) = pending.pop() {
            self.node_attributes(node, &mut tree, at, place);
            let mut leaf = true;
            templates.clear();
            for child in elements(node) {
                leaf = false;
                let name = self.names.intern(child.tag_name().name());
                let below = self.place(place, name, false, child.range().start);
                let id = tree.append(at, name);
                let own = child.tag_name().namespace().unwrap_or("");
                if own != namespace.unwrap_or("") && self.schema[below as usize].namespace.is_none() {
                    self.schema[below as usize].namespace = Some(own.into());
                }
                let marked = child.attributes().find(|a| a.name() == "template");
                if marked.is_some_and(|a| a.namespace() == Some(JAVAROSA)) {
                    tree.set_flags(id, TreeFlags::TEMPLATE, true);
                    if templates.contains(&(at, name)) {
                        let message = format!(
                            "More than one node declared as the template for the same repeated set [{}]",
                            child.tag_name().name()
                        );
                        self.error(Problem::Repeat, child, message);
                    }
                    templates.push((at, name));
                }
                pending.push((child, id, below));
            }
            if leaf {
                tree.set(at, Datum::text(&leaf_text(node)));
            }
        }
        self.tree = Some(tree);
    }

    fn node_attributes(&mut self, node: Node<'_, '_>, tree: &mut Tree, at: NodeId, place: SchemaId) {
        for attribute in node.attributes() {
            let javarosa = attribute.namespace() == Some(JAVAROSA);
            match attribute.name() {
                "template" | "recordset" if javarosa => continue,
                "modeltype" if javarosa && DataType::named(attribute.value()).is_none() => {
                    let message = format!("ModelType {} is not recognized.", attribute.value());
                    self.error(Problem::Instance, node, message);
                }
                _ => {}
            }
            let name = self.names.intern(attribute.name());
            let below = self.place(place, name, true, node.range().start);
            if let Some(uri) = attribute.namespace() {
                self.schema[below as usize].namespace = Some(uri.into());
            }
            let id = tree.add_attribute(at, name);
            tree.set(id, Datum::text(attribute.value()));
        }
    }
}
