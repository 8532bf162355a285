//! Going on with a saved form.

use bolster_xpath::{DataSource, Datum, NodeId};
use roxmltree::{Document, Node};

use super::Session;
use crate::Map;
use crate::data;
use crate::error::{FormCode, FormError};
use crate::host::FormHost;
use crate::parse::document::{Run, elements, runs, with_document};

fn mismatch() -> FormError {
    FormError::new(FormCode::Saved, "Saved form instance does not match template form definition")
}

fn leaf_text(node: Node<'_, '_>) -> String {
    if elements(node).next().is_some() {
        return String::new();
    }
    let mut out = String::new();
    for run in runs(node) {
        if let Run::Text(text) = run {
            out.push_str(&text);
        }
    }
    out.trim().to_owned()
}

impl Session {
    /// Fills the instance from the XML of a saved form.
    pub(crate) fn resume(&mut self, saved: &str, host: &dyn FormHost) -> Result<(), FormError> {
        let limits = self.def.limits;
        with_document(saved, &limits, |document| self.resume_document(document, host))
            .unwrap_or_else(|error| Err(FormError::new(FormCode::Saved, error.message)))
    }

    fn resume_document(&mut self, document: &Document<'_>, host: &dyn FormHost) -> Result<(), FormError> {
        let def = self.def.clone();
        let root = document.root_element();
        if def.names.get(root.tag_name().name()) != Some(self.tree.name(NodeId(0))) {
            return Err(mismatch());
        }
        let mut pending = vec![(NodeId(0), root)];
        while let Some((node, incoming)) = pending.pop() {
            self.resume_attributes(node, incoming);
            let children: Vec<NodeId> = self.tree.child_nodes(node).collect();
            if children.is_empty() {
                let text = leaf_text(incoming);
                let place = self.place(node);
                let data_type = def.schema[place as usize].data_type;
                let value = data::cast(&text, data_type, host).map_err(|message| {
                    let mut error = FormError::new(FormCode::Value, message);
                    error.node = Some(def.path(place));
                    error
                })?;
                self.tree.set(node, value);
                continue;
            }
            self.resume_children(node, incoming, children, &mut pending)?;
        }
        Ok(())
    }

    fn resume_attributes(&mut self, node: NodeId, incoming: Node<'_, '_>) {
        for attribute in incoming.attributes() {
            let def = self.def.clone();
            let known = match def.names.get(attribute.name()) {
                Some(name) => name,
                None if def.names.len() < def.names_max => def.names.intern(attribute.name()),
                None => continue,
            };
            let added = self.tree.attribute(node, known).is_none();
            let id = self.tree.add_attribute(node, known);
            self.tree.set(id, Datum::text(attribute.value()));
            if added {
                self.places.resize(self.tree.capacity(), def.stray);
                self.places[id.0 as usize] = def.child(self.place(node), known, true).unwrap_or(def.stray);
            }
        }
    }

    fn resume_children<'a, 'd>(
        &mut self,
        node: NodeId,
        incoming: Node<'a, 'd>,
        children: Vec<NodeId>,
        pending: &mut Vec<(NodeId, Node<'a, 'd>)>,
    ) -> Result<(), FormError> {
        let def = self.def.clone();
        let mut by_name: Map<&str, Vec<Node<'a, 'd>>> = Map::default();
        for element in elements(incoming) {
            by_name.entry(element.tag_name().name()).or_default().push(element);
        }
        for child in children {
            let place = self.place(child);
            let own = &def.schema[place as usize];
            let name = def.names.text(own.name);
            let named = by_name.get(&*name).map_or(&[][..], |found| found);
            if !own.repeat {
                // Several nodes of one name all take the first that comes in, as in the original.
                match named.first() {
                    Some(found) => pending.push((child, *found)),
                    None => self.tree.set_relevant(child, false),
                }
                continue;
            }
            if !self.tree.is_template(child) {
                self.tree.remove(child);
                continue;
            }
            let mut last = child;
            for found in named {
                self.check_size()?;
                last = self.copy_entry(child, node, last);
                pending.push((last, *found));
            }
        }
        Ok(())
    }
}
