//! Predicates answered without evaluating them per candidate: storage keys, and attribute comparisons on trees.

use crate::ast::{Ast, Function, Kind, Operator, Path, Start};
use crate::error::Error;
use crate::eval::{Evaluator, Frame, equal};
use crate::names::Name;
use crate::source::{DataSource, Key, NodeId, NodeList, NodeValue};
use crate::value::{NodeRef, Value, text_to_number};

/// The step a plan is made for.
pub(crate) struct Scope<'a> {
    pub parent: NodeId,
    pub name: Name,
    pub source: &'a dyn DataSource,
    pub instance: Option<&'a str>,
}

/// How one predicate is answered from a column.
enum Match<'a> {
    Equal(&'a Ast),
    NotEqual(&'a Ast),
    /// `selected(list, column)`.
    In(&'a Ast),
}

/// A column of texts compared with one value.
struct Comparison<'a> {
    column: u32,
    operator: Operator,
    with: &'a Ast,
}

impl<'a> Evaluator<'_, 'a> {
    /// Fills `found` with the candidates and gives the number of leading predicates already applied.
    pub fn planned(
        &self,
        scope: &Scope<'a>,
        predicates: &'a [Ast],
        frame: &Frame<'a>,
        found: &mut NodeList,
    ) -> Result<usize, Error> {
        if scope.source.infers_numbers() {
            scope.source.children(scope.parent, scope.name, found);
            return self.attributes(scope, predicates, frame, found);
        }
        let mut used = 0;
        for predicate in predicates {
            let Some((column, matching)) = self.column_match(scope, predicate) else {
                return self.compared(scope, predicates, used, frame, found);
            };
            if used > 0 && found.is_empty() {
                used += 1;
                continue;
            }
            match matching {
                Match::Equal(value) => {
                    let value = self.scalar(value, frame)?;
                    let text = value.to_text(self.context)?;
                    if used == 0 {
                        self.lookup(scope, column, &text, found)?;
                    } else {
                        self.context.spend(found.len() as u64)?;
                        found.retain(|node| scope.source.column_is(*node, column, &text));
                    }
                }
                Match::NotEqual(value) => {
                    let value = self.scalar(value, frame)?;
                    let text = value.to_text(self.context)?;
                    if used == 0 {
                        scope.source.children(scope.parent, scope.name, found);
                    }
                    self.context.spend(found.len() as u64)?;
                    found.retain(|node| !scope.source.column_is(*node, column, &text));
                }
                Match::In(list) => {
                    let value = self.scalar(list, frame)?;
                    let list = value.to_text(self.context)?;
                    let mut texts: Vec<&str> = list.split(' ').collect();
                    texts.sort_unstable();
                    texts.dedup();
                    if used == 0 {
                        for text in &texts {
                            self.lookup(scope, column, text, found)?;
                        }
                        found.sort_unstable();
                    } else {
                        self.context.spend(found.len() as u64)?;
                        found.retain(|node| {
                            texts.iter().any(|text| scope.source.column_is(*node, column, text))
                        });
                    }
                }
            }
            used += 1;
        }
        Ok(used)
    }

    /// Goes on after `used` predicates with those that compare a column of texts with one value. They give what
    /// evaluating them for each candidate would, so what follows them is evaluated.
    fn compared(
        &self,
        scope: &Scope<'a>,
        predicates: &'a [Ast],
        mut used: usize,
        frame: &Frame<'a>,
        found: &mut NodeList,
    ) -> Result<usize, Error> {
        if used == 0 {
            scope.source.children(scope.parent, scope.name, found);
        }
        if !self.context.planned {
            return Ok(used);
        }
        for predicate in &predicates[used..] {
            let Some(&first) = found.first() else { break };
            let Some(comparison) = self.comparison(scope, predicate) else { break };
            let first = NodeRef { instance: scope.instance, source: scope.source, node: first };
            // Every candidate would evaluate it to the same.
            let value = self.scalar(comparison.with, &self.inside(first, frame, Some(1)))?;
            let (source, column, host) = (scope.source, comparison.column, self.context.host);
            self.context.spend(found.len() as u64)?;
            let same = comparison.operator == Operator::Equal;
            match comparison.operator {
                Operator::Equal | Operator::NotEqual => match value {
                    Value::Text(text) => source.retain_texts(column, &text, same, found),
                    Value::Number(n) => {
                        source.retain_numbers(column, host, &|x| ((x - n).abs() < 1e-12) == same, found);
                    }
                    _ => break,
                },
                operator => {
                    let n = value.to_number(self.context).map_err(|e| e.at(comparison.with.span))?;
                    let test: &dyn Fn(f64) -> bool = match operator {
                        Operator::Less => &|x| x < n,
                        Operator::LessEqual => &|x| x <= n,
                        Operator::Greater => &|x| x > n,
                        _ => &|x| x >= n,
                    };
                    source.retain_numbers(column, host, test, found);
                }
            }
            used += 1;
        }
        Ok(used)
    }

    /// A predicate that compares a column with a value that is the same for all candidates.
    fn comparison(&self, scope: &Scope<'a>, predicate: &'a Ast) -> Option<Comparison<'a>> {
        let Kind::Binary(operator, sides) = &predicate.kind else { return None };
        let mirrored = match operator {
            Operator::Equal | Operator::NotEqual => *operator,
            Operator::Less => Operator::Greater,
            Operator::LessEqual => Operator::GreaterEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterEqual => Operator::LessEqual,
            _ => return None,
        };
        if let Some(column) = self.own_text(scope, &sides.0) {
            let with = self.is_steady(scope, &sides.1).then_some(&sides.1)?;
            return Some(Comparison { column, operator: *operator, with });
        }
        let column = self.own_text(scope, &sides.1)?;
        let with = self.is_steady(scope, &sides.0).then_some(&sides.0)?;
        Some(Comparison { column, operator: mirrored, with })
    }

    /// The column of a path that is the name of a child.
    fn own_text(&self, scope: &Scope<'a>, operand: &Ast) -> Option<u32> {
        let Kind::Path(path) = &operand.kind else { return None };
        let (Start::Context, 0, [step]) = (&path.start, path.up, &path.steps[..]) else { return None };
        if step.attribute || !step.predicates.is_empty() {
            return None;
        }
        let name = self.translate(step.name?, scope.source);
        scope.source.text_column(scope.parent, scope.name, name)
    }

    /// Whether an operand is the same for all candidates: a literal, or a plain path that begins outside of them.
    fn is_steady(&self, scope: &Scope<'a>, operand: &Ast) -> bool {
        match &operand.kind {
            Kind::Number(_) | Kind::Text(_) => true,
            Kind::Negate(inner) => matches!(inner.kind, Kind::Number(_)),
            Kind::Path(path) => {
                let outside = match path.start {
                    Start::Original => self.context.node.is_some() || self.context.original.is_some(),
                    Start::Root => scope.instance.is_some(),
                    Start::Context | Start::Instance(_) => false,
                };
                outside && path.steps.iter().all(|step| step.predicates.is_empty())
            }
            _ => false,
        }
    }

    fn lookup(&self, scope: &Scope<'a>, column: u32, text: &str, found: &mut NodeList) -> Result<(), Error> {
        let from = found.len();
        if self.context.planned {
            scope.source.lookup(scope.parent, column, text, found);
            return self.context.spend((found.len() - from) as u64);
        }
        let mut all = NodeList::new();
        scope.source.children(scope.parent, scope.name, &mut all);
        self.context.spend(all.len() as u64)?;
        found.extend(all.into_iter().filter(|node| scope.source.column_is(*node, column, text)));
        Ok(())
    }

    fn column_match(&self, scope: &Scope<'a>, predicate: &'a Ast) -> Option<(u32, Match<'a>)> {
        match &predicate.kind {
            Kind::Binary(operator @ (Operator::Equal | Operator::NotEqual), sides) => {
                let (column, index) = self.column(scope, &sides.0)?;
                match operator {
                    Operator::Equal => Some((column, Match::Equal(&sides.1))),
                    _ if index => None,
                    _ => Some((column, Match::NotEqual(&sides.1))),
                }
            }
            Kind::Call(Function::Selected, arguments) => {
                let (column, _) = self.column(scope, arguments.get(1)?)?;
                Some((column, Match::In(&arguments[0])))
            }
            _ => None,
        }
    }

    /// The storage column an operand names, and whether it is an index edge.
    fn column(&self, scope: &Scope<'a>, operand: &Ast) -> Option<(u32, bool)> {
        let Kind::Path(path) = &operand.kind else { return None };
        if !matches!(path.start, Start::Context) || path.up > 0 {
            return None;
        }
        if path.steps.iter().any(|step| !step.predicates.is_empty()) {
            return None;
        }
        let text = |at: usize| path.steps.get(at).and_then(|s| s.name).map(|name| self.names.text(name));
        match &path.steps[..] {
            [step] if step.attribute => {
                let column =
                    scope.source.index_column(scope.parent, scope.name, Key::Attribute(&text(0)?))?;
                Some((column, false))
            }
            [_] => {
                let column = scope.source.index_column(scope.parent, scope.name, Key::Child(&text(0)?))?;
                Some((column, false))
            }
            [first, second] if !first.attribute && !second.attribute && &*text(0)? == "index" => {
                let column = scope.source.index_column(scope.parent, scope.name, Key::Index(&text(1)?))?;
                Some((column, true))
            }
            _ => None,
        }
    }

    /// Leading `[@a = 'literal']`, `[@a != 'literal']`, `[@a = path]` on a tree.
    fn attributes(
        &self,
        scope: &Scope<'a>,
        predicates: &'a [Ast],
        frame: &Frame<'a>,
        found: &mut NodeList,
    ) -> Result<usize, Error> {
        let Some(&first) = found.first() else { return Ok(0) };
        let mut used = 0;
        for predicate in predicates {
            let Kind::Binary(operator @ (Operator::Equal | Operator::NotEqual), sides) = &predicate.kind
            else {
                break;
            };
            let Some(name) = self.own_attribute(&sides.0, scope.source) else { break };
            let literal = match &sides.1.kind {
                Kind::Text(text) => Value::text(&**text),
                Kind::Path(path) if self.is_outer(path) => match self.scalar(&sides.1, frame) {
                    Ok(value) => match value.to_text(self.context) {
                        Ok(text) => Value::Text(text),
                        Err(_) => break,
                    },
                    Err(_) => break,
                },
                _ => break,
            };
            if scope.source.attribute(first, name).is_none() {
                break;
            }
            self.context.spend(found.len() as u64)?;
            let mut kept = NodeList::new();
            for &node in found.iter() {
                let text = match scope.source.attribute(node, name).map(|a| scope.source.value(a)) {
                    Some(NodeValue::Text(text)) => text,
                    _ => "",
                };
                let same = equal(&infer(text, self), &literal, self.context)?;
                if same == (*operator == Operator::Equal) {
                    kept.push(node);
                }
            }
            *found = kept;
            used += 1;
        }
        Ok(used)
    }

    fn own_attribute(&self, operand: &Ast, source: &dyn DataSource) -> Option<Name> {
        let Kind::Path(path) = &operand.kind else { return None };
        match (&path.start, path.up, &path.steps[..]) {
            (Start::Context, 0, [step]) if step.attribute && step.predicates.is_empty() => {
                let name = step.name?;
                if source.names().same(self.names) {
                    return Some(name);
                }
                source.names().get(&self.names.text(name))
            }
            _ => None,
        }
    }

    /// Whether a path means the same at every candidate.
    fn is_outer(&self, path: &Path) -> bool {
        !matches!(path.start, Start::Context)
    }
}

/// An attribute's text as a number, if it looks like one.
fn infer<'a>(text: &'a str, evaluator: &Evaluator<'_, 'a>) -> Value<'a> {
    let number = text_to_number(text, evaluator.context.host);
    if number.is_nan() { Value::text(text) } else { Value::Number(number) }
}
