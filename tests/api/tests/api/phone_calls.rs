//! Small calls of the CommCare app.

use api_tests::apps::Made;
use api_tests::client::basic;
use api_tests::{PASSWORD, Server};
use bolster_auth::{EditApps, ViewUsers};

fn login() -> String {
    basic("amina@demo.commcarehq.org", PASSWORD)
}

#[test]
fn a_key_stays_the_same_and_is_each_users_own() {
    let server = Server::start();
    server.user("demo", "amina", None);
    server.user("demo", "juma", None);
    let path = "/a/demo/phone/keys/?device_id=d1&last_issued=2024-01-01T00:00:00Z";
    let bare = server.get(path, &[]);
    assert_eq!(bare.status, 401);
    assert!(bare.header("www-authenticate").unwrap().starts_with("Basic"));
    let key = |user: &str| {
        let login = basic(&format!("{user}@demo.commcarehq.org"), PASSWORD);
        let answer = server.get(path, &[("Authorization", &login)]);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml; charset=utf-8")));
        let text = answer.text().to_owned();
        assert!(text.contains("<auth_keys domain=\"demo\" issued=\""), "{text}");
        let part =
            |from: &str, to: &str| text.split(from).nth(1).unwrap().split(to).next().unwrap().to_owned();
        (part("<uuid>", "</uuid>"), part("<key type=\"AES256\">", "</key>"))
    };
    let first = key("amina");
    assert_eq!(first.1.len(), 44);
    assert_eq!(key("amina"), first);
    assert_ne!(key("juma"), first);
    let wrong = basic("amina@demo.commcarehq.org", "wrong");
    assert_eq!(server.get(path, &[("Authorization", &wrong)]).status, 401);
    server.deactivate("demo", "amina");
    let answer = server.get(path, &[("Authorization", &login())]);
    assert_eq!((answer.status, answer.json()["error"].as_str()), (406, Some("user.deactivated")));
}

#[test]
fn a_heartbeat_is_noted_and_answered_for_the_app() {
    let server = Server::start();
    server.user("demo", "amina", None);
    let build = server.import("demo", &Made::default()).build.id;
    let beat = |build: &str, app: &str| {
        let query = "device_id=d1&app_version=3&cc_version=2.53&num_unsent_forms=7&num_quarantined_forms=0\
                     &last_sync_time=&build_profile_id=&fcm_token=";
        let path = format!("/a/demo/phone/heartbeat/{build}/?app_id={app}&{query}");
        let answer = server.get(&path, &[("Authorization", &login())]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let quiet = serde_json::json!({"app_id": "app", "latest_apk_version": {}, "latest_ccz_version": {}});
    assert_eq!(beat(&build, "app"), quiet);
    // A build that nobody knows is no reason to fail.
    assert_eq!(beat("gone", "app")["app_id"], "app");
    let project = server.app.auth().project_named("demo").unwrap();
    let permit = server.app.auth().operator_permit::<EditApps>("test", &project);
    let set = |key: &str, value: &str| {
        server.app.set_app(&permit, "app", &[(key.to_owned(), value.to_owned())]).map(|_| ())
    };
    set("prompt_update", "forced").unwrap();
    assert_eq!(beat(&build, "app")["latest_ccz_version"], serde_json::json!({}), "nothing is released");
    server.release("demo", "app", 3);
    let expected = serde_json::json!({"value": 3, "force": true});
    assert_eq!(beat(&build, "app")["latest_ccz_version"], expected);
    assert!(set("prompt_update", "perhaps").is_err());

    let permit = server.app.auth().operator_permit::<ViewUsers>("test", &project);
    let devices = server.app.devices(&permit).unwrap();
    let said: Vec<_> =
        devices.iter().map(|d| (d.said.device_id.as_str(), d.said.unsent_forms.as_str())).collect();
    assert_eq!(said, [("d1", "7")]);

    let recovery = || server.get(&format!("/a/demo/phone/recovery_measures/{build}/?app_id=app"), &[]).json();
    assert_eq!(recovery()["recovery_measures"], serde_json::json!(null));
    assert_eq!(recovery()["app_id"], "app");
    set("recovery", "app_update").unwrap();
    let expected = serde_json::json!([{"sequence_number": 1, "type": "app_update"}]);
    assert_eq!(recovery()["recovery_measures"], expected);
    set("recovery", "none").unwrap();
    set("recovery", "cc_update").unwrap();
    let expected = serde_json::json!([{"sequence_number": 2, "type": "cc_update"}]);
    assert_eq!(recovery()["recovery_measures"], expected);
}

#[test]
fn numbers_rise_without_gaps_and_are_never_given_twice() {
    let server = Server::start();
    server.user("demo", "amina", None);
    let next = |query: &str| {
        let path = format!("/a/demo/phone/get_next_id/?{query}");
        let answer = server.get(&path, &[("Authorization", &login())]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().parse::<u64>().unwrap()
    };
    assert_eq!([next("pool_id=a"), next("pool_id=a"), next("pool_id=b")], [1, 2, 1]);
    assert_eq!(
        [next("pool_id=a&session_id=s"), next("pool_id=a&session_id=s"), next("pool_id=a")],
        [3, 3, 4]
    );
    assert_eq!(next("pool_id=b&session_id=s"), 2);
    for query in ["", "?pool_id=", "?pool_id=a%00b"] {
        let answer =
            server.get(&format!("/a/demo/phone/get_next_id/{query}"), &[("Authorization", &login())]);
        assert_eq!(answer.status, 400, "{query}");
    }
    let mut given: Vec<u64> = std::thread::scope(|scope| {
        let ask = || (0..5).map(|_| next("pool_id=many")).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    given.sort_unstable();
    assert_eq!(given, (1..=20).collect::<Vec<_>>());
}
