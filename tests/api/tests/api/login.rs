//! Signing in and out with a browser.

use api_tests::client::Response;
use api_tests::{PASSWORD, Server};

fn post(server: &Server, target: &str, headers: &[(&str, &str)], fields: &str) -> Response {
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
    all.extend_from_slice(headers);
    server.post(target, &all, fields.as_bytes())
}

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

fn fields(name: &str, password: &str, next: &str) -> String {
    format!("username={}&password={}&next={}", encoded(name), encoded(password), encoded(next))
}

#[test]
fn in_and_out_again() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let page = server.get("/a/demo/data/?before=7", &[]);
    assert_eq!(
        (page.status, page.header("location")),
        (303, Some("/login/?next=%2Fa%2Fdemo%2Fdata%2F%3Fbefore%3D7"))
    );
    let form = server.get(page.header("location").unwrap(), &[]);
    assert!(form.text().contains("value=\"/a/demo/data/?before=7\""), "{}", form.text());
    let entered = post(
        &server,
        "/login/",
        &[("Origin", "http://clinic.example")],
        &fields("Web@Example.org", PASSWORD, "/a/demo/data/?before=7"),
    );
    assert_eq!((entered.status, entered.header("location")), (303, Some("/a/demo/data/?before=7")));
    let cookie = entered.header("set-cookie").unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(server.get("/a/demo/data/", &[("Cookie", &cookie)]).status, 200);
    let question = server.get("/logout/", &[("Cookie", &cookie)]);
    let csrf =
        question.text().split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(post(&server, "/logout/", &[("Cookie", &cookie)], "csrf=wrong").status, 403);
    assert_eq!(server.get("/a/demo/data/", &[("Cookie", &cookie)]).status, 200, "still signed in");
    let left = post(&server, "/logout/", &[("Cookie", &cookie)], &format!("csrf={csrf}"));
    assert_eq!(left.status, 303);
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(
        server.get("/a/demo/data/", &[("Cookie", &cookie)]).status,
        303,
        "the session is over for everybody"
    );
}

#[test]
fn mistakes() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let rows = [("web@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("", "")];
    for (name, password) in rows {
        let answer = post(&server, "/login/", &[], &fields(name, password, "/"));
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None), "{name}");
        assert!(answer.text().contains("Name or password is wrong."), "{name}");
    }
    let evil = fields("\"><script>x</script>@example.org", "x", "//evil.example/");
    let answer = post(&server, "/login/", &[], &evil);
    assert!(
        !answer.text().contains("<script>") && !answer.text().contains("evil.example"),
        "{}",
        answer.text()
    );
    assert_eq!(post(&server, "/login/", &[], &"x".repeat(20_000)).status, 400);
}

#[test]
fn another_site_cannot_sign_somebody_in() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let good = fields("web@example.org", PASSWORD, "/");
    for header in [("Origin", "http://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        assert_eq!(post(&server, "/login/", &[header], &good).status, 403, "{header:?}");
    }
}

#[test]
fn too_many_wrong_passwords_lock_the_name() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let mut locked = false;
    for _ in 0..30 {
        let answer = post(&server, "/login/", &[], &fields("web@example.org", "wrong", "/"));
        assert_eq!(answer.status, 401);
        if answer.text().contains("Too many wrong passwords") {
            locked = true;
            break;
        }
    }
    assert!(locked);
    let answer = post(&server, "/login/", &[], &fields("web@example.org", PASSWORD, "/"));
    assert_eq!(answer.status, 401, "the right one does not help now");
}
