//! Effects: the rows that a fact leaves behind, as bytes of the log. Canonical.

use crate::tables::Table;
use bolster_codec::{DecodeError, Reader, Writer};

/// One row written or removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Op {
    /// Table.
    pub table: Table,
    /// Route of the document.
    pub route: u64,
    /// Key in the table.
    pub key: Vec<u8>,
    /// The row, or its removal.
    pub value: Option<Vec<u8>>,
}

const VERSION: u8 = 1;

/// Appends the operations to `out`, in order. Nothing for none.
pub fn encode(out: &mut Vec<u8>, ops: &[Op]) {
    if ops.is_empty() {
        return;
    }
    let mut w = Writer(std::mem::take(out));
    w.u8(VERSION);
    w.varint(ops.len() as u64);
    for op in ops {
        w.u8(op.table as u8);
        w.u64(op.route);
        w.bytes(&op.key);
        w.opt(op.value.as_deref(), Writer::bytes);
    }
    *out = w.0;
}

/// Reads operations.
pub fn decode(bytes: &[u8]) -> Result<Vec<Op>, DecodeError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut r = Reader(bytes);
    if r.u8()? != VERSION {
        return Err(DecodeError::Malformed("version of effects"));
    }
    let ops = r.list(|r| {
        let number = r.u8()?;
        Ok(Op {
            table: Table::from_number(number).ok_or(DecodeError::Malformed("table"))?,
            route: r.u64()?,
            key: r.bytes()?.to_vec(),
            value: r.opt(|r| r.bytes().map(<[u8]>::to_vec))?,
        })
    })?;
    r.end()?;
    Ok(ops)
}
