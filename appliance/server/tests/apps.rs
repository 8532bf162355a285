//! Apps from the command line: taken in, listed, released, while the server runs and while it does not.

mod support;

use bolster_usecases::apps::pack;
use bolster_wire::app::{Resource, read_profile, read_suite};
use serde_json::Value;
use support::{Folder, Server, bolster, bolster_with};

const SUITE: &[u8] = b"<suite version='1'><menu id='m'><text/><command id='nowhere'/></menu></suite>";

fn package(version: u32) -> Vec<u8> {
    let profile = format!(
        "<profile version='{version}' uniqueid='maji' name='Maji'><suite><resource id='suite' version='1'>\
         <location authority='local'>./suite.xml</location></resource></suite></profile>"
    );
    pack(&[("profile.ccpr", profile.as_bytes()), ("suite.xml", SUITE)]).unwrap()
}

#[test]
fn an_app_is_checked_before_anybody_gets_it() {
    let folder = Folder::new("app-check");
    let data = folder.join("data");
    let file = folder.join("maji.ccz");
    std::fs::write(&file, package(7)).unwrap();
    let said = bolster_with(&data, "app check", &file, "");
    assert_eq!(said.status, 1, "{said:?}");
    let line =
        "menu m: error[unknown command]: It lists the command nowhere, which is neither a form nor a menu.";
    assert_eq!(said.out, format!("{line}\n1 errors, 0 warnings\n"));
    let said = bolster_with(&data, "--json app check", &file, "");
    let value: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&value["ok"], &value["findings"][0]["code"]), (&false.into(), &"unknown command".into()));
    std::fs::write(&file, b"PK no package").unwrap();
    let said = bolster_with(&data, "app check", &file, "");
    assert!(said.status == 1 && said.err.contains("it is no zip file"), "{said:?}");
    assert!(!data.exists(), "it asks nothing of the data folder");
}

#[test]
fn an_app_is_taken_in_and_released() {
    let folder = Folder::new("apps");
    let data = folder.join("data");
    bolster(&data, "project create clinic", "");
    let file = folder.join("maji.ccz");
    std::fs::write(&file, package(7)).unwrap();
    let said = bolster_with(&data, "app import --project clinic", &file, "");
    // The id alone, so that scripts can keep it; what a person should know is beside it.
    assert_eq!((said.status, said.out.as_str()), (0, "maji\n"), "{said:?}");
    assert!(said.err.contains("warning: menus list commands that do not exist: nowhere"), "{said:?}");
    assert!(said.err.contains("bolster app release maji 7"), "{said:?}");

    let server = Server::start(&data, "");
    std::fs::write(&file, package(8)).unwrap();
    let said = bolster_with(&data, "--json app import --project clinic --name Water", &file, "");
    let value: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((value["version"].as_u64(), value["name"].as_str()), (Some(8), Some("Water")), "{said:?}");
    let said = bolster(&data, "app release Water 7 --notes first", "");
    assert_eq!((said.status, said.out.trim()), (0, "phones get version 7 of Water"), "{said:?}");
    let address = format!("{}/a/clinic/apps/download/maji/profile.ccpr?latest=true", server.url);
    let profile = ureq::get(&address).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(profile.contains("version='7'") && profile.contains("name='Water'"), "{profile}");
    let said = bolster(&data, "app list", "");
    assert_eq!(said.out.split_whitespace().collect::<Vec<_>>(), ["Water", "clinic", "8", "7", "maji"]);
    let said = bolster(&data, "app release maji 9", "");
    assert_eq!(
        (said.status, said.err.trim()),
        (1, "bolster: app Water has no version 9; it has 8, 7"),
        "{said:?}"
    );
    let said = bolster(&data, "app unrelease maji 7", "");
    assert_eq!((said.status, said.out.trim()), (0, "no version of Water is released"), "{said:?}");
    assert_eq!(server.stop(), 0);

    let said = bolster(&data, "app release nothing 1", "");
    assert!(said.status == 1 && said.err.contains("there is no app nothing"), "{said:?}");
    let said = bolster_with(&data, "app import --project clinic", &folder.join("missing.ccz"), "");
    assert!(said.status == 1 && said.err.contains("there is no file"), "{said:?}");
    std::fs::write(&file, b"no zip").unwrap();
    let said = bolster_with(&data, "app import --project clinic", &file, "");
    assert!(said.status == 1 && said.err.contains("it is no zip file"), "{said:?}");
    let said = bolster(&data, "app delete maji", "");
    assert_eq!((said.status, bolster(&data, "app list", "").out.trim()), (0, ""), "{said:?}");
}

fn fetched(address: &str) -> Vec<u8> {
    let mut answer = ureq::get(address).call().unwrap_or_else(|e| panic!("{address}: {e}"));
    answer.body_mut().read_to_vec().unwrap()
}

/// Where a phone fetches a resource that a file at an address names.
fn remote(of: &Resource, base: &str) -> String {
    let remote = of.remote.as_deref().unwrap_or_else(|| panic!("{} has no remote location", of.id));
    match remote.strip_prefix("./") {
        Some(path) => format!("{}/{path}", base.rsplit_once('/').unwrap().0),
        None => remote.to_owned(),
    }
}

#[test]
fn the_app_of_the_demo_installs() {
    let folder = Folder::new("demo-app");
    let data = folder.join("data");
    let server = Server::start(&data, "--demo");
    let said = bolster(&data, "--json app list --project demo", "");
    let value: Value = serde_json::from_str(&said.out).unwrap();
    let app = value["apps"][0]["id"].as_str().unwrap();
    assert!(value["apps"][0]["released"].is_u64(), "{said:?}");
    let address = format!("{}/a/demo/apps/download/{app}/media_profile.ccpr?latest=true", server.url);
    let profile = read_profile(&fetched(&address)).unwrap();
    let mut files = Vec::new();
    for suite in &profile.resources {
        let base = remote(suite, &address);
        for resource in read_suite(&fetched(&base)).unwrap().resources {
            assert!(!fetched(&remote(&resource, &base)).is_empty());
            files.push(resource.path.unwrap());
        }
    }
    files.sort();
    assert_eq!(
        files,
        [
            "commcare/image/house.png",
            "default/app_strings.txt",
            "en/app_strings.txt",
            "modules-0/forms-0.xml",
            "modules-1/forms-0.xml"
        ]
    );
    assert_eq!(server.stop(), 0);
}
