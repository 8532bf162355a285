//! Cases that index themselves, directly or by way of others: no phone can hold them so.

use bolster_model::CaseId;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Nodes that may lie in a cycle: what is left when again and again those without a link in, or without one
/// out, are taken away. Nodes and links are numbers, so that many fit into memory.
pub fn suspects(links: &[(u64, u64)]) -> HashSet<u64> {
    let mut links: Vec<(u64, u64)> = links.to_vec();
    loop {
        let sources: HashSet<u64> = links.iter().map(|(source, _)| *source).collect();
        let targets: HashSet<u64> = links.iter().map(|(_, target)| *target).collect();
        let before = links.len();
        links.retain(|(source, target)| targets.contains(source) && sources.contains(target));
        if links.len() == before {
            return links.into_iter().flat_map(|(source, target)| [source, target]).collect();
        }
    }
}

/// Groups of cases that reach themselves and each other, each sorted, in order of their first. A case that
/// indexes itself is a group of one.
pub fn cycles(links: &[(CaseId, CaseId)]) -> Vec<Vec<CaseId>> {
    let mut numbers: BTreeMap<&CaseId, usize> =
        links.iter().flat_map(|(source, target)| [source, target]).map(|id| (id, 0)).collect();
    numbers.values_mut().enumerate().for_each(|(number, at)| *at = number);
    let ids: Vec<&CaseId> = numbers.keys().copied().collect();
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); ids.len()];
    let mut own: HashSet<usize> = HashSet::new();
    for (source, target) in links {
        let (source, target) = (numbers[source], numbers[target]);
        out[source].push(target);
        if source == target {
            own.insert(source);
        }
    }
    let mut groups: Vec<Vec<CaseId>> = components(&out)
        .into_iter()
        .filter(|group| group.len() > 1 || own.contains(&group[0]))
        .map(|group| {
            let mut group: Vec<CaseId> = group.into_iter().map(|at| ids[at].clone()).collect();
            group.sort();
            group
        })
        .collect();
    groups.sort();
    groups
}

/// Strongly connected components (Tarjan), without recursion: chains of cases may be long.
fn components(out: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut order: HashMap<usize, usize> = HashMap::new();
    let mut low = vec![0; out.len()];
    let mut is_open = vec![false; out.len()];
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for start in 0..out.len() {
        if order.contains_key(&start) {
            continue;
        }
        let mut work = vec![(start, 0)];
        while let Some((node, next)) = work.pop() {
            if next == 0 {
                let number = order.len();
                order.insert(node, number);
                low[node] = number;
                open.push(node);
                is_open[node] = true;
            } else {
                let child = out[node][next - 1];
                low[node] = low[node].min(low[child]);
            }
            let mut descended = false;
            for (at, target) in out[node].iter().enumerate().skip(next) {
                match order.get(target) {
                    None => {
                        work.push((node, at + 1));
                        work.push((*target, 0));
                        descended = true;
                        break;
                    }
                    Some(number) if is_open[*target] => low[node] = low[node].min(*number),
                    Some(_) => {}
                }
            }
            if descended || low[node] != order[&node] {
                continue;
            }
            let at = open.iter().rposition(|o| *o == node).unwrap_or(0);
            let group = open.split_off(at);
            group.iter().for_each(|member| is_open[*member] = false);
            found.push(group);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(links: &[(&str, &str)]) -> Vec<String> {
        let links: Vec<(CaseId, CaseId)> =
            links.iter().map(|(a, b)| (CaseId::new(*a), CaseId::new(*b))).collect();
        let name = |group: &Vec<CaseId>| group.iter().map(CaseId::as_str).collect::<Vec<_>>().join("");
        cycles(&links).iter().map(name).collect()
    }

    #[test]
    fn cycles_are_found_and_nothing_else() {
        assert_eq!(of(&[]), Vec::<String>::new());
        assert_eq!(of(&[("a", "b"), ("b", "c"), ("a", "c")]), Vec::<String>::new());
        assert_eq!(of(&[("a", "a"), ("b", "a")]), ["a"]);
        assert_eq!(of(&[("x", "a"), ("a", "b"), ("b", "a"), ("b", "y")]), ["ab"]);
        assert_eq!(
            of(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "d"), ("c", "d")]),
            ["abc", "de"]
        );
        // Two rings that share a case are one group.
        assert_eq!(of(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")]), ["abc"]);
    }

    #[test]
    fn a_long_chain_is_no_trouble() {
        let mut links: Vec<(CaseId, CaseId)> = (0..100_000)
            .map(|n| (CaseId::new(format!("{n:06}")), CaseId::new(format!("{:06}", n + 1))))
            .collect();
        assert!(cycles(&links).is_empty());
        links.push((CaseId::new("100000"), CaseId::new("000000")));
        assert_eq!(cycles(&links)[0].len(), 100_001);
    }

    #[test]
    fn suspects_hold_every_cycle() {
        // Numbers that look random, and the plain answer by the groups above.
        let mut seed = 7_u64;
        for _ in 0..300 {
            let mut next = |below: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) % below
            };
            let links: Vec<(u64, u64)> = (0..next(12)).map(|_| (next(8), next(8))).collect();
            let named: Vec<(CaseId, CaseId)> =
                links.iter().map(|(a, b)| (CaseId::new(a.to_string()), CaseId::new(b.to_string()))).collect();
            let suspects = suspects(&links);
            for case in cycles(&named).into_iter().flatten() {
                assert!(suspects.contains(&case.as_str().parse().unwrap()), "{links:?}");
            }
            for (a, b) in &links {
                let apart = links.iter().all(|(source, _)| source != b);
                assert!(!(apart && suspects.contains(b)), "{a} {b} {links:?}");
            }
        }
    }
}
