//! What a person can type: the tree of commands with their help. No behaviour.

mod admin;
mod apps;
mod custom_data;
mod data;
mod places;
mod work;

pub use admin::{ApiKeyCommand, AuditCommand, OfProject, ProjectCommand, RoleCommand, UserCommand};
pub use apps::{AppCommand, OneVersion};
pub use custom_data::{FieldCommand, ProfileCommand};
pub use data::{CaseCommand, FormCommand, LogCommand, SearchCommand, ShardsCommand};
pub use places::{
    CreateLocationType, GroupCommand, ImportFile, LocationCommand, LocationTypeCommand, TableCommand,
};
pub use work::{BenchCommand, BenchName, CompletionsCommand, ServeCommand, SubmitCommand};

use bolster_form_cli::XpathCommand;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const ABOUT: &str = "Bolster: receives forms from phones, keeps cases, answers CommCare's protocols.";

const AFTER: &str = "\
First steps:
  bolster serve --demo            start with sample data, then open http://127.0.0.1:8080/
  bolster project create clinic   make a project of your own
  bolster user create --project clinic amina < password.txt

Exit status: 0 done, 1 failed (one sentence on standard error says why), 2 wrong usage.
Passwords are read from standard input, one line, never from arguments.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "bolster", version, about = ABOUT, after_help = AFTER, max_term_width = 100)]
#[command(disable_help_subcommand = true, propagate_version = true)]
pub struct Cli {
    /// Folder that holds all data [default: ./bolster-data, or /var/lib/bolster where only that exists]
    #[arg(long, env = "BOLSTER_DATA", value_name = "DIR", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// Print JSON instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Id of `--data DIR` where it is typed after the command.
const DATA_AFTER: &str = "data_folder";

impl Cli {
    /// The tree as people may type it: `--data DIR` before the command, and after it too where a command has
    /// no `--data` of its own.
    pub fn tree() -> clap::Command {
        with_data_folder(Self::command(), true)
    }

    /// Reads a command line.
    pub fn read<T: Into<OsString> + Clone>(line: impl IntoIterator<Item = T>) -> Result<Self, clap::Error> {
        let matches = Self::tree().try_get_matches_from(line)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        if let Some(folder) = folder_after(&matches) {
            cli.data = Some(folder);
        }
        Ok(cli)
    }

    /// The data folder: as told, else the nearest that exists, else `./bolster-data`.
    pub fn data_folder(&self) -> PathBuf {
        let here = Path::new("bolster-data");
        let installed = Path::new("/var/lib/bolster");
        match &self.data {
            Some(folder) => folder.clone(),
            None if !here.exists() && installed.exists() => installed.to_path_buf(),
            None => here.to_path_buf(),
        }
    }
}

fn with_data_folder(command: clap::Command, top: bool) -> clap::Command {
    let taken = command.get_arguments().any(|a| a.get_long() == Some("data"));
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let leaf = names.is_empty();
    let mut command =
        names.into_iter().fold(command, |c, name| c.mut_subcommand(name, |s| with_data_folder(s, false)));
    if leaf && !taken && !top {
        let folder = Arg::new(DATA_AFTER).long("data").value_name("DIR").help("Folder that holds all data");
        command = command.arg(folder.value_parser(clap::value_parser!(PathBuf)));
    }
    command
}

fn folder_after(matches: &ArgMatches) -> Option<PathBuf> {
    let here = matches.try_get_one::<PathBuf>(DATA_AFTER).ok().flatten().cloned();
    here.or_else(|| matches.subcommand().and_then(|(_, sub)| folder_after(sub)))
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the appliance and keep it running
    Serve(ServeCommand),
    /// Create and list projects (a project is one programme with its own workers and data)
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Create, list and change the people of a project
    #[command(subcommand)]
    User(UserCommand),
    /// Give programs access in the name of a user
    #[command(subcommand, name = "api-key")]
    ApiKey(ApiKeyCommand),
    /// Make roles, which say what people may do
    #[command(subcommand)]
    Role(RoleCommand),
    /// Show who did what in the administration
    Audit(AuditCommand),
    /// Create, list and change locations, the tree of places where people work
    #[command(subcommand)]
    Location(LocationCommand),
    /// Create, list and change groups of mobile workers
    #[command(subcommand)]
    Group(GroupCommand),
    /// Take in and write out lookup tables, the lists that apps choose from
    #[command(subcommand)]
    Table(TableCommand),
    /// Take in apps for phones, and release their versions
    #[command(subcommand)]
    App(AppCommand),
    /// Send form files to a server, many at once, and go on after an interruption
    Submit(SubmitCommand),
    /// Look at a stored form; check or fill in the definition of one
    #[command(subcommand)]
    Form(FormCommand),
    /// Look at a case
    #[command(subcommand)]
    Case(CaseCommand),
    /// Look for cases
    ///
    /// QUERY is a condition such as: name = 'Amina' and age > 30
    /// All queries must hold; without one, all cases of the types are found.
    Search(SearchCommand),
    /// Check or follow the log, which every change goes through
    #[command(subcommand)]
    Log(LogCommand),
    /// Spread the state over more or fewer files
    #[command(subcommand)]
    Shards(ShardsCommand),
    /// Compute the state again from the log, for damaged or lost files
    ///
    /// Without a name everything that is computed is built again. Forms are received meanwhile.
    Rebuild {
        /// What to do again: "state" builds all rows, "blobs" removes files that nothing refers to
        #[arg(value_name = "NAME", value_parser = ["state", "blobs"])]
        name: Option<String>,
    },
    /// Show how far each reader of the log has come
    Lag,
    /// Look whether everything is in order: disk, log, readers
    Doctor,
    /// Evaluate an expression as forms do, and show how it was understood
    Xpath(XpathCommand),
    /// Measure this machine
    Bench(BenchCommand),
    /// Print the completions of a shell
    ///
    /// For bash: bolster completions bash > /etc/bash_completion.d/bolster
    Completions(CompletionsCommand),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::tree().debug_assert();
    }

    #[test]
    fn every_command_and_option_explains_itself() {
        fn walk(command: &clap::Command, path: &str) {
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{path} {} has no help", argument.get_id());
            }
            for sub in command.get_subcommands() {
                let path = format!("{path} {}", sub.get_name());
                assert!(sub.get_about().is_some(), "{path} has no help");
                walk(sub, &path);
            }
        }
        walk(&Cli::tree(), "bolster");
    }

    #[test]
    fn the_lines_of_the_manual_are_understood() {
        for line in [
            "bolster serve --listen 127.0.0.1:0 --demo",
            "bolster --data x --json project create clinic",
            "bolster project set clinic secure_submissions=true",
            "bolster user create --project p amina --data village=Kanda --role nurse",
            "bolster user create --project p a@example.org --web --admin",
            "bolster user password --project p amina",
            "bolster api-key create --project p a@example.org",
            "bolster submit --url http://127.0.0.1:8080 --project p --user amina a.xml b.xml",
            "bolster user create --project p amina --location north --location south --group Nurses",
            "bolster user set --project p amina --location north --data village=",
            "bolster user import --project p users.xlsx --check",
            "bolster user create --project p amina --profile Nurse",
            "bolster user set --project p amina --no-profile --group Nurses --group Cooks",
            "bolster user delete --project p amina --confirm amina",
            "bolster user undelete --project p amina",
            "bolster user archive --project p amina",
            "bolster user field set --project p village --label Village --required --choice Kanda --choice Mbale",
            "bolster user field set --project p number --pattern ^[0-9]+$ --message digits --required=false",
            "bolster user field list --project p",
            "bolster user field remove --project p number",
            "bolster user profile set --project p Nurse --value village=Kanda",
            "bolster user profile remove --project p Nurse",
            "bolster location field set --project p beds --required",
            "bolster user freeze --project p amina",
            "bolster location type create --project p village --parent district --shares-cases",
            "bolster location create --project p kanda --name Kanda --type village --parent north --latitude -1.5",
            "bolster location import --project p places.xlsx --check",
            "bolster group create --project p Nurses --case-sharing --user amina",
            "bolster group set --project p Nurses --add juma --case-sharing false",
            "bolster table import --project p tables.xlsx --replace",
            "bolster table export --project p tables.xlsx --table pump",
            "bolster app import --project p app.ccz --name N",
            "bolster app list",
            "bolster app release a1 12",
            "bolster app release a1 11 --location north",
            "bolster app unrelease a1 11 --location north",
            "bolster app set a1 prompt_update=on",
            "bolster case show c1 --history",
            "bolster case problems --project p",
            "bolster form show f1",
            "bolster form check f.xml --strict",
            "bolster form fill f.xml --instance casedb=restore.xml -o out.xml",
            "bolster xpath 1+1 --explain --instance t=table.xml",
            "bolster log verify",
            "bolster log tail",
            "bolster shards resize 4",
            "bolster rebuild",
            "bolster rebuild blobs",
            "bolster lag --json",
            "bolster bench submissions --seconds 3 --json",
            "bolster bench ccz",
            "bolster bench locations --json",
            "bolster completions bash",
        ] {
            let parsed = Cli::read(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn a_password_is_no_argument() {
        let line = "bolster user create --project p amina --password secret";
        assert!(Cli::read(line.split(' ')).is_err());
    }

    #[test]
    fn options_of_a_user_do_not_collide_with_the_data_folder() {
        let line = "bolster --data dir user create --project p amina --data a=b";
        let cli = Cli::read(line.split(' ')).unwrap();
        assert_eq!(cli.data.as_deref(), Some(Path::new("dir")));
        let cli = Cli::read("bolster project list --data dir --json".split(' ')).unwrap();
        assert_eq!(cli.data.as_deref(), Some(Path::new("dir")));
        assert!(cli.json);
        let line = "bolster user create --project p amina --data dir";
        let error = Cli::read(line.split(' ')).unwrap_err().to_string();
        assert!(error.contains("bolster --data DIR user create"), "{error}");
    }
}
