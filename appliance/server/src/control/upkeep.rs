//! The log, the shards, and whether everything is in order.

use super::answer::Caller;
use super::protocol::Reply;
use anyhow::{Context, Result};
use bolster_changelog::fact_codec::decode_fact;
use bolster_model::{AdminDocument, Fact, SubmitForm, Timestamp, Verdict};
use bolster_store::{Entry, StoreStatus};
use bolster_usecases::Appliance;
use serde_json::{Value, json};

/// Entries between two words about progress.
const PROGRESS_ENTRIES: u64 = 20_000;
/// Most entries that a tail begins with.
const TAIL_MAX: u64 = 100_000;
/// Less free space than this is worth a warning.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// A clock before this is wrong: the product did not exist.
const CLOCK_MIN: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// Users and apps that take most room and are named.
const HEAVIEST: usize = 5;
/// A reader further behind than this does not keep up.
const LAG_MAX: u64 = 100_000;

/// `log verify`
pub fn verify_log(appliance: &Appliance, caller: &mut Caller<'_, '_>) -> Result<Value> {
    let log = appliance.store().log();
    let head = log.head();
    let report = bolster_changelog::verify(log, |lsn| {
        if lsn % PROGRESS_ENTRIES == 0 {
            caller.reply(Reply::Progress(format!("{lsn} of {head} entries checked")));
        }
    })
    .context("the log is damaged")?;
    Ok(json!({
        "entries": report.entries,
        "commits": report.commits,
        "facts": report.facts,
        "streams": report.streams,
        "stored_bytes": report.stored_bytes,
        "payloads_absent": report.payloads_absent,
    }))
}

/// `log tail`
pub fn tail_log(
    appliance: &Appliance,
    lines: u64,
    follow: bool,
    caller: &mut Caller<'_, '_>,
) -> Result<Value> {
    let log = appliance.store().log();
    let mut next = log.head().saturating_sub(lines.min(TAIL_MAX)) + 1;
    loop {
        let head = log.head();
        for entry in log.read_from(next).take_while(|entry| match entry {
            Ok(entry) => entry.header.lsn <= head,
            Err(_) => true,
        }) {
            let entry = entry?;
            next = entry.header.lsn + 1;
            if !caller.reply(Reply::Item(line(appliance, &entry)?)) {
                return Ok(Value::Null);
            }
        }
        if !follow || !caller.wait() {
            return Ok(Value::Null);
        }
    }
}

/// An entry as one line shows it. Credentials are never looked into.
fn line(appliance: &Appliance, entry: &Entry) -> Result<Value> {
    let header = &entry.header;
    let (what, id, note) = match decode_fact(header.kind, &entry.payload()?)? {
        Some((fact, _)) => describe(&fact),
        None => ("local matters", String::new(), String::new()),
    };
    Ok(json!({
        "lsn": header.lsn,
        "time": Timestamp::from_millis(header.wall_ms).to_string(),
        "project": super::people::name_of(appliance, header.project),
        "what": what,
        "id": id,
        "note": note,
        "bytes": entry.stored_len(),
    }))
}

fn describe(fact: &Fact) -> (&'static str, String, String) {
    let by = |user: &str| format!("by {user}");
    let yes = |on: bool, is: &'static str, is_not: &'static str| if on { is } else { is_not };
    match fact {
        Fact::SubmitForm(form) => ("form", form.form_id.to_string(), verdict(form)),
        Fact::ArchiveForm(f) => {
            (yes(f.archive, "form archived", "form unarchived"), f.form_id.to_string(), by(&f.user_id))
        }
        Fact::DeleteForm(f) => {
            (yes(f.delete, "form deleted", "form undeleted"), f.form_id.to_string(), by(&f.user_id))
        }
        Fact::ReprocessForm(f) => ("form processed again", f.form_id.to_string(), String::new()),
        Fact::DeleteCase(f) => {
            (yes(f.delete, "case deleted", "case undeleted"), f.case_id.to_string(), by(&f.user_id))
        }
        Fact::RebuildCase(f) => ("case rebuilt", f.case_id.to_string(), by(&f.user_id)),
        Fact::AdminDocument(f) => ("administration", document(f), format!("{}, {}", f.action, by(&f.actor))),
        Fact::Credential(f) => ("credential", document(f), format!("{}, {}", f.action, by(&f.actor))),
    }
}

fn document(document: &AdminDocument) -> String {
    format!("{} {}", document.kind, document.id)
}

fn verdict(form: &SubmitForm) -> String {
    match &form.verdict {
        Verdict::Normal => String::new(),
        Verdict::Error { problem, .. } => format!("error: {problem}"),
        Verdict::DuplicateOf { form_id } => format!("duplicate of {form_id}"),
        Verdict::EditOf { error: None, .. } => "edit".to_owned(),
        Verdict::EditOf { error: Some((problem, _)), .. } => format!("edit, error: {problem}"),
        Verdict::Unparseable { problem } => format!("not a form: {problem}"),
        Verdict::DeviceLog => "device log".to_owned(),
    }
}

/// `shards resize`
pub fn resize(appliance: &Appliance, count: u16, caller: &mut Caller<'_, '_>) -> Result<Value> {
    caller.reply(Reply::Progress(format!("spreading the state over {count} files")));
    appliance.store().resize(usize::from(count)).context("the number of shards was not changed")?;
    Ok(json!({"shards": count}))
}

/// `rebuild`
pub fn rebuild(appliance: &Appliance, caller: &mut Caller<'_, '_>) -> Result<Value> {
    let head = appliance.store().log().head();
    caller.reply(Reply::Progress(format!("building the state again from {head} log entries")));
    appliance.store().rebuild().context("the state was not built again")?;
    Ok(json!({"entries": head}))
}

/// `rebuild blobs`
pub fn collect(appliance: &Appliance, caller: &mut Caller<'_, '_>) -> Result<Value> {
    caller.reply(Reply::Progress("looking for files that nothing refers to".to_owned()));
    let done = appliance.store().collect_blobs(|| true).context("the files were not all looked at")?;
    Ok(json!({"files": done.seen, "removed": done.removed}))
}

/// `lag`
pub fn lag(appliance: &Appliance) -> Value {
    let status = appliance.store().status();
    let readers: Vec<Value> = (0..status.applied.len())
        .map(|shard| {
            // What waits for nothing is up to date, although its file may name an older position.
            let behind = match status.waiting.get(shard) {
                Some(0) => 0,
                _ => status.head.saturating_sub(status.applied[shard]),
            };
            json!({
                "name": format!("shard {shard}"),
                "applied": status.applied[shard],
                "lag": behind,
                "bytes": status.shard_bytes.get(shard),
            })
        })
        .collect();
    json!({"head": status.head, "readers": readers})
}

/// `doctor`: what can be found out in a moment.
pub fn doctor(appliance: &Appliance, caller: &mut Caller<'_, '_>) -> Result<Value> {
    let store = appliance.store();
    let mut checks = vec![disk_space(appliance), clock(appliance), readers(appliance)];
    checks.extend(failing_shards(&store.status()));
    caller.reply(Reply::Progress("reading the log".to_owned()));
    checks.push(match bolster_changelog::verify(store.log(), |_| ()) {
        Ok(report) => check(true, format!("the log is sound: {} entries", report.entries)),
        Err(error) => {
            let error = anyhow::Error::new(error);
            check(false, format!("the log is damaged: {error:#}"))
        }
    });
    let ok = checks.iter().all(|check| check["ok"] == true);
    let users: Vec<Value> = appliance
        .live_heaviest(HEAVIEST)
        .into_iter()
        .map(|(project, user, cases)| json!({"project": project, "user": user, "cases": cases}))
        .collect();
    let apps = super::apps::heaviest(appliance, HEAVIEST)?;
    Ok(json!({"ok": ok, "checks": checks, "heaviest_users": users, "heaviest_apps": apps}))
}

fn check(ok: bool, sentence: String) -> Value {
    json!({"ok": ok, "sentence": sentence})
}

fn disk_space(appliance: &Appliance) -> Value {
    match appliance.env().disk.free_bytes(appliance.store().dir()) {
        None => check(true, "the disk does not say how much room it has".to_owned()),
        Some(free) => {
            let gib = free as f64 / f64::from(1 << 30);
            let sentence = format!("{gib:.1} GiB are free on the disk of the data folder");
            check(free >= FREE_BYTES_MIN, sentence)
        }
    }
}

fn clock(appliance: &Appliance) -> Value {
    let now = appliance.env().clock.now();
    let sentence = if now >= CLOCK_MIN { "the clock says" } else { "the clock is wrong; it says" };
    check(now >= CLOCK_MIN, format!("{sentence} {now}"))
}

fn readers(appliance: &Appliance) -> Value {
    let lag = lag(appliance);
    let worst = lag["readers"].as_array().into_iter().flatten().filter_map(|r| r["lag"].as_u64()).max();
    match worst.unwrap_or(0) {
        0 => check(true, "all readers of the log are up to date".to_owned()),
        worst => check(worst <= LAG_MAX, format!("the slowest reader of the log is {worst} entries behind")),
    }
}

/// One line for each file of the state that cannot be written.
fn failing_shards(status: &StoreStatus) -> Vec<Value> {
    let failures = status.failures.iter().enumerate();
    let failing = failures.filter_map(|(shard, why)| Some((shard, why.as_ref()?)));
    failing
        .map(|(shard, why)| {
            let sentence = format!(
                "the file of shard {shard} cannot be written ({why}); forms are kept in the log, and refused when \
                 too many wait; it is tried again by itself"
            );
            check(false, sentence)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolster_model::CaseId;

    #[test]
    fn a_shard_that_cannot_be_written_is_named() {
        let status = StoreStatus {
            head: 1,
            applied: vec![1, 0],
            waiting: vec![0, 1],
            shard_bytes: vec![0, 0],
            failures: vec![None, Some("no space left on device".to_owned())],
        };
        let checks = failing_shards(&status);
        assert_eq!((checks.len(), &checks[0]["ok"]), (1, &Value::Bool(false)));
        let sentence = checks[0]["sentence"].as_str().unwrap();
        assert!(sentence.contains("shard 1") && sentence.contains("no space left"), "{sentence}");
    }

    #[test]
    fn facts_are_described_without_their_content() {
        let document = AdminDocument {
            kind: "credential".into(),
            id: "u1".into(),
            json: Some("secret".into()),
            action: "password changed".into(),
            changed: Vec::new(),
            actor: "command line".into(),
            at: Timestamp(0),
        };
        let (what, id, note) = describe(&Fact::Credential(document));
        assert_eq!((what, id.as_str()), ("credential", "credential u1"));
        assert!(!note.contains("secret"));
        let fact = Fact::DeleteCase(bolster_model::DeleteCase {
            case_id: CaseId("c".into()),
            delete: false,
            deletion_id: "d".into(),
            user_id: "u".into(),
            at: Timestamp(0),
        });
        assert_eq!(describe(&fact).0, "case undeleted");
    }
}
