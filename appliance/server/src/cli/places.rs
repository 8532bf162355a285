//! Places, groups and lookup tables.

use super::OfProject;
use super::admin::pair;
use super::custom_data::FieldCommand;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `bolster location …`
#[derive(Debug, Subcommand)]
pub enum LocationCommand {
    /// The levels of the tree, for example district and village
    #[command(subcommand)]
    Type(LocationTypeCommand),
    /// The fields of data that locations have besides a name
    #[command(subcommand)]
    Field(FieldCommand),
    /// Create a location and print its id
    Create(CreateLocation),
    /// List the locations
    List(OfProject),
    /// Take a location and all below it out of use; workers there lose the assignment
    Archive(OneLocation),
    /// Bring an archived location back, without those below it
    Unarchive(OneLocation),
    /// Remove a location and all below it for good
    Delete(OneLocation),
    /// Take in a workbook of types and locations; everything in it is checked before anything changes
    ///
    /// The shape is CommCare HQ's: a sheet "types", and a sheet for each type. "bolster location export" writes one
    /// to begin with.
    Import(ImportFile),
    /// Write all types and locations into a workbook
    Export(ExportFile),
}

/// `bolster location type …`
#[derive(Debug, Subcommand)]
pub enum LocationTypeCommand {
    /// Create a location type, or change the one of this code
    Create(CreateLocationType),
    /// List the location types
    List(OfProject),
}

/// A new location type.
#[derive(Debug, Args)]
pub struct CreateLocationType {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Code: lower-case letters, digits, _ and -
    pub code: String,
    /// Name to show instead of the code
    #[arg(long)]
    pub name: Option<String>,
    /// Code of the type above
    #[arg(long, value_name = "CODE")]
    pub parent: Option<String>,
    /// Locations of this type own cases, which all workers there share
    #[arg(long, alias = "share-cases")]
    pub shares_cases: bool,
    /// Workers there see the cases of the locations below
    #[arg(long, alias = "view-descendants")]
    pub views_descendants: bool,
    /// Phones get the locations from the one of this type above the worker's own
    #[arg(long, value_name = "CODE", conflicts_with = "expand_from_root")]
    pub expand_from: Option<String>,
    /// Phones get the locations from the top
    #[arg(long)]
    pub expand_from_root: bool,
    /// Phones get locations down to this type
    #[arg(long, value_name = "CODE")]
    pub expand_to: Option<String>,
    /// Phones get all locations of the project down to this type besides
    #[arg(long, value_name = "CODE")]
    pub include_without_expanding: Option<String>,
    /// Phones get only locations of this type; may be repeated
    #[arg(long, value_name = "CODE")]
    pub include_only: Vec<String>,
}

/// A new location.
#[derive(Debug, Args)]
pub struct CreateLocation {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Site code: lower-case letters, digits, _ and -
    pub code: String,
    /// Name to show instead of the code
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
    /// Code or name of its type
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: String,
    /// Site code of the location that it lies in
    #[arg(long, value_name = "CODE")]
    pub parent: Option<String>,
    /// Its id elsewhere
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub external_id: String,
    /// Degrees
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub latitude: String,
    /// Degrees
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub longitude: String,
    /// A field of its own, for example --field beds=12; may be repeated
    #[arg(long = "field", value_name = "K=V", value_parser = pair)]
    pub fields: Vec<(String, String)>,
}

/// One location.
#[derive(Debug, Args)]
pub struct OneLocation {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Site code
    pub code: String,
}

/// A workbook to take in.
#[derive(Debug, Args)]
pub struct ImportFile {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// The workbook
    #[arg(value_name = "FILE.xlsx")]
    pub file: PathBuf,
    /// Only say what is wrong, or what would be done
    #[arg(long)]
    pub check: bool,
}

/// A workbook to write.
#[derive(Debug, Args)]
pub struct ExportFile {
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Where to write; a file that is there already stays
    #[arg(value_name = "FILE.xlsx")]
    pub file: PathBuf,
}

/// `bolster group …`
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Create a group and print its id
    Create {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// Its name
        name: String,
        /// The group owns cases, which all members share
        #[arg(long)]
        case_sharing: bool,
        /// Leave the group out of reports
        #[arg(long)]
        no_reporting: bool,
        /// A mobile worker in it; may be repeated
        #[arg(long = "user", value_name = "U")]
        users: Vec<String>,
    },
    /// Change a group
    Set {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// Its name or id
        name: String,
        /// Whether members share the cases that it owns
        #[arg(long, value_name = "true|false")]
        case_sharing: Option<bool>,
        /// Whether reports show it
        #[arg(long, value_name = "true|false")]
        reporting: Option<bool>,
        /// A mobile worker who comes in; may be repeated
        #[arg(long, value_name = "U")]
        add: Vec<String>,
        /// A mobile worker who goes; may be repeated
        #[arg(long, value_name = "U")]
        remove: Vec<String>,
    },
    /// List the groups
    List(OfProject),
    /// Remove a group; the cases that it owns stay its own until somebody else gets them
    Delete {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// Its name or id
        name: String,
    },
}

/// `bolster table …`
#[derive(Debug, Subcommand)]
pub enum TableCommand {
    /// Take in a workbook of lookup tables; everything in it is checked before anything changes
    ///
    /// The shape is CommCare HQ's: a sheet "types", and a sheet of rows for each table. Rows without a UID are new.
    Import {
        /// The workbook
        #[command(flatten)]
        file: ImportFile,
        /// Rows that the workbook does not have go, in the tables that it names
        #[arg(long)]
        replace: bool,
    },
    /// Write lookup tables into a workbook
    Export {
        /// Where to
        #[command(flatten)]
        file: ExportFile,
        /// Only this table; may be repeated
        #[arg(long = "table", value_name = "TABLE")]
        tables: Vec<String>,
    },
    /// List the lookup tables
    List(OfProject),
}
