//! Submissions: bodies, headers, the table of responses.

use api_tests::Server;
use api_tests::client::Response;
use api_tests::forms::{MULTIPART, Part, create, file_part, form, form_with, multipart, xml_part};
use bolster_env::{Env, OsRandom, SimClock, SimDisk};
use bolster_http::HttpOptions;
use bolster_model::Timestamp;
use bolster_store::ReadExt;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

const TICK: &str = "   √   ";

fn send(server: &Server, parts: &[Part<'_>]) -> Response {
    server.post(
        "/a/demo/receiver/app-1/",
        &[("Content-Type", MULTIPART), ("X-OpenRosa-Version", "3.0")],
        &multipart(parts),
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_form_is_answered_as_phones_expect() {
    let server = Server::start();
    let xml = form("f1");
    let answer = send(&server, &[xml_part(&xml)]);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.openrosa(), ("submit_success".to_owned(), TICK.to_owned()));
    assert_eq!(
        answer.text(),
        format!(
            "<OpenRosaResponse xmlns=\"http://openrosa.org/http/response\">\
             <message nature=\"submit_success\">{TICK}</message></OpenRosaResponse>"
        )
    );
    assert_eq!(answer.header("x-commcarehq-formid"), Some("f1"));
    assert_eq!(answer.header("location"), Some("http://clinic.example"));
    assert_eq!(answer.header("x-openrosa-version"), Some("3.0"));
    assert_eq!(answer.header("content-type"), Some("text/xml; charset=utf-8"));
    assert!(answer.header("date").is_some());
}

#[test]
fn every_address_of_the_receiver_takes_forms_and_never_redirects() {
    let server = Server::start();
    server.user("demo", "amina", None);
    let login = api_tests::client::basic("amina@demo.commcarehq.org", api_tests::PASSWORD);
    let addresses = [
        "",
        "/",
        "/submission",
        "/submission/",
        "/app-1_X",
        "/app-1_X/",
        "/secure",
        "/secure/",
        "/secure/a/",
    ];
    for (number, address) in addresses.into_iter().enumerate() {
        let target = format!("/a/demo/receiver{address}");
        let answer =
            server.post(&target, &[("Authorization", &login)], form(&format!("f{number}")).as_bytes());
        assert_eq!(answer.status, 201, "{target}");
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let answer = server.connect().send(method, &target, &[], b"");
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method} {target}");
        }
    }
    assert_eq!(server.post("/a/demo/receiver/a.b/", &[], form("x").as_bytes()).status, 404);
    let unknown = server.post("/a/nowhere/receiver/", &[], form("x").as_bytes());
    assert_eq!((unknown.status, unknown.text()), (400, "No domain with name nowhere"));
}

#[test]
fn rules_of_multipart_bodies_in_their_order() {
    let server = Server::start();
    let xml = form("f1");
    let good = xml_part(&xml);
    let plain = Part { name: "comment", filename: None, content_type: None, content: b"hello" };
    let text_xml = Part { filename: None, ..good };
    let wrong_name = Part { filename: Some("form.XML"), ..good };
    let no_dot = Part { filename: Some("xml"), ..good };
    let empty = Part { content: b"", ..good };
    let elsewhere = Part { name: "form_file", ..good };
    let bad_type = file_part("note.txt", "text/plain", b"x");
    let upper = file_part("photo.PNG", "fake/image", b"x");
    let photo = file_part("photo.jpg", "text/html", b"x");
    let unnamed_type = Part { content_type: None, ..file_part("note.xyz", "", b"x") };
    let no_file = Part { filename: Some(""), ..photo };
    let taken_name = Part { name: "form.xml", ..photo };
    let big = vec![b'a'; (10 << 20) + 1];
    let big_xml = Part { content: &big, ..good };
    let huge = vec![b'a'; (15 << 20) + 1];
    let big_file = file_part("photo.jpg", "image/jpeg", &huge);
    let big_bad = file_part("photo.xyz", "text/plain", &huge);
    let rows: Vec<(&str, Vec<Part<'_>>, u16, &str)> = vec![
        ("a plain field", vec![good, plain], 400, "POST.keys()"),
        ("the XML as a plain field", vec![text_xml], 400, "POST.keys()"),
        ("a plain field counts before everything", vec![bad_type, wrong_name, plain], 400, "POST.keys()"),
        ("no XML", vec![elsewhere], 400, "please name your file xml_submission_file"),
        ("nothing at all", vec![], 400, "please name your file xml_submission_file"),
        ("XML too large", vec![big_xml], 413, "Form exceeds 10MB size limit\n"),
        (
            "XML too large, before an attachment",
            vec![big_file, big_xml],
            413,
            "Form exceeds 10MB size limit\n",
        ),
        ("another extension", vec![wrong_name], 422, "xml file only"),
        ("no extension, before an attachment", vec![bad_type, no_dot], 422, "xml file only"),
        ("an attachment too large", vec![good, big_file], 413, "Attachment exceeds 15MB size limit\n"),
        ("its size counts before its type", vec![good, big_bad], 413, "Attachment exceeds 15MB size limit\n"),
        ("the first attachment counts", vec![good, bad_type, big_file], 422, "jpg, jpeg, png, pdf, 3ga"),
        ("an attachment of a wrong type", vec![good, bad_type], 422, "supported file extensions"),
        ("letter case counts", vec![good, upper], 422, "supported file extensions"),
        ("no type, no extension", vec![good, unnamed_type], 422, "supported file extensions"),
        ("the XML's own name", vec![good, taken_name], 422, "The name of an attachment"),
        (
            "a wrong attachment counts before empty XML",
            vec![empty, bad_type],
            422,
            "supported file extensions",
        ),
        ("empty XML", vec![empty], 400, "must not have an empty payload"),
    ];
    for (what, parts, status, text) in rows {
        let answer = send(&server, &parts);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(answer.text().contains(text), "{what}: {}", answer.text());
        assert_eq!(answer.header("x-commcarehq-formid"), None, "{what}");
        if status == 422 {
            assert_eq!(answer.openrosa().0, "processing_failure", "{what}");
        } else {
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{what}");
        }
    }
    assert_eq!(
        server.app.store().status().head,
        2 + 5,
        "the project, and each form with a file that is never taken"
    );
    let answer = send(&server, &[photo, no_file, good]);
    assert_eq!(answer.status, 201, "an empty file input means nothing: {}", answer.text());
}

#[test]
fn bodies_that_are_no_multipart() {
    let server = Server::start();
    let open = b"------boundary\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n";
    let rows: [(&str, &str, &[u8]); 4] = [
        ("no boundary", "multipart/form-data", b"x"),
        ("no delimiter", MULTIPART, b"x"),
        ("cut off", MULTIPART, open),
        ("XML under the name of multipart", MULTIPART, b"<data/>"),
    ];
    for (what, content_type, body) in rows {
        let answer = server.post("/a/demo/receiver/", &[("Content-Type", content_type)], body);
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
    }
}

#[test]
fn raw_bodies() {
    let server = Server::start();
    let types = [
        Some("text/xml"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/mixed"),
        Some(""),
        None,
    ];
    for (number, content_type) in types.into_iter().enumerate() {
        let headers: Vec<_> = content_type.map(|t| ("Content-Type", t)).into_iter().collect();
        let answer = server.post("/a/demo/receiver/", &headers, form(&format!("f{number}")).as_bytes());
        assert_eq!(answer.status, 201, "{content_type:?}");
    }
    let answer = server.post("/a/demo/receiver/", &[], b"");
    assert_eq!((answer.status, answer.text()), (400, "Post may not have an empty body\n"));
    let large = form("big").replace("61", &"x".repeat(10 << 20));
    let answer = server.submit(&large);
    assert_eq!((answer.status, answer.text()), (413, "Form exceeds 10MB size limit\n"));
    let fits = form("fits").replace("61", &"x".repeat(9 << 20));
    assert_eq!(server.submit(&fits).status, 201);
}

#[test]
fn bodies_in_chunks() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.write(b"POST /a/demo/receiver/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in form("f1").as_bytes().chunks(50) {
        connection.write(format!("{:x}\r\n", piece.len()).as_bytes());
        connection.write(piece);
        connection.write(b"\r\n");
    }
    connection.write(b"0\r\n\r\n");
    assert_eq!(connection.read(false).header("x-commcarehq-formid"), Some("f1"));
}

#[test]
fn compressed_bodies() {
    let server = Server::start();
    let compressed = |body: &[u8], encoding: &str, content_type: &str| {
        let headers = [("Content-Encoding", encoding), ("Content-Type", content_type)];
        server.post("/a/demo/receiver/", &headers, body)
    };
    let xml = form("f1");
    assert_eq!(
        compressed(&gzip(xml.as_bytes()), "gzip", "text/xml").header("x-commcarehq-formid"),
        Some("f1")
    );
    let xml = form("f2");
    let parts = multipart(&[xml_part(&xml), file_part("a.jpg", "image/jpeg", &[7; 100_000])]);
    assert_eq!(compressed(&gzip(&parts), "GZIP", MULTIPART).header("x-commcarehq-formid"), Some("f2"));
    assert_eq!(compressed(form("f3").as_bytes(), "gzip", "text/xml").status, 400);
    assert_eq!(compressed(&gzip(form("f3").as_bytes())[..100], "gzip", "text/xml").status, 400);
    assert_eq!(compressed(b"x", "br", "text/xml").status, 415);
    assert_eq!(compressed(form("f4").as_bytes(), "identity", "text/xml").status, 201);
    let bomb = gzip(&vec![b' '; 300 << 20]);
    assert_eq!(compressed(&bomb, "gzip", "text/xml").status, 413);
}

#[test]
fn what_a_request_says_is_kept_with_the_form() {
    let server = Server::start();
    let headers = [
        ("X-OpenRosa-Version", "3.0"),
        ("X-CommCareHQ-LastSyncToken", "sync-1"),
        ("Date", "Mon, 15 Jan 2024 10:00:00 GMT"),
        ("Accept-Language", "fr"),
        ("X-Submit-Time", "2001-01-01T00:00:00Z"),
        ("X-CommCareHQ-Origin-IP", "9.9.9.9"),
    ];
    server.post("/a/demo/receiver/app-1/?submit_mode=normal", &headers, form("f1").as_bytes());
    server.user("demo", "web@example.org", None);
    let key = server.key("demo", "web@example.org");
    let stored = server.get("/a/demo/api/form/v1/f1/", &[("Authorization", &key)]).json();
    assert_eq!(stored["app_id"], "app-1");
    assert_eq!(stored["last_sync_token"], "sync-1");
    assert_eq!(stored["date_header"], "2024-01-15T10:00:00.000000Z");
    assert_eq!(stored["submit_ip"], "127.0.0.1");
    assert_eq!(stored["openrosa_headers"]["HTTP_ACCEPT_LANGUAGE"], "fr");
    assert_eq!(stored["openrosa_headers"]["HTTP_X_OPENROSA_VERSION"], "3.0");
    assert!(stored["received_on"].as_str().unwrap() > "2024", "only importers say when a form came");
    let headers = [("X-Submit-Time", "2001-01-01T00:00:00Z"), ("Authorization", key.as_str())];
    assert_eq!(server.post("/a/demo/receiver/api/", &headers, form("f2").as_bytes()).status, 201);
    let stored = server.get("/a/demo/api/form/v1/f2/", &[("Authorization", &key)]).json();
    assert_eq!(stored["received_on"], "2001-01-01T00:00:00.000000Z");
    assert_eq!(stored["is_phone_submission"], false);
}

#[test]
fn outcomes_for_both_kinds_of_clients() {
    let server = Server::start();
    let bad_block = form_with("bad", &create("", "x"));
    let log = "<device_report xmlns=\"http://code.javarosa.org/devicereport\"><device_id>d</device_id></device_report>";
    let new = |headers: &[(&str, &str)], xml: &str| server.post("/a/demo/receiver/", headers, xml.as_bytes());
    let three: &[(&str, &str)] = &[("X-OpenRosa-Version", "3.0")];
    let two: &[(&str, &str)] = &[("X-OpenRosa-Version", "2.0")];
    new(three, &form("dup"));
    let rows = [
        (
            "duplicate",
            form("dup"),
            (201, "submit_success", TICK),
            (201, "submit_error", "Form is a duplicate of another! (dup)"),
        ),
        (
            "content error",
            bad_block,
            (422, "processing_failure", "IllegalCaseId: "),
            (201, "submit_error", "IllegalCaseId: "),
        ),
        (
            "no XML",
            "<data".to_owned(),
            (422, "processing_failure", "There was an error processing the form: Invalid XML: "),
            (422, "processing_failure", "There was an error processing the form: Invalid XML: "),
        ),
        (
            "no namespace",
            "<data/>".to_owned(),
            (
                422,
                "processing_failure",
                "There was an error processing the form: Form is missing a required field: XMLNS",
            ),
            (422, "processing_failure", "There was an error processing the form: Form is missing"),
        ),
        ("device log", log.to_owned(), (201, "submit_success", TICK), (201, "submit_success", TICK)),
    ];
    for (what, xml, for_three, for_two) in rows {
        for (headers, (status, nature, message)) in [(three, for_three), (two, for_two)] {
            let answer = new(headers, &xml);
            assert_eq!(answer.status, status, "{what}: {}", answer.text());
            let (is, says) = answer.openrosa();
            assert_eq!(is, nature, "{what}");
            assert!(says.starts_with(message), "{what}: {says}");
        }
    }
    assert_eq!(new(&[("X-OpenRosa-Version", "3")], &form("dup")).openrosa().0, "submit_error", "exactly 3.0");
}

#[test]
fn refusals_that_ask_to_come_back() {
    let server = Server::start();
    server.app.refuse_submissions(true);
    let answer = server.submit(&form("f1"));
    assert_eq!((answer.status, answer.text()), (429, ""));
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    server.app.refuse_submissions(false);
    server.set("demo", "maintenance", "true");
    let answer = server.submit(&form("f1"));
    assert_eq!((answer.status, answer.text()), (503, ""));
    assert!(answer.header("retry-after").is_some());
    server.set("demo", "maintenance", "false");
    server.app.settings().set_maintenance(true);
    assert_eq!(server.submit(&form("f1")).status, 503);
    server.app.settings().set_maintenance(false);
    assert_eq!(server.submit(&form("f1")).status, 201);
}

#[test]
fn a_full_disk_takes_nothing_and_recovers_by_itself() {
    let disk = SimDisk::default();
    let env = Env {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000))),
        random: Arc::new(OsRandom),
    };
    let server = Server::on(env, Path::new("/data"), HttpOptions::default());
    assert_eq!(server.submit(&form("before")).status, 201);
    disk.set_room(Some(0));
    let photo = vec![7; 400_000];
    let xml = form("photo");
    let answer = send(&server, &[xml_part(&xml), file_part("a.jpg", "image/jpeg", &photo)]);
    assert_eq!((answer.status, answer.text()), (503, ""));
    assert!(answer.header("retry-after").is_some());
    let mut last = 201;
    for number in 0..20_000 {
        let answer = server
            .submit(&form(&format!("full{number}")).replace(">61<", &format!(">{}<", "x".repeat(5000))));
        last = answer.status;
        if last != 201 {
            assert!(answer.header("retry-after").is_some(), "{last}: {}", answer.text());
            break;
        }
    }
    assert_eq!(last, 503, "what fits into prepared segments is taken, then nothing");
    let project = server.app.auth().project_named("demo").unwrap();
    let before = server.app.store().view().form(project.id, &"before".into());
    assert!(before.unwrap().is_some(), "reading goes on");
    disk.set_room(None);
    assert_eq!(send(&server, &[xml_part(&xml), file_part("a.jpg", "image/jpeg", &photo)]).status, 201);
}
