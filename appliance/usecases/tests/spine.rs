//! The spine without HTTP: forms in, cases out, durable, the same after any way of opening again.

use bolster_auth::{EditData, Entrance, Password, SubmitForm};
use bolster_env::{Env, OsRandom, RealDisk, SimClock};
use bolster_model::{Attachment, CaseId, FormId, FormState, ProjectId, SubmissionInfo, Timestamp};
use bolster_store::{LogOptions, Read, ReadExt, ScanRange, StoreOptions, Table};
use bolster_usecases::admin::users::NewUser;
use bolster_usecases::{Appliance, FormUpload, ServerSettings, SubmissionOutcome, SubmitMode};
use std::path::Path;
use std::sync::Arc;

const START: Timestamp = Timestamp(1_785_000_000_000_000);

fn open(dir: &Path) -> Appliance {
    let env = Env {
        disk: Arc::new(RealDisk::default()),
        clock: Arc::new(SimClock::at(START)),
        random: Arc::new(OsRandom),
    };
    let log = LogOptions { segment_bytes: 256 << 10, prepare_ahead: true };
    let options = StoreOptions { log, ..StoreOptions::default() };
    Appliance::open(env, dir, options, ServerSettings::default()).expect("opens")
}

fn project(app: &Appliance) -> ProjectId {
    if let Some(project) = app.auth().project_named("p") {
        return project.id;
    }
    app.create_project(&app.auth().operator_node_permit("test"), "p").expect("a project").id
}

fn submit(app: &Appliance, xml: &str) -> SubmissionOutcome {
    submit_with(app, xml, Vec::new())
}

fn submit_with(app: &Appliance, xml: &str, attachments: Vec<Attachment>) -> SubmissionOutcome {
    let project = app.auth().project_named("p").expect("made before");
    let permit = app
        .auth()
        .permit::<SubmitForm>(&app.auth().nobody(&project), &project, Entrance::Phone)
        .expect("open");
    let received_on = app.env().clock.now();
    let info = SubmissionInfo { received_on, attachments, ..SubmissionInfo::default() };
    let upload = FormUpload {
        project: project.id,
        xml: xml.as_bytes().to_vec(),
        info,
        mode: SubmitMode::default(),
        refused: None,
    };
    let (tell, told) = std::sync::mpsc::channel();
    app.submit(permit, upload, move |answer| drop(tell.send(answer)));
    told.recv().expect("an answer").expect("decided")
}

fn form(id: &str, case: &str, inner: &str) -> String {
    format!(
        "<data xmlns=\"http://example.org/f\"><case case_id=\"{case}\" user_id=\"u\" \
         date_modified=\"2026-01-01T10:00:00Z\" xmlns=\"http://commcarehq.org/case/transaction/v2\">{inner}\
         </case><meta xmlns=\"http://openrosa.org/jr/xforms\"><userID>u</userID><instanceID>{id}</instanceID>\
         </meta></data>"
    )
}

fn create(name: &str) -> String {
    format!("<create><case_type>t</case_type><case_name>{name}</case_name><owner_id>u</owner_id></create>")
}

/// Every row of every table that facts make.
fn rows(app: &Appliance) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let view = app.store().view();
    let mut all = Vec::new();
    for table in Table::ALL {
        let rows = view.scan(table, None, &ScanRange::all(Vec::new())).expect("reads");
        all.extend(rows.into_iter().map(|(key, value)| (table, key, value)));
    }
    all
}

/// A clock so late that every file is old enough to be collected.
fn collect(app: &Appliance) -> u64 {
    app.store().collect_blobs(|| true).expect("collected").removed
}

#[test]
fn files_stay_as_long_as_anything_that_was_accepted_names_them() {
    let dir = tempfile::tempdir().expect("folder");
    let mut env = Env::real();
    env.clock = Arc::new(SimClock::at(Timestamp(4_000_000_000_000_000)));
    let options = StoreOptions::default();
    let app = Appliance::open(env, dir.path(), options, ServerSettings::default()).expect("opens");
    project(&app);
    let file = |name: &str, bytes: &[u8]| {
        let mut staged = app.store().blobs().stage().expect("begins");
        staged.write(bytes).expect("writes");
        let (info, pin) = staged.finish().expect("finishes");
        let (name, content_type) = (name.to_owned(), "image/jpeg".to_owned());
        (Attachment { name, content_type, length: info.length, blob: info.digest, md5: info.md5 }, pin)
    };
    let photo = file("a.jpg", b"of a form");
    submit_with(&app, &form("f1", "c1", &create("x")), vec![photo.0.clone()]);
    let of_log = file("b.jpg", b"of a device log");
    let log = "<device_report xmlns=\"http://code.javarosa.org/devicereport\"><device_id>d</device_id></device_report>";
    let outcome = submit_with(&app, log, vec![of_log.0.clone()]);
    assert!(matches!(outcome, SubmissionOutcome::DeviceLog { .. }), "{outcome:?}");
    let of_nonsense = file("c.jpg", b"of what is no form");
    submit_with(&app, "no XML", vec![of_nonsense.0.clone()]);
    let refused = file("d.jpg", b"of a request that ended early");
    let big =
        format!("<create><case_type>t</case_type><case_name>{}</case_name></create>", "x".repeat(90_000));
    submit(&app, &form("f2", "c2", &big));
    assert_eq!(collect(&app), 0, "all of them are pinned");
    let digests = [&photo, &of_log, &of_nonsense, &refused].map(|(file, _)| file.blob);
    drop((photo, of_log, of_nonsense, refused));
    assert_eq!(collect(&app), 1, "one belongs to nobody");
    assert_eq!(digests.map(|digest| app.store().blobs().exists(&digest)), [true, true, true, false]);
    let f2 = app.store().view().form(project(&app), &FormId("f2".into())).expect("reads").expect("is there");
    let content = app.store().form_content(f2.content_lsn).expect("reads").expect("its XML is a file");
    assert!(content.xml.len() > 90_000);
    app.close();
}

#[test]
fn a_form_becomes_a_case_and_stays_one() {
    let dir = tempfile::tempdir().expect("folder");
    let app = open(dir.path());
    let p = project(&app);
    assert_eq!(
        submit(&app, &form("f1", "c1", &create("Ada"))),
        SubmissionOutcome::Stored { form_id: FormId::from("f1") }
    );
    submit(&app, &form("f2", "c1", "<update><weight>61</weight></update>"));
    let case = app.store().view().case(p, &CaseId::from("c1")).expect("reads").expect("is there");
    assert_eq!(case.name.value, "Ada");
    assert_eq!(case.properties[0].value, "61");
    assert_eq!(case.transaction_count, 2);
    let before = rows(&app);
    app.close();
    drop(app);
    let app = open(dir.path());
    assert_eq!(rows(&app), before, "after a clean stop");
    let content = app.store().view().form(p, &FormId::from("f1")).expect("reads").expect("is there");
    let content = app.store().form_content(content.content_lsn).expect("reads").expect("is there");
    assert_eq!(content.xml, form("f1", "c1", &create("Ada")).into_bytes(), "byte for byte");
}

#[test]
fn resends_edits_archives_and_waiting_forms() {
    let dir = tempfile::tempdir().expect("folder");
    let app = open(dir.path());
    let p = project(&app);
    let first = form("f1", "c1", &create("Ada"));
    submit(&app, &first);
    assert!(matches!(submit(&app, &first), SubmissionOutcome::Duplicate { .. }));
    submit(&app, &form("f1", "c1", &create("Eda")));
    let view = app.store().view();
    let case = |id: &str| app.store().view().case(p, &CaseId::from(id)).expect("reads");
    assert_eq!(case("c1").expect("is there").name.value, "Eda");
    assert!(
        matches!(submit(&app, &first), SubmissionOutcome::Duplicate { .. }),
        "an older version is no edit"
    );
    assert_eq!(case("c1").expect("is there").name.value, "Eda");
    let child = form("f2", "c2", "<index><parent case_type=\"t\">c3</parent></index>");
    assert!(matches!(submit(&app, &child), SubmissionOutcome::ContentError { .. }));
    assert!(case("c2").is_none());
    submit(&app, &form("f3", "c3", &create("Parent")));
    assert_eq!(case("c2").expect("the waiting form was processed").indices.len(), 1);
    let project = app.auth().project_named("p").expect("made");
    let permit = app.auth().operator_permit::<EditData>("test", &project);
    app.archive_form(&permit, &FormId::from("f3"), true).expect("archived");
    assert!(case("c3").expect("is there").deletion.is_deleted());
    app.archive_form(&permit, &FormId::from("f3"), false).expect("unarchived");
    assert!(!case("c3").expect("is there").deletion.is_deleted());
    let row = view.form(p, &FormId::from("f3")).expect("reads").expect("is there");
    assert_eq!((row.state, row.operations.len()), (FormState::Normal, 2));
}

#[test]
fn closing_a_host_closes_its_extensions_in_the_same_commit() {
    let dir = tempfile::tempdir().expect("folder");
    let app = open(dir.path());
    let p = project(&app);
    submit(&app, &form("f1", "host", &create("h")));
    let index = "<index><host case_type=\"t\" relationship=\"extension\">host</host></index>";
    submit(&app, &form("f2", "ext", &format!("{}{index}", create("e"))));
    submit(&app, &form("f3", "host", "<close/>"));
    let ext = app.store().view().case(p, &CaseId::from("ext")).expect("reads").expect("is there");
    assert!(ext.closed.value);
    assert_eq!(ext.closed_by, "system");
}

#[test]
fn a_lost_shard_comes_back_from_the_log_and_a_resize_changes_no_row() {
    let dir = tempfile::tempdir().expect("folder");
    let app = open(dir.path());
    project(&app);
    for n in 0..300 {
        submit(&app, &form(&format!("f{n}"), &format!("c{}", n % 40), &create(&n.to_string())));
    }
    let before = rows(&app);
    app.store().resize(5).expect("resized");
    assert_eq!(rows(&app), before, "after the resize");
    submit(&app, &form("late", "c1", "<update><x>1</x></update>"));
    let before = rows(&app);
    app.close();
    drop(app);
    let shard = std::fs::read_dir(dir.path().join("shards"))
        .expect("folder")
        .map(|e| e.expect("entry").path())
        .find(|p| p.extension().is_some_and(|e| e == "redb"))
        .expect("a shard");
    std::fs::remove_file(shard).expect("removed");
    let app = open(dir.path());
    assert_eq!(rows(&app), before, "after the loss of a shard");
    let report = bolster_changelog::verify(app.store().log(), |_| {}).expect("the log is sound");
    assert!(report.facts >= 301);
}

#[test]
fn people_sign_in_and_wrong_passwords_lock() {
    let dir = tempfile::tempdir().expect("folder");
    let app = open(dir.path());
    project(&app);
    let project = app.auth().project_named("p").expect("made");
    let permit = app.auth().operator_permit::<bolster_auth::EditUsers>("test", &project);
    let new = NewUser {
        name: "web@example.org".into(),
        web: true,
        admin: true,
        server_admin: false,
        role: None,
        data: Default::default(),
        locations: Vec::new(),
        groups: Vec::new(),
        profile: None,
        practice: false,
        id: None,
        password: Some(Password::new("right")),
    };
    app.create_user(&permit, &new).expect("created");
    let token = app.log_in("web@example.org", &Password::new("right"), None).expect("signed in");
    assert_eq!(app.auth().signed_in(&token).expect("known").user.username, "web@example.org");
    app.set_password(&permit, "web@example.org", &Password::new("other")).expect("changed");
    assert!(app.auth().signed_in(&token).is_err(), "a new password ends sessions");
    for _ in 0..5 {
        assert!(app.log_in("web@example.org", &Password::new("wrong"), None).is_err());
    }
    let locked = app.log_in("web@example.org", &Password::new("other"), None).expect_err("locked");
    assert!(locked.to_string().contains("too many wrong passwords"));
    let audit = app.auth().operator_permit("test", &project);
    let trail = app.audit_trail(&audit, None, 100).expect("reads");
    let actions: Vec<&str> = trail.iter().map(|line| line.action.as_str()).collect();
    assert!(actions.contains(&"web user added to project"), "{actions:?}");
    assert_eq!(actions.last(), Some(&"project created"), "the latest come first");
    let page = app.audit_trail(&audit, Some(trail[0].lsn), 1).expect("reads");
    assert_eq!(page.first(), trail.get(1), "a page goes on where the one before ended");
}
