//! The fold: one fact applied to the state of its project.

use crate::changes::Changes;
use crate::ledger::{self, LedgerContext};
use crate::rebuild::{Cause, FormVersion, apply_form, load, rebuild};
use crate::state::State;
use crate::work::Work;
use bolster_model::{
    ArchiveForm, Attachment, CaseId, DeleteCase, DeleteForm, Deletion, Fact, FormId, FormRow, FormState,
    LedgerKey, Operation, OperationKind, OrderKey, ParsedForm, RebuildCase, RebuildDetails, ReprocessForm,
    RulesVersion, SetBy, SubmitForm, Timestamp, TxKinds, Verdict,
};
use std::sync::Arc;

/// Where the fact stands.
#[derive(Clone, Copy, Debug)]
pub struct FoldContext {
    /// Its order key.
    pub key: OrderKey,
    /// Its local log position.
    pub lsn: u64,
    /// Rules and switches recorded with it.
    pub rules: RulesVersion,
}

/// Applies a fact. `parsed` is what a submitted form asks for; it is read from the payload when facts are
/// folded again. Fails only when the state cannot be read.
pub fn fold<S: State>(
    state: &S,
    fact: &Fact,
    parsed: Option<&Arc<ParsedForm>>,
    context: &FoldContext,
) -> Result<Changes, S::Error> {
    let mut work = Work::new(state);
    match fact {
        Fact::SubmitForm(form) => submit(&mut work, form, parsed, context)?,
        Fact::ArchiveForm(archive) => archive_form(&mut work, archive, context)?,
        Fact::DeleteForm(delete) => delete_form(&mut work, delete, context)?,
        Fact::ReprocessForm(reprocess) => reprocess_form(&mut work, reprocess, context)?,
        Fact::DeleteCase(delete) => delete_case(&mut work, delete)?,
        Fact::RebuildCase(request) => rebuild_case(&mut work, request, context)?,
        Fact::AdminDocument(_) | Fact::Credential(_) => {}
    }
    let mut changes = work.finish();
    for row in &mut changes.forms {
        row.change_lsn = context.lsn;
    }
    for change in &mut changes.cases {
        change.case.change_lsn = context.lsn;
    }
    Ok(changes)
}

/// A row for a form that just came in.
fn new_row(form: &SubmitForm, state: FormState, context: &FoldContext) -> FormRow {
    FormRow {
        form_id: form.form_id.clone(),
        state,
        position: context.key,
        content_lsn: context.lsn,
        change_lsn: context.lsn,
        xmlns: form.xmlns.clone(),
        xml_digest: form.xml_digest,
        earlier_digests: Vec::new(),
        received_on: form.info.received_on,
        server_modified_on: form.info.received_on,
        edited_on: None,
        deprecated_form_id: None,
        orig_id: None,
        problem: None,
        missing_cases: Vec::new(),
        initial_processing_complete: false,
        effective_version: None,
        attachments: form.info.attachments.clone(),
        operations: Vec::new(),
        deleted: None,
        duplicate_count: 0,
    }
}

fn version(form: &SubmitForm, row: &FormRow, parsed: Arc<ParsedForm>, rules: RulesVersion) -> FormVersion {
    FormVersion {
        form_id: row.form_id.clone(),
        position: row.position,
        received_on: row.received_on,
        server_date: row.edited_on.unwrap_or(row.received_on),
        parsed,
        attachments: row.attachments.clone(),
        sync_token: form.info.last_sync_token.clone(),
        rules,
        in_force: true,
    }
}

fn submit<S: State>(
    work: &mut Work<'_, S>,
    form: &SubmitForm,
    parsed: Option<&Arc<ParsedForm>>,
    context: &FoldContext,
) -> Result<(), S::Error> {
    let mut touched = Vec::new();
    work.changes.sync_token = form.info.last_sync_token.clone();
    match &form.verdict {
        Verdict::Normal => {
            let mut row = new_row(form, FormState::Normal, context);
            row.initial_processing_complete = true;
            if let Some(parsed) = parsed
                && !(parsed.case_blocks.is_empty() && parsed.ledger_blocks.is_empty())
            {
                let version = version(form, &row, parsed.clone(), context.rules);
                touched = version.cases();
                append_form(work, &version, &touched)?;
            }
            work.forms.push(row);
        }
        Verdict::Error { problem, missing_cases } => {
            let mut row = new_row(form, FormState::Error, context);
            row.problem = Some(problem.clone());
            wait_for(work, &mut row, missing_cases);
            work.forms.push(row);
        }
        Verdict::Unparseable { problem } => {
            let mut row = new_row(form, FormState::SubmissionError, context);
            row.problem = Some(problem.clone());
            work.forms.push(row);
        }
        Verdict::DuplicateOf { form_id } => duplicate(work, form, form_id, context)?,
        Verdict::EditOf { deprecated_form_id, error } => {
            touched = edit(work, form, parsed, (deprecated_form_id, error.as_ref()), context)?;
        }
        Verdict::DeviceLog => {
            work.changes.device_log = Some(form.form_id.clone());
            return Ok(());
        }
    }
    work.changes.received = Some((form.form_id.clone(), touched));
    Ok(())
}

fn wait_for<S: State>(work: &mut Work<'_, S>, row: &mut FormRow, missing: &[CaseId]) {
    for case in missing {
        work.changes.waiting_added.push((case.clone(), row.form_id.clone()));
    }
    row.missing_cases = missing.to_vec();
}

fn stop_waiting<S: State>(work: &mut Work<'_, S>, row: &mut FormRow) {
    stop_waiting_as(work, row);
    row.missing_cases.clear();
}

/// Applies a form at the end of the history of one case.
fn append_to<S: State>(work: &mut Work<'_, S>, id: &CaseId, version: &FormVersion) -> Result<(), S::Error> {
    let target = work.case_mut(id)?;
    let by = SetBy(target.case.transaction_count);
    let transaction = apply_form(&mut target.case, version, by);
    target.indices_touched |= transaction.kinds.has(TxKinds::INDEX);
    target.append(transaction);
    Ok(())
}

/// Applies a form that stands last in the history of every case it touches.
fn append_form<S: State>(
    work: &mut Work<'_, S>,
    version: &FormVersion,
    touched: &[CaseId],
) -> Result<(), S::Error> {
    for id in touched {
        append_to(work, id, version)?;
    }
    apply_ledgers(work, version)
}

fn apply_ledgers<S: State>(work: &mut Work<'_, S>, version: &FormVersion) -> Result<(), S::Error> {
    let context = LedgerContext {
        form_id: &version.form_id,
        position: version.position,
        received_on: version.received_on,
    };
    ledger::apply(work, &version.parsed.ledger_blocks, &context)
}

fn duplicate<S: State>(
    work: &mut Work<'_, S>,
    form: &SubmitForm,
    of: &FormId,
    context: &FoldContext,
) -> Result<(), S::Error> {
    let mut row = new_row(form, FormState::Duplicate, context);
    row.orig_id = Some(of.clone());
    row.problem = Some(format!("Form is a duplicate of another! ({of})"));
    if let Some(mut original) = work.state.form(of)? {
        original.duplicate_count = original.duplicate_count.saturating_add(1);
        work.forms.push(original);
    }
    work.forms.push(row);
    Ok(())
}

/// Files of the new version, with those of the old one that were not sent again.
fn merged(new: &[Attachment], old: &[Attachment]) -> Vec<Attachment> {
    let mut all = new.to_vec();
    all.extend(old.iter().filter(|o| !new.iter().any(|n| n.name == o.name)).cloned());
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn edit<S: State>(
    work: &mut Work<'_, S>,
    form: &SubmitForm,
    parsed: Option<&Arc<ParsedForm>>,
    (deprecated_id, error): (&FormId, Option<&(String, Vec<CaseId>)>),
    context: &FoldContext,
) -> Result<Vec<CaseId>, S::Error> {
    let Some(old) = work.state.form(&form.form_id)? else {
        // Cannot be: an edit names a form that is here. Folding is total, so it counts as a first version.
        let mut row = new_row(form, FormState::Error, context);
        row.problem = error.map(|e| e.0.clone());
        work.forms.push(row);
        return Ok(Vec::new());
    };
    let now = form.info.received_on;
    let first_never_worked = old.state == FormState::Error && !old.initial_processing_complete;
    // Whether in force or not, a version that worked once has its place in the histories.
    let before = load(work.state, &form.form_id)?.filter(|_| !first_never_worked);
    let mut new = new_row(form, FormState::Normal, context);
    let mut replaced = old.clone();
    replaced.form_id = deprecated_id.clone();
    replaced.orig_id = Some(form.form_id.clone());
    replaced.server_modified_on = now;
    replaced.deleted = None;
    stop_waiting_as(work, &old);
    if !first_never_worked {
        replaced.state = FormState::Deprecated;
        replaced.edited_on = Some(now);
        new.position = old.position;
        new.received_on = old.received_on;
        new.edited_on = Some(now);
        new.operations = old.operations.clone();
        let editor = form.info.auth.user_id.clone();
        let claimed = parsed.and_then(|p| p.meta.user_id.clone());
        let user_id = editor.or(claimed).unwrap_or_else(|| "unknown".to_owned());
        new.operations.push(Operation { user_id, date: now, kind: OperationKind::Edit });
    }
    replaced.missing_cases.clear();
    new.server_modified_on = now;
    new.deprecated_form_id = Some(deprecated_id.clone());
    new.attachments = merged(&form.info.attachments, &old.attachments);
    new.earlier_digests = old.earlier_digests.clone();
    new.earlier_digests.push(old.xml_digest);
    new.duplicate_count = old.duplicate_count;
    if let Some((problem, missing)) = error {
        new.state = FormState::Error;
        new.problem = Some(problem.clone());
        new.initial_processing_complete = old.initial_processing_complete;
        if old.deleted.is_none() && counts(&old) {
            new.effective_version = old.effective_version.clone().or_else(|| Some(deprecated_id.clone()));
        }
        wait_for(work, &mut new, missing);
        work.forms.extend([replaced, new]);
        return Ok(Vec::new());
    }
    new.initial_processing_complete = true;
    let after = version(form, &new, parsed.cloned().unwrap_or_default(), context.rules);
    let mut touched = after.cases();
    if first_never_worked {
        append_form(work, &after, &touched)?;
    } else {
        let mut keys = ledger::keys_of(&after.parsed.ledger_blocks);
        if let Some(before) = &before {
            touched.extend(before.cases());
            keys.extend(ledger::keys_of(&before.parsed.ledger_blocks));
        }
        let details = RebuildDetails::FormEdited { deprecated_form_id: deprecated_id.clone() };
        let cause = Cause { key: context.key, at: now, kinds: TxKinds::REBUILD_FORM_EDIT, details };
        replace_version(work, touched.clone(), keys, &after, &cause)?;
    }
    work.forms.extend([replaced, new]);
    touched.sort();
    touched.dedup();
    Ok(touched)
}

fn stop_waiting_as<S: State>(work: &mut Work<'_, S>, row: &FormRow) {
    for case in &row.missing_cases {
        work.changes.waiting_removed.push((case.clone(), row.form_id.clone()));
    }
}

/// Makes `version` the one that counts in the named cases and ledgers.
fn replace_version<S: State>(
    work: &mut Work<'_, S>,
    mut cases: Vec<CaseId>,
    mut keys: Vec<LedgerKey>,
    version: &FormVersion,
    cause: &Cause,
) -> Result<(), S::Error> {
    cases.sort();
    cases.dedup();
    for id in &cases {
        rebuild(work, id, Some(version), cause)?;
    }
    keys.sort();
    keys.dedup();
    ledger::remove_form(work, &keys, &version.form_id)?;
    if version.in_force { apply_ledgers(work, version) } else { Ok(()) }
}

/// Takes a stored form out of force or puts it back, in every case and ledger that it touches.
fn set_in_force<S: State>(
    work: &mut Work<'_, S>,
    form_id: &FormId,
    in_force: bool,
    cause: &Cause,
) -> Result<(), S::Error> {
    let Some(mut version) = load(work.state, form_id)? else { return Ok(()) };
    version.in_force = in_force;
    let keys = ledger::keys_of(&version.parsed.ledger_blocks);
    replace_version(work, version.cases(), keys, &version, cause)
}

fn archive_form<S: State>(
    work: &mut Work<'_, S>,
    archive: &ArchiveForm,
    context: &FoldContext,
) -> Result<(), S::Error> {
    let Some(mut row) = work.state.form(&archive.form_id)? else { return Ok(()) };
    let (from, to, kind) = if archive.archive {
        (FormState::Normal, FormState::Archived, OperationKind::Archive)
    } else {
        (FormState::Archived, FormState::Normal, OperationKind::Unarchive)
    };
    if row.state != from {
        return Ok(());
    }
    row.state = to;
    row.server_modified_on = archive.at;
    row.operations.push(Operation { user_id: archive.user_id.clone(), date: archive.at, kind });
    if row.deleted.is_none() {
        let details =
            RebuildDetails::FormArchived { form_id: archive.form_id.clone(), archived: archive.archive };
        let cause =
            Cause { key: context.key, at: archive.at, kinds: TxKinds::REBUILD_FORM_ARCHIVED, details };
        set_in_force(work, &archive.form_id, !archive.archive, &cause)?;
    }
    work.forms.push(row);
    Ok(())
}

/// Some version of the form stands in histories, unless the form is deleted.
fn counts(row: &FormRow) -> bool {
    row.state == FormState::Normal || (row.state == FormState::Error && row.effective_version.is_some())
}

fn delete_form<S: State>(
    work: &mut Work<'_, S>,
    delete: &DeleteForm,
    context: &FoldContext,
) -> Result<(), S::Error> {
    let Some(mut row) = work.state.form(&delete.form_id)? else { return Ok(()) };
    if row.deleted.is_some() == delete.delete {
        return Ok(());
    }
    row.deleted = delete.delete.then(|| (delete.at, delete.deletion_id.clone()));
    row.server_modified_on = delete.at;
    if !delete.delete {
        row.problem = Some(format!("Restored on {}", delete.at));
    }
    if counts(&row) {
        let verb = if delete.delete { "deleted" } else { "undeleted" };
        let details = RebuildDetails::Requested {
            reason: format!("form {} {verb}", delete.form_id),
            user_id: delete.user_id.clone(),
        };
        let cause = Cause { key: context.key, at: delete.at, kinds: TxKinds::REBUILD_WITH_REASON, details };
        set_in_force(work, &delete.form_id, !delete.delete, &cause)?;
    }
    work.forms.push(row);
    Ok(())
}

fn reprocess_form<S: State>(
    work: &mut Work<'_, S>,
    reprocess: &ReprocessForm,
    context: &FoldContext,
) -> Result<(), S::Error> {
    let Some(mut row) = work.state.form(&reprocess.form_id)? else { return Ok(()) };
    if row.state != FormState::Error || row.deleted.is_some() {
        return Ok(());
    }
    let old = load(work.state, &reprocess.form_id)?.filter(|_| row.effective_version.is_some());
    row.effective_version = None;
    row.state = FormState::Normal;
    row.problem = None;
    row.initial_processing_complete = true;
    row.server_modified_on = reprocess.at;
    stop_waiting(work, &mut row);
    let Some(stored) = work.state.stored(&row)? else { return Ok(()) };
    let version = FormVersion::stored(&row, row.clone(), stored);
    let details = RebuildDetails::FormReprocessed { form_id: row.form_id.clone() };
    let cause = Cause { key: context.key, at: reprocess.at, kinds: TxKinds::REBUILD_FORM_REPROCESS, details };
    let mut touched = version.cases();
    let mut keys = ledger::keys_of(&version.parsed.ledger_blocks);
    if let Some(old) = old {
        touched.extend(old.cases());
        keys.extend(ledger::keys_of(&old.parsed.ledger_blocks));
        replace_version(work, touched, keys, &version, &cause)?;
    } else {
        place_form(work, &version, &touched, &cause)?;
    }
    work.forms.push(row);
    Ok(())
}

/// Applies a form at its place in each history: at the end where nothing came later, by a rebuild elsewhere.
fn place_form<S: State>(
    work: &mut Work<'_, S>,
    version: &FormVersion,
    touched: &[CaseId],
    cause: &Cause,
) -> Result<(), S::Error> {
    for id in touched {
        let later = work.state.transactions(id)?.last().is_some_and(|t| t.key > version.position);
        if later {
            rebuild(work, id, Some(version), cause)?;
        } else {
            append_to(work, id, version)?;
        }
    }
    apply_ledgers(work, version)
}

fn delete_case<S: State>(work: &mut Work<'_, S>, delete: &DeleteCase) -> Result<(), S::Error> {
    let Some(case) = work.state.case(&delete.case_id)? else { return Ok(()) };
    let explicit = matches!(case.deletion, Deletion::Explicit { .. });
    if explicit == delete.delete {
        return Ok(());
    }
    let alive = work.state.transactions(&delete.case_id)?.iter().any(|t| t.form_id.is_some() && !t.revoked);
    let target = work.case_mut(&delete.case_id)?;
    target.case.deletion = match (delete.delete, alive) {
        (true, _) => Deletion::Explicit { on: delete.at, deletion_id: delete.deletion_id.clone() },
        (false, true) => Deletion::No,
        (false, false) => Deletion::NoForms { on: delete.at },
    };
    touch(&mut target.case.server_modified_on, delete.at);
    Ok(())
}

fn touch(date: &mut Timestamp, at: Timestamp) {
    *date = (*date).max(at);
}

fn rebuild_case<S: State>(
    work: &mut Work<'_, S>,
    request: &RebuildCase,
    context: &FoldContext,
) -> Result<(), S::Error> {
    if work.state.case(&request.case_id)?.is_none() {
        return Ok(());
    }
    let details =
        RebuildDetails::Requested { reason: request.reason.clone(), user_id: request.user_id.clone() };
    let cause = Cause { key: context.key, at: request.at, kinds: TxKinds::REBUILD_USER_REQUESTED, details };
    rebuild(work, &request.case_id, None, &cause)
}
