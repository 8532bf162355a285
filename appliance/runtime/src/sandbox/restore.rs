//! Reading a restore payload, or the blocks of a form.

use std::sync::Arc;

use bolster_xpath::{Host, IndexedTree};
use roxmltree::Node;

use super::blocks::Changes;
use super::{Fixture, Sandbox};
use crate::error::{Code, Error};
use crate::parse::tree::tree;
use crate::parse::xml::{self, attribute, elements, name, text_of};
use crate::world::{Source, UserRecord};

impl Sandbox {
    /// Applies a payload or a form. An error leaves the sandbox in between: apply to a clone.
    ///
    /// Bounds: time and memory grow with the payload.
    /// Errors: [`Code::Data`] with the element that cannot be used.
    pub fn apply(&mut self, text: &str, host: &dyn Host) -> Result<Changes, Error> {
        let mut mended = String::new();
        let document = xml::document(text, &mut mended).map_err(|e| Error::new(Code::Data, e.message))?;
        let mut changes = Changes::default();
        let mut schemas: Vec<(String, Vec<String>)> = Vec::new();
        let mut pending = vec![document.root_element()];
        while let Some(node) = pending.pop() {
            match name(node) {
                "case" => self.case_block(node, host, &mut changes)?,
                "balance" | "transfer" => self.ledger_block(node)?,
                "Registration" => self.registration(node),
                "Sync" if xml::child(node, "restore_id").is_some() => {
                    self.token = xml::child(node, "restore_id").map(|id| xml::trim(&text_of(id)).to_owned());
                }
                "schema" => {
                    if let Some(id) = attribute(node, "id") {
                        let keys = node.descendants().filter(|n| n.is_element() && name(*n) == "index");
                        schemas
                            .push((id.to_owned(), keys.map(|n| xml::trim(&text_of(n)).to_owned()).collect()));
                    }
                }
                "fixture" => self.fixture_block(node, &schemas),
                _ => {
                    let children: Vec<Node<'_, '_>> = elements(node).collect();
                    pending.extend(children.into_iter().rev());
                }
            }
        }
        Ok(changes)
    }

    fn registration(&mut self, node: Node<'_, '_>) {
        let text = |key: &str| xml::child(node, key).map(|child| xml::trim(&text_of(child)).to_owned());
        let mut user = UserRecord {
            username: text("username").unwrap_or_default(),
            user_id: text("uuid").unwrap_or_default(),
            properties: match self.user.take() {
                Some(known) if Some(&known.user_id) == text("uuid").as_ref() => known.properties,
                _ => Vec::new(),
            },
        };
        for data in xml::child(node, "user_data").into_iter().flat_map(elements) {
            let Some(key) = attribute(data, "key") else { continue };
            let value = text_of(data);
            match user.properties.iter_mut().find(|(known, _)| known == key) {
                Some(known) => known.1 = value,
                None => user.properties.push((key.to_owned(), value)),
            }
        }
        self.user = Some(user);
    }

    fn fixture_block(&mut self, node: Node<'_, '_>, schemas: &[(String, Vec<String>)]) {
        let id = attribute(node, "id").unwrap_or_default();
        let owner = attribute(node, "user_id").unwrap_or_default();
        let Some(root) = elements(node).next() else { return };
        let data = tree(root, &self.names);
        let schema = schemas.iter().find(|(known, _)| known == id);
        let root: Source = match schema {
            Some((_, keys)) if attribute(node, "indexed") == Some("true") => {
                Arc::new(IndexedTree::new(data, keys.iter().map(String::as_str)))
            }
            _ => Arc::new(data),
        };
        let fixture = Fixture { id: id.to_owned(), owner: owner.to_owned(), root };
        match self.fixtures.iter_mut().find(|known| known.id == fixture.id && known.owner == fixture.owner) {
            Some(known) => *known = fixture,
            None => self.fixtures.push(fixture),
        }
    }
}
