//! A project in memory: the simplest possible store under the rules.
#![allow(missing_docs, reason = "test support")]

use bolster_cases::{Changes, FoldContext, Judgement, State, StoredForm, Submission, fold, judge};
use bolster_model::{
    Case, CaseId, CaseTransaction, Digest, Fact, FormId, FormRow, LedgerKey, LedgerTransaction, LedgerValue,
    NodeId, OrderKey, ParsedForm, Relationship, RulesVersion, SubmissionInfo, Timestamp,
};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

#[derive(Clone, Default, Debug, PartialEq)]
pub struct Rows {
    pub forms: BTreeMap<FormId, FormRow>,
    pub cases: BTreeMap<CaseId, Case>,
    pub transactions: BTreeMap<CaseId, Vec<CaseTransaction>>,
    pub referrers: BTreeMap<(CaseId, CaseId, String), Relationship>,
    pub ledgers: BTreeMap<LedgerKey, LedgerValue>,
    pub ledger_transactions: BTreeMap<LedgerKey, Vec<LedgerTransaction>>,
}

#[derive(Clone, Default)]
pub struct Project {
    pub rows: Rows,
    contents: BTreeMap<u64, StoredForm>,
    pub facts: Vec<(Fact, Option<Arc<ParsedForm>>, FoldContext)>,
    pub rules: RulesVersion,
}

impl State for Project {
    type Error = Infallible;
    fn case(&self, id: &CaseId) -> Result<Option<Case>, Infallible> {
        Ok(self.rows.cases.get(id).cloned())
    }
    fn case_elsewhere(&self, _: &CaseId) -> Result<bool, Infallible> {
        Ok(false)
    }
    fn transactions(&self, id: &CaseId) -> Result<Vec<CaseTransaction>, Infallible> {
        Ok(self.rows.transactions.get(id).cloned().unwrap_or_default())
    }
    fn referrers(&self, id: &CaseId) -> Result<Vec<(CaseId, String, Relationship)>, Infallible> {
        let found = self.rows.referrers.iter().filter(|((target, _, _), _)| target == id);
        Ok(found.map(|((_, source, name), r)| (source.clone(), name.clone(), *r)).collect())
    }
    fn form(&self, id: &FormId) -> Result<Option<FormRow>, Infallible> {
        Ok(self.rows.forms.get(id).cloned())
    }
    fn form_elsewhere(&self, _: &FormId) -> Result<bool, Infallible> {
        Ok(false)
    }
    fn stored(&self, row: &FormRow) -> Result<Option<StoredForm>, Infallible> {
        Ok(self.contents.get(&row.content_lsn).cloned())
    }
    fn ledger(&self, key: &LedgerKey) -> Result<Option<LedgerValue>, Infallible> {
        Ok(self.rows.ledgers.get(key).cloned())
    }
    fn ledger_transactions(&self, key: &LedgerKey) -> Result<Vec<LedgerTransaction>, Infallible> {
        Ok(self.rows.ledger_transactions.get(key).cloned().unwrap_or_default())
    }
}

pub fn sure<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
    }
}

impl Project {
    fn context(&self) -> FoldContext {
        let lsn = self.facts.len() as u64 + 1;
        let key = OrderKey { hlc: lsn << 16, author: NodeId([7; 16]), digest: Digest([lsn as u8; 32]) };
        FoldContext { key, lsn, rules: self.rules }
    }

    /// Folds a fact into the rows.
    pub fn commit(&mut self, fact: Fact, parsed: Option<Arc<ParsedForm>>) -> Changes {
        let context = self.context();
        if let (Fact::SubmitForm(form), Some(parsed)) = (&fact, &parsed) {
            let stored = StoredForm {
                parsed: parsed.clone(),
                sync_token: form.info.last_sync_token.clone(),
                rules: self.rules,
            };
            self.contents.insert(context.lsn, stored);
        }
        let changes = sure(fold(self, &fact, parsed.as_ref(), &context));
        self.facts.push((fact, parsed, context));
        self.apply(&changes);
        changes
    }

    /// Judges and folds a submission; answers the judgement.
    pub fn submit(&mut self, parsed: ParsedForm, bytes: u8, at: Timestamp) -> Judgement {
        let info = SubmissionInfo { received_on: at, ..SubmissionInfo::default() };
        let salt = [self.facts.len() as u8; 16];
        let submission = Submission {
            parsed: Ok(&parsed),
            info: &info,
            xml_digest: Digest([bytes; 32]),
            salt,
            project: [1; 16],
        };
        let judgement = sure(judge(self, &submission));
        if let Judgement::Accept(form) = &judgement {
            self.commit(Fact::SubmitForm(Box::new(form.clone())), Some(Arc::new(parsed)));
        }
        judgement
    }

    fn apply(&mut self, changes: &Changes) {
        let rows = &mut self.rows;
        for row in &changes.forms {
            rows.forms.insert(row.form_id.clone(), row.clone());
        }
        for change in &changes.cases {
            let id = change.case.id.clone();
            let list = rows.transactions.entry(id.clone()).or_default();
            assert_eq!(
                list.len() as u32,
                change.transactions_before,
                "the list was as long as the rules think"
            );
            list.truncate(change.transactions_from as usize);
            list.extend(change.transactions.iter().cloned());
            list.truncate(change.case.transaction_count as usize);
            assert_eq!(list.len() as u32, change.case.transaction_count);
            for index in &change.indices_removed {
                let key = (index.referenced_id.clone(), id.clone(), index.identifier.clone());
                assert!(rows.referrers.remove(&key).is_some(), "a removed edge was there");
            }
            for index in &change.indices_added {
                let key = (index.referenced_id.clone(), id.clone(), index.identifier.clone());
                rows.referrers.insert(key, index.relationship);
            }
            rows.cases.insert(id, change.case.clone());
        }
        for change in &changes.ledgers {
            let list = rows.ledger_transactions.entry(change.key.clone()).or_default();
            list.retain(|t| {
                !change.removed.contains(&t.place()) && !change.put.iter().any(|p| p.place() == t.place())
            });
            list.extend(change.put.iter().cloned());
            list.sort_by_key(LedgerTransaction::place);
            match &change.value {
                Some(value) => rows.ledgers.insert(change.key.clone(), value.clone()),
                None => rows.ledgers.remove(&change.key),
            };
        }
    }
}
