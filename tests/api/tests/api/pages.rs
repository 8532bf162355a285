//! Pages for people.

use api_tests::Server;
use api_tests::forms::{MULTIPART, block, create, file_part, form_with, multipart, xml_part};

fn server() -> (Server, String) {
    let server = Server::start();
    let id = server.user("demo", "web@example.org", None);
    let cookie = server.session(&id);
    (server, cookie)
}

#[test]
fn logs_of_phones_are_shown_for_each_worker() {
    let server = Server::start();
    let line = |user: &str, msg: &str| {
        format!(
            "<log date='2024-05-01T08:00:00.000Z'><type>user</type><msg>login|{user}|id-{user}</msg></log>\
             <log date='2024-05-01T08:00:01.000Z'><type>sync</type><msg>{msg}</msg></log>"
        )
    };
    let log = format!(
        "<device_report xmlns='http://code.javarosa.org/devicereport'><device_id>d7</device_id>\
         <log_subreport>{}{}</log_subreport></device_report>",
        line("amina", "all &lt;b&gt; well"),
        line("juma", "no network")
    );
    assert_eq!(server.submit(&log).status, 201);
    let cookie = server.session(&server.user("demo", "member@example.org", None));
    let shown = |query: &str| {
        let answer = server.get(&format!("/a/demo/reports/device_logs/{query}"), &[("Cookie", &cookie)]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    };
    let all = shown("");
    assert!(all.contains("all &lt;b&gt; well") && all.contains("no network") && all.contains("d7"), "{all}");
    let one = shown("?user=Juma");
    assert!(one.contains("no network") && !one.contains("well"), "{one}");
}

#[test]
fn from_the_front_door_to_a_case_and_back_to_its_forms() {
    let (server, cookie) = server();
    let get = |target: &str| {
        let answer = server.get(target, &[("Cookie", &cookie)]);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.text().to_owned()
    };
    assert!(get("/").contains("href=\"/a/demo/data/\""));
    assert!(get("/a/demo/data/").contains("No form has arrived yet"));
    server.submit(&form_with("f1", &create("c1", "Ada")));
    let update = block("c1", "<update><weight>62</weight><mood>fine</mood></update>");
    server.submit(&form_with("f2", &update));
    let list = get("/a/demo/data/");
    assert!(list.contains("href=\"/a/demo/reports/form_data/f1/\""), "{list}");
    assert!(list.contains("href=\"/a/demo/reports/case_data/c1/\"") && list.contains(">Ada<"), "{list}");
    let form = get("/a/demo/reports/form_data/f2/");
    assert!(form.contains("href=\"/a/demo/reports/case_data/c1/\""), "{form}");
    assert!(form.contains(">mood<") && form.contains(">fine<"), "{form}");
    let case = get("/a/demo/reports/case_data/c1/");
    for part in [
        "href=\"/a/demo/reports/form_data/f1/\"",
        "href=\"/a/demo/reports/form_data/f2/\"",
        ">62<",
        ">fine<",
        "patient",
    ] {
        assert!(case.contains(part), "{part} is not in {case}");
    }
    let xml = server.get("/a/demo/reports/form_data/f2/download/", &[("Cookie", &cookie)]);
    assert_eq!(xml.body, form_with("f2", &update).as_bytes());
    let home = server.get("/a/demo", &[]);
    assert_eq!((home.status, home.header("location")), (303, Some("/a/demo/data/")));
}

#[test]
fn what_people_typed_never_becomes_markup() {
    let (server, cookie) = server();
    let evil = "&lt;script&gt;alert(1)&lt;/script&gt;";
    let block = create("c\"1", evil).replace("case_id=\"c\"1\"", "case_id=\"c&quot;&gt;1\"");
    server.submit(&form_with("f1", &block.replace(">61<", &format!(">{evil}<"))));
    for target in ["/a/demo/data/", "/a/demo/reports/form_data/f1/", "/a/demo/reports/case_data/c%22%3E1/"] {
        let answer = server.get(target, &[("Cookie", &cookie)]);
        assert_eq!(answer.status, 200, "{target}");
        assert!(!answer.text().contains("<script"), "{target}: {}", answer.text());
        assert!(answer.text().contains("&lt;script&gt;"), "{target}: {}", answer.text());
    }
}

#[test]
fn pages_guard_themselves() {
    let (server, cookie) = server();
    let answer = server.get("/a/demo/data/", &[("Cookie", &cookie)]);
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
    let text = answer.text();
    assert!(!text.contains("<script") && !text.contains("style=\"") && !text.contains("onclick"));
    assert!(
        text.contains("lang=\"en\"") && text.contains("name=\"viewport\"") && text.contains("dir=\"auto\"")
    );
    let style = server.get("/static/bolster.css", &[]);
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    for one_sided in
        ["margin-left", "margin-right", "padding-left", "padding-right", "text-align: left", "float:"]
    {
        assert!(!style.text().contains(one_sided), "{one_sided} does not turn with the script");
    }
}

#[test]
fn forms_that_went_wrong_can_be_looked_at() {
    let (server, cookie) = server();
    let get = |target: &str| server.get(target, &[("Cookie", &cookie)]);
    server.submit(&form_with("bad", &create("", "x")));
    server.submit("this is no form & <never> was");
    let list = get("/a/demo/data/");
    assert!(list.text().contains("not applied") && list.text().contains("IllegalCaseId"), "{}", list.text());
    assert!(list.text().contains("unreadable"), "{}", list.text());
    let id = list.text().split("/reports/form_data/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let page = get(&format!("/a/demo/reports/form_data/{id}/"));
    assert!(page.text().contains("this is no form &amp; &lt;never&gt; was"), "{}", page.text());
    let absent = get("/a/demo/reports/form_data/absent/");
    assert_eq!((absent.status, absent.header("x-bolster-error")), (404, Some("not-found")));
    assert!(absent.text().contains("<h1>Not found</h1>"));
    assert_eq!(get("/a/demo/reports/case_data/absent/").status, 404);
    assert_eq!(get("/nothing/here").status, 404);
}

#[test]
fn long_lists_have_pages() {
    let (server, cookie) = server();
    for number in 0..60 {
        server.submit(&form_with(&format!("form-{number:02}"), ""));
    }
    let first = server.get("/a/demo/data/", &[("Cookie", &cookie)]);
    assert!(first.text().contains("form-59") && !first.text().contains("form-05"));
    let older = first.text().split("href=\"?before=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let second = server.get(&format!("/a/demo/data/?before={older}"), &[("Cookie", &cookie)]);
    assert!(
        second.text().contains("form-09")
            && second.text().contains("form-00")
            && !second.text().contains("form-10")
    );
}

#[test]
fn links_files_and_stock() {
    let (server, cookie) = server();
    server.submit(&form_with("f1", &create("h1", "House")));
    let child = create("c1", "Ada").replace(
        "</case>",
        "<index><parent case_type=\"household\">h1</parent></index><attachment><face src=\"a.jpg\"/></attachment></case>",
    );
    let stock = "<balance xmlns=\"http://commcarehq.org/ledger/v1\" entity-id=\"c1\" section-id=\"stock\" \
                 date=\"2024-05-01\"><entry id=\"rice\" quantity=\"12\"/></balance>";
    let xml = form_with("f2", &(child + stock));
    let parts = multipart(&[xml_part(&xml), file_part("a.jpg", "image/jpeg", b"picture")]);
    let answer = server.post("/a/demo/receiver/", &[("Content-Type", MULTIPART)], &parts);
    assert_eq!(answer.openrosa().0, "submit_success", "{}", answer.text());
    let child = server.get("/a/demo/reports/case_data/c1/", &[("Cookie", &cookie)]);
    for part in [">House<", "rice", ">12<", "/a/demo/api/case_attachment/v1/c1/face"] {
        assert!(child.text().contains(part), "{part}: {}", child.text());
    }
    let parent = server.get("/a/demo/reports/case_data/h1/", &[("Cookie", &cookie)]);
    assert!(parent.text().contains("/a/demo/reports/case_data/c1/"), "{}", parent.text());
    let file = server.get("/a/demo/api/case_attachment/v1/c1/face", &[("Cookie", &cookie)]);
    assert_eq!(file.body, b"picture");
}

#[test]
fn what_is_refused_for_good_is_kept_for_a_person() {
    let (server, cookie) = server();
    let xml = form_with("f1", "");
    let parts = [xml_part(&xml), file_part("note.xyz", "text/x-unheard-of", b"?")];
    let refused = server.post("/a/demo/receiver/", &[("Content-Type", MULTIPART)], &multipart(&parts));
    assert_eq!(refused.status, 422, "{}", refused.text());
    let list = server.get("/a/demo/data/", &[("Cookie", &cookie)]).text().to_owned();
    assert!(list.contains("supported file extensions"), "{list}");
    let at = list.find("/reports/form_data/").expect("a link") + "/reports/form_data/".len();
    let id = list[at..].split('/').next().unwrap();
    let xml = server.get(&format!("/a/demo/reports/form_data/{id}/download/"), &[("Cookie", &cookie)]);
    assert_eq!(xml.text(), form_with("f1", ""), "as it was sent");
    assert_eq!(server.submit(&form_with("f1", "")).status, 201, "the id is free");
}

#[test]
fn acts_of_administration_are_told_to_administrators() {
    let server = Server::start();
    let chief = server.session(&server.user("demo", "chief@example.org", Some("admin")));
    let member = server.session(&server.user("demo", "member@example.org", None));
    server.user("demo", "amina", None);
    server.set("demo", "timezone", "Africa/Nairobi");
    server.key("demo", "amina");
    let get =
        |cookie: &str, query: &str| server.get(&format!("/a/demo/audit/{query}"), &[("Cookie", cookie)]);
    assert_eq!(get(&member, "").status, 403);
    let page = get(&chief, "").text().to_owned();
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing in {page}"));
    assert!(place("API key created") < place("project changed"), "the latest first");
    assert!(place("project changed") < place("mobile worker created"));
    assert!(page.contains("timezone") && page.contains("amina"));
    assert!(!page.contains("Africa/Nairobi"), "values are not told");
    let before = server.app.store().log().head();
    assert!(get(&chief, &format!("?before={before}")).text().contains("mobile worker created"));
}
