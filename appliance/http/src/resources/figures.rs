//! Figures in Prometheus' text format. Nothing about any project is in them.

use crate::metrics::SUBMIT_BOUNDS_US;
use crate::reply::{Reply, whole};
use crate::router::State;
use hyper::StatusCode;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

/// `GET /metrics`
pub fn figures(state: &State) -> Reply {
    let mut out = String::with_capacity(4096);
    writer(&mut out, state);
    endpoint(&mut out, state);
    web_apps(&mut out, state);
    whole(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", out)
}

fn line(out: &mut String, name: &str, kind: &str, help: &str, values: &[(String, u64)]) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}

fn one(value: u64) -> Vec<(String, u64)> {
    vec![(String::new(), value)]
}

fn writer(out: &mut String, state: &State) {
    let counters = state.app.writer_counters();
    let outcome = |name: &str, value: u64| (format!("{{outcome=\"{name}\"}}"), value);
    let outcomes = [
        outcome("stored", counters.forms_stored.load(Relaxed)),
        outcome("duplicate", counters.duplicates.load(Relaxed)),
        outcome("content_error", counters.content_errors.load(Relaxed)),
        outcome("unparseable", counters.unparseable.load(Relaxed)),
    ];
    line(out, "bolster_submissions_total", "counter", "Submissions decided since start.", &outcomes);
    let batches = one(counters.batches.load(Relaxed));
    line(out, "bolster_commits_total", "counter", "Groups of commits made durable.", &batches);
    let failed = one(counters.failed_batches.load(Relaxed));
    line(out, "bolster_commit_failures_total", "counter", "Groups that could not be written.", &failed);
    let queued = one(counters.queued.load(Relaxed) as u64);
    line(out, "bolster_write_queue", "gauge", "Jobs waiting for the writer.", &queued);
    let status = state.app.store().status();
    line(out, "bolster_log_head", "gauge", "Last durable position of the change log.", &one(status.head));
    let lag: Vec<_> = status
        .applied
        .iter()
        .enumerate()
        .map(|(n, applied)| (format!("{{reader=\"shard-{n}\"}}"), status.head.saturating_sub(*applied)))
        .collect();
    line(out, "bolster_reader_lag", "gauge", "Entries of the change log that a reader has not taken.", &lag);
}

fn web_apps(out: &mut String, state: &State) {
    let held = state.formplayer.held();
    let apps = one(held.apps as u64);
    line(out, "bolster_webapps_apps", "gauge", "Apps that are parsed in memory.", &apps);
    let accounts = one(held.accounts as u64);
    line(out, "bolster_webapps_accounts", "gauge", "People who used an app in a browser.", &accounts);
    let sessions = one(held.forms as u64);
    line(out, "bolster_webapps_sessions", "gauge", "Open forms in memory.", &sessions);
    let bytes = one(held.form_bytes as u64);
    line(out, "bolster_webapps_session_bytes", "gauge", "Bytes that open forms take, about.", &bytes);
    let drafts = one(state.app.drafts().count() as u64);
    line(out, "bolster_webapps_drafts", "gauge", "Open forms and lists on the disk.", &drafts);
    let lookup = |result: &str, count: u64| (format!("{{result=\"{result}\"}}"), count);
    let lookups = [lookup("hit", held.form_hits), lookup("miss", held.form_misses)];
    let help = "Requests about a form, by whether it was in memory.";
    line(out, "bolster_webapps_session_lookups_total", "counter", help, &lookups);
    let (users, cases) = state.app.live_held();
    let users = one(users as u64);
    line(out, "bolster_webapps_users", "gauge", "Users whose cases are in memory.", &users);
    let cases = one(cases as u64);
    line(out, "bolster_webapps_cases", "gauge", "Cases in memory, counted for each user.", &cases);
}

fn endpoint(out: &mut String, state: &State) {
    let metrics = &state.metrics;
    let answers: Vec<_> = metrics
        .answers()
        .map(|(route, class, count)| (format!("{{route=\"{route}\",status=\"{class}xx\"}}"), count))
        .collect();
    line(out, "bolster_http_answers_total", "counter", "Answers by address and status class.", &answers);
    let connections = one(metrics.connections.load(Relaxed) as u64);
    line(out, "bolster_http_connections", "gauge", "Open connections.", &connections);
    line(out, "bolster_http_panics_total", "counter", "Faults caught.", &one(metrics.panics.load(Relaxed)));
    let (classes, sum_us) = metrics.submissions();
    let name = "bolster_submission_seconds";
    let _ = writeln!(out, "# HELP {name} From complete body to durable.\n# TYPE {name} histogram");
    let mut total = 0;
    for (n, count) in classes.iter().enumerate() {
        total += count;
        let bound = SUBMIT_BOUNDS_US.get(n).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
        let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {total}");
    }
    let _ = writeln!(out, "{name}_sum {}\n{name}_count {total}", sum_us as f64 / 1e6);
}
