//! Projects.

use super::{Act, AdminError};
use crate::Appliance;
use bolster_auth::documents::{ProjectName, project_name};
use bolster_auth::{Administer, NodePermit, Permit, Project, kind};
use bolster_env::random;
use bolster_model::ProjectId;
use std::sync::Arc;

impl Appliance {
    /// Makes a project.
    pub fn create_project(&self, permit: &NodePermit, name: &str) -> Result<Arc<Project>, AdminError> {
        project_name(name)?;
        let _turn = self.admin_turn();
        if self.auth().project_named(name).is_some() {
            return Err(AdminError::Exists { what: "project", name: name.to_owned() });
        }
        let id = ProjectId(random::bytes(&*self.env().random));
        let project = Project {
            id,
            name: name.to_owned(),
            display_name: name.to_owned(),
            created_at: self.env().clock.now(),
            // HQ's default: phones send without credentials until the project asks for them.
            secure_submissions: false,
            ..Project::default()
        };
        let actor = permit.actor().username();
        let key = id.to_string();
        let act = Act { kind: kind::PROJECT, id: &key, action: "project created", actor };
        let name_act = Act { kind: kind::PROJECT_NAME, id: name, action: "project name taken", actor };
        self.commit_documents(vec![
            self.document(id, &act, None, &project, false),
            self.document(ProjectId::ZERO, &name_act, None, &ProjectName { project: id }, false),
        ])?;
        self.auth().project(id).ok_or_else(|| AdminError::Missing { what: "project", name: name.to_owned() })
    }

    /// Changes settings of a project, all or none.
    pub fn set_project(
        &self,
        permit: &Permit<Administer>,
        settings: &[(String, String)],
    ) -> Result<Arc<Project>, AdminError> {
        let _turn = self.admin_turn();
        let id = permit.project().id;
        let missing = || AdminError::Missing { what: "project", name: permit.project().name.clone() };
        let before = self.auth().project(id).ok_or_else(missing)?;
        let mut after = (*before).clone();
        for (name, value) in settings {
            after.set(name, value)?;
        }
        if after != *before {
            let key = id.to_string();
            let actor = permit.actor().username();
            let act = Act { kind: kind::PROJECT, id: &key, action: "project changed", actor };
            self.commit_documents(vec![self.document(id, &act, Some(&*before), &after, false)])?;
        }
        self.auth().project(id).ok_or_else(missing)
    }
}
