//! Any bytes as a package of an app, and as its profile, suite and form. Nothing panics; what is taken can be read
//! again after rewriting, names no place of origin where it must not, and does not change when it is rewritten
//! once more.

#![no_main]

use bolster_auth::EditApps;
use bolster_env::{Env, SeededRandom, SimClock, SimDisk};
use bolster_model::Timestamp;
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::apps::{ImportApp, PackageLimits, pack};
use bolster_usecases::{Appliance, ServerSettings};
use bolster_wire::app::{Place, form_head, read_profile, read_suite, rewrite_profile, rewrite_suite};
use std::cell::Cell;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

/// Packages that one appliance takes: its simulated disk keeps all that was ever written.
const PACKAGES_MAX: u32 = 500;

thread_local! {
    static PLACE: Cell<Option<(Appliance, u32)>> = const { Cell::new(None) };
}

fn appliance() -> Appliance {
    let env = Env {
        disk: Arc::new(SimDisk::default()),
        clock: Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000))),
        random: Arc::new(SeededRandom::new(1)),
    };
    let log = LogOptions { segment_bytes: 1 << 20, ..LogOptions::default() };
    let options = StoreOptions { log, shard_cache_bytes: 1 << 20, ..StoreOptions::default() };
    let app = Appliance::open(env, Path::new("/data"), options, ServerSettings::default()).expect("opens");
    app.create_project(&app.auth().operator_node_permit("fuzz"), "p").expect("a project");
    app
}

fn import(package: Vec<u8>) {
    let (app, count) = PLACE.take().unwrap_or_else(|| (appliance(), 0));
    let project = app.auth().project_named("p").expect("made before");
    let permit = app.auth().operator_permit::<EditApps>("fuzz", &project);
    let limits = PackageLimits { total_bytes: 1 << 20, free_bytes: 1 << 20, ..PackageLimits::default() };
    let new = ImportApp { limits, ..ImportApp::default() };
    if let Ok(done) = app.import_app(&permit, Cursor::new(package), &new) {
        let found = app
            .find_build(project.id, &done.build.id, &Default::default())
            .expect("reads")
            .expect("is there");
        for file in found.build.files.iter().map(|f| f.path.as_str()).chain(["media_profile.ccpr"]) {
            app.app_file(&found, "p", "http://h", file).expect("can be served");
        }
        app.app_package(&found, "p", "http://h", true).expect("can be packed");
    }
    if count < PACKAGES_MAX {
        PLACE.set(Some((app, count + 1)));
    } else {
        app.close();
    }
}

fn rewrite(bytes: &[u8]) {
    let files = |path: &str| (path.len() % 3 != 0).then(|| "00".repeat(32));
    let profile = read_profile(bytes);
    let home = profile.as_ref().ok().and_then(|p| p.home());
    let place = Place {
        site: "http://h",
        project: "p",
        app_id: "a",
        build_id: "b",
        build_profile: "",
        name: None,
        home: home.as_ref(),
    };
    if profile.is_ok() {
        for with_media in [true, false] {
            let once = rewrite_profile(bytes, &place, &files, with_media).expect("was read");
            let again = read_profile(&once).expect("is still a profile");
            assert_eq!(again.unique_id, "a");
            assert_eq!(rewrite_profile(&once, &place, &files, with_media).expect("is read"), once);
        }
    }
    if let Ok(suite) = read_suite(bytes) {
        let once = rewrite_suite(bytes, &place, &files).expect("was read");
        let again = read_suite(&once).expect("is still a suite");
        assert_eq!((again.resources.len(), again.commands), (suite.resources.len(), suite.commands));
    }
    let _ = form_head(bytes);
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((0, package)) => import(package.to_vec()),
        // A sound package with these contents.
        Some((1, rest)) => {
            let parts: Vec<&[u8]> = rest.split(|b| *b == 0).collect();
            let names = [
                "profile.ccpr",
                "suite.xml",
                "modules-0/forms-0.xml",
                "default/app_strings.txt",
                "commcare/x",
            ];
            let files: Vec<(&str, &[u8])> = names.into_iter().zip(parts).collect();
            import(pack(&files).expect("is packed"));
        }
        _ => rewrite(input),
    }
});
