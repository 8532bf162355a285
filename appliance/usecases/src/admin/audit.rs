//! The audit trail: who did what to people, settings, apps and data, as rows that lead to the log.
//!
//! A row is an effect of the fact that it tells of, so it is there exactly when the act is, and is made again with
//! the other rows when they are built from the log. Values are not in it; the log has them.

use crate::Appliance;
use bolster_auth::{ApiKey, NodePermit, Permit, ReadAudit, kind};
use bolster_model::{AdminDocument, Fact, ProjectId, Timestamp};
use bolster_store::{ReadExt, StoreError};
use serde::{Deserialize, Serialize};

/// Kind of the rows. Ids are log positions as 16 hex digits.
pub(crate) const AUDIT: &str = "audit";

/// Most fields named in a line.
const CHANGED_MAX: usize = 20;

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Log position; not stored, it is the id.
    #[serde(skip)]
    pub lsn: u64,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Wire name or e-mail address of who did it; `operator` for the command line.
    pub actor: String,
    /// What was done, in words.
    pub action: String,
    /// Kind of what it was done to.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Fields that changed; none for what is new or secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

impl AuditLine {
    /// When.
    pub fn time(&self) -> Timestamp {
        Timestamp(self.at)
    }

    fn of_data(action: &str, kind: &str, id: &str, (user_id, at): (&str, Timestamp)) -> Self {
        Self {
            lsn: 0,
            at: at.0,
            actor: user_id.to_owned(),
            action: action.to_owned(),
            kind: kind.to_owned(),
            id: id.to_owned(),
            changed: Vec::new(),
        }
    }
}

/// The line of a fact, and the project whose trail it stands in; `None` for what is no administrative act.
pub(crate) fn line_of(project: ProjectId, fact: &Fact) -> Option<(ProjectId, AuditLine)> {
    let line = match fact {
        Fact::AdminDocument(act) | Fact::Credential(act) => {
            return Some((trail(project, act), of_document(act)));
        }
        Fact::ArchiveForm(f) => {
            let action = if f.archive { "form archived" } else { "form unarchived" };
            AuditLine::of_data(action, "form", f.form_id.as_str(), (&f.user_id, f.at))
        }
        Fact::DeleteForm(f) => {
            let action = if f.delete { "form deleted" } else { "form undeleted" };
            AuditLine::of_data(action, "form", f.form_id.as_str(), (&f.user_id, f.at))
        }
        Fact::DeleteCase(c) => {
            let action = if c.delete { "case deleted" } else { "case undeleted" };
            AuditLine::of_data(action, "case", c.case_id.as_str(), (&c.user_id, c.at))
        }
        Fact::RebuildCase(c) => {
            AuditLine::of_data("case rebuilt", "case", c.case_id.as_str(), (&c.user_id, c.at))
        }
        Fact::SubmitForm(_) | Fact::ReprocessForm(_) => return None,
    };
    Some((project, line))
}

fn of_document(act: &AdminDocument) -> AuditLine {
    AuditLine {
        lsn: 0,
        at: act.at.0,
        actor: act.actor.clone(),
        action: act.action.clone(),
        kind: act.kind.clone(),
        id: act.id.clone(),
        changed: act.changed.iter().take(CHANGED_MAX).cloned().collect(),
    }
}

/// A key of one project concerns those who run that project.
fn trail(project: ProjectId, act: &AdminDocument) -> ProjectId {
    if act.kind != kind::API_KEY {
        return project;
    }
    let key = act.json.as_deref().and_then(|json| serde_json::from_str::<ApiKey>(json).ok());
    key.and_then(|key| key.project).unwrap_or(project)
}

impl Appliance {
    /// Administrative acts of a project, the latest first, before a log position, at most `limit`.
    pub fn audit_trail(
        &self,
        permit: &Permit<ReadAudit>,
        before_lsn: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, StoreError> {
        self.audit_lines(permit.project().id, before_lsn, limit)
    }

    /// Administrative acts that belong to no one project: web users, names of projects, server administrators.
    pub fn node_audit_trail(
        &self,
        _permit: &NodePermit,
        before_lsn: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, StoreError> {
        self.audit_lines(ProjectId::ZERO, before_lsn, limit)
    }

    fn audit_lines(
        &self,
        project: ProjectId,
        before_lsn: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let before = before_lsn.map(|lsn| format!("{lsn:016x}"));
        let rows = self.store().view().documents_before(project, AUDIT, before.as_deref(), limit)?;
        let line = |(id, json): (String, String)| {
            let line: AuditLine = serde_json::from_str(&json).ok()?;
            Some(AuditLine { lsn: u64::from_str_radix(&id, 16).ok()?, ..line })
        };
        Ok(rows.into_iter().filter_map(line).collect())
    }
}
