//! Who a request is, after its credentials were checked.

use crate::permissions::{Permission, PermissionSet};
use bolster_model::{AuthContext, AuthDoc, ProjectId};
use std::sync::Arc;

/// How somebody proved to be somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Method {
    /// Nobody asked.
    Nothing,
    /// User name and password with the request.
    Basic,
    /// Digest of user name and password.
    Digest,
    /// API key.
    ApiKey,
    /// Session cookie.
    Session,
    /// Access to the data folder of this machine.
    Local,
}

/// What somebody is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ActorKind {
    /// A mobile worker of the project.
    MobileWorker,
    /// A web user who is a member of the project.
    WebUser,
    /// A request that need not say who sends it (a project without secure submissions).
    Nobody,
    /// A request that says it comes without credentials (`authtype=noauth`).
    Waived,
    /// The operator at the machine itself, or the appliance.
    Operator,
}

/// By which door a request came in; the same person may do different things at each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Entrance {
    /// Addresses that phones use.
    Phone,
    /// The APIs: permission `access_api` is needed besides.
    Api,
    /// Pages in a browser.
    Page,
    /// The local socket.
    Local,
}

/// Somebody, in one project. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Actor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ActorKind,
    method: Method,
    user_id: String,
    username: String,
    /// `None` for the operator: every project.
    project: Option<ProjectId>,
    is_admin: bool,
    server_admin: bool,
    permissions: PermissionSet,
}

/// What makes an actor.
pub(crate) struct ActorParts {
    pub kind: ActorKind,
    pub method: Method,
    pub user_id: String,
    pub username: String,
    pub project: Option<ProjectId>,
    pub is_admin: bool,
    pub server_admin: bool,
    pub permissions: PermissionSet,
}

impl Actor {
    pub(crate) fn new(parts: ActorParts) -> Self {
        let ActorParts { kind, method, user_id, username, project, is_admin, server_admin, permissions } =
            parts;
        Self(Arc::new(Inner {
            kind,
            method,
            user_id,
            username,
            project,
            is_admin,
            server_admin,
            permissions,
        }))
    }

    /// Somebody without a name.
    pub(crate) fn nameless(kind: ActorKind, project: ProjectId) -> Self {
        Self::new(ActorParts {
            kind,
            method: Method::Nothing,
            user_id: String::new(),
            username: String::new(),
            project: Some(project),
            is_admin: false,
            server_admin: false,
            permissions: PermissionSet::NONE,
        })
    }

    /// The operator, under the name that the audit trail shows.
    pub(crate) fn operator(name: &str) -> Self {
        Self::new(ActorParts {
            kind: ActorKind::Operator,
            method: Method::Local,
            user_id: name.to_owned(),
            username: name.to_owned(),
            project: None,
            is_admin: true,
            server_admin: true,
            permissions: PermissionSet::ALL,
        })
    }

    /// What it is.
    pub fn kind(&self) -> ActorKind {
        self.0.kind
    }
    /// How it was found out.
    pub fn method(&self) -> Method {
        self.0.method
    }
    /// Id of the user; empty for nobody, a word for the operator.
    pub fn user_id(&self) -> &str {
        &self.0.user_id
    }
    /// Wire name of a mobile worker, e-mail address of a web user.
    pub fn username(&self) -> &str {
        &self.0.username
    }
    /// May do everything in the project.
    pub fn is_admin(&self) -> bool {
        self.0.is_admin
    }
    /// May administer the node.
    pub fn is_server_admin(&self) -> bool {
        self.0.server_admin
    }
    /// Belongs to the project.
    pub fn is_in(&self, project: ProjectId) -> bool {
        self.0.project.is_none_or(|p| p == project)
    }
    /// What the role allows, narrowed by the API key; everything for an administrator.
    pub fn permissions(&self) -> PermissionSet {
        self.0.permissions
    }
    /// The role allows it.
    pub fn has(&self, permission: Permission) -> bool {
        self.0.permissions.has(permission)
    }
    /// Credentials were given and are right.
    pub fn is_authenticated(&self) -> bool {
        matches!(self.0.kind, ActorKind::MobileWorker | ActorKind::WebUser)
    }

    /// What a form keeps of who sent it.
    pub fn auth_context(&self) -> AuthContext {
        let doc = match self.0.kind {
            ActorKind::MobileWorker | ActorKind::WebUser | ActorKind::Nobody => AuthDoc::Normal,
            ActorKind::Waived => AuthDoc::Waived,
            ActorKind::Operator => AuthDoc::Default,
        };
        let authenticated = self.is_authenticated();
        AuthContext { doc, user_id: authenticated.then(|| self.0.user_id.clone()), authenticated }
    }
}
