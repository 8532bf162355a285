//! The order in which expressions run, what triggers them, and cycles among them.

use std::collections::VecDeque;

use bolster_xpath::{Code, Expr, PathRef};

use super::{Loader, RawItem};
use crate::definition::{Item, ItemId, ItemKind, SchemaId, Trigger, lineage};
use crate::error::{Problem, Severity};
use crate::{Map, Set};

/// Places looked at in search of the shortest cycle; past this, any cycle will do.
const SEARCH_MAX: usize = 4_000_000;

/// Texts that one expression asks for, directly or through other texts, whose placeholders are looked at.
const TEXTS_MAX: usize = 64;

/// The items in order.
pub(crate) struct Graph {
    pub items: Vec<Item>,
    pub scoped: u32,
}

/// One thing an item reads.
struct Read {
    place: SchemaId,
    tied: u8,
    /// It was found through `*`: it triggers, but it is no reason to refuse the form.
    soft: bool,
}

impl Loader<'_> {
    pub fn graph(&mut self) -> Graph {
        let items = std::mem::take(&mut self.items);
        let reads: Vec<Vec<Read>> = items.iter().map(|item| self.reads(item)).collect();
        let mut readers: Vec<Vec<(u32, bool)>> = vec![Vec::new(); self.schema.len()];
        for (at, reads) in reads.iter().enumerate() {
            for read in reads {
                readers[read.place as usize].push((at as u32, read.soft));
            }
        }
        if let Some(cycle) = self.direct_cycle(&items, &readers) {
            self.report_cycle(&items, &cycle);
            return Graph { items: Vec::new(), scoped: 0 };
        }
        let below: Vec<Vec<u32>> = items.iter().map(|item| self.runs_after(item, &readers, false)).collect();
        let softly: Vec<Vec<u32>> = items
            .iter()
            .enumerate()
            .map(|(at, item)| {
                let mut all = self.runs_after(item, &readers, true);
                all.retain(|other| *other != at as u32 || below[at].contains(other));
                all
            })
            .collect();
        let order = match rounds(&softly).or_else(|_| rounds(&below)) {
            Ok(order) => order,
            Err(left) => {
                let cycle = self.cascading_cycle(&items, &readers, &left);
                self.report_cycle(&items, &cycle);
                return Graph { items: Vec::new(), scoped: 0 };
            }
        };
        self.number(items, &reads, &order, &below)
    }

    fn reads(&mut self, item: &RawItem) -> Vec<Read> {
        let context = self.reference(item.target);
        let dependencies = match item.expr.dependencies(&context) {
            Ok(dependencies) => dependencies,
            Err(error) => {
                if error.code != Code::Unsupported {
                    let message =
                        format!("{error} ({} of {})", item.kind.as_str(), self.path_of(item.target));
                    self.report(Severity::Warning, Problem::Expression, item.line, message);
                }
                return Vec::new();
            }
        };
        self.warn_about(item, &dependencies);
        let through_texts = self.read_through_texts(&item.expr, &context);
        let all = dependencies.iter().map(|d| (d, false)).chain(through_texts.iter().map(|d| (d, true)));
        let mut out: Vec<Read> = Vec::new();
        for ((reference, tied), soft) in all {
            let soft = soft || reference.levels.iter().any(|level| level.name.is_none());
            for place in self.places_of(reference) {
                let levels = lineage(&self.schema, place);
                let tied = levels.iter().take(*tied).filter(|l| self.schema[**l as usize].multiple).count();
                let tied = u8::try_from(tied).unwrap_or(u8::MAX);
                match out.iter_mut().find(|read| read.place == place) {
                    Some(read) => {
                        read.tied = read.tied.min(tied);
                        read.soft &= soft;
                    }
                    None => out.push(Read { place, tied, soft }),
                }
            }
        }
        out
    }

    /// What the placeholders of the texts read that an expression asks for with `jr:itext('…')`. The original never
    /// notices that these change, so they are no reason to refuse a form.
    fn read_through_texts(&self, expr: &Expr, context: &PathRef) -> Vec<(PathRef, usize)> {
        let mut keys: Vec<String> =
            expr.literal_arguments("jr:itext").into_iter().map(str::to_owned).collect();
        let mut out = Vec::new();
        let mut at = 0;
        while at < keys.len().min(TEXTS_MAX) {
            for output in self.itext.outputs(&keys[at]) {
                out.extend(output.dependencies(context).unwrap_or_default());
                for key in output.literal_arguments("jr:itext") {
                    if !keys.iter().any(|known| known == key) {
                        keys.push(key.to_owned());
                    }
                }
            }
            at += 1;
        }
        out
    }

    /// What will fail as soon as it is evaluated.
    fn warn_about(&mut self, item: &RawItem, dependencies: &[(PathRef, usize)]) {
        let what = item.kind.as_str();
        for (reference, _) in dependencies {
            let known = match &reference.instance {
                Some(id) => self.declares(id),
                None => reference.levels.is_empty() || !self.places_of(reference).is_empty(),
            };
            if known {
                continue;
            }
            let own = self.path_of(item.target);
            let (problem, message) = match &reference.instance {
                Some(id) => (
                    Problem::UnknownInstance,
                    format!(
                        "The {what} of {own} reads the instance \"{id}\", which the form does not declare."
                    ),
                ),
                None => (
                    Problem::MissingNode,
                    format!("The {what} of {own} reads {}, which does not exist.", self.print(reference)),
                ),
            };
            self.report(Severity::Warning, problem, item.line, message);
            if let Some(last) = self.last() {
                last.node = Some(own);
            }
        }
        for name in item.expr.host_functions() {
            let own = self.path_of(item.target);
            if !matches!(&*name, "jr:itext" | "jr:choice-name" | "here") {
                let message = format!("The {what} of {own} calls {name}(), which is not built in.");
                self.report(Severity::Warning, Problem::UnknownFunction, item.line, message);
                if let Some(last) = self.last() {
                    last.node = Some(own);
                }
            }
        }
    }

    /// A place and, for relevance, everything below it.
    fn written(&self, item: &RawItem) -> Vec<SchemaId> {
        let mut out = vec![item.target];
        if item.kind == ItemKind::Relevant {
            let mut at = 0;
            while at < out.len() {
                out.extend(&self.schema[out[at] as usize].children);
                at += 1;
            }
        }
        out
    }

    /// The items that must run after `item`.
    fn runs_after(&self, item: &RawItem, readers: &[Vec<(u32, bool)>], soft: bool) -> Vec<u32> {
        if !item.kind.cascades() {
            return Vec::new();
        }
        let mut out: Vec<u32> = Vec::new();
        let mut seen = Set::default();
        for place in self.written(item) {
            for (reader, is_soft) in &readers[place as usize] {
                if (soft || !is_soft) && seen.insert(*reader) {
                    out.push(*reader);
                }
            }
        }
        out
    }

    /// A cycle among places that read each other directly.
    fn direct_cycle(&self, items: &[RawItem], readers: &[Vec<(u32, bool)>]) -> Option<Vec<SchemaId>> {
        let mut edges: Map<SchemaId, Vec<SchemaId>> = Map::default();
        for (place, readers) in readers.iter().enumerate() {
            for (reader, soft) in readers {
                if !soft {
                    let target = items[*reader as usize].target;
                    let out = edges.entry(place as SchemaId).or_default();
                    if !out.contains(&target) {
                        out.push(target);
                    }
                }
            }
        }
        shortest_cycle(&edges)
    }

    /// A cycle through relevance that is handed down.
    fn cascading_cycle(
        &self,
        items: &[RawItem],
        readers: &[Vec<(u32, bool)>],
        left: &[u32],
    ) -> Vec<SchemaId> {
        let mut edges: Map<SchemaId, Vec<SchemaId>> = Map::default();
        for at in left {
            let item = &items[*at as usize];
            if !item.kind.cascades() {
                continue;
            }
            for place in self.written(item) {
                for (reader, soft) in &readers[place as usize] {
                    if *soft || !left.contains(reader) {
                        continue;
                    }
                    if place != item.target {
                        edges.entry(item.target).or_default().push(place);
                    }
                    edges.entry(place).or_default().push(items[*reader as usize].target);
                }
            }
        }
        shortest_cycle(&edges).unwrap_or_default()
    }

    fn report_cycle(&mut self, items: &[RawItem], cycle: &[SchemaId]) {
        let mut message =
            "Logic is cyclical, referencing itself. The following questions are involved: ".to_owned();
        let mut involved: Vec<&RawItem> = Vec::new();
        for (at, place) in cycle.iter().enumerate() {
            let next = cycle[(at + 1) % cycle.len()];
            let end = if at + 1 == cycle.len() { "." } else { ", " };
            message.push_str(&format!("\n{} references {}{end}", self.path_of(next), self.path_of(*place)));
            involved.extend(items.iter().filter(|item| item.target == next).take(4));
        }
        let line = involved.first().map_or((0, 0), |item| item.line);
        let mut suggestion = "Take one of these out of the circle:".to_owned();
        for item in involved.iter().take(8) {
            suggestion.push_str(&format!(
                "\n{} of {}: {}",
                item.kind.as_str(),
                self.path_of(item.target),
                item.expr.text()
            ));
        }
        let node = cycle.first().map(|place| self.path_of(*place));
        self.report(Severity::Error, Problem::Cycle, line, message);
        if let Some(last) = self.last() {
            last.node = node;
            last.suggestion = Some(suggestion);
        }
    }

    /// Numbers the items in their order and hangs the triggers on the places.
    fn number(&mut self, raw: Vec<RawItem>, reads: &[Vec<Read>], order: &[u32], below: &[Vec<u32>]) -> Graph {
        let mut new_of: Vec<ItemId> = vec![0; raw.len()];
        for (new, old) in order.iter().enumerate() {
            new_of[*old as usize] = new as ItemId;
        }
        let mut targets: Map<(SchemaId, u8), u32> = Map::default();
        for item in &raw {
            *targets.entry((item.target, item.kind as u8)).or_default() += 1;
        }
        let overwritten: Set<SchemaId> = self
            .actions
            .iter()
            .map(|action| action.target)
            .chain(self.elements.iter().filter(|e| e.question().is_some()).filter_map(|e| e.schema))
            .collect();
        let mut always: Vec<bool> = raw
            .iter()
            .map(|item| {
                item.expr.is_volatile()
                    || targets.get(&(item.target, item.kind as u8)).is_some_and(|n| *n > 1)
                    || (item.kind == ItemKind::Calculate && overwritten.contains(&item.target))
            })
            .collect();
        for old in order.iter().rev() {
            let old = *old as usize;
            always[old] |= below[old].iter().any(|other| always[*other as usize]);
        }
        let mut slots: Vec<Option<RawItem>> = raw.into_iter().map(Some).collect();
        let mut items = Vec::with_capacity(slots.len());
        let mut scoped = 0;
        for old in order {
            let Some(item) = slots[*old as usize].take() else { continue };
            let several = !self.schema[item.target as usize].multiples.is_empty();
            let number = several.then(|| {
                scoped += 1;
                scoped - 1
            });
            for read in &reads[*old as usize] {
                let trigger = Trigger { item: new_of[*old as usize], tied: read.tied };
                self.schema[read.place as usize].triggers.push(trigger);
            }
            items.push(Item {
                kind: item.kind,
                expr: item.expr,
                target: item.target,
                always: always[*old as usize],
                scoped: number,
                then: Box::default(),
            });
        }
        for (at, item) in items.iter_mut().enumerate() {
            item.then = self.triggered_by(item, at as ItemId);
        }
        Graph { items, scoped }
    }

    /// The items after `item` (number `at`) that what it sets may trigger, each once.
    fn triggered_by(&self, item: &Item, at: ItemId) -> Box<[Trigger]> {
        if !item.kind.cascades() {
            return Box::default();
        }
        let depth = u8::try_from(self.schema[item.target as usize].multiples.len()).unwrap_or(u8::MAX);
        let mut ties: Map<ItemId, u8> = Map::default();
        let mut pending = vec![item.target];
        while let Some(place) = pending.pop() {
            let level = &self.schema[place as usize];
            for trigger in level.triggers.iter().filter(|trigger| trigger.item > at) {
                let tied = trigger.tied.min(depth);
                ties.entry(trigger.item).and_modify(|known| *known = tied.min(*known)).or_insert(tied);
            }
            if item.kind == ItemKind::Relevant {
                pending.extend(&level.children);
            }
        }
        let mut out: Vec<Trigger> = ties.into_iter().map(|(item, tied)| Trigger { item, tied }).collect();
        out.sort_unstable_by_key(|trigger| trigger.item);
        out.into()
    }
}

/// Sorts by repeated removal of what nothing points to; within a round, the order stays. `Err` is what is left.
fn rounds(after: &[Vec<u32>]) -> Result<Vec<u32>, Vec<u32>> {
    let mut before = vec![0u32; after.len()];
    for others in after {
        for other in others {
            before[*other as usize] += 1;
        }
    }
    let mut round: Vec<u32> = (0..after.len() as u32).filter(|at| before[*at as usize] == 0).collect();
    let mut order = Vec::with_capacity(after.len());
    while !round.is_empty() {
        let mut next = Vec::new();
        for at in &round {
            order.push(*at);
            for other in &after[*at as usize] {
                before[*other as usize] -= 1;
                if before[*other as usize] == 0 {
                    next.push(*other);
                }
            }
        }
        next.sort_unstable();
        round = next;
    }
    if order.len() == after.len() {
        return Ok(order);
    }
    Err((0..after.len() as u32).filter(|at| before[*at as usize] > 0).collect())
}

/// The shortest cycle of a graph of places, in the direction of its edges.
fn shortest_cycle(edges: &Map<SchemaId, Vec<SchemaId>>) -> Option<Vec<SchemaId>> {
    // What is on no cycle is peeled off first.
    let mut incoming: Map<SchemaId, usize> = Map::default();
    for others in edges.values() {
        for other in others {
            *incoming.entry(*other).or_default() += 1;
        }
    }
    let mut free: Vec<SchemaId> = edges.keys().filter(|p| !incoming.contains_key(p)).copied().collect();
    let mut gone: Set<SchemaId> = Set::default();
    while let Some(place) = free.pop() {
        gone.insert(place);
        for other in edges.get(&place).into_iter().flatten() {
            if let Some(count) = incoming.get_mut(other) {
                *count -= 1;
                if *count == 0 {
                    free.push(*other);
                }
            }
        }
    }
    let mut starts: Vec<SchemaId> = edges.keys().filter(|p| !gone.contains(p)).copied().collect();
    starts.sort_unstable();
    let mut best: Option<Vec<SchemaId>> = None;
    let mut spent = 0;
    for start in starts {
        let mut from: Map<SchemaId, SchemaId> = Map::default();
        let mut queue = VecDeque::from([start]);
        'search: while let Some(place) = queue.pop_front() {
            for next in edges.get(&place).into_iter().flatten() {
                spent += 1;
                if *next == start {
                    let mut path = vec![place];
                    while let Some(previous) = from.get(&path[path.len() - 1]) {
                        path.push(*previous);
                    }
                    path.reverse();
                    if best.as_ref().is_none_or(|b| path.len() < b.len()) {
                        best = Some(path);
                    }
                    break 'search;
                }
                if !gone.contains(next) && !from.contains_key(next) {
                    from.insert(*next, place);
                    queue.push_back(*next);
                }
            }
        }
        if spent > SEARCH_MAX && best.is_some() {
            break;
        }
    }
    best
}
