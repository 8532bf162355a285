//! Serving, sending, measuring.

use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// `bolster serve`
#[derive(Debug, Args)]
pub struct ServeCommand {
    /// Address and port to answer on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Fill an empty folder with a sample project to look at
    ///
    /// The project is called "demo". Sign in as admin@example.org (web) or amina (phone); the password of both
    /// is bolster-demo, so this is refused on an address that others can reach.
    #[arg(long)]
    pub demo: bool,
    /// Allow --demo, with its well-known password, on an address that others can reach
    #[arg(long, requires = "demo")]
    pub demo_on_network: bool,
    /// Address that people and phones use, when it is not the one listened on
    #[arg(long, value_name = "URL")]
    pub site_url: Option<String>,
    /// File with the key that a web runtime (Formplayer) signs its requests with; without it none are taken
    #[arg(long, value_name = "FILE")]
    pub runtime_key: Option<PathBuf>,
    /// Go on as a new node, once: for a copy of a data folder whose first one is still in use
    ///
    /// A folder that was copied to another machine is noticed without this.
    #[arg(long)]
    pub new_node: bool,
    /// Answer without waiting for the disk, to measure what waiting costs. Loses data at power failure.
    #[arg(long, hide = true)]
    pub bench_no_sync: bool,
}

/// `bolster submit`
#[derive(Debug, Args)]
pub struct SubmitCommand {
    /// Address of the server, for example https://bolster.example.org
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Project to send to
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Who sends: name of a mobile worker, or e-mail address; the password is read from standard input
    #[arg(long, value_name = "U")]
    pub user: String,
    /// Application id to send to
    #[arg(long, value_name = "ID")]
    pub app: Option<String>,
    /// How many at once
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub parallel: u16,
    /// Where to note what was sent, so that the same command goes on after an interruption
    #[arg(long, value_name = "FILE", default_value = ".bolster-submit.state")]
    pub state: PathBuf,
    /// Form files, or folders of them. A folder that holds a form.xml is one form with its attachments
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum BenchName {
    /// Forms received and made durable in a second, what each costs, how long senders wait
    Submissions,
    /// Restores of phones with many cases: everything, nothing new, a few changes, two hundred at once
    Restore,
    /// Taking in an app of 200 forms and 300 MB of media
    Ccz,
    /// 20,000 locations on phones: the first restore, the next phone's, a sync without news
    Locations,
    /// Apps in a browser: opening, answering and sending forms, lists of 10,000 cases, memory of many people
    Webapps,
    /// Reading, opening and answering a form, and expressions over many cases
    Forms,
}

/// `bolster bench`
#[derive(Debug, Args)]
pub struct BenchCommand {
    /// What to measure
    pub name: BenchName,
    /// Length of each measurement
    #[arg(long, default_value_t = 10, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Leave out what takes minutes: a smaller set of cases, fewer runs
    #[arg(long)]
    pub quick: bool,
    /// Forms for the measurements of start-up, memory and replay
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    pub forms: u64,
    /// With `forms`: a form to measure instead of the one that is made for it
    #[arg(long, value_name = "FILE")]
    pub form: Option<PathBuf>,
    /// With `forms`: data of an instance of that form
    #[arg(long = "instance", value_name = "NAME=FILE")]
    pub instances: Vec<bolster_form_cli::NamedFile>,
    /// Folder to measure in; a new folder is made inside and removed at the end
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// `bolster completions`
#[derive(Debug, Args)]
pub struct CompletionsCommand {
    /// The shell
    pub shell: clap_complete::Shell,
}
