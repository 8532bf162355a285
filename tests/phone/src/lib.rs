//! A phone as the CommCare app is one, over HTTP: it installs an app, logs in, restores, fills in forms, sends
//! them, purges and syncs, in the order of calls of the Android app. It knows nothing of the server's code.

pub mod sandbox;

use api_tests::client::{Connection, Response, basic};
use roxmltree::Document;
use sandbox::Sandbox;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What is lost on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// Nothing.
    Good,
    /// The answer: the server has done what was asked, the phone does not learn of it.
    AnswerLost,
}

/// An installed app: what its profile says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct App {
    /// `uniqueid`.
    pub id: String,
    /// Version.
    pub version: u32,
    /// Properties by key.
    pub properties: BTreeMap<String, String>,
    /// Files by address.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Where to look for a newer one.
    pub update: String,
}

/// A phone.
#[derive(Clone, Debug)]
pub struct Phone {
    /// Where the server is now.
    pub server: SocketAddr,
    /// Name without domain.
    pub user: String,
    /// Password.
    pub password: String,
    /// Id of the device.
    pub device: String,
    /// The app.
    pub app: App,
    /// Its data.
    pub sandbox: Sandbox,
    /// Complete forms that no server has taken yet, oldest first: id and XML.
    pub unsent: Vec<(String, String)>,
    /// Forms that a server has taken.
    pub sent: Vec<String>,
    /// Key of the sandbox.
    pub key: Option<String>,
    /// Restores that began from nothing again because the server said so.
    pub recoveries: usize,
}

/// The path of an address on this server.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

fn join(url: &str, query: &str) -> String {
    format!("{url}{}{query}", if url.contains('?') { '&' } else { '?' })
}

impl Phone {
    /// A phone with nothing on it.
    pub fn new(server: SocketAddr, user: &str, password: &str, device: &str) -> Self {
        Self {
            server,
            user: user.to_owned(),
            password: password.to_owned(),
            device: device.to_owned(),
            app: App::default(),
            sandbox: Sandbox::default(),
            unsent: Vec::new(),
            sent: Vec::new(),
            key: None,
            recoveries: 0,
        }
    }

    fn authorization(&self) -> String {
        let domain = &self.app.properties["cc_user_domain"];
        basic(&format!("{}@{domain}", self.user), &self.password)
    }

    fn get(&self, url: &str, headers: &[(&str, &str)]) -> Response {
        let answer = Connection::open(self.server).send("GET", path_of(url), headers, b"");
        assert!(answer.header("date").is_some_and(|d| d.ends_with("GMT")), "{url}: no Date");
        answer
    }

    fn download(&self, url: &str) -> Vec<u8> {
        let answer = self.get(url, &[]);
        assert_eq!(answer.status, 200, "{url}: {}", String::from_utf8_lossy(&answer.body));
        answer.body
    }

    /// Installs the app of a profile: profile, suites, then what the suites name. Media that may wait, waits.
    pub fn install(&mut self, profile_url: &str) {
        let profile = String::from_utf8(self.download(profile_url)).expect("text");
        let document = Document::parse(&profile).expect("a profile is XML");
        let root = document.root_element();
        let attribute = |name: &str| root.attribute(name).unwrap_or_default().to_owned();
        let mut app = App {
            id: attribute("uniqueid"),
            version: attribute("version").parse().expect("a version"),
            update: attribute("update"),
            ..App::default()
        };
        for property in root.descendants().filter(|n| n.tag_name().name() == "property") {
            let part = |name: &str| property.attribute(name).unwrap_or_default().to_owned();
            app.properties.insert(part("key"), part("value"));
        }
        for key in ["ota-restore-url", "PostURL", "key_server", "cc_user_domain", "heartbeat-url"] {
            assert!(app.properties.contains_key(key), "the profile lacks {key}");
        }
        for suite_url in remote_locations(&document, profile_url) {
            let suite = self.download(&suite_url);
            let text = String::from_utf8(suite.clone()).expect("text");
            let document = Document::parse(&text).expect("a suite is XML");
            let base = suite_url.rsplit_once('/').map_or("", |(base, _)| base).to_owned();
            let lazy = document.descendants().any(|n| n.attribute("lazy") == Some("true"));
            for url in remote_locations(&document, &format!("{base}/")) {
                if !lazy {
                    app.files.insert(url.clone(), self.download(&url));
                }
            }
            app.files.insert(suite_url, suite);
        }
        self.app = app;
    }

    /// Asks for a newer version, and installs it.
    pub fn update(&mut self) -> bool {
        let url = format!("{}&target=release&username={}", self.app.update, self.user);
        let profile = String::from_utf8(self.download(&url)).expect("text");
        let document = Document::parse(&profile).expect("a profile is XML");
        let version: u32 =
            document.root_element().attribute("version").and_then(|v| v.parse().ok()).expect("a version");
        let newer = version > self.app.version;
        if newer {
            self.install(&url);
        }
        newer
    }

    /// First asks without credentials and is challenged; then fetches the key of the sandbox.
    pub fn log_in(&mut self) {
        let url = join(&self.app.properties["key_server"], &format!("device_id={}", self.device));
        let bare = self.get(&url, &[]);
        assert_eq!(bare.status, 401);
        assert!(bare.header("www-authenticate").is_some_and(|c| c.starts_with("Basic")));
        let answer = self.get(&url, &[("Authorization", &self.authorization())]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let document = Document::parse(answer.text()).expect("XML");
        let key = document.descendants().find(|n| n.tag_name().name() == "key").and_then(|n| n.text());
        let key = key.expect("a key").to_owned();
        if let Some(known) = &self.key {
            assert_eq!(*known, key, "another key is another sandbox: what is unsent would be lost");
        }
        self.key = Some(key);
    }

    /// Tells how it is.
    pub fn beat(&self) {
        let query = format!(
            "app_id={}&device_id={}&app_version={}&cc_version=2.54.0&num_unsent_forms={}\
             &num_quarantined_forms=0&last_sync_time=&build_profile_id=&fcm_token=",
            self.app.id,
            self.device,
            self.app.version,
            self.unsent.len()
        );
        let url = join(&self.app.properties["heartbeat-url"], &query);
        let answer = self.get(&url, &[("Authorization", &self.authorization())]);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["app_id"], self.app.id.as_str());
    }

    /// A form is complete: its cases are on the phone at once, and it waits to be sent.
    pub fn complete(&mut self, id: &str, xml: String) {
        self.sandbox.take_form(&xml);
        self.unsent.push((id.to_owned(), xml));
    }

    /// Sends what waits, oldest first, until one is not taken.
    pub fn send_forms(&mut self, line: Line) {
        while let Some((id, xml)) = self.unsent.first().cloned() {
            let body = format!(
                "--b\r\nContent-Disposition: form-data; name=\"xml_submission_file\"; \
                 filename=\"{id}.xml\"\r\nContent-Type: text/xml\r\n\r\n{xml}\r\n--b--\r\n"
            );
            let authorization = self.authorization();
            let mut headers = vec![
                ("Authorization", authorization.as_str()),
                ("Content-Type", "multipart/form-data; boundary=b"),
                ("X-OpenRosa-Version", "3.0"),
                ("x-openrosa-deviceid", &self.device),
            ];
            let token = self.sandbox.token.clone();
            headers.extend(token.as_deref().map(|token| ("X-CommCareHQ-LastSyncToken", token)));
            let url = join(&self.app.properties["PostURL"], &format!("device_id={}", self.device));
            let path = path_of(&url).to_owned();
            let mut connection = Connection::open(self.server);
            if line == Line::AnswerLost {
                connection.send_and_hang_up("POST", &path, &headers, body.as_bytes());
                return;
            }
            let answer = connection.send("POST", &path, &headers, body.as_bytes());
            assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
            self.unsent.remove(0);
            self.sent.push(id);
        }
    }

    /// Sends, purges, and fetches what changed; from the beginning if the server cannot follow.
    pub fn sync(&mut self, line: Line) {
        self.send_forms(line);
        if !self.unsent.is_empty() {
            return;
        }
        self.sandbox.purge();
        let Some(answer) = self.restore(true, line) else { return };
        match answer.status {
            200 => self.sandbox.take(answer.text()),
            412 => {
                self.recoveries += 1;
                let Some(answer) = self.restore(false, line) else { return };
                assert_eq!(answer.status, 200, "{}", answer.text());
                // Only now, with everything here, are the old cases dropped; fixtures stay.
                self.sandbox.cases.clear();
                self.sandbox.ledgers.clear();
                self.sandbox.take(answer.text());
            }
            status => panic!("a restore was answered with {status}: {}", answer.text()),
        }
        self.sandbox.purge();
    }

    fn restore(&self, incremental: bool, line: Line) -> Option<Response> {
        let mut query = format!("version=2.0&device_id={}&items=true", self.device);
        if !self.sandbox.user_id.is_empty() {
            query += &format!("&user_id={}", self.sandbox.user_id);
        }
        let token = self.sandbox.token.clone().filter(|_| incremental);
        if let Some(token) = &token {
            query += &format!("&since={token}&state={}", self.sandbox.state());
        }
        let url = join(&self.app.properties["ota-restore-url"], &query);
        let authorization = self.authorization();
        let mut headers = vec![("Authorization", authorization.as_str()), ("X-OpenRosa-Version", "3.0")];
        headers.extend(token.as_deref().map(|token| ("X-CommCareHQ-LastSyncToken", token)));
        let mut connection = Connection::open(self.server);
        if line == Line::AnswerLost {
            connection.send_and_hang_up("GET", path_of(&url), &headers, b"");
            return None;
        }
        let answer = connection.send("GET", path_of(&url), &headers, b"");
        assert!(answer.header("date").is_some());
        Some(answer)
    }
}

/// Remote addresses of the resources of a profile or suite.
fn remote_locations(document: &Document<'_>, base: &str) -> Vec<String> {
    let is_remote = |n: &roxmltree::Node<'_, '_>| {
        n.tag_name().name() == "location" && n.attribute("authority") == Some("remote")
    };
    let texts = document.descendants().filter(is_remote).filter_map(|n| n.text().map(str::to_owned));
    let base = base.rsplit_once('/').map_or("", |(base, _)| base);
    texts.map(|url| url.strip_prefix("./").map_or(url.clone(), |rest| format!("{base}/{rest}"))).collect()
}
