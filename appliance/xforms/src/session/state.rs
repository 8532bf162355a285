//! The state of the main instance, node by node.

use bolster_xpath::{DataSource, Datum, NodeId};

use super::Session;
use crate::Map;
use crate::data;
use crate::flags;
use crate::host::FormHost;

/// One node as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Its path, entries of repeats and further nodes of one name counted from 1.
    pub path: String,
    /// Its value as it is written, if it has one.
    pub value: Option<String>,
    /// Not relevant, for any reason.
    pub irrelevant: bool,
    /// An answer is required.
    pub required: bool,
    /// Read-only, for any reason.
    pub readonly: bool,
}

impl Session {
    /// All nodes without templates, those above before those below, attributes before elements.
    pub fn state(&self, host: &dyn FormHost) -> Vec<NodeState> {
        let root = NodeId(0);
        let name = self.def.names.text(self.tree.name(root));
        let mut out = Vec::with_capacity(self.tree.len());
        let mut pending = vec![(root, format!("/{name}"))];
        while let Some((node, path)) = pending.pop() {
            out.push(self.node_state(node, path.clone(), host));
            for attribute in self.tree.attributes(node) {
                let name = self.def.names.text(self.tree.name(attribute));
                out.push(self.node_state(attribute, format!("{path}/@{name}"), host));
            }
            let from = pending.len();
            let mut seen: Map<bolster_xpath::Name, usize> = Map::default();
            for child in self.tree.child_nodes(node).filter(|child| !self.tree.is_template(*child)) {
                let name = self.tree.name(child);
                let number = seen.entry(name).or_default();
                *number += 1;
                let number = *number;
                let text = self.def.names.text(name);
                let repeat = self.def.schema[self.place(child) as usize].repeat;
                let path = if repeat || number > 1 {
                    format!("{path}/{text}[{number}]")
                } else {
                    format!("{path}/{text}")
                };
                pending.push((child, path));
            }
            pending[from..].reverse();
        }
        out
    }

    fn node_state(&self, node: NodeId, path: String, host: &dyn FormHost) -> NodeState {
        let bits = self.tree.flags(node);
        let value = self.tree.datum(node);
        NodeState {
            path,
            value: (*value != Datum::Empty).then(|| data::text(value, host)),
            irrelevant: bits & flags::HIDDEN != 0,
            required: bits & flags::REQUIRED != 0,
            readonly: bits & flags::LOCKED != 0,
        }
    }
}
