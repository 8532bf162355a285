//! Apps: packages that CommCare HQ's app builder exports, kept, released and handed out to phones.
//!
//! An *app* is what people know by name; a *build* is one version of it, made from one package and never
//! changed. Every file of a package is a blob, byte for byte; addresses are put in when a phone asks.
//! `docs/formats/apps.md` has the rules.

mod documents;
mod find;
mod import;
mod package;
mod serve;
mod settings;

pub use bolster_runtime::{Finding, Severity};
pub use documents::{
    App, Build, BuildEntry, BuildFile, Form, LocationRelease, Prompt, RecoveryMeasure, kind,
};
pub(crate) use find::AppsCache;
pub use find::{FoundBuild, Target, Wanted, app_code};
pub use import::{ImportApp, ImportError, Imported};
pub use package::{PackageLimits, check_package, pack};
pub use serve::{MediaFile, ServeError, Served, content_tag};
pub use settings::RECOVERY_MEASURES;

use bolster_auth::Refused;
use bolster_store::{BlobError, StoreError};

/// Why something about apps was not done.
#[derive(Debug, thiserror::Error)]
pub enum AppsError {
    /// No such app.
    #[error("there is no app {0}")]
    NoApp(String),
    /// No such version of it.
    #[error("app {app} has no version {version}; it has {}", listed(.known))]
    NoVersion {
        /// Name of the app.
        app: String,
        /// What was asked for.
        version: u32,
        /// What there is.
        known: Vec<u32>,
    },
    /// A setting that does not exist, or a value that it does not take.
    #[error("{0}")]
    Setting(String),
    /// Not allowed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Committed state.
    #[error("data could not be read")]
    Store(#[from] StoreError),
    /// A file.
    #[error("a file could not be read")]
    Blob(#[from] BlobError),
    /// Not written.
    #[error("the change was not stored")]
    Write(#[from] crate::WriteError),
}

fn listed(versions: &[u32]) -> String {
    let versions: Vec<String> = versions.iter().rev().take(10).map(u32::to_string).collect();
    versions.join(", ")
}
