//! Apps in a browser: a whole visit, and what must not happen.

use api_tests::web::Browser;
use api_tests::{PASSWORD, Server};
use bolster_env::Env;
use bolster_http::HttpOptions;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PATIENT: &str = "<create><case_type>patient</case_type><case_name>Ada</case_name><owner_id>OWNER</owner_id>\
                       </create><update><age>30</age></update>";

/// A patient of an owner.
pub fn patient(server: &Server, id: &str, owner: &str) {
    let block = format!(
        "<case xmlns=\"http://commcarehq.org/case/transaction/v2\" case_id=\"{id}\" user_id=\"u\" \
         date_modified=\"2026-05-02T08:00:00Z\">{}</case>",
        PATIENT.replace("OWNER", owner)
    );
    assert_eq!(server.submit(&api_tests::forms::form_with(&format!("make-{id}"), &block)).status, 201);
}

pub fn entities(screen: &Value) -> Vec<&str> {
    screen["entities"].as_array().into_iter().flatten().filter_map(|e| e["id"].as_str()).collect()
}

/// Opens the form of a visit of a patient.
fn open(browser: &Browser<'_>, patient: &str) -> String {
    let form = browser.go(&["1", patient, "0"]);
    form["session_id"].as_str().unwrap_or_else(|| panic!("no form: {form}")).to_owned()
}

fn submit(browser: &Browser<'_>, session: &str, temperature: &str) -> Value {
    let answers = json!({"0": "61.5", "1": temperature, "2": 2, "3": "Rest"});
    browser.ask("submit-all", json!({"session_id": session, "answers": answers, "prevalidated": true}))
}

#[test]
fn a_visit_from_the_list_to_the_case_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::on(Env::real(), folder.path(), HttpOptions::default());
    let amina = server.user("demo", "amina", None);
    let app = server.sample_app();
    patient(&server, "ada", &amina);
    patient(&server, "other", "somebody");
    let browser = Browser::open(&server, &amina, "amina@demo.commcarehq.org", &app);

    let home = browser.ask("navigate_menu_start", json!({"app_id": app}));
    assert_eq!(home["title"], "Village health");
    let names: Vec<&str> =
        home["commands"].as_array().unwrap().iter().filter_map(|c| c["displayText"].as_str()).collect();
    assert_eq!(names, ["Households", "Patients"]);
    assert_eq!(entities(&browser.go(&["1"])), ["ada"], "only her own");
    let patients = home["commands"][1]["id"].as_str().unwrap();
    assert_eq!(browser.go(&[patients])["entities"], browser.go(&["1"])["entities"], "a bookmark by id");
    let details = browser.ask("get_details", json!({"app_id": app, "selections": ["1", "ada"]}));
    assert_eq!(details["details"][0]["details"][0], "Ada");

    let session = open(&browser, "ada");
    let refused = browser.answer(&session, "1", "99");
    assert_eq!((&refused["status"], &refused["type"]), (&json!("validation-error"), &json!("constraint")));
    assert_eq!(browser.answer(&session, "1", "38.5")["status"], "accepted");
    drop(server);

    // Another process on the same folder: the form is where it was.
    let server = Server::on(Env::real(), folder.path(), HttpOptions::default());
    let browser = Browser::open(&server, &amina, "amina@demo.commcarehq.org", &app);
    let begun = browser.ask("get_sessions", json!({"app_id": app}));
    assert_eq!((&begun["total_records"], &begun["sessions"][0]["sessionId"]), (&json!(1), &json!(session)));
    let resumed = browser.ask("incomplete-form", json!({"session_id": session}));
    let figures = server.get("/metrics", &[]);
    let figures = figures.text();
    assert!(figures.contains("bolster_webapps_sessions 1\n"), "{figures}");
    assert!(figures.contains("bolster_webapps_session_lookups_total{result=\"miss\"} 1\n"), "{figures}");
    assert_eq!(resumed["tree"][1]["answer"], 38.5);

    let bad = submit(&browser, &session, "99");
    assert_eq!(bad["status"], "validation-error", "{bad}");
    assert_eq!(bad["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), ["1"]);
    let done = submit(&browser, &session, "37.5");
    assert_eq!(done["status"], "success", "{done}");
    // The next screen shows it.
    let visit = browser.go(&["1"])["entities"][0]["data"][1].clone();
    assert!(visit.as_str().is_some_and(|day| day.len() == 10), "{visit}");
    assert_eq!(browser.ask("get_sessions", json!({"app_id": app}))["total_records"], 0);
    // The same again, as after a lost answer, posts nothing.
    let head = server.app.store().status().head;
    let again = submit(&browser, &session, "37.5");
    assert!(again["exception"].as_str().is_some_and(|e| e.contains("Could not find form")), "{again}");
    assert_eq!(server.app.store().status().head, head);
}

const ENDPOINTS: [&str; 27] = [
    "navigate_menu",
    "navigate_menu_start",
    "get_details",
    "get_endpoint",
    "new-form",
    "incomplete-form",
    "delete-incomplete-form",
    "get_sessions",
    "answer",
    "clear_answer",
    "current",
    "next_index",
    "prev_index",
    "next",
    "new-repeat",
    "delete-repeat",
    "change_locale",
    "submit-all",
    "get-instance",
    "evaluate-xpath",
    "evaluate-menu-xpath",
    "menu_debugger_content",
    "formatted_questions",
    "sync-db",
    "interval_sync-db",
    "clear_user_data",
    "validate_form",
];

#[test]
fn every_endpoint_refuses_strangers_and_other_sites() {
    let server = Server::start();
    server.project("far");
    let amina = server.user("demo", "amina", None);
    let far = server.user("far", "far@example.org", None);
    let app = server.sample_app();
    patient(&server, "ada", &amina);
    let browser = Browser::open(&server, &amina, "amina@demo.commcarehq.org", &app);
    let stranger = Browser::open(&server, &far, "far@example.org", &app);
    let session = open(&browser, "ada");
    let body = json!({
        "domain": "demo", "username": "amina@demo.commcarehq.org", "app_id": app, "selections": ["1"],
        "session_id": session, "ix": "0", "answer": "1", "xpath": "1", "locale": "en", "answers": {},
    });
    for endpoint in ENDPOINTS {
        let target = format!("/formplayer/{endpoint}");
        let text = body.to_string();
        assert_eq!(server.post(&target, &[], text.as_bytes()).status, 403, "{endpoint} for nobody");
        let other_site = [("Cookie", browser.cookie()), ("X-XSRF-TOKEN", "0123")];
        assert_eq!(
            server.post(&target, &other_site, text.as_bytes()).status,
            403,
            "{endpoint} without token"
        );
        let no_key = [("X-MAC-DIGEST", "AAAA")];
        assert_eq!(server.post(&target, &no_key, text.as_bytes()).status, 403, "{endpoint} without key");
        if endpoint == "validate_form" {
            continue;
        }
        let answer = stranger.send(endpoint, body.clone());
        assert_eq!(answer.status, 403, "{endpoint} in her name: {}", answer.text());
        // In the stranger's own name her form does not exist.
        let own = json!({"session_id": session, "ix": "0", "answer": "1", "xpath": "1", "answers": {},
            "locale": "en", "domain": "far", "app_id": app});
        let answer = stranger.send(endpoint, own);
        assert!(
            !answer.text().contains("Ada") && !answer.text().contains("Weight"),
            "{endpoint}: {}",
            answer.text()
        );
    }
    assert_eq!(browser.answer(&session, "1", "38.5")["status"], "accepted", "nothing happened to her form");
}

#[test]
fn who_may_work_as_another() {
    let server = Server::start();
    let amina = server.user("demo", "amina", None);
    let binta = server.user("demo", "binta", None);
    let admin = server.user("demo", "admin@example.org", Some("admin"));
    let app = server.sample_app();
    patient(&server, "ada", &amina);
    let list = |browser: &Browser<'_>, other: &str| {
        browser.ask("navigate_menu", json!({"app_id": app, "selections": ["1"], "restoreAs": other}))
    };
    let boss = Browser::open(&server, &admin, "admin@example.org", &app);
    assert_eq!(entities(&list(&boss, "amina")), ["ada"]);
    assert_eq!(entities(&boss.go(&["1"])), Vec::<&str>::new(), "an administrator has no cases");
    let nobody = list(&boss, "nobody");
    assert!(nobody["exception"].as_str().is_some_and(|e| e.contains("there is no user nobody")), "{nobody}");
    let colleague = Browser::open(&server, &binta, "binta@demo.commcarehq.org", &app);
    let refused = list(&colleague, "amina");
    assert!(
        refused["exception"].as_str().is_some_and(|e| e.contains("does not have permission")),
        "{refused}"
    );
}

#[test]
fn what_cannot_be_answered_is_said_in_the_usual_shape() {
    let server = Server::start();
    let amina = server.user("demo", "amina", None);
    let app = server.sample_app();
    patient(&server, "ada", &amina);
    let browser = Browser::open(&server, &amina, "amina@demo.commcarehq.org", &app);
    for (endpoint, body, part) in [
        ("navigate_menu", json!({"app_id": "nope"}), "There is no app nope in the project demo"),
        (
            "answer",
            json!({"session_id": "nope", "ix": "0", "answer": "1"}),
            "Could not find form with id nope",
        ),
        ("answer", json!({"session_id": "../../etc/passwd", "ix": "0"}), "Could not find form"),
        ("nonsense", json!({}), "No endpoint POST /nonsense."),
    ] {
        let answer = browser.ask(endpoint, body);
        assert_eq!((&answer["status"], &answer["type"]), (&json!("error"), &json!("text")), "{answer}");
        assert!(answer["exception"].as_str().is_some_and(|e| e.contains(part)), "{answer}");
    }
    let lost = browser.go(&["1", "nobody"]);
    let sentence = lost["notification"]["message"].as_str().unwrap_or_default();
    assert!(
        lost["notification"]["error"] == true && sentence.contains("Could not select case nobody"),
        "{lost}"
    );
    let headers = [("Cookie", browser.cookie()), ("X-XSRF-TOKEN", browser.csrf())];
    for body in [&b"{"[..], b"[]", b"\xff", b"null", b"{\"domain\":7}"] {
        let answer = server.post("/formplayer/navigate_menu", &headers, body);
        assert_eq!(answer.status, 403, "nobody can tell whose it is: {}", answer.text());
    }
}

#[test]
fn two_windows_on_one_form_lose_nothing() {
    let server = Server::start();
    let amina = server.user("demo", "amina", None);
    let app = server.sample_app();
    patient(&server, "ada", &amina);
    let browser = Browser::open(&server, &amina, "amina@demo.commcarehq.org", &app);
    let session = open(&browser, "ada");
    let rounds = 20;
    let numbers: Vec<u64> = std::thread::scope(|scope| {
        let windows: Vec<_> = [("0", "61.5"), ("3", "Rest")]
            .map(|(ix, value)| {
                let (browser, session) = (&browser, &session);
                scope.spawn(move || -> Vec<u64> {
                    (0..rounds)
                        .filter_map(|_| browser.answer(session, ix, value)["seq_id"].as_u64())
                        .collect()
                })
            })
            .into();
        windows.into_iter().flat_map(|window| window.join().expect("a window")).collect()
    });
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!((numbers.len(), distinct.len()), (2 * rounds, 2 * rounds), "each answer has its own number");
    let form = browser.ask("incomplete-form", json!({"session_id": session}));
    assert_eq!((&form["tree"][0]["answer"], &form["tree"][3]["answer"]), (&json!(61.5), &json!("Rest")));
    // Sent from both at once, it is stored once.
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let windows: Vec<_> = (0..2).map(|_| scope.spawn(|| submit(&browser, &session, "37.5"))).collect();
        windows.into_iter().map(|window| window.join().expect("a window")).collect()
    });
    let done = answers.iter().filter(|answer| answer["status"] == "success").count();
    assert_eq!(done, 1, "{answers:?}");
}

#[test]
fn mobile_workers_sign_in_with_their_whole_name() {
    let server = Server::start();
    server.user("demo", "amina", None);
    let sign_in = |name: &str, password: &str| {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("username", name)
            .append_pair("password", password)
            .finish();
        server
            .post("/login/", &[("Content-Type", "application/x-www-form-urlencoded")], body.as_bytes())
            .status
    };
    assert_eq!(sign_in("Amina@demo.commcarehq.org", PASSWORD), 303);
    assert_eq!(sign_in("amina@demo.commcarehq.org", "wrong"), 401);
    assert_eq!(sign_in("amina", PASSWORD), 401, "whose project?");
    assert_eq!(sign_in("amina@nowhere.commcarehq.org", PASSWORD), 401);
}
