//! Paths to nodesets: anchoring, contextualisation, expansion, predicates.

use smallvec::SmallVec;

use crate::ast::{Ast, Path, Start, Step};
use crate::context::Resolved;
use crate::error::{Code, Error};
use crate::eval::{Evaluator, Frame};
use crate::names::Name;
use crate::plan;
use crate::references::too_far_up;
use crate::source::{DataSource, NodeId, NodeList, SIBLINGS_A_STEP};
use crate::value::{NodeRef, Nodeset, Value, node_value};

/// A name that no data source has.
const NOWHERE: Name = Name(u32::MAX);

type Chain = SmallVec<[NodeId; 8]>;

/// The nodes from the outermost element down to `node`.
fn chain_to(source: &dyn DataSource, node: NodeId) -> Chain {
    let mut chain = Chain::new();
    let mut at = Some(node);
    while let Some(node) = at {
        chain.push(node);
        at = source.parent(node);
    }
    chain.reverse();
    chain
}

/// `*` over an inline secondary instance lists the children name by name, in the order the names first appear.
fn group_by_name(source: &dyn DataSource, nodes: &mut NodeList) {
    let mut order: Vec<Name> = Vec::new();
    for &node in nodes.iter() {
        let name = source.name(node);
        if !order.contains(&name) {
            order.push(name);
        }
    }
    nodes.sort_by_key(|node| order.iter().position(|name| *name == source.name(*node)));
}

impl<'a> Evaluator<'_, 'a> {
    fn main(&self, path: &'a Path) -> Result<&'a dyn DataSource, Error> {
        self.context.main.ok_or_else(|| {
            let above = if matches!(path.start, Start::Context | Start::Original) { "/" } else { "" };
            Error::generic(format!(
                "Cannot evaluate the reference [{above}{}] in the current evaluation context. \
                 No default instance has been declared!",
                self.describe(path, None)
            ))
        })
    }

    fn named(&self, id: &str, path: &'a Path) -> Result<&'a dyn DataSource, Error> {
        match self.context.instances.instance(id) {
            Resolved::Source(source) if !source.is_unloaded() => Ok(source),
            Resolved::Source(_) | Resolved::Unloaded => Err(Error::new(
                Code::MissingInstance,
                format!("Instance referenced by {} has not been loaded", self.describe(path, None)),
            )),
            Resolved::Undeclared => Err(Error::new(
                Code::MissingInstance,
                format!(
                    "The instance \"{id}\" in expression \"{}\" used by \"{}\" does not exist in the form. \
                     Please correct your form or application.",
                    self.describe(path, None),
                    self.context.node.map_or_else(|| "/".to_owned(), |n| n.path())
                ),
            )),
        }
    }

    pub fn path(&self, path: &'a Path, frame: &Frame<'a>) -> Result<Nodeset<'a>, Error> {
        if let Some(found) = self.own_step(path, frame) {
            return Ok(found);
        }
        let mut found = self.select(path, frame)?;
        let source = found.source;
        found.nodes.retain(|node| source.relevant(*node));
        Ok(found)
    }

    /// The nodes of a path, irrelevant ones included.
    pub fn select(&self, path: &'a Path, frame: &Frame<'a>) -> Result<Nodeset<'a>, Error> {
        let anchor = match path.start {
            Start::Original => frame.original.or(frame.node),
            _ => frame.node,
        };
        let (instance, source, relative) = match &path.start {
            Start::Root => (None, self.main(path)?, None),
            Start::Instance(id) => (Some(&**id), self.named(id, path)?, None),
            Start::Context | Start::Original => match anchor {
                Some(node) => (node.instance, node.source, Some(node.node)),
                None if path.up > 0 => return Err(too_far_up()),
                None => (None, self.main(path)?, None),
            },
        };
        // Levels of the context that the path's own levels are compared with, and where the walk starts.
        let mut below = Chain::new();
        let mut base = relative;
        if relative.is_some() {
            for _ in 0..path.up {
                let node = base.ok_or_else(too_far_up)?;
                below.push(node);
                base = source.parent(node);
            }
            below.reverse();
        } else if let Some(node) = anchor
            && node.instance == instance
        {
            below = chain_to(source, node.node);
        }
        let mut set = NodeList::new();
        let mut steps = path.steps.iter();
        let mut level = 0;
        let mut along = !below.is_empty();
        let mut structure_fits = true;
        let mut resolved: SmallVec<[Option<Name>; 8]> = SmallVec::new();
        match base {
            Some(node) => set.push(node),
            None => {
                // From the root: the first step names the outermost element.
                let root = source.root();
                match steps.next() {
                    None => set.push(root),
                    Some(step) => {
                        structure_fits = step.attribute
                            || step.name.is_none_or(|name| {
                                !source.checks_root() || self.translate(name, source) == source.name(root)
                            });
                        if structure_fits {
                            set.push(root);
                        }
                        resolved.push(step.name.map(|name| self.translate(name, source)));
                        level = 1;
                    }
                }
            }
        }
        for step in steps {
            if set.is_empty() {
                break;
            }
            let mut name = step.name.map(|name| self.translate(name, source));
            let mut pin = None;
            if along {
                match below.get(level) {
                    Some(&node) => {
                        let own = source.name(node);
                        if name.is_none() {
                            name = Some(own);
                        }
                        along = name == Some(own);
                        if along
                            && step.predicates.is_empty()
                            && !step.attribute
                            && !source.is_attribute(node)
                        {
                            pin = Some(node);
                        }
                    }
                    None => along = false,
                }
            }
            level += 1;
            resolved.push(name);
            set = self.level(set, step, name, pin, source, instance, frame)?;
            if set.len() > self.context.limits.nodes {
                return Err(Error::new(
                    Code::Limit,
                    format!("A nodeset has more than {} members (limit: nodes).", self.context.limits.nodes),
                ));
            }
        }
        let mut invalid = None;
        if set.is_empty() && !(structure_fits && self.exists(path, base, source, &resolved)) {
            invalid = Some(Box::new(self.no_such_path(path, base, source, instance)));
        }
        Ok(Nodeset { instance, source, nodes: set, invalid })
    }

    /// The value a path has if it leads from node to only node, as most paths of forms do: no predicates, no `*`, at
    /// each level one node of the name. Nothing says that the long way has to be gone.
    #[inline]
    pub fn only_value(&self, path: &'a Path, frame: &Frame<'a>) -> Option<Value<'a>> {
        let mut here = match &path.start {
            Start::Context => frame.node?,
            Start::Original => frame.original.or(frame.node)?,
            Start::Root => NodeRef { instance: None, source: self.context.main?, node: NodeId(0) },
            Start::Instance(id) => match self.context.instances.instance(id) {
                Resolved::Source(source) if !source.is_unloaded() => {
                    NodeRef { instance: Some(&**id), source, node: NodeId(0) }
                }
                _ => return None,
            },
        };
        for _ in 0..path.up {
            here.node = here.source.parent(here.node)?;
        }
        let mut steps = &path.steps[..];
        if matches!(path.start, Start::Root | Start::Instance(_)) {
            let (first, rest) = steps.split_first()?;
            here.node = here.source.root();
            let named = !first.attribute
                && first.name.is_some()
                && (first.name == Some(here.source.name(here.node)) || !here.source.checks_root());
            if !named || !first.predicates.is_empty() || !here.source.names().same(self.names) {
                return None;
            }
            steps = rest;
        } else if !steps.is_empty() && !here.source.names().same(self.names) {
            return None;
        }
        for step in steps {
            let name = step.name?;
            if !step.predicates.is_empty() || self.context.spend(2).is_err() {
                return None;
            }
            here.node = if step.attribute {
                here.source.attribute(here.node, name)?
            } else {
                self.context.spend(here.source.passed(here.node, name)).ok()?;
                here.source.only_child(here.node, name)?
            };
        }
        if !here.source.relevant(here.node) {
            // A hidden node is no member; a path to nothing that exists reads as the empty text.
            return Some(Value::text(""));
        }
        Some(node_value(here, self.context))
    }

    /// The common short case: one step down from the context node, and something is there.
    #[inline]
    fn own_step(&self, path: &'a Path, frame: &Frame<'a>) -> Option<Nodeset<'a>> {
        let (Start::Context, 0, [step], Some(here)) = (&path.start, path.up, &path.steps[..], frame.node)
        else {
            return None;
        };
        let (Some(name), true) = (step.name, step.predicates.is_empty()) else { return None };
        let name = self.translate(name, here.source);
        let mut nodes = NodeList::new();
        if step.attribute {
            nodes.extend(here.source.attribute(here.node, name));
        } else {
            self.context.spend(here.source.passed(here.node, name)).ok()?;
            here.source.children(here.node, name, &mut nodes);
        }
        let many = nodes.len() > self.context.limits.nodes;
        if nodes.is_empty() || many || self.context.spend(nodes.len() as u64).is_err() {
            return None;
        }
        nodes.retain(|node| here.source.relevant(*node));
        Some(Nodeset { instance: here.instance, source: here.source, nodes, invalid: None })
    }

    pub fn translate(&self, name: Name, source: &dyn DataSource) -> Name {
        if source.names().same(self.names) {
            return name;
        }
        source.names().translated(name, self.names).unwrap_or(NOWHERE)
    }

    #[allow(clippy::too_many_arguments)]
    fn level(
        &self,
        parents: NodeList,
        step: &'a Step,
        name: Option<Name>,
        pin: Option<NodeId>,
        source: &'a dyn DataSource,
        instance: Option<&'a str>,
        frame: &Frame<'a>,
    ) -> Result<NodeList, Error> {
        let mut out = NodeList::new();
        let pinned_at = pin.map(|node| (source.parent(node), node));
        // Finding the place among the siblings is only needed below other parents.
        let mut position = None;
        for parent in parents {
            self.context.spend(1)?;
            let mut found = NodeList::new();
            let mut predicates = &step.predicates[..];
            match (name, pinned_at) {
                (Some(name), _) if step.attribute => found.extend(source.attribute(parent, name)),
                (None, _) if step.attribute => {}
                (Some(_), Some((at, node))) if at == Some(parent) => found.push(node),
                (Some(name), Some((_, node))) => {
                    let position = *position.get_or_insert_with(|| source.position(node));
                    self.context.spend(source.passed(parent, name))?;
                    found.extend(source.child_at(parent, name, position));
                }
                (Some(name), None) if !predicates.is_empty() => {
                    let scope = plan::Scope { parent, name, source, instance };
                    let used = self.planned(&scope, predicates, frame, &mut found)?;
                    predicates = &predicates[used..];
                }
                (Some(name), None) => {
                    self.context.spend(source.passed(parent, name))?;
                    source.children(parent, name, &mut found);
                }
                (None, _) => {
                    source.all_children(parent, &mut found);
                    if instance.is_some() && source.infers_numbers() {
                        group_by_name(source, &mut found);
                    }
                }
            }
            self.context.spend(found.len() as u64)?;
            if !predicates.is_empty() {
                self.filter(&mut found, predicates, source, instance, frame)?;
            }
            if out.is_empty() {
                out = found;
            } else {
                out.extend(found);
            }
        }
        Ok(out)
    }

    /// What a predicate sees at `candidate`.
    pub fn inside(&self, candidate: NodeRef<'a>, frame: &Frame<'a>, position: Option<usize>) -> Frame<'a> {
        let original = frame.original.or(frame.node).unwrap_or(candidate);
        Frame { node: Some(candidate), original: Some(original), position }
    }

    pub fn filter(
        &self,
        found: &mut NodeList,
        predicates: &'a [Ast],
        source: &'a dyn DataSource,
        instance: Option<&'a str>,
        frame: &Frame<'a>,
    ) -> Result<(), Error> {
        for predicate in predicates {
            let mut kept = NodeList::new();
            for (index, &node) in found.iter().enumerate() {
                let inside = self.inside(NodeRef { instance, source, node }, frame, Some(index + 1));
                let pass = match self.scalar(predicate, &inside)? {
                    Value::Number(n) => n.trunc() == (index + 1) as f64,
                    Value::Boolean(pass) => pass,
                    _ => false,
                };
                if pass {
                    kept.push(node);
                }
            }
            *found = kept;
        }
        Ok(())
    }

    /// Whether the whole path exists in the structure, templates included.
    fn exists(
        &self,
        path: &'a Path,
        base: Option<NodeId>,
        source: &dyn DataSource,
        resolved: &[Option<Name>],
    ) -> bool {
        let mut levels: SmallVec<[(Option<Name>, bool); 8]> = SmallVec::new();
        if let Some(node) = base {
            for node in chain_to(source, node) {
                levels.push((Some(source.name(node)), source.is_attribute(node)));
            }
        }
        for (at, step) in path.steps.iter().enumerate() {
            let written = || step.name.map(|name| self.translate(name, source));
            levels.push((resolved.get(at).copied().unwrap_or_else(written), step.attribute));
        }
        // An attribute has no attributes, but asking it for one is no mistake.
        let beside = base.is_some_and(|node| source.is_attribute(node));
        if levels.is_empty() || (beside && matches!(&path.steps[..], [step] if step.attribute)) {
            return true;
        }
        if !source.checks_root() {
            levels[0].0 = Some(source.name(source.root()));
        }
        let mut touched = 0;
        let found = source.has_path_counted(&levels, &mut touched);
        // Too little is left: the next thing that is paid for says so.
        if self.context.spend(touched / SIBLINGS_A_STEP).is_err() {
            self.context.steps_left.set(0);
        }
        found
    }

    fn describe(&self, path: &Path, base: Option<String>) -> String {
        crate::pretty::path(path, base, self.names)
    }

    fn no_such_path(
        &self,
        path: &Path,
        base: Option<NodeId>,
        source: &'a dyn DataSource,
        instance: Option<&'a str>,
    ) -> Error {
        let written = self.describe(path, None);
        let full = match base {
            Some(node) => self.describe(path, Some(NodeRef { instance, source, node }.path())),
            None => written.clone(),
        };
        let mut message = format!("Logic references {written} which is not a valid question or value.");
        if full != written {
            message.push_str(&format!(
                " You may have forgotten to include the full path to the question (e.g. /data/{written}). \
                 (Expanded reference: {full})"
            ));
        }
        Error::type_mismatch(message)
    }
}
