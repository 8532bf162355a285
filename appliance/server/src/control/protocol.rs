//! What a command asks of the appliance and what it is answered, the same whether the appliance runs in another
//! process or in this one. Over the socket each value is one line of JSON.

use bolster_usecases::admin::api_keys::KeyLimits;
use bolster_usecases::admin::groups::GroupChange;
use bolster_usecases::admin::places::NewLocation;
use bolster_usecases::admin::workers::UserChange;
use bolster_usecases::nouns::LocationType;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Longest line that is read.
pub const LINE_BYTES_MAX: u64 = 16 << 20;

/// One command. Names and fields may be added; a running server of another release answers what it knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// `project create`
    ProjectCreate { name: String },
    /// `project list`
    ProjectList,
    /// `project set`
    ProjectSet { name: String, settings: Vec<(String, String)> },
    /// `user create`
    UserCreate(NewUser),
    /// `user list`
    UserList { project: String },
    /// `user activate`, `user deactivate`
    UserSetActive { project: String, name: String, active: bool },
    /// `user password`
    UserPassword { project: String, name: String, password: String },
    /// `user set`
    UserSet { project: String, name: String, change: UserChange },
    /// `user delete`
    UserDelete { project: String, name: String, confirm: String },
    /// `user undelete`
    UserUndelete { project: String, name: String },
    /// `user field …`, `user profile …`, `location field …`
    Data { project: String, request: DataRequest },
    /// `user import`
    UserImport { project: String, file: PathBuf, check: bool },
    /// `user export`
    UserExport { project: String },
    /// `user freeze`, `user unfreeze`
    UserFreeze { project: String, name: String, frozen: bool },
    /// `api-key create`
    ApiKeyCreate {
        project: String,
        user: String,
        #[serde(default)]
        label: String,
        #[serde(default)]
        limits: KeyLimits,
    },
    /// `api-key list`
    ApiKeyList { project: String },
    /// `api-key revoke`
    ApiKeyRevoke { project: String, key: String },
    /// `role list`
    RoleList { project: String },
    /// `role set`
    RoleSet { project: String, name: String, permissions: Vec<String> },
    /// `role delete`
    RoleDelete { project: String, name: String },
    /// `audit`
    Audit { project: Option<String>, lines: usize, before: Option<u64> },
    /// `app import`
    AppImport { project: String, file: std::path::PathBuf, name: Option<String>, notes: String },
    /// `app list`
    AppList { project: Option<String> },
    /// `app release`, `app unrelease`
    AppRelease {
        project: Option<String>,
        app: String,
        version: u32,
        released: bool,
        notes: Option<String>,
        #[serde(default)]
        location: Option<String>,
    },
    /// `app delete`
    AppDelete { project: Option<String>, app: String },
    /// `app set`
    AppSet { project: Option<String>, app: String, settings: Vec<(String, String)> },
    /// `location …`, `group …`, `table …`
    Place { project: String, request: PlaceRequest },
    /// `form show`
    FormShow { id: String, project: Option<String>, xml: bool },
    /// `case show`
    CaseShow { id: String, project: Option<String>, history: bool },
    /// `case problems`
    CaseProblems { project: String },
    /// `search`
    Search { project: String, queries: Vec<String>, types: Vec<String>, explain: bool },
    /// `log verify`
    LogVerify,
    /// `log tail`
    LogTail { lines: u64, follow: bool },
    /// `shards resize`
    ShardsResize { count: u16 },
    /// `rebuild`
    Rebuild { name: Option<String> },
    /// `lag`
    Lag,
    /// `doctor`
    Doctor,
}

/// What is asked about fields and profiles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataRequest {
    /// `user field set`, `location field set`
    FieldSet { location: bool, change: FieldChange },
    /// `user field list`, `location field list`
    FieldList { location: bool },
    /// `user field remove`, `location field remove`
    FieldRemove { location: bool, slug: String },
    /// `user profile set`
    ProfileSet { name: String, values: BTreeMap<String, String> },
    /// `user profile list`
    ProfileList,
    /// `user profile remove`
    ProfileRemove { name: String },
}

/// What is to be said of a field; `None` leaves what is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FieldChange {
    pub slug: String,
    pub label: Option<String>,
    pub required: Option<bool>,
    pub required_web: Option<bool>,
    pub choices: Option<Vec<String>>,
    pub pattern: Option<String>,
    pub pattern_message: Option<String>,
}

/// What is asked about places, groups and lookup tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceRequest {
    /// `location type create`
    TypeCreate(LocationType),
    /// `location type list`
    TypeList,
    /// `location create`
    Create(NewLocation),
    /// `location list`
    List,
    /// `location archive`, `location unarchive`
    Archive { code: String, archived: bool },
    /// `location delete`
    Delete { code: String },
    /// `location import`
    Import { file: PathBuf, check: bool },
    /// `location export`
    Export,
    /// `group create`
    GroupCreate(GroupChange),
    /// `group set`
    GroupSet(GroupChange),
    /// `group list`
    GroupList,
    /// `group delete`
    GroupDelete { name: String },
    /// `table import`
    TableImport { file: PathBuf, replace: bool, check: bool },
    /// `table export`
    TableExport { tables: Vec<String> },
    /// `table list`
    TableList,
}

/// A user to be created.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUser {
    pub project: String,
    pub name: String,
    pub web: bool,
    pub admin: bool,
    pub role: Option<String>,
    #[serde(default)]
    pub profile: Option<String>,
    pub data: BTreeMap<String, String>,
    pub locations: Vec<String>,
    pub groups: Vec<String>,
    pub password: String,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser")
            .field("project", &self.project)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// One line of an answer. `Done` or `Failed` is the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// How far a long work has come, for a person who waits.
    Progress(String),
    /// One of many results.
    Item(Value),
    /// The result.
    Done(Value),
    /// It was not done; a sentence says why.
    Failed(String),
}

/// Takes the replies of a command; false when nobody listens any more.
pub type Sink<'a> = dyn FnMut(Reply) -> bool + 'a;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_wire() {
        let user = NewUser {
            project: "p".into(),
            name: "amina".into(),
            web: false,
            admin: false,
            role: None,
            profile: None,
            data: [("village".to_owned(), "Kanda".to_owned())].into(),
            locations: vec!["north".into()],
            groups: Vec::new(),
            password: "secret".into(),
        };
        for request in [
            Request::ProjectSet { name: "p".into(), settings: vec![("a".into(), "b".into())] },
            Request::UserCreate(user),
            Request::LogTail { lines: 3, follow: true },
            Request::Lag,
        ] {
            let line = serde_json::to_string(&request).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        }
    }

    #[test]
    fn a_password_is_not_in_debug_output() {
        let user = NewUser {
            project: "p".into(),
            name: "a".into(),
            web: false,
            admin: false,
            role: None,
            profile: None,
            data: BTreeMap::new(),
            locations: Vec::new(),
            groups: Vec::new(),
            password: "secret".into(),
        };
        assert!(!format!("{:?}", Request::UserCreate(user)).contains("secret"));
    }
}
