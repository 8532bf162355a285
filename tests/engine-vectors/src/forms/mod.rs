//! Form vectors: scripted sessions.

mod compare;
mod event;
mod host;
mod script;

use std::path::Path;

use serde_json::Value as Json;

use crate::report::Report;

/// Runs every form vector below `folder`.
pub fn run(folder: &Path, report: &mut Report) -> Result<(), String> {
    let mut folders: Vec<_> = std::fs::read_dir(folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.join("vector.json").is_file())
        .collect();
    folders.sort();
    let only = std::env::var("ENGINE_VECTORS_ONLY").ok();
    for folder in folders {
        let id = folder.file_name().and_then(|name| name.to_str()).unwrap_or("?").to_owned();
        if only.as_ref().is_some_and(|only| !id.contains(only.as_str())) {
            continue;
        }
        let text = std::fs::read_to_string(folder.join("vector.json")).map_err(|e| format!("{id}: {e}"))?;
        let vector: Json = serde_json::from_str(&text).map_err(|e| format!("{id}: {e}"))?;
        report.note(&id, script::Script::new(&folder, &vector).and_then(|script| script.run()));
    }
    Ok(())
}
