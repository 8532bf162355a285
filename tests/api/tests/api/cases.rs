//! Cases as JSON.

use api_tests::Server;
use api_tests::forms::{block, create, form_with};
use serde_json::{Value, json};

fn server() -> (Server, String) {
    let server = Server::start();
    server.user("demo", "web@example.org", None);
    let key = server.key("demo", "web@example.org");
    let index = "<index><parent case_type=\"household\">h1</parent></index>";
    let child = create("c1", "Ada").replace("</case>", &format!("{index}</case>"));
    server.submit(&form_with("f1", &(create("h1", "House") + &child)));
    (server, key)
}

#[test]
fn a_case_has_the_shape_of_hq() {
    let (server, key) = server();
    let answer = server.get("/a/demo/api/case/v2/c1", &[("Authorization", &key)]);
    assert_eq!(answer.status, 200);
    let value = answer.json();
    let received = value["server_last_modified"].clone();
    assert_eq!(received.as_str().unwrap().len(), 27);
    assert_eq!(
        value,
        json!({
            "domain": "demo", "case_id": "c1", "case_type": "patient", "case_name": "Ada", "external_id": null,
            "owner_id": "u1", "date_opened": "2024-05-01T08:05:00.000000Z",
            "last_modified": "2024-05-01T08:05:00.000000Z", "server_last_modified": received, "indexed_on": received,
            "closed": false, "date_closed": null, "properties": {"weight": "61"},
            "indices": {"parent": {"case_id": "h1", "case_type": "household", "relationship": "child"}},
        })
    );
    for same in ["/a/demo/api/case/v2/c1/", "/a/demo/api/v0.6/case/c1", "/a/demo/api/v0.6/case/c1/"] {
        assert_eq!(server.get(same, &[("Authorization", &key)]).json(), value, "{same}");
    }
    let part = server
        .get("/a/demo/api/case/v2/c1?fields=case_id,indices.parent.case_id", &[("Authorization", &key)]);
    assert_eq!(part.json(), json!({"case_id": "c1", "indices": {"parent": {"case_id": "h1"}}}));
    let both = server.get("/a/demo/api/case/v2/c1?fields=case_id&exclude=closed", &[("Authorization", &key)]);
    assert_eq!(both.status, 400);
}

#[test]
fn lists_of_ids() {
    let (server, key) = server();
    let get = |ids: &str| server.get(&format!("/a/demo/api/case/v2/{ids}"), &[("Authorization", &key)]);
    let names = |value: &Value| -> Vec<String> {
        let entries = value["cases"].as_array().unwrap().iter();
        entries
            .map(|c| format!("{}{}", c["case_id"].as_str().unwrap(), c["error"].as_str().unwrap_or("")))
            .collect()
    };
    let value = get("zz,c1,h1,c1").json();
    assert_eq!(names(&value), ["zznot found", "c1", "h1", "c1"]);
    assert_eq!((&value["matching_records"], &value["missing_records"]), (&json!(3), &json!(1)));
    assert_eq!(names(&get("zz,yy").json()), ["zznot found", "yynot found"], "never 404 as a whole");
    assert_eq!(names(&get("c1%2Ch1").json()), ["c1", "h1"], "some clients encode the comma");
    let absent = get("zz");
    assert_eq!((absent.status, absent.json()), (404, json!({"error": "Case 'zz' not found"})));
    let many = vec!["x"; 5001].join(",");
    assert_eq!(get(&many).status, 400);
    server.submit(&form_with("f2", &create("a,b", "Comma")));
    assert_eq!(get("a%2Cb").json()["case_name"], "Comma");
}

#[test]
fn closed_and_deleted_cases() {
    let (server, key) = server();
    let get = |id: &str| server.get(&format!("/a/demo/api/case/v2/{id}"), &[("Authorization", &key)]);
    server.submit(&form_with("f2", &block("c1", "<close/>")));
    let value = get("c1").json();
    assert_eq!(
        (&value["closed"], &value["date_closed"]),
        (&json!(true), &json!("2024-05-01T08:05:00.000000Z"))
    );
    let project = server.app.auth().project_named("demo").unwrap();
    let permit = server.app.auth().operator_permit("test", &project);
    server.app.delete_case(&permit, &"c1".into(), true).unwrap();
    assert_eq!(get("c1").status, 404);
    assert_eq!(get("c1,h1").json()["missing_records"], 1);
}
