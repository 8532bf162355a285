//! Searching for cases that a phone does not hold, and reading cases by id.

use api_tests::apps::{Made, files, package};
use api_tests::client::basic;
use api_tests::forms::{block, form_with};
use api_tests::{PASSWORD, Server};
use bolster_usecases::apps::ImportApp;

fn person(id: &str, name: &str, more: &str) -> String {
    let actions = format!(
        "<create><case_type>person</case_type><case_name>{name}</case_name><owner_id>o</owner_id></create>{more}"
    );
    block(id, &actions)
}

struct Phone {
    server: Server,
    login: String,
}

impl Phone {
    /// A server with two people, a house that one of them lives in, and a visit.
    fn new() -> Self {
        let server = Server::start();
        server.user("demo", "member@example.org", None);
        let house = block(
            "house",
            "<create><case_type>house</case_type><case_name>Tano</case_name><owner_id>o</owner_id></create>",
        );
        let lives = "<update><age>33</age><phone>8675309</phone></update>\
                     <index><parent case_type=\"house\">house</parent></index>";
        let visit = block(
            "visit",
            "<create><case_type>visit</case_type><case_name>v</case_name><owner_id>o</owner_id></create>\
             <index><parent case_type=\"person\">ada</parent></index>",
        );
        let blocks = [house, person("ada", "Ada Lovelace", lives), person("bob", "Bob", ""), visit].concat();
        assert_eq!(server.submit(&form_with("setup", &blocks)).status, 201);
        let gone = block(
            "gone",
            "<create><case_type>person</case_type><case_name>Gone</case_name></create><close/>",
        );
        assert_eq!(server.submit(&form_with("closed", &gone)).status, 201);
        Self { server, login: basic("member@example.org", PASSWORD) }
    }

    fn get(&self, target: &str) -> (u16, String) {
        let answer = self.server.get(target, &[("Authorization", &self.login)]);
        (answer.status, answer.text().to_owned())
    }

    fn post(&self, target: &str, content_type: &str, body: &str) -> (u16, String) {
        let headers = [("Authorization", self.login.as_str()), ("Content-Type", content_type)];
        let answer = self.server.post(target, &headers, body.as_bytes());
        (answer.status, answer.text().to_owned())
    }

    /// Ids of the cases of a search, in order.
    fn ids(&self, query: &str) -> Vec<String> {
        let (status, text) = self.get(&format!("/a/demo/phone/search/?{query}"));
        assert_eq!(status, 200, "{query}: {text}");
        ids(&text)
    }
}

fn ids(results: &str) -> Vec<String> {
    let cases = results.split("<case case_id=\"").skip(1);
    cases.filter_map(|case| case.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn a_search_answers_cases_as_phones_read_them() {
    let phone = Phone::new();
    let answer = phone
        .server
        .get("/a/demo/phone/search/?case_type=person&name=Ada+Lovelace", &[("Authorization", &phone.login)]);
    assert_eq!(answer.header("content-type"), Some("text/xml; charset=utf-8"));
    let text = answer.text();
    assert!(
        text.starts_with("<results id=\"case\"><case case_id=\"ada\" case_type=\"person\" owner_id=\"o\""),
        "{text}"
    );
    for part in [
        "status=\"open\">",
        "<case_name>Ada Lovelace</case_name><last_modified>",
        "<commcare_search_score>1</commcare_search_score>",
        "<age>33</age>",
        "<index><parent case_type=\"house\">house</parent></index></case></results>",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn parameters_come_in_every_form_and_repeat() {
    let phone = Phone::new();
    assert_eq!(phone.ids("case_type=person"), ["ada", "bob"]);
    assert_eq!(phone.ids("case_type=person&case_type=house&commcare_sort=-name"), ["house", "bob", "ada"]);
    let target = "/a/demo/phone/search/";
    let body = "case_type=person&_xpath_query=age+%3E+30&_xpath_query=parent%2Fname+%3D+'Tano'&buffer=x";
    let (status, text) = phone.post(target, "application/x-www-form-urlencoded", body);
    assert_eq!((status, ids(&text)), (200, vec!["ada".to_owned()]));
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body =
        [part("case_type", "person"), part("indices.parent", "house"), "--b--\r\n".to_owned()].concat();
    let (status, text) = phone.post(target, "multipart/form-data; boundary=b", &body);
    assert_eq!((status, ids(&text)), (200, vec!["ada".to_owned()]));
    assert_eq!(phone.ids("case_type=person&owner_id=nobody"), [""; 0]);
    assert_eq!(phone.ids("case_type=person&owner_id=o"), ["ada", "bob"]);
    assert_eq!(phone.ids("case_type=person&commcare_blacklisted_owner_ids=x+o"), [""; 0]);
    assert_eq!(
        phone.ids("case_type=person&commcare_project=demo&x_commcare_data_registry=r"),
        ["ada", "bob"]
    );
    assert_eq!(phone.ids("case_type=person&commcare_project=far"), [""; 0]);
}

#[test]
fn what_cannot_be_understood_is_said() {
    let phone = Phone::new();
    for (query, part) in [
        ("name=x", "case_type"),
        ("case_type=person&_xpath_query=name+%3D+'x", "Malformed search query"),
        ("case_type=person&_xpath_query=name", "at least one boolean operator"),
        ("case_type=person&dob=__range__x__y", "Invalid date range format"),
        ("case_type=person&commcare_sort=name:loud", "exact, date or numeric"),
    ] {
        let (status, text) = phone.get(&format!("/a/demo/phone/search/?{query}"));
        assert_eq!(status, 400, "{query}: {text}");
        assert!(text.contains(part), "{query}: {text}");
    }
    phone.server.set("demo", "case_search", "false");
    let (status, text) = phone.get("/a/demo/phone/search/?case_type=person");
    assert_eq!((status, text.contains("switched off")), (400, true), "{text}");
}

#[test]
fn settings_of_the_project_are_honoured() {
    let phone = Phone::new();
    assert_eq!(phone.ids("case_type=person&name=ada"), [""; 0]);
    phone.server.set("demo", "fuzzy_properties", "person:name");
    assert_eq!(phone.ids("case_type=person&name=ada"), ["ada"]);
    assert_eq!(phone.ids("case_type=person&phone=%2B18675309"), [""; 0]);
    phone.server.set("demo", "ignore_patterns", "person:phone:+1");
    assert_eq!(phone.ids("case_type=person&phone=%2B18675309"), ["ada"]);
}

#[test]
fn an_app_gets_what_it_shows_beside_the_hits() {
    let phone = Phone::new();
    let made = Made::default();
    let mut files = files(&made);
    let suite = files.iter_mut().find(|(path, _)| *path == "suite.xml").expect("an app has a suite");
    let text = String::from_utf8(suite.1.clone()).expect("text");
    let more = "<detail id=\"s\"><title><text>x</text></title><field><header><text>x</text></header><template><text>\
                <xpath function=\"instance('results')/results/case[@case_id=current()/index/parent]/case_name\"/>\
                </text></template></field></detail><remote-request><post url=\"http://localhost/claim\"/><session>\
                <datum id=\"c\" nodeset=\"instance('results')/results/case[@case_type='person']\" \
                value=\"./@case_id\" detail-select=\"s\"/></session></remote-request></suite>";
    suite.1 = text.replace("</suite>", more).into_bytes();
    phone.server.try_import("demo", package(&files), &ImportApp::default()).expect("a sound app");
    let (status, text) = phone.get("/a/demo/phone/search/app/?case_type=person&name=Ada+Lovelace");
    assert_eq!((status, ids(&text)), (200, vec!["ada".to_owned(), "house".to_owned()]), "{text}");
    assert_eq!(
        text.matches("<commcare_is_related_case>true</commcare_is_related_case>").count(),
        1,
        "{text}"
    );
    let all = "/a/demo/phone/search/app/?case_type=house&x_commcare_include_all_related_cases=true";
    assert_eq!(ids(&phone.get(all).1), ["house", "ada"]);
    // Nobody who does not say which app it is gets more than hits.
    assert_eq!(phone.ids("case_type=house&x_commcare_include_all_related_cases=true"), ["house"]);
}

#[test]
fn cases_by_id_come_with_their_families() {
    let phone = Phone::new();
    for name in ["case_fixture", "registry_case"] {
        let of = |query: &str| phone.get(&format!("/a/demo/phone/{name}/app/?{query}"));
        let (status, text) = of("case_id=ada&case_type=person");
        assert_eq!(
            (status, ids(&text)),
            (200, ["ada", "house", "visit"].map(str::to_owned).to_vec()),
            "{text}"
        );
        assert_eq!(text.matches("<commcare_project>demo</commcare_project>").count(), 3);
        assert!(!text.contains("commcare_search_score"));
        let (status, text) = of("");
        assert_eq!((status, text.contains("case_id, case_type")), (400, true), "{text}");
        assert_eq!(of("case_id=ada").0, 400);
        assert_eq!(of("case_id=ada&case_id=nobody&case_type=person").0, 404);
        assert_eq!(of("case_id=ada&case_type=house").0, 404);
        let (status, text) = phone.post(
            &format!("/a/demo/phone/{name}/app/"),
            "application/x-www-form-urlencoded",
            "case_id=bob&case_type=person&case_type=x",
        );
        assert_eq!((status, ids(&text)), (200, vec!["bob".to_owned()]));
    }
}

#[test]
fn other_projects_stay_out() {
    let phone = Phone::new();
    phone.server.project("far");
    phone.server.user("far", "far@example.org", None);
    let login = basic("far@example.org", PASSWORD);
    let get = |target: &str| phone.server.get(target, &[("Authorization", &login)]);
    assert_eq!(get("/a/demo/phone/search/?case_type=person").status, 401);
    let own = get("/a/far/phone/search/?case_type=person");
    assert_eq!((own.status, own.text()), (200, "<results id=\"case\"></results>"));
    assert_eq!(get("/a/far/phone/case_fixture/app/?case_id=ada&case_type=person").status, 404);
    let by_id = get("/a/far/phone/search/?case_type=person&_xpath_query=%40case_id+%3D+'ada'");
    assert_eq!(ids(by_id.text()), [""; 0]);
}
