//! Ledgers: a whole number per case, section and entry.

use std::collections::BTreeMap;

use bolster_xpath::{DataSource, Datum, Names, NodeId, Tree, TreeFlags};
use roxmltree::Node;

use super::Sandbox;
use crate::error::{Code, Error};
use crate::parse::xml::{attribute, elements, name};

/// Case, section, entry.
type Key = (String, String, String);

/// All balances of a user.
#[derive(Clone, Default)]
pub struct Ledgers {
    balances: BTreeMap<Key, i32>,
}

impl Ledgers {
    /// The balances as a data source.
    pub fn tree(&self, names: &Names) -> Tree {
        let mut tree = Tree::new(names, names.intern("ledgerdb"));
        let add = |tree: &mut Tree, parent: NodeId, name: &str, key: &str, value: &str| {
            let node = tree.append(parent, names.intern(name));
            let id = tree.add_attribute(node, names.intern(key));
            tree.set(id, Datum::text(value));
            node
        };
        // The shape of the structure holds where there is nothing, too.
        let root = tree.root();
        let ledger = add(&mut tree, root, "ledger", "entity-id", "");
        tree.set_flags(ledger, TreeFlags::TEMPLATE, true);
        let section = add(&mut tree, ledger, "section", "section-id", "");
        tree.set_flags(section, TreeFlags::TEMPLATE, true);
        let entry = add(&mut tree, section, "entry", "id", "");
        tree.set_flags(entry, TreeFlags::TEMPLATE, true);
        let mut open: Option<(&str, NodeId, &str, NodeId)> = None;
        for ((case, part, item), value) in &self.balances {
            let (ledger, section) = match open {
                Some((c, ledger, s, section)) if c == case && s == part => (ledger, section),
                Some((c, ledger, ..)) if c == case => {
                    (ledger, add(&mut tree, ledger, "section", "section-id", part))
                }
                _ => {
                    let ledger = add(&mut tree, root, "ledger", "entity-id", case);
                    (ledger, add(&mut tree, ledger, "section", "section-id", part))
                }
            };
            open = Some((case, ledger, part, section));
            let node = add(&mut tree, section, "entry", "id", item);
            tree.set(node, Datum::Int(*value));
        }
        tree
    }

    pub(super) fn keep(&mut self, known: &dyn Fn(&str) -> bool) {
        self.balances.retain(|(case, ..), _| known(case));
    }
}

impl Sandbox {
    pub(super) fn ledger_block(&mut self, node: Node<'_, '_>) -> Result<(), Error> {
        let balance = name(node) == "balance";
        let (from, to) = match balance {
            true => (None, attribute(node, "entity-id")),
            false => (attribute(node, "src"), attribute(node, "dest")),
        };
        if from.is_none() && to.is_none() {
            return Err(Error::new(Code::Data, format!("A <{}> of no case.", name(node))));
        }
        let section = attribute(node, "section-id");
        for entry in elements(node).filter(|child| name(*child) == "entry") {
            let id = attribute(entry, "id").unwrap_or_default();
            let single = section.map(|section| (section, attribute(entry, "quantity")));
            let several = elements(entry).filter(|child| name(*child) == "value");
            let several =
                several.map(|v| (attribute(v, "section-id").unwrap_or_default(), attribute(v, "quantity")));
            let all: Vec<_> = match single {
                Some(single) => vec![single],
                None => several.collect(),
            };
            for (section, quantity) in all {
                let text = quantity.unwrap_or_default().trim();
                let quantity: i32 = text.parse().map_err(|_| {
                    Error::new(
                        Code::Data,
                        format!("The quantity {text} of entry {id} is not a whole number."),
                    )
                })?;
                let mut change = |case: &str, by: &dyn Fn(i32) -> i32| {
                    let key = (case.to_owned(), section.to_owned(), id.to_owned());
                    let value = self.ledgers.balances.entry(key).or_insert(0);
                    *value = by(*value);
                };
                if let Some(case) = from {
                    change(case, &|value| value.saturating_sub(quantity));
                }
                if let Some(case) = to {
                    change(case, &|value| if balance { quantity } else { value.saturating_add(quantity) });
                }
            }
        }
        self.ledger_snapshot = std::sync::OnceLock::new();
        Ok(())
    }
}
