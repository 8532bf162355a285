//! The phone behind a token, as it is now: what it was sent, its own forms since, its own purge.

use super::RestoreError;
use super::graph::StoredCases;
use super::holdings::{Held, StateHash};
use super::sync_log::SyncLog;
use crate::Appliance;
use bolster_cases::sync::{CaseGraph, PhoneCases, SyncCase, apply_block, purge};
use bolster_model::{CaseId, Relationship};
use bolster_store::ReadExt;
use bolster_wire::Limits;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Changes read at once.
pub const CHANGES_AT_ONCE: usize = 10_000;
/// Cases looked at around a change before everything is looked at instead.
const REGION_MAX: usize = 4_000;
/// Extensions looked at below a case of others; beyond that it is taken to matter.
const CHAIN_MAX: usize = 100;
/// Purges that a phone may have made between two syncs.
const PURGES_MAX: usize = 8;

/// A phone, brought up to date.
pub struct PhoneState {
    /// The log of its token.
    pub log: SyncLog,
    /// Where the server's cases are.
    pub graph: StoredCases,
    /// Cases that its own forms changed, as the phone has them now. A removal is the phone's purge.
    changed: BTreeMap<CaseId, Option<Held>>,
    /// Cases that its own forms touched.
    pub touched_own: BTreeSet<CaseId>,
    /// Cases that others touched.
    pub touched_foreign: BTreeSet<CaseId>,
    /// Cases around all touched ones; `None` when everything must be looked at.
    pub region: Option<BTreeSet<CaseId>>,
}

struct Overlay<'s> {
    log: &'s SyncLog,
    changed: &'s mut BTreeMap<CaseId, Option<Held>>,
    damage: Option<bolster_codec::DecodeError>,
}

impl PhoneCases for Overlay<'_> {
    fn get(&mut self, id: &CaseId) -> Option<SyncCase> {
        if let Some(held) = self.changed.get(id) {
            return held.as_ref().map(|h| h.case.clone());
        }
        match self.log.holdings.get(id) {
            Ok(held) => held.filter(|h| h.kept).map(|h| h.case),
            Err(error) => {
                self.damage = Some(error);
                None
            }
        }
    }

    fn put(&mut self, id: &CaseId, case: SyncCase) {
        self.changed.insert(id.clone(), Some(Held { case, kept: true }));
    }
}

impl PhoneState {
    /// Reads what happened since the token was made.
    pub fn load(app: &Appliance, log: SyncLog) -> Result<Self, RestoreError> {
        let graph = StoredCases { view: app.store().steady_view(), project: log.project };
        let mut state = Self {
            log,
            graph,
            changed: BTreeMap::new(),
            touched_own: BTreeSet::new(),
            touched_foreign: BTreeSet::new(),
            region: None,
        };
        state.touched_foreign.extend(state.log.reopened.iter().cloned());
        let own_forms = state.read_changes()?;
        for lsn in own_forms {
            state.apply_own(app, lsn)?;
        }
        state.notice_disagreement()?;
        state.region = state.find_region()?;
        Ok(state)
    }

    /// Collects touched cases and answers the log positions of the phone's own forms.
    fn read_changes(&mut self) -> Result<Vec<u64>, RestoreError> {
        let mut own_forms = Vec::new();
        let mut after = self.log.lsn;
        loop {
            let changes = self.graph.view.changes_after(self.log.project, after, CHANGES_AT_ONCE)?;
            let Some(last) = changes.last() else { break };
            after = last.lsn;
            let full = changes.len() == CHANGES_AT_ONCE;
            for change in changes {
                if change.sync_token.as_deref() == Some(self.log.token.as_str()) {
                    own_forms.push(change.lsn);
                    self.touched_own.extend(change.cases);
                } else {
                    self.touched_foreign.extend(change.cases);
                }
            }
            if !full {
                break;
            }
        }
        Ok(own_forms)
    }

    /// Applies a form that the phone sent under this token, as the phone did when it was filled in.
    fn apply_own(&mut self, app: &Appliance, lsn: u64) -> Result<(), RestoreError> {
        let Some(content) = app.store().form_content(lsn)? else { return Ok(()) };
        let Ok(parsed) = bolster_wire::parse_form(&content.xml, &Limits::default()) else { return Ok(()) };
        let mut overlay = Overlay { log: &self.log, changed: &mut self.changed, damage: None };
        for block in &parsed.case_blocks {
            apply_block(&mut overlay, block);
            self.touched_own.insert(block.case_id.clone());
        }
        if !parsed.ledger_blocks.is_empty() {
            // Stock is sent with its case, and the phone learns the balances of others' changes that way.
            let cases = parsed.ledger_blocks.iter().flat_map(|block| match &block.action {
                bolster_model::LedgerMove::Balance { case_id } => vec![case_id.clone()],
                bolster_model::LedgerMove::Transfer { src, dest, .. } => {
                    src.iter().chain(dest).cloned().collect()
                }
            });
            self.touched_foreign.extend(cases);
        }
        match overlay.damage {
            Some(damage) => Err(damage.into()),
            None => Ok(()),
        }
    }

    /// Where an own form came to something else here than on the phone (others had changed the case before, or
    /// the form could not be applied), the phone must be told what is.
    fn notice_disagreement(&mut self) -> Result<(), RestoreError> {
        for id in &self.touched_own {
            let here = self.graph.case(id)?;
            let there = self.changed.get(id).and_then(|held| held.as_ref()).map(|held| &held.case);
            if here.is_some() && there.is_some() && here.as_ref() != there {
                self.touched_foreign.insert(id.clone());
            }
        }
        Ok(())
    }

    /// A case as the phone has it, kept or not.
    pub fn held(&self, id: &CaseId) -> Result<Option<Held>, RestoreError> {
        match self.changed.get(id) {
            Some(held) => Ok(held.clone()),
            None => Ok(self.log.holdings.get(id)?),
        }
    }

    /// Nothing happened since the token was made.
    pub fn is_untouched(&self) -> bool {
        self.touched_own.is_empty() && self.touched_foreign.is_empty()
    }

    /// Everything that is linked with a touched case, on the phone or here, in either direction. The cases
    /// outside it are as they were, and so is whether they belong on the phone.
    fn find_region(&self) -> Result<Option<BTreeSet<CaseId>>, RestoreError> {
        let mut region: BTreeSet<CaseId> = BTreeSet::new();
        let mut queue: Vec<CaseId> = Vec::new();
        for id in self.touched_own.union(&self.touched_foreign) {
            if self.matters(id)? {
                queue.push(id.clone());
                region.insert(id.clone());
            }
        }
        if region.len() > REGION_MAX {
            return Ok(None);
        }
        let reverse = if region.is_empty() { HashMap::new() } else { self.reverse_links()? };
        while let Some(id) = queue.pop() {
            let mut next = self.graph.neighbours(&id)?;
            next.extend(self.held(&id)?.into_iter().flat_map(|h| h.case.links).map(|l| l.target));
            // What a case no longer points at may have been there only for its sake.
            next.extend(self.log.holdings.get(&id)?.into_iter().flat_map(|h| h.case.links).map(|l| l.target));
            next.extend(reverse.get(&id).into_iter().flatten().cloned());
            for id in next {
                if region.insert(id.clone()) {
                    queue.push(id);
                }
            }
            if region.len() > REGION_MAX {
                return Ok(None);
            }
        }
        Ok(Some(region))
    }

    /// Whether a touched case can change what belongs on the phone: it is there, or belongs to its owners, or
    /// is linked with what is there. What others do elsewhere in the project does not.
    fn matters(&self, id: &CaseId) -> Result<bool, RestoreError> {
        if self.touched_own.contains(id) || self.held(id)?.is_some() {
            return Ok(true);
        }
        let Some(case) = self.graph.case(id)? else { return Ok(false) };
        if self.log.owners.binary_search(&case.owner).is_ok() {
            return Ok(true);
        }
        for link in &case.links {
            if self.held(&link.target)?.is_some() {
                return Ok(true);
            }
        }
        self.is_waited_for(id)
    }

    /// Whether cases of the phone's owners, or on the phone, hang on this one: it may have been gone or closed,
    /// and they were left out or sent without their link for that.
    fn is_waited_for(&self, id: &CaseId) -> Result<bool, RestoreError> {
        let mut chain = vec![id.clone()];
        let mut next = 0;
        while let Some(id) = chain.get(next).cloned() {
            next += 1;
            for (source, _, relationship) in self.graph.view.referrers(self.log.project, &id)? {
                if self.held(&source)?.is_some() {
                    return Ok(true);
                }
                if relationship != Relationship::Extension || chain.contains(&source) {
                    continue;
                }
                let owner = self.graph.case(&source)?.map(|case| case.owner);
                if owner.is_some_and(|owner| self.log.owners.binary_search(&owner).is_ok()) {
                    return Ok(true);
                }
                if chain.len() == CHAIN_MAX {
                    return Ok(true);
                }
                chain.push(source);
            }
        }
        Ok(false)
    }

    /// Who points at whom on the phone.
    fn reverse_links(&self) -> Result<HashMap<CaseId, Vec<CaseId>>, RestoreError> {
        let mut reverse: HashMap<CaseId, Vec<CaseId>> = HashMap::new();
        let mut add = |id: &str, target: &str| {
            reverse.entry(CaseId::new(target)).or_default().push(CaseId::new(id));
        };
        self.log.holdings.base.links(&mut add)?;
        for (id, held) in self.log.holdings.delta.iter().chain(&self.changed) {
            for link in held.iter().flat_map(|held| &held.case.links) {
                add(id.as_str(), link.target.as_str());
            }
        }
        Ok(reverse)
    }

    /// Everything on the phone.
    pub fn everything(&self) -> Result<BTreeMap<CaseId, Held>, RestoreError> {
        let mut all = self.log.holdings.all()?;
        for (id, held) in &self.changed {
            match held {
                Some(held) => all.insert(id.clone(), held.clone()),
                None => all.remove(id),
            };
        }
        Ok(all)
    }

    /// What is on the phone of the region, or everything.
    pub fn held_in_region(&self) -> Result<BTreeMap<CaseId, Held>, RestoreError> {
        let Some(region) = &self.region else { return self.everything() };
        let mut all = BTreeMap::new();
        for id in region {
            if let Some(held) = self.held(id)? {
                all.insert(id.clone(), held);
            }
        }
        Ok(all)
    }

    /// Runs the phone's purge over the region (or everything) and answers what it leaves.
    pub fn purged(&self) -> Result<BTreeMap<CaseId, Held>, RestoreError> {
        let held = self.held_in_region()?;
        let owners: HashSet<String> = self.log.owners.iter().cloned().collect();
        let present: Vec<(&CaseId, &SyncCase)> =
            held.iter().filter(|(_, h)| h.kept).map(|(id, h)| (id, &h.case)).collect();
        // A phone that finds a cycle keeps everything.
        let Ok(kept) = purge(&present, &owners) else {
            return Ok(held.into_iter().filter(|(_, h)| h.kept).collect());
        };
        let kept: HashSet<CaseId> = kept.into_iter().cloned().collect();
        Ok(held.into_iter().filter(|(id, _)| kept.contains(id)).collect())
    }

    /// The whole phone is looked at, and what its purge takes is marked, again and again until it takes nothing
    /// more: in rare shapes one purge leaves cases to the next one.
    pub fn purge_everything(&mut self) -> Result<(), RestoreError> {
        for _ in 0..PURGES_MAX {
            if !self.purge_once()? {
                break;
            }
        }
        Ok(())
    }

    /// One purge of the whole phone; false when it took nothing.
    fn purge_once(&mut self) -> Result<bool, RestoreError> {
        self.region = None;
        let purged = self.purged()?;
        let mut took = false;
        for (id, held) in self.everything()? {
            if held.kept && !purged.contains_key(&id) {
                self.changed.insert(id, None);
                took = true;
            }
        }
        Ok(took)
    }

    /// Whether the phone's hash is one that this phone can have: purged before it was sent, or not.
    pub fn agrees(&mut self, hash: &str) -> Result<bool, RestoreError> {
        if self.is_untouched() && self.log.hash.text(self.log.kept) == hash {
            return Ok(true);
        }
        let purged = self.purged()?;
        let before = self.held_in_region_by_log()?;
        let (mut state, mut count) = (self.log.hash, self.log.kept);
        for id in &before {
            if !purged.contains_key(id) {
                state.toggle(id);
                count -= 1;
            }
        }
        for id in purged.keys().filter(|id| !before.contains(*id)) {
            state.toggle(id);
            count += 1;
        }
        if state.text(count) == hash {
            return Ok(true);
        }
        let all = self.everything()?;
        if StateHash::of(all.keys()).text(all.len() as u64) == hash {
            return Ok(true);
        }
        let kept: Vec<&CaseId> = all.iter().filter(|(_, h)| h.kept).map(|(id, _)| id).collect();
        if StateHash::of(kept.iter().copied()).text(kept.len() as u64) == hash {
            return Ok(true);
        }
        // It may have purged more often.
        let (changed, region) = (self.changed.clone(), self.region.clone());
        for _ in 0..PURGES_MAX {
            let took = self.purge_once()?;
            let left = self.everything()?;
            let kept: Vec<&CaseId> = left.iter().filter(|(_, h)| h.kept).map(|(id, _)| id).collect();
            if StateHash::of(kept.iter().copied()).text(kept.len() as u64) == hash {
                return Ok(true);
            }
            if !took {
                break;
            }
        }
        (self.changed, self.region) = (changed, region);
        Ok(false)
    }

    /// Ids that the log itself says are kept, of the region or all.
    fn held_in_region_by_log(&self) -> Result<BTreeSet<CaseId>, RestoreError> {
        let Some(region) = &self.region else {
            let all = self.log.holdings.all()?;
            return Ok(all.into_iter().filter(|(_, h)| h.kept).map(|(id, _)| id).collect());
        };
        let mut kept = BTreeSet::new();
        for id in region {
            if self.log.holdings.get(id)?.is_some_and(|h| h.kept) {
                kept.insert(id.clone());
            }
        }
        Ok(kept)
    }
}
