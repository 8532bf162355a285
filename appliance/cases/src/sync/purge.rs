//! The phone's rule, step by step as the phone does it (CommCare's `CasePurgeFilter`), odd corners included:
//! its last marking goes up and down only twice.

use super::SyncCase;
use bolster_model::CaseId;
use std::collections::{HashMap, HashSet};

/// The indices form a cycle; the phone gives up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cycle;

impl std::fmt::Display for Cycle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the indices of the phone's cases form a cycle")
    }
}

impl std::error::Error for Cycle {}

/// Edges between cases by number, one per pair; a child edge beats an extension edge.
struct Edges {
    targets: Vec<Vec<(u32, bool)>>,
    sources: Vec<Vec<(u32, bool)>>,
    /// Sources before their targets.
    order: Vec<u32>,
}

/// What the phone keeps of its cases, given the owners it knows.
pub fn purge<'c>(
    cases: &[(&'c CaseId, &'c SyncCase)],
    owners: &HashSet<String>,
) -> Result<HashSet<&'c CaseId>, Cycle> {
    let gone = with_missing_targets(cases);
    let edges = edges(cases, &gone)?;
    let here = |n: &u32| !gone[*n as usize];
    let open = |n: u32| !cases[n as usize].1.closed;
    let owned = |n: u32| owners.contains(&cases[n as usize].1.owner);
    let all = || (0..cases.len() as u32).filter(here);

    let mut relevant: Vec<bool> = (0..cases.len() as u32).map(|n| here(&n) && open(n) && owned(n)).collect();
    upward(&edges, &mut relevant);
    downward(&edges, &mut relevant, |_| true);
    let mut available = vec![false; cases.len()];
    for n in all().filter(|n| open(*n) && relevant[*n as usize]) {
        available[n as usize] = !edges.targets[n as usize].iter().any(|(_, extension)| *extension);
    }
    downward(&edges, &mut available, open);
    let mut alive = vec![false; cases.len()];
    for n in all().filter(|n| owned(*n) && relevant[*n as usize] && available[*n as usize]) {
        alive[n as usize] = true;
    }
    for _ in 0..2 {
        upward(&edges, &mut alive);
        downward(&edges, &mut alive, open);
    }
    Ok(all().filter(|n| alive[*n as usize]).map(|n| cases[n as usize].0).collect())
}

/// From each marked case to what it points at.
fn upward(edges: &Edges, marks: &mut [bool]) {
    for n in &edges.order {
        if marks[*n as usize] {
            edges.targets[*n as usize].iter().for_each(|(target, _)| marks[*target as usize] = true);
        }
    }
}

/// From each marked case to its extensions that `take` accepts.
fn downward(edges: &Edges, marks: &mut [bool], take: impl Fn(u32) -> bool) {
    for n in edges.order.iter().rev() {
        if marks[*n as usize] {
            for (source, extension) in &edges.sources[*n as usize] {
                if *extension && take(*source) {
                    marks[*source as usize] = true;
                }
            }
        }
    }
}

/// Cases that point at one which is not there, and those that point at them, and so on.
fn with_missing_targets(cases: &[(&CaseId, &SyncCase)]) -> Vec<bool> {
    let numbers: HashMap<&CaseId, usize> = cases.iter().enumerate().map(|(n, (id, _))| (*id, n)).collect();
    let mut gone = vec![false; cases.len()];
    let mut sources: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut queue = Vec::new();
    for (number, (_, case)) in cases.iter().enumerate() {
        for link in &case.links {
            match numbers.get(&link.target) {
                Some(target) => sources.entry(*target).or_default().push(number),
                None => queue.push(number),
            }
        }
    }
    while let Some(number) = queue.pop() {
        if !std::mem::replace(&mut gone[number], true) {
            queue.extend(sources.get(&number).into_iter().flatten());
        }
    }
    gone
}

fn edges(cases: &[(&CaseId, &SyncCase)], gone: &[bool]) -> Result<Edges, Cycle> {
    let numbers: HashMap<&CaseId, u32> =
        cases.iter().enumerate().map(|(n, (id, _))| (*id, n as u32)).collect();
    let mut targets = vec![Vec::new(); cases.len()];
    let mut sources = vec![Vec::new(); cases.len()];
    for (number, (_, case)) in cases.iter().enumerate().filter(|(n, _)| !gone[*n]) {
        let mut mine: Vec<(u32, bool)> = Vec::with_capacity(case.links.len());
        for link in &case.links {
            let Some(target) = numbers.get(&link.target) else { continue };
            match mine.iter_mut().find(|(t, _)| t == target) {
                Some((_, extension)) => *extension &= link.extension,
                None => mine.push((*target, link.extension)),
            }
        }
        mine.iter().for_each(|(target, extension)| {
            sources[*target as usize].push((number as u32, *extension));
        });
        targets[number] = mine;
    }
    // Sources first; what is left over lies on a cycle.
    let mut incoming: Vec<usize> = sources.iter().map(Vec::len).collect();
    let mut order: Vec<u32> = (0..cases.len() as u32).filter(|n| incoming[*n as usize] == 0).collect();
    let mut next = 0;
    while let Some(&number) = order.get(next) {
        next += 1;
        for (target, _) in &targets[number as usize] {
            incoming[*target as usize] -= 1;
            if incoming[*target as usize] == 0 {
                order.push(*target);
            }
        }
    }
    if order.len() < cases.len() { Err(Cycle) } else { Ok(Edges { targets, sources, order }) }
}
