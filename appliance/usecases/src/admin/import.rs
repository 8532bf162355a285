//! What all imports of workbooks have in common: everything is looked at before anything is changed, and every
//! problem is named with its sheet and row.

use super::AdminError;
use crate::workbook::{Row, Sheet, WorkbookError};
use crate::{Appliance, DocumentFact};
use bolster_model::{AdminDocument, ProjectId};
use bolster_store::StoreError;

/// Problems that are listed; the rest is counted.
const LISTED_MAX: usize = 200;

/// Why a workbook was not taken in. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error(transparent)]
    Workbook(#[from] WorkbookError),
    /// It cannot be taken as it is.
    #[error("nothing was imported:\n{}", .0.join("\n"))]
    Problems(Vec<String>),
    /// It could not be written.
    #[error("the workbook could not be written: {0}")]
    NotWritten(#[from] rust_xlsxwriter::XlsxError),
    /// What is there could not be read.
    #[error("data could not be read")]
    Store(#[from] StoreError),
    /// The change was not made.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl From<crate::WriteError> for ImportError {
    fn from(error: crate::WriteError) -> Self {
        Self::Admin(error.into())
    }
}

/// How to import.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportHow {
    /// Rows that the workbook does not have go.
    pub replace: bool,
    /// Nothing is changed; only what would be.
    pub check: bool,
}

/// What an import did, or would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportCounts {
    /// New ones.
    pub created: usize,
    /// Changed ones.
    pub updated: usize,
    /// Removed ones.
    pub deleted: usize,
    /// Those that are as they were.
    pub unchanged: usize,
}

/// Problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<String>, usize);

impl Problems {
    pub(super) fn add(&mut self, problem: String) {
        if self.0.len() < LISTED_MAX {
            self.0.push(problem);
        } else {
            self.1 += 1;
        }
    }

    pub(super) fn at(&mut self, sheet: &Sheet, row: &Row, problem: impl std::fmt::Display) {
        self.add(format!("sheet {}, row {}: {problem}", sheet.name, row.number));
    }

    /// `Ok` when there are none.
    pub(super) fn end(mut self) -> Result<(), ImportError> {
        if self.0.is_empty() {
            return Ok(());
        }
        if self.1 > 0 {
            self.0.push(format!("and {} more problems", self.1));
        }
        Err(ImportError::Problems(self.0))
    }
}

/// Headers that nobody knows are a mistake, and what stands below them would be lost.
pub(super) fn check_headers(sheet: &Sheet, problems: &mut Problems, is_known: impl Fn(&str) -> bool) {
    for unknown in sheet.headers.iter().filter(|h| !h.is_empty() && !is_known(h)) {
        problems.add(format!("sheet {}: nothing is known of a column {unknown:?}", sheet.name));
    }
}

impl Appliance {
    /// A document that is removed.
    pub(super) fn removal(&self, project: ProjectId, act: &super::Act<'_>) -> DocumentFact {
        let document = AdminDocument {
            kind: act.kind.to_owned(),
            id: act.id.to_owned(),
            json: None,
            action: act.action.to_owned(),
            changed: Vec::new(),
            actor: act.actor.to_owned(),
            at: self.env().clock.now(),
        };
        (project, document, false)
    }
}
