//! Switches of the whole server, changeable while it runs.

use std::sync::atomic::{AtomicBool, Ordering};

/// Everything off by default.
#[derive(Debug, Default)]
pub struct ServerSettings {
    ignore_demo_submissions: AtomicBool,
    maintenance: AtomicBool,
}

impl ServerSettings {
    /// Forms of practice users and of the demo user are answered and dropped.
    pub fn ignore_demo_submissions(&self) -> bool {
        self.ignore_demo_submissions.load(Ordering::Relaxed)
    }
    /// Switches it.
    pub fn set_ignore_demo_submissions(&self, on: bool) {
        self.ignore_demo_submissions.store(on, Ordering::Relaxed);
    }
    /// Submissions and restores answer 503, so that phones keep their forms.
    pub fn maintenance(&self) -> bool {
        self.maintenance.load(Ordering::Relaxed)
    }
    /// Switches it.
    pub fn set_maintenance(&self, on: bool) {
        self.maintenance.store(on, Ordering::Relaxed);
    }
}
