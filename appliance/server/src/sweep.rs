//! What is past its time is removed while the server runs: sync tokens, sessions, and files that nothing
//! refers to.

use bolster_usecases::Appliance;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};

/// Wait before the first time: a start has other things to do.
const FIRST: Duration = Duration::from_secs(10 * 60);
/// Wait between two times.
const PAUSE: Duration = Duration::from_secs(6 * 3600);

/// The work, until it is stopped.
pub struct Sweep {
    stopped: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Sweep {
    /// Begins, inside a runtime.
    pub fn start(appliance: Appliance) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = stopped.clone();
        let task = tokio::spawn(async move {
            let mut wait = FIRST;
            loop {
                tokio::time::sleep(wait).await;
                wait = PAUSE;
                let (appliance, seen) = (appliance.clone(), seen.clone());
                // Only a panic fails here, and that one has been printed.
                let _ = spawn_blocking(move || sweep(&appliance, &seen)).await;
            }
        });
        Self { stopped, task }
    }

    /// Ends it; one that runs ends at its next file.
    pub fn stop(self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.task.abort();
    }
}

fn sweep(appliance: &Appliance, stopped: &AtomicBool) {
    // Before the files: those of old tokens are among them.
    match appliance.forget_old_syncs() {
        Ok(0) => {}
        Ok(tokens) => tracing::info!(tokens, "forgot sync tokens past their time"),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "sync tokens past their time could not be removed"
        ),
    }
    if let Err(error) = appliance.forget_old_sessions() {
        tracing::warn!(error = &error as &dyn std::error::Error, "old sessions could not be removed");
    }
    match appliance.drafts().forget_old(appliance.env().clock.now()) {
        Ok(0) => {}
        Ok(drafts) => tracing::info!(drafts, "forgot drafts that nobody went on with"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "old drafts could not be removed")
        }
    }
    match appliance.store().collect_blobs(|| !stopped.load(Ordering::SeqCst)) {
        Ok(done) if done.removed > 0 => {
            tracing::info!(removed = done.removed, seen = done.seen, "removed files that no form refers to");
        }
        Ok(_) => {}
        Err(error) if error.is_passing() => {}
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "files that no form refers to could not be removed"
        ),
    }
}
