//! Documents of projects and people, as committed (JSON) and as kept in memory.
//!
//! A document of a newer release may have fields that this one does not know; they are dropped. Absent fields
//! take their defaults, so older documents stay readable.

use crate::custom_data::{DataField, Profile};
use crate::permissions::PermissionSet;
use bolster_model::{ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

pub(crate) use crate::names::is_host_of;
pub use crate::names::{NameError, email_name, project_name, worker_name};

/// Where accounts of mobile workers live on the wire: `name@project.commcarehq.org`.
pub const ACCOUNT_ROOT: &str = "commcarehq.org";

/// Kinds of documents. Those of the node level have the project id zero.
pub mod kind {
    /// [`super::ProjectName`], node level, id = name.
    pub const PROJECT_NAME: &str = "project_name";
    /// [`super::Project`], in the project, id = its id.
    pub const PROJECT: &str = "project";
    /// [`super::User`]: mobile workers in their project, web users on the node level.
    pub const USER: &str = "user";
    /// [`super::Membership`] of a web user, in the project, id = user id.
    pub const MEMBERSHIP: &str = "membership";
    /// [`super::Role`], in the project.
    pub const ROLE: &str = "role";
    /// [`super::Credential`], beside its user, id = user id.
    pub const CREDENTIAL: &str = "credential";
    /// [`super::ApiKey`], node level.
    pub const API_KEY: &str = "api_key";
    /// Local rows: login sessions, id = hash of the token.
    pub const SESSION: &str = "session";
}

mod hex_id {
    use bolster_model::ProjectId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(id: &ProjectId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ProjectId, D::Error> {
        let text = String::deserialize(deserializer)?;
        ProjectId::parse(&text).ok_or_else(|| serde::de::Error::custom("not 32 hex digits"))
    }

    pub mod option {
        use super::*;

        pub fn serialize<S: Serializer>(id: &Option<ProjectId>, serializer: S) -> Result<S::Ok, S::Error> {
            match id {
                Some(id) => super::serialize(id, serializer),
                None => serializer.serialize_none(),
            }
        }
        pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<ProjectId>, D::Error> {
            let text = Option::<String>::deserialize(d)?;
            text.map(|t| ProjectId::parse(&t).ok_or_else(|| serde::de::Error::custom("not 32 hex digits")))
                .transpose()
        }
    }
}

pub(crate) mod micros {
    use bolster_model::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.0)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp)
    }

    pub mod option {
        use super::*;

        pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => serializer.serialize_some(&at.0),
                None => serializer.serialize_none(),
            }
        }
        pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
            Ok(Option::<i64>::deserialize(d)?.map(Timestamp))
        }
    }
}

/// The node's record of a name: which project it stands for here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProjectName {
    /// The project.
    #[serde(with = "hex_id")]
    pub project: ProjectId,
}

/// A project (HQ: domain) with its switches.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Project {
    /// Random, never changes.
    #[serde(with = "hex_id")]
    pub id: ProjectId,
    /// As in addresses: lower-case letters, digits, hyphens.
    pub name: String,
    /// As people see it.
    pub display_name: String,
    /// Pages and phone addresses refuse when off.
    pub active: bool,
    /// IANA name of the zone in which the project's days begin.
    pub timezone: String,
    /// When created.
    #[serde(with = "micros")]
    pub created_at: Timestamp,
    /// Phones must authenticate.
    pub secure_submissions: bool,
    /// Extensions close with their host.
    pub auto_close_extensions: bool,
    /// Attachments of cases are applied.
    pub case_attachments: bool,
    /// A form whose `meta/userID` is not the authenticated user is refused.
    pub forbid_user_mismatch: bool,
    /// Forms of practice workers are answered and dropped.
    pub ignore_practice_submissions: bool,
    /// Submissions and restores answer 503, so that phones keep their forms.
    pub maintenance: bool,
    /// New passwords need eight characters and must not be the user's name.
    pub strong_passwords: bool,
    /// HTTP digest is taken, for which a value derived from each password is kept, encrypted.
    pub digest_auth: bool,
    /// Phones are sent products and programs.
    pub commtrack: bool,
    /// Phones are sent all locations, not those around their users.
    pub sync_all_locations: bool,
    /// Form in which phones are sent locations: `flat`, `hierarchical` or `both`.
    pub location_fixture: String,
    /// Declared fields of user data; phones are sent those that are not set as empty.
    pub user_fields: Vec<DataField>,
    /// Named sets of values for some of these fields.
    pub user_profiles: Vec<Profile>,
    /// Declared fields of locations.
    pub location_fields: Vec<DataField>,
    /// Cases can be searched for from phones.
    pub case_search: bool,
    /// A search answers 1,500 cases instead of 500.
    pub case_search_more: bool,
    /// Properties that searches compare fuzzily: `case_type:property`.
    pub fuzzy_properties: Vec<String>,
    /// First letters that must agree in a fuzzy comparison.
    pub fuzzy_prefix_length: u8,
    /// Texts that are taken out of what is searched for: `case_type:property:text`, with `%20` for a space.
    pub ignore_patterns: Vec<String>,
}

impl Default for Project {
    fn default() -> Self {
        Self {
            id: ProjectId::ZERO,
            name: String::new(),
            display_name: String::new(),
            active: true,
            timezone: "UTC".to_owned(),
            created_at: Timestamp(0),
            secure_submissions: true,
            auto_close_extensions: true,
            case_attachments: true,
            forbid_user_mismatch: false,
            ignore_practice_submissions: false,
            maintenance: false,
            strong_passwords: false,
            digest_auth: true,
            commtrack: false,
            sync_all_locations: false,
            location_fixture: "flat".to_owned(),
            user_fields: Vec::new(),
            user_profiles: Vec::new(),
            location_fields: Vec::new(),
            case_search: true,
            case_search_more: false,
            fuzzy_properties: Vec::new(),
            fuzzy_prefix_length: 2,
            ignore_patterns: Vec::new(),
        }
    }
}

/// Why a setting was not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingError {
    /// No such setting.
    #[error("there is no setting {name}; the settings are {}", Project::SETTINGS.join(", "))]
    Unknown {
        /// As typed.
        name: String,
    },
    /// Not a switch position.
    #[error("{name} is a switch: give true or false, not {value}")]
    NotASwitch {
        /// Setting.
        name: String,
        /// As typed.
        value: String,
    },
    /// Empty, too long, or otherwise no text for this setting.
    #[error("{value} is not a possible {name}")]
    BadText {
        /// Setting.
        name: String,
        /// As typed.
        value: String,
    },
}

impl Project {
    /// What [`Self::set`] takes.
    pub const SETTINGS: &[&str] = &[
        "display_name",
        "timezone",
        "active",
        "secure_submissions",
        "auto_close_extensions",
        "case_attachments",
        "forbid_user_mismatch",
        "ignore_practice_submissions",
        "maintenance",
        "strong_passwords",
        "digest_auth",
        "commtrack",
        "sync_all_locations",
        "location_fixture",
        "user_fields",
        "location_fields",
        "case_search",
        "case_search_more",
        "fuzzy_properties",
        "fuzzy_prefix_length",
        "ignore_patterns",
    ];

    /// Changes one setting from text. Answers whether anything changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, SettingError> {
        if let "user_fields" | "location_fields" = name {
            return self.set_fields(name, value);
        }
        if let Some(list) = self.list_setting(name) {
            let fields: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
            let parts = match name {
                "fuzzy_properties" => 2,
                "ignore_patterns" => 3,
                _ => 1,
            };
            let whole = |field: &String| field.splitn(parts, ':').filter(|p| !p.is_empty()).count() == parts;
            if let Some(odd) = fields.iter().find(|field| !whole(field)) {
                return Err(SettingError::BadText { name: name.to_owned(), value: odd.clone() });
            }
            return Ok(std::mem::replace(list, fields.clone()) != fields);
        }
        if name == "fuzzy_prefix_length" {
            let length = value.parse().ok().filter(|length| *length <= 10);
            let length = length
                .ok_or_else(|| SettingError::BadText { name: name.to_owned(), value: value.to_owned() })?;
            return Ok(std::mem::replace(&mut self.fuzzy_prefix_length, length) != length);
        }
        if let Some(text) = self.text_setting(name) {
            let possible = !value.trim().is_empty()
                && value.len() <= 200
                && !value.chars().any(char::is_control)
                && (name != "timezone" || zone_name(value))
                && (name != "location_fixture" || matches!(value, "flat" | "hierarchical" | "both"));
            if !possible {
                return Err(SettingError::BadText { name: name.to_owned(), value: value.to_owned() });
            }
            return Ok(std::mem::replace(text, value.to_owned()) != value);
        }
        let Some(switch) = self.switch(name) else {
            return Err(SettingError::Unknown { name: name.to_owned() });
        };
        let on = match value {
            "true" | "on" | "yes" | "1" => true,
            "false" | "off" | "no" | "0" => false,
            _ => return Err(SettingError::NotASwitch { name: name.to_owned(), value: value.to_owned() }),
        };
        Ok(std::mem::replace(switch, on) != on)
    }

    /// The fields of these slugs, in this order: those that are declared already stay as they are.
    fn set_fields(&mut self, name: &str, value: &str) -> Result<bool, SettingError> {
        let bad = |value: &str| SettingError::BadText { name: name.to_owned(), value: value.to_owned() };
        let fields = if name == "user_fields" { &mut self.user_fields } else { &mut self.location_fields };
        let mut wanted: Vec<DataField> = Vec::new();
        for slug in value.split_whitespace() {
            let known = fields.iter().find(|f| f.slug == slug).cloned();
            let field = known.unwrap_or_else(|| DataField::plain(slug));
            field.check().map_err(|_| bad(slug))?;
            if wanted.iter().all(|f| f.slug != slug) {
                wanted.push(field);
            }
        }
        let in_profile = |slug: &str| self.user_profiles.iter().any(|p| p.fields.contains_key(slug));
        let gone = |f: &&DataField| wanted.iter().all(|w| w.slug != f.slug);
        if name == "user_fields"
            && let Some(field) = fields.iter().filter(gone).find(|f| in_profile(&f.slug))
        {
            return Err(bad(&format!("a list without {}, which a profile fixes,", field.slug)));
        }
        Ok(std::mem::replace(fields, wanted.clone()) != wanted)
    }

    /// A profile of an id or a name.
    pub fn profile(&self, text: &str) -> Option<&Profile> {
        self.user_profiles.iter().find(|p| p.id == text || p.name == text)
    }

    fn list_setting(&mut self, name: &str) -> Option<&mut Vec<String>> {
        match name {
            "fuzzy_properties" => Some(&mut self.fuzzy_properties),
            "ignore_patterns" => Some(&mut self.ignore_patterns),
            _ => None,
        }
    }

    fn text_setting(&mut self, name: &str) -> Option<&mut String> {
        match name {
            "display_name" => Some(&mut self.display_name),
            "timezone" => Some(&mut self.timezone),
            "location_fixture" => Some(&mut self.location_fixture),
            _ => None,
        }
    }

    fn switch(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "active" => Some(&mut self.active),
            "secure_submissions" => Some(&mut self.secure_submissions),
            "auto_close_extensions" => Some(&mut self.auto_close_extensions),
            "case_attachments" => Some(&mut self.case_attachments),
            "forbid_user_mismatch" => Some(&mut self.forbid_user_mismatch),
            "ignore_practice_submissions" => Some(&mut self.ignore_practice_submissions),
            "maintenance" => Some(&mut self.maintenance),
            "strong_passwords" => Some(&mut self.strong_passwords),
            "digest_auth" => Some(&mut self.digest_auth),
            "commtrack" => Some(&mut self.commtrack),
            "sync_all_locations" => Some(&mut self.sync_all_locations),
            "case_search" => Some(&mut self.case_search),
            "case_search_more" => Some(&mut self.case_search_more),
            _ => None,
        }
    }
}

/// Shape of an IANA zone name; whether it exists is known only where zones are.
fn zone_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+'))
}

/// A person who can sign in: a mobile worker of one project, or a web user.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// Random, never changes.
    pub id: String,
    /// The project of a mobile worker; `None` for a web user.
    #[serde(with = "hex_id::option", skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// Lower case: bare name of a mobile worker, e-mail address of a web user.
    pub username: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// E-mail address, if any; never used to sign in.
    pub email: String,
    /// Language code, may be empty.
    pub language: String,
    /// The first is the default.
    pub phone_numbers: Vec<String>,
    /// Role of a mobile worker, an id.
    pub role: Option<String>,
    /// Custom data of a mobile worker.
    pub user_data: BTreeMap<String, String>,
    /// Id of the profile of a mobile worker, which fixes some of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<String>,
    /// Ids of the locations of a mobile worker; the first is the primary one.
    pub locations: Vec<String>,
    /// A practice worker: HQ's demo flag.
    pub practice: bool,
    /// May sign in.
    pub active: bool,
    /// Since when the account of a mobile worker is no more. The document stays for the name on old forms.
    #[serde(with = "micros::option", skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// A web user who administers the node: creates projects, sees every one.
    pub server_admin: bool,
    /// When created.
    #[serde(with = "micros")]
    pub created_at: Timestamp,
}

impl User {
    /// Signs in with an e-mail address.
    pub fn is_web(&self) -> bool {
        self.project.is_none()
    }

    /// Name as phones and APIs know it.
    pub fn wire_name(&self, project_name: &str) -> String {
        match self.project {
            Some(_) => format!("{}@{project_name}.{ACCOUNT_ROOT}", self.username),
            None => self.username.clone(),
        }
    }
}

/// A web user in a project.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Membership {
    /// The web user.
    pub user_id: String,
    /// May do everything in the project.
    pub is_admin: bool,
    /// Role of one who is no administrator, an id.
    pub role: Option<String>,
    /// Off: no access to this project.
    pub active: bool,
    /// Custom data of the user in this project.
    pub user_data: BTreeMap<String, String>,
    /// Id of the profile of the user in this project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<String>,
    /// Ids of the user's locations; the first is the primary one.
    pub locations: Vec<String>,
    /// Since when.
    #[serde(with = "micros")]
    pub created_at: Timestamp,
}

/// A role that the project made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    /// Random.
    pub id: String,
    /// Unique in the project, preset roles included.
    pub name: String,
    /// What it allows.
    pub permissions: PermissionSet,
}

/// How a user proves to be that user. Never shown.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Credential {
    /// The user.
    pub user_id: String,
    /// Argon2id hash of the password as a PHC text.
    pub password: String,
    /// `MD5(wire name:realm:password)`, encrypted with the node's key; absent where digest is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Random, new with each password: sessions remember it and end when it changes.
    pub stamp: String,
    /// When the password was set.
    #[serde(with = "micros")]
    pub changed_at: Timestamp,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// An API key; the key itself is shown once and not kept.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiKey {
    /// Random.
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// For people; unique per user.
    pub name: String,
    /// SHA-256 of the key, hex.
    pub hash: String,
    /// First eight digits of the key, for people to tell keys apart.
    pub shown: String,
    /// Only in this project; `None`: in every project of the user.
    #[serde(with = "hex_id::option", skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// Narrows the permissions to those of this role.
    pub role: Option<String>,
    /// Addresses that may use it; empty: any.
    pub ip_allowlist: Vec<std::net::IpAddr>,
    /// Until when.
    #[serde(with = "micros::option")]
    pub expires_at: Option<Timestamp>,
    /// May be used.
    pub active: bool,
    /// When made.
    #[serde(with = "micros")]
    pub created_at: Timestamp,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("shown", &self.shown)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_change_by_name() {
        let mut project = Project::default();
        assert_eq!(project.set("secure_submissions", "false"), Ok(true));
        assert_eq!(project.set("secure_submissions", "off"), Ok(false));
        assert!(!project.secure_submissions);
        assert!(matches!(project.set("maintenance", "maybe"), Err(SettingError::NotASwitch { .. })));
        assert!(matches!(project.set("colour", "red"), Err(SettingError::Unknown { .. })));
        assert!(matches!(project.set("timezone", "../etc"), Err(SettingError::BadText { .. })));
        assert_eq!(project.set("timezone", "Africa/Nairobi"), Ok(true));
        assert_eq!(project.set("fuzzy_properties", "person:name  person:village"), Ok(true));
        assert!(matches!(project.set("fuzzy_properties", "name"), Err(SettingError::BadText { .. })));
        assert_eq!(project.set("ignore_patterns", "person:phone:+1 person:id::"), Ok(true));
        assert!(matches!(project.set("ignore_patterns", "person:phone:"), Err(SettingError::BadText { .. })));
        assert_eq!(project.set("fuzzy_prefix_length", "0"), Ok(true));
        assert!(matches!(project.set("fuzzy_prefix_length", "11"), Err(SettingError::BadText { .. })));
        for name in Project::SETTINGS {
            let kinds = [
                project.text_setting(name).is_some(),
                project.switch(name).is_some(),
                project.list_setting(name).is_some(),
                matches!(*name, "fuzzy_prefix_length" | "user_fields" | "location_fields"),
            ];
            assert_eq!(kinds.iter().filter(|k| **k).count(), 1, "{name}");
        }
    }

    #[test]
    fn documents_of_an_older_release_are_read() {
        let project: Project = serde_json::from_str(r#"{"name":"p","later":1}"#).unwrap();
        assert!(project.active && project.auto_close_extensions && project.name == "p");
        let user = User { id: "u".into(), project: Some(ProjectId([7; 16])), ..User::default() };
        let json = serde_json::to_string(&user).unwrap();
        assert_eq!(serde_json::from_str::<User>(&json).unwrap(), user);
    }

    #[test]
    fn secrets_do_not_show() {
        let credential = Credential { password: "$argon2id$secret".into(), ..Credential::default() };
        let key = ApiKey { hash: "secrethash".into(), ..ApiKey::default() };
        assert!(!format!("{credential:?}{key:?}").contains("secret"));
    }
}
