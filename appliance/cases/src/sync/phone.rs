//! What a phone makes of its own forms: it applies them to its table the moment they are complete, before and
//! whether or not the server agrees.

use super::{Link, SyncCase};
use bolster_model::{CaseBlock, CaseId, Relationship};

/// A phone's table of cases.
pub trait PhoneCases {
    /// A case on the phone.
    fn get(&mut self, id: &CaseId) -> Option<SyncCase>;
    /// Writes one.
    fn put(&mut self, id: &CaseId, case: SyncCase);
}

/// Applies a case block as the phone does.
pub fn apply_block(cases: &mut impl PhoneCases, block: &CaseBlock) {
    let known = cases.get(&block.case_id);
    if known.is_none() && block.create.is_empty() {
        // The phone refuses such a form, so it never has such a case.
        return;
    }
    let mut case = known.unwrap_or_default();
    let owner = |pairs: &[(String, String)]| {
        pairs.iter().rev().find(|(name, _)| name == "owner_id").map(|(_, value)| value.trim().to_owned())
    };
    if !block.create.is_empty() {
        let given = owner(&block.create).filter(|o| !o.is_empty());
        if let Some(owner) = given.or_else(|| block.user_id.clone()) {
            case.owner = owner;
        }
    }
    if let Some(owner) = owner(&block.update) {
        case.owner = owner;
    }
    case.closed |= block.close;
    for index in &block.indices {
        case.links.retain(|l| l.identifier != index.identifier);
        if let Some(target) = &index.referenced_id {
            let extension = index.relationship == Relationship::Extension;
            let identifier = index.identifier.clone();
            case.links.push(Link { identifier, target: target.clone(), extension });
        }
    }
    case.links.sort_by(|a, b| a.identifier.cmp(&b.identifier));
    cases.put(&block.case_id, case);
}
