//! The profile of a package: what it is called, which platform it needs, properties, and where its suites are.

use roxmltree::Node;

use crate::error::Error;
use crate::parse::xml::{self, attribute, elements, name};

/// The platform version that this runtime reports.
pub const PLATFORM: (u32, u32) = (2, 58);

/// The first file of a package.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The build number.
    pub version: i64,
    /// The stable id of the application; empty in old packages.
    pub unique_id: String,
    /// The label of the application.
    pub name: String,
    /// The platform it was built for: major and minor.
    pub required: (u32, u32),
    /// Key and value; later ones win.
    pub properties: Vec<(String, String)>,
    /// Where the suites are, in order.
    pub suites: Vec<String>,
}

impl Profile {
    /// Reads a profile.
    pub fn parse(text: &str) -> Result<Profile, Error> {
        let mut mended = String::new();
        let document = xml::document(text, &mut mended)?;
        let root = document.root_element();
        if name(root) != "profile" {
            return Err(Error::package(format!("Expected a <profile>, found {}", xml::place(root))));
        }
        let number = |key: &str| attribute(root, key).and_then(|text| text.trim().parse().ok());
        let mut profile = Profile {
            version: attribute(root, "version").and_then(|text| text.trim().parse().ok()).unwrap_or(0),
            unique_id: attribute(root, "uniqueid").unwrap_or_default().to_owned(),
            name: attribute(root, "name").unwrap_or_default().to_owned(),
            required: (number("requiredMajor").unwrap_or(0), number("requiredMinor").unwrap_or(0)),
            ..Profile::default()
        };
        for child in elements(root) {
            match name(child) {
                "property" => {
                    let key = attribute(child, "key").unwrap_or_default();
                    let value = attribute(child, "value").map_or_else(|| xml::text_of(child), str::to_owned);
                    profile.properties.push((key.to_owned(), value));
                }
                "suite" => profile.suites.extend(elements(child).filter_map(location)),
                "features" => profile.features(child),
                _ => {}
            }
        }
        Ok(profile)
    }

    fn features(&mut self, node: Node<'_, '_>) {
        for feature in elements(node).filter(|f| name(*f) == "users") {
            for child in elements(feature) {
                let key = match name(child) {
                    "registration" => "user_reg_namespace",
                    "logo" => "cc_login_image",
                    _ => continue,
                };
                self.properties.push((key.to_owned(), xml::text_of(child).trim().to_owned()));
            }
        }
    }

    /// A property.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.properties.iter().rev().find(|(known, _)| known == key).map(|(_, value)| &**value)
    }

    /// Whether a property says `yes`.
    pub fn is_on(&self, key: &str) -> bool {
        self.property(key) == Some("yes")
    }
}

/// The path inside the package of a `<resource>`: its local location, else any.
pub fn location(resource: Node<'_, '_>) -> Option<String> {
    if name(resource) != "resource" {
        return None;
    }
    let mut places = elements(resource).filter(|child| name(*child) == "location");
    let first = places.next()?;
    let local = |node: &Node<'_, '_>| attribute(*node, "authority") == Some("local");
    let chosen = if local(&first) { first } else { places.find(local).unwrap_or(first) };
    Some(path(xml::text_of(chosen).trim()))
}

/// A reference as a path inside the package.
pub fn path(reference: &str) -> String {
    let reference = reference.strip_prefix("jr://archive/").unwrap_or(reference);
    reference.trim_start_matches("./").trim_start_matches('/').to_owned()
}
