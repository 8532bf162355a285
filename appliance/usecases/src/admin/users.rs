//! Mobile workers, web users, passwords.

use super::custom_data::FieldRules;
use super::{Act, AdminError};
use crate::nouns::{self, Nouns};
use crate::{Appliance, DocumentFact};
use bolster_auth::documents::{email_name, worker_name};
use bolster_auth::{EditUsers, Membership, Password, PermissionSet, Permit, User, kind};
use bolster_model::ProjectId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A user to be made.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Bare or wire name of a mobile worker, e-mail address of a web user.
    pub name: String,
    /// A web user.
    pub web: bool,
    /// A web user who administers the project.
    pub admin: bool,
    /// A web user who administers the node too.
    pub server_admin: bool,
    /// Name or id of a role.
    pub role: Option<String>,
    /// Name or id of a profile, which fixes some of the data.
    pub profile: Option<String>,
    /// Custom data.
    pub data: BTreeMap<String, String>,
    /// Site codes or ids of locations, the primary one first.
    pub locations: Vec<String>,
    /// Names of groups.
    pub groups: Vec<String>,
    /// A practice worker.
    pub practice: bool,
    /// Id to give; a random one otherwise. For imports.
    pub id: Option<String>,
    /// Not needed for a web user who exists.
    pub password: Option<Password>,
}

impl Appliance {
    /// Makes a mobile worker, or makes a web user a member of the project (with an account, if there is none).
    pub fn create_user(&self, permit: &Permit<EditUsers>, new: &NewUser) -> Result<Arc<User>, AdminError> {
        let _turn = self.admin_turn();
        self.check_grant(permit, new)?;
        if new.web { self.add_web_user(permit, new) } else { self.create_worker(permit, new) }
    }

    /// Ids of locations by what people write.
    pub(super) fn location_ids(&self, nouns: &Nouns, written: &[String]) -> Result<Vec<String>, AdminError> {
        let id = |text: &String| {
            let found = nouns.locations.find(text).filter(|l| !l.archived).map(|l| l.id.clone());
            found.ok_or_else(|| AdminError::Missing { what: "location", name: text.clone() })
        };
        written.iter().map(id).collect()
    }

    /// The facts that bring a worker into groups.
    fn join_groups(
        &self,
        permit: &Permit<EditUsers>,
        nouns: &Nouns,
        user_id: &str,
        names: &[String],
    ) -> Result<Vec<DocumentFact>, AdminError> {
        let actor = permit.actor().username();
        let join = |name: &String| {
            let before = nouns.groups.iter().find(|g| g.name == *name || g.id == *name);
            let before = before.ok_or_else(|| AdminError::Missing { what: "group", name: name.clone() })?;
            let mut after = before.clone();
            after.users.push(user_id.to_owned());
            let act = Act { kind: nouns::kind::GROUP, id: &before.id, action: "member added", actor };
            Ok(self.document(permit.project().id, &act, Some(before), &after, false))
        };
        names.iter().map(join).collect()
    }

    /// Custom data and profile of a user to be made, judged by the fields as they are now.
    #[allow(clippy::type_complexity)]
    fn data_of_new(
        &self,
        permit: &Permit<EditUsers>,
        new: &NewUser,
    ) -> Result<(BTreeMap<String, String>, Option<String>), AdminError> {
        let project = self.auth().project(permit.project().id).unwrap_or_else(|| permit.project().clone());
        let rules = FieldRules::new(&project.user_fields)?;
        let wanted = (&new.data, new.profile.as_deref());
        let (data, profile) = rules.changed_data(&project, new.web, (&BTreeMap::new(), None), wanted)?;
        rules.check_data(&project, new.web, &data, profile.as_deref())?;
        Ok((data, profile))
    }

    fn create_worker(&self, permit: &Permit<EditUsers>, new: &NewUser) -> Result<Arc<User>, AdminError> {
        let project = permit.project();
        let username = worker_name(&new.name, &project.name)?;
        if self.auth().find_user(project, &username).is_some() {
            return Err(AdminError::Exists { what: "mobile worker", name: username });
        }
        let nouns = self.nouns(project.id)?;
        let (user_data, profile_id) = self.data_of_new(permit, new)?;
        let user = User {
            id: new.id.clone().unwrap_or_else(|| self.random_id()),
            project: Some(project.id),
            username,
            role: self.role_id(permit.project().id, new.role.as_deref())?,
            user_data,
            profile_id,
            locations: self.location_ids(&nouns, &new.locations)?,
            practice: new.practice,
            active: true,
            created_at: self.env().clock.now(),
            ..User::default()
        };
        let password = new.password.as_ref().ok_or(bolster_auth::PasswordError::Empty)?;
        let credential = self.auth().new_credential(&user, project, password)?;
        let actor = permit.actor().username();
        let act = |kind, action| Act { kind, id: &user.id, action, actor };
        let mut facts = vec![
            self.document(project.id, &act(kind::USER, "mobile worker created"), None, &user, false),
            self.document(project.id, &act(kind::CREDENTIAL, "password set"), None, &credential, true),
        ];
        facts.extend(self.join_groups(permit, &nouns, &user.id, &new.groups)?);
        self.commit_documents(facts)?;
        self.found(&user.id)
    }

    fn add_web_user(&self, permit: &Permit<EditUsers>, new: &NewUser) -> Result<Arc<User>, AdminError> {
        let project = permit.project();
        let email = email_name(&new.name)?;
        let actor = permit.actor().username();
        if let Some(name) = new.groups.first() {
            let problem =
                format!("groups hold mobile workers; {email} is a web user and cannot be in {name}");
            return Err(AdminError::NotPossible(problem));
        }
        let mut documents = Vec::new();
        let existing = self.auth().web_user(&email);
        let known_member = existing
            .as_ref()
            .is_some_and(|u| self.auth().members(project.id).iter().any(|m| m.user.id == u.id));
        if known_member {
            return Err(AdminError::Exists { what: "web user", name: email });
        }
        let user = match existing {
            Some(user) => (*user).clone(),
            None => {
                let user = User {
                    id: new.id.clone().unwrap_or_else(|| self.random_id()),
                    username: email.clone(),
                    email,
                    active: true,
                    server_admin: new.server_admin,
                    created_at: self.env().clock.now(),
                    ..User::default()
                };
                let password = new.password.as_ref().ok_or(bolster_auth::PasswordError::Empty)?;
                let credential = self.auth().new_credential(&user, project, password)?;
                let act = |kind, action| Act { kind, id: &user.id, action, actor };
                let node = ProjectId::ZERO;
                documents.push(self.document(node, &act(kind::USER, "web user created"), None, &user, false));
                documents.push(self.document(
                    node,
                    &act(kind::CREDENTIAL, "password set"),
                    None,
                    &credential,
                    true,
                ));
                user
            }
        };
        let (user_data, profile_id) = self.data_of_new(permit, new)?;
        let membership = Membership {
            user_id: user.id.clone(),
            is_admin: new.admin,
            role: self.role_id(permit.project().id, new.role.as_deref())?,
            active: true,
            user_data,
            profile_id,
            locations: self.location_ids(&*self.nouns(project.id)?, &new.locations)?,
            created_at: self.env().clock.now(),
        };
        let act = Act { kind: kind::MEMBERSHIP, id: &user.id, action: "web user added to project", actor };
        documents.push(self.document(project.id, &act, None, &membership, false));
        self.commit_documents(documents)?;
        self.found(&user.id)
    }

    pub(super) fn found(&self, id: &str) -> Result<Arc<User>, AdminError> {
        self.auth().user(id).ok_or_else(|| AdminError::Missing { what: "user", name: id.to_owned() })
    }

    /// Nobody gives, takes or uses more than he has: who is no administrator changes only mobile workers, and
    /// only those who may do no more than he; a web user's password opens other projects too, so it is the
    /// server administrator's affair.
    pub(super) fn check_rank(
        &self,
        permit: &Permit<EditUsers>,
        target: &User,
        password: bool,
    ) -> Result<(), AdminError> {
        let actor = permit.actor();
        if actor.is_server_admin() || actor.user_id() == target.id {
            return Ok(());
        }
        let (theirs, is_admin) = self.auth().standing(permit.project(), target);
        let above = target.server_admin || (is_admin && !actor.is_admin());
        let wider = !actor.is_admin() && (target.is_web() || !theirs.is_within(self.givable(permit)));
        if above || wider || (password && target.is_web()) {
            let name = target.username.clone();
            return Err(AdminError::AboveRank { name });
        }
        Ok(())
    }

    /// Somebody must be left who can let others in. The operator at the machine may do without.
    pub(super) fn check_last_administrator(
        &self,
        permit: &Permit<EditUsers>,
        user: &User,
    ) -> Result<(), AdminError> {
        if permit.actor().kind() == bolster_auth::ActorKind::Operator {
            return Ok(());
        }
        let is_admin = |m: &bolster_auth::Member| {
            m.user.active && m.membership.as_ref().is_some_and(|m| m.active && m.is_admin)
        };
        let members = self.auth().members(permit.project().id);
        let mut admins = members.iter().filter(|m| is_admin(m)).peekable();
        if admins.peek().is_some() && admins.all(|m| m.user.id == user.id) {
            let problem = format!("{} is the last administrator of this project", user.username);
            return Err(AdminError::NotPossible(problem));
        }
        Ok(())
    }

    /// What somebody may give to a worker: what he has, and what every worker has.
    fn givable(&self, permit: &Permit<EditUsers>) -> PermissionSet {
        permit.actor().permissions().or(self.auth().role_permissions(permit.project(), false, None))
    }

    /// The role may be given by this actor.
    fn check_grant(&self, permit: &Permit<EditUsers>, new: &NewUser) -> Result<(), AdminError> {
        let actor = permit.actor();
        if actor.is_server_admin() || (actor.is_admin() && !new.server_admin) {
            return Ok(());
        }
        if new.web || new.admin || new.server_admin {
            return Err(AdminError::AboveRank { name: new.name.clone() });
        }
        self.check_worker_role(
            permit,
            &new.name,
            self.role_id(permit.project().id, new.role.as_deref())?.as_deref(),
        )
    }

    /// The role (an id) may be given to a mobile worker by this actor.
    pub(super) fn check_worker_role(
        &self,
        permit: &Permit<EditUsers>,
        name: &str,
        role: Option<&str>,
    ) -> Result<(), AdminError> {
        let given = self.auth().role_permissions(permit.project(), false, role);
        if permit.actor().is_admin() || given.is_within(self.givable(permit)) {
            return Ok(());
        }
        Err(AdminError::AboveRank { name: name.to_owned() })
    }

    pub(super) fn user_in(&self, permit: &Permit<EditUsers>, name: &str) -> Result<Arc<User>, AdminError> {
        let project = permit.project();
        let found = self.auth().find_user(project, name);
        found
            .filter(|u| self.auth().members(project.id).iter().any(|m| m.user.id == u.id))
            .ok_or_else(|| AdminError::Missing { what: "user", name: name.to_owned() })
    }

    /// Switches a mobile worker, or the membership of a web user, on or off.
    pub fn set_user_active(
        &self,
        permit: &Permit<EditUsers>,
        name: &str,
        active: bool,
    ) -> Result<(), AdminError> {
        let _turn = self.admin_turn();
        let user = self.user_in(permit, name)?;
        self.check_rank(permit, &user, false)?;
        let project = permit.project();
        if !active {
            self.check_last_administrator(permit, &user)?;
        }
        let actor = permit.actor().username();
        let action = if active { "user activated" } else { "user deactivated" };
        let fact = if user.is_web() {
            let members = self.auth().members(project.id);
            let before = members.iter().find(|m| m.user.id == user.id).and_then(|m| m.membership.clone());
            let Some(before) = before else {
                return Err(AdminError::Missing { what: "user", name: name.to_owned() });
            };
            let after = Membership { active, ..(*before).clone() };
            let act = Act { kind: kind::MEMBERSHIP, id: &user.id, action, actor };
            self.document(project.id, &act, Some(&*before), &after, false)
        } else {
            let after = User { active, ..(*user).clone() };
            let act = Act { kind: kind::USER, id: &user.id, action, actor };
            self.document(project.id, &act, Some(&*user), &after, false)
        };
        self.commit_documents(vec![fact])?;
        Ok(())
    }

    /// Gives a user a new password; sessions of the user end.
    pub fn set_password(
        &self,
        permit: &Permit<EditUsers>,
        name: &str,
        password: &Password,
    ) -> Result<(), AdminError> {
        let _turn = self.admin_turn();
        let user = self.user_in(permit, name)?;
        self.check_rank(permit, &user, true)?;
        let project = permit.project();
        let credential = self.auth().new_credential(&user, project, password)?;
        let act = Act {
            kind: kind::CREDENTIAL,
            id: &user.id,
            action: "password set",
            actor: permit.actor().username(),
        };
        let level = user.project.unwrap_or(ProjectId::ZERO);
        self.commit_documents(vec![self.document(level, &act, None, &credential, true)])?;
        Ok(())
    }
}
