//! Profiles: what an app is called, which version it is, and where it belongs.

use super::scan::{checked, expect_root};
use super::suite::resource;
use super::{AppError, Home, Resource, ResourceKind, number};
use crate::xml::Element;

/// A version of the CommCare app on phones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Platform {
    /// Must be equal.
    pub major: u32,
    /// At least.
    pub minor: u32,
    /// At least, when the minor one is equal.
    pub minimal: u32,
}

/// What a profile says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Profile {
    /// Number of the build; rises with each.
    pub version: u32,
    /// Id of the app; empty when it has none.
    pub unique_id: String,
    /// Name for people.
    pub name: String,
    /// Where updates come from, as written.
    pub update: String,
    /// The CommCare that it needs.
    pub requires: Option<Platform>,
    /// Language profile that the package was made for; empty for all languages.
    pub build_profile: String,
    /// Properties in order.
    pub properties: Vec<(String, String)>,
    /// Suites in order, and the login logo.
    pub resources: Vec<Resource>,
}

impl Profile {
    /// First value of a property.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.properties.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// The place that it comes from: that of its first address of a project.
    pub fn home(&self) -> Option<Home> {
        let keys = ["PostURL", "ota-restore-url", "key_server", "heartbeat-url"];
        let properties = keys.iter().filter_map(|key| self.property(key));
        properties.chain([self.update.as_str()]).find_map(Home::of)
    }

    /// The build's id at the place of origin: the last part of `PostURL`.
    pub fn source_build(&self) -> Option<&str> {
        let url = self.property("PostURL").filter(|url| Home::of(url).is_some())?;
        let (path, last) = url.split('?').next()?.trim_end_matches('/').rsplit_once('/')?;
        let named = path.ends_with("/receiver") || path.ends_with("/receiver/secure");
        let id = !matches!(last, "secure" | "submission" | "api") && is_id(last);
        (named && id).then_some(last)
    }
}

/// Fit to be an id in an address.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Reads a profile.
pub fn read_profile(bytes: &[u8]) -> Result<Profile, AppError> {
    let (document, _) = checked(bytes)?;
    expect_root(&document, "profile")?;
    let root = document.root();
    let text = |name: &str| root.attribute(name).unwrap_or_default().trim().to_owned();
    let version = root.attribute("version");
    let version = version
        .and_then(number)
        .ok_or_else(|| AppError::Number { attribute: "version", value: version.map(str::to_owned) })?;
    let unique_id = text("uniqueid");
    let mut profile = Profile {
        version,
        unique_id: if is_id(&unique_id) { unique_id } else { String::new() },
        name: text("name"),
        update: text("update"),
        requires: platform(root)?,
        build_profile: Some(text("buildProfileID")).filter(|id| is_id(id)).unwrap_or_default(),
        ..Profile::default()
    };
    for child in root.children() {
        match child.name() {
            "property" => {
                let attribute = |name| child.attribute(name).unwrap_or_default().to_owned();
                profile.properties.push((attribute("key"), attribute("value")));
            }
            "suite" | "login" => {
                let kind = if child.name() == "suite" { ResourceKind::Suite } else { ResourceKind::Media };
                let resources = child.children().filter(|e| e.name() == "resource");
                profile.resources.extend(resources.map(|e| resource(e, kind)));
            }
            _ => {}
        }
    }
    Ok(profile)
}

fn platform(root: Element<'_>) -> Result<Option<Platform>, AppError> {
    let read = |attribute: &'static str| match root.attribute(attribute) {
        None | Some("") => Ok(None),
        Some(value) => match number(value) {
            Some(number) => Ok(Some(number)),
            None => Err(AppError::Number { attribute, value: Some(value.to_owned()) }),
        },
    };
    let (major, minor, minimal) = (read("requiredMajor")?, read("requiredMinor")?, read("requiredMinimal")?);
    Ok(major.map(|major| Platform {
        major,
        minor: minor.unwrap_or_default(),
        minimal: minimal.unwrap_or_default(),
    }))
}
