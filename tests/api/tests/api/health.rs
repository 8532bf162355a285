//! State and figures.

use api_tests::Server;
use api_tests::forms::form;

#[test]
fn phones_find_out_whether_they_are_online() {
    let server = Server::start();
    let answer = server.get("/serverup.txt", &[]);
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"success"[..]));
}

#[test]
fn health_says_how_far_everything_has_come() {
    let server = Server::start();
    server.submit(&form("f1"));
    server.app.store().flush().expect("written");
    let answer = server.get("/healthz", &[]);
    assert_eq!(answer.status, 200);
    let value = answer.json();
    assert_eq!(value["ready"], true);
    assert_eq!(value["log_head"], server.app.store().status().head);
    assert_eq!(value["readers"].as_array().unwrap().len(), 2);
    assert_eq!(value["readers"][0]["lag"], 0);
    server.app.settings().set_maintenance(true);
    let answer = server.get("/healthz", &[]);
    assert_eq!((answer.status, &answer.json()["ready"]), (503, &false.into()));
}

#[test]
fn figures_count_what_happened() {
    let server = Server::start();
    server.submit(&form("f1"));
    server.submit(&form("f1"));
    server.submit("no form");
    server.get("/nowhere", &[]);
    let answer = server.get("/metrics", &[]);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    for line in [
        "bolster_submissions_total{outcome=\"stored\"} 1",
        "bolster_submissions_total{outcome=\"duplicate\"} 1",
        "bolster_submissions_total{outcome=\"unparseable\"} 1",
        "bolster_http_answers_total{route=\"/a/{project}/receiver\",status=\"2xx\"} 2",
        "bolster_http_answers_total{route=\"other\",status=\"4xx\"} 1",
        "bolster_submission_seconds_count 3",
        "bolster_submission_seconds_bucket{le=\"+Inf\"} 3",
        "bolster_http_panics_total 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("demo"), "no project is named");
}
