//! The sample app: two modules, made by hand, taken in like any package.

use anyhow::{Context, Result};
use bolster_auth::{EditApps, Project};
use bolster_usecases::Appliance;
use bolster_usecases::apps::{ImportApp, pack};
use std::io::Cursor;
use std::sync::Arc;

macro_rules! files {
    ($($path:literal),* $(,)?) => { &[$(($path, include_bytes!(concat!("app/", $path)) as &[u8])),*] };
}

const FILES: &[(&str, &[u8])] = files![
    "profile.ccpr",
    "suite.xml",
    "media_suite.xml",
    "default/app_strings.txt",
    "en/app_strings.txt",
    "modules-0/forms-0.xml",
    "modules-1/forms-0.xml",
    "commcare/image/house.png",
];

/// Takes the app in and releases it; its id.
pub fn import(appliance: &Appliance, project: &Arc<Project>) -> Result<String> {
    let permit = appliance.auth().operator_permit::<EditApps>("demo", project);
    let package = pack(FILES).context("the sample app cannot be packed")?;
    let new = ImportApp { notes: "The sample app of this server.".to_owned(), ..ImportApp::default() };
    let done = appliance.import_app(&permit, Cursor::new(package), &new)?;
    appliance.release_app(&permit, &done.app.id, done.build.version, (true, None))?;
    Ok(done.app.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolster_wire::app::{form_head, read_profile, read_suite};

    #[test]
    fn the_app_and_the_story_use_the_same_forms() {
        let file = |path: &str| FILES.iter().find(|(p, _)| *p == path).unwrap().1;
        assert_eq!(read_profile(file("profile.ccpr")).unwrap().version, 12);
        let suite = read_suite(file("suite.xml")).unwrap();
        let story = include_str!("story.rs");
        for (path, kind) in
            [("modules-0/forms-0.xml", "register-household"), ("modules-1/forms-0.xml", "visit")]
        {
            let head = form_head(file(path)).unwrap();
            assert_eq!(head.xmlns, format!("http://openrosa.org/formdesigner/bolster-demo/{kind}"));
            assert!(suite.forms.contains(&head.xmlns));
            assert!(story.contains(&format!("self.form(\"{kind}\", \"{}\")", head.title)));
        }
    }
}
