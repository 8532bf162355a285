//! Who may send forms.

use api_tests::client::{basic, digest};
use api_tests::forms::{block, create, form, form_with};
use api_tests::{PASSWORD, Server};

const SECURE: &str = "/a/demo/receiver/secure/app-1/";

fn server() -> Server {
    let server = Server::start();
    server.project("far");
    server.user("demo", "amina", None);
    server.user("far", "far", None);
    server
}

#[test]
fn the_secure_address_asks_with_basic_and_takes_what_phones_send() {
    let server = server();
    let bare = server.post(SECURE, &[], form("f1").as_bytes());
    assert_eq!(bare.status, 401);
    assert!(bare.header("www-authenticate").unwrap().starts_with("Basic "));
    assert_eq!(bare.header("x-commcarehq-formid"), None);
    let rows = [
        ("amina@demo.commcarehq.org", PASSWORD, 201),
        ("AMINA@demo.commcarehq.org", PASSWORD, 201),
        ("amina@demo.commcarehq.org", "wrong", 401),
        ("nobody@demo.commcarehq.org", PASSWORD, 401),
        ("far@far.commcarehq.org", PASSWORD, 403),
    ];
    for (number, (user, password, status)) in rows.into_iter().enumerate() {
        let login = basic(user, password);
        let answer =
            server.post(SECURE, &[("Authorization", &login)], form(&format!("f{number}")).as_bytes());
        assert_eq!(answer.status, status, "{user} {password}: {}", answer.text());
    }
    let no_base64 = server.post(SECURE, &[("Authorization", "Basic %%%")], form("x").as_bytes());
    assert_eq!(no_base64.status, 401);
}

#[test]
fn a_project_can_demand_credentials_on_the_plain_address() {
    let server = server();
    assert_eq!(server.submit(&form("f1")).status, 201);
    server.set("demo", "secure_submissions", "true");
    let answer = server.submit(&form("f2"));
    assert_eq!(answer.status, 401, "no redirect, which would lose the form");
    let login = basic("amina@demo.commcarehq.org", PASSWORD);
    assert_eq!(
        server.post("/a/demo/receiver/", &[("Authorization", &login)], form("f2").as_bytes()).status,
        201
    );
}

#[test]
fn digest_session_and_key() {
    let server = server();
    let web = server.user("demo", "web@example.org", None);
    let target = format!("{SECURE}?authtype=digest");
    let bare = server.post(&target, &[], form("f1").as_bytes());
    let challenge = bare.header("www-authenticate").unwrap().to_owned();
    assert!(challenge.starts_with("Digest "), "{challenge}");
    let login = digest(&challenge, "amina@demo.commcarehq.org", PASSWORD, ("POST", &target), 1);
    assert_eq!(server.post(&target, &[("Authorization", &login)], form("f1").as_bytes()).status, 201);
    let cookie = server.session(&web);
    assert_eq!(server.post(SECURE, &[("Cookie", &cookie)], form("f2").as_bytes()).status, 201);
    assert_eq!(server.post(SECURE, &[("Cookie", "sessionid=00")], form("f3").as_bytes()).status, 401);
    let key = server.key("demo", "web@example.org");
    assert_eq!(server.post(SECURE, &[("Authorization", &key)], form("f4").as_bytes()).status, 201);
    let worker = server.key("demo", "amina@demo.commcarehq.org");
    let answer = server.post(SECURE, &[("Authorization", &worker)], form("f5").as_bytes());
    assert_eq!(answer.status, 403, "a key needs the permissions of the API: {}", answer.text());
}

#[test]
fn old_phones_are_asked_with_digest() {
    let server = server();
    let agent = "NokiaC2-01/5.0 (11.40) Profile/MIDP-2.1 Configuration/CLDC-1.1";
    let answer = server.post(SECURE, &[("User-Agent", agent)], form("f1").as_bytes());
    assert!(answer.header("www-authenticate").unwrap().starts_with("Digest "));
}

#[test]
fn unknown_kinds_of_credentials() {
    let server = server();
    let text = "authtype must be one of: digest,basic,noauth,api_key,oauth2";
    let answer = server.post(&format!("{SECURE}?authtype=kerberos"), &[], form("f1").as_bytes());
    assert_eq!((answer.status, answer.text()), (400, text));
    let answer = server.post(SECURE, &[("X-MAC-DIGEST", "abc")], form("f1").as_bytes());
    assert_eq!((answer.status, answer.text()), (400, text));
    let answer = server.post(SECURE, &[("Authorization", "Bearer abc")], form("f1").as_bytes());
    assert_eq!(answer.status, 401);
}

#[test]
fn the_address_for_programs_needs_the_permissions_of_the_api() {
    let server = server();
    server.user("demo", "web@example.org", None);
    server.user("demo", "reader@example.org", Some("Read Only"));
    let target = "/a/demo/receiver/api/";
    let bare = server.post(target, &[], form("f1").as_bytes());
    assert_eq!(bare.status, 401);
    assert!(bare.header("www-authenticate").unwrap().starts_with("Digest "));
    for (user, status) in
        [("web@example.org", 201), ("reader@example.org", 403), ("amina@demo.commcarehq.org", 403)]
    {
        let login = basic(user, PASSWORD);
        let answer = server.post(target, &[("Authorization", &login)], form("f1").as_bytes());
        assert_eq!(answer.status, status, "{user}: {}", answer.text());
    }
}

#[test]
fn a_deactivated_worker_is_told_so_on_the_phone() {
    let server = server();
    let login = basic("amina@demo.commcarehq.org", PASSWORD);
    assert_eq!(server.post(SECURE, &[("Authorization", &login)], form("f1").as_bytes()).status, 201);
    server.deactivate("demo", "amina");
    let answer = server.post(SECURE, &[("Authorization", &login)], form("f2").as_bytes());
    assert_eq!(answer.status, 406);
    assert!(answer.text().contains("<error>user.deactivated</error>"), "{}", answer.text());
}

#[test]
fn without_credentials_only_what_harms_nobody() {
    let server = server();
    let demo = |xml: String| xml.replace("u1", "demo_user");
    let log = "<device_report xmlns=\"http://code.javarosa.org/devicereport\"/>".to_owned();
    let foreign = demo(form_with("f4", &create("c4", "n"))).replace("<owner_id>demo_user", "<owner_id>u1");
    let rows = [
        ("another user", form("f1"), "", 403),
        ("another user in demo mode: dropped", form("f2"), "&submit_mode=demo", 201),
        ("the demo user", demo(form("f3")), "", 201),
        ("a case of somebody else", foreign, "", 403),
        ("a case of the demo user", demo(form_with("f5", &create("c5", "n"))), "", 201),
        ("a device log", log, "", 201),
        ("no XML", "<data".to_owned(), "", 422),
    ];
    for (what, xml, query, status) in rows {
        let target = format!("{SECURE}?authtype=noauth{query}");
        let answer = server.post(&target, &[("X-OpenRosa-Version", "3.0")], xml.as_bytes());
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        if what.ends_with("dropped") {
            assert_eq!(answer.openrosa().1, "√ (this submission was ignored)");
            assert_eq!(answer.header("x-commcarehq-formid"), None);
        }
    }
    server.submit(&form_with("own", &create("taken", "n")));
    let update = demo(form_with("f6", &block("taken", "<update><weight>1</weight></update>")));
    let answer = server.post(&format!("{SECURE}?authtype=noauth"), &[], update.as_bytes());
    assert_eq!(answer.status, 403, "a case that somebody owns");
}

#[test]
fn demo_mode_drops_forms_of_real_users() {
    let server = server();
    let answer = server.post("/a/demo/receiver/?submit_mode=demo", &[], form("f1").as_bytes());
    assert_eq!((answer.status, answer.header("x-commcarehq-formid")), (201, None));
    let own = form("f2").replace("u1", "demo_user");
    let answer = server.post("/a/demo/receiver/?submit_mode=demo", &[], own.as_bytes());
    assert_eq!((answer.status, answer.header("x-commcarehq-formid")), (201, Some("f2")));
}

#[test]
fn a_project_can_forbid_to_send_forms_of_others() {
    let server = server();
    let id = server.user("demo", "sam", None);
    server.set("demo", "forbid_user_mismatch", "true");
    let login = basic("sam@demo.commcarehq.org", PASSWORD);
    let answer = server.post(SECURE, &[("Authorization", &login)], form("f1").as_bytes());
    assert_eq!(answer.status, 403, "{}", answer.text());
    let own = form("f1").replace("u1", &id);
    assert_eq!(server.post(SECURE, &[("Authorization", &login)], own.as_bytes()).status, 201);
    assert_eq!(server.submit(&form("f2")).status, 201, "nobody's credentials, nobody to compare with");
    server.set("demo", "forbid_user_mismatch", "false");
    assert_eq!(server.post(SECURE, &[("Authorization", &login)], form("f3").as_bytes()).status, 201);
}

#[test]
fn a_project_can_drop_practice_forms() {
    let server = server();
    let practice = form("f1").replace("u1", "demo_user");
    server.set("demo", "ignore_practice_submissions", "true");
    assert_eq!(server.submit(&practice).header("x-commcarehq-formid"), None);
    assert_eq!(server.submit(&form("f2")).header("x-commcarehq-formid"), Some("f2"));
    server.set("demo", "ignore_practice_submissions", "false");
    assert_eq!(server.submit(&practice).header("x-commcarehq-formid"), Some("f1"));
}
