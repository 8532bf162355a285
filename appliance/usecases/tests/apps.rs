//! A simulated disk loses power before every call while apps are taken in and numbers are given. What it leaves
//! behind holds every acknowledged version whole, any other one whole or not at all, and no number twice.

use bolster_auth::{Administer, EditApps, EditUsers, Permit, Project, RestoreData};
use bolster_env::{Env, Image, SeededRandom, SimClock, SimDisk};
use bolster_model::Timestamp;
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::apps::{ImportApp, ImportError, Served, Wanted, pack};
use bolster_usecases::{Appliance, ServerSettings};
use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const VERSIONS: u32 = 4;

fn open(disk: &SimDisk) -> Appliance {
    let env = Env {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000))),
        random: Arc::new(SeededRandom::new(disk.calls() + 1)),
    };
    let log = LogOptions { segment_bytes: 48 << 10, prepare_ahead: false };
    let options = StoreOptions { log, shard_cache_bytes: 1 << 20, ..StoreOptions::default() };
    Appliance::open(env, Path::new("/data"), options, ServerSettings::default()).expect("opens")
}

fn form(version: u32) -> String {
    format!("<html><model><instance><data xmlns=\"urn:f\" version=\"{version}\"/></instance></model></html>")
}

fn package(version: u32) -> Vec<u8> {
    let profile = format!(
        "<profile version='{version}' uniqueid='app' name='App'><suite><resource id='s' version='1'>\
         <location authority='local'>./suite.xml</location></resource></suite></profile>"
    );
    let suite = "<suite version='1'><xform><resource id='f' version='1'><location authority='local'>./f.xml\
                 </location></resource></xform></suite>";
    let picture = vec![version as u8; 100_000];
    let files: [(&str, &[u8]); 4] = [
        ("profile.ccpr", profile.as_bytes()),
        ("suite.xml", suite.as_bytes()),
        ("f.xml", &form(version).into_bytes()),
        ("commcare/image/x.png", &picture),
    ];
    pack(&files).expect("is packed")
}

fn project(app: &Appliance) -> Option<Arc<Project>> {
    app.auth().project_named("p")
}

fn import(app: &Appliance, version: u32) -> Result<(), ImportError> {
    let permit = app.auth().operator_permit::<EditApps>("test", &project(app).expect("made first"));
    app.import_app(&permit, Cursor::new(package(version)), &ImportApp::default()).map(|_| ())
}

fn next(app: &Appliance) -> u64 {
    let permit: Permit<RestoreData> = app.auth().operator_permit("test", &project(app).expect("made first"));
    app.next_number(&permit, "pool", None).expect("a number")
}

/// Opens what a crash left behind; versions that are there.
fn inspect(disk: &SimDisk, acknowledged: u32, what: &str) -> u32 {
    let app = open(disk);
    let Some(project) = project(&app) else {
        assert_eq!(acknowledged, 0, "{what}: the project is gone");
        app.close();
        return 0;
    };
    // Whatever half a package left is taken away; what a build needs is not.
    app.store().collect_blobs(|| true).unwrap_or_else(|e| panic!("{what}: {e}"));
    let family = app.app(project.id, "app").expect("reads");
    let builds = family.map(|f| f.builds.clone()).unwrap_or_default();
    for version in 1..=VERSIONS {
        let Some(entry) = builds.iter().find(|b| b.version == version) else {
            assert!(version > acknowledged, "{what}: version {version} was acknowledged and is lost");
            continue;
        };
        let found = app.find_build(project.id, &entry.id, &Wanted::default()).expect("reads");
        let found = found.unwrap_or_else(|| panic!("{what}: version {version} is listed and not there"));
        for file in ["f.xml", "commcare/image/x.png"] {
            let served =
                app.app_file(&found, "p", "http://h", file).unwrap_or_else(|e| panic!("{what}: {e}"));
            let Some(Served::File(reader, _)) = served else { panic!("{what}: {file} is no file") };
            let bytes = reader.read_all(1 << 20).unwrap_or_else(|e| panic!("{what}: {e}"));
            let whole =
                if file == "f.xml" { form(version).into_bytes() } else { vec![version as u8; 100_000] };
            assert!(bytes == whole, "{what}: {file} of version {version} is damaged");
        }
    }
    // One number was given after each version that was acknowledged.
    let number = next(&app);
    assert!(number > u64::from(acknowledged), "{what}: number {number} was given before");
    // Life goes on: the next version is taken, the same one again changes nothing.
    for _ in 0..2 {
        import(&app, VERSIONS + 1).unwrap_or_else(|e| panic!("{what}: {e}"));
    }
    app.close();
    builds.len() as u32
}

#[test]
fn a_version_is_there_whole_or_not_at_all() {
    let disk = SimDisk::default();
    let acknowledged = Arc::new(AtomicU32::new(0));
    let images: Arc<Mutex<Vec<(Image, u32)>>> = Arc::default();
    let (seen, known) = (images.clone(), acknowledged.clone());
    disk.observe(Box::new(move |image| {
        seen.lock().expect("no panic").push((image.clone(), known.load(Ordering::SeqCst)));
    }));
    let app = open(&disk);
    app.create_project(&app.auth().operator_node_permit("test"), "p").expect("a project");
    for version in 1..=VERSIONS {
        import(&app, version).expect("is taken in");
        assert_eq!(next(&app), u64::from(version));
        acknowledged.store(version, Ordering::SeqCst);
    }
    app.close();
    disk.observe(Box::new(|_| {}));
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    let mut found = 0;
    for (image, acknowledged) in &images {
        let what = format!("crash before call {}", image.call());
        found += inspect(&image.crash(image.call() * 1000), *acknowledged, &what);
    }
    println!("{} simulated crashes: {found} versions found whole", images.len());
    assert!(images.len() > 100);
}

#[test]
fn a_full_disk_refuses_a_package_and_recovers() {
    let disk = SimDisk::default();
    let app = open(&disk);
    app.create_project(&app.auth().operator_node_permit("test"), "p").expect("a project");
    import(&app, 1).expect("is taken in");
    disk.set_room(Some(50_000));
    import(&app, 2).expect_err("there is no room");
    disk.set_room(None);
    assert_eq!(next(&app), 1);
    import(&app, 2).expect("there is room again");
    app.close();
}

#[test]
fn who_may_not_edit_apps_gets_no_permit() {
    let disk = SimDisk::default();
    let app = open(&disk);
    app.create_project(&app.auth().operator_node_permit("test"), "p").expect("a project");
    let project = project(&app).expect("made first");
    let nobody = app.auth().nobody(&project);
    let entrance = bolster_auth::Entrance::Page;
    assert!(app.auth().permit::<EditApps>(&nobody, &project, entrance).is_err());
    assert!(app.auth().permit::<RestoreData>(&nobody, &project, entrance).is_err());
    assert!(app.auth().permit::<EditUsers>(&nobody, &project, entrance).is_err());
    assert!(app.auth().permit::<Administer>(&nobody, &project, entrance).is_err());
    app.close();
}
