//! Somebody looks for a patient of a colleague in a browser, claims her, and fills in a form with a repeat.

use crate::web_apps::{entities, patient};
use api_tests::Server;
use api_tests::web::Browser;
use bolster_env::Env;
use bolster_http::HttpOptions;
use bolster_usecases::apps::ImportApp;
use serde_json::{Value, json};

const PROFILE: &str = r#"<profile version="1" requiredMajor="2" requiredMinor="53" uniqueid="finder" name="Finder">
  <property key="cur_locale" value="default"/>
  <suite><resource id="suite" version="1"><location authority="local">./suite.xml</location></resource></suite>
</profile>"#;

const SUITE: &str = r#"<suite version="1">
  <xform><resource id="f" version="1"><location authority="local">./modules-0/forms-0.xml</location></resource></xform>
  <locale language="default"><resource id="l" version="1"><location authority="local">./default/app_strings.txt</location></resource></locale>
  <detail id="short"><title><text>Patients</text></title>
    <action><display><text>Find another</text></display>
      <stack><push><mark/><command value="'search_command.m0'"/></push></stack></action>
    <field><header><text>Name</text></header><template><text><xpath function="case_name"/></text></template></field>
  </detail>
  <detail id="found"><title><text>Found</text></title>
    <field><header><text>Name</text></header><template><text><xpath function="case_name"/></text></template></field>
    <field><header><text>Age</text></header><template><text><xpath function="age"/></text></template></field>
  </detail>
  <remote-request>
    <post url="https://hq.example/a/demo/phone/claim-case/"
        relevant="count(instance('casedb')/casedb/case[@case_id=instance('commcaresession')/session/data/search_case_id]) = 0">
      <data key="case_id" ref="instance('commcaresession')/session/data/search_case_id"/>
    </post>
    <command id="search_command.m0"><display><text>Search</text></display></command>
    <instance id="casedb" src="jr://instance/casedb"/>
    <instance id="commcaresession" src="jr://instance/session"/>
    <instance id="results" src="jr://instance/remote/results"/>
    <session>
      <query url="https://hq.example/a/demo/phone/search/" storage-instance="results" template="case" default_search="false">
        <data key="case_type" ref="'patient'"/>
        <prompt key="name"><display><text>Name</text></display>
          <validation test="string-length(instance('search-input:results')/input/field[@name='name']) &lt; 20">
            <text>Too long</text></validation></prompt>
      </query>
      <datum id="search_case_id" nodeset="instance('results')/results/case[@case_type='patient']" value="./@case_id"
          detail-select="found"/>
    </session>
    <stack><push><rewind value="instance('commcaresession')/session/data/search_case_id"/></push></stack>
  </remote-request>
  <entry><form>http://example.org/finder</form><command id="m0-f0"><text>Weigh</text></command>
    <instance id="casedb" src="jr://instance/casedb"/>
    <session><datum id="case_id" nodeset="instance('casedb')/casedb/case[@case_type='patient'][@status='open']"
        value="./@case_id" detail-select="short"/></session>
    <stack><create><command value="'m0'"/></create></stack></entry>
  <menu id="m0"><text>Patients</text><command id="m0-f0"/></menu>
</suite>"#;

const FORM: &str = r#"<h:html xmlns:h="http://www.w3.org/1999/xhtml" xmlns="http://www.w3.org/2002/xforms"
    xmlns:jr="http://openrosa.org/javarosa">
  <h:head><h:title>Weigh</h:title><model>
    <instance><data xmlns="http://example.org/finder" name="Weigh"><weight jr:template=""><kg/></weight><age/>
      <case xmlns="http://commcarehq.org/case/transaction/v2" case_id="" date_modified="" user_id=""><update><age/></update></case>
      <meta xmlns="http://openrosa.org/jr/xforms"><timeEnd/><userID/><instanceID/></meta></data></instance>
    <instance id="commcaresession" src="jr://instance/session"/>
    <bind nodeset="/data/weight/kg" type="xsd:int" constraint=". &lt; 200" jr:constraintMsg="Below 200"/>
    <bind nodeset="/data/age" type="xsd:int" required="true()"/>
    <bind nodeset="/data/case/@case_id" calculate="instance('commcaresession')/session/data/case_id"/>
    <bind nodeset="/data/case/@date_modified" type="dateTime" calculate="/data/meta/timeEnd"/>
    <bind nodeset="/data/case/@user_id" calculate="/data/meta/userID"/>
    <bind nodeset="/data/case/update/age" calculate="/data/age"/>
    <setvalue event="xforms-ready" ref="/data/meta/instanceID" value="uuid()"/>
    <setvalue event="xforms-ready" ref="/data/meta/userID" value="instance('commcaresession')/session/context/userid"/>
    <setvalue event="xforms-revalidate" ref="/data/meta/timeEnd" value="now()"/>
  </model></h:head>
  <h:body>
    <group ref="/data/weight"><label>Weight</label><repeat nodeset="/data/weight">
      <input ref="/data/weight/kg"><label>kg</label></input></repeat></group>
    <input ref="/data/age"><label>Age</label></input>
  </h:body>
</h:html>"#;

fn finder(server: &Server) -> String {
    let files = [
        ("profile.ccpr", PROFILE.as_bytes().to_vec()),
        ("suite.xml", SUITE.as_bytes().to_vec()),
        ("modules-0/forms-0.xml", FORM.as_bytes().to_vec()),
        ("default/app_strings.txt", b"app.display.name=Finder\n".to_vec()),
    ];
    let package = api_tests::apps::package(&files);
    let done = server.try_import("demo", package, &ImportApp::default()).expect("is taken in");
    server.release("demo", &done.app.id, done.build.version);
    done.app.id.clone()
}

fn search(browser: &Browser<'_>, selections: &[&str], name: &str, execute: bool) -> Value {
    let key = "search_command.m0_results";
    let data = json!({key: {"inputs": {"name": name}, "execute": execute, "force_manual_search": true}});
    let body = json!({"app_id": browser.app_id, "selections": selections, "query_data": data});
    browser.ask("navigate_menu", body)
}

#[test]
fn a_patient_of_a_colleague_is_found_claimed_and_weighed() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::on(Env::real(), folder.path(), HttpOptions::default());
    let amina = server.user("demo", "amina", None);
    let app = finder(&server);
    patient(&server, "mine", &amina);
    patient(&server, "other", "somebody");
    let browser = Browser::open(&server, &amina, "amina@demo.commcarehq.org", &app);

    let list = browser.go(&["0"]);
    assert_eq!(entities(&list), ["mine"], "{list}");
    assert_eq!(list["actions"][0]["text"], "Find another", "{list}");
    let asked = browser.go(&["0", "action 0"]);
    assert_eq!((&asked["type"], &asked["displays"][0]["text"]), (&json!("query"), &json!("Name")), "{asked}");
    let key = asked["queryKey"].as_str().unwrap();
    assert_eq!(key, "search_command.m0_results");
    let long = search(&browser, &["0", "action 0"], "a name that is much too long", true);
    assert_eq!(long["displays"][0]["error"], "Too long", "{long}");
    let found = search(&browser, &["0", "action 0"], "Ada", true);
    assert_eq!(entities(&found).len(), 2, "{found}");
    assert_eq!(entities(&search(&browser, &["0", "action 0"], "Nobody", true)), Vec::<&str>::new());

    // Choosing her claims her, and the list that the search began from goes on with her.
    let claimed = search(&browser, &["0", "action 0", "other"], "Ada", true);
    assert_eq!(claimed["selections"], json!(["0", "other"]), "{claimed}");
    let form = browser.go(&["0", "other", "0"]);
    let session = form["session_id"].as_str().unwrap_or_else(|| panic!("no form: {form}")).to_owned();
    assert_eq!(form["title"], "Weigh");
    let mut ids = entities(&browser.go(&["0"])).iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    ids.sort();
    assert_eq!(ids, ["mine", "other"], "claimed");

    // Another process: the form is where it was.
    drop(server);
    let server = Server::on(Env::real(), folder.path(), HttpOptions::default());
    let browser = Browser::open(&server, &amina, "amina@demo.commcarehq.org", &app);
    let repeated = browser.ask("new-repeat", json!({"session_id": session, "ix": "0_0"}));
    assert_eq!(repeated["tree"][0]["exists"], "true", "{repeated}");
    let refused = browser.answer(&session, "0_0,0", "900");
    assert_eq!((&refused["status"], &refused["reason"]), (&json!("validation-error"), &json!("Below 200")));
    assert_eq!(browser.answer(&session, "0_0,0", "61")["status"], "accepted");
    let repeated = browser.ask("new-repeat", json!({"session_id": session, "ix": "0_1"}));
    assert_eq!(repeated["tree"][1]["exists"], "true", "{repeated}");
    browser.answer(&session, "0_1,0", "62");
    let removed = browser.ask("delete-repeat", json!({"session_id": session, "ix": "0_1,0"}));
    assert_eq!(removed["tree"][1]["exists"], "false", "{removed}");
    let body = json!({"session_id": session, "answers": {"1": ""}, "prevalidated": true});
    let missing = browser.ask("submit-all", body);
    assert_eq!(missing["errors"]["1"]["type"], "required", "{missing}");
    let body = json!({"session_id": session, "answers": {"0_0,0": "61", "1": "31"}, "prevalidated": true});
    let done = browser.ask("submit-all", body);
    assert_eq!(done["status"], "success", "{done}");
    assert_eq!(done["nextScreen"]["title"], "Patients", "{done}");
    let found = search(&browser, &["0", "action 0"], "Ada", true);
    let ages: Vec<&str> =
        found["entities"].as_array().unwrap().iter().filter_map(|e| e["data"][1].as_str()).collect();
    assert!(ages.contains(&"31") && ages.contains(&"30"), "{found}");
}
