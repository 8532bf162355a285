//! Connections: keeping them, bounding them, ending them.

use api_tests::Server;
use api_tests::forms::form;
use bolster_http::HttpOptions;
use std::time::Duration;

fn quick() -> HttpOptions {
    let short = Duration::from_millis(300);
    HttpOptions { head_time: short, body_silence: short, ..HttpOptions::default() }
}

#[test]
fn many_requests_on_one_connection() {
    let server = Server::start();
    let mut connection = server.connect();
    for number in 0..20 {
        let id = format!("f{number}");
        let answer = connection.send("POST", "/a/demo/receiver/", &[], form(&id).as_bytes());
        assert_eq!(answer.header("x-commcarehq-formid"), Some(id.as_str()));
        assert_eq!(connection.send("HEAD", "/serverup.txt", &[], b"").status, 200);
        assert_eq!(connection.send("POST", "/a/demo/receiver/", &[], b"").status, 400);
    }
}

#[test]
fn requests_sent_before_the_answer_to_the_last() {
    let server = Server::start();
    let mut connection = server.connect();
    let mut bytes = Vec::new();
    for number in 0..5 {
        let body = form(&format!("f{number}"));
        let head =
            format!("POST /a/demo/receiver/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(body.as_bytes());
    }
    connection.write(&bytes);
    for number in 0..5 {
        assert_eq!(connection.read(false).header("x-commcarehq-formid"), Some(format!("f{number}").as_str()));
    }
}

#[test]
fn a_client_that_closes_its_sending_side_gets_its_answer() {
    let server = Server::start();
    let mut connection = server.connect();
    let body = form("f1");
    let head =
        format!("POST /a/demo/receiver/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    connection.write(head.as_bytes());
    connection.write(body.as_bytes());
    connection.finish();
    assert_eq!(connection.read(false).status, 201);
}

#[test]
fn a_refused_body_is_read_so_that_the_answer_arrives() {
    let server = Server::start();
    server.set("demo", "secure_submissions", "true");
    let mut connection = server.connect();
    let answer = connection.send("POST", "/a/demo/receiver/", &[], &vec![b'x'; 20 << 20]);
    assert_eq!(answer.status, 401);
    assert_eq!(connection.send("GET", "/serverup.txt", &[], b"").status, 200, "and the connection goes on");
}

#[test]
fn who_asks_first_is_told_before_sending() {
    let server = Server::start();
    let head = |project: &str, length: usize| {
        format!(
            "POST /a/{project}/receiver/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut connection = server.connect();
    connection.write(head("nowhere", 1000).as_bytes());
    assert_eq!(connection.read(false).status, 400, "no body is asked for");
    let mut connection = server.connect();
    let body = form("f1");
    connection.write(head("demo", body.len()).as_bytes());
    assert_eq!(connection.read(false).status, 100);
    connection.write(body.as_bytes());
    assert_eq!(connection.read(false).status, 201);
    let mut connection = server.connect();
    connection.write(head("demo", 10 << 30).as_bytes());
    assert_eq!(connection.read(false).status, 413);
}

#[test]
fn silent_clients_are_let_go() {
    let server = Server::with(quick());
    let mut silent = server.connect();
    let mut half_a_head = server.connect();
    half_a_head.write(b"POST /a/demo/rec");
    let mut half_a_body = server.connect();
    half_a_body.write(b"POST /a/demo/receiver/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<data");
    assert!(silent.is_closed());
    let late = half_a_head.try_read(false);
    assert!(late.is_none_or(|r| r.status == 408), "hung up, or told why");
    assert_eq!(half_a_body.read(false).status, 408);
    assert!(half_a_body.is_closed());
}

#[test]
fn heads_are_bounded() {
    let server = Server::start();
    let long = "x".repeat(40_000);
    let mut connection = server.connect();
    connection.write(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n").as_bytes());
    assert_eq!(connection.read(false).status, 431);
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let mut connection = server.connect();
    connection.write(format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes());
    assert_eq!(connection.read(false).status, 431);
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let server = Server::with(HttpOptions { connections_max: 2, ..HttpOptions::default() });
    let (mut one, mut two) = (server.connect(), server.connect());
    assert_eq!(one.send("GET", "/serverup.txt", &[], b"").status, 200);
    assert_eq!(two.send("GET", "/serverup.txt", &[], b"").status, 200);
    let mut three = server.connect();
    three.write(b"GET /serverup.txt HTTP/1.1\r\nHost: x\r\n\r\n");
    drop(one);
    assert_eq!(three.read(false).status, 200);
}

#[test]
fn stopping_finishes_what_is_under_way() {
    let mut server = Server::start();
    let mut idle = server.connect();
    assert_eq!(idle.send("GET", "/serverup.txt", &[], b"").status, 200);
    let mut busy = server.connect();
    let body = form("f1");
    let head = format!(
        "POST /a/demo/receiver/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    busy.write(head.as_bytes());
    assert_eq!(busy.read(false).status, 100, "the request is under way");
    server.tell_to_stop();
    assert!(idle.is_closed(), "an idle connection ends at once");
    busy.write(body.as_bytes());
    let answer = busy.read(false);
    assert_eq!((answer.status, answer.header("x-commcarehq-formid")), (201, Some("f1")));
    server.stop();
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

#[test]
fn large_bodies_share_a_bounded_memory() {
    let server = Server::with(HttpOptions { body_memory_max: 1 << 20, ..HttpOptions::default() });
    let large = form("large").replace("61", &"x".repeat(2 << 20));
    let answer = server.submit(&large);
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    let fits = form("fits").replace("61", &"x".repeat(900 << 10));
    assert_eq!(server.submit(&fits).status, 201);
}
