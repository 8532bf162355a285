//! Which cases are sent, and what the phone holds afterwards.

use super::graph::StoredCases;
use super::holdings::{Base, BaseRef, Held, Holdings, StateHash};
use super::phone::PhoneState;
use super::{Appliance, RestoreError};
use bolster_cases::sync::{Link, LiveCase, SyncCase, closing_links, live, purge};
use bolster_model::CaseId;
use bolster_store::{BlobPin, ReadExt, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A base up to this size is kept in the log itself.
const INLINE_BYTES_MAX: usize = 48 << 10;
/// Differences from a base beyond this share of it (and this number) make a new one.
const DELTA_SHARE: usize = 8;
const DELTA_MIN: usize = 200;

/// A case to send.
#[derive(Clone, Debug)]
pub struct SendCase {
    /// Id.
    pub id: CaseId,
    /// The phone has no such case.
    pub create: bool,
    /// Identifiers of links that are not sent: their targets are gone, or they would close a cycle.
    pub leave_out: Vec<String>,
    /// Links that the phone has and must lose: identifier and type of the case it points at.
    pub removed: Vec<(String, String)>,
}

/// What a restore does.
pub struct Plan {
    /// Cases in the order in which they are sent.
    pub send: Vec<SendCase>,
    /// What the phone holds afterwards.
    pub holdings: Holdings,
    /// Hash and number of those that it keeps.
    pub hash: StateHash,
    /// Number of cases kept.
    pub kept: u64,
    /// See [`SyncLog::reopened`](super::sync_log::SyncLog).
    pub reopened: Vec<CaseId>,
    /// The base is new, and in a file that stays until the log names it.
    pub new_base: Option<BlobPin>,
}

/// Where the account of what is held will stay.
#[derive(Clone, Copy)]
pub enum Keep<'a> {
    /// In a sync log: a large base goes to a file.
    Stored(&'a Appliance),
    /// In memory, as long as this process runs.
    InMemory,
}

/// The owner ids of a user as a set.
fn set_of(owners: &[String]) -> HashSet<String> {
    owners.iter().cloned().collect()
}

/// Live cases without the links that a phone must not get, and those links.
pub(super) fn without_bad_links(mut cases: Vec<LiveCase>) -> (Vec<LiveCase>, BTreeMap<CaseId, Vec<String>>) {
    let ids: HashSet<&CaseId> = cases.iter().map(|c| &c.id).collect();
    let pairs: Vec<(&CaseId, &SyncCase)> = cases.iter().map(|c| (&c.id, &c.case)).collect();
    let closing = closing_links(&pairs);
    let mut left_out: BTreeMap<CaseId, Vec<String>> = BTreeMap::new();
    let bad = |id: &CaseId, link: &Link| {
        !ids.contains(&link.target) || closing.contains(&(id.clone(), link.identifier.clone()))
    };
    for case in &cases {
        for link in case.case.links.iter().filter(|link| bad(&case.id, link)) {
            left_out.entry(case.id.clone()).or_default().push(link.identifier.clone());
        }
    }
    drop(ids);
    for case in &mut cases {
        if let Some(names) = left_out.get(&case.id) {
            case.case.links.retain(|link| !names.contains(&link.identifier));
        }
    }
    (cases, left_out)
}

/// Everything for a phone that has nothing.
pub fn full(keep: Keep<'_>, graph: &StoredCases, owners: &[String]) -> Result<Plan, RestoreError> {
    let owned = graph.owned(owners)?;
    let (cases, left_out) = without_bad_links(live(graph, &set_of(owners), owned)?);
    // What follows exists once per case, and never twice at a time: a case load may be large.
    let base = {
        let mut table: Vec<(&CaseId, &SyncCase)> = cases.iter().map(|c| (&c.id, &c.case)).collect();
        table.sort_unstable_by_key(|(id, _)| *id);
        let kept = kept_of(&table, owners);
        let bytes = Base::build(table.iter().map(|(id, case)| (*id, *case, kept.contains(id))));
        (bytes, StateHash::of(kept.iter().copied()), kept.len() as u64)
    };
    let (bytes, hash, kept) = base;
    let send = cases
        .into_iter()
        .map(|case| SendCase {
            create: true,
            leave_out: left_out.get(&case.id).cloned().unwrap_or_default(),
            removed: Vec::new(),
            id: case.id,
        })
        .collect();
    let (holdings, new_base) = holdings_on(keep, bytes)?;
    Ok(Plan { send, holdings, hash, kept, reopened: Vec::new(), new_base })
}

/// What the purge of a phone with this table leaves; one that finds a cycle keeps everything.
fn kept_of<'c>(table: &[(&'c CaseId, &'c SyncCase)], owners: &[String]) -> HashSet<&'c CaseId> {
    purge(table, &set_of(owners)).unwrap_or_else(|_| table.iter().map(|(id, _)| *id).collect())
}

fn hash_of(held: &BTreeMap<CaseId, Held>) -> (StateHash, u64) {
    let kept: Vec<&CaseId> = held.iter().filter(|(_, h)| h.kept).map(|(id, _)| id).collect();
    (StateHash::of(kept.iter().copied()), kept.len() as u64)
}

/// What a phone with `present` cases holds after it got these and purged.
fn held_after(
    present: BTreeMap<CaseId, SyncCase>,
    live: &[LiveCase],
    owners: &[String],
) -> BTreeMap<CaseId, Held> {
    let is_live: HashSet<&CaseId> = live.iter().map(|c| &c.id).collect();
    let mut table: Vec<(&CaseId, &SyncCase)> = live.iter().map(|c| (&c.id, &c.case)).collect();
    table.extend(present.iter().filter(|(id, _)| !is_live.contains(id)));
    let kept = kept_of(&table, owners);
    table
        .iter()
        .filter(|(id, _)| kept.contains(id) || is_live.contains(id))
        .map(|(id, case)| ((*id).clone(), Held { case: (*case).clone(), kept: kept.contains(id) }))
        .collect()
}

/// Holdings with a base of their own.
fn new_holdings(
    keep: Keep<'_>,
    held: &BTreeMap<CaseId, Held>,
) -> Result<(Holdings, Option<BlobPin>), RestoreError> {
    holdings_on(keep, Base::build(held.iter().map(|(id, held)| (id, &held.case, held.kept))))
}

/// Holdings that are these bytes.
fn holdings_on(keep: Keep<'_>, bytes: Vec<u8>) -> Result<(Holdings, Option<BlobPin>), RestoreError> {
    let Keep::Stored(app) = keep else {
        let base_ref = BaseRef::Inline(Vec::new());
        return Ok((Holdings { base_ref, base: Base::read(bytes)?, delta: BTreeMap::new() }, None));
    };
    if bytes.len() <= INLINE_BYTES_MAX {
        let base_ref = BaseRef::Inline(bytes.clone());
        return Ok((Holdings { base_ref, base: Base::read(bytes)?, delta: BTreeMap::new() }, None));
    }
    let stored = || {
        let mut staged = app.store().blobs().stage()?;
        for chunk in bytes.chunks(1 << 20) {
            staged.write(chunk)?;
        }
        staged.finish()
    };
    let (info, pin) = stored().map_err(StoreError::Blob)?;
    let digest = info.digest;
    let base = Base::read(bytes)?;
    app.bases().put(digest, base.clone());
    Ok((Holdings { base_ref: BaseRef::Blob(digest), base, delta: BTreeMap::new() }, Some(pin)))
}

/// What changed for a phone.
pub fn incremental(keep: Keep<'_>, state: &mut PhoneState, owners: &[String]) -> Result<Plan, RestoreError> {
    if state.log.owners != owners {
        state.region = None;
    }
    if state.region.as_ref().is_some_and(BTreeSet::is_empty) {
        return unchanged(state);
    }
    let graph = &state.graph;
    let seeds = match &state.region {
        Some(region) => region.iter().cloned().collect(),
        None => graph.owned(owners)?,
    };
    let (mut cases, left_out) = without_bad_links(live(graph, &set_of(owners), seeds)?);
    let on_phone = state.purged()?;
    let mut send = Vec::new();
    for case in &cases {
        let known = on_phone.get(&case.id);
        // A link that was left out, or is to be from now on, makes it another case for the phone.
        let is_same = known.is_some_and(|held| held.case.links == case.case.links);
        if !is_same || state.touched_foreign.contains(&case.id) {
            let removed = removed_links(state, known, &case.case)?;
            let leave_out = left_out.get(&case.id).cloned().unwrap_or_default();
            send.push(SendCase { id: case.id.clone(), create: known.is_none(), leave_out, removed });
        }
    }
    // Nothing opens a case again that the phone took for closed, except its coming as a new one.
    let mut stuck = Vec::new();
    for case in &mut cases {
        if !case.case.closed && on_phone.get(&case.id).is_some_and(|held| held.case.closed) {
            case.case.closed = true;
            stuck.push(case.id.clone());
        }
    }
    let is_live: HashSet<&CaseId> = cases.iter().map(|c| &c.id).collect();
    let mut present: BTreeMap<CaseId, SyncCase> = BTreeMap::new();
    for (id, held) in &on_phone {
        let mut now = held.case.clone();
        if state.touched_foreign.contains(id) && !is_live.contains(id) {
            // It does not belong there any more. The phone learns why, and purges it by itself.
            if let Some(row) = state.graph.view.case(state.log.project, id)? {
                let current = SyncCase::of(&row);
                let removed = removed_links(state, Some(held), current.as_ref().unwrap_or(&now))?;
                send.push(SendCase { id: id.clone(), create: false, leave_out: Vec::new(), removed });
                now = current.unwrap_or(SyncCase { closed: true, ..now });
            }
        }
        present.insert(id.clone(), now);
    }
    let after = held_after(present, &cases, owners);
    stuck.retain(|id| !after.get(id).is_some_and(|held| held.kept));
    let (holdings, new_base, hash, kept) = changed_holdings(keep, state, after)?;
    Ok(Plan { send, holdings, hash, kept, reopened: stuck, new_base })
}

/// Nothing that matters happened.
fn unchanged(state: &PhoneState) -> Result<Plan, RestoreError> {
    Ok(Plan {
        send: Vec::new(),
        holdings: state.log.holdings.clone(),
        hash: state.log.hash,
        kept: state.log.kept,
        reopened: state.log.reopened.clone(),
        new_base: None,
    })
}

/// Links that the phone has and the case has no more, with the types of the cases they point at.
fn removed_links(
    state: &PhoneState,
    known: Option<&Held>,
    now: &SyncCase,
) -> Result<Vec<(String, String)>, RestoreError> {
    let mut removed = Vec::new();
    for link in known.into_iter().flat_map(|held| &held.case.links) {
        if now.links.iter().any(|l| l.identifier == link.identifier) {
            continue;
        }
        let target = state.graph.view.case(state.log.project, &link.target)?;
        let kind = target.map(|case| case.case_type.value).filter(|kind| !kind.is_empty());
        removed.push((link.identifier.clone(), kind.unwrap_or_else(|| "unknown".to_owned())));
    }
    Ok(removed)
}

/// Holdings after a sync: those of the log, with the region (or everything) replaced.
fn changed_holdings(
    keep: Keep<'_>,
    state: &PhoneState,
    after: BTreeMap<CaseId, Held>,
) -> Result<(Holdings, Option<BlobPin>, StateHash, u64), RestoreError> {
    let old = &state.log.holdings;
    let Some(region) = &state.region else {
        let (hash, kept) = hash_of(&after);
        let (holdings, new_base) = new_holdings(keep, &after)?;
        return Ok((holdings, new_base, hash, kept));
    };
    let mut holdings = old.clone();
    let (mut hash, mut kept) = (state.log.hash, state.log.kept);
    let ids: BTreeSet<&CaseId> = region.iter().chain(after.keys()).collect();
    for id in ids {
        let (was, now) = (old.get(id)?, after.get(id));
        let is_kept = |held: Option<&Held>| held.is_some_and(|h| h.kept);
        match (is_kept(was.as_ref()), is_kept(now)) {
            (true, false) => {
                hash.toggle(id);
                kept -= 1;
            }
            (false, true) => {
                hash.toggle(id);
                kept += 1;
            }
            _ => {}
        }
        if was.as_ref() != now {
            let in_base = old.base.get(id)?;
            if in_base.as_ref() == now {
                holdings.delta.remove(id);
            } else {
                holdings.delta.insert(id.clone(), now.cloned());
            }
        }
    }
    let limit = DELTA_MIN.max(holdings.base.len() / DELTA_SHARE);
    if holdings.delta.len() > limit {
        let (holdings, new_base) = new_holdings(keep, &holdings.all()?)?;
        return Ok((holdings, new_base, hash, kept));
    }
    Ok((holdings, None, hash, kept))
}
