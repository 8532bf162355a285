//! What a person can type.

use std::path::PathBuf;

use clap::Args;

/// `NAME=FILE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The id of the instance.
    pub name: String,
    /// Where its data is.
    pub file: PathBuf,
}

impl std::str::FromStr for NamedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, file)) if !name.is_empty() && !file.is_empty() => {
                Ok(NamedFile { name: name.into(), file: file.into() })
            }
            _ => Err("expected NAME=FILE".into()),
        }
    }
}

/// `bolster form check`
#[derive(Debug, Args)]
pub struct CheckCommand {
    /// The form
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Warnings count as errors
    #[arg(long)]
    pub strict: bool,
}

/// `bolster form fill`
#[derive(Debug, Args)]
pub struct FillCommand {
    /// The form
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Data of an instance: its XML, or a restore payload that holds it
    #[arg(long = "instance", value_name = "NAME=FILE")]
    pub instances: Vec<NamedFile>,
    /// Language to begin with
    #[arg(long, value_name = "LANG")]
    pub language: Option<String>,
    /// A draft to go on with
    #[arg(long, value_name = "FILE")]
    pub saved: Option<PathBuf>,
    /// Where to write the submission, or the draft of a form that was left [default: standard output]
    #[arg(long, short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `bolster xpath`
#[derive(Debug, Args)]
pub struct XpathCommand {
    /// The expression
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub expr: String,
    /// Data of an instance: its XML, or a restore payload that holds it
    #[arg(long = "instance", value_name = "NAME=FILE")]
    pub instances: Vec<NamedFile>,
    /// Data of the main instance, which `/` means
    #[arg(long, value_name = "FILE")]
    pub main: Option<PathBuf>,
    /// The node of the main instance to evaluate at, such as /data/visit[2]/kg
    #[arg(long, value_name = "PATH")]
    pub at: Option<String>,
    /// Show how the expression was understood and which predicates an index answers
    #[arg(long)]
    pub explain: bool,
}
