//! `documents`: `project kind 0x00 id` to JSON; `local`: `kind 0x00 id` to bytes. Both on route 0.

use bolster_model::ProjectId;

/// Route of all documents and local rows: they are few and scanned by kind.
pub const ROUTE: u64 = 0;

/// Key of a document.
pub fn key(project: ProjectId, kind: &str, id: &str) -> Vec<u8> {
    let mut key = prefix(project, kind);
    key.extend_from_slice(id.as_bytes());
    key
}

/// What the keys of a kind begin with.
pub fn prefix(project: ProjectId, kind: &str) -> Vec<u8> {
    let mut key = project.0.to_vec();
    key.extend_from_slice(kind.as_bytes());
    key.push(0);
    key
}

/// Key of a local row.
pub fn local_key(kind: &str, id: &str) -> Vec<u8> {
    let mut key = kind.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(id.as_bytes());
    key
}
