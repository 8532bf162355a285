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
