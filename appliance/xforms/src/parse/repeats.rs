//! Which places repeat, and the templates of their entries.

use bolster_xpath::{NodeId, Tree, TreeFlags};

use super::Loader;
use crate::definition::{SchemaId, lineage};
use crate::error::{Problem, Severity};

impl Loader<'_> {
    /// Marks what repeats, drops templates of what does not, and makes missing templates.
    pub fn prepare_repeats(&mut self) {
        let mut repeats = Vec::new();
        for id in 0..self.elements.len() {
            let element = &self.elements[id];
            if let (Some(_), Some(place)) = (element.repeat(), element.schema) {
                if place == 0 {
                    let message = format!("Cannot bind repeat to '/' or '{}'", self.path_of(0));
                    let at = self.lines[id];
                    self.report(Severity::Error, Problem::Repeat, at, message);
                    continue;
                }
                self.schema[place as usize].repeat = true;
                if !repeats.contains(&place) {
                    repeats.push(place);
                }
            }
        }
        let Some(mut tree) = self.tree.take() else { return };
        self.drop_templates(&mut tree);
        repeats.sort_by_key(|place| lineage(&self.schema, *place).len());
        for place in repeats {
            self.make_template(&mut tree, place);
        }
        self.tree = Some(tree);
    }

    fn drop_templates(&mut self, tree: &mut Tree) {
        let mut pending = vec![(NodeId(0), 0 as SchemaId, true)];
        let mut dropped = Vec::new();
        while let Some((node, place, allowed)) = pending.pop() {
            let repeat = self.schema[place as usize].repeat;
            let template = tree.is_template(node);
            if template && (!allowed || !repeat) {
                dropped.push((node, place, repeat));
                continue;
            }
            let allowed = allowed && (!repeat || template);
            for child in tree.child_nodes(node) {
                let name = bolster_xpath::DataSource::name(tree, child);
                if let Some(below) = self.places.get(&(place, name, false)) {
                    pending.push((child, *below, allowed));
                }
            }
        }
        for (node, place, repeat) in dropped {
            let path = self.path_of(place);
            let message = if repeat {
                format!(
                    "Template nodes for sub-repeats must be located within the template node of the parent repeat; \
                     ignoring template... [{path}]"
                )
            } else {
                format!("Warning: template node found for ref that is not repeatable; ignoring... [{path}]")
            };
            let at = self.place_position(place);
            self.report(Severity::Warning, Problem::Repeat, at, message);
            tree.remove(node);
        }
    }

    /// The node below `parent` that new entries of `place` are copied from.
    fn template_below(&self, tree: &Tree, parent: NodeId, place: SchemaId) -> Option<NodeId> {
        let level = &self.schema[place as usize];
        let mut children =
            tree.child_nodes(parent).filter(|c| bolster_xpath::DataSource::name(tree, *c) == level.name);
        if level.repeat { children.find(|c| tree.is_template(*c)) } else { children.next() }
    }

    fn make_template(&mut self, tree: &mut Tree, place: SchemaId) {
        let levels = lineage(&self.schema, place);
        let mut parent = NodeId(0);
        for level in &levels[1..levels.len() - 1] {
            match self.template_below(tree, parent, *level) {
                Some(node) => parent = node,
                None => return,
            }
        }
        if self.template_below(tree, parent, place).is_some() {
            return;
        }
        // The first entry there is, outside of templates; else one inside the template of the outer repeat.
        let mut nodes = vec![NodeId(0)];
        for level in &levels[1..] {
            let name = self.schema[*level as usize].name;
            nodes = nodes
                .iter()
                .flat_map(|node| tree.child_nodes(*node))
                .filter(|c| bolster_xpath::DataSource::name(tree, *c) == name && !tree.is_template(*c))
                .collect();
        }
        let name = self.schema[place as usize].name;
        let inside = tree.child_nodes(parent).find(|c| bolster_xpath::DataSource::name(tree, *c) == name);
        let template = match nodes.first() {
            Some(&first) => tree.copy_subtree(first, parent, inside),
            None => match inside {
                Some(node) => node,
                None => return,
            },
        };
        tree.set_flags(template, TreeFlags::TEMPLATE, true);
        let mut pending = vec![(template, place)];
        let mut nested = Vec::new();
        while let Some((node, at)) = pending.pop() {
            for child in tree.child_nodes(node) {
                let name = bolster_xpath::DataSource::name(tree, child);
                let Some(below) = self.places.get(&(at, name, false)) else { continue };
                if self.schema[*below as usize].repeat {
                    nested.push(child);
                } else {
                    pending.push((child, *below));
                }
            }
        }
        if nodes.is_empty() {
            return;
        }
        for node in nested {
            tree.remove(node);
        }
    }
}
