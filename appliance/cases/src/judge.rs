//! The verdict on a submission: what kind of arrival it is, and whether its content can be applied.
//! Judged once, by the node that receives it, and recorded in the fact.

use crate::apply;
use crate::ids;
use crate::ledger;
use crate::state::State;
use bolster_model::id::ID_LEN_MAX;
use bolster_model::{
    Attachment, CaseId, ContentError, Digest, ErrorClass, FormId, FormRow, FormState, LedgerMove, ParsedForm,
    SubmissionInfo, SubmitForm, Verdict,
};
use std::collections::BTreeMap;

/// A submission before its verdict.
#[derive(Debug)]
pub struct Submission<'a> {
    /// What it asks for, or why it is no form.
    pub parsed: Result<&'a ParsedForm, &'a str>,
    /// Facts of the request.
    pub info: &'a SubmissionInfo,
    /// SHA-256 of the bytes.
    pub xml_digest: Digest,
    /// Random bytes of the payload: the only source of ids for what has none.
    pub salt: [u8; 16],
    /// Project id, for ids of clashes.
    pub project: [u8; 16],
}

/// What is to be committed.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// One fact.
    Accept(SubmitForm),
    /// The same bytes as a form in error, which can be applied now: first it is reprocessed, then the
    /// arrival is recorded as a duplicate.
    Cured {
        /// The form in error.
        form_id: FormId,
        /// The duplicate.
        duplicate: SubmitForm,
    },
    /// The same bytes as a form in error, and still an error. Nothing new to store.
    StillError {
        /// The form in error.
        form_id: FormId,
        /// Why.
        problem: String,
    },
}

/// Longest chain of clashing ids that is followed.
const CLASHES_MAX: usize = 8;

/// Judges a submission against the state.
pub fn judge<S: State>(state: &S, submission: &Submission<'_>) -> Result<Judgement, S::Error> {
    let parsed = match submission.parsed {
        Ok(parsed) => parsed,
        Err(problem) => return Ok(unparseable(submission, problem)),
    };
    let instance = parsed.instance_id.as_deref();
    if instance.is_some_and(|id| id.chars().count() > ID_LEN_MAX) {
        let problem = format!("IllegalFormId: form id longer than {ID_LEN_MAX} characters");
        return Ok(unparseable(submission, &problem));
    }
    if parsed.is_device_log {
        // A log without id is known by its bytes, so that sending it again doubles nothing.
        let submitted = instance.map_or_else(|| ids::device_log(&submission.xml_digest), FormId::new);
        return Ok(Judgement::Accept(fact(submission, parsed, submitted, None, Verdict::DeviceLog)));
    }
    let submitted = instance.map_or_else(|| ids::anonymous(&submission.salt), FormId::new);
    let mut id = submitted.clone();
    for _ in 0..CLASHES_MAX {
        match state.form(&id)? {
            Some(row) if same_bytes(state, submission, &row)? => {
                return resend(state, submission, parsed, &row);
            }
            Some(row) if clashes(&row, parsed) => {}
            Some(row) => return edit(state, submission, parsed, &row),
            None if state.form_elsewhere(&id)? => {}
            None => {
                let given = (id != submitted).then(|| submitted.clone());
                let error = content(state, parsed, &submission.info.attachments)?;
                let verdict = match error {
                    None => Verdict::Normal,
                    Some(e) => Verdict::Error { problem: e.problem(), missing_cases: e.missing_cases },
                };
                return Ok(Judgement::Accept(fact(submission, parsed, id, given, verdict)));
            }
        }
        id = ids::clash(&id, &parsed.xmlns, &submission.project);
    }
    Ok(unparseable(submission, "IllegalFormId: this form id is taken"))
}

fn unparseable(submission: &Submission<'_>, problem: &str) -> Judgement {
    Judgement::Accept(SubmitForm {
        form_id: ids::submission_error(&submission.salt),
        submitted_id: None,
        xmlns: String::new(),
        info: submission.info.clone(),
        xml_digest: submission.xml_digest,
        verdict: Verdict::Unparseable { problem: problem.to_owned() },
    })
}

fn fact(
    submission: &Submission<'_>,
    parsed: &ParsedForm,
    form_id: FormId,
    submitted_id: Option<FormId>,
    verdict: Verdict,
) -> SubmitForm {
    SubmitForm {
        form_id,
        submitted_id,
        xmlns: parsed.xmlns.clone(),
        info: submission.info.clone(),
        xml_digest: submission.xml_digest,
        verdict,
    }
}

/// The bytes are those of the stored version or of any earlier one, and the stored ones can be read.
fn same_bytes<S: State>(state: &S, submission: &Submission<'_>, row: &FormRow) -> Result<bool, S::Error> {
    let known =
        row.xml_digest == submission.xml_digest || row.earlier_digests.contains(&submission.xml_digest);
    // A submission error that took this id by chance, or a record that is no form of its own, never counts.
    let is_form = !matches!(row.state, FormState::SubmissionError | FormState::Duplicate);
    Ok(known && is_form && state.stored(row)?.is_some())
}

/// Another form took this id: it must not be edited by this one.
fn clashes(row: &FormRow, parsed: &ParsedForm) -> bool {
    row.xmlns != parsed.xmlns
        || matches!(row.state, FormState::Deprecated | FormState::Duplicate | FormState::SubmissionError)
}

fn resend<S: State>(
    state: &S,
    submission: &Submission<'_>,
    parsed: &ParsedForm,
    row: &FormRow,
) -> Result<Judgement, S::Error> {
    let duplicate = fact(
        submission,
        parsed,
        ids::duplicate(&row.form_id, &submission.salt),
        Some(row.form_id.clone()),
        Verdict::DuplicateOf { form_id: row.form_id.clone() },
    );
    let curable = row.state == FormState::Error && row.deleted.is_none();
    if !curable || row.xml_digest != submission.xml_digest {
        return Ok(Judgement::Accept(duplicate));
    }
    Ok(match content(state, parsed, &row.attachments)? {
        None => Judgement::Cured { form_id: row.form_id.clone(), duplicate },
        Some(error) => Judgement::StillError { form_id: row.form_id.clone(), problem: error.problem() },
    })
}

fn edit<S: State>(
    state: &S,
    submission: &Submission<'_>,
    parsed: &ParsedForm,
    row: &FormRow,
) -> Result<Judgement, S::Error> {
    let carried =
        row.attachments.iter().filter(|o| !submission.info.attachments.iter().any(|n| n.name == o.name));
    let files: Vec<Attachment> = submission.info.attachments.iter().chain(carried).cloned().collect();
    let error = content(state, parsed, &files)?;
    let verdict = Verdict::EditOf {
        deprecated_form_id: ids::deprecated(&row.form_id, &row.position, &row.xml_digest),
        error: error.map(|e| (e.problem(), e.missing_cases)),
    };
    Ok(Judgement::Accept(fact(submission, parsed, row.form_id.clone(), None, verdict)))
}

/// Whether the content can be applied; `None` means yes.
pub fn content<S: State>(
    state: &S,
    parsed: &ParsedForm,
    attachments: &[Attachment],
) -> Result<Option<ContentError>, S::Error> {
    if let Some(error) = &parsed.content_error {
        return Ok(Some(error.clone()));
    }
    let mut previous: Option<&CaseId> = None;
    for block in &parsed.case_blocks {
        if let Err(error) = apply::check(block, attachments) {
            return Ok(Some(error));
        }
        if previous != Some(&block.case_id) {
            if state.case_elsewhere(&block.case_id)? {
                let detail = format!("Bad case id '{}': it belongs to another project", block.case_id);
                return Ok(Some(ContentError::new(ErrorClass::IllegalCaseId, detail)));
            }
            previous = Some(&block.case_id);
        }
    }
    if let Some(error) = check_indices(state, parsed)? {
        return Ok(Some(error));
    }
    check_ledgers(state, parsed)
}

/// Every index that this form leaves behind must lead to a case that is stored or touched by this form.
fn check_indices<S: State>(state: &S, parsed: &ParsedForm) -> Result<Option<ContentError>, S::Error> {
    let mut wanted: BTreeMap<(&CaseId, &str), Option<&CaseId>> = BTreeMap::new();
    for block in &parsed.case_blocks {
        for index in &block.indices {
            wanted.insert((&block.case_id, &index.identifier), index.referenced_id.as_ref());
        }
    }
    let mut missing: Vec<(&CaseId, &CaseId)> = Vec::new();
    for ((source, _), target) in wanted {
        let Some(target) = target else { continue };
        if !(parsed.touches(target) || state.case(target)?.is_some()) {
            missing.push((source, target));
        }
    }
    let Some((source, target)) = missing.first() else { return Ok(None) };
    let detail = format!("Case '{source}' references non-existent case '{target}'");
    let mut error = ContentError::new(ErrorClass::InvalidCaseIndex, detail);
    error.missing_cases = missing.iter().map(|(_, target)| (*target).clone()).collect();
    error.missing_cases.sort();
    error.missing_cases.dedup();
    Ok(Some(error))
}

/// Largest amount of a single movement: sums of them cannot leave 64 bits in any realistic history.
const QUANTITY_MAX: i64 = 1 << 53;

fn check_ledgers<S: State>(state: &S, parsed: &ParsedForm) -> Result<Option<ContentError>, S::Error> {
    for case_id in ledger::cases_of(&parsed.ledger_blocks) {
        if !(parsed.touches(case_id) || state.case(case_id)?.is_some()) {
            let detail = format!("Ledger for non-existent case '{case_id}'");
            return Ok(Some(ContentError::new(ErrorClass::IllegalCaseId, detail)));
        }
    }
    for block in &parsed.ledger_blocks {
        let label = match &block.action {
            LedgerMove::Transfer { label, .. } => label.as_deref().unwrap_or_default(),
            LedgerMove::Balance { .. } => "",
        };
        for entry in &block.entries {
            let texts = [entry.section_id.as_str(), entry.entry_id.as_str(), label];
            if texts.iter().any(|t| t.chars().count() > ID_LEN_MAX) {
                let detail = format!("ledger id longer than {ID_LEN_MAX} characters");
                return Ok(Some(ContentError::new(ErrorClass::InvalidContent, detail)));
            }
            if entry.quantity.checked_abs().is_none_or(|q| q > QUANTITY_MAX) {
                let detail = format!("quantity {} is out of range", entry.quantity);
                return Ok(Some(ContentError::new(ErrorClass::InvalidContent, detail)));
            }
        }
    }
    Ok(None)
}
