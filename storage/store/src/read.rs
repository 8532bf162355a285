//! Reading rows, and the nouns in them.

use bolster_codec::DecodeError;
use bolster_model::{
    Case, CaseId, CaseTransaction, CaseView, FormId, FormRow, LedgerKey, LedgerTransaction, LedgerValue,
    ProjectId, Relationship,
};
use bolster_shards::tables::links::{RecentForm, decode_recent, recent_key};
use bolster_shards::tables::{
    any_project, cases, documents, forms, id_key, ledgers, links, project_at_end, route_of, transactions,
};
use bolster_shards::{ShardError, Table};

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A shard.
    #[error("the store could not be read")]
    Shard(#[from] ShardError),
    /// The log.
    #[error("the change log could not be read")]
    Log(#[from] bolster_changelog::ReadError),
    /// A row or payload that this release cannot read.
    #[error("a row of {what} cannot be read")]
    Decode {
        /// Table or part.
        what: &'static str,
        /// Cause.
        #[source]
        source: DecodeError,
    },
    /// A log entry.
    #[error("a log entry cannot be read")]
    Entry(#[from] bolster_changelog::EntryError),
    /// A blob.
    #[error("a file could not be read")]
    Blob(#[from] bolster_blobs::BlobError),
}

impl StoreError {
    /// It may work later, without anybody doing anything but making room.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Shard(error) if error.is_passing())
    }
}

/// Which rows a scan answers.
#[derive(Clone, Debug)]
pub struct ScanRange {
    /// What their keys begin with.
    pub prefix: Vec<u8>,
    /// Only keys after this one (before it, in reverse).
    pub after: Option<Vec<u8>>,
    /// From the last to the first.
    pub reverse: bool,
    /// Most rows.
    pub limit: usize,
}

impl ScanRange {
    /// Everything with a prefix.
    pub fn all(prefix: Vec<u8>) -> Self {
        Self { prefix, after: None, reverse: false, limit: usize::MAX }
    }
}

/// Some of all cases, by id.
#[derive(Clone, PartialEq, Debug)]
pub struct CasePage {
    /// Those that were asked for, with `None` for every other row of the page.
    pub cases: Vec<Option<Case>>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// Some of all links between cases.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkPage {
    /// Source and target.
    pub links: Vec<(CaseId, CaseId)>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// Keys and values in order.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Anything that reads rows: committed state, or a batch with what it is about to commit.
pub trait Read {
    /// One row.
    fn get(&self, table: Table, route: u64, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Rows of a range; of all shards when `route` is `None`, merged by key.
    fn scan(&self, table: Table, route: Option<u64>, range: &ScanRange) -> Result<Rows, StoreError>;
}

fn decoded<T>(what: &'static str, result: Result<T, DecodeError>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Decode { what, source })
}

fn odd_key(what: &'static str) -> StoreError {
    StoreError::Decode { what, source: DecodeError::Malformed("key") }
}

/// The nouns of the store.
pub trait ReadExt: Read {
    /// A form's row.
    fn form(&self, project: ProjectId, id: &FormId) -> Result<Option<FormRow>, StoreError> {
        let row = self.get(Table::Forms, route_of(id.as_str()), &id_key(id.as_str(), project))?;
        row.map(|value| decoded("forms", forms::decode(id, &value))).transpose()
    }

    /// Links between cases of a project, in pages by target: source and target. Links of deleted cases may be
    /// among them.
    fn case_links(
        &self,
        project: ProjectId,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<LinkPage, StoreError> {
        let range = ScanRange { prefix: Vec::new(), after, reverse: false, limit };
        let rows = self.scan(Table::CaseReferrers, None, &range)?;
        let next = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        let mut links = Vec::new();
        for (key, _) in &rows {
            let end = key.iter().position(|b| *b == 0).ok_or_else(|| odd_key("case_referrers"))?;
            let len = end + 17;
            if key.get(..len).and_then(project_at_end) != Some(project) {
                continue;
            }
            let (source, _) = links::referrer_of(key, len).ok_or_else(|| odd_key("case_referrers"))?;
            links.push((source, CaseId(text(key[..end].to_vec())?)));
        }
        Ok(LinkPage { links, next })
    }

    /// Projects in which a form of this id exists.
    fn form_projects(&self, id: &FormId) -> Result<Vec<ProjectId>, StoreError> {
        self.projects_of(Table::Forms, id.as_str())
    }

    /// A case, deleted ones included.
    fn case(&self, project: ProjectId, id: &CaseId) -> Result<Option<Case>, StoreError> {
        let row = self.get(Table::Cases, route_of(id.as_str()), &id_key(id.as_str(), project))?;
        row.map(|value| decoded("cases", cases::decode(id, &value))).transpose()
    }

    /// Cases by id, in pages: those of a project and of some types (all when `None`), deleted ones included.
    fn case_page(
        &self,
        project: ProjectId,
        types: Option<&[String]>,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<CasePage, StoreError> {
        let range = ScanRange { prefix: Vec::new(), after, reverse: false, limit };
        let rows = self.scan(Table::Cases, None, &range)?;
        let next = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        let mut cases = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let of_type = match types {
                Some(types) => {
                    let case_type = decoded("cases", cases::case_type(&value))?;
                    types.iter().any(|t| t == case_type)
                }
                None => true,
            };
            if !of_type || project_at_end(&key) != Some(project) {
                cases.push(None);
                continue;
            }
            let id = CaseId(text(key[..key.len() - 17].to_vec())?);
            cases.push(Some(decoded("cases", cases::decode(&id, &value))?));
        }
        Ok(CasePage { cases, next })
    }

    /// Looks at a case, deleted ones included, without copying it.
    fn look_at_case<T>(
        &self,
        project: ProjectId,
        id: &CaseId,
        look: impl FnOnce(&CaseView<'_>) -> T,
    ) -> Result<Option<T>, StoreError> {
        let row = self.get(Table::Cases, route_of(id.as_str()), &id_key(id.as_str(), project))?;
        row.map(|value| Ok(look(&decoded("cases", cases::view(&value))?))).transpose()
    }

    /// Projects in which a case of this id exists.
    fn case_projects(&self, id: &CaseId) -> Result<Vec<ProjectId>, StoreError> {
        self.projects_of(Table::Cases, id.as_str())
    }

    /// Projects that hold this id in a table.
    fn projects_of(&self, table: Table, id: &str) -> Result<Vec<ProjectId>, StoreError> {
        let rows = self.scan(table, Some(route_of(id)), &ScanRange::all(any_project(id)))?;
        rows.iter().map(|(key, _)| project_at_end(key).ok_or_else(|| odd_key(table.name()))).collect()
    }

    /// The whole history of a case, in order.
    fn transactions(&self, project: ProjectId, id: &CaseId) -> Result<Vec<CaseTransaction>, StoreError> {
        let range = ScanRange::all(id_key(id.as_str(), project));
        let rows = self.scan(Table::CaseTransactions, Some(route_of(id.as_str())), &range)?;
        rows.iter().map(|(_, value)| decoded("case_transactions", transactions::decode(value))).collect()
    }

    /// Live indices of other cases that point here.
    fn referrers(
        &self,
        project: ProjectId,
        id: &CaseId,
    ) -> Result<Vec<(CaseId, String, Relationship)>, StoreError> {
        let prefix = id_key(id.as_str(), project);
        let len = prefix.len();
        let rows = self.scan(Table::CaseReferrers, Some(route_of(id.as_str())), &ScanRange::all(prefix))?;
        rows.iter()
            .map(|(key, value)| {
                let (source, identifier) =
                    links::referrer_of(key, len).ok_or_else(|| odd_key("case_referrers"))?;
                let number = value.first().copied().unwrap_or_default();
                Ok((source, identifier, decoded("case_referrers", cases::get_relationship(number))?))
            })
            .collect()
    }

    /// A ledger value.
    fn ledger(&self, project: ProjectId, key: &LedgerKey) -> Result<Option<LedgerValue>, StoreError> {
        let row = self.get(Table::Ledgers, route_of(key.case_id.as_str()), &ledgers::key(project, key))?;
        row.map(|value| decoded("ledgers", ledgers::decode(key, &value))).transpose()
    }

    /// All ledger values of a case.
    fn ledgers(&self, project: ProjectId, id: &CaseId) -> Result<Vec<LedgerValue>, StoreError> {
        let prefix = id_key(id.as_str(), project);
        let len = prefix.len();
        let rows = self.scan(Table::Ledgers, Some(route_of(id.as_str())), &ScanRange::all(prefix))?;
        rows.iter()
            .map(|(key, value)| {
                let (section_id, entry_id) = ledgers::names(key, len).ok_or_else(|| odd_key("ledgers"))?;
                let key = LedgerKey { case_id: id.clone(), section_id, entry_id };
                decoded("ledgers", ledgers::decode(&key, value))
            })
            .collect()
    }

    /// Whether there is any ledger at all.
    fn any_ledger(&self) -> Result<bool, StoreError> {
        let range = ScanRange { limit: 1, ..ScanRange::all(Vec::new()) };
        Ok(!self.scan(Table::Ledgers, None, &range)?.is_empty())
    }

    /// Transactions of a ledger, in order.
    fn ledger_transactions(
        &self,
        project: ProjectId,
        key: &LedgerKey,
    ) -> Result<Vec<LedgerTransaction>, StoreError> {
        let range = ScanRange::all(ledgers::transactions_prefix(project, key));
        let rows = self.scan(Table::LedgerTransactions, Some(route_of(key.case_id.as_str())), &range)?;
        rows.iter()
            .map(|(_, value)| decoded("ledger_transactions", ledgers::decode_transaction(value)))
            .collect()
    }

    /// Forms in error that wait for this case.
    fn waiting_for(&self, project: ProjectId, id: &CaseId) -> Result<Vec<FormId>, StoreError> {
        let prefix = id_key(id.as_str(), project);
        let len = prefix.len();
        let rows = self.scan(Table::Waiting, Some(route_of(id.as_str())), &ScanRange::all(prefix))?;
        rows.iter()
            .map(|(key, _)| {
                let form = String::from_utf8(key[len..].to_vec()).map_err(|_| odd_key("waiting"))?;
                Ok(FormId(form))
            })
            .collect()
    }

    /// Whether any form waits for any case.
    fn any_waiting(&self) -> Result<bool, StoreError> {
        let range = ScanRange { limit: 1, ..ScanRange::all(Vec::new()) };
        Ok(!self.scan(Table::Waiting, None, &range)?.is_empty())
    }

    /// Device logs of a project: id and log position of the content.
    fn device_logs(&self, project: ProjectId) -> Result<Vec<(FormId, u64)>, StoreError> {
        let rows = self.scan(Table::DeviceLogs, None, &ScanRange::all(Vec::new()))?;
        let mut found = Vec::new();
        for (key, value) in rows {
            if project_at_end(&key) != Some(project) {
                continue;
            }
            let id = String::from_utf8(key[..key.len() - 17].to_vec()).map_err(|_| odd_key("device_logs"))?;
            let lsn = value.try_into().map_err(|_| odd_key("device_logs"))?;
            found.push((FormId(id), u64::from_le_bytes(lsn)));
        }
        Ok(found)
    }

    /// An administrative document.
    fn document(&self, project: ProjectId, kind: &str, id: &str) -> Result<Option<String>, StoreError> {
        let row = self.get(Table::Documents, documents::ROUTE, &documents::key(project, kind, id))?;
        row.map(text).transpose()
    }

    /// All documents of a kind: id and JSON.
    fn documents(&self, project: ProjectId, kind: &str) -> Result<Vec<(String, String)>, StoreError> {
        let prefix = documents::prefix(project, kind);
        let len = prefix.len();
        let rows = self.scan(Table::Documents, Some(documents::ROUTE), &ScanRange::all(prefix))?;
        rows.into_iter().map(|(key, value)| Ok((text(key[len..].to_vec())?, text(value)?))).collect()
    }

    /// Documents of a kind from the last id to the first, before an id: id and JSON.
    fn documents_before(
        &self,
        project: ProjectId,
        kind: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let prefix = documents::prefix(project, kind);
        let len = prefix.len();
        let after = before.map(|id| documents::key(project, kind, id));
        let range = ScanRange { prefix, after, reverse: true, limit };
        let rows = self.scan(Table::Documents, Some(documents::ROUTE), &range)?;
        rows.into_iter().map(|(key, value)| Ok((text(key[len..].to_vec())?, text(value)?))).collect()
    }

    /// Forms that came in, the latest first, before a log position.
    fn recent_forms(
        &self,
        project: ProjectId,
        before_lsn: Option<u64>,
        limit: usize,
    ) -> Result<Vec<RecentForm>, StoreError> {
        let mut found = Vec::new();
        let mut before = before_lsn;
        while found.len() < limit {
            let range = ScanRange {
                prefix: project.0.to_vec(),
                after: before.map(|lsn| recent_key(project, lsn)),
                reverse: true,
                limit: limit - found.len(),
            };
            let rows = self.scan(Table::RecentForms, None, &range)?;
            for (key, value) in &rows {
                let recent = decoded("recent_forms", decode_recent(key, value))?;
                before = Some(recent.lsn);
                if !recent.form_id.as_str().is_empty() {
                    found.push(recent);
                }
            }
            if rows.len() < range.limit {
                break;
            }
        }
        Ok(found)
    }

    /// Changes of cases after a log position, in order, at most `limit` of them.
    fn changes_after(
        &self,
        project: ProjectId,
        lsn: u64,
        limit: usize,
    ) -> Result<Vec<RecentForm>, StoreError> {
        let range = ScanRange {
            prefix: project.0.to_vec(),
            after: Some(recent_key(project, lsn)),
            reverse: false,
            limit,
        };
        let rows = self.scan(Table::RecentForms, None, &range)?;
        rows.iter().map(|(key, value)| decoded("recent_forms", decode_recent(key, value))).collect()
    }

    /// Open cases of an owner by id, after one, at most `limit`.
    fn owned_cases(
        &self,
        project: ProjectId,
        owner: &str,
        after: Option<&CaseId>,
        limit: usize,
    ) -> Result<Vec<CaseId>, StoreError> {
        let prefix = id_key(owner, project);
        let len = prefix.len();
        let range = ScanRange {
            prefix,
            after: after.map(|case| links::owned_key(project, owner, case)),
            reverse: false,
            limit,
        };
        let rows = self.scan(Table::OwnedCases, Some(route_of(owner)), &range)?;
        rows.into_iter().map(|(key, _)| Ok(CaseId(text(key[len..].to_vec())?))).collect()
    }

    /// A local row.
    fn local(&self, kind: &str, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(Table::Local, documents::ROUTE, &documents::local_key(kind, id))
    }

    /// All local rows of a kind: id and bytes.
    fn locals(&self, kind: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let prefix = documents::local_key(kind, "");
        let len = prefix.len();
        let rows = self.scan(Table::Local, Some(documents::ROUTE), &ScanRange::all(prefix))?;
        rows.into_iter().map(|(key, value)| Ok((text(key[len..].to_vec())?, value))).collect()
    }

    /// Documents that a blob is a file of: project, and `kind/id`. At most `limit`.
    fn blob_documents(
        &self,
        blob: &bolster_model::Digest,
        limit: usize,
    ) -> Result<Vec<(ProjectId, String)>, StoreError> {
        let mut prefix = blob.0.to_vec();
        prefix.push(links::BlobOwner::Document as u8);
        let len = prefix.len();
        let range = ScanRange { limit, ..ScanRange::all(prefix) };
        let rows = self.scan(Table::BlobRefs, Some(links::blob_route(blob)), &range)?;
        rows.into_iter()
            .map(|(key, _)| {
                let project = project_at_end(&key).ok_or_else(|| odd_key("blob_refs"))?;
                let id = key.get(len..key.len().saturating_sub(17)).ok_or_else(|| odd_key("blob_refs"))?;
                Ok((project, text(id.to_vec())?))
            })
            .collect()
    }

    /// Whether anything refers to a blob.
    fn is_referenced(&self, blob: &bolster_model::Digest) -> Result<bool, StoreError> {
        let range = ScanRange { limit: 1, ..ScanRange::all(blob.0.to_vec()) };
        Ok(!self.scan(Table::BlobRefs, Some(links::blob_route(blob)), &range)?.is_empty())
    }

    /// How many forms and documents refer to a blob.
    fn reference_count(&self, blob: &bolster_model::Digest) -> Result<usize, StoreError> {
        let range = ScanRange::all(blob.0.to_vec());
        Ok(self.scan(Table::BlobRefs, Some(links::blob_route(blob)), &range)?.len())
    }
}

impl<R: Read + ?Sized> ReadExt for R {}

fn text(bytes: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(bytes)
        .map_err(|_| StoreError::Decode { what: "documents", source: DecodeError::Malformed("text") })
}
