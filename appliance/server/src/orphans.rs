//! Files that no form refers to are removed from time to time while the server runs.

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
pub struct Orphans {
    stopped: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Orphans {
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
                let _ = spawn_blocking(move || collect(&appliance, &seen)).await;
            }
        });
        Self { stopped, task }
    }

    /// Ends it; a collection that runs ends at its next file.
    pub fn stop(self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.task.abort();
    }
}

fn collect(appliance: &Appliance, stopped: &AtomicBool) {
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
