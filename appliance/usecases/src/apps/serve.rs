//! What phones fetch: files of builds, with addresses put in, media, whole packages.

use super::documents::{Build, BuildFile, kind};
use super::find::{FoundBuild, Wanted};
use super::package::{Content, Packer, StagedOut};
use crate::Appliance;
use bolster_model::{Digest, ProjectId};
use bolster_store::{BlobError, BlobReader, ReadExt, StoreError};
use bolster_wire::app::{self, AppError, Home, Place};
use sha2::{Digest as _, Sha256};

/// Most bytes of a profile or suite; what was imported is smaller.
const TEXT_BYTES_MAX: u64 = 32 << 20;
/// Builds looked at to find one that has a file.
const OWNERS_MAX: usize = 16;

/// Names under which a profile is asked for, and whether it names the media.
const PROFILE_NAMES: [(&str, bool); 4] = [
    ("profile.ccpr", false),
    ("profile.xml", false),
    ("media_profile.ccpr", true),
    ("media_profile.xml", true),
];

/// Why a file was not handed out.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Committed state.
    #[error("data could not be read")]
    Store(#[from] StoreError),
    /// The bytes.
    #[error("a file could not be read")]
    Blob(#[from] BlobError),
    /// It was sound when it was imported.
    #[error("a profile or suite cannot be read any more")]
    Damaged(#[from] AppError),
}

/// A file for a phone.
pub enum Served {
    /// Made for this phone: a profile or a suite.
    Bytes(Vec<u8>),
    /// As it is in the package.
    File(BlobReader, Digest),
}

/// A picture, sound or film.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaFile {
    /// Its blob.
    pub digest: Digest,
    /// Path in a package that has it.
    pub path: String,
}

impl Appliance {
    /// A file of a build, by its path. `site` is `scheme://host` as the phone knows this appliance. `None` when
    /// the build has no such file. Blocks on the disk.
    pub fn app_file(
        &self,
        found: &FoundBuild,
        project: &str,
        site: &str,
        path: &str,
    ) -> Result<Option<Served>, ServeError> {
        let build = &*found.build;
        let profile = PROFILE_NAMES.iter().find(|(name, _)| *name == path);
        if let Some((_, with_media)) = profile {
            let own = build.file(path).map_or(build.profile_path.as_str(), |f| f.path.as_str());
            return Ok(Some(Served::Bytes(self.profile_of(found, project, site, own, *with_media)?)));
        }
        let Some(file) = build.file(path) else { return Ok(None) };
        if build.suites.iter().any(|suite| suite == path) {
            return Ok(Some(Served::Bytes(self.suite_of(found, project, site, file)?)));
        }
        let Some(digest) = file.blob() else { return Ok(None) };
        Ok(Some(Served::File(self.store().blobs().read(&digest)?, digest)))
    }

    fn profile_of(
        &self,
        found: &FoundBuild,
        project: &str,
        site: &str,
        path: &str,
        with_media: bool,
    ) -> Result<Vec<u8>, ServeError> {
        let build = &*found.build;
        let bytes = self.text_of(build.file(path))?;
        let home = home(build);
        let place = place(found, project, site, home.as_ref());
        Ok(app::rewrite_profile(&bytes, &place, &media_ids(build), with_media)?)
    }

    fn suite_of(
        &self,
        found: &FoundBuild,
        project: &str,
        site: &str,
        file: &BuildFile,
    ) -> Result<Vec<u8>, ServeError> {
        let build = &*found.build;
        let bytes = self.text_of(Some(file))?;
        let home = home(build);
        Ok(app::rewrite_suite(&bytes, &place(found, project, site, home.as_ref()), &media_ids(build))?)
    }

    /// What an app shows beside the cases that a search for some types found. Nothing for an app that nobody
    /// knows. Blocks on the disk.
    pub fn search_needs(
        &self,
        project: ProjectId,
        app_id: &str,
        types: &[String],
    ) -> Result<app::SearchNeeds, ServeError> {
        let mut all = app::SearchNeeds::default();
        let Some(found) = self.find_build(project, app_id, &Wanted::default())? else { return Ok(all) };
        for suite in &found.build.suites {
            let bytes = self.text_of(found.build.file(suite))?;
            for (case_type, needs) in app::search_needs(&bytes)? {
                if types.contains(&case_type) {
                    all.paths.extend(needs.paths);
                    all.child_types.extend(needs.child_types);
                }
            }
        }
        Ok(all)
    }

    fn text_of(&self, file: Option<&BuildFile>) -> Result<Vec<u8>, BlobError> {
        let missing = || BlobError::Missing(Digest([0; 32]));
        let digest = file.and_then(BuildFile::blob).ok_or_else(missing)?;
        self.store().blobs().read(&digest)?.read_all(TEXT_BYTES_MAX)
    }

    /// A whole package for phones without a way to fetch it themselves. Without media the profile does not
    /// name the suite of the media. Blocks while it is made; takes as much of the disk until it was read.
    pub fn app_package(
        &self,
        found: &FoundBuild,
        project: &str,
        site: &str,
        with_media: bool,
    ) -> Result<BlobReader, ServeError> {
        let build = &*found.build;
        let mut packer = Packer::new(StagedOut(self.store().blobs().stage()?));
        // First the profile, under the one name that phones look for in a package.
        let profile = self.profile_of(found, project, site, &build.profile_path, with_media)?;
        packer.add("profile.ccpr", Content::Bytes(profile))?;
        for file in &build.files {
            let is_profile = PROFILE_NAMES.iter().any(|(name, _)| *name == file.path);
            if is_profile || (!with_media && is_media(&file.path)) {
                continue;
            }
            let Some(digest) = file.blob() else { continue };
            let content = match build.suites.contains(&file.path) {
                true => Content::Bytes(self.suite_of(found, project, site, file)?),
                false => Content::Blob(self.store().blobs().read(&digest)?),
            };
            packer.add(&file.path, content)?;
        }
        Ok(packer.finish()?.0.spool()?)
    }

    /// A file that some build names, by the digest of its bytes. Nothing else in the blob store is told.
    pub fn find_media(&self, digest: &Digest) -> Result<Option<MediaFile>, StoreError> {
        for (project, id) in self.store().view().blob_documents(digest, OWNERS_MAX)? {
            let Some(build) = id.strip_prefix(kind::APP_BUILD).and_then(|id| id.strip_prefix('/')) else {
                continue;
            };
            if let Some(path) = self.path_in_build(project, build, digest)? {
                return Ok(Some(MediaFile { digest: *digest, path }));
            }
        }
        Ok(None)
    }

    fn path_in_build(
        &self,
        project: ProjectId,
        id: &str,
        digest: &Digest,
    ) -> Result<Option<String>, StoreError> {
        let Some(found) = self.find_build(project, id, &Wanted::default())? else { return Ok(None) };
        let digest = digest.to_string();
        let file = found.build.files.iter().find(|f| f.digest == digest && is_media(&f.path));
        Ok(file.map(|f| f.path.clone()))
    }
}

/// A short mark of bytes: equal for equal ones.
pub fn content_tag(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// Where HQ puts pictures, sounds and films.
pub(super) fn is_media(path: &str) -> bool {
    path.starts_with("commcare/")
}

fn home(build: &Build) -> Option<Home> {
    build.home.clone().map(|(host, project)| Home { host, project })
}

fn place<'a>(found: &'a FoundBuild, project: &'a str, site: &'a str, home: Option<&'a Home>) -> Place<'a> {
    Place {
        site,
        project,
        app_id: &found.app.id,
        build_id: &found.build.id,
        build_profile: &found.build.profile,
        name: found.app.named_here.then_some(found.app.name.as_str()),
        home,
    }
}

fn media_ids(build: &Build) -> impl Fn(&str) -> Option<String> {
    move |path| build.file(path).map(|f| f.digest.clone())
}
