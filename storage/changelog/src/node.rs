//! Who lives in a data folder: the id of the node, the ids it had before, and what tells its host from others.
//!
//! A node writes streams that nobody else may go on with. So a folder that was copied to another machine takes
//! a new id there: its log goes on, and new streams begin at 1. File `node`: lines of a name and a value.

use crate::folder::{FolderError, read_small, write_small};
use bolster_env::{Env, random};
use bolster_model::NodeId;
use std::path::Path;

/// A node, and whom it follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeIdentity {
    /// Its id: origin and author of what it writes.
    pub node: NodeId,
    /// Ids under which this log was written before, oldest first.
    pub predecessors: Vec<NodeId>,
}

impl NodeIdentity {
    /// A node without a past.
    pub fn first(node: NodeId) -> Self {
        Self { node, predecessors: Vec::new() }
    }
}

/// Marks of a host, by name.
type Marks = Vec<(String, String)>;

/// The identity kept in a folder. It is made when there is none, and made anew on request, or when the folder
/// turns out to be a copy.
pub(crate) fn identity(env: &Env, folder: &Path, renew: bool) -> Result<NodeIdentity, FolderError> {
    let io = |source| FolderError::Io { path: folder.to_owned(), source };
    let file = folder.join("node");
    let host: Marks =
        env.disk.host_marks(folder).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let fresh = || NodeId(random::bytes(&*env.random));
    let Some(text) = read_small(env, &file).map_err(io)? else {
        let identity = NodeIdentity::first(fresh());
        write_small(env, &file, &print(&identity, &host)).map_err(io)?;
        return Ok(identity);
    };
    let (mut identity, recorded) =
        parse(&text).ok_or(FolderError::Foreign { path: folder.to_owned(), file: "node" })?;
    let copied = is_copy(&recorded, &host);
    if renew || copied {
        identity.predecessors.push(identity.node);
        identity.node = fresh();
        let why = if copied {
            "this data folder was made on another machine, or is a restored copy: it goes on as a new node, so \
             that it cannot be taken for the first one"
        } else {
            "this data folder goes on as a new node, as was asked for"
        };
        let before = identity.predecessors.last().unwrap_or(&identity.node);
        tracing::warn!(node = %identity.node, %before, "{why}");
    }
    let now = print(&identity, &host);
    // What changed of the host is noted, so that the next change is seen for itself.
    if now != text && (renew || !host.is_empty()) {
        write_small(env, &file, &now).map_err(io)?;
    }
    Ok(identity)
}

/// Fewer than two of the marks fit, and more do not. Marks that cannot be read on either side say nothing.
fn is_copy(recorded: &Marks, host: &Marks) -> bool {
    let known = |name: &str| host.iter().find(|(n, _)| n == name).map(|(_, value)| value);
    let (same, different): (Vec<bool>, Vec<bool>) = recorded
        .iter()
        .filter_map(|(name, value)| known(name).map(|now| now == value))
        .partition(|fits| *fits);
    same.len() < 2 && different.len() > same.len()
}

fn print(identity: &NodeIdentity, host: &Marks) -> String {
    let mut text = format!("node {}\n", identity.node);
    for before in &identity.predecessors {
        text.push_str(&format!("predecessor {before}\n"));
    }
    for (name, value) in host {
        text.push_str(&format!("{name} {value}\n"));
    }
    text
}

fn parse(text: &str) -> Option<(NodeIdentity, Marks)> {
    let (mut node, mut predecessors, mut marks) = (None, Vec::new(), Marks::new());
    for line in text.lines() {
        let (name, value) = line.split_once(' ')?;
        match name {
            "node" => node = Some(NodeId::parse(value.trim())?),
            "predecessor" => predecessors.push(NodeId::parse(value.trim())?),
            _ => marks.push((name.to_owned(), value.trim().to_owned())),
        }
    }
    Some((NodeIdentity { node: node?, predecessors }, marks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(line: &str) -> Marks {
        line.split_whitespace()
            .filter_map(|mark| mark.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn two_of_four_marks_are_the_same_node() {
        for (recorded, host, copy, why) in [
            ("m=1 b=1 f=1 i=1", "m=1 b=1 f=1 i=1", false, "nothing changed"),
            ("m=1 b=1 f=1 i=1", "m=1 b=1 f=2 i=2", false, "moved to a larger disk"),
            ("m=1 b=1 f=1 i=1", "m=2 b=2 f=1 i=1", false, "the disk moved to another machine"),
            ("m=1 b=1 f=1 i=1", "m=1 b=2 f=2 i=2", true, "a cloned system with a copied folder"),
            ("m=1 b=1 f=1 i=1", "m=2 b=2 f=2 i=2", true, "copied to another machine"),
            ("m=1 f=1 i=1", "m=2 f=2 i=1", true, "the board cannot be read, and the inode fits by chance"),
            ("m=1 f=1 i=1", "m=1 f=1 i=2", false, "copied in place, the board cannot be read"),
            ("f=1 i=1", "f=2 i=1", false, "too little is known to tell"),
            ("f=1 i=1", "f=2 i=2", true, "a container's volume elsewhere"),
            ("", "m=1 b=1 f=1 i=1", false, "an older release recorded nothing"),
            ("m=1 b=1 f=1 i=1", "", false, "nothing can be read now"),
        ] {
            assert_eq!(is_copy(&marks(recorded), &marks(host)), copy, "{why}");
        }
    }

    #[test]
    fn the_record_reads_back() {
        let ids = [1, 2, 3].map(|n| NodeId([n; 16]));
        let identity = NodeIdentity { node: ids[2], predecessors: vec![ids[0], ids[1]] };
        let marks = marks("machine-id=abc inode=12");
        assert_eq!(parse(&print(&identity, &marks)), Some((identity, marks)));
        assert_eq!(parse("node 12\n"), None);
        assert_eq!(parse("rubbish"), None);
    }
}
