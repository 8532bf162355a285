//! Which cases belong on a phone, and what the phone itself makes of them.
//!
//! Two rules, both pure: [`live`] is the server's (a least fixed point over owners and indices), [`purge`] is
//! the phone's, which it applies to its own table before each sync. They agree but for a few odd shapes; for
//! those, knowing both is what keeps the server from calling a healthy phone out of step.

mod live;
mod phone;
mod purge;

pub use live::{CaseGraph, LiveCase, closing_links, live};
pub use phone::{PhoneCases, apply_block};
pub use purge::{Cycle, purge};

use bolster_model::{Case, CaseId, Relationship};

/// An index as far as syncing is concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Unique in its case.
    pub identifier: String,
    /// Parent or host.
    pub target: CaseId,
    /// Host rather than parent.
    pub extension: bool,
}

/// A case as far as syncing is concerned.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SyncCase {
    /// Owner id; empty when it has none.
    pub owner: String,
    /// Closed.
    pub closed: bool,
    /// Indices, by identifier.
    pub links: Vec<Link>,
}

impl SyncCase {
    /// What matters of a case; `None` for one that is deleted.
    pub fn of(case: &Case) -> Option<Self> {
        if case.deletion.is_deleted() {
            return None;
        }
        let links = case.indices.iter().map(|index| Link {
            identifier: index.identifier.clone(),
            target: index.referenced_id.clone(),
            extension: index.relationship == Relationship::Extension,
        });
        Some(Self { owner: case.owner_id.value.clone(), closed: case.closed.value, links: links.collect() })
    }

    /// It follows its hosts only: it extends something and is nobody's child.
    fn is_pure_extension(&self) -> bool {
        !self.links.is_empty() && self.links.iter().all(|l| l.extension)
    }
}
