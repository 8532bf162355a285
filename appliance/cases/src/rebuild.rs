//! A case computed again from its history.

use crate::apply::{BlockContext, apply};
use crate::ledger;
use crate::state::{State, StoredForm};
use crate::work::{CaseWork, Work};
use bolster_model::{
    Attachment, Case, CaseId, CaseTransaction, Deletion, FormId, FormRow, OrderKey, ParsedForm,
    RebuildDetails, RulesVersion, SetBy, Timestamp, TxKinds,
};
use std::sync::Arc;

/// A form whose case work a fact changes: it stands for the stored version while histories are computed.
#[derive(Clone, Debug)]
pub struct FormVersion {
    /// Id under which it stands in histories.
    pub form_id: FormId,
    /// Place in history.
    pub position: OrderKey,
    /// `received_on`.
    pub received_on: Timestamp,
    /// Later than `received_on` for an edited form.
    pub server_date: Timestamp,
    /// What it asks for.
    pub parsed: Arc<ParsedForm>,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// Sync token it was sent with.
    pub sync_token: Option<String>,
    /// Switches in force when it was judged.
    pub rules: RulesVersion,
    /// It counts (not archived, deleted, replaced by nothing).
    pub in_force: bool,
}

impl FormVersion {
    /// A stored form in force: `row` says where it stands, `effective` is the version whose work counts.
    pub fn stored(row: &FormRow, effective: FormRow, stored: StoredForm) -> Self {
        let edited = effective.edited_on.filter(|_| row.effective_version.is_none());
        Self {
            form_id: row.form_id.clone(),
            position: row.position,
            received_on: effective.received_on,
            server_date: edited.unwrap_or(effective.received_on),
            parsed: stored.parsed,
            attachments: effective.attachments,
            sync_token: stored.sync_token,
            rules: stored.rules,
            in_force: true,
        }
    }

    /// Ids of the cases that it touches by blocks or ledgers.
    pub fn cases(&self) -> Vec<CaseId> {
        let mut ids: Vec<CaseId> = self.parsed.case_blocks.iter().map(|b| b.case_id.clone()).collect();
        ids.extend(ledger::cases_of(&self.parsed.ledger_blocks).into_iter().cloned());
        ids.sort();
        ids.dedup();
        ids
    }

    fn touches(&self, case_id: &CaseId) -> bool {
        self.parsed.touches(case_id)
            || self.parsed.ledger_blocks.iter().any(|b| b.cases().any(|id| id == case_id))
    }
}

/// Why and when a rebuild happens.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Key of the fact.
    pub key: OrderKey,
    /// When, by the fact.
    pub at: Timestamp,
    /// Bits of the rebuild transaction.
    pub kinds: TxKinds,
    /// Details.
    pub details: RebuildDetails,
}

/// Applies one form to one case that it touches and answers its transaction. `case` is as it was before.
pub fn apply_form(case: &mut Case, form: &FormVersion, by: SetBy) -> CaseTransaction {
    let context = BlockContext {
        form_user: form.parsed.meta.user_id.as_deref().unwrap_or_default(),
        received_on: form.received_on,
        by,
        attachments: form.rules.has(RulesVersion::CASE_ATTACHMENTS).then_some(form.attachments.as_slice()),
    };
    let mut kinds = TxKinds::FORM;
    let mut client_date = None;
    for block in form.parsed.blocks_of(&case.id) {
        kinds = kinds.with(apply(case, block, &context));
        client_date = client_date.max(block.date_modified);
    }
    let has_ledger = form.parsed.ledger_blocks.iter().any(|b| b.cases().any(|id| *id == case.id));
    if has_ledger {
        kinds = kinds.with(TxKinds::LEDGER);
    }
    case.server_modified_on = case.server_modified_on.max(form.server_date);
    if matches!(case.deletion, Deletion::NoForms { .. }) {
        case.deletion = Deletion::No;
    }
    CaseTransaction {
        key: form.position,
        form_id: Some(form.form_id.clone()),
        sync_token: if has_ledger { None } else { form.sync_token.clone() },
        server_date: form.received_on,
        client_date,
        kinds,
        revoked: false,
        rebuild: None,
    }
}

/// Puts `version` in its place in the history of a case (or takes it out when it does not touch the case any
/// more), computes the case again from the whole history, and appends a rebuild transaction.
/// Does nothing for a case without history that the version does not touch.
pub fn rebuild<S: State>(
    work: &mut Work<'_, S>,
    case_id: &CaseId,
    version: Option<&FormVersion>,
    cause: &Cause,
) -> Result<(), S::Error> {
    let mut history = work.state.transactions(case_id)?;
    if let Some(version) = version {
        history.retain(|t| t.form_id.as_ref() != Some(&version.form_id) || version.touches(case_id));
        let known = history.iter_mut().find(|t| t.form_id.as_ref() == Some(&version.form_id));
        match known {
            Some(transaction) => transaction.revoked = !version.in_force,
            None if version.touches(case_id) => {
                let at = history.partition_point(|t| t.key < version.position);
                history.insert(at, placeholder(version));
            }
            None => {}
        }
    }
    let state = work.state;
    let target = work.case_mut(case_id)?;
    if target.created && history.is_empty() {
        work.cases.remove(case_id);
        return Ok(());
    }
    replay(state, target, &mut history, version)?;
    finish(target, &mut history, cause);
    target.replace_history(history);
    Ok(())
}

fn placeholder(version: &FormVersion) -> CaseTransaction {
    CaseTransaction {
        key: version.position,
        form_id: Some(version.form_id.clone()),
        sync_token: None,
        server_date: version.received_on,
        client_date: None,
        kinds: TxKinds::FORM,
        revoked: !version.in_force,
        rebuild: None,
    }
}

/// Resets the case and applies every form in force, in order.
fn replay<S: State>(
    state: &S,
    target: &mut CaseWork,
    history: &mut [CaseTransaction],
    version: Option<&FormVersion>,
) -> Result<(), S::Error> {
    let old = std::mem::take(&mut target.case);
    target.case = Case {
        id: old.id,
        deletion: old.deletion,
        transaction_count: old.transaction_count,
        change_lsn: old.change_lsn,
        ..Case::default()
    };
    target.indices_touched = true;
    for (ordinal, transaction) in history.iter_mut().enumerate() {
        let Some(form_id) = transaction.form_id.clone() else { continue };
        if transaction.revoked {
            continue;
        }
        let loaded;
        let form = match version.filter(|v| v.form_id == form_id) {
            Some(version) => version,
            None => match load(state, &form_id)? {
                Some(form) => {
                    loaded = form;
                    &loaded
                }
                // Bytes lost: the transaction stays in the list, its values are gone.
                None => continue,
            },
        };
        let fresh = apply_form(&mut target.case, form, SetBy(ordinal as u32));
        *transaction = CaseTransaction { key: transaction.key, revoked: false, ..fresh };
    }
    Ok(())
}

/// The version of a stored form whose case work counts.
pub fn load<S: State>(state: &S, form_id: &FormId) -> Result<Option<FormVersion>, S::Error> {
    let Some(row) = state.form(form_id)? else { return Ok(None) };
    let effective = match &row.effective_version {
        Some(id) => state.form(id)?.unwrap_or_else(|| row.clone()),
        None => row.clone(),
    };
    let Some(stored) = state.stored(&effective)? else { return Ok(None) };
    Ok(Some(FormVersion::stored(&row, effective, stored)))
}

/// Deletion, server dates and the rebuild transaction itself.
fn finish(target: &mut CaseWork, history: &mut Vec<CaseTransaction>, cause: &Cause) {
    let case = &mut target.case;
    let alive = history.iter().any(|t| t.form_id.is_some() && !t.revoked);
    if !matches!(case.deletion, Deletion::Explicit { .. }) {
        case.deletion = if alive { Deletion::No } else { Deletion::NoForms { on: cause.at } };
    }
    case.server_modified_on = case.server_modified_on.max(cause.at);
    let transaction = CaseTransaction {
        key: cause.key,
        form_id: None,
        sync_token: None,
        server_date: cause.at,
        client_date: None,
        kinds: cause.kinds,
        revoked: false,
        rebuild: Some(cause.details.clone()),
    };
    let at = history.partition_point(|t| t.key <= cause.key);
    history.insert(at, transaction);
}
