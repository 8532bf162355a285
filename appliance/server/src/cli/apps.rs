//! Apps.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `bolster app …`
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Take in an app that was made with CommCare HQ's app builder, and print its id
    ///
    /// In the app builder: Publish, "Download CCZ", with multimedia. A file with the same unique id and a higher
    /// version becomes a new version of the app. Phones get a version once it is released.
    Import {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
        /// The package
        #[arg(value_name = "FILE.ccz")]
        file: PathBuf,
        /// Name to show, here and on phones, instead of the package's own
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// What is new in this version
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        notes: String,
    },
    /// Check a package before anybody gets it: menus, lists, forms, texts, links
    Check {
        /// The package
        #[arg(value_name = "FILE.ccz")]
        file: PathBuf,
        /// Warnings count as errors
        #[arg(long)]
        strict: bool,
    },
    /// List the apps with their newest and their released version
    List {
        /// Only of this project
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Give a version to phones
    Release(OneVersion),
    /// Take a release back: phones that do not have the version yet do not get it
    Unrelease(OneVersion),
    /// Hide an app: phones that do not have it do not get it any more; a new version brings it back
    Delete {
        /// Id or name of the app
        app: String,
        /// The project, when several have an app of this name
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Change what an app tells phones
    ///
    /// Settings: name; prompt_update (off, on or forced: phones ask their users to update); recovery (none,
    /// app_update, app_reinstall_and_update, app_offline_reinstall_and_update, cc_update or cc_reinstall: what
    /// phones do once at their next contact).
    Set {
        /// Id or name of the app
        app: String,
        /// What to change, for example prompt_update=on
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = super::admin::pair)]
        settings: Vec<(String, String)>,
        /// The project, when several have an app of this name
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
}

/// A version of an app.
#[derive(Debug, Args)]
pub struct OneVersion {
    /// Id or name of the app
    pub app: String,
    /// Its number
    #[arg(id = "number", value_name = "VERSION")]
    pub version: u32,
    /// The project, when several have an app of this name
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
    /// What is new in it
    #[arg(long, value_name = "TEXT", conflicts_with = "location")]
    pub notes: Option<String>,
    /// Only for workers at this location and below it, in place of the newest released version
    #[arg(long, value_name = "CODE")]
    pub location: Option<String>,
}
