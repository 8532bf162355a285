//! Known gaps: `tests/vectors/expected-failures.toml`, a table of areas with ids and reasons.
//!
//! ```toml
//! [receiver]
//! "auth-10-oauth2" = "access tokens come with the API"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Reasons by vector id, of one area.
#[derive(Debug, Default)]
pub struct Expected(BTreeMap<String, String>);

impl Expected {
    /// Those of an area. No file means none.
    pub fn load(area: &str) -> Result<Self> {
        let Some(path) = file() else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let table: toml::Table = text.parse().with_context(|| format!("reading {}", path.display()))?;
        let Some(area) = table.get(area) else { return Ok(Self::default()) };
        let Some(area) = area.as_table() else { bail!("an area of expected failures is no table") };
        let mut reasons = BTreeMap::new();
        for (id, reason) in area {
            let Some(reason) = reason.as_str().filter(|r| !r.is_empty()) else {
                bail!("the expected failure {id} has no reason")
            };
            reasons.insert(id.clone(), reason.to_owned());
        }
        Ok(Self(reasons))
    }

    /// Why a vector fails, if that is known.
    pub fn reason(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }
}

/// From the present folder upwards, else beside the sources.
fn file() -> Option<PathBuf> {
    let name = "tests/vectors/expected-failures.toml";
    let here = std::env::current_dir().ok();
    let above = here.iter().flat_map(|d| d.ancestors()).map(|d| d.join(name)).find(|p| p.is_file());
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/expected-failures.toml");
    above.or_else(|| beside.is_file().then_some(beside))
}
