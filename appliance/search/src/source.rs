//! Where cases come from: the one seam under a search. Today the primary store, later an index beside it.

use crate::filter::Leaf;
use bolster_model::{Case, CaseId};

/// What a scan is about; a source may pass over everything outside of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scope {
    /// Of these types; `None` for any.
    pub types: Option<Vec<String>>,
    /// Not closed.
    pub open: bool,
}

impl Scope {
    /// Whether a case is in it.
    pub fn holds(&self, case: &Case) -> bool {
        let of_type = self.types.as_ref().is_none_or(|types| types.contains(&case.case_type.value));
        of_type && !(self.open && case.closed.value)
    }
}

/// A case that points at another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Referrer {
    /// Which.
    pub case: CaseId,
    /// By this index.
    pub identifier: String,
    /// As an extension rather than a child.
    pub extension: bool,
}

/// The cases of one project, deleted ones excluded.
pub trait CaseSource {
    /// Why cases could not be read.
    type Error;

    /// A case.
    fn case(&self, id: &CaseId) -> Result<Option<Case>, Self::Error>;

    /// Live indices that point to a case.
    fn referrers(&self, id: &CaseId) -> Result<Vec<Referrer>, Self::Error>;

    /// Shows every case of a scope, and `None` for each one that was passed over, until the visitor answers false.
    /// The order is always the same, and that of hits that are as good as each other.
    fn scan(&self, scope: &Scope, visit: &mut dyn FnMut(Option<Case>) -> bool) -> Result<(), Self::Error>;

    /// Ids of a set that contains at least all cases of the scope for which a condition holds; `None` when it
    /// cannot tell, or would have to name more than `at_most`. Whatever is answered is checked again.
    fn answer(&self, leaf: &Leaf, scope: &Scope, at_most: usize) -> Result<Option<Vec<CaseId>>, Self::Error>;
}
