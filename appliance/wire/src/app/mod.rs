//! Applications as CommCare HQ exports them: profiles and suites, read and rewritten.
//!
//! A package is a set of files with one profile, which names suites, which name forms, locale files and media.
//! Reading answers what the import judges; rewriting puts this appliance's addresses where those of the place
//! of origin stand, and leaves every other byte as it is. The rule is written in `docs/formats/apps.md`.

mod check;
mod profile;
mod rewrite;
mod scan;
mod search;
mod suite;
#[cfg(test)]
mod tests;

pub use check::{PLATFORM_VERSION, Package, Severity, Trouble, check};
pub use profile::{Platform, Profile, read_profile};
pub use rewrite::{Place, rewrite_profile, rewrite_suite};
pub use search::{SearchNeeds, search_needs};
pub use suite::{FormHead, Suite, form_head, is_practice_restore, locale_keys, read_suite};

use crate::ParseError;

/// Where a package came from: a server and a project there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Home {
    /// Host and port.
    pub host: String,
    /// Project, as in `/a/{project}/`.
    pub project: String,
}

impl Home {
    /// The home of an address like `https://host/a/project/…`.
    pub fn of(address: &str) -> Option<Self> {
        let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
        let (host, path) = rest.split_once('/')?;
        let project = path.strip_prefix("a/")?.split('/').next()?;
        let fit = |text: &str| {
            !text.is_empty()
                && text.len() <= 255
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
        };
        (fit(host) && fit(project)).then(|| Self { host: host.to_owned(), project: project.to_owned() })
    }
}

/// What kind of file a resource is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResourceKind {
    /// A suite, named by the profile.
    Suite,
    /// A form.
    Form,
    /// Texts of a language.
    Locale,
    /// A picture, sound or film.
    Media,
    /// A restore that comes with the app, for practice.
    UserRestore,
    /// Anything else that a phone fetches.
    Other,
}

/// One file that a profile or suite names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    /// Its id; empty when there is none.
    pub id: String,
    /// Its version as written.
    pub version: Option<String>,
    /// Kind.
    pub kind: ResourceKind,
    /// Language of a locale file.
    pub language: Option<String>,
    /// Path in the package, from its location of authority `local`.
    pub path: Option<String>,
    /// Its location of authority `remote`, as written.
    pub remote: Option<String>,
}

/// The path in a package that a location names; `None` for an address or a path that leaves the package.
pub fn package_path(location: &str) -> Option<String> {
    let location = location.trim();
    if location.contains("://") || location.starts_with('/') || location.contains('\\') {
        return None;
    }
    let mut path: Vec<&str> = Vec::new();
    for segment in location.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                path.pop()?;
            }
            name => path.push(name),
        }
    }
    (!path.is_empty()).then(|| path.join("/"))
}

/// A document of this kind could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppError {
    /// No XML.
    #[error(transparent)]
    Xml(#[from] ParseError),
    /// Another encoding than UTF-8, which could not be rewritten.
    #[error("it is not encoded in UTF-8")]
    Encoding,
    /// A document type, which no profile or suite needs.
    #[error("it declares a document type")]
    DocumentType,
    /// The root element is another one.
    #[error("its root element is {found}, not {wanted}")]
    Root {
        /// What it should be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// An attribute that must be a whole number.
    #[error("its {attribute} is {}", quoted(.value))]
    Number {
        /// Which.
        attribute: &'static str,
        /// What is written.
        value: Option<String>,
    },
}

fn quoted(value: &Option<String>) -> String {
    match value {
        Some(value) => {
            format!("\"{}\", which is no whole number", value.chars().take(40).collect::<String>())
        }
        None => "missing".to_owned(),
    }
}

/// Most digits that fit a version.
fn number(value: &str) -> Option<u32> {
    let good = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    if good { value.parse().ok().filter(|n| *n <= i32::MAX as u32) } else { None }
}
