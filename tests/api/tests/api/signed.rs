//! Requests that a web runtime signs, and restores of a case.

use api_tests::Server;
use api_tests::client::{Response, basic};
use api_tests::forms::form_with;
use base64::Engine as _;
use bolster_http::{HttpOptions, RuntimeKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const KEY: &str = "a key of both";

fn signature(key: &str, data: &str) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key.as_bytes()).expect("any length is a key");
    mac.update(data.as_bytes());
    base64::prelude::BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

fn server() -> Server {
    let key = RuntimeKey::new(format!("{KEY}\n").as_bytes());
    Server::with(HttpOptions { runtime_key: key, ..HttpOptions::default() })
}

fn signed(server: &Server, target: &str) -> Response {
    server.get(target, &[("X-MAC-DIGEST", &signature(KEY, target))])
}

fn block(id: &str, name: &str, rest: &str) -> String {
    format!(
        "<case xmlns=\"http://commcarehq.org/case/transaction/v2\" case_id=\"{id}\" user_id=\"u\" \
         date_modified=\"2024-05-02T08:00:00Z\"><create><case_type>person</case_type><case_name>{name}</case_name>\
         <owner_id>x</owner_id></create>{rest}</case>"
    )
}

fn parent(id: &str) -> String {
    format!("<index><parent case_type=\"person\">{id}</parent></index>")
}

#[test]
fn a_runtime_gets_what_hangs_below_a_case() {
    let server = server();
    let family = [
        block("grandma", "Grandma", ""),
        block("ma", "Ma &amp; Co", &parent("grandma")),
        block("kid", "Kid", &parent("ma")),
        block("gone", "Gone", &format!("{}<close/>", parent("ma"))),
        block("aunt", "Aunt", &parent("grandma")),
    ];
    assert_eq!(server.submit(&form_with("f", &family.concat())).status, 201);
    let target = "/a/demo/phone/case_restore/ma/?version=2.0";
    let answer = signed(&server, target);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    for part in ["<username>Ma &amp; Co</username>", "<password/>", "<uuid>ma</uuid>", "case_id=\"kid\""] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    for part in ["case_id=\"grandma\"", "case_id=\"gone\"", "case_id=\"aunt\"", ">grandma</parent>"] {
        assert!(!text.contains(part), "{part} is in {text}");
    }
    assert_eq!(signed(&server, "/a/demo/phone/case_restore/nobody/").status, 404);
    assert_eq!(signed(&server, "/a/nowhere/phone/case_restore/ma/").status, 401);
}

#[test]
fn only_the_right_signature_of_this_address_counts() {
    let server = server();
    let worker = server.user("demo", "amina", None);
    server.submit(&form_with("f", &block("ma", "Ma", "")));
    let target = "/a/demo/phone/case_restore/ma/";
    let elsewhere = signature(KEY, "/a/demo/phone/case_restore/pa/");
    let other_key = signature("another key", target);
    for digest in [elsewhere.as_str(), other_key.as_str(), "", "xyz"] {
        assert_eq!(server.get(target, &[("X-MAC-DIGEST", digest)]).status, 401, "{digest}");
    }
    let login = basic("amina", api_tests::PASSWORD);
    assert_eq!(server.get(target, &[("Authorization", &login)]).status, 401, "no password helps there");
    // An ordinary restore, in the name of a worker.
    let nobody = signed(&server, "/a/demo/phone/restore/?version=2.0");
    assert_eq!((nobody.status, nobody.text()), (401, "User required"));
    let unknown = signed(&server, "/a/demo/phone/restore/?version=2.0&as=juma@demo.commcarehq.org");
    assert_eq!((unknown.status, unknown.text()), (401, "Unknown user"));
    let amina = signed(&server, "/a/demo/phone/restore/?version=2.0&as=amina@demo.commcarehq.org");
    assert!(
        amina.status == 200 && amina.text().contains(&format!("<uuid>{worker}</uuid>")),
        "{}",
        amina.text()
    );
    // A wrong signature is not made good by a right password.
    let both = [("Authorization", login.as_str()), ("X-MAC-DIGEST", elsewhere.as_str())];
    assert_eq!(server.get("/a/demo/phone/restore/", &both).status, 401);
    // Without a key nothing that is signed is taken.
    let keyless = Server::start();
    keyless.submit(&form_with("f", &block("ma", "Ma", "")));
    assert_eq!(signed(&keyless, target).status, 401);
}

#[test]
fn rings_of_cases_are_shown_until_they_are_mended() {
    let server = Server::start();
    let chief = server.user("demo", "chief@example.org", Some("admin"));
    let cookie = server.session(&chief);
    let page = |path: &str| server.get(path, &[("Cookie", &cookie)]);
    server.submit(&form_with("f1", &[block("a", "Ada", ""), block("b", "Bea", &parent("a"))].concat()));
    assert!(page("/a/demo/data/problems/").text().contains("Nothing is wrong"));
    let change = |id: &str, target: &str| {
        format!(
            "<case xmlns=\"http://commcarehq.org/case/transaction/v2\" case_id=\"{id}\" user_id=\"u\" \
             date_modified=\"2024-05-03T08:00:00Z\"><index><parent case_type=\"person\">{target}</parent></index></case>"
        )
    };
    server.submit(&form_with("f2", &change("a", "b")));
    server.submit(&form_with("f3", &block("self", "Sela", &parent("self"))));
    let shown = page("/a/demo/data/problems/");
    for part in ["Ada", "Bea", "Sela"] {
        assert!(shown.text().contains(part), "{part} is not in {}", shown.text());
    }
    assert!(page("/a/demo/data/").text().contains("Cases that index themselves: 2"));
    server.submit(&form_with("f4", &change("a", "")));
    let shown = page("/a/demo/data/problems/");
    assert!(!shown.text().contains("Ada") && shown.text().contains("Sela"), "{}", shown.text());
    server.submit(&form_with("f5", &change("self", "")));
    assert!(page("/a/demo/data/problems/").text().contains("Nothing is wrong"));
    assert!(!page("/a/demo/data/").text().contains("index themselves"));
}
