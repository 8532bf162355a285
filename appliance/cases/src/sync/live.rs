//! The server's rule: the least set that holds
//! - every open case of the phone's owners, unless it only extends cases that are not available themselves,
//! - the parents and hosts of its members, open or closed,
//! - the open extensions of its members, whoever owns them.

use super::SyncCase;
use bolster_model::CaseId;
use hashbrown::HashTable;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// Where cases come from.
pub trait CaseGraph {
    /// Why it could not be read.
    type Error;
    /// A case that exists and is not deleted.
    fn case(&self, id: &CaseId) -> Result<Option<SyncCase>, Self::Error>;
    /// Cases that name this one as their host.
    fn extensions(&self, id: &CaseId) -> Result<Vec<CaseId>, Self::Error>;
}

/// A case that belongs on the phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveCase {
    /// Id.
    pub id: CaseId,
    /// What it is like.
    pub case: SyncCase,
    /// Its owner is one of the phone's.
    pub owned: bool,
}

/// Cases looked at so far, numbered.
struct Explorer<'g, G: CaseGraph> {
    graph: &'g G,
    /// Numbers by the id that they stand for, which is in `ids` alone: a large case load is held once.
    numbers: HashTable<u32>,
    hasher: RandomState,
    ids: Vec<CaseId>,
    cases: Vec<Option<SyncCase>>,
    /// Whether a case is available, once known.
    available: Vec<Option<bool>>,
}

impl<G: CaseGraph> Explorer<'_, G> {
    fn number(&mut self, id: CaseId) -> Result<u32, G::Error> {
        let hash = self.hasher.hash_one(&id);
        if let Some(number) = self.numbers.find(hash, |n| self.ids[*n as usize] == id) {
            return Ok(*number);
        }
        let number = self.ids.len() as u32;
        self.cases.push(self.graph.case(&id)?);
        self.ids.push(id);
        self.available.push(None);
        let (hasher, ids) = (&self.hasher, &self.ids);
        self.numbers.insert_unique(hash, number, |n| hasher.hash_one(&ids[*n as usize]));
        Ok(number)
    }

    fn hosts(&mut self, number: u32) -> Result<Vec<u32>, G::Error> {
        self.targets(number, true)
    }

    /// Numbers of what a case points at, all or only its hosts; missing ones included.
    fn targets(&mut self, number: u32, hosts_only: bool) -> Result<Vec<u32>, G::Error> {
        let Some(case) = &self.cases[number as usize] else { return Ok(Vec::new()) };
        let wanted = case.links.iter().filter(|l| l.extension || !hosts_only);
        let ids: Vec<CaseId> = wanted.map(|l| l.target.clone()).collect();
        ids.into_iter().map(|id| self.number(id)).collect()
    }

    /// Known at once: closed and missing cases are not available, open ones that are no pure extension are.
    fn plainly_available(&self, number: u32) -> Option<bool> {
        match &self.cases[number as usize] {
            None => Some(false),
            Some(case) if case.closed => Some(false),
            Some(case) if !case.is_pure_extension() => Some(true),
            Some(_) => self.available[number as usize],
        }
    }

    fn is_available(&mut self, start: u32) -> Result<bool, G::Error> {
        if let Some(known) = self.plainly_available(start) {
            return Ok(known);
        }
        // All open pure extensions above, and who hangs on whom among them.
        let mut unknown = vec![start];
        let mut seen: HashSet<u32> = unknown.iter().copied().collect();
        let mut dependants: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut found = Vec::new();
        let mut next = 0;
        while let Some(&number) = unknown.get(next) {
            next += 1;
            for host in self.hosts(number)? {
                match self.plainly_available(host) {
                    Some(true) => found.push(number),
                    Some(false) => {}
                    None => {
                        dependants.entry(host).or_default().push(number);
                        if seen.insert(host) {
                            unknown.push(host);
                        }
                    }
                }
            }
        }
        unknown.iter().for_each(|n| self.available[*n as usize] = Some(false));
        while let Some(number) = found.pop() {
            if self.available[number as usize] != Some(true) {
                self.available[number as usize] = Some(true);
                found.extend(dependants.get(&number).into_iter().flatten());
            }
        }
        Ok(self.available[start as usize] == Some(true))
    }
}

/// The live cases, given at least all cases that are owned and open among `seeds` (others do no harm).
pub fn live<G: CaseGraph>(
    graph: &G,
    owners: &HashSet<String>,
    seeds: impl IntoIterator<Item = CaseId>,
) -> Result<Vec<LiveCase>, G::Error> {
    let mut explorer = Explorer {
        graph,
        numbers: HashTable::new(),
        hasher: RandomState::new(),
        ids: Vec::new(),
        cases: Vec::new(),
        available: Vec::new(),
    };
    let mut queue = Vec::new();
    for seed in seeds {
        let number = explorer.number(seed)?;
        let owned = explorer.cases[number as usize].as_ref().is_some_and(|c| owners.contains(&c.owner));
        if owned && explorer.is_available(number)? {
            queue.push(number);
        }
    }
    let mut is_live: HashSet<u32> = HashSet::with_capacity(queue.len());
    queue.retain(|n| is_live.insert(*n));
    while let Some(number) = queue.pop() {
        let mut reached = explorer.targets(number, false)?;
        reached.retain(|n| explorer.cases[*n as usize].is_some());
        let id = explorer.ids[number as usize].clone();
        for source in graph.extensions(&id)? {
            let source = explorer.number(source)?;
            let open =
                |case: &SyncCase| !case.closed && case.links.iter().any(|l| l.extension && l.target == id);
            if explorer.cases[source as usize].as_ref().is_some_and(open) {
                reached.push(source);
            }
        }
        queue.extend(reached.into_iter().filter(|n| is_live.insert(*n)));
    }
    let Explorer { ids, cases, .. } = explorer;
    let all = ids.into_iter().zip(cases).enumerate();
    Ok(all
        .filter(|(number, _)| is_live.contains(&(*number as u32)))
        .filter_map(|(_, (id, case))| {
            let case = case?;
            Some(LiveCase { owned: owners.contains(&case.owner), id, case })
        })
        .collect())
}

/// Links that close a cycle, as (case, identifier): a phone refuses its whole table over one, so a restore
/// leaves them out. The same cases give the same links, whatever their order.
pub fn closing_links(cases: &[(&CaseId, &SyncCase)]) -> HashSet<(CaseId, String)> {
    const DONE: u8 = 2;
    const ON_PATH: u8 = 1;
    let mut order: Vec<usize> = (0..cases.len()).filter(|i| !cases[*i].1.links.is_empty()).collect();
    order.sort_by_key(|i| cases[*i].0);
    let numbers: HashMap<&CaseId, usize> = order.iter().map(|i| (cases[*i].0, *i)).collect();
    let mut state = vec![0u8; cases.len()];
    let mut closing = HashSet::new();
    for start in order {
        if state[start] != 0 {
            continue;
        }
        state[start] = ON_PATH;
        let mut path = vec![(start, 0)];
        while let Some((number, next)) = path.last_mut() {
            let (id, case) = cases[*number];
            let Some(link) = case.links.get(*next) else {
                state[*number] = DONE;
                path.pop();
                continue;
            };
            *next += 1;
            let Some(&target) = numbers.get(&link.target) else { continue };
            match state[target] {
                0 => {
                    state[target] = ON_PATH;
                    path.push((target, 0));
                }
                ON_PATH => {
                    closing.insert((id.clone(), link.identifier.clone()));
                }
                _ => {}
            }
        }
    }
    closing
}
