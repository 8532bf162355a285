//! Pages that change people, groups, places and tables.

use api_tests::Server;
use api_tests::client::Response;
use bolster_usecases::workbook;

/// Somebody at a browser.
struct Browser<'s> {
    server: &'s Server,
    cookie: String,
}

impl Browser<'_> {
    fn get(&self, path: &str) -> Response {
        self.server.get(path, &[("Cookie", &self.cookie)])
    }

    fn csrf(&self, path: &str) -> String {
        let page = self.get(path);
        let (_, rest) = page.text().split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split('"').next().expect("its end").to_owned()
    }

    /// Sends a form of a page; the answer is the page after it.
    fn send(&self, path: &str, fields: &str) -> Response {
        let body = format!("csrf={}&{fields}", self.csrf(path));
        let headers =
            [("Cookie", self.cookie.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        let answer = self.server.post(path, &headers, body.as_bytes());
        if answer.status == 303 { self.get(answer.header("location").expect("a place")) } else { answer }
    }

    fn upload(&self, path: &str, fields: &[(&str, &str)], file: &[u8]) -> Response {
        let mut body = Vec::new();
        let csrf = self.csrf(path);
        for (name, value) in fields.iter().copied().chain([("csrf", csrf.as_str())]) {
            let part = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        body.extend_from_slice(
            b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.xlsx\"\r\n\r\n",
        );
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--b--\r\n");
        let headers = [("Cookie", self.cookie.as_str()), ("Content-Type", "multipart/form-data; boundary=b")];
        self.server.post(path, &headers, &body)
    }
}

fn admin(server: &Server) -> Browser<'_> {
    let id = server.user("demo", "chief@example.org", Some("admin"));
    Browser { server, cookie: server.session(&id) }
}

#[test]
fn a_worker_is_made_placed_barred_and_let_in_again() {
    let server = Server::start();
    let chief = admin(&server);
    let places = "/a/demo/locations/";
    assert!(
        chief
            .send(places, "action=type&name=Village&code=village&shares_cases=yes")
            .text()
            .contains("village")
    );
    assert!(chief.send(places, "action=create&name=Kanda&code=kanda&type=village").text().contains("Kanda"));
    let groups = "/a/demo/groups/";
    assert!(chief.send(groups, "action=create&name=Nurses&case_sharing=yes").text().contains("shares cases"));
    let people = "/a/demo/people/";
    let made =
        chief.send(people, "action=create&name=amina&password=correct+horse&location=kanda&group=Nurses");
    assert!(made.status == 200 && made.text().contains("Kanda · Nurses"), "{}", made.text());
    let again = chief.send(people, "action=create&name=amina&password=correct+horse");
    assert_eq!(again.status, 400);
    assert!(again.text().contains("mobile worker amina exists already"), "{}", again.text());
    assert!(chief.send(people, "action=deactivate&name=amina").text().contains("deactivated"));
    assert!(!chief.send(people, "action=activate&name=amina").text().contains("deactivated"));
    let book = chief.get("/a/demo/people/workbook/").body;
    let same = chief.upload(people, &[("action", "import")], &book);
    assert!(same.text().contains("It made 0 new workers, 0 changed; 1 stay"), "{}", same.text());
    let archived = chief.send(places, "action=archive&code=kanda");
    assert!(archived.text().contains("archived"));
    assert!(!chief.get(people).text().contains("Kanda ·"), "nobody works there any more");
}

#[test]
fn a_table_comes_as_a_workbook_and_goes_as_one() {
    let server = Server::start();
    let chief = admin(&server);
    let texts = |row: &[&str]| row.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let file = |tag: &str| {
        workbook::write(&[
            (
                "types".to_owned(),
                texts(&["table_id", "is_global?", "field 1"]),
                vec![texts(&[tag, "yes", "name"])],
            ),
            ("pump".to_owned(), texts(&["field: name"]), vec![texts(&["<Hand> pump"])]),
        ])
        .expect("a workbook")
    };
    let tables = "/a/demo/tables/";
    let wrong = chief.upload(tables, &[], &file("pumps"));
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("the workbook needs a sheet named"), "{}", wrong.text());
    assert_eq!(chief.upload(tables, &[], b"no workbook").status, 400);
    let checked = chief.upload(tables, &[("check", "yes")], &file("pump"));
    assert!(checked.text().contains("It would make 1 new tables and 1 new rows"), "{}", checked.text());
    assert!(!chief.get(tables).text().contains("Hand"), "a check changes nothing");
    assert!(chief.upload(tables, &[], &file("pump")).text().contains("It made 1 new tables"));
    assert!(chief.get(tables).text().contains("&lt;Hand&gt; pump"));
    let book = chief.get("/a/demo/tables/workbook/");
    assert_eq!(book.header("content-disposition"), Some("attachment; filename=\"tables.xlsx\""));
    let sheets = workbook::read(book.body).expect("a workbook");
    assert_eq!(sheets[1].text(&sheets[1].rows[0], "field: name"), "<Hand> pump");
}

#[test]
fn forms_come_from_our_pages_and_from_who_may() {
    let server = Server::start();
    let chief = admin(&server);
    let member = server.user("demo", "member@example.org", None);
    let member = Browser { server: &server, cookie: server.session(&member) };
    for path in ["people", "groups", "locations", "tables"] {
        let path = format!("/a/demo/{path}/");
        assert!(!member.get(&path).text().contains("<form"), "who may only look sees no form at {path}");
        let headers =
            [("Cookie", chief.cookie.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        let forged = server.post(&path, &headers, b"action=create&name=x&csrf=0");
        assert_eq!(forged.status, 403, "{path}");
        let elsewhere = [headers[0], headers[1], ("Origin", "https://evil.example")];
        let body = format!("action=create&name=x&csrf={}", chief.csrf(&path));
        assert_eq!(server.post(&path, &elsewhere, body.as_bytes()).status, 403, "{path}");
        let headers = [("Cookie", member.cookie.as_str()), headers[1]];
        assert_eq!(server.post(&path, &headers, b"action=create&name=x").status, 400, "{path}");
        assert_eq!(server.post(&path, &[], b"action=create&name=x").status, 303, "{path}");
    }
}

#[test]
fn a_worker_is_edited_and_deleted_on_a_page() {
    let server = Server::start();
    let chief = admin(&server);
    let places = "/a/demo/locations/";
    chief.send(places, "action=type&name=Village&code=village&shares_cases=yes");
    chief.send(places, "action=create&name=Kanda&code=kanda&type=village");
    chief.send(places, "action=create&name=Mbale&code=mbale&type=village");
    chief.send("/a/demo/groups/", "action=create&name=Nurses&case_sharing=yes");
    let fields = "/a/demo/people/fields/";
    let made = chief.send(fields, "action=put_field&slug=team&label=Team&required=yes&choices=Red%0D%0ABlue");
    assert!(made.text().contains("Red · Blue"), "{}", made.text());
    let odd = chief.send(fields, "action=put_field&slug=a&pattern=%28");
    assert_eq!(odd.status, 400);
    assert!(odd.text().contains("is no regular expression"), "{}", odd.text());
    let made = chief.send(fields, "action=put_profile&profile=Red+team&data%3Ateam=Red");
    assert!(made.text().contains("team = Red"), "{}", made.text());
    let people = "/a/demo/people/";
    let without = chief.send(people, "action=create&name=amina&password=correct+horse");
    assert_eq!(without.status, 400);
    assert!(without.text().contains("Team (team) is needed"), "{}", without.text());
    let made = chief.send(people, "action=create&name=amina&password=correct+horse&data%3Ateam=Blue");
    let project = server.app.auth().project_named("demo").expect("made before");
    let amina = || server.app.auth().find_user(&project, "amina");
    let page = format!("/a/demo/people/{}/", amina().expect("made").id);
    assert!(made.text().contains(&page), "the list leads to the worker");
    let group = server.app.nouns(project.id).expect("reads").groups[0].id.clone();
    let moved = chief.send(
        &page,
        &format!("action=change&primary=mbale&location=kanda&group={group}&first_name=Amina&role=field-implementer&data%3Ateam=Blue&new_key=shoe&new_value=40"),
    );
    assert_eq!(moved.status, 200, "{}", moved.text());
    let now = amina().expect("still there");
    let nouns = server.app.nouns(project.id).expect("reads");
    let codes: Vec<&str> = now
        .locations
        .iter()
        .map(|id| nouns.locations.get(id).expect("is there").site_code.as_str())
        .collect();
    assert_eq!(codes, ["mbale", "kanda"], "the primary one first");
    assert!(nouns.groups[0].users.contains(&now.id));
    assert_eq!((now.role.as_deref(), now.user_data["shoe"].as_str()), (Some("field-implementer"), "40"));
    let profile = server.app.auth().project_named("demo").expect("made").user_profiles[0].id.clone();
    let clash = chief.send(&page, &format!("action=change&profile={profile}&data%3Ateam=Blue"));
    assert_eq!(clash.status, 400);
    assert!(clash.text().contains("the profile Red team fixes team as Red"), "{}", clash.text());
    let fixed = chief.send(&page, &format!("action=change&profile={profile}&data%3Ateam="));
    assert!(fixed.status == 200 && fixed.text().contains("disabled"), "{}", fixed.text());
    let wrong = chief.send(&page, "action=delete&confirm=juma");
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("type the name amina once more"), "{}", wrong.text());
    let gone = chief.send(&page, "action=delete&confirm=amina");
    assert!(gone.status == 200 && gone.text().contains("Deleted workers"), "{}", gone.text());
    assert_eq!(chief.get(&page).status, 404);
    assert!(amina().is_none());
    let login = api_tests::client::basic("amina@demo.commcarehq.org", api_tests::PASSWORD);
    for path in ["restore", "keys", "heartbeat/app"] {
        let told = server.get(&format!("/a/demo/phone/{path}/"), &[("Authorization", &login)]);
        assert_eq!((told.status, told.json()["error"].as_str()), (406, Some("user.deleted")), "{path}");
    }
    let back = chief.send(people, &format!("action=undelete&id={}", now.id));
    assert!(back.text().contains(&page), "{}", back.text());
}

#[test]
fn who_does_not_administer_changes_nobody_above() {
    let server = Server::start();
    let chief = admin(&server);
    let helper = server.user("demo", "helper@example.org", Some("Field Implementer"));
    let helper = Browser { server: &server, cookie: server.session(&helper) };
    let people = "/a/demo/people/";
    chief.send(people, "action=create&name=amina&password=correct+horse");
    let project = server.app.auth().project_named("demo").expect("made before");
    let page =
        format!("/a/demo/people/{}/", server.app.auth().find_user(&project, "amina").expect("made").id);
    let raised = helper.send(&page, "action=change&role=member");
    assert_eq!(raised.status, 400, "{}", raised.text());
    assert!(raised.text().contains("who may do more than you"), "{}", raised.text());
    let renamed = helper.send(&page, "action=change&first_name=Amina");
    assert_eq!(renamed.status, 200, "{}", renamed.text());
    let reader = server.user("demo", "member@example.org", None);
    let reader = Browser { server: &server, cookie: server.session(&reader) };
    assert!(!reader.get(&page).text().contains("<form"), "who may only look sees no form");
}

#[test]
fn phones_and_their_logs_are_found_by_worker() {
    let server = Server::start();
    let chief = admin(&server);
    server.user("demo", "amina", None);
    let login = api_tests::client::basic("amina", api_tests::PASSWORD);
    let beat = "/a/demo/phone/heartbeat/app/?app_id=app&device_id=phone-7&app_version=3&cc_version=2.54&num_unsent_forms=4";
    assert_eq!(server.get(beat, &[("Authorization", &login)]).status, 200);
    let page = chief.get("/a/demo/people/devices/");
    for part in
        ["phone-7", "amina", "version 3", "CommCare 2.54", "4 forms not sent", "device_logs/?user=amina"]
    {
        assert!(page.text().contains(part), "{part} is not in {}", page.text());
    }
}
