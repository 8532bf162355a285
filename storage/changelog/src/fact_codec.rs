//! Facts as payload bytes. Canonical: one fact, one byte string.
//!
//! A submission's payload is a prefix that is known before its verdict (facts of the request, the XML) and a
//! tail (ids, verdict). All other facts are all tail.

use crate::entry::{Entry, Payload, PreparedPayload};
use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{
    AdminDocument, ArchiveForm, Attachment, AuthContext, AuthDoc, CaseId, DeleteCase, DeleteForm, Digest,
    Fact, FactKind, FormId, OpenRosaHeaders, ProjectId, RebuildCase, ReprocessForm, RulesVersion,
    SubmissionInfo, SubmitForm, Timestamp, Verdict,
};
use sha2::{Digest as _, Sha256};

/// The XML of a submission, or where it is.
#[derive(Clone, Copy, Debug)]
pub enum XmlRef<'a> {
    /// In the entry.
    Inline(&'a [u8]),
    /// A blob.
    Blob {
        /// Its digest.
        digest: Digest,
        /// Its length.
        len: u64,
    },
}

/// The XML of a stored submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XmlStored {
    /// Here.
    Inline(Vec<u8>),
    /// In the blob store.
    Blob {
        /// Its digest.
        digest: Digest,
        /// Its length.
        len: u64,
    },
}

/// Version and salt before a payload's own fields.
pub const PAYLOAD_HEAD_BYTES: usize = 2 + 16;

/// Hashes and compresses what is known before the verdict.
pub fn prepare_submission(
    salt: [u8; 16],
    info: &SubmissionInfo,
    xmlns: &str,
    xml: XmlRef<'_>,
    xml_digest: &Digest,
) -> PreparedPayload {
    let inline_len = match xml {
        XmlRef::Inline(bytes) => bytes.len(),
        XmlRef::Blob { .. } => 0,
    };
    let mut w = Writer::with_capacity(256 + xmlns.len() + inline_len);
    write_info(&mut w, info);
    w.str(xmlns);
    w.raw(&xml_digest.0);
    match xml {
        XmlRef::Inline(bytes) => {
            w.u8(0);
            w.bytes(bytes);
        }
        XmlRef::Blob { digest, len } => {
            w.u8(1);
            w.raw(&digest.0);
            w.varint(len);
        }
    }
    PreparedPayload::prepare(salt, &w.0)
}

/// The end of a submission's payload.
pub fn submission_tail(form: &SubmitForm) -> Vec<u8> {
    let mut w = Writer::with_capacity(96);
    w.str(form.form_id.as_str());
    w.opt_str(form.submitted_id.as_ref().map(FormId::as_str));
    match &form.verdict {
        Verdict::Normal => w.u8(0),
        Verdict::Error { problem, missing_cases } => {
            w.u8(1);
            write_problem(&mut w, problem, missing_cases);
        }
        Verdict::DuplicateOf { form_id } => {
            w.u8(2);
            w.str(form_id.as_str());
        }
        Verdict::EditOf { deprecated_form_id, error } => {
            w.u8(3);
            w.str(deprecated_form_id.as_str());
            w.opt(error.as_ref(), |w, (problem, missing)| write_problem(w, problem, missing));
        }
        Verdict::Unparseable { problem } => {
            w.u8(4);
            w.str(problem);
        }
        Verdict::DeviceLog => w.u8(5),
    }
    w.0
}

fn write_problem(w: &mut Writer, problem: &str, missing: &[CaseId]) {
    w.str(problem);
    w.varint(missing.len() as u64);
    missing.iter().for_each(|case| w.str(case.as_str()));
}

fn read_problem(r: &mut Reader<'_>) -> Result<(String, Vec<CaseId>), DecodeError> {
    Ok((r.string()?, r.list(|r| r.string().map(CaseId))?))
}

/// The payload of any fact but a submission. For a submission: its tail only, so never call it for one.
pub fn other_payload(salt: [u8; 16], fact: &Fact) -> Payload {
    PreparedPayload::prepare(salt, &encode_other(fact)).finish(&[])
}

fn encode_other(fact: &Fact) -> Vec<u8> {
    let mut w = Writer::default();
    match fact {
        Fact::SubmitForm(form) => w.raw(&submission_tail(form)),
        Fact::ArchiveForm(f) => {
            w.str(f.form_id.as_str());
            w.bool(f.archive);
            w.str(&f.user_id);
            w.i64(f.at.0);
        }
        Fact::DeleteForm(f) => {
            w.str(f.form_id.as_str());
            w.bool(f.delete);
            w.str(&f.deletion_id);
            w.str(&f.user_id);
            w.i64(f.at.0);
        }
        Fact::ReprocessForm(f) => {
            w.str(f.form_id.as_str());
            w.i64(f.at.0);
        }
        Fact::DeleteCase(f) => {
            w.str(f.case_id.as_str());
            w.bool(f.delete);
            w.str(&f.deletion_id);
            w.str(&f.user_id);
            w.i64(f.at.0);
        }
        Fact::RebuildCase(f) => {
            w.str(f.case_id.as_str());
            w.str(&f.reason);
            w.str(&f.user_id);
            w.i64(f.at.0);
        }
        Fact::AdminDocument(f) | Fact::Credential(f) => {
            w.str(&f.kind);
            w.str(&f.id);
            w.opt_str(f.json.as_deref());
            w.str(&f.action);
            w.varint(f.changed.len() as u64);
            f.changed.iter().for_each(|field| w.str(field));
            w.str(&f.actor);
            w.i64(f.at.0);
        }
    }
    w.0
}

/// Reads a fact from its uncompressed payload. `None` for a kind that this release does not know.
pub fn decode_fact(kind: u16, payload: &[u8]) -> Result<Option<(Fact, Option<XmlStored>)>, DecodeError> {
    let mut r = Reader(payload);
    let version = r.u16()?;
    if version != crate::entry::PAYLOAD_VERSION {
        return Ok(None);
    }
    r.raw(16)?;
    let known = [
        FactKind::SubmitForm,
        FactKind::ArchiveForm,
        FactKind::DeleteForm,
        FactKind::ReprocessForm,
        FactKind::DeleteCase,
        FactKind::RebuildCase,
        FactKind::AdminDocument,
        FactKind::Credential,
    ];
    let Some(kind) = known.into_iter().find(|k| *k as u16 == kind) else { return Ok(None) };
    if kind == FactKind::SubmitForm {
        let (form, xml) = read_submission(&mut r)?;
        r.end()?;
        return Ok(Some((Fact::SubmitForm(Box::new(form)), Some(xml))));
    }
    let fact = read_other(kind, &mut r)?;
    r.end()?;
    Ok(Some((fact, None)))
}

fn read_other(kind: FactKind, r: &mut Reader<'_>) -> Result<Fact, DecodeError> {
    Ok(match kind {
        FactKind::SubmitForm => return Err(DecodeError::Malformed("submission")),
        FactKind::ArchiveForm => Fact::ArchiveForm(ArchiveForm {
            form_id: FormId(r.string()?),
            archive: r.bool()?,
            user_id: r.string()?,
            at: Timestamp(r.i64()?),
        }),
        FactKind::DeleteForm => Fact::DeleteForm(DeleteForm {
            form_id: FormId(r.string()?),
            delete: r.bool()?,
            deletion_id: r.string()?,
            user_id: r.string()?,
            at: Timestamp(r.i64()?),
        }),
        FactKind::ReprocessForm => {
            Fact::ReprocessForm(ReprocessForm { form_id: FormId(r.string()?), at: Timestamp(r.i64()?) })
        }
        FactKind::DeleteCase => Fact::DeleteCase(DeleteCase {
            case_id: CaseId(r.string()?),
            delete: r.bool()?,
            deletion_id: r.string()?,
            user_id: r.string()?,
            at: Timestamp(r.i64()?),
        }),
        FactKind::RebuildCase => Fact::RebuildCase(RebuildCase {
            case_id: CaseId(r.string()?),
            reason: r.string()?,
            user_id: r.string()?,
            at: Timestamp(r.i64()?),
        }),
        FactKind::AdminDocument => Fact::AdminDocument(read_document(r)?),
        FactKind::Credential => Fact::Credential(read_document(r)?),
    })
}

fn read_document(r: &mut Reader<'_>) -> Result<AdminDocument, DecodeError> {
    Ok(AdminDocument {
        kind: r.string()?,
        id: r.string()?,
        json: r.opt_string()?,
        action: r.string()?,
        changed: r.list(Reader::string)?,
        actor: r.string()?,
        at: Timestamp(r.i64()?),
    })
}

fn read_submission(r: &mut Reader<'_>) -> Result<(SubmitForm, XmlStored), DecodeError> {
    let info = read_info(r)?;
    let xmlns = r.string()?;
    let xml_digest = Digest(r.array()?);
    let xml = match r.u8()? {
        0 => XmlStored::Inline(r.bytes()?.to_vec()),
        1 => XmlStored::Blob { digest: Digest(r.array()?), len: r.varint()? },
        _ => return Err(DecodeError::Malformed("place of the XML")),
    };
    let form_id = FormId(r.string()?);
    let submitted_id = r.opt_string()?.map(FormId);
    let verdict = match r.u8()? {
        0 => Verdict::Normal,
        1 => {
            let (problem, missing_cases) = read_problem(r)?;
            Verdict::Error { problem, missing_cases }
        }
        2 => Verdict::DuplicateOf { form_id: FormId(r.string()?) },
        3 => Verdict::EditOf { deprecated_form_id: FormId(r.string()?), error: r.opt(read_problem)? },
        4 => Verdict::Unparseable { problem: r.string()? },
        5 => Verdict::DeviceLog,
        _ => return Err(DecodeError::Malformed("verdict")),
    };
    Ok((SubmitForm { form_id, submitted_id, xmlns, info, xml_digest, verdict }, xml))
}

fn write_info(w: &mut Writer, info: &SubmissionInfo) {
    w.i64(info.received_on.0);
    w.u8(info.auth.doc as u8);
    w.opt_str(info.auth.user_id.as_deref());
    w.bool(info.auth.authenticated);
    w.opt_str(info.last_sync_token.as_deref());
    w.opt_str(info.headers.version.as_deref());
    w.opt_str(info.headers.date.as_deref());
    w.opt_str(info.headers.accept_language.as_deref());
    w.opt(info.date_header, |w, t| w.i64(t.0));
    w.opt_str(info.app_id.as_deref());
    w.opt_str(info.build_id.as_deref());
    w.opt_str(info.submit_ip.as_deref());
    w.str(&info.path);
    w.bool(info.partial_submission);
    write_attachments(w, &info.attachments);
}

fn read_info(r: &mut Reader<'_>) -> Result<SubmissionInfo, DecodeError> {
    Ok(SubmissionInfo {
        received_on: Timestamp(r.i64()?),
        auth: AuthContext {
            doc: match r.u8()? {
                1 => AuthDoc::Normal,
                2 => AuthDoc::Waived,
                3 => AuthDoc::Default,
                _ => return Err(DecodeError::Malformed("kind of authentication")),
            },
            user_id: r.opt_string()?,
            authenticated: r.bool()?,
        },
        last_sync_token: r.opt_string()?,
        headers: OpenRosaHeaders {
            version: r.opt_string()?,
            date: r.opt_string()?,
            accept_language: r.opt_string()?,
        },
        date_header: r.opt(|r| r.i64().map(Timestamp))?,
        app_id: r.opt_string()?,
        build_id: r.opt_string()?,
        submit_ip: r.opt_string()?,
        path: r.string()?,
        partial_submission: r.bool()?,
        attachments: read_attachments(r)?,
    })
}

/// Files of a form, as payloads and rows store them.
pub fn write_attachments(w: &mut Writer, attachments: &[Attachment]) {
    w.varint(attachments.len() as u64);
    for file in attachments {
        w.str(&file.name);
        w.str(&file.content_type);
        w.varint(file.length);
        w.raw(&file.blob.0);
        w.raw(&file.md5);
    }
}

/// Reverses [`write_attachments`].
pub fn read_attachments(r: &mut Reader<'_>) -> Result<Vec<Attachment>, DecodeError> {
    r.list(|r| {
        Ok(Attachment {
            name: r.string()?,
            content_type: r.string()?,
            length: r.varint()?,
            blob: Digest(r.array()?),
            md5: r.array()?,
        })
    })
}

/// Identity of the document that a fact is about: SHA-256(project ‖ document kind ‖ 0 ‖ document id), cut to
/// 16 bytes.
pub fn doc_of(project: ProjectId, fact: &Fact) -> [u8; 16] {
    let (kind, id) = match fact {
        Fact::SubmitForm(f) => ("form", f.form_id.as_str()),
        Fact::ArchiveForm(f) => ("form", f.form_id.as_str()),
        Fact::DeleteForm(f) => ("form", f.form_id.as_str()),
        Fact::ReprocessForm(f) => ("form", f.form_id.as_str()),
        Fact::DeleteCase(f) => ("case", f.case_id.as_str()),
        Fact::RebuildCase(f) => ("case", f.case_id.as_str()),
        Fact::AdminDocument(f) | Fact::Credential(f) => (f.kind.as_str(), f.id.as_str()),
    };
    let mut hash = Sha256::new();
    hash.update(project.0);
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update(id.as_bytes());
    let full: [u8; 32] = hash.finalize().into();
    let mut out = [0; 16];
    out.copy_from_slice(&full[..16]);
    out
}

/// Rules and switches recorded with an entry.
pub fn rules_of(entry: &Entry) -> RulesVersion {
    RulesVersion(entry.header.rules)
}
