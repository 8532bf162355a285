//! What the appliance holds, in the words of the vectors.

use anyhow::{Context, Result};
use bolster_model::{
    Attachment, Case, CaseId, CaseTransaction, FormId, FormRow, LedgerKey, LedgerKind, LedgerTransaction,
    ProjectId, Timestamp, TxKinds,
};
use bolster_store::{Read, ReadExt, ScanRange, Store, Table};
use bolster_usecases::Appliance;
use bolster_wire::{Limits, app_version, form_json, metadata_json, parse_form};
use serde_json::{Map, Value, json};

use crate::credentials::{hex, md5_of};

/// Reads one project.
pub struct Observer<'a> {
    /// The product.
    pub appliance: &'a Appliance,
    /// The project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |t| Value::String(t.to_string()))
}

impl Observer<'_> {
    fn store(&self) -> &Store {
        self.appliance.store()
    }

    /// All form ids of the project but device logs, sorted.
    pub fn form_ids(&self) -> Result<Vec<FormId>> {
        Ok(self.ids(Table::Forms)?.into_iter().map(FormId).collect())
    }

    /// All case ids of the project, sorted.
    pub fn case_ids(&self) -> Result<Vec<CaseId>> {
        Ok(self.ids(Table::Cases)?.into_iter().map(CaseId).collect())
    }

    /// Ids of a table whose keys are an id, a zero byte and the project.
    fn ids(&self, table: Table) -> Result<Vec<String>> {
        let rows = self.store().view().scan(table, None, &ScanRange::all(Vec::new()))?;
        let mut ids = Vec::new();
        for (key, _) in rows {
            let id = key.strip_suffix(&self.project.0[..]).and_then(|rest| rest.strip_suffix(&[0]));
            if let Some(id) = id {
                ids.push(String::from_utf8(id.to_vec())?);
            }
        }
        Ok(ids)
    }

    /// The row of a form.
    pub fn row(&self, id: &FormId) -> Result<Option<FormRow>> {
        Ok(self.store().view().form(self.project, id)?)
    }

    /// All rows.
    pub fn rows(&self) -> Result<Vec<FormRow>> {
        let ids = self.form_ids()?;
        let rows = ids.iter().map(|id| self.row(id)).collect::<Result<Vec<_>>>()?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// `normal`, `archived`, …
    pub fn state(row: &FormRow) -> &'static str {
        use bolster_model::FormState as S;
        match row.state {
            _ if row.deleted.is_some() => "deleted",
            S::Normal => "normal",
            S::Archived => "archived",
            S::Deprecated => "deprecated",
            S::Duplicate => "duplicate",
            S::Error => "error",
            S::SubmissionError => "submission_error",
        }
    }

    /// Bytes of the stored XML.
    pub fn xml(&self, row: &FormRow) -> Result<Vec<u8>> {
        let content = self.store().form_content(row.content_lsn)?;
        Ok(content.context("the form has no content")?.xml)
    }

    /// A form as the vectors describe it.
    pub fn form(&self, row: &FormRow) -> Result<Value> {
        let content = self.store().form_content(row.content_lsn)?.context("the form has no content")?;
        let limits = Limits::default();
        let json = form_json(&content.xml, &limits).unwrap_or_else(|_| json!({}));
        let parsed = parse_form(&content.xml, &limits).unwrap_or_default();
        let versions = app_version(None, parsed.meta.app_version_text.as_deref(), parsed.version.as_deref());
        let info = &content.info;
        let metadata = metadata_json(&json);
        let deleted = row.deleted.is_some();
        let attachments = self.attachments(&row.attachments, &content.xml)?;
        let mut names: Vec<&String> = attachments.keys().collect();
        names.sort();
        let mut form = json!({
            "state": Self::state(row),
            "doc_type": if deleted { format!("{}-Deleted", row.state.doc_type()) } else { row.state.doc_type().to_owned() },
            "xmlns": row.xmlns, "app_id": info.app_id, "build_id": info.build_id, "user_id": parsed.meta.user_id,
            "received_on": time(Some(row.received_on)), "server_modified_on": time(Some(row.server_modified_on)),
            "edited_on": time(row.edited_on), "date_header": time(info.date_header),
            "deprecated_form_id": row.deprecated_form_id.as_ref().map(FormId::as_str),
            "orig_id": row.orig_id.as_ref().map(FormId::as_str), "problem": row.problem,
            "initial_processing_complete": row.initial_processing_complete,
            "last_sync_token": info.last_sync_token, "submit_ip": info.submit_ip, "path": info.path,
            "partial_submission": info.partial_submission,
            "app_version": versions.app_version, "commcare_version": versions.commcare_version,
            "form_json": json, "metadata": metadata, "attachment_names": names,
            "auth_context": {
                "doc_type": info.auth.doc.name(), "domain": self.name, "user_id": info.auth.user_id,
                "authenticated": info.auth.authenticated,
            },
            "openrosa_headers": {
                "HTTP_X_OPENROSA_VERSION": info.headers.version, "HTTP_DATE": info.headers.date,
                "HTTP_ACCEPT_LANGUAGE": info.headers.accept_language,
            },
            "deleted_on": time(row.deleted.as_ref().map(|d| d.0)),
            "deletion_id": row.deleted.as_ref().map(|d| &d.1), "duplicate_count": row.duplicate_count,
            "history": row.operations.iter().map(|o| json!({
                "operation": o.kind.name(), "user": o.user_id, "date": time(Some(o.date)),
            })).collect::<Vec<_>>(),
        });
        form["attachments"] = Value::Object(attachments);
        Ok(form)
    }

    fn attachments(&self, files: &[Attachment], xml: &[u8]) -> Result<Map<String, Value>> {
        let mut out = Map::new();
        let row = |length: u64, kind: &str, md5: String| json!({"length": length, "content_type": kind, "md5": md5});
        out.insert("form.xml".to_owned(), row(xml.len() as u64, "text/xml", md5_of(xml)));
        for file in files {
            out.insert(file.name.clone(), row(file.length, &file.content_type, hex(&file.md5)));
        }
        Ok(out)
    }

    /// Bytes of a file of a form.
    pub fn attachment_text(&self, row: &FormRow, name: &str) -> Result<Option<String>> {
        let Some(file) = row.attachments.iter().find(|a| a.name == name) else { return Ok(None) };
        let bytes = self.store().blobs().read(&file.blob)?.read_all(file.length)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A case row.
    pub fn case_row(&self, id: &CaseId) -> Result<Option<Case>> {
        Ok(self.store().view().case(self.project, id)?)
    }

    /// Its whole history.
    pub fn transactions(&self, id: &CaseId) -> Result<Vec<CaseTransaction>> {
        Ok(self.store().view().transactions(self.project, id)?)
    }

    /// A case as the vectors describe it; `None` if there is none.
    pub fn case(&self, id: &CaseId) -> Result<Option<Value>> {
        let Some(case) = self.case_row(id)? else { return Ok(None) };
        let transactions = self.transactions(id)?;
        let forms: Vec<(String, TxKinds)> = transactions
            .iter()
            .filter(|t| !t.revoked)
            .filter_map(|t| t.form_id.as_ref().map(|f| (f, t.kinds)))
            .map(|(f, kinds)| Ok((self.form_name(f)?, kinds)))
            .collect::<Result<_>>()?;
        let in_order: Vec<Value> = transactions
            .iter()
            .filter(|t| !t.revoked)
            .map(|t| if t.form_id.is_some() { kinds(t.kinds) } else { json!(["rebuild"]) })
            .collect();
        let property = |p: &bolster_model::Property| (p.name.clone(), Value::String(p.value.clone()));
        let index = |i: &bolster_model::CaseIndex| {
            let fields = json!({
                "case_type": i.referenced_type, "case_id": i.referenced_id.as_str(),
                "relationship": i.relationship.name(),
            });
            (i.identifier.clone(), fields)
        };
        let attachment = |a: &bolster_model::CaseAttachment| {
            (a.name.clone(), json!({"content_type": a.content_type, "length": a.length, "md5": hex(&a.md5)}))
        };
        Ok(Some(json!({
            "doc_type": if case.deletion.is_deleted() { "CommCareCase-Deleted" } else { "CommCareCase" },
            "type": case.case_type.value, "name": case.name.value, "owner_id": case.owner_id.value,
            "external_id": case.external_id.value, "location_id": case.location_id.value,
            "opened_on": time(case.opened_on), "opened_by": case.opened_by,
            "modified_on": time(case.modified_on), "modified_by": case.modified_by,
            "closed": case.closed.value, "closed_on": time(case.closed_on), "closed_by": case.closed_by,
            "server_modified_on": time(Some(case.server_modified_on)), "deleted": case.deletion.is_deleted(),
            "properties": case.properties.iter().map(property).collect::<Map<_, _>>(),
            "indices": case.indices.iter().map(index).collect::<Map<_, _>>(),
            "attachments": case.attachments.iter().map(attachment).collect::<Map<_, _>>(),
            "forms": forms.iter().map(|f| &f.0).collect::<Vec<_>>(),
            "transactions": forms.iter().map(|(f, k)| json!({"form": f, "types": kinds(*k)})).collect::<Vec<_>>(),
            "transaction_bits": forms.iter().map(|(f, k)| json!([f, k.0])).collect::<Vec<_>>(),
            "transactions_in_order": in_order,
        })))
    }

    /// Id of a form; forms that the appliance made itself are called `system`.
    fn form_name(&self, id: &FormId) -> Result<String> {
        let Some(row) = self.row(id)? else { return Ok(id.to_string()) };
        let content = self.store().form_content(row.content_lsn)?.context("the form has no content")?;
        let system = content.info.auth.doc == bolster_model::AuthDoc::Default
            && parse_form(&content.xml, &Limits::default())
                .is_ok_and(|p| p.meta.user_id.as_deref() == Some("system"));
        Ok(if system { "system".to_owned() } else { id.to_string() })
    }

    /// Balance of a ledger.
    pub fn ledger(&self, key: &LedgerKey) -> Result<Option<i64>> {
        Ok(self.store().view().ledger(self.project, key)?.map(|l| l.balance))
    }

    /// All ledger transactions of all cases, in the order in which balances are computed.
    pub fn ledger_transactions(&self) -> Result<Vec<(LedgerKey, LedgerTransaction)>> {
        let view = self.store().view();
        let mut out = Vec::new();
        for case in self.case_ids()? {
            for ledger in view.ledgers(self.project, &case)? {
                for transaction in view.ledger_transactions(self.project, &ledger.key)? {
                    out.push((ledger.key.clone(), transaction));
                }
            }
        }
        out.sort_by_key(|(_, t)| t.place());
        Ok(out)
    }

    /// Device logs by table, in the order in which they came.
    pub fn device_logs(&self) -> Result<Map<String, Value>> {
        let view = self.store().view();
        let mut lsns: Vec<u64> = view.device_logs(self.project)?.into_iter().map(|(_, lsn)| lsn).collect();
        lsns.sort_unstable();
        let tables = ["log", "user", "user_error", "force_close"];
        let mut out: Map<String, Value> = tables.iter().map(|t| ((*t).to_owned(), json!([]))).collect();
        for lsn in lsns {
            let content = self.store().form_content(lsn)?.context("the device log has no content")?;
            let log = bolster_wire::device_log(&content.xml, &Limits::default())?;
            for (table, rows) in tables.iter().zip(device_log_tables(&log)) {
                if let Some(Value::Array(all)) = out.get_mut(*table) {
                    all.extend(rows);
                }
            }
        }
        Ok(out)
    }
}

fn device_log_tables(log: &bolster_wire::DeviceLog) -> [Vec<Value>; 4] {
    let logs = log.logs.iter().map(|l| {
        json!({"date": time(l.date), "type": l.kind, "msg": l.msg, "username": l.username, "user_id": l.user_id})
    });
    let users = log
        .users
        .iter()
        .map(|u| json!({"user_id": u.user_id, "username": u.username, "sync_token": u.sync_token}));
    let errors = log.user_errors.iter().map(|e| {
        json!({
            "date": time(e.date), "type": e.kind, "msg": e.msg, "app_id": e.app_id, "app_build": e.version,
            "version": e.version, "version_number": e.version, "user_id": e.user_id, "session": e.session,
            "expr": e.expr, "context_node": e.context_node,
        })
    });
    let closes = log.force_closes.iter().map(|f| {
        json!({
            "date": time(f.date), "type": f.kind, "msg": f.msg, "app_id": f.app_id, "app_build": f.app_build,
            "user_id": f.user_id, "android_version": f.android_version, "device_model": f.device_model,
            "session_readable": f.session_readable, "session_serialized": f.session_serialized,
        })
    });
    [logs.collect(), users.collect(), errors.collect(), closes.collect()]
}

/// Names of what a form did to a case, sorted.
fn kinds(kinds: TxKinds) -> Value {
    let names = [
        (TxKinds::ATTACHMENT, "attachment"),
        (TxKinds::CLOSE, "close"),
        (TxKinds::CREATE, "create"),
        (TxKinds::FORM, "form"),
        (TxKinds::INDEX, "index"),
        (TxKinds::LEDGER, "ledger"),
    ];
    names.iter().filter(|(bit, _)| kinds.has(*bit)).map(|(_, name)| *name).collect()
}

/// `balance` or `transfer`.
pub fn ledger_kind(kind: LedgerKind) -> &'static str {
    match kind {
        LedgerKind::Balance => "balance",
        LedgerKind::Transfer => "transfer",
    }
}

/// Reads `case/section/entry`; case ids may hold slashes.
pub fn ledger_key(text: &str) -> Result<LedgerKey> {
    let mut parts = text.rsplitn(3, '/');
    let mut next = || parts.next().map(str::to_owned).with_context(|| format!("'{text}' is no ledger key"));
    let (entry_id, section_id, case) = (next()?, next()?, next()?);
    Ok(LedgerKey { case_id: CaseId::new(case), section_id, entry_id })
}
