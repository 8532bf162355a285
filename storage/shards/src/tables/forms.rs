//! `forms`: `id 0x00 project` to a form row. Routed by form id.
//!
//! A row begins with what every form has; a flag says whether the rare rest follows.

use super::{get_order, get_time, put_order, put_time};
use bolster_changelog::fact_codec::{read_attachments, write_attachments};
use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{CaseId, Digest, FormId, FormRow, FormState, Operation, OperationKind};

const VERSION: u8 = 1;

/// The value of a row.
pub fn encode(row: &FormRow) -> Vec<u8> {
    let mut w = Writer::with_capacity(200 + row.xmlns.len());
    w.u8(VERSION);
    w.u8(row.state as u8);
    put_order(&mut w, &row.position);
    w.varint(row.content_lsn);
    w.varint(row.change_lsn);
    w.str(&row.xmlns);
    w.raw(&row.xml_digest.0);
    put_time(&mut w, row.received_on);
    put_time(&mut w, row.server_modified_on);
    w.bool(row.initial_processing_complete);
    let rare = !(row.earlier_digests.is_empty()
        && row.edited_on.is_none()
        && row.deprecated_form_id.is_none()
        && row.orig_id.is_none()
        && row.problem.is_none()
        && row.missing_cases.is_empty()
        && row.effective_version.is_none()
        && row.attachments.is_empty()
        && row.operations.is_empty()
        && row.deleted.is_none()
        && row.duplicate_count == 0);
    w.bool(rare);
    if rare {
        encode_rare(&mut w, row);
    }
    w.0
}

fn encode_rare(w: &mut Writer, row: &FormRow) {
    w.varint(row.earlier_digests.len() as u64);
    row.earlier_digests.iter().for_each(|d| w.raw(&d.0));
    w.opt(row.edited_on, put_time);
    w.opt_str(row.deprecated_form_id.as_ref().map(FormId::as_str));
    w.opt_str(row.orig_id.as_ref().map(FormId::as_str));
    w.opt_str(row.problem.as_deref());
    w.varint(row.missing_cases.len() as u64);
    row.missing_cases.iter().for_each(|c| w.str(c.as_str()));
    w.opt_str(row.effective_version.as_ref().map(FormId::as_str));
    write_attachments(w, &row.attachments);
    w.varint(row.operations.len() as u64);
    for operation in &row.operations {
        w.str(&operation.user_id);
        put_time(w, operation.date);
        w.u8(operation.kind as u8);
    }
    w.opt(row.deleted.as_ref(), |w, (on, id)| {
        put_time(w, *on);
        w.str(id);
    });
    w.varint(u64::from(row.duplicate_count));
}

/// Reads a row.
pub fn decode(id: &FormId, value: &[u8]) -> Result<FormRow, DecodeError> {
    let mut reader = Reader(value);
    let r = &mut reader;
    if r.u8()? != VERSION {
        return Err(DecodeError::Malformed("version of a form row"));
    }
    let mut row = FormRow {
        form_id: id.clone(),
        state: get_state(r.u8()?)?,
        position: get_order(r)?,
        content_lsn: r.varint()?,
        change_lsn: r.varint()?,
        xmlns: r.string()?,
        xml_digest: Digest(r.array()?),
        received_on: get_time(r)?,
        server_modified_on: get_time(r)?,
        initial_processing_complete: r.bool()?,
        earlier_digests: Vec::new(),
        edited_on: None,
        deprecated_form_id: None,
        orig_id: None,
        problem: None,
        missing_cases: Vec::new(),
        effective_version: None,
        attachments: Vec::new(),
        operations: Vec::new(),
        deleted: None,
        duplicate_count: 0,
    };
    if r.bool()? {
        decode_rare(r, &mut row)?;
    }
    reader.end()?;
    Ok(row)
}

fn decode_rare(r: &mut Reader<'_>, row: &mut FormRow) -> Result<(), DecodeError> {
    row.earlier_digests = r.list(|r| r.array().map(Digest))?;
    row.edited_on = r.opt(get_time)?;
    row.deprecated_form_id = r.opt_string()?.map(FormId);
    row.orig_id = r.opt_string()?.map(FormId);
    row.problem = r.opt_string()?;
    row.missing_cases = r.list(|r| r.string().map(CaseId))?;
    row.effective_version = r.opt_string()?.map(FormId);
    row.attachments = read_attachments(r)?;
    row.operations = r.list(|r| {
        Ok(Operation {
            user_id: r.string()?,
            date: get_time(r)?,
            kind: match r.u8()? {
                1 => OperationKind::Archive,
                2 => OperationKind::Unarchive,
                3 => OperationKind::Edit,
                _ => return Err(DecodeError::Malformed("operation")),
            },
        })
    })?;
    row.deleted = r.opt(|r| Ok((get_time(r)?, r.string()?)))?;
    row.duplicate_count = r.varint32()?;
    Ok(())
}

fn get_state(number: u8) -> Result<FormState, DecodeError> {
    Ok(match number {
        1 => FormState::Normal,
        2 => FormState::Archived,
        4 => FormState::Deprecated,
        8 => FormState::Duplicate,
        16 => FormState::Error,
        32 => FormState::SubmissionError,
        _ => return Err(DecodeError::Malformed("state of a form")),
    })
}
