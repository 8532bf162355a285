//! Checks that need the whole form: bindings, repeats, itemsets.

use bolster_xpath::{DataSource, PathRef};

use super::Loader;
use crate::definition::{ElementId, InstanceSource, SchemaId, lineage};
use crate::error::{Problem, Severity};

/// Whether `inner` is `outer` or lies below it.
fn within(outer: &PathRef, inner: &PathRef) -> bool {
    outer.instance == inner.instance && inner.levels.starts_with(&outer.levels)
}

impl Loader<'_> {
    pub fn verify(&mut self, present: &[bool]) {
        self.verify_presence(present);
        let mut pending: Vec<(ElementId, Option<SchemaId>)> =
            self.top.iter().rev().map(|id| (*id, None)).collect();
        while let Some((id, repeat)) = pending.pop() {
            self.verify_member(id, repeat);
            let element = &self.elements[id as usize];
            let inner = if element.repeat().is_some() { element.schema } else { repeat };
            pending.extend(element.children.iter().rev().map(|child| (*child, inner)));
        }
        self.verify_itemsets();
    }

    /// Places may have lost their nodes with a template that was dropped.
    fn verify_presence(&mut self, present: &[bool]) {
        for id in 0..self.elements.len() {
            let Some(place) = self.elements[id].schema.filter(|p| !present[*p as usize]) else { continue };
            let path = self.path_of(place);
            let message = format!("Question bound to non-existent node: [{path}]");
            let at = self.lines[id];
            self.report(Severity::Error, Problem::MissingNode, at, message);
        }
        for (place, at) in std::mem::take(&mut self.action_targets) {
            if !present[place as usize] {
                let message = format!("Invalid Action - Targets non-existent node: {}", self.path_of(place));
                self.report(Severity::Error, Problem::Action, at, message);
            }
        }
    }

    fn verify_member(&mut self, id: ElementId, repeat: Option<SchemaId>) {
        let element = &self.elements[id as usize];
        let is_repeat = element.repeat().is_some();
        let Some(place) = element.schema else { return };
        let outer = repeat.map(|place| lineage(&self.schema, place)).unwrap_or_default();
        let own = lineage(&self.schema, place);
        let message = if !own.starts_with(&outer) {
            format!(
                "<repeat> member's binding [{}] is not a descendant of <repeat> binding [{}]!",
                self.path_of(place),
                repeat.map_or_else(|| "/".into(), |place| self.path_of(place))
            )
        } else if is_repeat && repeat == Some(place) {
            format!(
                "child <repeat>s [{}] cannot bind to the same node as their parent <repeat>; only questions/groups \
                 can",
                self.path_of(place)
            )
        } else {
            let last = own.len() - 1;
            let foreign = (outer.len()..own.len())
                .any(|at| self.schema[own[at] as usize].repeat && !(at == last && is_repeat));
            if !foreign {
                return;
            }
            format!(
                "<repeat> member's binding [{}] is within the scope of a <repeat> that is not its closest containing \
                 <repeat>!",
                self.path_of(place)
            )
        };
        let at = self.lines[id as usize];
        self.report(Severity::Error, Problem::Repeat, at, message);
    }

    fn verify_itemsets(&mut self) {
        for check in std::mem::take(&mut self.itemsets) {
            let mut problems = Vec::new();
            for (name, part) in check.parts.iter().filter(|(name, _)| *name != "sort") {
                if !within(&check.nodeset, part) {
                    problems.push(format!("itemset nodeset ref is not a parent of {name} ref"));
                } else if let Some(problem) = self.verify_part(name, part) {
                    problems.push(problem);
                    break;
                }
            }
            if self.schema[check.question as usize].repeat {
                problems.push("itemset sets value on repeatable nodes".into());
            }
            for message in problems {
                self.report(Severity::Error, Problem::Choices, check.line, message);
                let node = self.path_of(check.question);
                if let Some(last) = self.last() {
                    last.node = Some(node);
                }
            }
        }
    }

    fn verify_part(&self, name: &str, part: &PathRef) -> Option<String> {
        let missing = || Some(format!("<{name}> node for itemset doesn't exist! [{}]", self.print(part)));
        match &part.instance {
            None if self.places_of(part).is_empty() => missing(),
            None => None,
            Some(id) => match self.instances.iter().find(|instance| instance.id == *id) {
                None => Some(format!("Instance: {id} Does not exists")),
                Some(instance) => match &instance.source {
                    InstanceSource::External(_) => None,
                    InstanceSource::Inline(tree) => {
                        let steps: Vec<_> = part.levels.iter().map(|l| (l.name, l.attribute)).collect();
                        if tree.has_path(&steps) { None } else { missing() }
                    }
                },
            },
        }
    }
}
