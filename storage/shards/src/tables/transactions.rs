//! `case_transactions`: `id 0x00 project ordinal` (u32, big-endian) to a case transaction. Routed by case id.

use super::{get_order, get_time, id_key, put_order, put_time};
use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{CaseId, CaseTransaction, FormId, ProjectId, RebuildDetails, TxKinds};

const VERSION: u8 = 1;

/// The key of one transaction.
pub fn key(project: ProjectId, case: &CaseId, ordinal: u32) -> Vec<u8> {
    let mut key = id_key(case.as_str(), project);
    key.extend_from_slice(&ordinal.to_be_bytes());
    key
}

/// The value of a row.
pub fn encode(transaction: &CaseTransaction) -> Vec<u8> {
    let mut w = Writer::with_capacity(160);
    w.u8(VERSION);
    put_order(&mut w, &transaction.key);
    w.opt_str(transaction.form_id.as_ref().map(FormId::as_str));
    w.opt_str(transaction.sync_token.as_deref());
    put_time(&mut w, transaction.server_date);
    w.opt(transaction.client_date, put_time);
    w.u16(transaction.kinds.0);
    w.bool(transaction.revoked);
    match &transaction.rebuild {
        None => w.u8(0),
        Some(RebuildDetails::Requested { reason, user_id }) => {
            w.u8(1);
            w.str(reason);
            w.str(user_id);
        }
        Some(RebuildDetails::FormArchived { form_id, archived }) => {
            w.u8(2);
            w.str(form_id.as_str());
            w.bool(*archived);
        }
        Some(RebuildDetails::FormEdited { deprecated_form_id }) => {
            w.u8(3);
            w.str(deprecated_form_id.as_str());
        }
        Some(RebuildDetails::FormReprocessed { form_id }) => {
            w.u8(4);
            w.str(form_id.as_str());
        }
    }
    w.0
}

/// Reads a row.
pub fn decode(value: &[u8]) -> Result<CaseTransaction, DecodeError> {
    let mut reader = Reader(value);
    let r = &mut reader;
    if r.u8()? != VERSION {
        return Err(DecodeError::Malformed("version of a case transaction row"));
    }
    let transaction = CaseTransaction {
        key: get_order(r)?,
        form_id: r.opt_string()?.map(FormId),
        sync_token: r.opt_string()?,
        server_date: get_time(r)?,
        client_date: r.opt(get_time)?,
        kinds: TxKinds(r.u16()?),
        revoked: r.bool()?,
        rebuild: match r.u8()? {
            0 => None,
            1 => Some(RebuildDetails::Requested { reason: r.string()?, user_id: r.string()? }),
            2 => Some(RebuildDetails::FormArchived { form_id: FormId(r.string()?), archived: r.bool()? }),
            3 => Some(RebuildDetails::FormEdited { deprecated_form_id: FormId(r.string()?) }),
            4 => Some(RebuildDetails::FormReprocessed { form_id: FormId(r.string()?) }),
            _ => return Err(DecodeError::Malformed("reason of a rebuild")),
        },
    };
    reader.end()?;
    Ok(transaction)
}
