//! `…/phone/restore/` and `…/phone/claim-case/` as a phone sees them.

use api_tests::client::{Connection, basic};
use api_tests::forms::{block, create, form_with};
use api_tests::{PASSWORD, Server};
use flate2::read::GzDecoder;
use std::io::Read;

const RESTORE: &str = "/a/demo/phone/restore/?version=2.0&items=true&device_id=d1";

fn login(user: &str) -> String {
    basic(&format!("{user}@demo.commcarehq.org"), PASSWORD)
}

fn token(payload: &str) -> String {
    let (_, rest) = payload.split_once("<restore_id>").expect("a token");
    rest.split('<').next().expect("its end").to_owned()
}

/// A server with the worker amina, who owns one case.
fn with_a_case() -> (Server, String) {
    let server = Server::start();
    let user = server.user("demo", "amina", None);
    let xml = form_with("f1", &create("c1", "Ada").replace("u1", &user));
    assert_eq!(server.submit(&xml).status, 201);
    (server, user)
}

#[test]
fn a_worker_gets_everything_and_then_what_changed() {
    let (server, user) = with_a_case();
    let headers = [("Authorization", login("amina"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let first = server.get(RESTORE, &headers);
    assert_eq!(first.status, 200);
    assert_eq!(first.header("content-type"), Some("text/xml; charset=utf-8"));
    assert!(first.header("date").is_some_and(|date| date.ends_with("GMT")));
    let text = first.text();
    assert!(text.contains("<message nature=\"ota_restore_success\">"), "{text}");
    assert!(text.contains("case_id=\"c1\"") && text.contains("<create>"), "{text}");
    let items = text.split("items=\"").nth(1).and_then(|t| t.split('"').next()).expect("items");
    assert_eq!(items, "5", "message, Sync, Registration, user-groups, a case: {text}");

    let next = format!("{RESTORE}&since={}&state=ccsh:a8b5f1b9b6e7a34ee0e8b0d6e1a4f3f5", token(text));
    assert_eq!(server.get(&next, &headers).status, 412, "a hash that nothing explains");
    let next = format!("{RESTORE}&since={}", token(text));
    let nothing = server.get(&next, &headers);
    assert!(!nothing.text().contains("<case"), "{}", nothing.text());
    assert_ne!(token(nothing.text()), token(text));
    let other = form_with("f2", &block("c1", "<update><weight>70</weight></update>").replace("u1", &user));
    assert_eq!(server.submit(&other).status, 201);
    for _ in 0..2 {
        // Sent again, because the answer may have been lost.
        let changed = server.get(&next, &headers);
        assert!(changed.text().contains("<weight>70</weight>"), "{}", changed.text());
        assert!(!changed.text().contains("<create>"), "{}", changed.text());
    }
}

#[test]
fn a_large_payload_comes_compressed_and_in_chunks() {
    let (server, user) = with_a_case();
    for form in 0..20 {
        let blocks: String =
            (0..100).map(|n| create(&format!("case-{form}-{n}"), "A person with a name")).collect();
        assert_eq!(
            server.submit(&form_with(&format!("many{form}"), &blocks).replace("u1", &user)).status,
            201
        );
    }
    let login = login("amina");
    let plain = server.get(RESTORE, &[("Authorization", &login)]);
    assert_eq!(plain.header("transfer-encoding"), Some("chunked"));
    assert_eq!(plain.text().matches("<case ").count(), 2_001);
    let packed = server.get(RESTORE, &[("Authorization", &login), ("Accept-Encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len() / 8);
    let mut text = String::new();
    GzDecoder::new(packed.body.as_slice()).read_to_string(&mut text).expect("is gzip");
    assert_eq!(text.matches("<case ").count(), 2_001);

    let packed = server.get(RESTORE, &[("Authorization", &login), ("Accept-Encoding", "gzip, br, zstd")]);
    assert_eq!(packed.header("content-encoding"), Some("zstd"));
    assert!(packed.body.len() < plain.body.len() / 8);

    // Hanging up in the middle costs nothing.
    for _ in 0..3 {
        Connection::open(server.address).send_and_hang_up("GET", RESTORE, &[("Authorization", &login)], b"");
    }
    let again = server.get(RESTORE, &[("Authorization", &login)]);
    assert_eq!(again.text().matches("<case ").count(), 2_001);
}

#[test]
fn who_may_not_is_told_why() {
    let (server, user) = with_a_case();
    server.user("demo", "juma", None);
    let amina = login("amina");
    let ask =
        |query: &str, login: &str| server.get(&format!("{RESTORE}{query}"), &[("Authorization", login)]);

    let bare = server.get(RESTORE, &[]);
    assert_eq!(bare.status, 401);
    assert!(bare.header("www-authenticate").is_some_and(|c| c.starts_with("Basic")), "{bare:?}");
    let wrong = basic("amina@demo.commcarehq.org", "wrong");
    assert_eq!(ask("", &wrong).status, 401);
    let odd = server.get("/a/demo/phone/restore/?version=9.0", &[("Authorization", &amina)]);
    assert_eq!(odd.status, 400);
    let missing = server.get("/a/nowhere/phone/restore/", &[("Authorization", &amina)]);
    assert_eq!(missing.status, 401, "who is asked, not where he asked");

    let mine = token(ask("", &amina).text());
    for (query, login) in [
        ("&since=0123456789abcdef0123456789abcdef".to_owned(), &amina),
        ("&since=..%2F..%2Fetc".to_owned(), &amina),
        (format!("&since={mine}"), &login("juma")),
        ("&user_id=somebody-else".to_owned(), &amina),
    ] {
        let answer = ask(&query, login);
        assert_eq!(answer.status, 412, "{query}");
        assert_eq!(answer.openrosa().0, "ota_restore_error", "{query}");
    }
    assert_eq!(ask(&format!("&user_id={user}"), &amina).status, 200);
    assert_eq!(ask("&as=nobody@demo.commcarehq.org", &amina).status, 401);
    assert_eq!(ask("&as=juma@demo.commcarehq.org", &amina).status, 401, "a worker may not be another");

    server.deactivate("demo", "amina");
    let answer = ask("", &amina);
    assert_eq!((answer.status, answer.json()["error"].as_str()), (406, Some("user.deactivated")));
}

#[test]
fn a_claim_makes_a_case_come_and_closing_it_lets_it_go() {
    let (server, _) = with_a_case();
    let juma_id = server.user("demo", "juma", None);
    let juma = login("juma");
    let claim = |body: &str| {
        let headers =
            [("Authorization", juma.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        server.post("/a/demo/phone/claim-case/", &headers, body.as_bytes())
    };
    assert_eq!(claim("").status, 400);
    assert_eq!(claim("case_id=nowhere").status, 410);
    assert_eq!(claim("case_id=c1&case_id=nowhere").status, 410);
    assert!(
        !server.get(RESTORE, &[("Authorization", &juma)]).text().contains("<case "),
        "nothing was claimed"
    );
    assert_eq!(claim("case_id=c1&case_type=patient&case_name=Ada").status, 201);
    let payload = server.get(RESTORE, &[("Authorization", &juma)]);
    assert!(payload.text().contains("case_id=\"c1\""), "{}", payload.text());
    let claimed = {
        let headers =
            [("Authorization", juma.as_str()), ("X-CommCareHQ-LastSyncToken", &token(payload.text()))];
        server.post("/a/demo/phone/claim-case/?", &headers, b"case_id=c1").status
    };
    assert_eq!(claimed, 204, "it is on the phone already");
    let (_, rest) = payload.text().split_once("<case_type>commcare-case-claim").expect("the claim");
    assert!(rest.contains("relationship=\"extension\">c1"), "{rest}");
    let before = payload.text().split("<case_type>commcare-case-claim").next().expect("what is before");
    let id = before.rsplit("case_id=\"").next().and_then(|t| t.split('"').next()).expect("an id");
    let done = form_with("done", &block(id, "<close/>")).replace("u1", &juma_id);
    assert_eq!(server.submit(&done).status, 201);
    assert!(!server.get(RESTORE, &[("Authorization", &juma)]).text().contains("<case "), "it is let go");
}
