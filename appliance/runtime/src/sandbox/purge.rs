//! Which cases a user no longer needs.

use std::collections::{HashMap, HashSet};

use bolster_xpath::{CaseRecord, NodeList, NodeValue};

use super::Sandbox;
use crate::error::{Code, Error};
use crate::world::UserData;

const OWNED: u8 = 1;
const RELEVANT: u8 = 2;
const AVAILABLE: u8 = 4;
const ALIVE: u8 = 8;
const OPEN: u8 = 16;

const EXTENSION: &str = "extension";

/// Cases as a graph: an edge leads from a case to each case it indexes.
struct Graph<'c> {
    cases: Vec<&'c CaseRecord>,
    flags: Vec<u8>,
    gone: Vec<bool>,
    /// Target, and whether the case extends it.
    up: Vec<Vec<(usize, bool)>>,
    down: Vec<Vec<(usize, bool)>>,
}

/// The cases that go, by position: those nobody in `owners` needs, and those that index a case that is missing.
///
/// Errors: [`Code::Cycle`] if cases index each other in a circle.
pub fn purge_ids(cases: &[&CaseRecord], owners: &HashSet<String>) -> Result<Vec<usize>, Error> {
    let mut graph = Graph::build(cases, owners);
    graph.check_cycles()?;
    let order = graph.order();
    graph.spread(&order, true, RELEVANT, None);
    graph.spread(&order, false, RELEVANT, Some(false));
    for at in 0..graph.cases.len() {
        let wanted = OPEN | RELEVANT;
        if graph.flags[at] & wanted == wanted && !graph.up[at].iter().any(|(_, extension)| *extension) {
            graph.flags[at] |= AVAILABLE;
        }
    }
    graph.spread(&order, false, AVAILABLE, Some(true));
    for flags in &mut graph.flags {
        if *flags & (OWNED | RELEVANT | AVAILABLE) == OWNED | RELEVANT | AVAILABLE {
            *flags |= ALIVE;
        }
    }
    for _ in 0..2 {
        graph.spread(&order, true, ALIVE, None);
        graph.spread(&order, false, ALIVE, Some(true));
    }
    Ok((0..graph.cases.len()).filter(|at| graph.gone[*at] || graph.flags[*at] & ALIVE == 0).collect())
}

impl<'c> Graph<'c> {
    fn build(cases: &[&'c CaseRecord], owners: &HashSet<String>) -> Self {
        let by_id: HashMap<&str, usize> =
            cases.iter().enumerate().map(|(at, case)| (&*case.case_id, at)).collect();
        let count = cases.len();
        let mut graph = Graph {
            cases: cases.to_vec(),
            flags: vec![0; count],
            gone: vec![false; count],
            up: vec![Vec::new(); count],
            down: vec![Vec::new(); count],
        };
        let mut orphans = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            let owned = owners.contains(&case.owner_id);
            graph.flags[at] = match (owned, case.closed) {
                (true, false) => OWNED | OPEN | RELEVANT,
                (true, true) => OWNED,
                (false, false) => OPEN,
                (false, true) => 0,
            };
            for (_, target, _, relationship) in &case.indices {
                let extension = relationship == EXTENSION;
                let Some(&target) = by_id.get(&**target) else {
                    orphans.push(at);
                    continue;
                };
                match graph.up[at].iter_mut().find(|(known, _)| *known == target) {
                    Some(known) => known.1 &= extension,
                    None => graph.up[at].push((target, extension)),
                }
            }
        }
        for at in 0..count {
            for (target, extension) in graph.up[at].clone() {
                graph.down[target].push((at, extension));
            }
        }
        while let Some(at) = orphans.pop() {
            if !std::mem::replace(&mut graph.gone[at], true) {
                orphans.extend(graph.down[at].iter().map(|(from, _)| *from));
            }
        }
        let gone = graph.gone.clone();
        for at in 0..count {
            if gone[at] {
                graph.up[at].clear();
                graph.down[at].clear();
            }
            graph.up[at].retain(|(target, _)| !gone[*target]);
            graph.down[at].retain(|(from, _)| !gone[*from]);
        }
        graph
    }

    /// Cases after everything that indexes them.
    fn order(&self) -> Vec<usize> {
        let mut waiting: Vec<usize> = self.down.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..self.cases.len()).filter(|at| waiting[*at] == 0).collect();
        let mut order = Vec::with_capacity(self.cases.len());
        while let Some(at) = ready.pop() {
            order.push(at);
            for (target, _) in &self.up[at] {
                waiting[*target] -= 1;
                if waiting[*target] == 0 {
                    ready.push(*target);
                }
            }
        }
        order
    }

    fn check_cycles(&self) -> Result<(), Error> {
        if self.order().len() == self.cases.len() {
            return Ok(());
        }
        Err(Error::new(Code::Cycle, "Invalid data sandbox, cycle detected"))
    }

    /// Passes a flag on: up along every index, or down to extensions (only to open ones, if `extensions` says so).
    fn spread(&mut self, order: &[usize], up: bool, flag: u8, extensions: Option<bool>) {
        let mut step = |at: usize| {
            if self.flags[at] & flag == 0 {
                return;
            }
            for (next, extension) in if up { &self.up[at] } else { &self.down[at] } {
                let fits = match extensions {
                    None => true,
                    Some(open) => *extension && (!open || self.flags[*next] & OPEN != 0),
                };
                if fits {
                    self.flags[*next] |= flag;
                }
            }
        };
        if up {
            order.iter().for_each(|at| step(*at));
        } else {
            order.iter().rev().for_each(|at| step(*at));
        }
    }
}

impl Sandbox {
    /// Takes away what the user no longer needs, with its ledgers. Gives how many cases went.
    pub fn purge(&mut self) -> Result<usize, Error> {
        let owners = self.owners();
        let cases: Vec<&CaseRecord> = self.cases.iter().map(|case| &**case).collect();
        let gone: HashSet<usize> = purge_ids(&cases, &owners)?.into_iter().collect();
        if gone.is_empty() {
            return Ok(0);
        }
        let mut at = 0;
        self.cases.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
        self.by_id = self.cases.iter().enumerate().map(|(at, case)| (case.case_id.clone(), at)).collect();
        let known = &self.by_id;
        self.ledgers.keep(&|case| known.contains_key(case));
        self.ledger_snapshot = std::sync::OnceLock::new();
        self.changed();
        Ok(gone.len())
    }

    /// The user, and the groups the user shares cases with.
    fn owners(&self) -> HashSet<String> {
        let mut owners: HashSet<String> = self.user.iter().map(|user| user.user_id.clone()).collect();
        let Some(groups) = self.fixture("user-groups") else { return owners };
        let mut found = NodeList::new();
        groups.all_children(groups.root(), &mut found);
        for group in found {
            let id = groups.names().get("id").and_then(|name| groups.attribute(group, name));
            if let Some(NodeValue::Text(text)) = id.map(|id| groups.value(id)) {
                owners.insert(text.to_owned());
            }
        }
        owners
    }
}
