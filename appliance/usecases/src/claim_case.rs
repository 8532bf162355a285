//! A worker claims cases that belong to others: an extension case of the worker's own makes each one live on
//! the worker's phone. Releasing a claim is closing that case.

use crate::restore::RestoreError;
use crate::upload::{FormUpload, SubmissionOutcome, SubmitFormError, SubmitMode};
use crate::{Appliance, WriteError};
use bolster_auth::{Permit, RestoreData};
use bolster_env::random;
use bolster_model::{Case, CaseId, ProjectId, Relationship, SubmissionInfo};
use bolster_store::{ReadExt, View};
use bolster_wire::restore::Printer;
use std::sync::Arc;

/// Type of the cases that stand for claims.
pub const CLAIM_TYPE: &str = "commcare-case-claim";
const CLAIM_XMLNS: &str = "http://commcarehq.org/case";
/// Most cases claimed at once.
const CASES_MAX: usize = 1_000;

/// What a worker asks for.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// Cases, at least one.
    pub case_ids: Vec<String>,
    /// Somebody else's name, to log in as.
    pub as_user: Option<String>,
    /// Token of the phone.
    pub token: Option<String>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClaimOutcome {
    /// The phone must sync: something was claimed, or the phone does not have it as it is now.
    Sync,
    /// Everything was claimed before, and the phone has it.
    Nothing,
    /// There is no such case; nothing was claimed.
    Missing(String),
}

impl From<SubmitFormError> for RestoreError {
    fn from(error: SubmitFormError) -> Self {
        Self::Write(match error {
            SubmitFormError::Busy => WriteError::Busy,
            SubmitFormError::DiskFull => WriteError::DiskFull,
            SubmitFormError::Unavailable => WriteError::Stopped,
            error => WriteError::Storage(Arc::new(error)),
        })
    }
}

impl Appliance {
    /// Claims cases for the worker.
    pub fn claim_cases(
        &self,
        permit: &Permit<RestoreData>,
        claim: &Claim,
    ) -> Result<ClaimOutcome, RestoreError> {
        let project = permit.project().id;
        let nouns = self.nouns(project)?;
        let user = self.restore_user(permit, &nouns, claim.as_user.as_deref())?;
        let view = self.store().view();
        let mut hosts = Vec::new();
        for id in claim.case_ids.iter().take(CASES_MAX) {
            match view.case(project, &CaseId(id.clone()))? {
                Some(case) if !case.deletion.is_deleted() => hosts.push(case),
                _ => return Ok(ClaimOutcome::Missing(id.clone())),
            }
        }
        let mut unclaimed = Vec::new();
        for host in &hosts {
            if !is_claimed(&view, project, host, &user.id)? {
                unclaimed.push(host);
            }
        }
        if unclaimed.is_empty() {
            let ids = hosts.iter().map(|h| h.id.clone()).collect::<Vec<_>>();
            let known = match &claim.token {
                Some(token) => self.phone_has(token, &ids)?,
                None => false,
            };
            return Ok(if known { ClaimOutcome::Nothing } else { ClaimOutcome::Sync });
        }
        self.submit_claims(permit, &user.id, &user.username, &unclaimed)?;
        Ok(ClaimOutcome::Sync)
    }

    fn submit_claims(
        &self,
        permit: &Permit<RestoreData>,
        user_id: &str,
        username: &str,
        hosts: &[&Case],
    ) -> Result<(), RestoreError> {
        let now = self.env().clock.now();
        let at = now.to_string();
        let id = || {
            let bytes = random::bytes::<16>(&*self.env().random);
            bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
        };
        let mut out = Printer::default();
        out.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<system version=\"1\" uiVersion=\"1\"");
        out.attribute("xmlns", CLAIM_XMLNS);
        out.raw(">");
        for host in hosts {
            out.raw("<case xmlns=\"http://commcarehq.org/case/transaction/v2\"");
            out.attribute("case_id", &id());
            out.attribute("user_id", user_id);
            out.attribute("date_modified", &at);
            out.raw("><create>");
            out.element("case_type", CLAIM_TYPE);
            out.element("case_name", &host.name.value);
            out.element("owner_id", user_id);
            out.raw("</create><index><host relationship=\"extension\"");
            out.attribute("case_type", &host.case_type.value);
            out.close_tag_with("host", host.id.as_str());
            out.raw("</index></case>");
        }
        out.raw("<meta xmlns=\"http://openrosa.org/jr/xforms\">");
        out.element("deviceID", "bolster-case-claim");
        out.element("timeStart", &at);
        out.element("timeEnd", &at);
        out.element("username", username);
        out.element("userID", user_id);
        out.element("instanceID", &id());
        out.raw("</meta></system>");
        let info = SubmissionInfo {
            received_on: now,
            auth: permit.actor().auth_context(),
            ..SubmissionInfo::default()
        };
        let upload = FormUpload {
            project: permit.project().id,
            xml: out.take(),
            info,
            mode: SubmitMode { noauth: false, demo: false, import: false },
            refused: None,
        };
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        self.submit(self.auth().submit_for(permit), upload, move |result| {
            // The receiver waits below.
            let _ = tell.send(result);
        });
        match told.recv().unwrap_or(Err(SubmitFormError::Unavailable))? {
            SubmissionOutcome::ContentError { problem, .. } => {
                tracing::error!(problem, "a claim was not applied");
                Err(WriteError::Storage(Arc::new(SubmitFormError::Unavailable)).into())
            }
            _ => Ok(()),
        }
    }
}

/// An open case of the user extends the host as a claim.
fn is_claimed(view: &View, project: ProjectId, host: &Case, user_id: &str) -> Result<bool, RestoreError> {
    for (source, _, relationship) in view.referrers(project, &host.id)? {
        if relationship != Relationship::Extension {
            continue;
        }
        let claims = |case: &Case| {
            case.case_type.value == CLAIM_TYPE
                && case.owner_id.value == user_id
                && !case.closed.value
                && !case.deletion.is_deleted()
        };
        if view.case(project, &source)?.as_ref().is_some_and(claims) {
            return Ok(true);
        }
    }
    Ok(false)
}
