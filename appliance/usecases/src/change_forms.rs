//! Archive, unarchive, delete and undelete forms; delete, undelete and rebuild cases.

use crate::Appliance;
use crate::submit_form::rules_of;
use crate::writer::{Job, WriteError};
use bolster_auth::{EditData, Permit};
use bolster_env::random;
use bolster_model::{
    ArchiveForm, CaseId, DeleteCase, DeleteForm, Fact, FormId, FormRow, FormState, RebuildCase,
};
use bolster_store::{ReadExt, StoreError};
use std::sync::Arc;

/// Why a form or case could not be changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    /// No such form.
    #[error("there is no form {0} in this project")]
    NoForm(FormId),
    /// No such case.
    #[error("there is no case {0} in this project")]
    NoCase(CaseId),
    /// Only normal and archived forms can be archived and unarchived.
    #[error("form {form_id} is {state:?}; only normal and archived forms can be archived or unarchived")]
    WrongState {
        /// The form.
        form_id: FormId,
        /// Its state.
        state: FormState,
    },
    /// The change was not stored.
    #[error("the change was not stored")]
    Write(#[from] WriteError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Write(WriteError::Storage(Arc::new(error)))
    }
}

impl Appliance {
    /// Takes a form out of force (`archive`) or puts it back, and computes its cases again. Doing it twice
    /// changes nothing.
    pub fn archive_form(
        &self,
        permit: &Permit<EditData>,
        form_id: &FormId,
        archive: bool,
    ) -> Result<(), ChangeError> {
        let row = self.existing_form(permit, form_id)?;
        if !matches!(row.state, FormState::Normal | FormState::Archived) {
            return Err(ChangeError::WrongState { form_id: form_id.clone(), state: row.state });
        }
        let at = self.env().clock.now();
        let user_id = permit.actor().user_id().to_owned();
        self.change(permit, Fact::ArchiveForm(ArchiveForm { form_id: form_id.clone(), archive, user_id, at }))
    }

    /// Soft deletion of a form, or its undoing.
    pub fn delete_form(
        &self,
        permit: &Permit<EditData>,
        form_id: &FormId,
        delete: bool,
    ) -> Result<(), ChangeError> {
        self.existing_form(permit, form_id)?;
        let fact = Fact::DeleteForm(DeleteForm {
            form_id: form_id.clone(),
            delete,
            deletion_id: self.new_id(),
            user_id: permit.actor().user_id().to_owned(),
            at: self.env().clock.now(),
        });
        self.change(permit, fact)
    }

    /// Explicit deletion of a case, or its undoing.
    pub fn delete_case(
        &self,
        permit: &Permit<EditData>,
        case_id: &CaseId,
        delete: bool,
    ) -> Result<(), ChangeError> {
        self.existing_case(permit, case_id)?;
        let fact = Fact::DeleteCase(DeleteCase {
            case_id: case_id.clone(),
            delete,
            deletion_id: self.new_id(),
            user_id: permit.actor().user_id().to_owned(),
            at: self.env().clock.now(),
        });
        self.change(permit, fact)
    }

    /// Computes a case again from its forms. Nothing changes but one more line in its history.
    pub fn rebuild_case(
        &self,
        permit: &Permit<EditData>,
        case_id: &CaseId,
        reason: &str,
    ) -> Result<(), ChangeError> {
        self.existing_case(permit, case_id)?;
        let fact = Fact::RebuildCase(RebuildCase {
            case_id: case_id.clone(),
            reason: reason.to_owned(),
            user_id: permit.actor().user_id().to_owned(),
            at: self.env().clock.now(),
        });
        self.change(permit, fact)
    }

    fn existing_form(&self, permit: &Permit<EditData>, id: &FormId) -> Result<FormRow, ChangeError> {
        self.store().view().form(permit.project().id, id)?.ok_or_else(|| ChangeError::NoForm(id.clone()))
    }

    fn existing_case(&self, permit: &Permit<EditData>, id: &CaseId) -> Result<(), ChangeError> {
        match self.store().view().case(permit.project().id, id)? {
            Some(_) => Ok(()),
            None => Err(ChangeError::NoCase(id.clone())),
        }
    }

    fn change(&self, permit: &Permit<EditData>, fact: Fact) -> Result<(), ChangeError> {
        let project = permit.project();
        let (id, rules) = (project.id, rules_of(project));
        let salt = random::bytes(&*self.env().random);
        self.wait(|reply| Job::Fact { project: id, rules, fact, salt, reply })?;
        Ok(())
    }

    fn new_id(&self) -> String {
        random::bytes::<16>(&*self.env().random).iter().map(|b| format!("{b:02x}")).collect()
    }
}
