//! One submission inside a batch: verdict, fold, the reactions that belong to the same commit.

use super::commit::put_changes;
use super::facts::{draft, push_fact};
use super::state::{Memo, ProjectState, stored};
use super::{Done, SubmitJob, WriteError};
use crate::upload::SubmissionOutcome;
use bolster_cases::{Changes, FoldContext, Judgement, Submission, cascade, fold, judge};
use bolster_changelog::{PreparedPayload, fact_codec};
use bolster_model::{
    CaseId, Fact, FormId, ParsedForm, ProjectId, ReprocessForm, RulesVersion, SubmissionInfo, SubmitForm,
    Timestamp, Verdict,
};
use bolster_store::{Batch, BlobOwner, ReadExt};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Most forms that one submission may free from waiting; more are freed by the next ones.
const CURED_MAX: usize = 1_000;

pub(super) fn submit(batch: &mut Batch<'_>, memo: &mut Memo, job: SubmitJob) -> Done {
    memo.several_projects = job.several_projects;
    let result = attempt(batch, memo, &job);
    match &result {
        Ok(_) => batch.end_commit(),
        Err(_) => {
            batch.rollback();
            memo.forget_from(batch.next_lsn());
        }
    }
    Done::Submit(job.reply, result.map_err(Into::into))
}

fn attempt(batch: &mut Batch<'_>, memo: &mut Memo, job: &SubmitJob) -> Result<SubmissionOutcome, WriteError> {
    let judgement = {
        let state = ProjectState { read: &*batch, store: batch.store(), project: job.project, memo };
        let submission = Submission {
            parsed: job.parsed.as_deref().map_err(String::as_str),
            info: &job.info,
            xml_digest: job.xml_digest,
            salt: job.salt,
            project: job.project.0,
        };
        judge(&state, &submission)?
    };
    match judgement {
        Judgement::StillError { form_id, problem } => {
            Ok(SubmissionOutcome::ContentError { form_id, problem })
        }
        Judgement::Cured { form_id, duplicate } => {
            reprocess(batch, memo, job, &form_id, derived_salt(&job.salt, form_id.as_str()))?;
            push_form(batch, memo, job, duplicate)
        }
        Judgement::Accept(form) => push_form(batch, memo, job, form),
    }
}

/// Pushes a judged submission with everything that follows from it.
fn push_form(
    batch: &mut Batch<'_>,
    memo: &mut Memo,
    job: &SubmitJob,
    form: SubmitForm,
) -> Result<SubmissionOutcome, WriteError> {
    let outcome = outcome(&form);
    let parsed = job.parsed.as_ref().ok();
    if let Some(blob) = &job.xml_blob {
        batch.put_blob_ref(blob, BlobOwner::FormXml, job.project, form.form_id.as_str());
    }
    if form.verdict == Verdict::DeviceLog {
        // It gets no row of a form that would refer to its files.
        for file in &form.info.attachments {
            batch.put_blob_ref(&file.blob, BlobOwner::Form, job.project, form.form_id.as_str());
        }
    }
    let changes = push_submission(batch, memo, (job.project, job.rules), form, (parsed, &job.payload))?;
    follow(batch, memo, job, &changes)?;
    Ok(outcome)
}

fn outcome(form: &SubmitForm) -> SubmissionOutcome {
    let form_id = form.form_id.clone();
    match &form.verdict {
        Verdict::Normal | Verdict::EditOf { error: None, .. } => SubmissionOutcome::Stored { form_id },
        Verdict::Error { problem, .. } | Verdict::EditOf { error: Some((problem, _)), .. } => {
            SubmissionOutcome::ContentError { form_id, problem: problem.clone() }
        }
        Verdict::DuplicateOf { form_id: of } => SubmissionOutcome::Duplicate { form_id, of: of.clone() },
        Verdict::Unparseable { problem } => {
            SubmissionOutcome::Unparseable { form_id, problem: problem.clone() }
        }
        Verdict::DeviceLog => SubmissionOutcome::DeviceLog { form_id },
    }
}

/// Pushes the entry of a submission.
fn push_submission(
    batch: &mut Batch<'_>,
    memo: &Memo,
    (project, rules): (ProjectId, RulesVersion),
    form: SubmitForm,
    (parsed, prepared): (Option<&Arc<ParsedForm>>, &PreparedPayload),
) -> Result<Changes, WriteError> {
    let tail = fact_codec::submission_tail(&form);
    let token = form.info.last_sync_token.clone();
    let fact = Fact::SubmitForm(Box::new(form));
    let draft = draft(project, rules, &fact, prepared.finish(&tail));
    let stamp = batch.stamp(&draft);
    let context = FoldContext { key: stamp.key(), lsn: stamp.lsn, rules };
    let state = ProjectState { read: &*batch, store: batch.store(), project, memo };
    let changes = fold(&state, &fact, parsed, &context)?;
    if let Some(parsed) = parsed {
        memo.remember(stamp.lsn, stored(parsed, token.as_ref(), rules));
    }
    put_changes(batch, project, &changes, stamp.lsn);
    batch.push(&draft, &stamp);
    Ok(changes)
}

/// What a form sets off in the same commit: extensions close with their host, and forms that waited for a
/// case which is here now are processed.
fn follow(
    batch: &mut Batch<'_>,
    memo: &mut Memo,
    job: &SubmitJob,
    changes: &Changes,
) -> Result<(), WriteError> {
    if !changes.waiting_added.is_empty() {
        memo.anybody_waits = Some(true);
    }
    let Some((form_id, _)) = &changes.received else { return Ok(()) };
    close_extensions(batch, memo, job, form_id, changes)?;
    let mut created: Vec<CaseId> = created_cases(changes);
    let mut cured = 0;
    while let Some(case) = created.pop() {
        if !anybody_waits(batch, memo)? {
            break;
        }
        for waiting in batch.waiting_for(job.project, &case)? {
            if cured == CURED_MAX || !curable(batch, memo, job, &waiting)? {
                continue;
            }
            cured += 1;
            let salt = derived_salt(&job.salt, waiting.as_str());
            created.extend(created_cases(&reprocess(batch, memo, job, &waiting, salt)?));
        }
    }
    Ok(())
}

fn created_cases(changes: &Changes) -> Vec<CaseId> {
    changes.cases.iter().filter(|c| c.created).map(|c| c.case.id.clone()).collect()
}

fn anybody_waits(batch: &Batch<'_>, memo: &mut Memo) -> Result<bool, WriteError> {
    if let Some(known) = memo.anybody_waits {
        return Ok(known);
    }
    let any = batch.any_waiting()?;
    memo.anybody_waits = Some(any);
    Ok(any)
}

fn curable(batch: &Batch<'_>, memo: &Memo, job: &SubmitJob, form_id: &FormId) -> Result<bool, WriteError> {
    use bolster_cases::State;
    let state = ProjectState { read: batch, store: batch.store(), project: job.project, memo };
    let Some(row) = state.form(form_id)? else { return Ok(false) };
    let Some(form) = state.stored(&row)? else { return Ok(false) };
    if row.state != bolster_model::FormState::Error || row.deleted.is_some() {
        return Ok(false);
    }
    Ok(bolster_cases::judge::content(&state, &form.parsed, &row.attachments)?.is_none())
}

/// Makes an error form normal, with the extensions that it closes.
fn reprocess(
    batch: &mut Batch<'_>,
    memo: &mut Memo,
    job: &SubmitJob,
    form_id: &FormId,
    salt: [u8; 16],
) -> Result<Changes, WriteError> {
    let fact = Fact::ReprocessForm(ReprocessForm { form_id: form_id.clone(), at: job.info.received_on });
    let changes = push_fact(batch, memo, (job.project, job.rules), &fact, salt)?;
    close_extensions(batch, memo, job, form_id, &changes)?;
    Ok(changes)
}

fn close_extensions(
    batch: &mut Batch<'_>,
    memo: &Memo,
    job: &SubmitJob,
    closing: &FormId,
    changes: &Changes,
) -> Result<(), WriteError> {
    if !job.rules.has(RulesVersion::CASCADE) {
        return Ok(());
    }
    let closed: Vec<CaseId> =
        changes.cases.iter().filter(|c| c.case.closed.value).map(|c| c.case.id.clone()).collect();
    if closed.is_empty() {
        return Ok(());
    }
    let found = {
        let state = ProjectState { read: &*batch, store: batch.store(), project: job.project, memo };
        cascade::extensions_to_close(&state, &closed)?
    };
    for case in found {
        push_system_form(batch, memo, job, closing, &case)?;
    }
    Ok(())
}

fn push_system_form(
    batch: &mut Batch<'_>,
    memo: &Memo,
    job: &SubmitJob,
    closing: &FormId,
    case: &CaseId,
) -> Result<(), WriteError> {
    let at: Timestamp = job.info.received_on;
    let (form_id, xml) = cascade::system_form(closing, case, at);
    if batch.form(job.project, &form_id)?.is_some() {
        return Ok(());
    }
    let Ok(parsed) = bolster_wire::parse_form(xml.as_bytes(), &bolster_wire::Limits::default()) else {
        tracing::error!(%form_id, "a system form could not be read; its case stays open");
        return Ok(());
    };
    let xml_digest = bolster_model::Digest(Sha256::digest(xml.as_bytes()).into());
    let info = SubmissionInfo { received_on: at, path: String::new(), ..SubmissionInfo::default() };
    let salt = derived_salt(&[0; 16], form_id.as_str());
    let inline = fact_codec::XmlRef::Inline(xml.as_bytes());
    let payload = fact_codec::prepare_submission(salt, &info, &parsed.xmlns, inline, &xml_digest);
    let form = SubmitForm {
        form_id,
        submitted_id: None,
        xmlns: parsed.xmlns.clone(),
        info,
        xml_digest,
        verdict: Verdict::Normal,
    };
    let parsed = Arc::new(parsed);
    push_submission(batch, memo, (job.project, job.rules), form, (Some(&parsed), &payload))?;
    Ok(())
}

/// Salt of a fact that follows from another one: as unguessable as that one's, and the same on every run.
fn derived_salt(salt: &[u8; 16], id: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(id.as_bytes());
    let full: [u8; 32] = hash.finalize().into();
    let mut out = [0; 16];
    out.copy_from_slice(&full[..16]);
    out
}
