//! Somebody who works with an app in a browser, by Formplayer's requests.

use crate::Server;
use crate::client::Response;
use bolster_usecases::apps::ImportApp;
use serde_json::{Value, json};
use std::path::Path;

/// The sample app of the product, as a package.
pub fn sample_app() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../appliance/server/src/demo/app");
    let paths = [
        "profile.ccpr",
        "suite.xml",
        "media_suite.xml",
        "default/app_strings.txt",
        "en/app_strings.txt",
        "modules-0/forms-0.xml",
        "modules-1/forms-0.xml",
        "commcare/image/house.png",
    ];
    let files: Vec<(&str, Vec<u8>)> = paths
        .into_iter()
        .map(|path| (path, std::fs::read(folder.join(path)).expect("a file of the sample app")))
        .collect();
    crate::apps::package(&files)
}

/// Somebody with a session.
pub struct Browser<'s> {
    server: &'s Server,
    cookie: String,
    csrf: String,
    /// As requests name the user.
    pub username: String,
    /// The app.
    pub app_id: String,
}

impl<'s> Browser<'s> {
    /// Signs in without a password, and fetches the token that requests carry.
    pub fn open(server: &'s Server, user_id: &str, username: &str, app_id: &str) -> Self {
        let cookie = server.session(user_id);
        let primed = server.get("/formplayer/serverup", &[("Cookie", &cookie)]);
        let set = primed.header("set-cookie").expect("a token").to_owned();
        let csrf =
            set.split_once('=').and_then(|(_, rest)| rest.split(';').next()).expect("a value").to_owned();
        Self { server, cookie, csrf, username: username.into(), app_id: app_id.into() }
    }

    /// What a request with this body is answered; domain and user are added.
    pub fn send(&self, endpoint: &str, mut body: Value) -> Response {
        for (key, value) in [("domain", "demo"), ("username", self.username.as_str())] {
            if body.get(key).is_none() {
                body[key] = value.into();
            }
        }
        let headers = [("Cookie", self.cookie.as_str()), ("X-XSRF-TOKEN", &self.csrf)];
        self.server.post(&format!("/formplayer/{endpoint}"), &headers, body.to_string().as_bytes())
    }

    /// The same as JSON.
    pub fn ask(&self, endpoint: &str, body: Value) -> Value {
        let answer = self.send(endpoint, body);
        assert_eq!(answer.status, 200, "{endpoint}: {}", answer.text());
        answer.json()
    }

    /// A screen of the app.
    pub fn go(&self, selections: &[&str]) -> Value {
        self.ask("navigate_menu", json!({"app_id": self.app_id, "selections": selections}))
    }

    /// Answers a question.
    pub fn answer(&self, session: &str, ix: &str, answer: impl Into<Value>) -> Value {
        self.ask("answer", json!({"session_id": session, "ix": ix, "answer": answer.into()}))
    }

    /// The cookie.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The token that requests carry.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }
}

impl Server {
    /// Takes the sample app in and gives it to people; its id.
    pub fn sample_app(&self) -> String {
        let done = self.try_import("demo", sample_app(), &ImportApp::default()).expect("is taken in");
        self.release("demo", &done.app.id, done.build.version);
        done.app.id.clone()
    }
}
