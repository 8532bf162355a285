//! What is wrong with a package, found without running it.

use super::profile::{Platform, Profile};
use super::suite::{FormHead, Suite};
use super::{AppError, Home, Resource, ResourceKind, number};
use std::collections::{BTreeMap, BTreeSet};

/// The newest CommCare that is known here, as text.
pub const PLATFORM_VERSION: &str = "2.58.0";
/// The newest CommCare whose packages are understood in full.
const PLATFORM: Platform = Platform { major: 2, minor: 58, minimal: u32::MAX };
/// Most lines about the same matter.
const SAME_MAX: usize = 10;

/// How bad something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Phones install and run the app all the same.
    Warning,
    /// Phones could not install it.
    Error,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// How bad.
    pub severity: Severity,
    /// What, for who builds apps.
    pub text: String,
}

/// A package, read.
pub struct Package<'a> {
    /// Its profile.
    pub profile: &'a Profile,
    /// Its suites by path, or why one could not be read.
    pub suites: &'a [(String, Result<Suite, AppError>)],
    /// Its forms by path, or why one could not be read.
    pub forms: &'a [(String, Result<FormHead, AppError>)],
    /// Keys of its texts in the default language.
    pub texts: &'a BTreeSet<String>,
    /// Whether a file is in the package.
    pub has: &'a dyn Fn(&str) -> bool,
}

struct Findings(Vec<Trouble>);

impl Findings {
    fn error(&mut self, text: String) {
        self.0.push(Trouble { severity: Severity::Error, text });
    }
    fn warning(&mut self, text: String) {
        self.0.push(Trouble { severity: Severity::Warning, text });
    }
    /// A list of names of one kind of trouble, as one line.
    fn warn_of<'n>(&mut self, what: &str, names: impl Iterator<Item = &'n String>) {
        let names: Vec<&String> = names.collect();
        if names.is_empty() {
            return;
        }
        let shown: Vec<&str> = names.iter().take(SAME_MAX).map(|n| n.as_str()).collect();
        let more = match names.len().saturating_sub(SAME_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.warning(format!("{what}: {}{more}", shown.join(", ")));
    }
}

/// Everything that is wrong with a package, errors first.
pub fn check(package: &Package<'_>) -> Vec<Trouble> {
    let mut findings = Findings(Vec::new());
    let profile = package.profile;
    if profile.unique_id.is_empty() {
        findings.warning("the profile has no unique id; the app gets one of its own".to_owned());
    }
    if profile.name.is_empty() {
        findings.warning("the profile has no name".to_owned());
    }
    if profile.requires.is_some_and(|p| p.major != PLATFORM.major || p > PLATFORM) {
        let text = "the app asks for a CommCare that is newer than what this server knows";
        findings.warning(text.to_owned());
    }
    if profile.home().is_none() {
        let text = "the profile names no project of a server, so addresses in suites stay as they are";
        findings.warning(text.to_owned());
    }
    if !profile.resources.iter().any(|r| r.kind == ResourceKind::Suite) {
        findings.error("the profile names no suite".to_owned());
    }
    let suites: Vec<&Suite> = package.suites.iter().filter_map(|(_, s)| s.as_ref().ok()).collect();
    for (path, suite) in package.suites {
        if let Err(error) = suite {
            findings.error(format!("{path}: {error}"));
        }
    }
    for (path, form) in package.forms {
        if let Err(error) = form {
            findings.error(format!("{path}: {error}"));
        }
    }
    let loose_suites = package.suites.iter().filter(|(_, s)| s.as_ref().is_ok_and(|s| s.is_loose));
    let loose_forms = package.forms.iter().filter(|(_, f)| f.as_ref().is_ok_and(|f| f.is_loose));
    let loose = loose_suites.map(|(path, _)| path).chain(loose_forms.map(|(path, _)| path));
    findings.warn_of("'<' in an attribute value, which CommCare takes and other readers do not", loose);
    let resources = profile.resources.iter().chain(suites.iter().flat_map(|s| &s.resources));
    resources_resolve(&mut findings, resources, package.has);
    names_resolve(&mut findings, package, &suites);
    other_homes(&mut findings, profile, &suites);
    findings.0.sort_by_key(|trouble| std::cmp::Reverse(trouble.severity));
    findings.0
}

fn resources_resolve<'r>(
    findings: &mut Findings,
    resources: impl Iterator<Item = &'r Resource>,
    has: &dyn Fn(&str) -> bool,
) {
    let mut seen: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut absent = Vec::new();
    for resource in resources {
        let id = resource.id.as_str();
        let path = resource.path.as_deref();
        if id.is_empty() {
            findings.error(format!("a resource without id: {}", path.unwrap_or("(no path)")));
        } else if let Some(earlier) = seen.insert(id, path) {
            match earlier == path {
                true => findings.warning(format!("resource {id} is named twice")),
                false => findings.error(format!("resource id {id} stands for two files")),
            }
        }
        match &resource.version {
            None => findings.warning(format!("resource {id} has no version")),
            Some(version) if number(version).is_none() => {
                findings.error(format!("resource {id} has version \"{version}\", which is no whole number"));
            }
            Some(_) => {}
        }
        match (path, resource.kind) {
            (None, _) if resource.remote.is_none() => {
                findings.error(format!("resource {id} says not where its file is"));
            }
            (None, _) => findings.warning(format!("resource {id} is not in the package")),
            (Some(path), _) if has(path) => {}
            (Some(path), ResourceKind::Media) if resource.remote.is_some() => absent.push(path.to_owned()),
            (Some(path), _) => findings.error(format!("{path} is named by resource {id} and is missing")),
        }
    }
    let what = "not in the package, so phones must reach the server it was made on to get them";
    findings.warn_of(what, absent.iter());
}

/// What suites name and nothing has: CommCare installs such apps, and fails where a user gets there.
fn names_resolve(findings: &mut Findings, package: &Package<'_>, suites: &[&Suite]) {
    fn all<'s>(suites: &[&'s Suite], of: fn(&Suite) -> &BTreeSet<String>) -> BTreeSet<&'s String> {
        suites.iter().flat_map(|s| of(s)).collect()
    }
    let xmlns: BTreeSet<&String> =
        package.forms.iter().filter_map(|(_, f)| f.as_ref().ok()).map(|f| &f.xmlns).collect();
    let forms = all(suites, |s| &s.forms);
    findings.warn_of("entries open forms that are not in the package", forms.difference(&xmlns).copied());
    let commands = all(suites, |s| &s.commands);
    let listed = all(suites, |s| &s.listed);
    findings.warn_of("menus list commands that do not exist", listed.difference(&commands).copied());
    let details = all(suites, |s| &s.details);
    let used = all(suites, |s| &s.used_details);
    findings.warn_of("case lists use details that do not exist", used.difference(&details).copied());
    let texts = all(suites, |s| &s.texts);
    let known: BTreeSet<&String> = package.texts.iter().collect();
    findings
        .warn_of("texts without a translation in the default language", texts.difference(&known).copied());
}

/// Files that would be fetched from a third place.
fn other_homes(findings: &mut Findings, profile: &Profile, suites: &[&Suite]) {
    let Some(home) = profile.home() else { return };
    let remotes = suites.iter().flat_map(|s| &s.resources).filter_map(|r| r.remote.as_deref());
    let foreign: BTreeSet<String> = remotes
        .filter_map(Home::of)
        .filter(|other| *other != home)
        .map(|other| format!("{}/a/{}", other.host, other.project))
        .collect();
    findings.warn_of("files of other servers or projects", foreign.iter());
}
