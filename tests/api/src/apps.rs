//! A small app for tests, as a package.

use bolster_auth::EditApps;
use bolster_usecases::apps::{ImportApp, ImportError, Imported, pack};
use std::io::Cursor;

use crate::Server;

/// Bytes of the picture in the app.
pub const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\nno real picture";

const PROFILE: &str = r#"<?xml version='1.0' encoding='UTF-8'?>
<profile version="VERSION" update="https://www.commcarehq.org/a/maji/apps/download/HQAPP/media_profile.ccpr?latest=true&amp;profile=None"
  requiredMajor="2" requiredMinor="53" requiredMinimal="0" uniqueid="UNIQUE" name="Maji" descriptor="Profile File" buildProfileID="LANGS">
  <property key="ota-restore-url" value="https://www.commcarehq.org/a/maji/phone/restore/hqbuildVERSION/"/>
  <property key="PostURL" value="https://www.commcarehq.org/a/maji/receiver/hqbuildVERSION/" force="true"/>
  <property key="key_server" value="https://www.commcarehq.org/a/maji/phone/keys/" force="true"/>
  <property key="recovery-measures-url" value="https://www.commcarehq.org/a/maji/phone/recovery_measures/hqbuildVERSION/"/>
  <property key="cur_locale" value="en" force="false"/>
  <suite><resource id="suite" version="VERSION"><location authority="local">./suite.xml</location>
    <location authority="remote">https://www.commcarehq.org/a/maji/apps/download/hqbuildVERSION/suite.xml</location></resource></suite>
  <suite><resource id="media-suite" version="VERSION"><location authority="local">./media_suite.xml</location>
    <location authority="remote">https://www.commcarehq.org/a/maji/apps/download/hqbuildVERSION/media_suite.xml</location></resource></suite>
</profile>
"#;

const SUITE: &str = r#"<?xml version='1.0' encoding='UTF-8'?>
<suite version="VERSION" descriptor="Suite File">
  <xform><resource id="f0" version="VERSION"><location authority="local">./modules-0/forms-0.xml</location>
    <location authority="remote">./modules-0/forms-0.xml</location></resource></xform>
  <locale language="default"><resource id="strings" version="VERSION"><location authority="local">./default/app_strings.txt</location>
    <location authority="remote">./default/app_strings.txt</location></resource></locale>
  <entry><form>http://example.org/visit</form><command id="m0-f0"><text><locale id="forms.m0f0"/></text></command></entry>
  <remote-request><post url="https://www.commcarehq.org/a/maji/phone/claim-case/"/>
    <command id="search"><text><locale id="forms.m0f0"/></text></command></remote-request>
  <menu id="m0"><text><locale id="modules.m0"/></text><command id="m0-f0"/></menu>
</suite>
"#;

const MEDIA_SUITE: &str = r#"<?xml version='1.0' encoding='UTF-8'?>
<suite version="VERSION" descriptor="Media Suite File">
  <media path="../../commcare/image"><resource id="media-1" version="1" lazy="true">
    <location authority="local">./commcare/image/a b.png</location>
    <location authority="remote">https://www.commcarehq.org/hq/multimedia/file/CommCareImage/0123456789abcdef/a%20b.png</location>
  </resource></media>
</suite>
"#;

/// The form of the app.
pub const FORM: &str = r#"<h:html xmlns:h="http://www.w3.org/1999/xhtml" xmlns="http://www.w3.org/2002/xforms"><h:head><h:title>Visit</h:title>
<model><instance><data xmlns="http://example.org/visit" name="Visit"><weight/></data></instance><bind nodeset="/data/weight"/></model></h:head>
<h:body><input ref="/data/weight"><label>Weight</label></input></h:body></h:html>
"#;

/// What is special about a package.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// `uniqueid` of the profile.
    pub unique_id: &'a str,
    /// Version.
    pub version: u32,
    /// Language profile.
    pub languages: &'a str,
    /// What its text says.
    pub text: &'a str,
}

impl Default for Made<'_> {
    fn default() -> Self {
        Self { unique_id: "app", version: 3, languages: "", text: "Visit" }
    }
}

/// Files of the app.
pub fn files(made: &Made<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let fill = |text: &str| {
        text.replace("VERSION", &made.version.to_string())
            .replace("UNIQUE", made.unique_id)
            .replace("LANGS", made.languages)
            .into_bytes()
    };
    let strings = format!("forms.m0f0={}\nmodules.m0=Visits\n", made.text);
    vec![
        ("profile.ccpr", fill(PROFILE)),
        ("suite.xml", fill(SUITE)),
        ("media_suite.xml", fill(MEDIA_SUITE)),
        ("default/app_strings.txt", strings.into_bytes()),
        ("modules-0/forms-0.xml", FORM.as_bytes().to_vec()),
        ("commcare/image/a b.png", PICTURE.to_vec()),
    ]
}

/// A package of files.
pub fn package(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (*path, bytes.as_slice())).collect();
    pack(&files).expect("is packed")
}

impl Server {
    /// Takes a package in.
    pub fn try_import(
        &self,
        project: &str,
        package: Vec<u8>,
        new: &ImportApp,
    ) -> Result<Imported, ImportError> {
        let project = self.app.auth().project_named(project).expect("made before");
        let permit = self.app.auth().operator_permit::<EditApps>("test", &project);
        self.app.import_app(&permit, Cursor::new(package), new)
    }

    /// Takes the small app in.
    pub fn import(&self, project: &str, made: &Made<'_>) -> Imported {
        self.try_import(project, package(&files(made)), &ImportApp::default()).expect("is taken in")
    }

    /// Gives a version of an app to phones.
    pub fn release(&self, project: &str, app: &str, version: u32) {
        let project = self.app.auth().project_named(project).expect("made before");
        let permit = self.app.auth().operator_permit::<EditApps>("test", &project);
        self.app.release_app(&permit, app, version, (true, None)).expect("is released");
    }
}
