//! The desk where credentials are checked.

use crate::actor::{Actor, ActorKind, ActorParts, Entrance, Method};
use crate::api_key;
use crate::basic::{self, Login};
use crate::digest;
use crate::directory::{Directory, Member};
use crate::documents::{ACCOUNT_ROOT, ApiKey, Credential, Project, Role, User, kind};
use crate::lockout::{Lockout, Who};
use crate::nonces::Nonces;
use crate::password::{self, Hasher, NOBODYS_HASH, Password};
use crate::permissions::{MEMBER_ROLE, MOBILE_WORKER_ROLE, PermissionSet};
use crate::permit::{Action, EditUsers, NodePermit, Permit, Refused, RestoreData, SubmitForm, UseWebApps};
use crate::present::{AuthError, Check, PasswordCheck, Presented};
use crate::secret::Secret;
use crate::session::{NewSession, SESSION_US, Session, SignedIn};
use bolster_env::{Env, random};
use bolster_model::{ProjectId, Timestamp};
use bolster_store::{ReadExt, Store, StoreError};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use subtle::ConstantTimeEq;

/// Right passwords remembered (by keyed hash); beyond that all are forgotten.
const REMEMBERED_MAX: usize = 10_000;
/// Passwords that may wait for being checked.
const CHECKS_MAX: usize = 64;

/// Why people could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Their documents.
    #[error("users and projects could not be read")]
    Store(#[from] StoreError),
    /// The node's secret.
    #[error("the file `secret` of the data folder could not be read or made")]
    Secret(#[from] std::io::Error),
}

struct Inner {
    env: Env,
    store: Store,
    directory: RwLock<Directory>,
    process: Secret,
    seal: Secret,
    nonces: Secret,
    sessions: Secret,
    remembered: RwLock<HashMap<[u8; 32], Actor>>,
    /// Rises with each change of people; what was checked before one is not remembered after it.
    changes: AtomicU64,
    lockout: Mutex<Lockout>,
    used_nonces: Mutex<Nonces>,
    /// One password at a time: each takes 19 MiB and a processor.
    checking: Mutex<Hasher>,
    checks: std::sync::atomic::AtomicUsize,
}

/// Projects, people and their credentials. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

impl Auth {
    /// Reads everything from the store, and the node's secret from the data folder.
    pub fn open(env: Env, store: Store, dir: &Path) -> Result<Self, OpenError> {
        let directory = RwLock::new(Directory::load(&store.view())?);
        let secret = Secret::load(&env, dir)?;
        Ok(Self(Arc::new(Inner {
            process: Secret::fresh(&env),
            seal: secret.derive("digest credentials"),
            nonces: secret.derive("digest nonces"),
            sessions: secret.derive("page forms"),
            env,
            store,
            directory,
            remembered: RwLock::default(),
            changes: AtomicU64::new(0),
            lockout: Mutex::default(),
            used_nonces: Mutex::default(),
            checking: Mutex::default(),
            checks: std::sync::atomic::AtomicUsize::new(0),
        })))
    }

    fn directory(&self) -> std::sync::RwLockReadGuard<'_, Directory> {
        self.0.directory.read().unwrap_or_else(|e| e.into_inner())
    }

    /// Documents were committed; what was remembered about them is read again.
    pub fn documents_changed(&self, changed: &[(ProjectId, String, String)]) {
        let view = self.0.store.view();
        let mut directory = self.0.directory.write().unwrap_or_else(|e| e.into_inner());
        for (project, kind, id) in changed {
            match view.document(*project, kind, id) {
                Ok(json) => directory.put(*project, kind, id, json.as_deref()),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a document was not read again"
                    );
                }
            }
        }
        drop(directory);
        for (project, kind, id) in changed {
            self.forget(*project, kind, id);
        }
    }

    /// Forgets what was remembered of those whom a document concerns, and of nobody else: after one user's new
    /// password ten thousand phones need not prove theirs again.
    fn forget(&self, project: ProjectId, kind: &str, id: &str) {
        let mut remembered = self.0.remembered.write().unwrap_or_else(|e| e.into_inner());
        match kind {
            kind::USER | kind::CREDENTIAL | kind::MEMBERSHIP => remembered.retain(|_, a| a.user_id() != id),
            kind::PROJECT | kind::ROLE => remembered.retain(|_, actor| !actor.is_in(project)),
            _ => return,
        }
        // Under the lock: a check that ends now sees it.
        self.0.changes.fetch_add(1, Ordering::SeqCst);
        if kind == kind::CREDENTIAL {
            self.lockout().forgive(&Who::User(id.to_owned()));
        }
    }

    fn lockout(&self) -> MutexGuard<'_, Lockout> {
        self.0.lockout.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn nonces(&self) -> MutexGuard<'_, Nonces> {
        self.0.used_nonces.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whose failures count when this name is tried, however it is written.
    pub(crate) fn who(&self, project: &Project, name: &str) -> Who {
        match self.find_user(project, name) {
            Some(user) => Who::User(user.id.clone()),
            None => Who::Nobody(name.trim().to_lowercase()),
        }
    }

    /// The project of a name.
    pub fn project_named(&self, name: &str) -> Option<Arc<Project>> {
        let directory = self.directory();
        directory.names.get(name).and_then(|id| directory.projects.get(id)).cloned()
    }
    /// The project of an id.
    pub fn project(&self, id: ProjectId) -> Option<Arc<Project>> {
        self.directory().projects.get(&id).cloned()
    }
    /// All projects, by name.
    pub fn projects(&self) -> Vec<Arc<Project>> {
        let mut all: Vec<_> = self.directory().projects.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
    /// How many projects there are.
    pub fn project_count(&self) -> usize {
        self.directory().projects.len()
    }
    /// A practice worker of the project.
    pub fn is_practice_user(&self, project: ProjectId, user_id: &str) -> bool {
        self.directory().users.get(user_id).is_some_and(|u| u.practice && u.project == Some(project))
    }
    /// The user of an id.
    pub fn user(&self, id: &str) -> Option<Arc<User>> {
        self.directory().users.get(id).cloned()
    }
    /// The user of a name as typed or on the wire, seen from a project.
    pub fn find_user(&self, project: &Project, name: &str) -> Option<Arc<User>> {
        self.directory().find(project, name)
    }
    /// The last deleted mobile worker who had this name.
    pub fn find_deleted(&self, project: &Project, name: &str) -> Option<Arc<User>> {
        self.directory().find_deleted(project, name).filter(|u| u.project == Some(project.id))
    }
    /// Mobile workers of a project whose accounts are no more, by name.
    pub fn deleted_workers(&self, project: ProjectId) -> Vec<Arc<User>> {
        let is_one = |u: &&Arc<User>| u.project == Some(project) && u.deleted_at.is_some();
        let mut found: Vec<Arc<User>> = self.directory().users.values().filter(is_one).cloned().collect();
        found.sort_by(|a, b| {
            (&a.username, a.deleted_at.map(|at| at.0)).cmp(&(&b.username, b.deleted_at.map(|at| at.0)))
        });
        found
    }
    /// The web user of an e-mail address.
    pub fn web_user(&self, email: &str) -> Option<Arc<User>> {
        let directory = self.directory();
        let id = directory.usernames.get(&(ProjectId::ZERO, email.trim().to_lowercase()))?;
        directory.users.get(id).cloned()
    }
    /// Everybody in a project, by name: mobile workers, then web users.
    pub fn members(&self, project: ProjectId) -> Vec<Member> {
        let directory = self.directory();
        let mut members: Vec<Member> = directory
            .users
            .values()
            .filter_map(|user| {
                let membership = directory.memberships.get(&(project, user.id.clone())).cloned();
                let here = user.project == Some(project) && user.deleted_at.is_none();
                let belongs = here || membership.is_some();
                belongs.then(|| Member { user: user.clone(), membership })
            })
            .collect();
        members.sort_by(|a, b| (a.user.is_web(), &a.user.username).cmp(&(b.user.is_web(), &b.user.username)));
        members
    }
    /// Projects that a user belongs to, by name.
    pub fn projects_of(&self, user: &User) -> Vec<Arc<Project>> {
        let mut found: Vec<_> = {
            let directory = self.directory();
            let of = directory.projects.values().filter(|p| directory.standing(p.id, user).is_some());
            of.cloned().collect()
        };
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }
    /// Projects for which a basic `Authorization` may be meant: that of a mobile worker's name, those of a web
    /// user. Any one where nobody has the name, so that it takes as long to be told so; none without a name.
    pub fn projects_of_login(&self, authorization: &[u8]) -> Vec<Arc<Project>> {
        let text = String::from_utf8_lossy(authorization);
        let login =
            text.trim_start().split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let Some((name, _)) = login.and_then(|(_, value)| basic::parse(value)) else { return Vec::new() };
        let host = name.trim().to_lowercase();
        let host = host.split_once('@').map_or("", |(_, host)| host);
        let of_worker = host.strip_suffix(ACCOUNT_ROOT).and_then(|host| host.strip_suffix('.'));
        let mut found = match of_worker {
            Some(project) => self.project_named(project).into_iter().collect(),
            None => self.web_user(&name).map_or_else(Vec::new, |user| self.projects_of(&user)),
        };
        if found.is_empty() {
            found.extend(self.projects().into_iter().take(1));
        }
        found
    }
    /// What a user may do in a project, and whether as an administrator; nothing for one who is not there.
    pub fn standing(&self, project: &Project, user: &User) -> (PermissionSet, bool) {
        self.directory().standing(project.id, user).unwrap_or((PermissionSet::NONE, false))
    }
    /// What a role gives in a project; no role is the usual one of a web user or a mobile worker.
    pub fn role_permissions(&self, project: &Project, web: bool, role: Option<&str>) -> PermissionSet {
        let usual = if web { MEMBER_ROLE } else { MOBILE_WORKER_ROLE };
        self.directory().role_permissions(project.id, role.unwrap_or(usual))
    }
    /// Roles that a project made, by name.
    pub fn roles(&self, project: ProjectId) -> Vec<Arc<Role>> {
        let directory = self.directory();
        let of = directory.roles.iter().filter(|((of, _), _)| *of == project);
        let mut found: Vec<_> = of.map(|(_, role)| role.clone()).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }
    /// Keys of a user.
    pub fn keys_of(&self, user_id: &str) -> Vec<Arc<ApiKey>> {
        self.directory().keys.values().filter(|key| key.user_id == user_id).cloned().collect()
    }
    pub(crate) fn credential(&self, user_id: &str) -> Option<Arc<Credential>> {
        self.directory().credentials.get(user_id).cloned()
    }
    pub(crate) fn digest_key(&self) -> Secret {
        self.0.nonces.clone()
    }
    pub(crate) fn seal_key(&self) -> Secret {
        self.0.seal.clone()
    }
    pub(crate) fn now_us(&self) -> u64 {
        self.0.env.clock.monotonic_us()
    }

    /// Somebody who need not say who it is.
    pub fn nobody(&self, project: &Project) -> Actor {
        Actor::nameless(ActorKind::Nobody, project.id)
    }
    /// Somebody who says to come without credentials.
    pub fn waived(&self, project: &Project) -> Actor {
        Actor::nameless(ActorKind::Waived, project.id)
    }
    /// The operator at this machine; whoever can open the data folder. `name` is what the audit trail shows.
    pub fn operator(&self, name: &str) -> Actor {
        Actor::operator(name)
    }

    /// Proof that the actor may do `A`.
    pub fn permit<A: Action>(
        &self,
        actor: &Actor,
        project: &Arc<Project>,
        entrance: Entrance,
    ) -> Result<Permit<A>, Refused> {
        Permit::check(actor, project, entrance)
    }
    /// Proof for the operator, who may do everything.
    pub fn operator_permit<A: Action>(&self, name: &str, project: &Arc<Project>) -> Permit<A> {
        Permit::grant(Actor::operator(name), project)
    }
    /// Forms that a phone's request makes here are sent by its user.
    pub fn submit_for(&self, permit: &Permit<RestoreData>) -> Permit<SubmitForm> {
        Permit::grant(permit.actor().clone(), permit.project())
    }
    /// Whether a digest of data was made with a key.
    pub fn signature_fits(&self, key: &[u8], data: &[u8], digest: &str) -> bool {
        crate::signature::fits(key, data, digest)
    }
    /// Who works with the apps in a browser has the data of a phone there.
    pub fn restore_for_web_apps(&self, permit: &Permit<UseWebApps>) -> Permit<RestoreData> {
        Permit::grant(permit.actor().clone(), permit.project())
    }
    /// A web runtime that signed its request with the key it shares with this server may read what phones of the
    /// project get. Everything of that data is open to it: it acts for whom it says.
    pub fn signed_permit(
        &self,
        key: &[u8],
        (data, digest): (&[u8], &str),
        project: &Arc<Project>,
    ) -> Result<Permit<RestoreData>, AuthError> {
        match crate::signature::fits(key, data, digest) {
            true => Ok(Permit::grant(Actor::operator("web runtime"), project)),
            false => Err(AuthError::Wrong),
        }
    }
    /// Whoever edits mobile workers may see what their phones get.
    pub fn restore_for(&self, permit: &Permit<EditUsers>) -> Permit<RestoreData> {
        Permit::grant(permit.actor().clone(), permit.project())
    }
    /// Proof that the actor may administer the node.
    pub fn node_permit(&self, actor: &Actor) -> Result<NodePermit, Refused> {
        NodePermit::check(actor)
    }
    /// Proof for the operator.
    pub fn operator_node_permit(&self, name: &str) -> NodePermit {
        NodePermit::grant(Actor::operator(name))
    }

    /// Value of `WWW-Authenticate` on routes that phones use.
    pub fn basic_challenge(&self) -> String {
        format!("Basic realm=\"{}\", charset=\"UTF-8\"", digest::REALM)
    }
    /// Value of `WWW-Authenticate` on API routes.
    pub fn digest_challenge(&self, stale: bool) -> String {
        digest::challenge(&self.0.nonces, self.now_us(), stale)
    }

    /// Checks what a request presents.
    pub fn check(&self, presented: &Presented<'_>) -> Check {
        let header = presented.authorization.map(|h| String::from_utf8_lossy(h).into_owned());
        let scheme = header.as_deref().and_then(|h| h.trim_start().split_once(' '));
        if let Some((scheme, value)) = scheme {
            let accept = &presented.accept;
            match scheme.to_ascii_lowercase().as_str() {
                "basic" if accept.basic || accept.key_as_password => {
                    return self.check_basic(presented, value);
                }
                "digest" if accept.digest && presented.project.digest_auth => {
                    let place = (presented.method, presented.target);
                    let user = digest::check(self, presented.project, value, place, presented.peer);
                    return Check::Done(user.and_then(|u| self.actor(presented.project, &u, Method::Digest)));
                }
                "apikey" if accept.api_key => {
                    let (name, key) = value.trim().split_once(':').unwrap_or((value, ""));
                    return Check::Done(self.check_key(presented, name, key));
                }
                _ => {}
            }
        }
        if let Some((name, key)) = presented.query_key.filter(|_| presented.accept.api_key) {
            return Check::Done(self.check_key(presented, name, key));
        }
        if let Some(token) = presented.session.filter(|_| presented.accept.session) {
            return Check::Done(self.check_session(presented.project, token));
        }
        Check::Done(Err(AuthError::Missing))
    }

    /// An actor for a user whose credentials are right.
    fn actor(&self, project: &Project, user: &User, method: Method) -> Result<Actor, AuthError> {
        if user.deleted_at.is_some() {
            return Err(AuthError::Deleted);
        }
        if !user.active {
            return Err(AuthError::Inactive);
        }
        let (permissions, is_admin) =
            self.directory().standing(project.id, user).ok_or(AuthError::NotMember)?;
        Ok(self.make_actor(project, user, method, (permissions, is_admin)))
    }

    fn make_actor(
        &self,
        project: &Project,
        user: &User,
        method: Method,
        (permissions, is_admin): (PermissionSet, bool),
    ) -> Actor {
        Actor::new(Self::parts(project, user, method, (permissions, is_admin)))
    }

    fn parts(
        project: &Project,
        user: &User,
        method: Method,
        (permissions, is_admin): (PermissionSet, bool),
    ) -> ActorParts {
        ActorParts {
            kind: if user.is_web() { ActorKind::WebUser } else { ActorKind::MobileWorker },
            method,
            user_id: user.id.clone(),
            username: user.wire_name(&project.name),
            project: Some(project.id),
            is_admin,
            server_admin: user.server_admin,
            permissions,
        }
    }

    fn check_basic(&self, presented: &Presented<'_>, value: &str) -> Check {
        let Some((name, password)) = basic::parse(value) else { return Check::Done(Err(AuthError::Missing)) };
        let project = presented.project;
        let accept = &presented.accept;
        if accept.key_as_password && (!accept.basic || self.is_key(password.text())) {
            return Check::Done(self.check_key(presented, &name, password.text()));
        }
        let memory_key = self.0.process.mac(&[&project.id.0, name.as_bytes(), password.bytes()]);
        if let Some(actor) = self.0.remembered.read().unwrap_or_else(|e| e.into_inner()).get(&memory_key) {
            return Check::Done(Ok(actor.clone()));
        }
        if let Err(error) = self.not_locked(&self.who(project, &name), presented.peer) {
            return Check::Done(Err(error));
        }
        Check::Blocking(PasswordCheck {
            auth: self.clone(),
            project: project.clone(),
            login: Login { name },
            password,
            memory_key,
            peer: presented.peer,
        })
    }

    /// The slow part of basic.
    pub(crate) fn verify_basic(&self, check: &PasswordCheck) -> Result<Actor, AuthError> {
        if self.0.checks.fetch_add(1, Ordering::Relaxed) >= CHECKS_MAX {
            self.0.checks.fetch_sub(1, Ordering::Relaxed);
            return Err(AuthError::Busy);
        }
        let result = self.verify_in_turn(check);
        self.0.checks.fetch_sub(1, Ordering::Relaxed);
        result
    }

    fn verify_in_turn(&self, check: &PasswordCheck) -> Result<Actor, AuthError> {
        let mut hasher = self.hasher();
        // Another request of the same user may have found the answer meanwhile.
        let known =
            self.0.remembered.read().unwrap_or_else(|e| e.into_inner()).get(&check.memory_key).cloned();
        if let Some(actor) = known {
            return Ok(actor);
        }
        let who = self.who(&check.project, &check.login.name);
        self.not_locked(&who, check.peer)?;
        let before = self.0.changes.load(Ordering::SeqCst);
        let name = &check.login.name;
        // Who knows the password of an account that is no more is told so.
        let user = self.find_user(&check.project, name).or_else(|| self.find_deleted(&check.project, name));
        let user = self.verify_password(&mut hasher, user, (&who, check.peer), &check.password)?;
        let actor = self.actor(&check.project, &user, Method::Basic)?;
        let mut remembered = self.0.remembered.write().unwrap_or_else(|e| e.into_inner());
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        if self.0.changes.load(Ordering::SeqCst) == before {
            remembered.insert(check.memory_key, actor.clone());
        }
        Ok(actor)
    }

    /// Waits for its turn.
    fn hasher(&self) -> MutexGuard<'_, Hasher> {
        self.0.checking.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn verify_password(
        &self,
        hasher: &mut Hasher,
        user: Option<Arc<User>>,
        (who, peer): (&Who, Option<IpAddr>),
        password: &Password,
    ) -> Result<Arc<User>, AuthError> {
        let credential = user.as_ref().and_then(|u| self.credential(&u.id));
        let phc = credential.as_ref().map_or(NOBODYS_HASH, |c| c.password.as_str());
        let right = hasher.verify(password, phc) && credential.is_some();
        match user {
            Some(user) if right => {
                self.login_succeeded(who);
                Ok(user)
            }
            _ => {
                self.login_failed(who, peer);
                Err(AuthError::Wrong)
            }
        }
    }

    pub(crate) fn not_locked(&self, who: &Who, peer: Option<IpAddr>) -> Result<(), AuthError> {
        match self.lockout().locked_s(who, peer, self.now_us()) {
            Some(retry_after_s) => Err(AuthError::LockedOut { retry_after_s }),
            None => Ok(()),
        }
    }
    pub(crate) fn login_failed(&self, who: &Who, peer: Option<IpAddr>) {
        let now = self.now_us();
        self.lockout().failed(who, peer, now);
    }
    pub(crate) fn login_succeeded(&self, who: &Who) {
        self.lockout().forgive(who);
    }

    fn check_key(&self, presented: &Presented<'_>, name: &str, key: &str) -> Result<Actor, AuthError> {
        let project = presented.project;
        let (stored, user) = {
            let directory = self.directory();
            let stored: Option<Arc<ApiKey>> = directory.keys.get(&api_key::hash(key.trim())).cloned();
            let stored = stored.ok_or(AuthError::WrongKey)?;
            (stored, directory.find(project, name))
        };
        let user = user.filter(|u| u.id == stored.user_id && u.active).ok_or(AuthError::WrongKey)?;
        let now = self.0.env.clock.now();
        let usable = stored.active
            && stored.expires_at.is_none_or(|end| now < end)
            && stored.project.is_none_or(|p| p == project.id)
            && (stored.ip_allowlist.is_empty()
                || presented.peer.is_some_and(|ip| stored.ip_allowlist.contains(&ip)));
        if !usable {
            return Err(AuthError::WrongKey);
        }
        if !user.active {
            return Err(AuthError::Inactive);
        }
        let (standing, is_admin) =
            self.directory().standing(project.id, &user).ok_or(AuthError::NotMember)?;
        let Some(role) = &stored.role else {
            return Ok(self.make_actor(project, &user, Method::ApiKey, (standing, is_admin)));
        };
        let narrowed = standing.and(self.directory().role_permissions(project.id, role));
        let mut parts = Self::parts(project, &user, Method::ApiKey, (narrowed, false));
        parts.server_admin = false;
        Ok(Actor::new(parts))
    }

    /// The text is a key of somebody.
    fn is_key(&self, text: &str) -> bool {
        self.directory().keys.contains_key(&api_key::hash(text.trim()))
    }

    /// Who signs in in a browser by a name: an e-mail address, or the whole name of a mobile worker
    /// (`name@project.commcarehq.org`).
    fn visitor(&self, name: &str) -> Option<Arc<User>> {
        self.web_user(name).or_else(|| {
            let name = name.trim().to_lowercase();
            let project = name.rsplit_once('@')?.1.strip_suffix(ACCOUNT_ROOT)?.strip_suffix('.')?;
            let project = self.project_named(project).filter(|project| project.active)?;
            self.find_user(&project, &name).filter(|user| !user.is_web())
        })
    }

    /// A password typed on the login page. Takes as long as a basic check; for a thread that may block.
    pub fn sign_in(
        &self,
        name: &str,
        password: &Password,
        peer: Option<IpAddr>,
    ) -> Result<NewSession, AuthError> {
        let who = match self.visitor(name) {
            Some(user) => Who::User(user.id.clone()),
            None => Who::Nobody(name.trim().to_lowercase()),
        };
        self.not_locked(&who, peer)?;
        let mut hasher = self.hasher();
        // Those who waited may have been locked out by those before them.
        self.not_locked(&who, peer)?;
        let user = self.verify_password(&mut hasher, self.visitor(name), (&who, peer), password)?;
        if !user.active {
            return Err(AuthError::Inactive);
        }
        Ok(self.new_session(&user))
    }

    /// A fresh session of a user, to be stored as a local row of kind [`kind::SESSION`].
    pub fn new_session(&self, user: &User) -> NewSession {
        let token = api_key::hex(&random::bytes::<32>(&*self.0.env.random));
        let stamp = self.credential(&user.id).map(|c| c.stamp.clone()).unwrap_or_default();
        let expires_at = Timestamp(self.0.env.clock.now().0 + SESSION_US);
        let session = Session { user_id: user.id.clone(), stamp, expires_at };
        NewSession { id: api_key::hash(&token), token, session }
    }

    /// Id of the row of a session.
    pub fn session_id(&self, token: &str) -> String {
        api_key::hash(token)
    }

    /// Who a session cookie belongs to.
    pub fn signed_in(&self, token: &str) -> Result<SignedIn, AuthError> {
        let row = self.0.store.view().local(kind::SESSION, &api_key::hash(token))?;
        let session: Session =
            row.and_then(|row| serde_json::from_slice(&row).ok()).ok_or(AuthError::SessionEnded)?;
        let user = self.user(&session.user_id).filter(|u| u.active).ok_or(AuthError::SessionEnded)?;
        let stamp = self.credential(&user.id).map(|c| c.stamp.clone()).unwrap_or_default();
        if self.0.env.clock.now() >= session.expires_at || stamp != session.stamp {
            return Err(AuthError::SessionEnded);
        }
        Ok(SignedIn { user, csrf: self.csrf(token) })
    }

    fn check_session(&self, project: &Project, token: &str) -> Result<Actor, AuthError> {
        let signed_in = self.signed_in(token)?;
        self.actor(project, &signed_in.user, Method::Session)
    }

    /// What a page puts into its forms, so that another site cannot send them.
    pub fn csrf(&self, token: &str) -> String {
        api_key::hex(&self.0.sessions.mac(&[b"csrf", token.as_bytes()])[..16])
    }
    /// The value came from a page of this session.
    pub fn csrf_fits(&self, token: &str, value: &str) -> bool {
        self.csrf(token).as_bytes().ct_eq(value.as_bytes()).into()
    }

    /// A credential for a password, with the digest value beside it.
    pub fn new_credential(
        &self,
        user: &User,
        project: &Project,
        password: &Password,
    ) -> Result<Credential, password::PasswordError> {
        password::acceptable(password, &user.username, project.strong_passwords)?;
        // A web user may come by digest to other projects.
        let keeps_digest = user.is_web() || project.digest_auth;
        let random = &*self.0.env.random;
        let hashed = self.hasher().hash(password, random)?;
        Ok(Credential {
            user_id: user.id.clone(),
            password: hashed,
            digest: keeps_digest
                .then(|| digest::seal(&self.0.seal, &user.wire_name(&project.name), password, random))
                .flatten(),
            stamp: api_key::hex(&random::bytes::<8>(random)),
            changed_at: self.0.env.clock.now(),
        })
    }
}
