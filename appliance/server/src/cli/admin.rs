//! Projects, people, keys.

use super::custom_data::{FieldCommand, ProfileCommand};
use super::places::{ExportFile, ImportFile};
use clap::{Args, Subcommand};

/// `bolster project …`
#[derive(Debug, Subcommand)]
pub enum ProjectCommand {
    /// Create a project and print its id
    Create {
        /// Name as it stands in addresses: small letters, digits and hyphens
        name: String,
    },
    /// List the projects
    List,
    /// Change settings of a project
    ///
    /// Settings: display_name, timezone; and, true or false: active, secure_submissions, auto_close_extensions,
    /// case_attachments, forbid_user_mismatch, ignore_practice_submissions, maintenance, strong_passwords,
    /// digest_auth, case_search, case_search_more. Of searches, lists in quotes: fuzzy_properties="person:name",
    /// ignore_patterns="person:phone:+1"; and fuzzy_prefix_length.
    Set {
        /// The project
        name: String,
        /// What to change, for example secure_submissions=true
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
        settings: Vec<(String, String)>,
    },
}

/// `bolster user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user and print the id; the password is read from standard input
    ///
    /// Without --web this is a mobile worker, who signs in on a phone with a bare name like "amina". A web user
    /// signs in with an e-mail address.
    Create(CreateUser),
    /// List the users of a project
    List(OfProject),
    /// Bar a user from signing in; forms and cases stay
    #[command(visible_alias = "archive")]
    Deactivate(OneUser),
    /// Let a deactivated user sign in again
    #[command(visible_alias = "unarchive")]
    Activate(OneUser),
    /// End the account of a mobile worker, or take a web user out of the project; forms and cases stay
    ///
    /// Nobody signs in or syncs by it any more, groups lose the member, keys end. The name may be given again.
    Delete {
        /// Who
        #[command(flatten)]
        user: OneUser,
        /// The name once more; without it nothing is done but to say what the account owns
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        confirm: String,
    },
    /// Bring a deleted mobile worker back, by name or id, unless somebody else has the name; groups and keys stay gone
    Undelete(OneUser),
    /// The fields of data that users have besides a name
    #[command(subcommand)]
    Field(FieldCommand),
    /// Named sets of values for some of these fields
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Give a user a new password, read from standard input
    Password(OneUser),
    /// Change a mobile worker: locations, groups, role, profile, custom data
    Set(SetUser),
    /// Take in a workbook of mobile workers; everything in it is checked before anything changes
    ///
    /// The shape is CommCare HQ's: a sheet "users" with username, password, role, group 1, location_code 1, data: field
    /// and so on. "bolster user export" writes one to begin with.
    Import(ImportFile),
    /// Write the mobile workers into a workbook, without passwords
    Export(ExportFile),
    /// Make a mobile worker a practice worker: every phone gets what this worker has now, for ever
    Freeze(OneUser),
    /// Make a practice worker an ordinary one again
    Unfreeze(OneUser),
}

/// The project of a command.
#[derive(Debug, Args)]
pub struct OfProject {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
}

/// One user of a project.
#[derive(Debug, Args)]
pub struct OneUser {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Name of a mobile worker, or e-mail address of a web user
    pub name: String,
}

/// A new user.
#[derive(Debug, Args)]
pub struct CreateUser {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Name of a mobile worker, or e-mail address of a web user
    pub name: String,
    /// A user of the web pages instead of a mobile worker
    #[arg(long)]
    pub web: bool,
    /// May change everything in the project (web users)
    #[arg(long, requires = "web")]
    pub admin: bool,
    /// Role in the project
    #[arg(long, value_name = "R", conflicts_with = "admin")]
    pub role: Option<String>,
    /// Site code of a location where the user works, the primary one first; may be repeated
    #[arg(long = "location", value_name = "CODE")]
    pub locations: Vec<String>,
    /// A group that the mobile worker is in; may be repeated
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// A profile, which fixes some of the custom data
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Custom data of the user, for example --data village=Kanda; may be repeated
    #[arg(long = "data", id = "user_data", value_name = "K=V", value_parser = user_data)]
    pub user_data: Vec<(String, String)>,
}

/// What to change of a mobile worker.
#[derive(Debug, Args)]
pub struct SetUser {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Name of the mobile worker
    pub name: String,
    /// Site code of a location, instead of those that are; may be repeated
    #[arg(long = "location", value_name = "CODE", conflicts_with = "no_location")]
    pub locations: Vec<String>,
    /// The worker is at no location any more
    #[arg(long)]
    pub no_location: bool,
    /// Role in the project
    #[arg(long, value_name = "R")]
    pub role: Option<String>,
    /// A group, instead of those that are; may be repeated
    #[arg(long = "group", value_name = "NAME", conflicts_with = "no_group")]
    pub groups: Vec<String>,
    /// The worker is in no group any more
    #[arg(long)]
    pub no_group: bool,
    /// A profile, which fixes some of the custom data
    #[arg(long, value_name = "NAME", conflicts_with = "no_profile")]
    pub profile: Option<String>,
    /// The worker has no profile any more
    #[arg(long)]
    pub no_profile: bool,
    /// Custom data, for example --data village=Kanda; an empty value removes; may be repeated
    #[arg(long = "data", id = "user_data", value_name = "K=V", value_parser = user_data)]
    pub user_data: Vec<(String, String)>,
}

/// `bolster api-key …`
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Create a key and print it; it is shown only this once
    Create(CreateKey),
    /// List the keys of a project's users
    List(OfProject),
    /// End a key for good
    Revoke {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// Id of the key, or the first digits of it that the list shows
        key: String,
    },
}

/// A new API key.
#[derive(Debug, Args)]
pub struct CreateKey {
    /// The user whom it stands for
    #[command(flatten)]
    pub user: OneUser,
    /// What the key is for, as lists show it
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub label: String,
    /// A role: the key may do what both its user and this role may
    #[arg(long, value_name = "R")]
    pub role: Option<String>,
    /// An address that may use the key; may be repeated; without one any may
    #[arg(long = "address", value_name = "IP")]
    pub addresses: Vec<std::net::IpAddr>,
    /// Days that the key is good for; without it until it is revoked
    #[arg(long, value_name = "N")]
    pub days: Option<u32>,
}

/// `bolster role …`
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// List the roles of a project with what they allow
    List(OfProject),
    /// Make a role, or give one of the project's own other permissions
    Set {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// Name of the role
        name: String,
        /// A permission, under CommCare HQ's name, for example edit_data; may be repeated
        #[arg(long = "permission", value_name = "NAME")]
        permissions: Vec<String>,
    },
    /// Remove a role that nobody has
    Delete {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// Name of the role
        name: String,
    },
}

/// `bolster audit`
#[derive(Debug, Args)]
pub struct AuditCommand {
    /// The project; without one, acts that belong to no one project
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
    /// How many acts, the latest first
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub lines: usize,
    /// Only acts before this log position, which each line begins with
    #[arg(long, value_name = "LSN")]
    pub before: Option<u64>,
}

/// `--data` of a user is not the data folder.
fn user_data(text: &str) -> Result<(String, String), String> {
    pair(text).map_err(|e| {
        format!("{e}; the data folder goes before the command here: bolster --data DIR user create …")
    })
}

/// Splits `KEY=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
