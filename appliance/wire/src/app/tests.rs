//! Profiles, suites and packages as app builders export them, and ones that nobody should take.

use super::*;
use std::collections::BTreeSet;

const PROFILE: &str = r#"<?xml version='1.0' encoding='UTF-8'?>
<profile version="12"
         update="https://www.commcarehq.org/a/maji/apps/download/APP/media_profile.ccpr?latest=true&amp;profile=None"
         requiredMajor="2" requiredMinor="53" requiredMinimal="0" uniqueid="app1" name="Maji &amp; Co" descriptor="Profile File" buildProfileID="">
  <!-- <property key="PostURL" value="https://www.commcarehq.org/a/maji/receiver/B/"/> -->
  <property key="ota-restore-url" value="https://www.commcarehq.org/a/maji/phone/restore/B1/"/>
  <property key="PostURL" value="https://www.commcarehq.org/a/maji/receiver/secure/B1/" force="false"/>
  <property key='key_server' value='https://www.commcarehq.org/a/maji/phone/keys/' force="true"/>
  <property key="cur_locale" value="en"/>
  <property key="log_receiver_url" value="https://www.commcarehq.org/a/maji/receiver/B1/"/>
  <property key="help" value="https://www.commcarehq.org/a/majimoto/receiver/"/>
  <suite><resource id="suite" version="12"><location authority="local">./suite.xml</location>
    <location authority="remote">https://www.commcarehq.org/a/maji/apps/download/B1/suite.xml</location></resource></suite>
  <suite><resource id="media-suite" version="12"><location authority="local">./media_suite.xml</location></resource></suite>
</profile>
"#;

const SUITE: &str = r#"<suite version="12">
  <xform><resource id="f" version="3"><location authority="local">./modules-0/forms-0.xml</location>
    <location authority="remote">./modules-0/forms-0.xml</location></resource></xform>
  <locale language="default"><resource id="l" version="1"><location authority="local">default/app_strings.txt</location></resource></locale>
  <media path="../../commcare/image"><resource id="m" version="2" lazy="true">
    <location authority="local">./commcare/image/a b.png</location>
    <location authority="remote">https://www.commcarehq.org/hq/multimedia/file/CommCareImage/0123/a%20b.png</location></resource></media>
  <media path="../../commcare/image"><resource id="n" version="2">
    <location authority="local">./commcare/image/gone.png</location>
    <location authority="remote">https://www.commcarehq.org/hq/multimedia/file/CommCareImage/0456/gone.png</location></resource></media>
  <entry><form>http://example.org/f</form><command id="m0-f0"><text><locale id="forms.m0f0"/></text></command>
    <session><query url="http://www.commcarehq.org/a/maji/phone/search/APP/" storage-instance="results"/>
    <datum id="case_id" nodeset="x" value="./@case_id" detail-select="m0_short"/></session>
    <stack><push><query id="r" value="'https://www.commcarehq.org/a/maji/phone/case_fixture/APP/'"/>
      <jump><url><text><xpath function="concat('https://www.commcarehq.org/a/', $domain, '/app/v1/X/')"/></text></url></jump></push></stack></entry>
  <remote-request><post url="https://elsewhere.org/a/maji/phone/claim-case/"/></remote-request>
  <menu id="m0"><text><locale id="modules.m0"/></text><command id="m0-f0"/><command id="m0-f9"/></menu>
</suite>"#;

fn files(path: &str) -> Option<String> {
    let known = [
        "suite.xml",
        "media_suite.xml",
        "modules-0/forms-0.xml",
        "default/app_strings.txt",
        "commcare/image/a b.png",
    ];
    known.contains(&path).then(|| "d1".repeat(32))
}

fn place<'a>(home: Option<&'a Home>, name: Option<&'a str>) -> Place<'a> {
    Place {
        site: "https://clinic.example",
        project: "demo",
        app_id: "app1",
        build_id: "b9",
        build_profile: "",
        name,
        home,
    }
}

fn rewritten(profile: &str, with_media: bool) -> String {
    let home = read_profile(profile.as_bytes()).unwrap().home();
    let bytes = rewrite_profile(profile.as_bytes(), &place(home.as_ref(), None), &files, with_media).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_profile_is_read() {
    let profile = read_profile(PROFILE.as_bytes()).unwrap();
    assert_eq!(
        (profile.version, profile.unique_id.as_str(), profile.name.as_str()),
        (12, "app1", "Maji & Co")
    );
    assert_eq!(profile.requires, Some(Platform { major: 2, minor: 53, minimal: 0 }));
    assert_eq!(profile.home(), Some(Home { host: "www.commcarehq.org".into(), project: "maji".into() }));
    assert_eq!(profile.source_build(), Some("B1"));
    let paths: Vec<_> = profile.resources.iter().map(|r| r.path.as_deref().unwrap()).collect();
    assert_eq!(paths, ["suite.xml", "media_suite.xml"]);
}

#[test]
fn every_address_of_a_profile_is_ours() {
    let out = rewritten(PROFILE, true);
    let again = read_profile(out.as_bytes()).unwrap();
    let base = "https://clinic.example/a/demo";
    for (key, value) in [
        ("ota-restore-url", format!("{base}/phone/restore/b9/")),
        ("PostURL", format!("{base}/receiver/secure/b9/")),
        ("key_server", format!("{base}/phone/keys/")),
        ("heartbeat-url", format!("{base}/phone/heartbeat/b9/?build_profile_id=")),
        ("cc_user_domain", "demo.commcarehq.org".to_owned()),
        ("cur_locale", "en".to_owned()),
        ("log_receiver_url", format!("{base}/receiver/B1/")),
        ("help", "https://www.commcarehq.org/a/majimoto/receiver/".to_owned()),
    ] {
        assert_eq!(again.property(key), Some(value.as_str()), "{key}");
    }
    assert_eq!(
        again.update,
        format!("{base}/apps/download/app1/media_profile.ccpr?latest=true&profile=None")
    );
    assert_eq!(again.name, "Maji & Co");
    let remotes: Vec<_> = again.resources.iter().map(|r| r.remote.clone().unwrap()).collect();
    assert_eq!(
        remotes,
        [format!("{base}/apps/download/b9/suite.xml"), format!("{base}/apps/download/b9/media_suite.xml")]
    );
    // What is sent by force overrides what the phone was told at the place of origin.
    assert!(out.contains(r#"/receiver/secure/b9/" force="true""#), "{out}");
    assert!(out.contains(r#"/phone/restore/b9/" force="true""#), "{out}");
    // A comment is no property.
    assert!(out.contains(
        "<!-- <property key=\"PostURL\" value=\"https://www.commcarehq.org/a/maji/receiver/B/\"/> -->"
    ));
}

#[test]
fn without_media_there_is_no_media_suite() {
    let out = rewritten(PROFILE, false);
    let again = read_profile(out.as_bytes()).unwrap();
    assert_eq!(again.resources.len(), 1);
    assert!(again.update.contains("/profile.ccpr?"), "{}", again.update);
}

#[test]
fn a_given_name_is_shown_on_phones() {
    let bytes = rewrite_profile(PROFILE.as_bytes(), &place(None, Some("A<\"B")), &files, true).unwrap();
    assert_eq!(read_profile(&bytes).unwrap().name, "A<\"B");
}

#[test]
fn a_bare_profile_gets_what_a_phone_needs() {
    let out = rewritten(
        "<profile version='1'><suite><resource id='s' version='1'><location authority='local'>suite.xml</location>\
         </resource></suite></profile>",
        true,
    );
    let again = read_profile(out.as_bytes()).unwrap();
    assert_eq!(again.unique_id, "app1");
    assert_eq!(again.property("PostURL"), Some("https://clinic.example/a/demo/receiver/b9/"));
    assert!(again.update.starts_with("https://clinic.example/a/demo/apps/download/app1/"));
    assert_eq!(
        again.resources[0].remote.as_deref(),
        Some("https://clinic.example/a/demo/apps/download/b9/suite.xml")
    );
}

#[test]
fn a_suite_points_here_and_nothing_else_changes() {
    let home = Home { host: "www.commcarehq.org".into(), project: "maji".into() };
    let out = rewrite_suite(SUITE.as_bytes(), &place(Some(&home), None), &files).unwrap();
    let out = String::from_utf8(out).unwrap();
    let media =
        format!("https://clinic.example/hq/multimedia/file/CommCareImage/{}/a%20b.png", "d1".repeat(32));
    for (before, after) in [
        (
            "http://www.commcarehq.org/a/maji/phone/search/APP/",
            "https://clinic.example/a/demo/phone/search/APP/",
        ),
        (
            "'https://www.commcarehq.org/a/maji/phone/case_fixture/APP/'",
            "'https://clinic.example/a/demo/phone/case_fixture/APP/'",
        ),
        ("concat('https://www.commcarehq.org/a/', $domain", "concat('https://clinic.example/a/', $domain"),
        ("https://www.commcarehq.org/hq/multimedia/file/CommCareImage/0123/a%20b.png", &media),
        (
            "default/app_strings.txt</location>",
            "default/app_strings.txt</location><location authority=\"remote\">./default/app_strings.txt</location>",
        ),
    ] {
        assert!(SUITE.contains(before) && out.contains(after), "{after}\n{out}");
    }
    // What is not in the package stays where it was, and so does what belongs to somebody else.
    assert!(
        out.contains("CommCareImage/0456/gone.png") && out.contains("https://elsewhere.org/a/maji/phone/")
    );
    // Doing it again changes nothing more.
    let again = rewrite_suite(out.as_bytes(), &place(Some(&home), None), &files).unwrap();
    assert_eq!(String::from_utf8(again).unwrap(), out);
    // Without a home only resources move.
    let stays = rewrite_suite(SUITE.as_bytes(), &place(None, None), &files).unwrap();
    assert!(String::from_utf8(stays).unwrap().contains("http://www.commcarehq.org/a/maji/phone/search/APP/"));
}

#[test]
fn what_cannot_be_read_is_said() {
    for (profile, wanted) in [
        ("<profile/>", "its version is missing"),
        ("<profile version='one'/>", "its version is \"one\", which is no whole number"),
        ("<profile version='99999999999'/>", "no whole number"),
        ("<profile version='1' requiredMajor='x'/>", "its requiredMajor is \"x\""),
        ("<suite version='1'/>", "its root element is suite, not profile"),
        ("<!DOCTYPE p [<!ENTITY a 'b'>]><profile version='1'/>", "document type"),
        ("<profile version='1'>", "element without end tag"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><profile version='1'/>", "not encoded in UTF-8"),
    ] {
        let error = read_profile(profile.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{profile}: {error}");
    }
    assert_eq!(package_path("../../etc/passwd"), None);
    assert_eq!(package_path("./a/../b//c.xml").as_deref(), Some("b/c.xml"));
    assert_eq!(package_path("http://x/y"), None);
}

fn troubles(profile: &str, suite: &str) -> Vec<String> {
    let profile = read_profile(profile.as_bytes()).unwrap();
    let suites = [("suite.xml".to_owned(), read_suite(suite.as_bytes()))];
    let form = FormHead { xmlns: "http://example.org/f".into(), title: "F".into(), is_loose: false };
    let texts = BTreeSet::from(["modules.m0".to_owned()]);
    let has = |path: &str| files(path).is_some();
    let forms = [("modules-0/forms-0.xml".to_owned(), Ok(form))];
    let package = Package { profile: &profile, suites: &suites, forms: &forms, texts: &texts, has: &has };
    check(&package).into_iter().map(|t| format!("{:?}: {}", t.severity, t.text)).collect()
}

#[test]
fn a_package_is_checked() {
    let found = troubles(PROFILE, SUITE);
    let expected = [
        "gone.png",
        "menus list commands that do not exist: m0-f9",
        "case lists use details that do not exist: m0_short",
        "texts without a translation in the default language: forms.m0f0",
    ];
    for wanted in expected {
        assert!(found.iter().any(|t| t.starts_with("Warning") && t.contains(wanted)), "{wanted}: {found:?}");
    }
    assert!(found.iter().all(|t| t.starts_with("Warning")), "{found:?}");
    let twice =
        SUITE.replace("id=\"l\" version=\"1\"", "id=\"f\" version=\"one\"").replace("forms-0", "forms-7");
    let found = troubles(PROFILE, &twice);
    for wanted in [
        "resource id f stands for two files",
        "resource f has version \"one\"",
        "modules-0/forms-7.xml is named by resource f and is missing",
    ] {
        assert!(found.iter().any(|t| t.starts_with("Error") && t.contains(wanted)), "{wanted}: {found:?}");
    }
    assert!(troubles("<profile version='1' name='n' uniqueid='u'/>", SUITE)[0].contains("names no suite"));
}

#[test]
fn heads_of_forms_and_keys_of_texts() {
    let form = "<h:html xmlns:h='http://www.w3.org/1999/xhtml' xmlns='http://www.w3.org/2002/xforms'><h:head>\
                <h:title>Visit</h:title><model><instance><data xmlns='http://example.org/f'/></instance></model>\
                </h:head></h:html>";
    let head = form_head(form.as_bytes()).unwrap();
    assert_eq!(
        head,
        FormHead { xmlns: "http://example.org/f".into(), title: "Visit".into(), is_loose: false }
    );
    assert_eq!(form_head(b"<a/>").unwrap(), FormHead::default());
    assert!(form_head(b"<a>").is_err());
    let keys: Vec<_> = locale_keys("# c=d\na=b=c\nempty=\nno key\n x =y").collect();
    assert_eq!(keys, ["a", "x"]);
}

#[test]
fn a_restore_for_practice_says_so() {
    let restore = |kind: &str, name: &str| {
        format!(
            "<OpenRosaResponse><Registration xmlns='http://openrosa.org/user/registration'><username>{name}</username>\
             <password/><uuid>u</uuid><date>2024-01-01</date><user_data><data key='user_type'>{kind}</data></user_data>\
             </Registration></OpenRosaResponse>"
        )
    };
    assert_eq!(is_practice_restore(restore("demo", "test").as_bytes()), Ok(true));
    assert_eq!(is_practice_restore(restore("standard", "test").as_bytes()), Ok(false));
    assert_eq!(is_practice_restore(restore("demo", " ").as_bytes()), Ok(false));
    assert_eq!(is_practice_restore(b"<OpenRosaResponse/>"), Ok(false));
    assert!(is_practice_restore(b"<OpenRosaResponse>").is_err());
}

#[test]
fn languages_belong_to_their_files() {
    let suite = read_suite(SUITE.as_bytes()).unwrap();
    let languages: Vec<_> = suite.resources.iter().map(|r| r.language.as_deref()).collect();
    assert_eq!(languages, [None, Some("default"), None, None]);
}

#[test]
fn what_only_commcare_reads_is_taken_with_a_warning() {
    let loose = SUITE.replace("nodeset=\"x\"", "nodeset=\"x[a < 3]\"");
    let found = troubles(PROFILE, &loose);
    assert!(
        found.iter().any(|t| t.contains("'<' in an attribute value") && t.ends_with("suite.xml")),
        "{found:?}"
    );
    let home = Home { host: "www.commcarehq.org".into(), project: "maji".into() };
    let out = rewrite_suite(loose.as_bytes(), &place(Some(&home), None), &files).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains("x[a < 3]") && out.contains("https://clinic.example/a/demo/phone/search/APP/"),
        "{out}"
    );
}
