//! Writing: one batch at a time, rows of several commits, one flush of the log.

use crate::read::{Read, Rows, ScanRange, StoreError};
use crate::set::SetReader;
use crate::store::{ROOM_WAIT, Store};
use bolster_changelog::{AppendError, EntryDraft, Log, LogBatch, Stamp};
use bolster_model::{
    Case, CaseId, CaseTransaction, Digest, FormId, FormRow, LedgerKey, LedgerPlace, LedgerTransaction,
    LedgerValue, ProjectId, Relationship,
};
use bolster_shards::overlay::row_key;
use bolster_shards::tables::links::{self, BlobOwner};
use bolster_shards::tables::{cases, documents, forms, id_key, ledgers, route_of, transactions};
use bolster_shards::{Op, ShardError, Table, effects};
use std::collections::BTreeMap;
use std::ops::Range;

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No room; nothing happened, and it may be tried again.
    #[error("the disk is full")]
    DiskFull,
    /// The log could not be written; nothing of the batch counts.
    #[error("the change log could not be written")]
    Log(#[source] AppendError),
    /// The shards take no more rows just now; nothing happened, and it may be tried again.
    #[error("the state cannot follow the change log just now")]
    Shards(#[source] ShardError),
}

/// The writing end of a store.
pub struct StoreWriter {
    pub(crate) store: Store,
    pub(crate) log: Log,
}

impl StoreWriter {
    /// Begins a batch.
    pub fn begin(&mut self) -> Batch<'_> {
        let reader = SetReader::new(self.store.set());
        Batch {
            log: self.log.begin(),
            store: &self.store,
            reader,
            rows: BTreeMap::new(),
            undo: Vec::new(),
            entry_ops: Vec::new(),
            entry_local: Vec::new(),
            ops: Vec::new(),
            committed_ops: 0,
            entries: 0,
            committed_entries: 0,
            effects: Vec::new(),
            local: Vec::new(),
        }
    }
}

/// A row and what the batch held of it before: nothing, a removal, a value.
type Undo = (Vec<u8>, Option<Option<Vec<u8>>>);

/// A batch being built. Its reads see its own rows.
pub struct Batch<'s> {
    log: LogBatch<'s>,
    store: &'s Store,
    reader: SetReader,
    /// Rows of the batch so far, the last write of each.
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// What `rows` held before each write since the last commit boundary.
    undo: Vec<Undo>,
    entry_ops: Vec<Op>,
    entry_local: Vec<Op>,
    ops: Vec<Op>,
    committed_ops: usize,
    entries: usize,
    committed_entries: usize,
    effects: Vec<u8>,
    local: Vec<u8>,
}

impl Read for Batch<'_> {
    fn get(&self, table: Table, route: u64, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = row_key(table, key);
        if let Some(value) = self.rows.get(&row) {
            return Ok(value.clone());
        }
        Ok(self.reader.get(table, route, &row)?)
    }
    fn scan(&self, table: Table, route: Option<u64>, range: &ScanRange) -> Result<Rows, StoreError> {
        self.reader.set().scan(table, route, range, Some(&self.rows))
    }
}

impl Batch<'_> {
    /// The store that it will be committed to.
    pub fn store(&self) -> &Store {
        self.store
    }

    /// The place that [`Self::push`] would give to this draft.
    pub fn stamp(&self, draft: &EntryDraft) -> Stamp {
        self.log.stamp(draft)
    }

    /// Adds an entry; the rows put since the last push are its effects.
    pub fn push(&mut self, draft: &EntryDraft, stamp: &Stamp) {
        self.effects.clear();
        self.local.clear();
        effects::encode(&mut self.effects, &self.entry_ops);
        effects::encode(&mut self.local, &self.entry_local);
        self.log.push(draft, stamp, &self.effects, &self.local);
        self.ops.append(&mut self.entry_ops);
        self.ops.append(&mut self.entry_local);
        self.entries += 1;
    }

    /// What was pushed since the last call belongs together.
    pub fn end_commit(&mut self) {
        debug_assert!(self.entry_ops.is_empty(), "every row belongs to an entry");
        self.log.end_commit();
        self.undo.clear();
        self.committed_ops = self.ops.len();
        self.committed_entries = self.entries;
    }

    /// Forgets rows and entries since the last [`Self::end_commit`].
    pub fn rollback(&mut self) {
        self.log.rollback();
        for (row, before) in self.undo.drain(..).rev() {
            match before {
                Some(value) => self.rows.insert(row, value),
                None => self.rows.remove(&row),
            };
        }
        self.entry_ops.clear();
        self.entry_local.clear();
        self.ops.truncate(self.committed_ops);
        self.entries = self.committed_entries;
    }

    /// Log position that the next entry gets.
    pub fn next_lsn(&self) -> u64 {
        self.log.next_lsn()
    }

    /// Log bytes so far.
    pub fn bytes(&self) -> usize {
        self.log.bytes()
    }

    /// Nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Makes everything durable, then visible. Answers the log positions.
    pub fn commit(self) -> Result<Range<u64>, CommitError> {
        // Before the log is written: after that the batch has happened, and can only be let in.
        self.reader.set().wait_for_room(ROOM_WAIT).map_err(|error| {
            if error.is_disk_full() { CommitError::DiskFull } else { CommitError::Shards(error) }
        })?;
        let range = self.log.commit().map_err(|error| match error {
            AppendError::DiskFull => CommitError::DiskFull,
            error => CommitError::Log(error),
        })?;
        if !range.is_empty() {
            // Under the lock that a change of layout takes, so that no batch falls between two layouts.
            self.store.publish(self.ops, self.entries, range.end - 1);
        }
        Ok(range)
    }

    fn put(&mut self, table: Table, route: u64, key: Vec<u8>, value: Option<Vec<u8>>) {
        let row = row_key(table, &key);
        let before = self.rows.insert(row.clone(), value.clone());
        self.undo.push((row, before));
        let ops = if table == Table::Local { &mut self.entry_local } else { &mut self.entry_ops };
        ops.push(Op { table, route, key, value });
    }

    /// Writes a form's row.
    pub fn put_form(&mut self, project: ProjectId, row: &FormRow) {
        let id = row.form_id.as_str();
        self.put(Table::Forms, route_of(id), id_key(id, project), Some(forms::encode(row)));
    }
    /// Writes a case.
    pub fn put_case(&mut self, project: ProjectId, case: &Case) {
        let id = case.id.as_str();
        self.put(Table::Cases, route_of(id), id_key(id, project), Some(cases::encode(case)));
    }
    /// Writes one transaction of a case.
    pub fn put_transaction(
        &mut self,
        project: ProjectId,
        case: &CaseId,
        ordinal: u32,
        transaction: &CaseTransaction,
    ) {
        let key = transactions::key(project, case, ordinal);
        let value = transactions::encode(transaction);
        self.put(Table::CaseTransactions, route_of(case.as_str()), key, Some(value));
    }
    /// Removes transactions of a case.
    pub fn remove_transactions(&mut self, project: ProjectId, case: &CaseId, ordinals: Range<u32>) {
        for ordinal in ordinals {
            let key = transactions::key(project, case, ordinal);
            self.put(Table::CaseTransactions, route_of(case.as_str()), key, None);
        }
    }
    /// Writes an edge from `source` to `target`.
    pub fn put_referrer(
        &mut self,
        project: ProjectId,
        target: &CaseId,
        source: &CaseId,
        identifier: &str,
        relationship: Relationship,
    ) {
        let key = links::referrer_key(project, target, source, identifier);
        self.put(Table::CaseReferrers, route_of(target.as_str()), key, Some(vec![relationship as u8]));
    }
    /// Removes an edge.
    pub fn remove_referrer(
        &mut self,
        project: ProjectId,
        target: &CaseId,
        source: &CaseId,
        identifier: &str,
    ) {
        let key = links::referrer_key(project, target, source, identifier);
        self.put(Table::CaseReferrers, route_of(target.as_str()), key, None);
    }
    /// Writes a ledger value.
    pub fn put_ledger(&mut self, project: ProjectId, value: &LedgerValue) {
        let route = route_of(value.key.case_id.as_str());
        self.put(Table::Ledgers, route, ledgers::key(project, &value.key), Some(ledgers::encode(value)));
    }
    /// Removes a ledger value.
    pub fn remove_ledger(&mut self, project: ProjectId, key: &LedgerKey) {
        self.put(Table::Ledgers, route_of(key.case_id.as_str()), ledgers::key(project, key), None);
    }
    /// Writes a ledger transaction.
    pub fn put_ledger_transaction(
        &mut self,
        project: ProjectId,
        key: &LedgerKey,
        transaction: &LedgerTransaction,
    ) {
        let row = ledgers::transaction_key(project, key, &transaction.place());
        let value = ledgers::encode_transaction(transaction);
        self.put(Table::LedgerTransactions, route_of(key.case_id.as_str()), row, Some(value));
    }
    /// Removes a ledger transaction.
    pub fn remove_ledger_transaction(&mut self, project: ProjectId, key: &LedgerKey, place: &LedgerPlace) {
        let row = ledgers::transaction_key(project, key, place);
        self.put(Table::LedgerTransactions, route_of(key.case_id.as_str()), row, None);
    }
    /// A form waits for a case.
    pub fn put_waiting(&mut self, project: ProjectId, case: &CaseId, form: &FormId) {
        let key = links::waiting_key(project, case, form);
        self.put(Table::Waiting, route_of(case.as_str()), key, Some(Vec::new()));
    }
    /// It does not wait any more.
    pub fn remove_waiting(&mut self, project: ProjectId, case: &CaseId, form: &FormId) {
        let key = links::waiting_key(project, case, form);
        self.put(Table::Waiting, route_of(case.as_str()), key, None);
    }
    /// A device log.
    pub fn put_device_log(&mut self, project: ProjectId, form: &FormId, lsn: u64) {
        let id = form.as_str();
        self.put(Table::DeviceLogs, route_of(id), id_key(id, project), Some(lsn.to_le_bytes().to_vec()));
    }
    /// An administrative document.
    pub fn put_document(&mut self, project: ProjectId, kind: &str, id: &str, json: &str) {
        let key = documents::key(project, kind, id);
        self.put(Table::Documents, documents::ROUTE, key, Some(json.as_bytes().to_vec()));
    }
    /// Removes a document.
    pub fn remove_document(&mut self, project: ProjectId, kind: &str, id: &str) {
        self.put(Table::Documents, documents::ROUTE, documents::key(project, kind, id), None);
    }
    /// A form came in, or (with an empty form id) something else changed cases.
    pub fn put_recent(
        &mut self,
        project: ProjectId,
        lsn: u64,
        form: &FormId,
        sync_token: Option<&str>,
        cases: &[CaseId],
    ) {
        let value = links::encode_recent(form, sync_token, cases);
        self.put(Table::RecentForms, route_of(form.as_str()), links::recent_key(project, lsn), Some(value));
    }
    /// A case belongs to the open cases of an owner.
    pub fn put_owned(&mut self, project: ProjectId, owner: &str, case: &CaseId) {
        let key = links::owned_key(project, owner, case);
        self.put(Table::OwnedCases, route_of(owner), key, Some(Vec::new()));
    }
    /// It belongs to them no more.
    pub fn remove_owned(&mut self, project: ProjectId, owner: &str, case: &CaseId) {
        self.put(Table::OwnedCases, route_of(owner), links::owned_key(project, owner, case), None);
    }
    /// Something refers to a blob.
    pub fn put_blob_ref(&mut self, blob: &Digest, owner: BlobOwner, project: ProjectId, id: &str) {
        let key = links::blob_ref_key(blob, owner, project, id);
        self.put(Table::BlobRefs, links::blob_route(blob), key, Some(Vec::new()));
    }
    /// It refers to the blob no more.
    pub fn remove_blob_ref(&mut self, blob: &Digest, owner: BlobOwner, project: ProjectId, id: &str) {
        let key = links::blob_ref_key(blob, owner, project, id);
        self.put(Table::BlobRefs, links::blob_route(blob), key, None);
    }
    /// A local row.
    pub fn put_local(&mut self, kind: &str, id: &str, value: &[u8]) {
        self.put(Table::Local, documents::ROUTE, documents::local_key(kind, id), Some(value.to_vec()));
    }
    /// Removes a local row.
    pub fn remove_local(&mut self, kind: &str, id: &str) {
        self.put(Table::Local, documents::ROUTE, documents::local_key(kind, id), None);
    }
}
