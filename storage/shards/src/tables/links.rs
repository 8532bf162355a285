//! Rows that are mostly key: referrers of cases, forms that wait, references to blobs, recent forms.

use super::id_key;
use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{CaseId, Digest, FormId, ProjectId};

/// `case_referrers`: `id_key(target) source 0x00 identifier`.
pub fn referrer_key(project: ProjectId, target: &CaseId, source: &CaseId, identifier: &str) -> Vec<u8> {
    let mut key = id_key(target.as_str(), project);
    key.extend_from_slice(source.as_str().as_bytes());
    key.push(0);
    key.extend_from_slice(identifier.as_bytes());
    key
}

/// Source and identifier of a referrer key.
pub fn referrer_of(key: &[u8], document_len: usize) -> Option<(CaseId, String)> {
    super::ledgers::names(key, document_len).map(|(source, identifier)| (CaseId(source), identifier))
}

/// `waiting`: `id_key(missing case) form`.
pub fn waiting_key(project: ProjectId, case: &CaseId, form: &FormId) -> Vec<u8> {
    let mut key = id_key(case.as_str(), project);
    key.extend_from_slice(form.as_str().as_bytes());
    key
}

/// What owns a blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum BlobOwner {
    /// A file of a form.
    Form = 1,
    /// The XML of a form.
    FormXml = 2,
    /// A document of administration.
    Document = 3,
    /// What a phone holds, id = sync token.
    SyncLog = 4,
}

/// `blob_refs`: `digest owner-kind id 0x00 project`.
pub fn blob_ref_key(blob: &Digest, owner: BlobOwner, project: ProjectId, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(33 + id.len() + 17);
    key.extend_from_slice(&blob.0);
    key.push(owner as u8);
    key.extend_from_slice(&id_key(id, project));
    key
}

/// Route of a blob: the first bytes of its digest.
pub fn blob_route(blob: &Digest) -> u64 {
    u64::from_le_bytes([
        blob.0[0], blob.0[1], blob.0[2], blob.0[3], blob.0[4], blob.0[5], blob.0[6], blob.0[7],
    ])
}

/// `recent_forms`: `project lsn` (u64, big-endian).
pub fn recent_key(project: ProjectId, lsn: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    key.extend_from_slice(&project.0);
    key.extend_from_slice(&lsn.to_be_bytes());
    key
}

/// A change of cases: by a form that came in, or by an act on forms and cases.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecentForm {
    /// Its log position.
    pub lsn: u64,
    /// The form that came in; empty for anything else.
    pub form_id: FormId,
    /// Sync token that the form came with.
    pub sync_token: Option<String>,
    /// Cases that changed.
    pub cases: Vec<CaseId>,
}

/// Value of a `recent_forms` row.
pub fn encode_recent(form: &FormId, sync_token: Option<&str>, cases: &[CaseId]) -> Vec<u8> {
    let mut w = Writer::with_capacity(96 + 40 * cases.len());
    w.str(form.as_str());
    w.opt_str(sync_token);
    w.varint(cases.len() as u64);
    cases.iter().for_each(|c| w.str(c.as_str()));
    w.0
}

/// `owned_cases`: `id_key(owner) case`.
pub fn owned_key(project: ProjectId, owner: &str, case: &CaseId) -> Vec<u8> {
    let mut key = id_key(owner, project);
    key.extend_from_slice(case.as_str().as_bytes());
    key
}

/// Reads a `recent_forms` row.
pub fn decode_recent(key: &[u8], value: &[u8]) -> Result<RecentForm, DecodeError> {
    let lsn = key.get(16..24).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
    let mut r = Reader(value);
    let recent = RecentForm {
        lsn: lsn.ok_or(DecodeError::Malformed("key of a recent form"))?,
        form_id: FormId(r.string()?),
        sync_token: r.opt_string()?,
        cases: r.list(|r| r.string().map(CaseId))?,
    };
    r.end()?;
    Ok(recent)
}
