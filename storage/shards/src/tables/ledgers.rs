//! `ledgers`: `id 0x00 project section 0x00 entry` to a ledger value; `ledger_transactions`: that key, 0x00
//! and the place (report date, hybrid time, author, digest, position, all big-endian) to a transaction.
//! Routed by case id.

use super::{get_order, get_time, id_key, put_order, put_time};
use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{FormId, LedgerKey, LedgerKind, LedgerPlace, LedgerTransaction, LedgerValue, ProjectId};

const VERSION: u8 = 1;

/// Key of a ledger.
pub fn key(project: ProjectId, ledger: &LedgerKey) -> Vec<u8> {
    let mut key = id_key(ledger.case_id.as_str(), project);
    key.extend_from_slice(ledger.section_id.as_bytes());
    key.push(0);
    key.extend_from_slice(ledger.entry_id.as_bytes());
    key
}

/// Section and entry of a key, given the length of its document part.
pub fn names(key: &[u8], document_len: usize) -> Option<(String, String)> {
    let rest = key.get(document_len..)?;
    let at = rest.iter().position(|b| *b == 0)?;
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).ok();
    Some((text(&rest[..at])?, text(&rest[at + 1..])?))
}

/// Key of a ledger transaction.
pub fn transaction_key(project: ProjectId, ledger: &LedgerKey, place: &LedgerPlace) -> Vec<u8> {
    let mut key = transactions_prefix(project, ledger);
    // Biased, so that dates before 1970 sort first.
    key.extend_from_slice(&((place.report_date.0 as u64) ^ (1 << 63)).to_be_bytes());
    key.extend_from_slice(&place.order.hlc.to_be_bytes());
    key.extend_from_slice(&place.order.author.0);
    key.extend_from_slice(&place.order.digest.0);
    key.extend_from_slice(&place.position.to_be_bytes());
    key
}

/// What the keys of all transactions of a ledger begin with.
pub fn transactions_prefix(project: ProjectId, ledger: &LedgerKey) -> Vec<u8> {
    let mut key = key(project, ledger);
    key.push(0);
    key
}

/// Value of a ledger row.
pub fn encode(value: &LedgerValue) -> Vec<u8> {
    let mut w = Writer::with_capacity(96);
    w.u8(VERSION);
    w.signed(value.balance);
    w.opt(value.last.as_ref(), |w, place| {
        put_time(w, place.report_date);
        put_order(w, &place.order);
        w.varint(u64::from(place.position));
    });
    w.0
}

/// Reads a ledger row.
pub fn decode(key: &LedgerKey, value: &[u8]) -> Result<LedgerValue, DecodeError> {
    let mut r = Reader(value);
    if r.u8()? != VERSION {
        return Err(DecodeError::Malformed("version of a ledger row"));
    }
    let balance = r.signed()?;
    let last = r.opt(|r| {
        Ok(LedgerPlace { report_date: get_time(r)?, order: get_order(r)?, position: r.varint32()? })
    })?;
    r.end()?;
    Ok(LedgerValue { key: key.clone(), balance, last })
}

/// Value of a ledger transaction row.
pub fn encode_transaction(t: &LedgerTransaction) -> Vec<u8> {
    let mut w = Writer::with_capacity(160);
    w.u8(VERSION);
    put_order(&mut w, &t.order);
    w.varint(u64::from(t.position));
    w.str(t.form_id.as_str());
    put_time(&mut w, t.server_date);
    put_time(&mut w, t.report_date);
    w.u8(t.kind as u8);
    w.opt_str(t.label.as_deref());
    w.signed(t.amount);
    w.signed(t.delta);
    w.signed(t.updated_balance);
    w.0
}

/// Reads a ledger transaction row.
pub fn decode_transaction(value: &[u8]) -> Result<LedgerTransaction, DecodeError> {
    let mut reader = Reader(value);
    let r = &mut reader;
    if r.u8()? != VERSION {
        return Err(DecodeError::Malformed("version of a ledger transaction row"));
    }
    let transaction = LedgerTransaction {
        order: get_order(r)?,
        position: r.varint32()?,
        form_id: FormId(r.string()?),
        server_date: get_time(r)?,
        report_date: get_time(r)?,
        kind: match r.u8()? {
            1 => LedgerKind::Balance,
            2 => LedgerKind::Transfer,
            _ => return Err(DecodeError::Malformed("kind of a ledger transaction")),
        },
        label: r.opt_string()?,
        amount: r.signed()?,
        delta: r.signed()?,
        updated_balance: r.signed()?,
    };
    reader.end()?;
    Ok(transaction)
}
