//! From what was typed to what is done, and from what came of it to what is printed.

use crate::cli::{
    ApiKeyCommand, AppCommand, CaseCommand, Cli, Command, CreateLocationType, FieldCommand, FormCommand,
    GroupCommand, ImportFile, LocationCommand, LocationTypeCommand, LogCommand, OneVersion, ProfileCommand,
    ProjectCommand, RoleCommand, SearchCommand, ShardsCommand, TableCommand, UserCommand,
};
use crate::control;
use crate::control::protocol::{DataRequest, FieldChange, NewUser, PlaceRequest, Reply, Request};
use crate::{bench, output, password, serve, submit};
use anyhow::{Context, Result, anyhow};
use base64::Engine;
use bolster_env::{OsRandom, SystemClock};
use bolster_usecases::admin::api_keys::KeyLimits;
use bolster_usecases::admin::groups::GroupChange;
use bolster_usecases::admin::places::NewLocation;
use bolster_usecases::admin::workers::UserChange;
use bolster_usecases::apps::{Severity, check_package};
use bolster_usecases::nouns::LocationType;
use serde_json::{Value, json};
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Does what was typed. `Ok(false)` when it was done and what it found is bad.
pub fn run(cli: &Cli) -> Result<bool> {
    let data = cli.data_folder();
    match &cli.command {
        Command::Serve(command) => serve::run(&data, command).map(|()| true),
        Command::Submit(command) => {
            let password = password::read(&command.user)?;
            let quiet = cli.json || !std::io::stderr().is_terminal();
            let (value, complete) = submit::run(command, &password, &SystemClock::default(), quiet)?;
            print(&if cli.json { value.to_string() } else { submit::text(&value) })?;
            Ok(complete)
        }
        Command::Bench(command) => {
            let (value, text) = bench::run(command, &SystemClock::default())?;
            print(&if cli.json { value.to_string() } else { text })?;
            Ok(true)
        }
        Command::Form(FormCommand::Check(command)) => Ok(bolster_form_cli::check(
            command,
            &bolster_form_cli::utc(),
            cli.json,
            &mut std::io::stdout().lock(),
        )?),
        Command::App(AppCommand::Check { file, strict }) => app_check(file, *strict, cli.json),
        Command::Form(FormCommand::Fill(command)) => {
            let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
            Ok(bolster_form_cli::fill(command, &SystemClock::default(), &OsRandom, &mut input, &mut output)?)
        }
        Command::Xpath(command) => {
            let mut output = std::io::stdout().lock();
            bolster_form_cli::xpath(command, &SystemClock::default(), &OsRandom, &mut output)?;
            Ok(true)
        }
        Command::Completions(command) => {
            let mut script = Vec::new();
            clap_complete::generate(command.shell, &mut Cli::tree(), "bolster", &mut script);
            print(String::from_utf8_lossy(&script).trim_end())?;
            Ok(true)
        }
        Command::User(UserCommand::Export(to)) => {
            export(&data, &Request::UserExport { project: to.project.clone() }, &to.file)
        }
        Command::Location(LocationCommand::Export(to)) => {
            export(&data, &place(&to.project, PlaceRequest::Export), &to.file)
        }
        Command::Table(TableCommand::Export { file: to, tables }) => {
            let request = PlaceRequest::TableExport { tables: tables.clone() };
            export(&data, &place(&to.project, request), &to.file)
        }
        other => ask(&data, &request(other)?, cli.json),
    }
}

fn place(project: &str, request: PlaceRequest) -> Request {
    Request::Place { project: project.to_owned(), request }
}

/// Asks for a file and writes it where none is.
fn export(data: &Path, request: &Request, file: &Path) -> Result<bool> {
    let value = control::perform(data, request, &mut |_| true)?;
    let text = value["file_base64"].as_str().unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).context("the answer is damaged")?;
    let mut created = match std::fs::File::create_new(file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(anyhow!("{} is there already", file.display()));
        }
        result => result.with_context(|| format!("{} cannot be written", file.display()))?,
    };
    created.write_all(&bytes).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(true)
}

fn location_request(command: &LocationCommand) -> Result<Request> {
    Ok(match command {
        LocationCommand::Type(LocationTypeCommand::Create(new)) => {
            place(&new.project, PlaceRequest::TypeCreate(location_type(new)))
        }
        LocationCommand::Type(LocationTypeCommand::List(of)) => place(&of.project, PlaceRequest::TypeList),
        LocationCommand::Field(command) => field_request(command, true),
        LocationCommand::Create(new) => {
            let location = NewLocation {
                site_code: new.code.clone(),
                name: new.name.clone(),
                type_code: new.kind.clone(),
                parent: new.parent.clone(),
                external_id: new.external_id.clone(),
                latitude: new.latitude.clone(),
                longitude: new.longitude.clone(),
                data: new.fields.iter().cloned().collect(),
            };
            place(&new.project, PlaceRequest::Create(location))
        }
        LocationCommand::List(of) => place(&of.project, PlaceRequest::List),
        LocationCommand::Archive(one) => {
            place(&one.project, PlaceRequest::Archive { code: one.code.clone(), archived: true })
        }
        LocationCommand::Unarchive(one) => {
            place(&one.project, PlaceRequest::Archive { code: one.code.clone(), archived: false })
        }
        LocationCommand::Delete(one) => place(&one.project, PlaceRequest::Delete { code: one.code.clone() }),
        LocationCommand::Import(from) => {
            place(&from.project, PlaceRequest::Import { file: absolute(from)?, check: from.check })
        }
        LocationCommand::Export(_) => return Err(anyhow!("this command writes a file")),
    })
}

fn location_type(new: &CreateLocationType) -> LocationType {
    LocationType {
        code: new.code.clone(),
        name: new.name.clone().unwrap_or_else(|| new.code.clone()),
        parent: new.parent.clone(),
        shares_cases: new.shares_cases,
        view_descendants: new.views_descendants,
        expand_from: new.expand_from.clone(),
        expand_from_root: new.expand_from_root,
        expand_to: new.expand_to.clone(),
        include_without_expanding: new.include_without_expanding.clone(),
        include_only: new.include_only.clone(),
    }
}

/// A server in another folder reads the file.
fn absolute(from: &ImportFile) -> Result<PathBuf> {
    std::path::absolute(&from.file).context("the file cannot be found")
}

fn group_request(command: &GroupCommand) -> Request {
    match command {
        GroupCommand::Create { project, name, case_sharing, no_reporting, users } => {
            let change = GroupChange {
                name: name.clone(),
                case_sharing: Some(*case_sharing),
                reporting: Some(!no_reporting),
                add: users.clone(),
                remove: Vec::new(),
            };
            place(project, PlaceRequest::GroupCreate(change))
        }
        GroupCommand::Set { project, name, case_sharing, reporting, add, remove } => {
            let change = GroupChange {
                name: name.clone(),
                case_sharing: *case_sharing,
                reporting: *reporting,
                add: add.clone(),
                remove: remove.clone(),
            };
            place(project, PlaceRequest::GroupSet(change))
        }
        GroupCommand::List(of) => place(&of.project, PlaceRequest::GroupList),
        GroupCommand::Delete { project, name } => {
            place(project, PlaceRequest::GroupDelete { name: name.clone() })
        }
    }
}

fn table_request(command: &TableCommand) -> Result<Request> {
    Ok(match command {
        TableCommand::Import { file, replace } => {
            let request =
                PlaceRequest::TableImport { file: absolute(file)?, replace: *replace, check: file.check };
            place(&file.project, request)
        }
        TableCommand::List(of) => place(&of.project, PlaceRequest::TableList),
        TableCommand::Export { .. } => return Err(anyhow!("this command writes a file")),
    })
}

/// The request of a command that needs the data folder.
fn request(command: &Command) -> Result<Request> {
    Ok(match command {
        Command::Project(ProjectCommand::Create { name }) => Request::ProjectCreate { name: name.clone() },
        Command::Project(ProjectCommand::List) => Request::ProjectList,
        Command::Project(ProjectCommand::Set { name, settings }) => {
            Request::ProjectSet { name: name.clone(), settings: settings.clone() }
        }
        Command::User(command) => user_request(command)?,
        Command::ApiKey(ApiKeyCommand::Create(new)) => Request::ApiKeyCreate {
            project: new.user.project.clone(),
            user: new.user.name.clone(),
            label: new.label.clone(),
            limits: KeyLimits { role: new.role.clone(), addresses: new.addresses.clone(), days: new.days },
        },
        Command::ApiKey(ApiKeyCommand::List(of)) => Request::ApiKeyList { project: of.project.clone() },
        Command::ApiKey(ApiKeyCommand::Revoke { project, key }) => {
            Request::ApiKeyRevoke { project: project.clone(), key: key.clone() }
        }
        Command::Role(RoleCommand::List(of)) => Request::RoleList { project: of.project.clone() },
        Command::Role(RoleCommand::Set { project, name, permissions }) => Request::RoleSet {
            project: project.clone(),
            name: name.clone(),
            permissions: permissions.clone(),
        },
        Command::Role(RoleCommand::Delete { project, name }) => {
            Request::RoleDelete { project: project.clone(), name: name.clone() }
        }
        Command::Audit(audit) => {
            Request::Audit { project: audit.project.clone(), lines: audit.lines, before: audit.before }
        }
        Command::Location(command) => location_request(command)?,
        Command::Group(command) => group_request(command),
        Command::Table(command) => table_request(command)?,
        Command::App(command) => app_request(command)?,
        Command::Form(FormCommand::Show { id, project, xml }) => {
            Request::FormShow { id: id.clone(), project: project.clone(), xml: *xml }
        }
        Command::Case(CaseCommand::Show { id, project, history }) => {
            Request::CaseShow { id: id.clone(), project: project.clone(), history: *history }
        }
        Command::Case(CaseCommand::Problems { project }) => {
            Request::CaseProblems { project: project.clone() }
        }
        Command::Search(SearchCommand { project, queries, types, explain }) => Request::Search {
            project: project.clone(),
            queries: queries.clone(),
            types: types.clone(),
            explain: *explain,
        },
        Command::Log(LogCommand::Verify) => Request::LogVerify,
        Command::Log(LogCommand::Tail { lines, follow }) => {
            Request::LogTail { lines: *lines, follow: *follow }
        }
        Command::Shards(ShardsCommand::Resize { count }) => Request::ShardsResize { count: *count },
        Command::Rebuild { name } => Request::Rebuild { name: name.clone() },
        Command::Lag => Request::Lag,
        Command::Doctor => Request::Doctor,
        Command::Serve(_)
        | Command::Submit(_)
        | Command::Bench(_)
        | Command::Completions(_)
        | Command::Xpath(_)
        | Command::Form(FormCommand::Check(_) | FormCommand::Fill(_)) => {
            return Err(anyhow!("this command asks nothing of a data folder"));
        }
    })
}

/// Lists what is wrong with a package; true if it can be used.
fn app_check(file: &Path, strict: bool, json: bool) -> Result<bool> {
    let opened =
        std::fs::File::open(file).with_context(|| format!("{} could not be read", file.display()))?;
    let findings = check_package(opened).map_err(|reason| anyhow!("{}: {reason}", file.display()))?;
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    let warnings = findings.len() - errors;
    if json {
        let list: Vec<Value> = findings
            .iter()
            .map(|f| {
                let severity = f.severity.as_str();
                json!({"severity": severity, "code": f.code, "place": f.place, "message": f.message})
            })
            .collect();
        print(
            &json!({"ok": errors == 0, "errors": errors, "warnings": warnings, "findings": list}).to_string(),
        )?;
    } else {
        let mut text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        text.push_str(&format!("{errors} errors, {warnings} warnings"));
        print(&text)?;
    }
    Ok(errors == 0 && (warnings == 0 || !strict))
}

fn app_request(command: &AppCommand) -> Result<Request> {
    let release = |version: &OneVersion, released| Request::AppRelease {
        project: version.project.clone(),
        app: version.app.clone(),
        version: version.version,
        released,
        notes: version.notes.clone(),
        location: version.location.clone(),
    };
    Ok(match command {
        AppCommand::Import { project, file, name, notes } => Request::AppImport {
            project: project.clone(),
            // A server in another folder reads it.
            file: std::path::absolute(file).context("the file cannot be found")?,
            name: name.clone(),
            notes: notes.clone(),
        },
        AppCommand::Check { .. } => return Err(anyhow!("this command asks nothing of a data folder")),
        AppCommand::List { project } => Request::AppList { project: project.clone() },
        AppCommand::Release(version) => release(version, true),
        AppCommand::Unrelease(version) => release(version, false),
        AppCommand::Delete { app, project } => {
            Request::AppDelete { project: project.clone(), app: app.clone() }
        }
        AppCommand::Set { app, settings, project } => {
            Request::AppSet { project: project.clone(), app: app.clone(), settings: settings.clone() }
        }
    })
}

fn data_request(project: &str, request: DataRequest) -> Request {
    Request::Data { project: project.to_owned(), request }
}

/// Of users, or of locations.
fn field_request(command: &FieldCommand, location: bool) -> Request {
    match command {
        FieldCommand::Set(field) => {
            let change = FieldChange {
                slug: field.key.clone(),
                label: field.label.clone(),
                required: field.required,
                required_web: field.required_web,
                choices: (field.any || !field.choices.is_empty() || field.pattern.is_some())
                    .then(|| field.choices.clone()),
                pattern: if field.any || !field.choices.is_empty() {
                    Some(String::new())
                } else {
                    field.pattern.clone()
                },
                pattern_message: field.message.clone(),
            };
            data_request(&field.project, DataRequest::FieldSet { location, change })
        }
        FieldCommand::List(of) => data_request(&of.project, DataRequest::FieldList { location }),
        FieldCommand::Remove { project, key } => {
            data_request(project, DataRequest::FieldRemove { location, slug: key.clone() })
        }
    }
}

fn profile_request(command: &ProfileCommand) -> Request {
    match command {
        ProfileCommand::Set { project, name, values } => {
            let values = values.iter().cloned().collect();
            data_request(project, DataRequest::ProfileSet { name: name.clone(), values })
        }
        ProfileCommand::List(of) => data_request(&of.project, DataRequest::ProfileList),
        ProfileCommand::Remove { project, name } => {
            data_request(project, DataRequest::ProfileRemove { name: name.clone() })
        }
    }
}

fn user_request(command: &UserCommand) -> Result<Request> {
    Ok(match command {
        UserCommand::Field(command) => field_request(command, false),
        UserCommand::Profile(command) => profile_request(command),
        UserCommand::Delete { user, confirm } => Request::UserDelete {
            project: user.project.clone(),
            name: user.name.clone(),
            confirm: confirm.clone(),
        },
        UserCommand::Undelete(user) => {
            Request::UserUndelete { project: user.project.clone(), name: user.name.clone() }
        }
        UserCommand::Create(user) => Request::UserCreate(NewUser {
            project: user.project.clone(),
            name: user.name.clone(),
            web: user.web,
            admin: user.admin,
            role: user.role.clone(),
            profile: user.profile.clone(),
            data: user.user_data.iter().cloned().collect(),
            locations: user.locations.clone(),
            groups: user.groups.clone(),
            password: password::read(&user.name)?,
        }),
        UserCommand::List(of) => Request::UserList { project: of.project.clone() },
        UserCommand::Deactivate(user) => {
            Request::UserSetActive { project: user.project.clone(), name: user.name.clone(), active: false }
        }
        UserCommand::Activate(user) => {
            Request::UserSetActive { project: user.project.clone(), name: user.name.clone(), active: true }
        }
        UserCommand::Set(user) => {
            let locations = (user.no_location || !user.locations.is_empty()).then(|| user.locations.clone());
            let data = user.user_data.iter().cloned().collect();
            let groups = (user.no_group || !user.groups.is_empty()).then(|| user.groups.clone());
            let profile = if user.no_profile { Some(String::new()) } else { user.profile.clone() };
            let role = user.role.clone();
            let change = UserChange { locations, groups, role, profile, data, ..UserChange::default() };
            Request::UserSet { project: user.project.clone(), name: user.name.clone(), change }
        }
        UserCommand::Import(from) => {
            let file = absolute(from)?;
            Request::UserImport { project: from.project.clone(), file, check: from.check }
        }
        UserCommand::Export(_) => return Err(anyhow!("this command writes a file")),
        UserCommand::Freeze(user) => {
            Request::UserFreeze { project: user.project.clone(), name: user.name.clone(), frozen: true }
        }
        UserCommand::Unfreeze(user) => {
            Request::UserFreeze { project: user.project.clone(), name: user.name.clone(), frozen: false }
        }
        UserCommand::Password(user) => Request::UserPassword {
            project: user.project.clone(),
            name: user.name.clone(),
            password: password::read(&user.name)?,
        },
    })
}

/// Asks, and prints what comes back as it comes.
fn ask(data: &Path, request: &Request, json: bool) -> Result<bool> {
    let mut broken = None;
    let mut progress = ProgressLine::default();
    let mut sink = |reply: Reply| {
        let result = match reply {
            Reply::Progress(text) => progress.show(&text),
            Reply::Item(value) if json => print(&value.to_string()),
            Reply::Item(value) => print(&output::text(request, &value)),
            Reply::Done(_) | Reply::Failed(_) => Ok(()),
        };
        broken = result.err();
        broken.is_none()
    };
    let value = control::perform(data, request, &mut sink);
    progress.clear();
    if let Some(error) = broken {
        return Err(error);
    }
    let value = value?;
    if let Request::FormShow { xml: true, .. } = request {
        print_bytes(&value)?;
    } else if json {
        // A list that was printed line by line has no result of its own.
        if !value.is_null() {
            print(&value.to_string())?;
        }
    } else {
        let text = output::text(request, &value);
        if !text.is_empty() {
            print(&text)?;
        }
        for note in output::notes(request, &value) {
            eprintln!("bolster: {note}");
        }
    }
    Ok(value["ok"] != Value::Bool(false))
}

/// The bytes of a form, untouched.
fn print_bytes(value: &Value) -> Result<()> {
    let text = value["xml_base64"].as_str().unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).context("the form is damaged")?;
    forgive_closed(std::io::stdout().lock().write_all(&bytes))
}

/// Prints a line. A reader that closed the pipe had enough.
fn print(text: &str) -> Result<()> {
    forgive_closed(writeln!(std::io::stdout().lock(), "{text}"))
}

fn forgive_closed(result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.context("standard output cannot be written"),
    }
}

/// How far a long work has come, on one line of a terminal that is overwritten; nothing elsewhere.
#[derive(Default)]
struct ProgressLine {
    shown: bool,
}

impl ProgressLine {
    fn show(&mut self, text: &str) -> Result<()> {
        if std::io::stderr().is_terminal() {
            eprint!("\r\u{1b}[K{text}");
            self.shown = true;
        }
        Ok(())
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\u{1b}[K");
        }
    }
}
