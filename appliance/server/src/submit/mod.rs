//! `bolster submit`: sends form files to a server, several at once, and remembers what was sent.

mod forms;
mod sender;
mod state;

use crate::cli::SubmitCommand;
use anyhow::{Context, Result, bail};
use bolster_env::Clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sender::{Sender, Verdict};
use serde_json::{Value, json};
use state::State;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Refusals listed in the summary; all are in the state file.
const REASONS_SHOWN_MAX: usize = 50;

/// What became of all forms.
#[derive(Default)]
struct Tally {
    accepted: u64,
    duplicate: u64,
    /// File and reason, final: the server will not take it.
    refused: Vec<(String, String)>,
    /// File and reason; sending again may succeed.
    failed: Vec<(String, String)>,
    skipped: u64,
}

/// Sends the files; the summary as text and as JSON, and whether everything was taken.
pub fn run(command: &SubmitCommand, password: &str, clock: &dyn Clock, quiet: bool) -> Result<(Value, bool)> {
    let forms = forms::find(&command.files)?;
    if forms.is_empty() {
        bail!("there is no form in what was given; forms are files ending in .xml");
    }
    let sender = Sender::new(command, password)?;
    let state = Mutex::new(State::open(&command.state, &sender.destination())?);
    let bar = progress_bar(forms.len() as u64, quiet);
    let tally = Mutex::new(Tally::default());
    let next = AtomicUsize::new(0);
    let broken: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..usize::from(command.parallel).min(forms.len()) {
            scope.spawn(|| {
                while let Some(form) = forms.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let result = one(form, &sender, &state, &tally, clock);
                    if let Err(error) = result {
                        // Signing in failed or the state cannot be written: the others would fail too.
                        lock(&broken).get_or_insert(error);
                        next.store(forms.len(), Ordering::SeqCst);
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    if let Some(error) = broken.into_inner().unwrap_or_else(|e| e.into_inner()) {
        return Err(error);
    }
    let tally = tally.into_inner().unwrap_or_else(|e| e.into_inner());
    let complete = tally.refused.is_empty() && tally.failed.is_empty();
    Ok((summary(&tally), complete))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

fn one(
    form: &forms::FormFiles,
    sender: &Sender,
    state: &Mutex<State>,
    tally: &Mutex<Tally>,
    clock: &dyn Clock,
) -> Result<()> {
    let name = form.xml.display().to_string();
    let digest = match form.digest() {
        Ok(digest) => digest,
        Err(error) => {
            lock(tally).failed.push((name, format!("{error:#}")));
            return Ok(());
        }
    };
    if lock(state).is_sent(&digest) {
        lock(tally).skipped += 1;
        return Ok(());
    }
    let verdict = sender.send(form, clock)?;
    if let Some(word) = verdict.settled() {
        lock(state).note(&digest, word, &name).context("the state file could not be written")?;
    }
    let mut tally = lock(tally);
    match verdict {
        Verdict::Accepted => tally.accepted += 1,
        Verdict::Duplicate => tally.duplicate += 1,
        Verdict::Refused(reason) => tally.refused.push((name, reason)),
        Verdict::Failed(reason) => tally.failed.push((name, reason)),
    }
    Ok(())
}

fn progress_bar(forms: u64, quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(forms), target);
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} forms, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn summary(tally: &Tally) -> Value {
    let list = |entries: &[(String, String)]| {
        entries.iter().map(|(file, reason)| json!({"file": file, "reason": reason})).collect::<Vec<_>>()
    };
    json!({
        "accepted": tally.accepted,
        "duplicate": tally.duplicate,
        "sent_before": tally.skipped,
        "refused": list(&tally.refused),
        "failed": list(&tally.failed),
    })
}

/// The summary for people.
pub fn text(summary: &Value) -> String {
    let count = |name: &str| summary[name].as_u64().unwrap_or(0);
    let entries = |name: &str| summary[name].as_array().cloned().unwrap_or_default();
    let (refused, failed) = (entries("refused"), entries("failed"));
    let mut lines = vec![format!(
        "{} accepted, {} duplicate, {} refused, {} failed, {} sent before",
        count("accepted"),
        count("duplicate"),
        refused.len(),
        failed.len(),
        count("sent_before")
    )];
    for (word, entries) in [("refused", &refused), ("failed", &failed)] {
        for entry in entries.iter().take(REASONS_SHOWN_MAX) {
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            lines.push(format!("{word} {}: {}", text("file"), text("reason")));
        }
        if entries.len() > REASONS_SHOWN_MAX {
            lines.push(format!("… and {} more {word}", entries.len() - REASONS_SHOWN_MAX));
        }
    }
    if !failed.is_empty() {
        lines.push("Run the same command again to send what failed.".to_owned());
    }
    lines.join("\n")
}
