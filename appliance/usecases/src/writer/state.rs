//! The state of one project as the rules see it from inside a batch (or from a committed view).

use bolster_cases::{State, StoredForm};
use bolster_changelog::fact_codec;
use bolster_model::{
    Case, CaseId, CaseTransaction, FormId, FormRow, LedgerKey, LedgerTransaction, LedgerValue, ParsedForm,
    ProjectId, Relationship, RulesVersion,
};
use bolster_store::{Read, ReadExt, Store, StoreError};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Most forms whose parsed content is remembered between batches; rebuilds read the same ones repeatedly.
const REMEMBERED_FORMS_MAX: usize = 256;

/// What the writer remembers besides the store.
#[derive(Default)]
pub(crate) struct Memo {
    /// Content of forms by log position: those of the batch that is not durable yet, and recent ones.
    forms: RefCell<HashMap<u64, StoredForm>>,
    /// `None` until looked up: whether any form waits for a case.
    pub(crate) anybody_waits: Option<bool>,
    /// There is more than one project, so ids may be taken elsewhere.
    pub(crate) several_projects: bool,
}

impl Memo {
    /// Forgets what has grown too big; the forms of durable batches can be read from the log.
    pub(crate) fn start_batch(&mut self) {
        let forms = self.forms.get_mut();
        if forms.len() > REMEMBERED_FORMS_MAX {
            forms.clear();
        }
    }

    /// Forgets content from a position on: positions of what was not committed are given again.
    pub(crate) fn forget_from(&mut self, lsn: u64) {
        self.forms.get_mut().retain(|known, _| *known < lsn);
    }

    /// Keeps the content of a form that is in the batch.
    pub(crate) fn remember(&self, lsn: u64, form: StoredForm) {
        self.forms.borrow_mut().insert(lsn, form);
    }
}

/// [`State`] over anything that reads rows.
pub(crate) struct ProjectState<'a, R: Read> {
    pub(crate) read: &'a R,
    pub(crate) store: &'a Store,
    pub(crate) project: ProjectId,
    pub(crate) memo: &'a Memo,
}

impl<R: Read> ProjectState<'_, R> {
    fn others(&self, projects: Vec<ProjectId>) -> bool {
        projects.iter().any(|p| *p != self.project)
    }

    fn load(&self, row: &FormRow) -> Result<Option<StoredForm>, StoreError> {
        if let Some(form) = self.memo.forms.borrow().get(&row.content_lsn) {
            return Ok(Some(form.clone()));
        }
        let Some(form) = read_form(self.store, row.content_lsn)? else { return Ok(None) };
        self.memo.remember(row.content_lsn, form.clone());
        Ok(Some(form))
    }
}

/// Reads and parses a form from the log; `None` when its bytes are gone or are no form.
pub(crate) fn read_form(store: &Store, lsn: u64) -> Result<Option<StoredForm>, StoreError> {
    let Some(entry) = store.entry(lsn)? else { return Ok(None) };
    let Some(content) = store.form_content_of(&entry)? else { return Ok(None) };
    let Ok(parsed) = bolster_wire::parse_form(&content.xml, &bolster_wire::Limits::default()) else {
        return Ok(None);
    };
    let rules = fact_codec::rules_of(&entry);
    Ok(Some(StoredForm { parsed: Arc::new(parsed), sync_token: content.info.last_sync_token, rules }))
}

/// The memo entry of a form that is being pushed.
pub(crate) fn stored(parsed: &Arc<ParsedForm>, token: Option<&String>, rules: RulesVersion) -> StoredForm {
    StoredForm { parsed: parsed.clone(), sync_token: token.cloned(), rules }
}

impl<R: Read> State for ProjectState<'_, R> {
    type Error = StoreError;

    fn case(&self, id: &CaseId) -> Result<Option<Case>, StoreError> {
        self.read.case(self.project, id)
    }
    fn case_elsewhere(&self, id: &CaseId) -> Result<bool, StoreError> {
        Ok(self.memo.several_projects && self.others(self.read.case_projects(id)?))
    }
    fn transactions(&self, id: &CaseId) -> Result<Vec<CaseTransaction>, StoreError> {
        self.read.transactions(self.project, id)
    }
    fn referrers(&self, id: &CaseId) -> Result<Vec<(CaseId, String, Relationship)>, StoreError> {
        self.read.referrers(self.project, id)
    }
    fn form(&self, id: &FormId) -> Result<Option<FormRow>, StoreError> {
        self.read.form(self.project, id)
    }
    fn form_elsewhere(&self, id: &FormId) -> Result<bool, StoreError> {
        Ok(self.memo.several_projects && self.others(self.read.form_projects(id)?))
    }
    fn stored(&self, row: &FormRow) -> Result<Option<StoredForm>, StoreError> {
        self.load(row)
    }
    fn ledger(&self, key: &LedgerKey) -> Result<Option<LedgerValue>, StoreError> {
        self.read.ledger(self.project, key)
    }
    fn ledger_transactions(&self, key: &LedgerKey) -> Result<Vec<LedgerTransaction>, StoreError> {
        self.read.ledger_transactions(self.project, key)
    }
}
