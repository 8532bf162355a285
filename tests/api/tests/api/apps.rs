//! Apps as phones and people get them.

use api_tests::Server;
use api_tests::apps::{FORM, Made, PICTURE, files, package};
use api_tests::client::{Response, basic};
use bolster_usecases::admin::places::NewLocation;
use bolster_usecases::admin::workers::UserChange;
use bolster_usecases::apps::{ImportApp, ImportError};
use bolster_usecases::nouns::LocationType;
use bolster_wire::app::{Profile, read_profile, read_suite};

const SITE: &str = "http://clinic.example";

fn profile(answer: &Response) -> Profile {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("commcare/profile"));
    read_profile(&answer.body).expect("a profile")
}

/// Path and query of an address here.
fn target(address: &str) -> String {
    address.strip_prefix(SITE).unwrap_or_else(|| panic!("{address} is not here")).to_owned()
}

#[test]
fn a_phone_installs_from_the_code_and_gets_every_file() {
    let server = Server::start();
    let done = server.import("demo", &Made::default());
    server.release("demo", &done.app.id, 3);
    let picture = server.get("/a/demo/apps/odk/app/qr_code/", &[]);
    assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/png")));
    let address = scanned(&picture.body);
    assert_eq!(address, format!("{SITE}/a/demo/apps/download/app/media_profile.ccpr?latest=true"));

    let answer = server.get(&target(&address), &[]);
    assert!(answer.header("date").is_some());
    assert!(
        answer.header("x-commcarehq-appreleasedon").is_some_and(|t| t.ends_with('Z') && !t.contains('.'))
    );
    let profile = profile(&answer);
    let build = &done.build.id;
    for (key, value) in [
        ("PostURL", format!("{SITE}/a/demo/receiver/{build}/")),
        ("ota-restore-url", format!("{SITE}/a/demo/phone/restore/{build}/")),
        ("key_server", format!("{SITE}/a/demo/phone/keys/")),
        ("heartbeat-url", format!("{SITE}/a/demo/phone/heartbeat/{build}/?build_profile_id=")),
        ("recovery-measures-url", format!("{SITE}/a/demo/phone/recovery_measures/{build}/")),
        ("cc_user_domain", "demo.commcarehq.org".to_owned()),
        ("cur_locale", "en".to_owned()),
    ] {
        assert_eq!(profile.property(key), Some(value.as_str()), "{key}");
    }
    assert_eq!(
        profile.update,
        format!("{SITE}/a/demo/apps/download/app/media_profile.ccpr?latest=true&profile=None")
    );
    let mut got = Vec::new();
    for resource in &profile.resources {
        let suite = target(resource.remote.as_deref().unwrap());
        let answer = server.get(&suite, &[]);
        assert_eq!(answer.header("content-type"), Some("application/xml"));
        assert!(!answer.text().contains("commcarehq.org/"), "{}", answer.text());
        for file in read_suite(&answer.body).unwrap().resources {
            let remote = file.remote.unwrap();
            let folder = suite.rsplit_once('/').unwrap().0;
            let path = match remote.strip_prefix("./") {
                Some(relative) => format!("{folder}/{relative}"),
                None => target(&remote),
            };
            let answer = server.get(&path, &[]);
            assert_eq!(answer.status, 200, "{path}");
            got.push((file.path.unwrap(), answer));
        }
    }
    let of = |path: &str| &got.iter().find(|(p, _)| p == path).unwrap().1;
    assert_eq!(of("modules-0/forms-0.xml").body, FORM.as_bytes());
    assert_eq!(of("default/app_strings.txt").header("content-type"), Some("text/plain"));
    assert_eq!(of("commcare/image/a b.png").body, PICTURE);
    assert_eq!(of("commcare/image/a b.png").header("content-type"), Some("image/png"));
}

/// What a camera would read of a picture.
fn scanned(png: &[u8]) -> String {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (info.width as usize, info.height as usize);
    assert_eq!(info.color_type, png::ColorType::Grayscale);
    // A thumb lies on a part of it.
    for y in height / 2..height / 2 + height / 12 {
        for x in width / 2..width / 2 + width / 12 {
            pixels[y * width + x] = 128;
        }
    }
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

#[test]
fn an_address_can_be_typed() {
    let server = Server::start();
    server.import("demo", &Made::default());
    let page = server.get("/a/demo/apps/odk/app/install/", &[]).text().to_owned();
    let start = page.find("/i/").expect("a short address");
    let short = &page[start..start + 9];
    let expected = format!("{SITE}/a/demo/apps/download/app/media_profile.ccpr?latest=true");
    for typed in [short.to_owned(), short.to_lowercase(), short.replace('0', "O").replace('1', "l")] {
        let answer = server.get(&typed, &[]);
        assert_eq!((answer.status, answer.header("location")), (302, Some(expected.as_str())), "{typed}");
    }
    assert_eq!(server.get("/i/ZZZZZZ", &[]).status, 404);
}

#[test]
fn latest_and_target_choose_the_version() {
    let server = Server::start();
    let first = server.import("demo", &Made { version: 3, ..Made::default() });
    server.release("demo", "app", 3);
    let second = server.import("demo", &Made { version: 4, text: "Four", ..Made::default() });
    server.import("demo", &Made { version: 4, text: "Quatre", languages: "fra", ..Made::default() });
    let (first, second) = (first.build.id, second.build.id);
    let version = |id: &str, query: &str| {
        profile(&server.get(&format!("/a/demo/apps/download/{id}/profile.ccpr{query}"), &[])).version
    };
    for (id, query, expected) in [
        ("app", "?latest=true", 3),
        ("app", "?latest=true&profile=None", 3),
        ("app", "?latest=true&target=release", 3),
        ("app", "?latest=true&target=build", 4),
        ("app", "?latest=true&target=save", 4),
        ("app", "", 4),
        (&first, "", 3),
        (&second, "", 4),
        (&second, "?latest=true", 3),
        (&first, "?latest=true&target=build&username=amina", 4),
        // Ids of the place where the packages were made.
        ("hqbuild3", "", 3),
    ] {
        assert_eq!(version(id, query), expected, "{id}{query}");
    }
    let strings = |query: &str| {
        server
            .get(&format!("/a/demo/apps/download/app/default/app_strings.txt{query}"), &[])
            .text()
            .to_owned()
    };
    assert!(strings("?latest=true").starts_with("forms.m0f0=Visit\n"));
    assert!(strings("?latest=true&target=build&profile=fra").starts_with("forms.m0f0=Quatre\n"));
    assert!(strings("?latest=true&target=build&profile=None").starts_with("forms.m0f0=Four\n"));
    server.release("demo", "app", 4);
    assert_eq!(version("app", "?latest=true"), 4);
    assert_eq!(version(&first, "?latest=true"), 4);
    for path in
        ["app/nothing.xml", "app/modules-0/forms-9.xml", "nowhere/profile.ccpr", "app/../../../etc/passwd"]
    {
        assert_eq!(server.get(&format!("/a/demo/apps/download/{path}"), &[]).status, 404, "{path}");
    }
    assert_eq!(server.get("/a/far/apps/download/app/profile.ccpr", &[]).status, 404);
}

#[test]
fn texts_are_compressed_for_who_takes_that() {
    let server = Server::start();
    server.import("demo", &Made::default());
    for (file, compressed) in
        [("modules-0/forms-0.xml", true), ("suite.xml", true), ("commcare/image/a b.png", false)]
    {
        let path = format!("/a/demo/apps/download/app/{}", file.replace(' ', "%20"));
        let plain = server.get(&path, &[]);
        let coded = server.get(&path, &[("Accept-Encoding", "br, gzip;q=0.5")]);
        assert_eq!(coded.header("content-encoding").is_some(), compressed, "{file}");
        let mut body = Vec::new();
        match compressed {
            true => drop(std::io::copy(&mut flate2::read::GzDecoder::new(&*coded.body), &mut body).unwrap()),
            false => body.clone_from(&coded.body),
        }
        assert_eq!(body, plain.body, "{file}");
        assert_eq!(coded.header("etag") != plain.header("etag"), compressed, "{file}");
    }
}

#[test]
fn what_never_changes_may_be_kept_for_good() {
    let server = Server::start();
    let build = server.import("demo", &Made::default()).build.id;
    let kept = |path: &str| {
        let answer = server.get(path, &[]);
        let tag = answer.header("etag").unwrap().to_owned();
        let again = server.get(path, &[("If-None-Match", &tag)]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        answer.header("cache-control").unwrap().contains("immutable")
    };
    let own = format!("/a/demo/apps/download/{build}/suite.xml");
    assert!(!kept(&own));
    server.release("demo", "app", 3);
    assert!(kept(&own));
    assert!(!kept(&format!("{own}?latest=true")));
    assert!(!kept("/a/demo/apps/download/app/suite.xml"));
    let media = server.get(&format!("/a/demo/apps/download/{build}/media_suite.xml"), &[]);
    let remote = read_suite(&media.body).unwrap().resources[0].remote.clone().unwrap();
    assert!(kept(&target(&remote)));
    let answer = server.get(&format!("{own}?download=true"), &[]);
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename*=UTF-8''suite.xml"));
    assert_eq!(answer.header("content-security-policy"), Some("default-src 'none'; sandbox"));
}

#[test]
fn a_package_can_be_taken_out_whole_and_put_in_elsewhere() {
    let server = Server::start();
    server.import("demo", &Made::default());
    let whole = server.get("/a/demo/apps/download/app/app.ccz", &[]);
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("application/zip")));
    assert!(whole.header("content-disposition").unwrap().contains("Maji%20v3.ccz"));
    server.project("far");
    let done = server.try_import("far", whole.body.clone(), &ImportApp::default()).unwrap();
    assert_eq!(done.files, 6);
    // Another project's app is another app for a phone.
    assert_ne!(done.app.id, "app");
    let there = server.get(&format!("/a/far/apps/download/{}/profile.ccpr", done.app.id), &[]);
    let profile = profile(&there);
    assert_eq!(profile.unique_id, done.app.id);
    assert_eq!(profile.property("cc_user_domain"), Some("far.commcarehq.org"));

    let direct = |query: &str| server.get(&format!("/a/demo/apps/api/download_ccz/?{query}"), &[]);
    assert_eq!(direct("app_id=app&include_multimedia=true").body, whole.body);
    assert!(direct("app_id=app&latest=build").body.len() < whole.body.len());
    for (query, status) in [
        ("", 400),
        ("app_id=app&version=3&latest=save", 400),
        ("app_id=app&latest=soon", 400),
        ("app_id=app&version=three", 400),
        ("app_id=app&version=9", 404),
        ("app_id=app&latest=release", 404),
        ("app_id=other", 404),
    ] {
        let answer = direct(query);
        assert_eq!((answer.status, answer.json()["status"].as_str()), (status, Some("error")), "{query}");
    }
}

#[test]
fn programs_and_people_see_the_list() {
    let server = Server::start();
    server.import("demo", &Made::default());
    server.user("demo", "member@example.org", None);
    let key = server.key("demo", "member@example.org");
    let answer = server.get("/a/demo/apps/api/list_apps/", &[("Authorization", &key)]);
    assert_eq!(
        answer.json(),
        serde_json::json!({"status": "success", "applications": [{
            "name": "Maji", "version": 3, "app_id": "app",
            "download_url": format!("{SITE}/a/demo/apps/api/download_ccz/?app_id=app"),
        }]})
    );
    assert_eq!(server.get("/a/demo/apps/api/list_apps/", &[]).status, 401);
    let cookie = server.session(&server.user("demo", "other@example.org", None));
    let page = server.get("/a/demo/apps/", &[("Cookie", &cookie)]);
    assert!(
        page.text().contains("Maji") && page.text().contains("no version is released"),
        "{}",
        page.text()
    );
    let page = server.get("/a/demo/apps/odk/app/install/", &[]);
    assert!(page.text().contains("/a/demo/apps/odk/app/qr_code/"), "{}", page.text());
    assert!(page.text().contains("media_profile.ccpr?latest=true"), "{}", page.text());
}

#[test]
fn media_and_nothing_else_is_told_by_digest() {
    let server = Server::start();
    server.import("demo", &Made::default());
    let form = server.app.store().blobs().stage().map(|mut staged| {
        staged.write(b"a photo of a patient").unwrap();
        staged.finish().unwrap().0.digest
    });
    let secret = form.unwrap().to_string();
    let of = |id: &str| server.get(&format!("/hq/multimedia/file/CommCareImage/{id}/x.png"), &[]).status;
    assert_eq!(of(&secret), 404);
    assert_eq!(of("0123456789abcdef"), 404);
    assert_eq!(of(&"0".repeat(64)), 404);
}

#[test]
fn files_of_builds_survive_a_collection() {
    let server = Server::start();
    let whole = |server: &Server| server.get("/a/demo/apps/download/app/app.ccz", &[]).body;
    server.import("demo", &Made::default());
    let before = whole(&server);
    let mut broken = files(&Made { version: 4, text: "nobody", ..Made::default() });
    broken.remove(4);
    server.try_import("demo", package(&broken), &ImportApp::default()).unwrap_err();
    let store = server.app.store();
    store.flush().unwrap();
    let done = store.collect_blobs(|| true).unwrap();
    // Young files of the refused package may stay a while; those of the build stay for good.
    assert!(done.seen >= 6, "{done:?}");
    assert_eq!(whole(&server), before);
    store.rebuild().unwrap();
    store.collect_blobs(|| true).unwrap();
    assert_eq!(whole(&server), before);
    // What is made for one answer leaves nothing behind.
    let staging = store.dir().join("blobs/staging");
    assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0);
}

#[test]
fn versions_rise_and_never_change() {
    let server = Server::start();
    let first = server.import("demo", &Made::default());
    assert!(first.is_new && first.warnings.is_empty(), "{:?}", first.warnings);
    let again = server.import("demo", &Made::default());
    assert!(!again.is_new);
    assert_eq!(again.build.id, first.build.id);
    let other = package(&files(&Made { text: "Else", ..Made::default() }));
    let refused = server.try_import("demo", other, &ImportApp::default()).unwrap_err();
    assert!(matches!(refused, ImportError::SameVersion { version: 3, .. }), "{refused}");
    let older = server.import("demo", &Made { version: 2, ..Made::default() });
    assert!(older.warnings.iter().any(|w| w.contains("never go back")), "{:?}", older.warnings);
    assert_eq!(older.app.versions(), [2, 3]);
    let named = ImportApp { name: Some("Water <1>".to_owned()), ..ImportApp::default() };
    let fourth = package(&files(&Made { version: 4, ..Made::default() }));
    assert_eq!(server.try_import("demo", fourth, &named).unwrap().app.name, "Water <1>");
    let answer = server.get("/a/demo/apps/download/app/profile.ccpr", &[]);
    assert_eq!(profile(&answer).name, "Water <1>");
}

#[test]
fn a_broken_package_is_refused_with_a_list() {
    let server = Server::start();
    type Files = Vec<(&'static str, Vec<u8>)>;
    let refused = |change: &dyn Fn(&mut Files)| {
        let mut files = files(&Made::default());
        change(&mut files);
        match server.try_import("demo", package(&files), &ImportApp::default()) {
            Err(ImportError::Package(list)) => list,
            other => panic!("{other:?}"),
        }
    };
    let list = refused(&|files| files[4].1 = b"<h:html>".to_vec());
    assert!(list[0].starts_with("modules-0/forms-0.xml: Invalid XML"), "{list:?}");
    let list = refused(&|files| {
        files.remove(4);
        files.remove(3);
    });
    assert_eq!(list.len(), 2, "{list:?}");
    assert!(list[0].contains("modules-0/forms-0.xml is named by resource f0 and is missing"), "{list:?}");
    let list = refused(&|files| files[1].1 = b"<suite version='1'><xform>".to_vec());
    assert!(list[0].starts_with("suite.xml: Invalid XML"), "{list:?}");
    let list = refused(&|files| {
        files.remove(1);
    });
    assert!(list[0].contains("suite.xml is named by resource suite and is missing"), "{list:?}");
    let list = refused(&|files| files[0].1 = b"<profile version='x'/>".to_vec());
    assert!(list[0].contains("no whole number"), "{list:?}");
    let list = refused(&|files| {
        files.remove(0);
    });
    assert!(list[0].contains("no profile.ccpr"), "{list:?}");
    let list = refused(&|files| files.push(("../../evil", b"x".to_vec())));
    assert!(list[0].contains("leaves the package"), "{list:?}");
    // Media that is not in the package is no obstacle.
    let mut without = files(&Made::default());
    without.pop();
    let done = server.try_import("demo", package(&without), &ImportApp::default()).unwrap();
    assert!(done.warnings[0].contains("commcare/image/a b.png"), "{:?}", done.warnings);
    assert!(
        server
            .get("/a/demo/apps/download/app/media_suite.xml", &[])
            .text()
            .contains("www.commcarehq.org/hq/")
    );
}

#[test]
fn forms_say_from_which_build_they_come() {
    let server = Server::start();
    let done = server.import("demo", &Made::default());
    server.user("demo", "member@example.org", None);
    let key = server.key("demo", "member@example.org");
    for (number, (id, app, build)) in [
        (done.build.id.as_str(), "app", Some(done.build.id.as_str())),
        ("hqbuild3", "app", Some(done.build.id.as_str())),
        ("app", "app", None),
        ("unknown", "unknown", None),
    ]
    .into_iter()
    .enumerate()
    {
        let form = api_tests::forms::form(&format!("f{number}"));
        let sent = server.post(
            &format!("/a/demo/receiver/{id}/"),
            &[("X-OpenRosa-Version", "3.0")],
            form.as_bytes(),
        );
        assert_eq!(sent.status, 201, "{}", sent.text());
        let stored =
            server.get(&format!("/a/demo/api/form/v1/f{number}/"), &[("Authorization", &key)]).json();
        assert_eq!((stored["app_id"].as_str(), stored["build_id"].as_str()), (Some(app), build), "{id}");
    }
}

#[test]
fn a_deleted_app_is_gone_until_a_new_version_comes() {
    let server = Server::start();
    let build = server.import("demo", &Made::default()).build.id;
    let project = server.app.auth().project_named("demo").unwrap();
    let permit = server.app.auth().operator_permit::<bolster_auth::EditApps>("test", &project);
    server.app.delete_app(&permit, "app").unwrap();
    for id in ["app", &build] {
        assert_eq!(server.get(&format!("/a/demo/apps/download/{id}/profile.ccpr"), &[]).status, 404);
    }
    // Phones that have it go on sending.
    assert_eq!(server.app.app_of_submission(project.id, &build), ("app".to_owned(), Some(build.clone())));
    server.import("demo", &Made { version: 4, ..Made::default() });
    assert_eq!(server.get("/a/demo/apps/download/app/profile.ccpr", &[]).status, 200);
}

#[test]
fn apps_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Server::on(bolster_env::Env::real(), folder.path(), Default::default());
    let server = start();
    server.import("demo", &Made::default());
    server.release("demo", "app", 3);
    drop(server);
    let env = bolster_env::Env::real();
    let app = bolster_usecases::Appliance::open(env, folder.path(), Default::default(), Default::default())
        .unwrap();
    let project = app.auth().project_named("demo").unwrap();
    let found = app.find_build(project.id, "app", &Default::default()).unwrap().unwrap();
    assert!(found.entry.released_at.is_some());
    assert_eq!(found.build.files.len(), 6);
    app.close();
}

#[test]
fn workers_of_a_location_get_the_version_that_is_for_them() {
    let server = Server::start();
    for version in [3, 4] {
        server.import("demo", &Made { version, ..Made::default() });
    }
    let project = server.app.auth().project_named("demo").expect("made before");
    let kinds = [("region", None), ("village", Some("region"))];
    for (code, parent) in kinds {
        let kind = LocationType {
            code: code.into(),
            name: code.into(),
            parent: parent.map(str::to_owned),
            ..LocationType::default()
        };
        server
            .app
            .put_location_type(&server.app.auth().operator_permit("test", &project), &kind)
            .expect("a type");
    }
    for (code, kind, parent) in
        [("north", "region", None), ("kanda", "village", Some("north")), ("south", "region", None)]
    {
        let new = NewLocation {
            site_code: code.into(),
            type_code: kind.into(),
            parent: parent.map(str::to_owned),
            ..NewLocation::default()
        };
        server.app.create_location(&server.app.auth().operator_permit("test", &project), &new).expect("made");
    }
    for (name, place) in [("amina", "kanda"), ("juma", "south")] {
        server.user("demo", name, None);
        let change = UserChange { locations: Some(vec![place.to_owned()]), ..UserChange::default() };
        let permit = server.app.auth().operator_permit("test", &project);
        server.app.change_worker(&permit, name, &change).expect("is placed");
    }
    let give = |version, place: &str, released| {
        let permit = server.app.auth().operator_permit("test", &project);
        let given = server.app.release_app_at(&permit, "app", version, (place, released));
        given.map(drop).map_err(|error| error.to_string())
    };
    assert!(give(3, "north", true).unwrap_err().contains("must be released before"));
    server.release("demo", "app", 3);
    server.release("demo", "app", 4);
    assert!(give(3, "nowhere", true).unwrap_err().contains("there is no location nowhere"));
    assert!(give(9, "north", true).is_err());
    give(3, "north", true).expect("is given");
    let ask =
        |query: &str| server.get(&format!("/a/demo/apps/download/app/profile.ccpr?latest=true{query}"), &[]);
    assert_eq!(profile(&ask("&username=amina")).version, 3, "below the location");
    assert_eq!(profile(&ask("&username=amina@demo.commcarehq.org&target=release")).version, 3);
    assert_eq!(profile(&ask("&username=amina&target=build")).version, 4);
    assert_eq!(profile(&ask("&username=juma")).version, 4);
    assert_eq!(profile(&ask("&username=nobody")).version, 4);
    let nameless = ask("");
    assert_eq!(nameless.status, 406);
    assert_eq!(nameless.json()["error"], "app.update.not.allowed.user.logged_out");
    // Who installs from a code has not signed in yet.
    let address = scanned(&server.get("/a/demo/apps/odk/app/qr_code/", &[]).body);
    assert_eq!(profile(&server.get(&target(&address), &[])).version, 4);
    // The phone is told of its version, not of the newest.
    let permit = server.app.auth().operator_permit("test", &project);
    server.app.set_app(&permit, "app", &[("prompt_update".to_owned(), "on".to_owned())]).expect("is set");
    let beat = |name: &str| {
        let login = basic(name, api_tests::PASSWORD);
        let path = "/a/demo/phone/heartbeat/app/?app_id=app&device_id=d&app_version=2";
        server.get(path, &[("Authorization", &login)]).json()["latest_ccz_version"]["value"].clone()
    };
    assert_eq!((beat("amina"), beat("juma")), (3.into(), 4.into()));
    // A nearer location wins, and taking back leaves the one above.
    give(4, "kanda", true).expect("is given");
    assert_eq!(profile(&ask("&username=amina")).version, 4);
    give(4, "kanda", false).expect("is taken back");
    assert_eq!(profile(&ask("&username=amina")).version, 3);
    give(3, "north", false).expect("is taken back");
    assert!(give(3, "north", false).is_err());
    assert_eq!(profile(&ask("")).version, 4);
}

#[test]
fn somebody_with_a_password_sees_what_can_be_installed() {
    let server = Server::start();
    server.project("far");
    server.import("demo", &Made::default());
    server.import("far", &Made { unique_id: "other", ..Made::default() });
    server.user("demo", "amina", None);
    server.user("demo", "chief@example.org", Some("admin"));
    let list = |name: &str, password: &str| {
        server.get("/phone/list_apps", &[("Authorization", &basic(name, password))])
    };
    let worker = "amina@demo.commcarehq.org";
    let none = list(worker, api_tests::PASSWORD);
    assert!(none.status == 200 && none.text().ends_with("<apps></apps>"), "{}", none.text());
    server.release("demo", "app", 3);
    server.release("far", "other", 3);
    for name in [worker, "chief@example.org"] {
        let seen = list(name, api_tests::PASSWORD);
        assert_eq!(seen.status, 200, "{}", seen.text());
        let address = format!("profile=\"{SITE}/a/demo/apps/download/app/profile.ccpr?latest=true\"");
        for part in ["domain=\"demo\"", "name=\"Maji\"", "version=\"3\"", &address] {
            assert!(seen.text().contains(part), "{part} is not in {}", seen.text());
        }
        assert!(!seen.text().contains("far"), "{}", seen.text());
    }
    for (name, password) in [
        (worker, "wrong"),
        ("nobody@demo.commcarehq.org", api_tests::PASSWORD),
        ("amina@nowhere.commcarehq.org", api_tests::PASSWORD),
        ("who@example.org", api_tests::PASSWORD),
    ] {
        assert_eq!(list(name, password).status, 401, "{name}");
    }
    assert_eq!(server.get("/phone/list_apps", &[]).status, 401);
}
