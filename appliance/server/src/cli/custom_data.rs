//! Fields of custom data, and profiles.

use super::OfProject;
use super::admin::pair;
use clap::{Args, Subcommand};

/// `bolster user field …`, `bolster location field …`
#[derive(Debug, Subcommand)]
pub enum FieldCommand {
    /// Declare a field, or change the one of this key; what is not said stays
    Set(SetField),
    /// List the fields
    List(OfProject),
    /// Take a field back; the values that there are stay
    Remove {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// Its key
        key: String,
    },
}

/// A field.
#[derive(Debug, Args)]
pub struct SetField {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Key of the data, as apps read it
    pub key: String,
    /// Name to show instead of the key
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Every mobile worker (or location) needs a value
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub required: Option<bool>,
    /// Every web user needs a value
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub required_web: Option<bool>,
    /// A possible value, instead of those that were; may be repeated
    #[arg(long = "choice", value_name = "VALUE", conflicts_with_all = ["pattern", "any"])]
    pub choices: Vec<String>,
    /// A regular expression that must be found in a value
    #[arg(long, value_name = "REGEX", conflicts_with = "any")]
    pub pattern: Option<String>,
    /// What somebody is told whose value does not fit the expression
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Any value is possible again
    #[arg(long)]
    pub any: bool,
}

/// `bolster user profile …`
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Make a profile, or change the one of this name, and print its id
    Set {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// Its name
        name: String,
        /// A field that it fixes, for example --value village=Kanda; an empty value fixes it no more; may be
        /// repeated
        #[arg(long = "value", value_name = "K=V", value_parser = pair)]
        values: Vec<(String, String)>,
    },
    /// List the profiles
    List(OfProject),
    /// Remove a profile that nobody has
    Remove {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// Its name
        name: String,
    },
}
