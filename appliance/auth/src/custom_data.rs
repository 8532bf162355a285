//! Custom data of users and locations as a project declares it: fields, and profiles that fix some of them.
//!
//! Here are the documents and what a slug may be. Whether a value fits its field is judged where values are
//! written, in the use cases, which know regular expressions.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Keys of user data that the appliance sets itself; nobody else does.
///
/// Source: docs/formats/restore.md, user data.
pub const SYSTEM_KEYS: [&str; 9] = [
    "commcare_project",
    "commcare_profile",
    "commcare_location_id",
    "commcare_location_ids",
    "commcare_primary_case_sharing_id",
    "commcare_first_name",
    "commcare_last_name",
    "commcare_phone_number",
    "commcare_user_type",
];

/// Longest slug, in bytes.
const SLUG_BYTES_MAX: usize = 127;
/// Longest label, choice, message or expression, in characters.
pub const TEXT_CHARS_MAX: usize = 500;
/// Most choices of a field.
pub const CHOICES_MAX: usize = 500;

/// A declared field.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct DataField {
    /// Key of the data; never changes.
    pub slug: String,
    /// As people see it; the slug where empty.
    pub label: String,
    /// Every mobile worker (or location) needs a value.
    pub required: bool,
    /// Every web user needs a value.
    pub required_web: bool,
    /// The values that are possible; empty: any.
    pub choices: Vec<String>,
    /// Expression that must be found in a value; empty: none. A field has choices or an expression.
    pub pattern: String,
    /// What somebody is told whose value does not fit the expression.
    pub pattern_message: String,
}

/// Why a field cannot be declared so.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FieldError {
    /// A slug that cannot be.
    #[error(
        "{0} cannot be the key of a field: use up to {SLUG_BYTES_MAX} letters, digits, _ and -, with a letter \
         or _ first"
    )]
    Slug(String),
    /// A slug that is ours.
    #[error("{0} cannot be the key of a field: what begins with xml or commcare is set by the server")]
    Reserved(String),
    /// A text that is too long or has control characters.
    #[error("the {what} of a field is a text of up to {TEXT_CHARS_MAX} characters")]
    Text {
        /// Which.
        what: &'static str,
    },
    /// Too many choices.
    #[error("a field has at most {CHOICES_MAX} choices")]
    Choices,
    /// The same choice twice, or an empty one.
    #[error("the choice {0:?} is empty or there twice")]
    Choice(String),
    /// Both kinds of limits.
    #[error("a field has choices or an expression, not both")]
    Both,
}

impl DataField {
    /// A field that takes any text.
    pub fn plain(slug: &str) -> Self {
        Self { slug: slug.to_owned(), ..Self::default() }
    }

    /// The label, or the slug.
    pub fn shown(&self) -> &str {
        if self.label.is_empty() { &self.slug } else { &self.label }
    }

    /// Whether it can be declared so, apart from its expression.
    pub fn check(&self) -> Result<(), FieldError> {
        let slug = self.slug.as_str();
        let first = slug.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let fit = slug.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !first || !fit || slug.len() > SLUG_BYTES_MAX {
            return Err(FieldError::Slug(slug.to_owned()));
        }
        let lower = slug.to_ascii_lowercase();
        if lower.starts_with("xml") || lower.starts_with("commcare") {
            return Err(FieldError::Reserved(slug.to_owned()));
        }
        let fits =
            |text: &String| text.chars().count() <= TEXT_CHARS_MAX && !text.chars().any(char::is_control);
        let texts =
            [("label", &self.label), ("expression", &self.pattern), ("message", &self.pattern_message)];
        if let Some((what, _)) = texts.into_iter().find(|(_, text)| !fits(text)) {
            return Err(FieldError::Text { what });
        }
        if self.choices.len() > CHOICES_MAX {
            return Err(FieldError::Choices);
        }
        let mut seen = std::collections::BTreeSet::new();
        for choice in &self.choices {
            if !fits(choice) {
                return Err(FieldError::Text { what: "choice" });
            }
            if choice.trim().is_empty() || !seen.insert(choice) {
                return Err(FieldError::Choice(choice.clone()));
            }
        }
        if !self.choices.is_empty() && !self.pattern.is_empty() {
            return Err(FieldError::Both);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for DataField {
    /// A bare text is the slug of a field that takes any text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Whole {
            slug: String,
            label: String,
            required: bool,
            required_web: bool,
            choices: Vec<String>,
            pattern: String,
            pattern_message: String,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Slug(String),
            Whole(Whole),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Slug(slug) => Self::plain(&slug),
            Either::Whole(w) => Self {
                slug: w.slug,
                label: w.label,
                required: w.required,
                required_web: w.required_web,
                choices: w.choices,
                pattern: w.pattern,
                pattern_message: w.pattern_message,
            },
        })
    }
}

/// Values of some fields that are the same for many users.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// Never changes.
    pub id: String,
    /// As people see it; unique in the project.
    pub name: String,
    /// What it fixes.
    pub fields: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for good in ["village", "_a", "a-1", "Role"] {
            assert_eq!(DataField::plain(good).check(), Ok(()), "{good}");
        }
        for bad in ["", "1a", "a b", "é", "xml_a", "commcare_project", "CommCare"] {
            assert!(DataField::plain(bad).check().is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_of_a_field() {
        let with = |choices: &[&str], pattern: &str| DataField {
            choices: choices.iter().map(|c| (*c).to_owned()).collect(),
            pattern: pattern.to_owned(),
            ..DataField::plain("a")
        };
        assert_eq!(with(&["x", "y"], "").check(), Ok(()));
        assert_eq!(with(&["x"], "^x$").check(), Err(FieldError::Both));
        assert_eq!(with(&["x", "x"], "").check(), Err(FieldError::Choice("x".into())));
        assert_eq!(with(&[" "], "").check(), Err(FieldError::Choice(" ".into())));
    }

    #[test]
    fn a_bare_slug_is_a_field() {
        let fields: Vec<DataField> = serde_json::from_str(r#"["a",{"slug":"b","required":true}]"#).unwrap();
        assert_eq!(fields[0], DataField::plain("a"));
        assert!(fields[1].required);
        let json = serde_json::to_string(&fields).unwrap();
        assert_eq!(serde_json::from_str::<Vec<DataField>>(&json).unwrap(), fields);
    }
}
