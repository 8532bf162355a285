//! Changes of a fact as rows of the batch.

use bolster_cases::{CaseChange, Changes, LedgerChange, listed_under};
use bolster_model::{CaseId, CaseIndex, FormId, FormRow, ProjectId};
use bolster_store::{Batch, BlobOwner};

/// Puts everything that a fact changed into the batch.
pub(super) fn put_changes(batch: &mut Batch<'_>, project: ProjectId, changes: &Changes, lsn: u64) {
    for row in &changes.forms {
        put_form(batch, project, row);
    }
    for change in &changes.cases {
        put_case(batch, project, change);
    }
    for change in &changes.ledgers {
        put_ledger(batch, project, change);
    }
    for (case, form) in &changes.waiting_removed {
        batch.remove_waiting(project, case, form);
    }
    for (case, form) in &changes.waiting_added {
        batch.put_waiting(project, case, form);
    }
    if let Some(form_id) = &changes.device_log {
        batch.put_device_log(project, form_id, lsn);
    }
    let token = changes.sync_token.as_deref();
    if let Some((form_id, cases)) = &changes.received {
        batch.put_recent(project, lsn, form_id, token, cases);
    } else if !changes.cases.is_empty() {
        let cases: Vec<CaseId> = changes.cases.iter().map(|c| c.case.id.clone()).collect();
        batch.put_recent(project, lsn, &FormId::default(), None, &cases);
    }
}

fn put_form(batch: &mut Batch<'_>, project: ProjectId, row: &FormRow) {
    for file in &row.attachments {
        batch.put_blob_ref(&file.blob, BlobOwner::Form, project, row.form_id.as_str());
    }
    batch.put_form(project, row);
}

fn put_case(batch: &mut Batch<'_>, project: ProjectId, change: &CaseChange) {
    let case = &change.case;
    for (ordinal, transaction) in (change.transactions_from..).zip(&change.transactions) {
        batch.put_transaction(project, &case.id, ordinal, transaction);
    }
    if case.transaction_count < change.transactions_before {
        batch.remove_transactions(project, &case.id, case.transaction_count..change.transactions_before);
    }
    for CaseIndex { identifier, referenced_id, .. } in &change.indices_removed {
        batch.remove_referrer(project, referenced_id, &case.id, identifier);
    }
    for index in &change.indices_added {
        batch.put_referrer(project, &index.referenced_id, &case.id, &index.identifier, index.relationship);
    }
    let listed = listed_under(case);
    if change.listed_before.as_deref() != listed {
        if let Some(owner) = &change.listed_before {
            batch.remove_owned(project, owner, &case.id);
        }
        if let Some(owner) = listed {
            batch.put_owned(project, owner, &case.id);
        }
    }
    batch.put_case(project, case);
}

fn put_ledger(batch: &mut Batch<'_>, project: ProjectId, change: &LedgerChange) {
    for place in &change.removed {
        batch.remove_ledger_transaction(project, &change.key, place);
    }
    for transaction in &change.put {
        batch.put_ledger_transaction(project, &change.key, transaction);
    }
    match &change.value {
        Some(value) => batch.put_ledger(project, value),
        None => batch.remove_ledger(project, &change.key),
    }
}
