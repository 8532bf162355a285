//! Profiles and suites with the addresses of this appliance.
//!
//! Only what has to change changes; every other byte is copied. The rule is in `docs/formats/apps.md`.

use super::scan::{Attribute, Edits, Piece, Scan, checked, escaped, expect_root};
use super::{AppError, Home, ResourceKind, package_path};
use std::fmt::Write as _;
use std::ops::Range;

/// Where a build is served.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// `scheme://host` as the phone reaches this appliance.
    pub site: &'a str,
    /// Project here.
    pub project: &'a str,
    /// App here.
    pub app_id: &'a str,
    /// Build here.
    pub build_id: &'a str,
    /// Language profile of the build; empty for all languages.
    pub build_profile: &'a str,
    /// Name given at import, in place of the package's own.
    pub name: Option<&'a str>,
    /// Where the package comes from.
    pub home: Option<&'a Home>,
}

/// Content id of a file of the package by its path; `None` when it is not in the package.
pub type Files<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Place<'_> {
    fn base(&self) -> String {
        format!("{}/a/{}", self.site, self.project)
    }

    fn download(&self, path: &str) -> String {
        format!("{}/apps/download/{}/{}", self.base(), self.build_id, encoded(path))
    }

    fn update(&self, with_media: bool) -> String {
        let file = if with_media { "media_profile.ccpr" } else { "profile.ccpr" };
        let profile = if self.build_profile.is_empty() { "None" } else { self.build_profile };
        format!("{}/apps/download/{}/{file}?latest=true&profile={profile}", self.base(), self.app_id)
    }

    /// Value of a property that belongs to the server; `None` for all others.
    fn property(&self, key: &str, old: &str) -> Option<String> {
        let base = self.base();
        let build = self.build_id;
        Some(match key {
            "ota-restore-url" | "ota-restore-url-testing" => format!("{base}/phone/restore/{build}/"),
            // The safer door stays in use where it was.
            "PostURL" | "PostTestURL" if old.contains("/receiver/secure/") => {
                format!("{base}/receiver/secure/{build}/")
            }
            "PostURL" | "PostTestURL" => format!("{base}/receiver/{build}/"),
            "key_server" => format!("{base}/phone/keys/"),
            "heartbeat-url" => {
                format!("{base}/phone/heartbeat/{build}/?build_profile_id={}", self.build_profile)
            }
            "recovery-measures-url" => format!("{base}/phone/recovery_measures/{build}/"),
            "cc_user_domain" => format!("{}.commcarehq.org", self.project),
            _ => return None,
        })
    }

    /// A raw text with the address of the place of origin replaced by ours; `None` when it does not occur.
    fn moved(&self, raw: &str) -> Option<String> {
        let home = self.home?;
        let mut out = String::new();
        let mut done = 0;
        for (at, _) in raw.match_indices("http") {
            let Some(rest) = raw.get(at..) else { continue };
            let Some(path) = rest.strip_prefix("https://").or_else(|| rest.strip_prefix("http://")) else {
                continue;
            };
            let Some(path) = path.strip_prefix(home.host.as_str()).and_then(|p| p.strip_prefix("/a/")) else {
                continue;
            };
            let (ours, path) = match path.strip_prefix(home.project.as_str()) {
                Some(path) if ends_segment(path) => (self.base(), path),
                // The project is put there later, by an expression.
                _ if ends_literal(path) => (format!("{}/a/", self.site), path),
                _ => continue,
            };
            out.push_str(&raw[done..at]);
            out.push_str(&ours);
            done = raw.len() - path.len();
        }
        (done > 0).then(|| out + &raw[done..])
    }
}

fn ends_literal(rest: &str) -> bool {
    rest.is_empty()
        || rest.starts_with(['\'', '"'])
        || rest.starts_with("&apos;")
        || rest.starts_with("&quot;")
}

fn ends_segment(rest: &str) -> bool {
    rest.starts_with(['/', '?']) || ends_literal(rest)
}

/// A path as it stands in an address.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
            out.push(b as char);
        } else {
            // Writing to a text does not fail.
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

/// A profile as phones get it, with or without the suite that names the media.
pub fn rewrite_profile(
    bytes: &[u8],
    place: &Place<'_>,
    files: Files<'_>,
    with_media: bool,
) -> Result<Vec<u8>, AppError> {
    let (document, text) = checked(bytes)?;
    expect_root(&document, "profile")?;
    drop(document);
    let mut work = Work::new(text, place, files);
    let mut root = None;
    let mut keys = Vec::new();
    // Where a `suite` element starts, and the edits made before it.
    let mut suite: Option<(usize, usize)> = None;
    for piece in Scan::new(text) {
        match &piece {
            Piece::Start { attributes, end, empty, .. } if work.open.is_empty() => {
                work.root(attributes, tag_inside(*end, *empty), with_media);
                root = (!*empty).then_some(*end);
                work.open("profile", *empty);
                continue;
            }
            Piece::Start { name: "property", attributes, .. } if work.open.len() == 1 => {
                if let Some(key) = work.property(attributes) {
                    keys.push(key);
                    work.step(&piece, false);
                    continue;
                }
            }
            Piece::Start { name: "suite", start, empty: false, .. } => {
                suite = Some((*start, work.edits_made()));
                work.kind = ResourceKind::Suite;
            }
            _ => {}
        }
        work.step(&piece, true);
        if let (Piece::End { end, .. }, Some((start, edits)), 1) = (&piece, suite, work.open.len()) {
            suite = None;
            work.kind = ResourceKind::Other;
            let names_media = work.last_path.take().is_some_and(|p| p.ends_with("media_suite.xml"));
            if names_media && !with_media {
                work.forget_edits(edits);
                work.edits.replace(start..*end, String::new());
            }
        }
    }
    if let Some(at) = root {
        work.add_missing(at, &keys);
    }
    Ok(work.edits.apply(text))
}

/// A suite as phones get it.
pub fn rewrite_suite(bytes: &[u8], place: &Place<'_>, files: Files<'_>) -> Result<Vec<u8>, AppError> {
    let (document, text) = checked(bytes)?;
    expect_root(&document, "suite")?;
    drop(document);
    let mut work = Work::new(text, place, files);
    for piece in Scan::new(text) {
        if let Piece::Start { name, empty: false, .. } = &piece
            && work.open.len() == 1
        {
            work.kind = if *name == "media" { ResourceKind::Media } else { ResourceKind::Form };
        }
        work.step(&piece, true);
    }
    Ok(work.edits.apply(text))
}

/// A resource being read.
#[derive(Default)]
struct Located {
    path: Option<String>,
    /// Behind the local location.
    local_end: usize,
    /// Raw text of the remote location.
    remote: Option<Range<usize>>,
}

struct Work<'t, 'p> {
    text: &'t str,
    place: &'p Place<'p>,
    files: Files<'p>,
    edits: Edits,
    open: Vec<&'t str>,
    kind: ResourceKind,
    located: Option<Located>,
    /// Authority of the location being read.
    authority: Option<String>,
    /// Path of the last resource.
    last_path: Option<String>,
}

fn tag_inside(end: usize, empty: bool) -> usize {
    end - if empty { 2 } else { 1 }
}

impl<'t, 'p> Work<'t, 'p> {
    fn new(text: &'t str, place: &'p Place<'p>, files: Files<'p>) -> Self {
        let edits = Edits::default();
        Self {
            text,
            place,
            files,
            edits,
            open: Vec::new(),
            kind: ResourceKind::Other,
            located: None,
            authority: None,
            last_path: None,
        }
    }

    fn edits_made(&self) -> usize {
        self.edits.len()
    }
    fn forget_edits(&mut self, from: usize) {
        self.edits.truncate(from);
    }

    fn open(&mut self, name: &'t str, empty: bool) {
        if !empty {
            self.open.push(name);
        }
    }

    /// Goes over a piece; `moving` also replaces the address of origin in it.
    fn step(&mut self, piece: &Piece<'t>, moving: bool) {
        match piece {
            Piece::Start { name, attributes, empty, .. } => {
                if moving {
                    attributes.iter().for_each(|a| self.move_range(a.value.clone()));
                }
                match *name {
                    "resource" if !*empty => self.located = Some(Located::default()),
                    "location" if !*empty => {
                        let authority = attributes.iter().find(|a| a.name == "authority");
                        self.authority = authority.map(|a| self.text[a.value.clone()].to_owned());
                    }
                    _ => {}
                }
                self.open(name, *empty);
            }
            Piece::Text(range) => self.text_piece(range.clone()),
            Piece::End { end, .. } => match self.open.pop() {
                Some("location") => {
                    if self.authority.take().as_deref() == Some("local")
                        && let Some(located) = &mut self.located
                    {
                        located.local_end = *end;
                    }
                }
                Some("resource") => self.end_resource(),
                _ => {}
            },
        }
    }

    fn text_piece(&mut self, range: Range<usize>) {
        match (self.authority.as_deref(), &mut self.located) {
            (Some("local"), Some(located)) => {
                located.path = located.path.take().or_else(|| package_path(&self.text[range]));
            }
            (Some("remote"), Some(located)) if located.remote.is_none() => located.remote = Some(range),
            _ => self.move_range(range),
        }
    }

    fn move_range(&mut self, range: Range<usize>) {
        if let Some(moved) = self.place.moved(&self.text[range.clone()]) {
            self.edits.replace(range, moved);
        }
    }

    /// Says where a phone fetches a resource.
    fn end_resource(&mut self) {
        let Some(located) = self.located.take() else { return };
        let path = located.path.filter(|_| located.local_end > 0);
        self.last_path = path.clone();
        let file = path.and_then(|path| Some(((self.files)(&path)?, path)));
        let Some((content, path)) = file else {
            // Not in the package: phones fetch it where it always was.
            if let Some(remote) = located.remote {
                self.move_range(remote);
            }
            return;
        };
        let old = located.remote.clone().map(|range| self.text[range].trim()).unwrap_or_default();
        let ours = match self.kind {
            ResourceKind::Media => {
                let name = path.rsplit('/').next().unwrap_or_default();
                let class = media_class(old, &path);
                format!("{}/hq/multimedia/file/{class}/{content}/{}", self.place.site, encoded(name))
            }
            ResourceKind::Suite => self.place.download(&path),
            // Relative to the suite, as CommCare HQ has it.
            _ if old.is_empty() => format!("./{}", encoded(&path)),
            _ if !old.contains("://") => return,
            _ => self.place.download(&path),
        };
        match located.remote {
            Some(range) => self.edits.replace(range, escaped(&ours)),
            None => {
                let element = format!("<location authority=\"remote\">{}</location>", escaped(&ours));
                self.edits.insert(located.local_end, element);
            }
        }
    }

    /// The root element of a profile.
    fn root(&mut self, attributes: &[Attribute<'_>], inside: usize, with_media: bool) {
        let wanted = [
            ("update", Some(self.place.update(with_media))),
            ("uniqueid", Some(self.place.app_id.to_owned())),
            ("name", self.place.name.map(str::to_owned)),
        ];
        for (name, value) in wanted {
            let Some(value) = value.as_deref().map(escaped) else { continue };
            match attributes.iter().find(|a| a.name == name) {
                Some(found) => self.edits.replace(found.value.clone(), value),
                None => self.edits.insert(inside, format!(" {name}=\"{value}\"")),
            }
        }
    }

    /// A property; its key when it belongs to the server.
    fn property(&mut self, attributes: &[Attribute<'_>]) -> Option<String> {
        let find = |name| attributes.iter().find(|a: &&Attribute<'_>| a.name == name);
        let key = &self.text[find("key")?.value.clone()];
        let value = find("value")?.value.clone();
        let ours = self.place.property(key, &self.text[value.clone()])?;
        // Phones that had the app from elsewhere must forget what they were told there.
        match find("force") {
            Some(force) => self.edits.replace(force.value.clone(), "true".to_owned()),
            None => self.edits.insert(value.end + 1, " force=\"true\"".to_owned()),
        }
        self.edits.replace(value, escaped(&ours));
        Some(key.to_owned())
    }

    /// Properties that a phone cannot do without.
    fn add_missing(&mut self, at: usize, keys: &[String]) {
        let mut added = String::new();
        for key in ["PostURL", "ota-restore-url", "heartbeat-url", "cc_user_domain"] {
            if let Some(value) = self.place.property(key, "").filter(|_| !keys.iter().any(|k| k == key)) {
                let value = escaped(&value);
                // Writing to a text does not fail.
                let _ = write!(added, "<property key=\"{key}\" value=\"{value}\" force=\"true\"/>");
            }
        }
        if !added.is_empty() {
            self.edits.insert(at, added);
        }
    }
}

/// HQ's name for a kind of media.
fn media_class(old: &str, path: &str) -> &'static str {
    const CLASSES: [&str; 4] = ["CommCareImage", "CommCareAudio", "CommCareVideo", "CommCareMultimedia"];
    let named = old.split_once("/hq/multimedia/file/").and_then(|(_, rest)| rest.split('/').next());
    if let Some(class) = named.and_then(|n| CLASSES.into_iter().find(|c| *c == n)) {
        return class;
    }
    let folder = |name: &str| path.contains(&format!("/{name}/"));
    match () {
        () if folder("image") => "CommCareImage",
        () if folder("audio") => "CommCareAudio",
        () if folder("video") => "CommCareVideo",
        () => "CommCareMultimedia",
    }
}
