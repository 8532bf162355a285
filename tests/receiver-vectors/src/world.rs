//! One appliance with its own simulated disk and clock, served on a loopback port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use bolster_auth::{
    Administer, EditApps, EditData, EditUsers, Membership, Password, Permission, PermissionSet, Project,
    Role, User, kind,
};
use bolster_env::{Clock, Env, OsRandom, SimClock, SimDisk, SystemClock};
use bolster_http::{HttpOptions, RuntimeKey};
use bolster_model::{AdminDocument, CaseId, FormId, ProjectId};
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::admin::users::NewUser;
use bolster_usecases::apps::{App, BuildEntry};
use bolster_usecases::change_forms::ChangeError;
use bolster_usecases::{Appliance, DocumentFact, ServerSettings};
use bolster_wire::times;
use serde::Serialize;
use serde_json::Value;

use crate::faulty_disk::FaultyDisk;
use crate::observe::Observer;

/// Clock while a scenario is set up.
const SETUP_TIME: &str = "2020-01-01T00:00:00Z";
/// Who does what a scenario names nobody for.
const OPERATOR: &str = "operator";
/// Key that a web runtime shares with the server.
pub const RUNTIME_KEY: &str = "secretkey";
/// Settings of projects that scenarios use, all off unless they say otherwise.
const PROJECT_SWITCHES: [&str; 4] =
    ["secure_submissions", "auto_close_extensions", "case_attachments", "forbid_user_mismatch"];

/// How scenarios call a practice worker.
const PRACTICE: [&str; 4] = ["practice", "is_practice_user", "demo", "is_demo_user"];

/// The appliance under test.
pub struct World {
    disk: SimDisk,
    clock: Arc<SimClock>,
    machine: SystemClock,
    log_fails: Arc<AtomicBool>,
    running: Option<Running>,
    /// Name of the project that is meant when none is named.
    first_project: String,
    /// Name, project and password of users by id and by name.
    users: Vec<Known>,
}

struct Known {
    id: String,
    name: String,
    project: String,
}

struct Running {
    appliance: Appliance,
    address: SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    runtime: tokio::runtime::Runtime,
}

impl World {
    /// Sets a scenario up; the keys of `variant` replace those of the first project.
    pub fn new(setup: &Value, variant: &Value) -> Result<Self> {
        let mut world = Self {
            disk: SimDisk::default(),
            clock: Arc::new(SimClock::default()),
            machine: SystemClock::default(),
            log_fails: Arc::default(),
            running: None,
            first_project: String::new(),
            users: Vec::new(),
        };
        world.set_clock(SETUP_TIME)?;
        world.start()?;
        for (index, project) in
            setup["projects"].as_array().context("a setup without projects")?.iter().enumerate()
        {
            let mut project = project.clone();
            if let (0, Some(project), Some(variant)) = (index, project.as_object_mut(), variant.as_object()) {
                project.extend(variant.clone());
            }
            world.create_project(&project)?;
        }
        for user in setup["users"].as_array().into_iter().flatten() {
            world.create_user(user)?;
        }
        for (name, value) in setup["server"].as_object().into_iter().flatten() {
            world.server_switch(name, value == true)?;
        }
        world.create_apps(setup["apps"].as_array().map_or(&[], Vec::as_slice))?;
        Ok(world)
    }

    fn start(&mut self) -> Result<()> {
        let disk = FaultyDisk::new(Arc::new(self.disk.clone()), self.log_fails.clone());
        let env = Env { disk: Arc::new(disk), clock: self.clock.clone(), random: Arc::new(OsRandom) };
        let options = StoreOptions {
            shard_cache_bytes: 1 << 20,
            log: LogOptions { segment_bytes: 1 << 20, prepare_ahead: true },
            ..StoreOptions::default()
        };
        let appliance = Appliance::open(env, Path::new("/data"), options, ServerSettings::default())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = appliance.clone();
        let options =
            HttpOptions { runtime_key: RuntimeKey::new(RUNTIME_KEY.as_bytes()), ..HttpOptions::default() };
        runtime.spawn(bolster_http::serve_with(listener, served, options, async {
            // An error means that the world is gone, which is as good.
            let _ = stopped.await;
        }));
        self.running = Some(Running { appliance, address, stop, runtime });
        Ok(())
    }

    fn running(&self) -> Result<&Running> {
        self.running.as_ref().context("the appliance is not running")
    }

    /// The appliance itself.
    pub fn appliance(&self) -> Result<&Appliance> {
        Ok(&self.running()?.appliance)
    }

    /// Where it answers.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.running()?.address)
    }

    /// The appliance's clock.
    pub fn now(&self) -> bolster_model::Timestamp {
        self.clock.now()
    }

    /// Sets the appliance's clock.
    pub fn set_clock(&self, at: &str) -> Result<()> {
        self.clock.set(times::iso(at).with_context(|| format!("'{at}' is no time"))?);
        Ok(())
    }

    /// Microseconds of the machine's own clock.
    pub fn real_time_us(&self) -> u64 {
        self.machine.monotonic_us()
    }

    // ---- projects and people ----

    fn create_project(&mut self, project: &Value) -> Result<()> {
        let name = project["name"].as_str().context("a project without name")?;
        let auth = self.appliance()?.auth();
        self.appliance()?.create_project(&auth.operator_node_permit(OPERATOR), name)?;
        let value = |switch: &str| (project[switch] == true).to_string();
        let settings: Vec<_> = PROJECT_SWITCHES.iter().map(|s| ((*s).to_owned(), value(s))).collect();
        self.change_project(name, &settings)?;
        if self.first_project.is_empty() {
            self.first_project = name.to_owned();
        }
        Ok(())
    }

    /// A project, the first one when none is named.
    pub fn project_named(&self, name: Option<&str>) -> Result<Arc<Project>> {
        let name = name.unwrap_or(&self.first_project);
        self.appliance()?.auth().project_named(name).with_context(|| format!("there is no project {name}"))
    }

    /// Changes settings.
    pub fn change_project(&self, name: &str, settings: &[(String, String)]) -> Result<()> {
        let project = self.project_named(Some(name))?;
        let permit = self.appliance()?.auth().operator_permit::<Administer>(OPERATOR, &project);
        self.appliance()?.set_project(&permit, settings)?;
        Ok(())
    }

    /// Step `set_project`: every other key is a switch.
    pub fn set_project(&self, name: &str, step: &Value) -> Result<()> {
        let keys = step.as_object().context("a step that is no object")?;
        let switches = keys.iter().filter(|(k, _)| !["do", "at", "project", "expect"].contains(&k.as_str()));
        let settings: Vec<_> = switches.map(|(k, v)| (k.clone(), v.to_string())).collect();
        self.change_project(name, &settings)
    }

    /// Makes a user.
    pub fn create_user(&mut self, user: &Value) -> Result<()> {
        let text = |key: &str| user[key].as_str().map(str::to_owned);
        let name = text("username").context("a user without username")?;
        let project = self.project_named(user["project"].as_str())?;
        let web = user["kind"] == "web";
        let permissions = permissions(&user["permissions"])?;
        let new = NewUser {
            name: name.clone(),
            web,
            admin: web && permissions.is_none(),
            server_admin: false,
            role: None,
            data: Default::default(),
            locations: Vec::new(),
            groups: Vec::new(),
            profile: None,
            practice: PRACTICE.iter().any(|key| user[*key] == true),
            id: text("id"),
            password: text("password").map(Password::new),
        };
        let permit = self.appliance()?.auth().operator_permit::<EditUsers>(OPERATOR, &project);
        let made = self.appliance()?.create_user(&permit, &new)?;
        if let Some(permissions) = permissions {
            self.give_role(&project, &made, permissions)?;
        }
        self.users.push(Known { id: made.id.clone(), name, project: project.name.clone() });
        Ok(())
    }

    /// Gives a user a role of its own with exactly these permissions.
    fn give_role(&self, project: &Project, user: &User, permissions: PermissionSet) -> Result<()> {
        let role =
            Role { id: format!("role of {}", user.id), name: format!("role of {}", user.id), permissions };
        let mut documents = vec![self.document(project.id, kind::ROLE, &role.id, &role)?];
        if user.is_web() {
            let members = self.appliance()?.auth().members(project.id);
            let member = members.iter().find(|m| m.user.id == user.id).and_then(|m| m.membership.clone());
            let member = Membership { role: Some(role.id), ..(*member.context("no member")?).clone() };
            documents.push(self.document(project.id, kind::MEMBERSHIP, &user.id, &member)?);
        } else {
            let user = User { role: Some(role.id), ..user.clone() };
            documents.push(self.document(project.id, kind::USER, &user.id, &user)?);
        }
        Ok(self.appliance()?.commit_documents(documents)?)
    }

    /// A document as a scenario sets it up.
    pub fn document<T: Serialize>(
        &self,
        project: ProjectId,
        kind: &str,
        id: &str,
        of: &T,
    ) -> Result<DocumentFact> {
        let document = AdminDocument {
            kind: kind.to_owned(),
            id: id.to_owned(),
            json: Some(serde_json::to_string(of)?),
            action: "set up by a scenario".to_owned(),
            changed: Vec::new(),
            actor: OPERATOR.to_owned(),
            at: self.clock.now(),
        };
        Ok((project, document, false))
    }

    /// A user by id, name or wire name.
    /// A user by id or name, as stored.
    pub fn stored_user(&self, name: &str) -> Result<Arc<User>> {
        Ok(self.user(name)?.0)
    }

    fn user(&self, name: &str) -> Result<(Arc<User>, &Known)> {
        let bare = name.split_once('@').map_or(name, |(bare, _)| bare);
        let known = self.users.iter().find(|u| u.id == name || u.name == name);
        let known = known.or_else(|| self.users.iter().find(|u| u.name == bare));
        let known = known.with_context(|| format!("there is no user {name}"))?;
        Ok((self.appliance()?.auth().user(&known.id).context("the user is gone")?, known))
    }

    /// Step `set_user`.
    pub fn set_user(&self, name: &str, step: &Value) -> Result<()> {
        let (user, known) = self.user(name)?;
        let project = self.project_named(Some(&known.project))?;
        let permit = self.appliance()?.auth().operator_permit::<EditUsers>(OPERATOR, &project);
        let keys = step.as_object().context("a step that is no object")?;
        for (key, value) in keys {
            match (key.as_str(), value) {
                ("do" | "at" | "user" | "expect", _) => {}
                ("active" | "is_active", Value::Bool(active)) => {
                    self.appliance()?.set_user_active(&permit, &user.username, *active)?;
                }
                (key, Value::Bool(practice)) if PRACTICE.contains(&key) => {
                    let changed = User { practice: *practice, ..(*user).clone() };
                    let level = user.project.unwrap_or(ProjectId::ZERO);
                    let document = self.document(level, kind::USER, &user.id, &changed)?;
                    self.appliance()?.commit_documents(vec![document])?;
                }
                ("permissions", named) => {
                    if let Some(permissions) = permissions(named)? {
                        self.give_role(&project, &user, permissions)?;
                    }
                }
                ("password", Value::String(password)) => {
                    let password = Password::new(password.clone());
                    self.appliance()?.set_password(&permit, &user.username, &password)?;
                }
                (other, _) => bail!("'{other}' of a user cannot be set"),
            }
        }
        Ok(())
    }

    /// `Cookie` of a session of a user.
    pub fn session_cookie(&self, name: &str) -> Result<String> {
        let (user, _) = self.user(name)?;
        let token = self.appliance()?.log_in_as(&user.id)?.context("the user cannot sign in")?;
        Ok(format!("sessionid={token}"))
    }

    /// Name of the project that a user works in.
    pub fn project_of(&self, name: &str) -> Result<String> {
        let (_, known) = self.user(name)?;
        Ok(self.project_named(Some(&known.project))?.name.clone())
    }

    /// `Authorization` with an API key: a fresh one of the user, or the one that is given.
    pub fn api_key(&self, auth: &Value) -> Result<String> {
        let name = auth["user"].as_str().context("credentials without user")?;
        if let Some(key) = auth["key"].as_str().or_else(|| auth["api_key"].as_str()) {
            return Ok(format!("ApiKey {name}:{key}"));
        }
        let (user, known) = self.user(name)?;
        let project = self.project_named(Some(&known.project))?;
        let permit = self.appliance()?.auth().operator_permit::<EditUsers>(OPERATOR, &project);
        let key =
            self.appliance()?.create_api_key(&permit, &user.username, "vectors", &Default::default())?;
        Ok(format!("ApiKey {}:{key}", user.wire_name(&project.name)))
    }

    // ---- the server ----

    fn server_switch(&self, name: &str, on: bool) -> Result<()> {
        match name {
            "ignore_all_demo_user_submissions" => {
                self.appliance()?.settings().set_ignore_demo_submissions(on)
            }
            "maintenance" => self.appliance()?.settings().set_maintenance(on),
            "refuse_with_rate_limit" => self.appliance()?.refuse_submissions(on),
            other => bail!("the server has no switch '{other}'"),
        }
        Ok(())
    }

    /// Step `set_server`: every other key is a switch.
    pub fn set_server(&self, step: &Value) -> Result<()> {
        for (key, value) in step.as_object().into_iter().flatten() {
            if !["do", "at", "expect"].contains(&key.as_str()) {
                self.server_switch(key, value == true)?;
            }
        }
        Ok(())
    }

    /// Step `fault`. What is saved is published and complete, so only saving can fail.
    pub fn fault(&self, what: &str, on: bool) -> Result<()> {
        match what {
            "save" => self.log_fails.store(on, Ordering::SeqCst),
            "post_save" | "publish" => {}
            other => bail!("the fault '{other}' is not known"),
        }
        Ok(())
    }

    /// The power fails: what was not made durable may be gone; the appliance starts again on what is left.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        let left = self.disk.image().crash(self.real_time_us());
        self.stop();
        self.disk = left;
        self.start()
    }

    fn stop(&mut self) {
        if let Some(Running { appliance, stop, runtime, .. }) = self.running.take() {
            // An error means that serving has ended already.
            let _ = stop.send(());
            runtime.shutdown_background();
            appliance.close();
        }
    }

    // ---- forms and cases ----

    /// Reads a project, the first one when none is named.
    pub fn project(&self, name: Option<&str>) -> Result<Observer<'_>> {
        let project = self.project_named(name)?;
        Ok(Observer { appliance: self.appliance()?, project: project.id, name: project.name.clone() })
    }

    fn edit_data(&self, user: Option<&str>) -> Result<bolster_auth::Permit<EditData>> {
        let project = self.project_named(None)?;
        Ok(self.appliance()?.auth().operator_permit::<EditData>(user.unwrap_or(OPERATOR), &project))
    }

    /// Archives or unarchives a form. That its state does not allow it is no failure of the step.
    pub fn archive(&self, form: &str, archive: bool, user: Option<&str>) -> Result<()> {
        let permit = self.edit_data(user)?;
        match self.appliance()?.archive_form(&permit, &FormId::new(form), archive) {
            Ok(()) | Err(ChangeError::WrongState { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a form softly.
    pub fn delete_form(&self, form: &str) -> Result<()> {
        Ok(self.appliance()?.delete_form(&self.edit_data(None)?, &FormId::new(form), true)?)
    }

    /// Deletes a case softly.
    pub fn delete_case(&self, case: &str) -> Result<()> {
        Ok(self.appliance()?.delete_case(&self.edit_data(None)?, &CaseId::new(case), true)?)
    }

    /// Computes a case again. One that is not there stays so.
    pub fn rebuild_case(&self, case: &str) -> Result<()> {
        match self.appliance()?.rebuild_case(&self.edit_data(None)?, &CaseId::new(case), "vector") {
            Ok(()) | Err(ChangeError::NoCase(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Apps, each with the builds that are copies of it; an app need not be named itself.
    fn create_apps(&self, apps: &[Value]) -> Result<()> {
        let mut families: BTreeMap<(&str, &str), App> = BTreeMap::new();
        for value in apps {
            let text = |key: &str| value[key].as_str();
            let (id, project) = (text("id").context("an app without id")?, text("project"));
            let family = text("copy_of").unwrap_or(id);
            let app = families.entry((project.unwrap_or_default(), family)).or_default();
            app.id = family.to_owned();
            if family != id {
                let version = value["version"].as_u64().unwrap_or_default() as u32;
                app.builds.push(BuildEntry { id: id.to_owned(), version, ..BuildEntry::default() });
            }
        }
        for ((project, id), app) in families {
            let project = self.project_named(Some(project).filter(|p| !p.is_empty()))?;
            let document = self.document(project.id, bolster_usecases::apps::kind::APP, id, &app)?;
            self.appliance()?.commit_documents(vec![document])?;
        }
        Ok(())
    }

    /// Step `delete_app`.
    pub fn delete_app(&self, app: &str) -> Result<()> {
        let project = self.project_named(None)?;
        let permit = self.appliance()?.auth().operator_permit::<EditApps>(OPERATOR, &project);
        self.appliance()?.delete_app(&permit, app)?;
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Permissions by HQ's names, as a list or as an object of switches; `None` when nothing is said.
fn permissions(named: &Value) -> Result<Option<PermissionSet>> {
    let names: Vec<&str> = match named {
        Value::Null => return Ok(None),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        Value::Object(map) => {
            map.iter().filter(|(_, on)| **on == true).map(|(name, _)| name.as_str()).collect()
        }
        other => bail!("{other} are no permissions"),
    };
    let known = |name: &str| {
        let permission = Permission::named(&name.replace(' ', "_"));
        permission.with_context(|| format!("the permission '{name}' is not known"))
    };
    let mut all = names.into_iter().map(known).collect::<Result<Vec<_>>>()?;
    // A role that does not say otherwise reaches all locations.
    all.push(Permission::AccessAllLocations);
    Ok(Some(PermissionSet::of(&all)))
}
