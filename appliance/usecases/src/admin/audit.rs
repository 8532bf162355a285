//! The audit trail: administrative facts as they are in the log.

use crate::Appliance;
use bolster_auth::{Permit, ReadAudit};
use bolster_changelog::fact_codec::decode_fact;
use bolster_model::{AdminDocument, Fact, FactKind};
use bolster_store::StoreError;

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Log position.
    pub lsn: u64,
    /// What happened. The document of a credential is left out.
    pub act: AdminDocument,
}

impl Appliance {
    /// Administrative acts of a project after a log position, oldest first, at most `limit`.
    pub fn audit_trail(
        &self,
        permit: &Permit<ReadAudit>,
        after_lsn: u64,
        limit: usize,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let project = permit.project().id;
        let mut lines = Vec::new();
        for entry in self.store().log().read_from(after_lsn + 1) {
            let entry = entry?;
            let kind = entry.header.kind;
            let administrative =
                kind == FactKind::AdminDocument as u16 || kind == FactKind::Credential as u16;
            if entry.header.class != 1 || entry.header.project != project || !administrative {
                continue;
            }
            let act = match decode_fact(kind, &entry.payload()?) {
                Ok(Some((Fact::AdminDocument(act), _))) => act,
                Ok(Some((Fact::Credential(act), _))) => AdminDocument { json: None, ..act },
                _ => continue,
            };
            lines.push(AuditLine { lsn: entry.header.lsn, act });
            if lines.len() == limit {
                break;
            }
        }
        Ok(lines)
    }
}
