//! Looking at what is stored, and keeping it in order.

use bolster_form_cli::{CheckCommand, FillCommand};
use clap::{Args, Subcommand};

/// `bolster form …`
#[derive(Debug, Subcommand)]
pub enum FormCommand {
    /// Show a stored form: state, metadata, answers
    Show {
        /// Id of the form
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// The project, when several have a form of this id
        #[arg(long, value_name = "P")]
        project: Option<String>,
        /// Print the XML exactly as it was received, and nothing else
        #[arg(long)]
        xml: bool,
    },
    /// Check the definition of a form: everything that is wrong with it, with line numbers
    Check(CheckCommand),
    /// Fill in a form here, one question at a time, and write the submission
    Fill(FillCommand),
}

/// `bolster case …`
#[derive(Debug, Subcommand)]
pub enum CaseCommand {
    /// Show a case: properties, links, files
    Show {
        /// Id of the case
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// The project, when several have a case of this id
        #[arg(long, value_name = "P")]
        project: Option<String>,
        /// Also list what changed it, oldest first
        #[arg(long)]
        history: bool,
    },
    /// List cases that index themselves, directly or by way of each other; exit status 1 when there are any
    Problems {
        /// The project
        #[arg(long, value_name = "P")]
        project: String,
    },
}

/// `bolster search …`
#[derive(Debug, Args)]
pub struct SearchCommand {
    /// Conditions on cases, in the language of case searches (CSQL)
    #[arg(value_name = "QUERY")]
    pub queries: Vec<String>,
    /// The project
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Only cases of this type; may be given several times
    #[arg(long = "type", value_name = "T")]
    pub types: Vec<String>,
    /// Also show how the cases were found
    #[arg(long)]
    pub explain: bool,
}

/// `bolster log …`
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Read the whole log and check every checksum and chain
    Verify,
    /// Print the newest entries
    Tail {
        /// How many
        #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
        lines: u64,
        /// Keep printing new entries until interrupted
        #[arg(long, short = 'f')]
        follow: bool,
    },
}

/// `bolster shards …`
#[derive(Debug, Subcommand)]
pub enum ShardsCommand {
    /// Spread the state over this many files, while forms are received
    Resize {
        /// Number of files, 1 to 64; about one for each processor core
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
        count: u16,
    },
}
