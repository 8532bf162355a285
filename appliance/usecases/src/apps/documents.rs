//! Documents of apps and builds, as committed.
//!
//! Unknown fields are dropped and absent ones take their defaults, so that documents of other releases are
//! read.

use bolster_model::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// Kinds of documents, all in their project.
pub mod kind {
    /// [`super::App`], id = app id.
    pub const APP: &str = "app";
    /// [`super::Build`], id = build id. Its files are referred to as `app_build/{id}`.
    pub const APP_BUILD: &str = "app_build";
}

/// An app with the list of its builds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct App {
    /// As in addresses and in `uniqueid` of profiles served here.
    pub id: String,
    /// `uniqueid` of the packages it is made from.
    pub source_id: String,
    /// For people.
    pub name: String,
    /// The name was given here, and is shown on phones too.
    pub named_here: bool,
    /// When made, microseconds since the epoch.
    pub created_at: i64,
    /// Since when phones do not get it any more, microseconds since the epoch. Its builds keep their ids, so
    /// that forms of phones that have it still say where they come from.
    pub deleted_at: Option<i64>,
    /// Builds, the newest version last; several of one version differ in the language profile.
    pub builds: Vec<BuildEntry>,
    /// Whether phones ask their users to update the app.
    pub prompt_update: Prompt,
    /// What phones that lost their way shall do.
    pub recovery: Vec<RecoveryMeasure>,
    /// Versions for workers at some locations, and below them, in place of the newest released one.
    pub at_locations: Vec<LocationRelease>,
}

/// A version for the workers of a location and of those below it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LocationRelease {
    /// Id of the location.
    pub location: String,
    /// Number.
    pub version: u32,
}

/// What an app says of one of its builds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildEntry {
    /// As in addresses.
    pub id: String,
    /// Number, which rises.
    pub version: u32,
    /// Language profile that the package was made for; empty for all languages.
    pub profile: String,
    /// Id of the build where the package was made.
    pub source_id: Option<String>,
    /// When, microseconds since the epoch.
    pub imported_at: i64,
    /// By whom.
    pub imported_by: String,
    /// Since when phones get it, microseconds since the epoch.
    pub released_at: Option<i64>,
    /// By whom.
    pub released_by: String,
    /// What is new in it.
    pub notes: String,
}

impl BuildEntry {
    /// Since when phones get it.
    pub fn released(&self) -> Option<Timestamp> {
        self.released_at.map(Timestamp)
    }
}

/// Whether phones ask their users to update.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Not.
    #[default]
    Off,
    /// They ask.
    On,
    /// They insist.
    Forced,
}

/// Something that phones do once, in the order of the numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecoveryMeasure {
    /// Rises.
    pub sequence_number: u32,
    /// Its name in the protocol.
    pub measure: String,
}

/// One version of an app: what its package held. Never changes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Build {
    /// Made from the contents.
    pub id: String,
    /// Its app.
    pub app_id: String,
    /// Number.
    pub version: u32,
    /// Language profile; empty for all languages.
    pub profile: String,
    /// Name in the package.
    pub name: String,
    /// Host and project where the package was made.
    pub home: Option<(String, String)>,
    /// The CommCare that it needs, as people write it.
    pub requires: String,
    /// Path of its profile.
    pub profile_path: String,
    /// Paths of its suites.
    pub suites: Vec<String>,
    /// Languages of its texts.
    pub languages: Vec<String>,
    /// Its forms.
    pub forms: Vec<Form>,
    /// Files by path.
    pub files: Vec<BuildFile>,
    /// What is not as it should be.
    pub warnings: Vec<String>,
}

/// A form of a build.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// File.
    pub path: String,
    /// Namespace of its data.
    pub xmlns: String,
    /// For people.
    pub title: String,
}

/// A file of a build.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildFile {
    /// In the package, without leading `./`.
    pub path: String,
    /// SHA-256 of its bytes, hex.
    pub digest: String,
    /// Bytes.
    pub length: u64,
}

impl BuildFile {
    /// Its blob.
    pub fn blob(&self) -> Option<Digest> {
        Digest::parse(&self.digest)
    }
}

impl Build {
    /// The file of a path.
    pub fn file(&self, path: &str) -> Option<&BuildFile> {
        let at = self.files.binary_search_by(|f| f.path.as_str().cmp(path)).ok()?;
        self.files.get(at)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.length).sum()
    }
}

impl App {
    /// Numbers of its versions, rising, each once.
    pub fn versions(&self) -> Vec<u32> {
        let mut versions: Vec<u32> = self.builds.iter().map(|b| b.version).collect();
        versions.dedup();
        versions
    }

    /// The newest version, or the newest released one.
    pub fn newest(&self, released: bool) -> Option<u32> {
        let builds = self.builds.iter().filter(|b| !released || b.released_at.is_some());
        builds.map(|b| b.version).max()
    }

    /// The build of a version for a language profile; the one for all languages where that profile has none.
    pub fn build(&self, version: u32, profile: Option<&str>) -> Option<&BuildEntry> {
        let of = |wanted: &str| self.builds.iter().find(|b| b.version == version && b.profile == wanted);
        let asked = profile.filter(|p| !p.is_empty()).and_then(of);
        asked.or_else(|| of("")).or_else(|| self.builds.iter().find(|b| b.version == version))
    }
}
