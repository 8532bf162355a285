//! Facts other than submissions, and local matters.

use super::commit::put_changes;
use super::state::{Memo, ProjectState};
use super::{DocumentFact, LocalBlob, LocalRow, WriteError};
use crate::admin::audit;
use crate::apps;
use bolster_cases::{Changes, FoldContext, fold};
use bolster_changelog::{EntryClass, EntryDraft, Payload, fact_codec};
use bolster_model::{AdminDocument, Digest, Fact, ProjectId, RulesVersion};
use bolster_store::{Batch, BlobOwner, ReadExt};
use std::collections::BTreeSet;

/// Kind number of entries that carry only local matters.
const LOCAL_KIND: u16 = 1;

pub(super) fn draft(project: ProjectId, rules: RulesVersion, fact: &Fact, payload: Payload) -> EntryDraft {
    EntryDraft {
        class: EntryClass::Fact,
        kind: fact.kind() as u16,
        project,
        doc: fact_codec::doc_of(project, fact),
        rules,
        base_seq: 0,
        payload,
    }
}

/// Commits one fact about forms or cases.
pub(super) fn fact(
    batch: &mut Batch<'_>,
    memo: &mut Memo,
    (project, rules): (ProjectId, RulesVersion),
    fact: &Fact,
    salt: [u8; 16],
) -> Result<(), WriteError> {
    let result = push_fact(batch, memo, (project, rules), fact, salt).map(|_| ());
    match &result {
        Ok(()) => batch.end_commit(),
        Err(_) => batch.rollback(),
    }
    result
}

/// Folds a fact and pushes its entry; the commit stays open.
pub(super) fn push_fact(
    batch: &mut Batch<'_>,
    memo: &Memo,
    (project, rules): (ProjectId, RulesVersion),
    fact: &Fact,
    salt: [u8; 16],
) -> Result<Changes, WriteError> {
    let draft = draft(project, rules, fact, fact_codec::other_payload(salt, fact));
    let stamp = batch.stamp(&draft);
    let context = FoldContext { key: stamp.key(), lsn: stamp.lsn, rules };
    let state = ProjectState { read: &*batch, store: batch.store(), project, memo };
    let changes = fold(&state, fact, None, &context)?;
    put_changes(batch, project, &changes, stamp.lsn);
    put_audit(batch, project, fact, stamp.lsn);
    batch.push(&draft, &stamp);
    Ok(changes)
}

/// The line of the audit trail that belongs to an act.
fn put_audit(batch: &mut Batch<'_>, project: ProjectId, fact: &Fact, lsn: u64) {
    if let Some((trail, line)) = audit::line_of(project, fact)
        && let Ok(json) = serde_json::to_string(&line)
    {
        batch.put_document(trail, audit::AUDIT, &format!("{lsn:016x}"), &json);
    }
}

/// Commits administrative documents, all or none.
pub(super) fn documents(
    batch: &mut Batch<'_>,
    documents: Vec<(DocumentFact, [u8; 16])>,
) -> Result<(), WriteError> {
    for ((project, document, credential), salt) in documents {
        if let Err(error) = blob_references(batch, project, &document) {
            batch.rollback();
            return Err(error);
        }
        match &document.json {
            Some(json) => batch.put_document(project, &document.kind, &document.id, json),
            None => batch.remove_document(project, &document.kind, &document.id),
        }
        let fact = if credential { Fact::Credential(document) } else { Fact::AdminDocument(document) };
        let draft = draft(project, RulesVersion::CURRENT, &fact, fact_codec::other_payload(salt, &fact));
        let stamp = batch.stamp(&draft);
        put_audit(batch, project, &fact, stamp.lsn);
        batch.push(&draft, &stamp);
    }
    batch.end_commit();
    Ok(())
}

/// Files of a build belong to it: they are kept as long as its document is.
fn blob_references(
    batch: &mut Batch<'_>,
    project: ProjectId,
    document: &AdminDocument,
) -> Result<(), WriteError> {
    if document.kind != apps::kind::APP_BUILD {
        return Ok(());
    }
    let files = |json: Option<&str>| -> BTreeSet<Digest> {
        let build = json.and_then(|json| serde_json::from_str::<apps::Build>(json).ok());
        build.map(|b| b.files.iter().filter_map(apps::BuildFile::blob).collect()).unwrap_or_default()
    };
    let before = batch.document(project, &document.kind, &document.id)?;
    let (before, after) = (files(before.as_deref()), files(document.json.as_deref()));
    let owner = format!("{}/{}", document.kind, document.id);
    for blob in after.difference(&before) {
        batch.put_blob_ref(blob, BlobOwner::Document, project, &owner);
    }
    for blob in before.difference(&after) {
        batch.remove_blob_ref(blob, BlobOwner::Document, project, &owner);
    }
    Ok(())
}

/// Commits local rows: no fact, no place in any stream.
pub(super) fn local(batch: &mut Batch<'_>, rows: Vec<LocalRow>, blobs: Vec<LocalBlob>, salt: [u8; 16]) {
    for (blob, project, id, refers) in &blobs {
        match refers {
            true => batch.put_blob_ref(blob, BlobOwner::SyncLog, *project, id),
            false => batch.remove_blob_ref(blob, BlobOwner::SyncLog, *project, id),
        }
    }
    for (kind, id, value) in rows {
        match value {
            Some(value) => batch.put_local(&kind, &id, &value),
            None => batch.remove_local(&kind, &id),
        }
    }
    let draft = EntryDraft {
        class: EntryClass::Local,
        kind: LOCAL_KIND,
        project: ProjectId::ZERO,
        doc: [0; 16],
        rules: RulesVersion::CURRENT,
        base_seq: 0,
        payload: Payload::empty(salt),
    };
    let stamp = batch.stamp(&draft);
    batch.push(&draft, &stamp);
    batch.end_commit();
}
