//! A simulated disk loses power before every single call of a scripted run. Whatever it leaves behind opens,
//! holds every acknowledged form whole and once, and every other one whole or not at all.

use bolster_auth::{Entrance, SubmitForm};
use bolster_env::{Env, Image, SeededRandom, SimClock, SimDisk};
use bolster_model::{CaseId, FormId, FormState, SubmissionInfo, Timestamp};
use bolster_store::{LogOptions, ReadExt, StoreOptions};
use bolster_usecases::{Appliance, FormUpload, ServerSettings, SubmitFormError, SubmitMode};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const FORMS: u64 = 120;
const DIR: &str = "/data";

fn open(disk: &SimDisk, prepare_ahead: bool) -> Appliance {
    let env = Env {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000))),
        random: Arc::new(SeededRandom::new(disk.calls() + 1)),
    };
    let log = LogOptions { segment_bytes: 48 << 10, prepare_ahead };
    let options = StoreOptions { log, shard_cache_bytes: 1 << 20, ..StoreOptions::default() };
    Appliance::open(env, Path::new(DIR), options, ServerSettings::default()).expect("opens")
}

fn xml(n: u64) -> String {
    let (case, pad) = (n % 7, "y".repeat((n as usize * 131) % 900));
    let block = "xmlns=\"http://commcarehq.org/case/transaction/v2\" user_id=\"u\" \
                 date_modified=\"2026-01-01T10:00:00Z\"";
    format!(
        "<data xmlns=\"http://example.org/f\"><pad>{pad}</pad><case case_id=\"own{n}\" {block}>\
         <create><case_type>t</case_type><case_name>{n}</case_name><owner_id>u</owner_id></create></case>\
         <g><case case_id=\"shared{case}\" {block}><update><last>{n}</last></update></case></g>\
         <meta xmlns=\"http://openrosa.org/jr/xforms\"><userID>u</userID><instanceID>f{n}</instanceID></meta>\
         </data>"
    )
}

fn submit(app: &Appliance, n: u64) -> Result<(), SubmitFormError> {
    let project = app.auth().project_named("p").expect("made first");
    let nobody = app.auth().nobody(&project);
    let permit =
        app.auth().permit::<SubmitForm>(&nobody, &project, Entrance::Phone).expect("an open project");
    let info = SubmissionInfo { received_on: app.env().clock.now(), ..SubmissionInfo::default() };
    let upload = FormUpload {
        project: project.id,
        xml: xml(n).into_bytes(),
        info,
        mode: SubmitMode::default(),
        refused: None,
    };
    let (tell, told) = std::sync::mpsc::channel();
    app.submit(permit, upload, move |answer| drop(tell.send(answer)));
    told.recv().expect("an answer").map(|_| ())
}

/// Opens what a crash left behind and looks at every form.
fn inspect(disk: &SimDisk, acknowledged: u64, what: &str) -> (u64, u64) {
    let app = open(disk, false);
    let Some(project) = app.auth().project_named("p") else {
        assert_eq!(acknowledged, 0, "{what}: the project is gone");
        app.close();
        return (0, 0);
    };
    let view = app.store().view();
    let (mut whole, mut absent) = (0, 0);
    for n in 0..FORMS {
        let row = view.form(project.id, &FormId(format!("f{n}"))).expect("reads");
        let case = view.case(project.id, &CaseId(format!("own{n}"))).expect("reads");
        assert_eq!(row.is_some(), case.is_some(), "{what}: form {n} and its case come together");
        let Some(row) = row else {
            assert!(n >= acknowledged, "{what}: form {n} was acknowledged and is lost");
            absent += 1;
            continue;
        };
        assert_eq!(row.state, FormState::Normal);
        let content = app.store().form_content(row.content_lsn).expect("reads").expect("is there");
        assert_eq!(content.xml, xml(n).into_bytes(), "{what}: form {n} is whole");
        let shared = CaseId(format!("shared{}", n % 7));
        let history = view.transactions(project.id, &shared).expect("reads");
        let times = history.iter().filter(|t| t.form_id.as_ref() == Some(&row.form_id)).count();
        assert_eq!(times, 1, "{what}: form {n} stands once in the history");
        whole += 1;
    }
    bolster_changelog::verify(app.store().log(), |_| {}).unwrap_or_else(|e| panic!("{what}: {e}"));
    // Life goes on.
    submit(&app, 1_000_000).expect("takes new forms");
    app.close();
    (whole, absent)
}

#[test]
fn every_disk_call_may_be_the_last() {
    let seeds: u64 = std::env::var("BOLSTER_CRASH_SEEDS").ok().and_then(|v| v.parse().ok()).unwrap_or(5);
    let disk = SimDisk::default();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let images: Arc<Mutex<Vec<(Image, u64)>>> = Arc::default();
    let (seen, known) = (images.clone(), acknowledged.clone());
    disk.observe(Box::new(move |image| {
        let known = known.load(Ordering::SeqCst);
        seen.lock().expect("no panic").push((image.clone(), known));
    }));
    let app = open(&disk, true);
    app.create_project(&app.auth().operator_node_permit("test"), "p").expect("a project");
    for n in 0..FORMS {
        submit(&app, n).expect("stored");
        acknowledged.store(n + 1, Ordering::SeqCst);
        if n % 40 == 39 {
            app.store().flush().expect("written");
        }
    }
    app.close();
    disk.observe(Box::new(|_| {}));
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    let (mut whole, mut absent) = (0, 0);
    for (image, acknowledged) in &images {
        let call = image.call();
        for seed in 0..seeds {
            let what = format!("crash before call {call}, seed {seed}");
            let (w, a) = inspect(&image.crash(call * 1000 + seed), *acknowledged, &what);
            whole += w;
            absent += a;
        }
    }
    let crashes = images.len() as u64 * seeds;
    println!("{crashes} simulated crashes: {whole} forms found whole, {absent} not yet there");
    assert!(images.len() > 100);
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    let disk = SimDisk::default();
    let app = open(&disk, false);
    app.create_project(&app.auth().operator_node_permit("test"), "p").expect("a project");
    for n in 0..20 {
        submit(&app, n).expect("stored");
    }
    disk.set_room(Some(0));
    let mut n = 20;
    let refused = loop {
        match submit(&app, n) {
            Ok(()) => n += 1,
            Err(error) => break error,
        }
        assert!(n < 5_000, "a full disk is noticed");
    };
    assert!(matches!(refused, SubmitFormError::DiskFull), "{refused}");
    let project = app.auth().project_named("p").expect("made");
    let read = app.store().view().form(project.id, &FormId("f3".into())).expect("reading goes on");
    assert!(read.is_some());
    disk.set_room(None);
    submit(&app, n).expect("takes forms again without a restart");
    for n in 0..=n {
        assert!(app.store().view().form(project.id, &FormId(format!("f{n}"))).expect("reads").is_some());
    }
    app.close();
}
