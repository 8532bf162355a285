//! Files of forms and cases.

use api_tests::Server;
use api_tests::client::md5_of;
use api_tests::forms::{MULTIPART, create, file_part, form_with, multipart, xml_part};

fn server() -> (Server, String, String, Vec<u8>) {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let key = server.key("demo", "web@example.org");
    let photo: Vec<u8> =
        (0..1_500_000u32).flat_map(|n| (n.wrapping_mul(2654435761) >> 24).to_le_bytes()).collect();
    let block =
        create("c1", "Ada").replace("</case>", "<attachment><face src=\"a b.jpg\"/></attachment></case>");
    let xml = form_with("f1", &block);
    let parts = [
        file_part("z.bin", "application/octet-stream", b""),
        xml_part(&xml),
        file_part("a b.jpg", "image/jpeg", &photo),
        file_part("page.jpg", "text/html", b"<script>alert(1)</script>"),
    ];
    let answer = server.post("/a/demo/receiver/", &[("Content-Type", MULTIPART)], &multipart(&parts));
    assert_eq!(answer.status, 201, "{}", answer.text());
    (server, key, xml, photo)
}

#[test]
fn files_come_back_byte_for_byte() {
    let (server, key, xml, photo) = server();
    let get = |target: &str| server.get(target, &[("Authorization", &key)]);
    for base in ["/a/demo/api/form/attachment/f1", "/a/demo/api/form_attachment/v1/f1"] {
        let answer = get(&format!("{base}/form.xml"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml")));
        assert_eq!(answer.body, xml.as_bytes());
        let answer = get(&format!("{base}/a%20b.jpg"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/jpeg")));
        assert_eq!(md5_of(&answer.body), md5_of(&photo));
        assert_eq!(get(&format!("{base}/z.bin")).body, b"");
        assert_eq!(get(&format!("{base}/nothing.jpg")).status, 404);
    }
    for base in ["/a/demo/api/case/attachment/c1", "/a/demo/api/case_attachment/v1/c1"] {
        assert_eq!(md5_of(&get(&format!("{base}/face")).body), md5_of(&photo));
        assert_eq!(get(&format!("{base}/form.xml")).status, 404);
    }
    assert_eq!(get("/a/demo/api/form/attachment/nothing/form.xml").status, 404);
    assert_eq!(get("/a/demo/api/case/attachment/nothing/face").status, 404);
    let head = server.connect().send(
        "HEAD",
        "/a/demo/api/form/attachment/f1/a%20b.jpg",
        &[("Authorization", &key)],
        b"",
    );
    assert_eq!(head.header("content-length"), Some(photo.len().to_string().as_str()));
}

#[test]
fn a_file_that_has_not_changed_is_not_sent_again() {
    let (server, key, ..) = server();
    let target = "/a/demo/api/form/attachment/f1/a%20b.jpg";
    let tag = server.get(target, &[("Authorization", &key)]).header("etag").unwrap().to_owned();
    let answer = server.get(target, &[("Authorization", &key), ("If-None-Match", &tag)]);
    assert_eq!((answer.status, answer.body.len()), (304, 0));
}

#[test]
fn uploads_never_run_as_pages_of_ours() {
    let (server, key, ..) = server();
    for name in ["page.jpg", "a%20b.jpg", "form.xml"] {
        let answer =
            server.get(&format!("/a/demo/api/form/attachment/f1/{name}"), &[("Authorization", &key)]);
        assert!(answer.header("content-security-policy").unwrap().contains("sandbox"), "{name}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
    }
    let page = server.get("/a/demo/api/form/attachment/f1/page.jpg", &[("Authorization", &key)]);
    assert!(page.header("content-disposition").unwrap().starts_with("attachment"));
}

#[test]
fn a_lost_file_is_said_to_be_missing() {
    let (server, key, ..) = server();
    use bolster_store::ReadExt;
    let project = server.app.auth().project_named("demo").unwrap();
    let row = server.app.store().view().form(project.id, &"f1".into()).unwrap().unwrap();
    let photo = row.attachments.iter().find(|a| a.name == "a b.jpg").unwrap();
    server.app.store().blobs().remove(&photo.blob).unwrap();
    let answer = server.get("/a/demo/api/form/attachment/f1/a%20b.jpg", &[("Authorization", &key)]);
    assert_eq!((answer.status, answer.header("x-bolster-error")), (404, Some("content-missing")));
}
