//! Credentials, sessions, roles: from what a request presents to who it is (an [`Actor`]), and from that to
//! what it may do (a [`Permit`], which use cases demand and nobody else can make).
//!
//! Knows the documents of projects and people and keeps them in memory; refuses to know HTTP (it is given
//! header values and gives challenge values), an async runtime (the one slow check is a blocking value that
//! the caller runs where it likes), and what use cases do. It writes nothing: use cases commit documents and
//! call [`Auth::documents_changed`].
//!
//! Invariants: a password, key, session token or anything derived from one is never in `Debug`, `Display`,
//! logs or errors; only hashes of them are stored; a user that does not exist costs the same as one that does;
//! every table here is bounded; whatever was remembered about a user is forgotten before a commit that
//! changed the user is answered.

pub mod actor;
mod api_key;
mod auth;
mod basic;
pub mod custom_data;
mod digest;
pub mod directory;
pub mod documents;
mod lockout;
mod names;
mod nonces;
pub mod password;
pub mod permissions;
pub mod permit;
pub mod present;
mod secret;
pub mod session;
mod signature;

pub use actor::{Actor, ActorKind, Entrance, Method};
pub use api_key::{NewKey, new_key};
pub use auth::{Auth, OpenError};
pub use custom_data::{DataField, FieldError, Profile, SYSTEM_KEYS};
pub use directory::Member;
pub use documents::{ApiKey, Credential, Membership, Project, ProjectName, Role, SettingError, User, kind};
pub use password::{Password, PasswordError};
pub use permissions::{Permission, PermissionSet};
pub use permit::{
    Action, Administer, EditApps, EditData, EditGroups, EditLocations, EditTables, EditUsers, EditWebUsers,
    NodePermit, Permit, ReadAttachment, ReadAudit, ReadCase, ReadForm, Refused, RestoreData, SubmitForm,
    UseWebApps, ViewApps, ViewGroups, ViewLocations, ViewPages, ViewTables, ViewUsers,
};
pub use present::{Accept, AuthError, Check, PasswordCheck, Presented};
pub use session::{NewSession, Session, SignedIn};
