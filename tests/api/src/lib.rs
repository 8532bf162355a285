//! A real appliance in a temporary folder behind a loopback port, and a client that sends exactly the bytes it
//! is told to. The tests are in `tests/api`, a file per resource.

pub mod apps;
pub mod client;
pub mod forms;
pub mod web;

use bolster_auth::{Administer, EditUsers, Password};
use bolster_env::Env;
use bolster_http::HttpOptions;
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::admin::api_keys::KeyLimits;
use bolster_usecases::admin::users::NewUser;
use bolster_usecases::{Appliance, ServerSettings};
use client::{Connection, Response};
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Password of every user that is made here.
pub const PASSWORD: &str = "correct horse";
/// Who administers in tests.
const OPERATOR: &str = "test";

/// A server that runs until it is dropped.
pub struct Server {
    /// The product.
    pub app: Appliance,
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
    _folder: Option<tempfile::TempDir>,
}

impl Server {
    /// With project `demo` that takes forms from anybody.
    pub fn start() -> Self {
        Self::with(HttpOptions::default())
    }

    /// As [`Self::start`], with other limits.
    pub fn with(options: HttpOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut server = Self::on(Env::real(), folder.path(), options);
        server._folder = Some(folder);
        server
    }

    /// On another disk or clock.
    pub fn on(env: Env, folder: &Path, options: HttpOptions) -> Self {
        let store = StoreOptions {
            shard_cache_bytes: 1 << 20,
            log: LogOptions { segment_bytes: 1 << 20, prepare_ahead: false },
            ..StoreOptions::default()
        };
        let app = Appliance::open(env, folder, store, ServerSettings::default()).expect("opens");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let served = app.clone();
        let serving = std::thread::spawn(move || {
            runtime.block_on(bolster_http::serve_with(listener, served, options, async {
                // An error means that the test is over, which is as good.
                let _ = stopped.await;
            }));
        });
        let server = Self { app, address, stop: Some(stop), serving: Some(serving), _folder: None };
        if server.app.auth().project_named("demo").is_none() {
            server.project("demo");
        }
        server
    }

    /// Tells the endpoint to stop, and waits until it has.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            serving.join().expect("the endpoint ends well");
        }
    }

    /// Tells the endpoint to stop.
    pub fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Makes a project.
    pub fn project(&self, name: &str) {
        let permit = self.app.auth().operator_node_permit(OPERATOR);
        self.app.create_project(&permit, name).expect("a project");
    }

    /// Changes a setting of a project.
    pub fn set(&self, project: &str, setting: &str, value: &str) {
        let project = self.app.auth().project_named(project).expect("made before");
        let permit = self.app.auth().operator_permit::<Administer>(OPERATOR, &project);
        self.app.set_project(&permit, &[(setting.to_owned(), value.to_owned())]).expect("is set");
    }

    fn users(&self, project: &str) -> bolster_auth::Permit<EditUsers> {
        let project = self.app.auth().project_named(project).expect("made before");
        self.app.auth().operator_permit(OPERATOR, &project)
    }

    /// Makes a user: a mobile worker, or with an `@` a web user; the role `admin` makes an administrator. The
    /// answer is the id.
    pub fn user(&self, project: &str, name: &str, role: Option<&str>) -> String {
        let web = name.contains('@');
        let admin = role == Some("admin");
        let new = NewUser {
            name: name.to_owned(),
            web,
            admin,
            server_admin: false,
            role: role.filter(|_| !admin).map(str::to_owned),
            data: Default::default(),
            locations: Vec::new(),
            groups: Vec::new(),
            profile: None,
            practice: false,
            id: None,
            password: Some(Password::new(PASSWORD)),
        };
        self.app.create_user(&self.users(project), &new).expect("a user").id.clone()
    }

    /// Deactivates a user.
    pub fn deactivate(&self, project: &str, name: &str) {
        self.app.set_user_active(&self.users(project), name, false).expect("is deactivated");
    }

    /// An API key of a user, as the value of `Authorization`.
    pub fn key(&self, project: &str, name: &str) -> String {
        self.limited_key(project, name, &KeyLimits::default())
    }

    /// An API key that may do less than its user.
    pub fn limited_key(&self, project: &str, name: &str, limits: &KeyLimits) -> String {
        let key = self.app.create_api_key(&self.users(project), name, "test", limits).expect("a key");
        format!("ApiKey {name}:{key}")
    }

    /// A session of a user, as the value of `Cookie`.
    pub fn session(&self, user_id: &str) -> String {
        let token = self.app.log_in_as(user_id).expect("is stored").expect("the user is there");
        format!("sessionid={token}")
    }

    /// A connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// `GET` with headers, on a connection of its own.
    pub fn get(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        self.connect().send("GET", target, headers, b"")
    }

    /// `POST` with headers, on a connection of its own.
    pub fn post(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.connect().send("POST", target, headers, body)
    }

    /// Sends a form to project `demo` as a raw body; OpenRosa 3.0.
    pub fn submit(&self, xml: &str) -> Response {
        self.post(
            "/a/demo/receiver/",
            &[("X-OpenRosa-Version", "3.0"), ("Content-Type", "text/xml")],
            xml.as_bytes(),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        self.app.close();
    }
}
