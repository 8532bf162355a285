//! A shard's redb file: opening it, its rows, one moment of it.

use crate::backend::Backend;
use crate::error::{ShardError, advice};
use crate::tables::Table;
use bolster_env::Env;
use redb::{
    Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, TableError,
};
use std::io;
use std::path::Path;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
/// A table of a snapshot, if it exists there.
type OpenedTable = Option<ReadOnlyTable<&'static [u8], &'static [u8]>>;

const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
const APPLIED: &str = "applied_lsn";

fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

/// Opens (or makes) the file.
pub(crate) fn open(env: &Env, path: &Path, cache_bytes: usize) -> Result<Database, ShardError> {
    open_backend(Backend::open(&*env.disk, path), path, cache_bytes)
}

/// Opens the last durable state for reading, on a disk that need not take writes.
pub(crate) fn open_stand_in(env: &Env, path: &Path, cache_bytes: usize) -> Result<Database, ShardError> {
    open_backend(Backend::stand_in(&*env.disk, path), path, cache_bytes)
}

fn open_backend(
    backend: io::Result<Backend>,
    path: &Path,
    cache_bytes: usize,
) -> Result<Database, ShardError> {
    let opened = backend.map_err(redb::Error::Io).and_then(|backend| {
        let mut builder = redb::Builder::new();
        builder.set_cache_size(cache_bytes).create_with_backend(backend).map_err(redb::Error::from)
    });
    opened.map_err(|error| ShardError::Open {
        path: path.to_owned(),
        advice: advice(&error),
        source: Box::new(error),
    })
}

/// Opens the file. One whose bytes are damaged is put aside and begun anew: it is filled from the log again.
/// Any other failure is the caller's.
pub(crate) fn open_or_begin_anew(env: &Env, path: &Path, cache_bytes: usize) -> Result<Database, ShardError> {
    match open(env, path, cache_bytes) {
        Err(error) if error.is_damage() => {
            put_aside(env, path, &error)?;
            open(env, path, cache_bytes)
        }
        result => result,
    }
}

/// Renames a file that must not be used, for somebody to look at.
pub(crate) fn put_aside(env: &Env, path: &Path, error: &ShardError) -> Result<(), ShardError> {
    tracing::error!(
        error = error as &dyn std::error::Error,
        path = %path.display(),
        "a shard cannot be used; it is put aside and made again from the change log"
    );
    Ok(env.disk.rename(path, &path.with_extension("damaged"))?)
}

/// Position up to which the file holds everything.
pub(crate) fn applied_lsn(db: &Database) -> Result<u64, ShardError> {
    let read = db.begin_read()?;
    match read.open_table(META) {
        Ok(table) => Ok(table.get(APPLIED)?.map_or(0, |v| v.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Makes what was committed so far durable.
pub(crate) fn make_durable(db: &Database) -> Result<(), ShardError> {
    let mut write = db.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_quick_repair(true);
    write.commit()?;
    Ok(())
}

/// Writes rows in their order in one transaction.
pub(crate) fn write_rows<'a>(
    db: &Database,
    rows: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    applied: u64,
    durable: bool,
) -> Result<(), ShardError> {
    let mut write = db.begin_write()?;
    write.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
    write.set_quick_repair(durable);
    {
        let mut rows = rows.peekable();
        while let Some(number) = rows.peek().and_then(|(row, _)| row.first().copied()) {
            let Some(table) = Table::from_number(number) else { break };
            let mut open = write.open_table(definition(table))?;
            while let Some((row, value)) = rows.next_if(|(row, _)| row.first() == Some(&number)) {
                match value {
                    Some(value) => drop(open.insert(&row[1..], value)?),
                    None => drop(open.remove(&row[1..])?),
                }
            }
        }
        write.open_table(META)?.insert(APPLIED, applied)?;
    }
    write.commit()?;
    Ok(())
}

/// redb as it was at one moment; opened tables are kept.
pub struct Snapshot {
    read: ReadTransaction,
    tables: [std::cell::OnceCell<OpenedTable>; Table::ALL.len() + 1],
}

impl Snapshot {
    pub(crate) fn of(db: &Database) -> Result<Self, ShardError> {
        Ok(Self { read: db.begin_read()?, tables: Default::default() })
    }

    fn table(&self, table: Table) -> Result<&OpenedTable, ShardError> {
        let cell = &self.tables[table as usize];
        if cell.get().is_none() {
            let opened = match self.read.open_table(definition(table)) {
                Ok(open) => Some(open),
                Err(TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(error.into()),
            };
            // Only this thread has the cell, and it is empty.
            let _ = cell.set(opened);
        }
        Ok(cell.get().unwrap_or(&None))
    }

    /// One row.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShardError> {
        let Some(table) = self.table(table)? else { return Ok(None) };
        Ok(table.get(key)?.map(|v| v.value().to_vec()))
    }

    /// Rows of a key range in order (or in reverse), until `each` says stop.
    pub fn scan(
        &self,
        table: Table,
        range: (std::ops::Bound<&[u8]>, std::ops::Bound<&[u8]>),
        reverse: bool,
        mut each: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), ShardError> {
        let Some(table) = self.table(table)? else { return Ok(()) };
        let mut rows = table.range::<&[u8]>(range)?;
        while let Some(row) = if reverse { rows.next_back() } else { rows.next() } {
            let (key, value) = row?;
            if !each(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }
}
