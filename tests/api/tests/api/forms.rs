//! One form as JSON.

use api_tests::client::{basic, digest};
use api_tests::forms::{MULTIPART, block, create, file_part, form, form_with, multipart, xml_part};
use api_tests::{PASSWORD, Server};
use bolster_usecases::admin::api_keys::KeyLimits;
use serde_json::json;

#[test]
fn a_form_has_the_shape_of_hq() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let key = server.key("demo", "web@example.org");
    let xml = form_with("f1", &create("c1", "Ada"));
    let parts = multipart(&[xml_part(&xml), file_part("foto ф.jpg", "image/jpeg", b"picture")]);
    server.post(
        "/a/demo/receiver/app-1/",
        &[("Content-Type", MULTIPART), ("X-OpenRosa-Version", "3.0")],
        &parts,
    );
    let get = |target: &str| server.get(target, &[("Authorization", &key)]);
    let answer = get("/a/demo/api/v0.5/form/f1/");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let value = answer.json();
    for (field, expected) in [
        ("id", json!("f1")),
        ("domain", json!("demo")),
        ("app_id", json!("app-1")),
        ("build_id", json!(null)),
        ("type", json!("data")),
        ("version", json!("3")),
        ("uiversion", json!("1")),
        ("archived", json!(false)),
        ("problem", json!(null)),
        ("initial_processing_complete", json!(true)),
        ("is_phone_submission", json!(true)),
        ("edited_on", json!(null)),
        ("edited_by_user_id", json!(null)),
        ("resource_uri", json!("")),
    ] {
        assert_eq!(value[field], expected, "{field}");
    }
    assert_eq!(value["received_on"].as_str().unwrap().len(), "2024-05-01T09:08:07.123456Z".len());
    assert_eq!(value["metadata"]["userID"], "u1");
    assert_eq!(value["metadata"]["timeStart"], "2024-05-01T08:00:00.000000Z");
    assert_eq!(value["metadata"]["app_build_version"], 3);
    assert_eq!(value["metadata"]["doc_type"], "Metadata");
    assert_eq!(value["metadata"]["geo_point"], json!(null));
    assert_eq!(value["form"]["weight"], "61");
    assert_eq!(value["form"]["#type"], "data");
    assert_eq!(value["form"]["case"]["@case_id"], "c1");
    assert_eq!(
        value["attachments"],
        json!({
            "form.xml": {"content_type": "text/xml", "length": xml.len(), "url": "/a/demo/api/form_attachment/v1/f1/form.xml"},
            "foto ф.jpg": {"content_type": "image/jpeg", "length": 7,
                "url": "/a/demo/api/form_attachment/v1/f1/foto%20%D1%84.jpg"},
        })
    );
    for same in [
        "/a/demo/api/v0.5/form/f1",
        "/a/demo/api/v0.4/form/f1/",
        "/a/demo/api/form/v1/f1/",
        "/a/demo/api/form/v1/f1",
    ] {
        assert_eq!(get(same).json(), value, "{same}");
    }
    assert_eq!(value.get("cases"), None);
    let cases = &get("/a/demo/api/form/v1/f1/?cases__full=True").json()["cases"];
    assert_eq!(cases[0]["case_id"], "c1");
    assert_eq!(cases[0]["properties"]["weight"], "61");
    assert_eq!(cases[0]["properties"]["case_type"], "patient");
    assert_eq!(cases[0]["xform_ids"], json!(["f1"]));
}

#[test]
fn forms_that_are_not_normal() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let key = server.key("demo", "web@example.org");
    let get = |id: &str| server.get(&format!("/a/demo/api/form/v1/{id}/"), &[("Authorization", &key)]);
    server.submit(&form_with("bad", &create("", "x")));
    assert!(get("bad").json()["problem"].as_str().unwrap().starts_with("IllegalCaseId: "));
    assert_eq!(get("bad").json()["initial_processing_complete"], false);
    server.submit(&form("f1"));
    server.submit(&form("f1").replace("61", "62"));
    let edited = get("f1").json();
    assert_eq!(edited["form"]["weight"], "62");
    assert!(edited["edited_on"].is_string());
    let earlier = get(edited["deprecated_form_id"].as_str().unwrap()).json();
    assert_eq!((&earlier["form"]["weight"], &earlier["orig_id"]), (&json!("61"), &json!("f1")));
    let absent = get("absent");
    assert_eq!((absent.status, absent.json()), (404, json!({"error": "Form 'absent' not found"})));
    let odd = form("ф/1 ?").replace("u1", "u2");
    server.submit(&odd);
    assert_eq!(get("%D1%84%2F1%20%3F").json()["id"], "ф/1 ?");
}

#[test]
fn the_export_tool_signs_in_with_digest_and_reuses_the_nonce() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    server.submit(&form("f1"));
    let target = "/a/demo/api/v0.5/form/f1/";
    let bare = server.get(target, &[]);
    assert_eq!((bare.status, bare.json()), (401, json!({"error": "credentials are needed"})));
    let challenge = bare.header("www-authenticate").unwrap().to_owned();
    assert!(challenge.starts_with("Digest ") && challenge.contains("qop=\"auth\""), "{challenge}");
    for count in 1..4 {
        let login = digest(&challenge, "web@example.org", PASSWORD, ("GET", target), count);
        assert_eq!(server.get(target, &[("Authorization", &login)]).status, 200, "use {count}");
    }
    let login = digest(&challenge, "web@example.org", "wrong", ("GET", target), 4);
    assert_eq!(server.get(target, &[("Authorization", &login)]).status, 401);
}

#[test]
fn an_overheard_digest_is_good_for_nothing() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    server.submit(&form("f1"));
    let target = "/a/demo/api/v0.5/form/f1/";
    let challenge = server.get(target, &[]).header("www-authenticate").unwrap().to_owned();
    let login = digest(&challenge, "web@example.org", PASSWORD, ("GET", target), 1);
    assert_eq!(server.get(target, &[("Authorization", &login)]).status, 200);
    let again = server.get(target, &[("Authorization", &login)]);
    assert_eq!(again.status, 401);
    assert!(
        again.header("www-authenticate").unwrap().contains("stale=true"),
        "the client need not ask a person"
    );
    server.set("demo", "digest_auth", "false");
    let other = digest(&challenge, "web@example.org", PASSWORD, ("GET", target), 2);
    let off = server.get(target, &[("Authorization", &other)]);
    assert_eq!(off.status, 401);
    assert!(off.header("www-authenticate").unwrap().starts_with("Basic "));
}

#[test]
fn a_key_may_do_what_both_its_user_and_its_role_may() {
    let server = Server::start();
    server.user("demo", "web@example.org", Some("admin"));
    server.submit(&form("f1"));
    let get = |key: &str| server.get("/a/demo/api/form/v1/f1/", &[("Authorization", key)]).status;
    let put_role = |permissions: &[&str]| {
        let permit =
            server.app.auth().operator_permit("test", &server.app.auth().project_named("demo").unwrap());
        let permissions: Vec<String> = permissions.iter().map(|p| (*p).to_owned()).collect();
        server.app.put_role(&permit, "Reader of forms", &permissions).map(drop)
    };
    put_role(&["access_api"]).expect("is made");
    let limits = KeyLimits { role: Some("reader of FORMS".into()), ..KeyLimits::default() };
    let key = server.limited_key("demo", "web@example.org", &limits);
    assert_eq!(get(&key), 403, "the role gives no data");
    put_role(&["access_api", "edit_data"]).expect("is changed");
    assert_eq!(get(&key), 200);
    assert_eq!(
        server
            .get("/a/demo/api/form/v1/f1/", &[("Authorization", &server.key("demo", "web@example.org"))])
            .status,
        200
    );
    let wrong = put_role(&["fly"]).expect_err("no such permission");
    assert!(wrong.to_string().starts_with("there is no permission fly; there are edit_web_users"), "{wrong}");
    let permit = server.app.auth().operator_permit("test", &server.app.auth().project_named("demo").unwrap());
    let kept = server.app.delete_role(&permit, "Reader of forms").expect_err("a key has it");
    assert!(kept.to_string().contains("1 API keys"), "{kept}");
    let elsewhere = KeyLimits { addresses: vec!["192.0.2.1".parse().unwrap()], ..KeyLimits::default() };
    assert_eq!(get(&server.limited_key("demo", "web@example.org", &elsewhere)), 401);
}

#[test]
fn every_spelling_of_an_api_key() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let key = server.key("demo", "web@example.org");
    server.submit(&form("f1"));
    let target = "/a/demo/api/form/v1/f1/";
    for scheme in ["ApiKey", "apikey", "APIKEY"] {
        let login = key.replace("ApiKey", scheme);
        assert_eq!(server.get(target, &[("Authorization", &login)]).status, 200, "{scheme}");
    }
    let secret = key.rsplit(':').next().unwrap();
    let query = format!("{target}?username=web%40example.org&api_key={secret}");
    assert_eq!(server.get(&query, &[]).status, 200);
    let wrong = server.get(target, &[("Authorization", "ApiKey web@example.org:0000")]);
    let text = "Username or API Key is incorrect, expired or deactivated";
    assert_eq!((wrong.status, wrong.json()), (401, json!({ "error": text })));
    let login = basic("web@example.org", PASSWORD);
    assert_eq!(server.get(target, &[("Authorization", &login)]).status, 200);
}

#[test]
fn an_update_shows_in_the_next_read() {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let key = server.key("demo", "web@example.org");
    server.submit(&form_with("f0", &create("c1", "Ada")));
    for number in 1..50 {
        let set = block("c1", &format!("<update><weight>{number}</weight></update>"));
        assert_eq!(server.submit(&form_with(&format!("f{number}"), &set)).status, 201);
        let case = server.get("/a/demo/api/case/v2/c1", &[("Authorization", &key)]).json();
        assert_eq!(case["properties"]["weight"], number.to_string());
    }
}
