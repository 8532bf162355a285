//! Commands as a person types them, on a stopped and on a running appliance.

mod support;

use serde_json::Value;
use std::path::Path;
use support::{Folder, Server, bolster, bolster_with};

const FORM: &str = r#"<data xmlns="http://example.org/visit">
<case xmlns="http://commcarehq.org/case/transaction/v2" case_id="c1" user_id="u" date_modified="2026-03-01T08:30:00.000Z">
<create><case_type>patient</case_type><case_name>Zuri</case_name><owner_id>u</owner_id></create>
<update><temperature>37.2</temperature></update></case>
<meta xmlns="http://openrosa.org/jr/xforms"><instanceID>f1</instanceID><userID>u</userID></meta></data>"#;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_project_is_made_while_stopped_and_used_while_running() {
    let folder = Folder::new("commands");
    let data = folder.join("data");
    let said = bolster(&data, "project list", "");
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.starts_with("bolster: there is no data folder"), "{said:?}");

    let said = bolster(&data, "project create clinic", "");
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(said.out.trim().len(), 32, "an id: {said:?}");
    let said = bolster(&data, "user create --project clinic amina --data village=Kanda", "secret-1");
    assert_eq!(said.status, 0, "{said:?}");
    let worker = said.out.trim().to_owned();

    let server = Server::start(&data, "");
    let said = bolster(&data, "--json user list --project clinic", "");
    let users = json(&said.out);
    assert_eq!(users["users"][0]["id"], worker.as_str(), "{said:?}");

    let file = folder.join("visit.xml");
    std::fs::write(&file, FORM).unwrap();
    let state = folder.join("state");
    let line =
        format!("submit --url {} --project clinic --user amina --state {}", server.url, state.display());
    let said = bolster_with(&data, &line, &file, "wrong");
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("password"), "{said:?}");
    let said = bolster_with(&data, &line, &file, "secret-1");
    assert_eq!(
        (said.status, said.out.lines().next()),
        (0, Some("1 accepted, 0 duplicate, 0 refused, 0 failed, 0 sent before")),
        "{said:?}"
    );
    let said = bolster_with(&data, &line, &file, "secret-1");
    assert!(said.out.contains("1 sent before"), "{said:?}");
    let bad = folder.join("bad.xml");
    std::fs::write(&bad, FORM.replace("f1", "f2").replace("\"c1\"", "\"\"")).unwrap();
    std::fs::write(folder.join("worse.xml"), "no XML at all").unwrap();
    std::fs::remove_file(&state).unwrap();
    let said = bolster_with(&data, &line, &folder.join(""), "secret-1");
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.out.starts_with("0 accepted, 1 duplicate, 2 refused, 0 failed"), "{said:?}");
    assert!(said.out.contains("bad.xml: ") && said.out.contains("worse.xml: "), "{said:?}");

    let running = bolster(&data, "case show c1 --history", "");
    assert_eq!(running.status, 0, "{running:?}");
    assert!(running.out.contains("temperature: 37.2") && running.out.contains("f1"), "{running:?}");
    let found = bolster_with(&data, "search --project clinic --explain", Path::new("temperature > 37"), "");
    assert_eq!(found.status, 0, "{found:?}");
    assert!(found.out.starts_with("Zuri  patient  u  open  c1\n\n1. looking at all cases"), "{found:?}");
    let found =
        bolster_with(&data, "--json search --project clinic --type house", Path::new("match-all()"), "");
    assert_eq!(json(&found.out), serde_json::json!({"cases": [], "more": false}));
    let found = bolster_with(&data, "search --project clinic", Path::new("temperature"), "");
    assert!(found.status == 1 && found.err.contains("at least one boolean operator"), "{found:?}");
    assert_eq!(server.stop(), 0);
    let stopped = bolster(&data, "case show c1 --history", "");
    assert_eq!((stopped.status, stopped.out), (0, running.out));
    let said = bolster(&data, "form show f1 --xml", "");
    assert_eq!(said.out, FORM);
    let said = bolster(&data, "log verify", "");
    assert!(said.status == 0 && said.out.starts_with("the log is sound"), "{said:?}");
    let said = bolster(&data, "--json log tail -n 1", "");
    assert_eq!(json(&said.out)["what"], "form");
    let said = bolster(&data, "case show nobody", "");
    assert_eq!((said.status, said.err.trim()), (1, "bolster: there is no case nobody"));
}

#[test]
fn one_server_at_a_time_has_a_folder() {
    let folder = Folder::new("second");
    let data = folder.join("data");
    let server = Server::start(&data, "");
    let said = bolster(&data, "serve --listen 127.0.0.1:0", "");
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("is in use by another bolster"), "{said:?}");
    // The refused one has left the socket of the first alone.
    assert_eq!(bolster(&data, "lag", "").status, 0);
    assert_eq!(server.stop(), 0);
}

#[test]
fn the_demo_fills_an_empty_folder_once() {
    let folder = Folder::new("demo");
    let data = folder.join("data");
    let server = Server::start(&data, "--demo");
    let lag = json(&bolster(&data, "lag --json", "").out);
    let said = bolster(&data, "user list --project demo", "");
    assert!(said.out.contains("amina") && said.out.contains("admin@example.org"), "{said:?}");
    assert_eq!(server.stop(), 0);
    let server = Server::start(&data, "--demo");
    assert_eq!(json(&bolster(&data, "lag --json", "").out)["head"], lag["head"]);
    for line in ["shards resize 3", "rebuild", "doctor"] {
        let said = bolster(&data, line, "");
        assert_eq!(said.status, 0, "{line}: {said:?}");
    }
    let blob = data.join("blobs/ab/cd").join("abcd".repeat(16));
    std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    std::fs::File::create(&blob).unwrap().set_modified(old).unwrap();
    let said = bolster(&data, "rebuild blobs", "");
    assert!(said.status == 0 && said.out.contains("removed 1 that nothing refers to"), "{said:?}");
    assert!(!blob.exists());
    assert_eq!(json(&bolster(&data, "lag --json", "").out)["readers"].as_array().map(Vec::len), Some(3));
    assert_eq!(server.stop(), 0);

    let used = folder.join("used");
    assert_eq!(bolster(&used, "project create mine", "").status, 0);
    let said = bolster(&used, "serve --listen 127.0.0.1:0 --demo", "");
    assert!(said.status == 1 && said.err.contains("only an empty one"), "{said:?}");
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    let folder = Folder::new("usage");
    let data = folder.join("data");
    for line in
        ["", "fly", "project", "project create", "user create amina", "shards resize 0", "serve --listen x"]
    {
        let said = bolster(&data, line, "");
        assert_eq!(said.status, 2, "{line}: {said:?}");
    }
    let said = bolster(&data, "serve --demo --listen 0.0.0.0:0", "");
    assert!(said.status == 1 && said.err.contains("--demo-on-network"), "{said:?}");
    for line in ["--help", "user create --help", "--version", "completions bash"] {
        let said = bolster(&data, line, "");
        assert_eq!(said.status, 0, "{line}: {said:?}");
    }
}

#[test]
fn a_copied_folder_can_be_told_to_be_a_new_node() {
    let folder = Folder::new("new-node");
    let data = folder.join("data");
    assert_eq!(bolster(&data, "project create clinic", "").status, 0);
    let node = || std::fs::read_to_string(data.join("node")).unwrap();
    let first = node().lines().next().unwrap().to_owned();
    assert_eq!(Server::start(&data, "").stop(), 0);
    assert!(node().starts_with(&first), "it stays the same by itself");
    assert_eq!(Server::start(&data, "--new-node").stop(), 0);
    let second = node();
    assert!(!second.starts_with(&first), "{second}");
    assert!(second.contains(&first.replace("node ", "predecessor ")), "{second}");
    assert_eq!(bolster(&data, "project create second", "").status, 0);
    let said = bolster(&data, "--json log verify", "");
    assert!(said.status == 0 && json(&said.out)["streams"].as_u64() > Some(1), "{said:?}");
    let said = bolster(&data, "project list", "");
    assert!(said.out.contains("clinic") && said.out.contains("second"), "{said:?}");
}

#[test]
fn app_authors_need_no_data_folder() {
    let folder = Folder::new("authors");
    let data = folder.join("none");
    let file = folder.join("form.xml");
    std::fs::write(
        &file,
        "<h:html xmlns:h='http://www.w3.org/1999/xhtml' xmlns='http://www.w3.org/2002/xforms'><h:head><h:title>T</h:title>\
         <model><instance><data xmlns='http://example.org/t'><a/></data></instance></model></h:head>\
         <h:body><input ref='/data/a'><label>A</label></input></h:body></h:html>",
    )
    .unwrap();
    let said = bolster_with(&data, "--json form check", &file, "");
    assert_eq!((said.status, json(&said.out)["ok"].as_bool()), (0, Some(true)), "{said:?}");
    let said = bolster_with(&data, "form fill", &file, "hello\n\n");
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.out.contains("<a>hello</a>"), "{said:?}");
    let said = bolster(&data, "xpath concat('a',1+1)", "");
    assert_eq!((said.status, said.out.as_str()), (0, "text: a2\n"), "{said:?}");
    std::fs::write(&file, "<h:html xmlns:h='http://www.w3.org/1999/xhtml'/>").unwrap();
    let said = bolster_with(&data, "form check", &file, "");
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.out.contains("error[structure]"), "{said:?}");
    assert!(!data.exists());
}
