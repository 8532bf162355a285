//! Permits: proof, made here only, that somebody may do something in a project.
//!
//! Use cases demand them by type, so a forgotten check does not compile.

use crate::actor::{Actor, ActorKind, Entrance, Method};
use crate::documents::Project;
use crate::permissions::Permission as P;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

mod sealed {
    pub trait Sealed {}
}

/// Something that needs a permit.
pub trait Action: sealed::Sealed + Send + Sync + 'static {
    /// For messages and the audit trail.
    const NAME: &'static str;
    /// The permission that would help, for messages; empty where it is not one permission.
    const NEEDS: &'static [P];
    /// The actor, who is in the project, may do it through this door. `access_api` was checked.
    fn allowed(actor: &Actor, entrance: Entrance) -> bool;
}

macro_rules! action {
    ($(#[$doc:meta])* $name:ident, $text:literal, [$($needs:expr),*], |$actor:ident, $entrance:pat_param| $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {}
        impl sealed::Sealed for $name {}
        impl Action for $name {
            const NAME: &'static str = $text;
            const NEEDS: &'static [P] = &[$($needs),*];
            fn allowed($actor: &Actor, $entrance: Entrance) -> bool {
                $rule
            }
        }
    };
}

/// Reads the API of data needs the permission to edit data (HQ's rule); pages need that or reports.
fn reads_data(actor: &Actor, entrance: Entrance) -> bool {
    match entrance {
        Entrance::Api => actor.has(P::EditData),
        Entrance::Page => actor.has(P::EditData) || actor.has(P::ViewReports),
        Entrance::Phone => false,
        Entrance::Local => true,
    }
}

action!(
    /// Send a form.
    SubmitForm, "submit forms", [P::EditData], |actor, entrance| match entrance {
        Entrance::Api => actor.has(P::EditData),
        Entrance::Phone | Entrance::Page | Entrance::Local => true,
    }
);
action!(
    /// Restore a phone, and what else phones ask for.
    RestoreData, "use a phone", [P::AccessMobileEndpoints], |actor, entrance| match entrance {
        Entrance::Local => true,
        _ => actor.is_admin() || actor.has(P::AccessMobileEndpoints),
    }
);
action!(
    /// Work with the apps in a browser.
    UseWebApps, "use web apps", [P::AccessWebApps], |actor, entrance| match entrance {
        Entrance::Page => actor.is_admin() || actor.has(P::AccessWebApps),
        Entrance::Local => true,
        Entrance::Api | Entrance::Phone => false,
    }
);
action!(
    /// Read forms.
    ReadForm, "read forms", [P::EditData], |actor, entrance| reads_data(actor, entrance)
);
action!(
    /// Read cases.
    ReadCase, "read cases", [P::EditData], |actor, entrance| reads_data(actor, entrance)
);
action!(
    /// Read files of forms and cases.
    ReadAttachment, "read attachments", [P::ViewReports], |actor, entrance| match entrance {
        Entrance::Api | Entrance::Page => actor.has(P::ViewReports) || reads_data(actor, entrance),
        Entrance::Phone => false,
        Entrance::Local => true,
    }
);
action!(
    /// Change, archive, delete forms and cases.
    EditData, "edit data", [P::EditData], |actor, entrance| {
        entrance != Entrance::Phone && actor.has(P::EditData)
    }
);
action!(
    /// See the pages of the project at all.
    ViewPages, "see the project", [], |actor, _| {
        matches!(actor.kind(), ActorKind::WebUser | ActorKind::MobileWorker | ActorKind::Operator)
    }
);
action!(
    /// Create and change mobile workers.
    EditUsers, "edit mobile workers", [P::EditCommcareUsers], |actor, _| actor.has(P::EditCommcareUsers)
);
action!(
    /// See mobile workers and members.
    ViewUsers, "see mobile workers", [P::ViewCommcareUsers], |actor, _| actor.has(P::ViewCommcareUsers)
);
action!(
    /// Invite and change web users of the project.
    EditWebUsers, "edit web users", [P::EditWebUsers], |actor, _| actor.has(P::EditWebUsers)
);
action!(
    /// Change the project: settings, roles, administrators.
    Administer, "administer the project", [], |actor, _| actor.is_admin()
);
action!(
    /// Read the audit trail.
    ReadAudit, "read the audit trail", [], |actor, _| actor.is_admin()
);

action!(
    /// Create, move and archive locations and their types.
    EditLocations, "edit locations", [P::EditLocations], |actor, _| actor.has(P::EditLocations)
);
action!(
    /// See locations and their types.
    ViewLocations, "see locations", [P::ViewLocations], |actor, _| actor.has(P::ViewLocations)
);
action!(
    /// Create and change groups.
    EditGroups, "edit groups", [P::EditGroups], |actor, _| actor.has(P::EditGroups)
);
action!(
    /// See groups.
    ViewGroups, "see groups", [P::ViewGroups], |actor, _| actor.has(P::ViewGroups)
);
action!(
    /// Change lookup tables, which apps are made with.
    EditTables, "edit lookup tables", [P::EditApps], |actor, _| actor.has(P::EditApps)
);
action!(
    /// See lookup tables.
    ViewTables, "see lookup tables", [P::ViewApps], |actor, _| actor.has(P::ViewApps)
);
action!(
    /// Import, release and change apps.
    EditApps, "edit apps", [P::EditApps], |actor, _| actor.has(P::EditApps)
);
action!(
    /// See which apps there are. Programs of every member may, as on CommCare HQ.
    ViewApps, "see apps", [P::ViewApps], |actor, entrance| entrance == Entrance::Api || actor.has(P::ViewApps)
);

/// Why there is no permit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Signed in, but not here.
    #[error("you are not a member of this project")]
    NotMember,
    /// A permission is missing.
    #[error("you may not {action}{}", missing(.needs))]
    Lacks {
        /// What was tried.
        action: &'static str,
        /// What would be needed.
        needs: Vec<P>,
    },
    /// The project is switched off.
    #[error("this project is not active")]
    ProjectInactive,
}

fn missing(needs: &[P]) -> String {
    match needs {
        [] => String::new(),
        needs => {
            let names: Vec<&str> = needs.iter().map(|p| p.name()).collect();
            format!(": the permission {} is missing", names.join(" and "))
        }
    }
}

/// Proof that the actor may do `A` in the project.
pub struct Permit<A: Action> {
    actor: Actor,
    project: Arc<Project>,
    _action: PhantomData<fn() -> A>,
}

impl<A: Action> Permit<A> {
    /// The rules of [`Action`], membership and the switch of the project.
    pub(crate) fn check(actor: &Actor, project: &Arc<Project>, entrance: Entrance) -> Result<Self, Refused> {
        if !actor.is_in(project.id) {
            return Err(Refused::NotMember);
        }
        if !project.active && actor.kind() != ActorKind::Operator {
            return Err(Refused::ProjectInactive);
        }
        let by_api = entrance == Entrance::Api || actor.method() == Method::ApiKey;
        // A key is an API's credential at whichever door, and has an API's limits there too.
        let entrance = if actor.method() == Method::ApiKey { Entrance::Api } else { entrance };
        let mut needs = Vec::new();
        if !A::allowed(actor, entrance) {
            needs.extend_from_slice(A::NEEDS);
        } else if !by_api || actor.has(P::AccessApi) {
            return Ok(Self { actor: actor.clone(), project: project.clone(), _action: PhantomData });
        }
        if by_api && !actor.has(P::AccessApi) {
            needs.push(P::AccessApi);
        }
        Err(Refused::Lacks { action: A::NAME, needs })
    }

    /// A permit that follows from a rule of this crate rather than from a permission.
    pub(crate) fn grant(actor: Actor, project: &Arc<Project>) -> Self {
        Self { actor, project: project.clone(), _action: PhantomData }
    }

    /// Who.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
    /// Where.
    pub fn project(&self) -> &Arc<Project> {
        &self.project
    }
}

impl<A: Action> Clone for Permit<A> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone(), project: self.project.clone(), _action: PhantomData }
    }
}

impl<A: Action> fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({} in {} by {:?})", A::NAME, self.project.name, self.actor.username())
    }
}

/// Proof that the actor may administer the node: create projects, name server administrators.
#[derive(Clone, Debug)]
pub struct NodePermit {
    actor: Actor,
}

impl NodePermit {
    pub(crate) fn check(actor: &Actor) -> Result<Self, Refused> {
        match actor.is_server_admin() && actor.method() != Method::ApiKey {
            true => Ok(Self { actor: actor.clone() }),
            false => Err(Refused::Lacks { action: "administer the server", needs: Vec::new() }),
        }
    }

    pub(crate) fn grant(actor: Actor) -> Self {
        Self { actor }
    }

    /// Who.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}
