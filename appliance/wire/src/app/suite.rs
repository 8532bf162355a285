//! Suites, heads of forms and locale files: as much as an import has to judge.

use super::scan::{LIMITS, checked, expect_root};
use super::{AppError, Resource, ResourceKind, package_path};
use crate::ParseError;
use crate::xml::{self, Element};
use std::collections::BTreeSet;

/// What a suite says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Suite {
    /// Files it names, in order.
    pub resources: Vec<Resource>,
    /// Namespaces of the forms that its entries open.
    pub forms: BTreeSet<String>,
    /// Commands of its entries, and ids of its menus.
    pub commands: BTreeSet<String>,
    /// Commands that its menus list.
    pub listed: BTreeSet<String>,
    /// Ids of its details.
    pub details: BTreeSet<String>,
    /// Details that its datums name.
    pub used_details: BTreeSet<String>,
    /// Ids of texts that it names plainly.
    pub texts: BTreeSet<String>,
    /// Only CommCare's reader takes it.
    pub is_loose: bool,
}

/// Reads a suite.
pub fn read_suite(bytes: &[u8]) -> Result<Suite, AppError> {
    let (document, _) = checked(bytes)?;
    expect_root(&document, "suite")?;
    let mut suite = Suite { is_loose: document.has_bare_angle, ..Suite::default() };
    for child in document.root().children() {
        let kind = match child.name() {
            "xform" => ResourceKind::Form,
            "locale" => ResourceKind::Locale,
            "media" => ResourceKind::Media,
            "user-restore" => ResourceKind::UserRestore,
            _ => ResourceKind::Other,
        };
        let language = child.attribute("language").filter(|_| kind == ResourceKind::Locale);
        let resources = child.children().filter(|e| e.name() == "resource");
        suite.resources.extend(
            resources.map(|e| Resource { language: language.map(str::to_owned), ..resource(e, kind) }),
        );
        read_child(&mut suite, child);
    }
    let mut within_data = 0;
    for element in document.elements() {
        // What stands in fixtures and queries is data, whatever its elements are called.
        if element.index() < within_data {
            continue;
        }
        match element.name() {
            "fixture" => within_data = element.end(),
            "datum" | "instance-datum" => {
                for attribute in ["detail-select", "detail-confirm", "detail-inline", "detail-persistent"] {
                    suite.used_details.extend(element.attribute(attribute).map(str::to_owned));
                }
            }
            "text" => {
                let plain = element.children().filter(|e| e.name() == "locale");
                suite.texts.extend(plain.filter_map(|e| e.attribute("id")).map(str::to_owned));
            }
            _ => {}
        }
    }
    suite.used_details.remove("");
    Ok(suite)
}

fn read_child(suite: &mut Suite, child: Element<'_>) {
    match child.name() {
        "entry" | "view" | "remote-request" => {
            let command = child.child("command").and_then(|c| c.attribute("id"));
            suite.commands.extend(command.map(str::to_owned));
            let form = child.child("form").map(|f| f.text().trim()).filter(|f| !f.is_empty());
            suite.forms.extend(form.map(str::to_owned));
        }
        "menu" => {
            suite.commands.extend(child.attribute("id").map(str::to_owned));
            let commands = child.children().filter(|e| e.name() == "command");
            suite.listed.extend(commands.filter_map(|c| c.attribute("id")).map(str::to_owned));
        }
        "detail" => suite.details.extend(child.attribute("id").map(str::to_owned)),
        _ => {}
    }
}

/// A `resource` element.
pub(super) fn resource(element: Element<'_>, kind: ResourceKind) -> Resource {
    let location = |authority: &str| {
        let of = |e: &Element<'_>| e.name() == "location" && e.attribute("authority") == Some(authority);
        element.children().find(of).map(|e| e.text().trim().to_owned())
    };
    Resource {
        id: element.attribute("id").unwrap_or_default().to_owned(),
        version: element.attribute("version").map(str::to_owned),
        kind,
        language: None,
        path: location("local").as_deref().and_then(package_path),
        remote: location("remote"),
    }
}

/// What an import wants to know of a form.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FormHead {
    /// Namespace of its main instance.
    pub xmlns: String,
    /// Title.
    pub title: String,
    /// Only CommCare's reader takes it.
    pub is_loose: bool,
}

/// Reads a form's namespace and title. A form that is no XForm answers empty ones.
pub fn form_head(bytes: &[u8]) -> Result<FormHead, ParseError> {
    let document = xml::read_as_commcare(bytes, &LIMITS)?;
    let mut elements = document.elements();
    let title = elements.find(|e| e.name() == "title").map(|e| e.text().trim().to_owned());
    let model = document.elements().find(|e| e.name() == "model");
    let instance = model.and_then(|m| m.child("instance"));
    let data = instance.and_then(|i| i.children().next());
    Ok(FormHead {
        xmlns: data.map(|d| d.namespace().to_owned()).unwrap_or_default(),
        title: title.unwrap_or_default(),
        is_loose: document.has_bare_angle,
    })
}

/// Whether a restore that comes with an app is one for practice: phones refuse it otherwise.
pub fn is_practice_restore(bytes: &[u8]) -> Result<bool, ParseError> {
    let document = xml::read(bytes, &LIMITS)?;
    let registration = document.elements().find(|e| e.name().eq_ignore_ascii_case("registration"));
    let Some(registration) = registration else { return Ok(false) };
    let has_name = registration.child("username").is_some_and(|name| !name.text().trim().is_empty());
    let data = registration.child("user_data").into_iter().flat_map(Element::children);
    let mut kinds = data.filter(|d| d.attribute("key") == Some("user_type"));
    Ok(has_name && kinds.any(|d| d.text().trim() == "demo"))
}

/// Keys of a locale file that have a text.
pub fn locale_keys(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        (!value.is_empty()).then_some(key.trim())
    })
}
