//! What taking in a large app costs: 200 forms and 300 MB of media.

use super::machine::Machine;
use super::process::Server;
use super::report::Budget;
use crate::cli::BenchCommand;
use crate::control::client;
use crate::control::protocol::Request;
use anyhow::{Context, Result, ensure};
use bolster_env::{Clock, OsRandom, Random};
use bolster_usecases::apps::pack;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

const PROJECT: &str = "bench";
const FORMS: usize = 200;
const QUESTIONS: usize = 60;
const MEDIA: usize = 300;
const MEDIA_BYTES: usize = 1_000_000;
const IMPORT_MS_MAX: f64 = 10_000.0;
const MEMORY_MIB_MAX: f64 = 64.0;

/// Everything measured.
#[derive(Debug, Serialize)]
pub struct Report {
    bench: &'static str,
    machine: Machine,
    package_bytes: usize,
    files: u64,
    import_ms: f64,
    /// The next version, whose media are here already.
    again_ms: f64,
    /// The same bytes written to the same disk and flushed.
    copy_ms: f64,
    memory_over_idle_bytes: u64,
    budgets: Vec<Budget>,
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        format!(
            "{}\n\npackage of {} files, {:.1} MB\ntaken in          {:>9.0} ms\nits next version  {:>9.0} ms\n\
             a copy of the file{:>9.0} ms\npeak memory over idle {:.1} MiB\n\n{}",
            self.machine.text(),
            self.files,
            self.package_bytes as f64 / 1e6,
            self.import_ms,
            self.again_ms,
            self.copy_ms,
            self.memory_over_idle_bytes as f64 / f64::from(1 << 20),
            super::report::budget_text(&self.budgets)
        )
    }
}

/// Runs everything.
pub fn measure(_command: &BenchCommand, clock: &dyn Clock, folder: &Path) -> Result<Report> {
    let data = folder.join("ccz");
    let server = Server::start(clock, &data, true)?;
    client::ask_running(&data, &Request::ProjectCreate { name: PROJECT.to_owned() })?;
    eprintln!("bench: making packages of {FORMS} forms and {MEDIA} media files");
    let media: Vec<Vec<u8>> = (0..MEDIA).map(|_| noise(MEDIA_BYTES)).collect();
    let import = |version: u32| -> Result<(f64, usize, u64)> {
        let package = package(version, &media)?;
        let path = folder.join(format!("bench-{version}.ccz"));
        std::fs::write(&path, &package).context("the package could not be written")?;
        let begin = clock.monotonic_us();
        let done = client::ask_running(
            &data,
            &Request::AppImport { project: PROJECT.to_owned(), file: path, name: None, notes: String::new() },
        )?;
        let took = (clock.monotonic_us() - begin) as f64 / 1e3;
        ensure!(done["new"] == true, "the package was known already");
        Ok((took, package.len(), done["files"].as_u64().unwrap_or(0)))
    };
    let idle = server.memory()?.resident;
    let (import_ms, package_bytes, files) = import(1)?;
    let memory_over_idle_bytes = server.memory()?.peak.saturating_sub(idle);
    let (again_ms, ..) = import(2)?;
    let copy_ms = copy(clock, folder, package_bytes)?;
    server.stop(clock)?;
    let memory_mib = memory_over_idle_bytes as f64 / f64::from(1 << 20);
    Ok(Report {
        bench: "ccz",
        machine: Machine::look(folder),
        package_bytes,
        files,
        import_ms,
        again_ms,
        copy_ms,
        memory_over_idle_bytes,
        budgets: vec![
            Budget::at_most("import of 200 forms, 300 MB", import_ms, IMPORT_MS_MAX, "ms"),
            Budget::at_most("memory over idle", memory_mib, MEMORY_MIB_MAX, "MiB"),
        ],
    })
}

/// What the disk alone takes for as many bytes.
fn copy(clock: &dyn Clock, folder: &Path, bytes: usize) -> Result<f64> {
    use std::io::Write as _;
    let piece = noise(1 << 20);
    let begin = clock.monotonic_us();
    let mut file = std::fs::File::create(folder.join("copy"))?;
    for _ in 0..bytes.div_ceil(piece.len()) {
        file.write_all(&piece)?;
    }
    file.sync_data()?;
    Ok((clock.monotonic_us() - begin) as f64 / 1e3)
}

/// Bytes that no compression shrinks, as of pictures and sounds.
fn noise(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    OsRandom.fill(&mut out);
    out
}

/// An app as CommCare HQ exports it.
fn package(version: u32, media: &[Vec<u8>]) -> Result<Vec<u8>> {
    let hq = "https://www.commcarehq.org/a/bench";
    let (mut suite, mut media_suite, mut strings) = (String::new(), String::new(), String::new());
    let resource = |id: &str, path: &str, remote: &str| {
        format!(
            "<resource id=\"{id}\" version=\"{version}\"><location authority=\"local\">./{path}</location>\
             <location authority=\"remote\">{remote}</location></resource>"
        )
    };
    let _ = write!(
        suite,
        "<?xml version='1.0' encoding='UTF-8'?>\n<suite version=\"{version}\" descriptor=\"Suite\">"
    );
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for number in 0..FORMS {
        let path = format!("modules-0/forms-{number}.xml");
        let _ =
            write!(suite, "<xform>{}</xform>", resource(&format!("f{number}"), &path, &format!("./{path}")));
        let _ = writeln!(strings, "forms.m0f{number}=Form {number}");
        files.push((path, form(number, version).into_bytes()));
    }
    let strings_path = "default/app_strings.txt";
    let _ = write!(
        suite,
        "<locale language=\"default\">{}</locale>",
        resource("strings", strings_path, "./default/app_strings.txt")
    );
    for number in 0..FORMS {
        let _ = write!(
            suite,
            "<entry><form>http://bolster.example/bench/{number}</form><command id=\"m0-f{number}\"><text>\
             <locale id=\"forms.m0f{number}\"/></text></command></entry>"
        );
    }
    suite.push_str("<menu id=\"m0\"><text><locale id=\"modules.m0\"/></text>");
    for number in 0..FORMS {
        let _ = write!(suite, "<command id=\"m0-f{number}\"/>");
    }
    suite.push_str("</menu></suite>");
    strings.push_str("modules.m0=Forms\n");
    let _ = write!(
        media_suite,
        "<?xml version='1.0' encoding='UTF-8'?>\n<suite version=\"{version}\" descriptor=\"Media\"><media path=\"../../commcare/image\">"
    );
    for (number, bytes) in media.iter().enumerate() {
        let name = format!("picture-{number}.png");
        let remote =
            format!("https://www.commcarehq.org/hq/multimedia/file/CommCareImage/{number:032x}/{name}");
        let path = format!("commcare/image/{name}");
        media_suite.push_str(&resource(&format!("media-{number}"), &path, &remote));
        files.push((path, bytes.clone()));
    }
    media_suite.push_str("</media></suite>");
    let mut suites = String::new();
    for (id, path) in [("suite", "suite.xml"), ("media-suite", "media_suite.xml")] {
        let remote = format!("{hq}/apps/download/hqbuild{version}/{path}");
        let _ = write!(suites, "<suite>{}</suite>", resource(id, path, &remote));
    }
    let profile = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<profile version=\"{version}\" \
         update=\"{hq}/apps/download/HQAPP/media_profile.ccpr?latest=true&amp;profile=None\" requiredMajor=\"2\" \
         requiredMinor=\"53\" requiredMinimal=\"0\" uniqueid=\"benchapp\" name=\"Bench\" descriptor=\"Profile File\">\
         <property key=\"ota-restore-url\" value=\"{hq}/phone/restore/hqbuild{version}/\"/>\
         <property key=\"PostURL\" value=\"{hq}/receiver/hqbuild{version}/\" force=\"true\"/>{suites}</profile>"
    );
    files.push(("profile.ccpr".to_owned(), profile.into_bytes()));
    files.push(("suite.xml".to_owned(), suite.into_bytes()));
    files.push(("media_suite.xml".to_owned(), media_suite.into_bytes()));
    files.push((strings_path.to_owned(), strings.into_bytes()));
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    pack(&files).context("the package could not be made")
}

fn form(number: usize, version: u32) -> String {
    let (mut data, mut binds, mut body) = (String::new(), String::new(), String::new());
    for question in 0..QUESTIONS {
        let _ = write!(data, "<question_{question}/>");
        let _ = write!(
            binds,
            "<bind nodeset=\"/data/question_{question}\" type=\"xsd:string\" relevant=\"/data/question_0 != 'no'\"/>"
        );
        let _ = write!(
            body,
            "<input ref=\"/data/question_{question}\"><label>What is the answer to question {question} of form {number}?</label></input>"
        );
    }
    format!(
        "<h:html xmlns:h=\"http://www.w3.org/1999/xhtml\" xmlns=\"http://www.w3.org/2002/xforms\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><h:head><h:title>Form {number}</h:title><model><instance>\
         <data xmlns=\"http://bolster.example/bench/{number}\" uiVersion=\"1\" version=\"{version}\" name=\"Form {number}\">{data}\
         </data></instance>{binds}</model></h:head><h:body>{body}</h:body></h:html>\n"
    )
}
