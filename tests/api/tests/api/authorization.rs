//! Every line of the route table: what it answers to nobody, to a stranger, to who lacks the permission, and to
//! who has it. A new route without its expectation here does not pass.

use api_tests::apps::Made;
use api_tests::client::basic;
use api_tests::forms::{create, form, form_with};
use api_tests::{PASSWORD, Server};
use bolster_http::routes::{Needs, ROUTES, RouteInfo};

/// Statuses for nobody, for a member of another project, for a reader without rights to data, for a member.
struct Expected {
    nobody: u16,
    stranger: u16,
    reader: u16,
    member: u16,
}

fn expected(info: &RouteInfo) -> Expected {
    let row = |nobody, stranger, reader, member| Expected { nobody, stranger, reader, member };
    match info.needs {
        Needs::Nothing if info.pattern == "/a/{project}" => row(303, 303, 303, 303),
        Needs::Nothing if info.pattern == "/logout" => row(303, 200, 200, 200),
        Needs::Nothing if info.pattern == "/i/{code}" => row(302, 302, 302, 302),
        // It does not say which app.
        Needs::Nothing if info.pattern.ends_with("download_ccz") => row(400, 400, 400, 400),
        Needs::Nothing => row(200, 200, 200, 200),
        // The project of these tests demands no credentials.
        Needs::SubmitIfSecure => row(201, 201, 201, 201),
        Needs::Submit => row(401, 403, 201, 201),
        Needs::SubmitApi => row(401, 403, 403, 201),
        // The body of these tests claims nothing.
        Needs::Phone if info.pattern.ends_with("claim-case") => row(401, 401, 403, 400),
        // The address of these tests names no type and no case.
        Needs::Phone if info.pattern.contains("/search") => row(401, 401, 403, 400),
        Needs::Phone if info.pattern.contains("case_fixture") => row(401, 401, 403, 400),
        Needs::Phone if info.pattern.contains("registry_case") => row(401, 401, 403, 400),
        // It does not say which pool.
        Needs::Phone if info.pattern.ends_with("get_next_id") => row(401, 401, 403, 400),
        Needs::Phone => row(401, 401, 403, 200),
        // The stranger may do nothing there, and is somebody in his own project.
        Needs::Login => row(401, 200, 403, 200),
        // No password helps there.
        Needs::Signed => row(401, 401, 401, 401),
        Needs::ViewApps => row(401, 403, 403, 200),
        Needs::PageApps | Needs::PageUsers | Needs::PageGroups | Needs::PageLocations | Needs::PageTables => {
            row(303, 403, 403, 200)
        }
        // Of its endpoints this one tells nothing; for the others see `web_apps`.
        Needs::WebApps => row(200, 200, 200, 200),
        Needs::PageAudit => row(303, 403, 403, 403),
        Needs::ReadForm | Needs::ReadCase => row(401, 403, 403, 200),
        // Readers of reports see files in the browser.
        Needs::ReadAttachment => row(401, 403, 200, 200),
        // In a browser the permission to see reports is enough.
        Needs::ViewPages | Needs::PageForm | Needs::PageCase => row(303, 403, 200, 200),
    }
}

fn by_session(info: &RouteInfo) -> bool {
    match info.needs {
        Needs::ViewPages
        | Needs::PageForm
        | Needs::PageCase
        | Needs::PageApps
        | Needs::PageUsers
        | Needs::PageGroups
        | Needs::PageLocations
        | Needs::PageTables
        | Needs::PageAudit
        | Needs::WebApps
        | Needs::Nothing
        | Needs::ReadAttachment => true,
        Needs::SubmitIfSecure
        | Needs::Submit
        | Needs::SubmitApi
        | Needs::Phone
        | Needs::Signed
        | Needs::Login
        | Needs::ViewApps
        | Needs::ReadForm
        | Needs::ReadCase => false,
    }
}

#[test]
fn every_route_asks_for_what_the_table_says() {
    let server = Server::start();
    server.project("far");
    let users = [
        ("stranger@example.org", "far", None),
        ("reader@example.org", "demo", Some("Read Only")),
        ("member@example.org", "demo", None),
    ]
    .map(|(name, project, role)| (name, server.session(&server.user(project, name, role))));
    let worker = server.user("demo", "amina", None);
    server.submit(&form_with("f", &create("c", "Ada")));
    let build = server.import("demo", &Made::default()).build.id;
    let project = server.app.auth().project_named("demo").expect("made before");
    let build =
        server.app.find_build(project.id, &build, &Default::default()).expect("reads").expect("is there");
    let code = bolster_usecases::apps::app_code(&project, "app");
    let picture = &build.build.file("commcare/image/a b.png").expect("is in it").digest;
    for (number, info) in ROUTES.iter().enumerate() {
        let target = info
            .pattern
            .replace("{project}", "demo")
            .replace("{form_id}", "f")
            .replace("{case_ids}", "c")
            .replace("{case_id}", "c")
            .replace("{app_id}", "app")
            .replace("{user_id}", &worker)
            .replace("{path}", "suite.xml")
            .replace("{code}", &code)
            .replace("{endpoint}", "serverup")
            .replace("{class}", "CommCareImage")
            .replace("{media_id}", picture)
            .replace("{name}", "form.xml");
        let expected = expected(info);
        let send = |who: usize, headers: &[(&str, &str)]| {
            if info.allow.contains("GET") {
                return server.get(&target, headers);
            }
            server.post(&target, headers, form(&format!("r{number}-{who}")).as_bytes())
        };
        let nobody = send(0, &[]);
        assert_eq!(nobody.status, expected.nobody, "{target} for nobody: {}", nobody.text());
        let wanted = [expected.stranger, expected.reader, expected.member];
        for (who, ((name, cookie), mut wanted)) in users.iter().zip(wanted).enumerate() {
            // A case has no file of this name.
            if target.contains("case_attachment") || target.contains("case/attachment") {
                wanted = if wanted == 200 { 404 } else { wanted };
            }
            let login = basic(name, PASSWORD);
            let header = if by_session(info) {
                ("Cookie", cookie.as_str())
            } else {
                ("Authorization", login.as_str())
            };
            let answer = send(who + 1, &[header]);
            assert_eq!(answer.status, wanted, "{target} for {name}: {}", answer.text());
        }
    }
}

#[test]
fn an_unknown_project_is_told_to_nobody() {
    let server = Server::start();
    server.user("demo", "member@example.org", None);
    let login = basic("member@example.org", PASSWORD);
    let answer = server.get("/a/nowhere/api/form/v1/f/", &[("Authorization", &login)]);
    assert_eq!((answer.status, answer.json()), (401, serde_json::json!({"error": "not authorized"})));
    let cookie = server.session(&server.user("demo", "other@example.org", None));
    assert_eq!(server.get("/a/nowhere/data/", &[("Cookie", &cookie)]).status, 403);
}

#[test]
fn a_project_that_is_switched_off_answers_nobody() {
    let server = Server::start();
    let member = server.user("demo", "member@example.org", None);
    let cookie = server.session(&member);
    server.submit(&form("f"));
    server.set("demo", "active", "false");
    let login = basic("member@example.org", PASSWORD);
    assert_eq!(server.submit(&form("g")).status, 403);
    assert_eq!(server.get("/a/demo/api/form/v1/f/", &[("Authorization", &login)]).status, 403);
    assert_eq!(server.get("/a/demo/data/", &[("Cookie", &cookie)]).status, 403);
}

#[test]
fn forms_and_cases_of_other_projects_do_not_exist() {
    let server = Server::start();
    server.project("far");
    server.user("far", "far@example.org", None);
    server.submit(&form_with("f", &create("c", "Ada")));
    let key = server.key("far", "far@example.org");
    for target in ["/a/far/api/form/v1/f/", "/a/far/api/case/v2/c", "/a/far/api/form/attachment/f/form.xml"] {
        assert_eq!(server.get(target, &[("Authorization", &key)]).status, 404, "{target}");
    }
    let answer = server.get("/a/demo/api/form/v1/f/", &[("Authorization", &key)]);
    assert_eq!(answer.status, 401, "a key of another project is no key");
}
