//! `cases`: `id 0x00 project` to a case. Routed by case id.
//!
//! Layout: version, flags, then the fields that the flags announce. Who set a value is an ordinal plus one,
//! 0 for nobody.

use super::{get_time, put_time};
use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{
    Case, CaseAttachment, CaseId, CaseIndex, CaseView, Deletion, Digest, IndexView, Property, Register,
    Relationship, SetBy,
};

const VERSION: u8 = 1;

fn put_by(w: &mut Writer, by: SetBy) {
    w.varint(u64::from(by.0.wrapping_add(1)));
}

fn get_by(r: &mut Reader<'_>) -> Result<SetBy, DecodeError> {
    Ok(SetBy(r.varint32()?.wrapping_sub(1)))
}

fn put_text(w: &mut Writer, register: &Register<String>) {
    w.str(&register.value);
    put_by(w, register.by);
}

fn get_text(r: &mut Reader<'_>) -> Result<Register<String>, DecodeError> {
    Ok(Register { value: r.string()?, by: get_by(r)? })
}

/// The value of a row.
pub fn encode(case: &Case) -> Vec<u8> {
    let mut w = Writer::with_capacity(256 + 32 * case.properties.len());
    w.u8(VERSION);
    for register in [&case.case_type, &case.name, &case.owner_id, &case.external_id, &case.location_id] {
        put_text(&mut w, register);
    }
    w.opt(case.opened_on, put_time);
    w.str(&case.opened_by);
    w.opt(case.modified_on, put_time);
    w.str(&case.modified_by);
    w.bool(case.closed.value);
    put_by(&mut w, case.closed.by);
    w.opt(case.closed_on, put_time);
    w.str(&case.closed_by);
    put_time(&mut w, case.server_modified_on);
    w.varint(case.properties.len() as u64);
    for property in &case.properties {
        w.str(&property.name);
        w.str(&property.value);
        put_by(&mut w, property.by);
    }
    w.varint(case.indices.len() as u64);
    for index in &case.indices {
        w.str(&index.identifier);
        w.str(&index.referenced_type);
        w.str(index.referenced_id.as_str());
        w.u8(index.relationship as u8);
        put_by(&mut w, index.by);
    }
    w.varint(case.attachments.len() as u64);
    for file in &case.attachments {
        w.str(&file.name);
        w.str(&file.content_type);
        w.varint(file.length);
        w.raw(&file.blob.0);
        w.raw(&file.md5);
        put_by(&mut w, file.by);
    }
    match &case.deletion {
        Deletion::No => w.u8(0),
        Deletion::Explicit { on, deletion_id } => {
            w.u8(1);
            put_time(&mut w, *on);
            w.str(deletion_id);
        }
        Deletion::NoForms { on } => {
            w.u8(2);
            put_time(&mut w, *on);
        }
    }
    w.varint(u64::from(case.transaction_count));
    w.varint(case.change_lsn);
    w.0
}

/// Reads a row.
pub fn decode(id: &CaseId, value: &[u8]) -> Result<Case, DecodeError> {
    let mut r = Reader(value);
    if r.u8()? != VERSION {
        return Err(DecodeError::Malformed("version of a case row"));
    }
    let r = &mut r;
    let case = Case {
        id: id.clone(),
        case_type: get_text(r)?,
        name: get_text(r)?,
        owner_id: get_text(r)?,
        external_id: get_text(r)?,
        location_id: get_text(r)?,
        opened_on: r.opt(get_time)?,
        opened_by: r.string()?,
        modified_on: r.opt(get_time)?,
        modified_by: r.string()?,
        closed: Register { value: r.bool()?, by: get_by(r)? },
        closed_on: r.opt(get_time)?,
        closed_by: r.string()?,
        server_modified_on: get_time(r)?,
        properties: r.list(|r| Ok(Property { name: r.string()?, value: r.string()?, by: get_by(r)? }))?,
        indices: r.list(|r| {
            Ok(CaseIndex {
                identifier: r.string()?,
                referenced_type: r.string()?,
                referenced_id: CaseId(r.string()?),
                relationship: get_relationship(r.u8()?)?,
                by: get_by(r)?,
            })
        })?,
        attachments: r.list(|r| {
            Ok(CaseAttachment {
                name: r.string()?,
                content_type: r.string()?,
                length: r.varint()?,
                blob: Digest(r.array()?),
                md5: r.array()?,
                by: get_by(r)?,
            })
        })?,
        deletion: match r.u8()? {
            0 => Deletion::No,
            1 => Deletion::Explicit { on: get_time(r)?, deletion_id: r.string()? },
            2 => Deletion::NoForms { on: get_time(r)? },
            _ => return Err(DecodeError::Malformed("deletion")),
        },
        transaction_count: r.varint32()?,
        change_lsn: r.varint()?,
    };
    r.clone().end()?;
    Ok(case)
}

/// The type of a case, without reading the rest of its row.
pub fn case_type(value: &[u8]) -> Result<&str, DecodeError> {
    let r = &mut Reader(value);
    if r.u8()? != VERSION {
        return Err(DecodeError::Malformed("version of a case row"));
    }
    r.str()
}

/// Reads of a row what a phone learns of it, without copying.
pub fn view(value: &[u8]) -> Result<CaseView<'_>, DecodeError> {
    let r = &mut Reader(value);
    if r.u8()? != VERSION {
        return Err(DecodeError::Malformed("version of a case row"));
    }
    let mut texts = [""; 5];
    for text in &mut texts {
        *text = r.str()?;
        get_by(r)?;
    }
    let [case_type, name, owner_id, external_id, _] = texts;
    let (opened_on, opened_by) = (r.opt(get_time)?, r.str()?);
    let (modified_on, modified_by) = (r.opt(get_time)?, r.str()?);
    let closed = r.bool()?;
    get_by(r)?;
    r.opt(get_time)?;
    r.str()?;
    let server_modified_on = get_time(r)?;
    let properties = r.list(|r| {
        let property = (r.str()?, r.str()?);
        get_by(r)?;
        Ok(property)
    })?;
    let indices = r.list(|r| {
        let (identifier, referenced_type, referenced_id) = (r.str()?, r.str()?, r.str()?);
        let relationship = get_relationship(r.u8()?)?;
        get_by(r)?;
        Ok(IndexView { identifier, referenced_type, referenced_id, relationship })
    })?;
    for _ in 0..r.len()? {
        r.str()?;
        r.str()?;
        r.varint()?;
        r.raw(32)?;
        r.raw(16)?;
        get_by(r)?;
    }
    let deleted = r.u8()? != 0;
    let modified_on = modified_on.unwrap_or(server_modified_on);
    Ok(CaseView {
        case_type,
        name,
        owner_id,
        external_id,
        opened_on,
        opened_by,
        modified_on,
        modified_by,
        closed,
        deleted,
        properties,
        indices,
    })
}

/// From its stable number.
pub fn get_relationship(number: u8) -> Result<Relationship, DecodeError> {
    match number {
        1 => Ok(Relationship::Child),
        2 => Ok(Relationship::Extension),
        _ => Err(DecodeError::Malformed("relationship")),
    }
}
