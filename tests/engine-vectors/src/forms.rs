//! Form vectors: scripted sessions.

use std::path::Path;

use crate::report::Report;

/// Runs every form vector below `folder`.
pub fn run(folder: &Path, _report: &mut Report) -> Result<(), String> {
    Err(format!("{}: no runner for form vectors is built in", folder.display()))
}
