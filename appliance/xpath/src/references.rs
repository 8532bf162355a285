//! What an expression reads, found without evaluating it.

use crate::ast::{Ast, Kind, Path, Start};
use crate::error::Error;
use crate::expr::{PathLevel, PathRef};

fn resolve(path: &Path, context: &PathRef, original: &PathRef) -> Result<PathRef, Error> {
    let base = match &path.start {
        Start::Root => PathRef { instance: None, levels: Vec::new() },
        Start::Instance(id) => PathRef { instance: Some(id.clone()), levels: Vec::new() },
        Start::Context => return below(context, path),
        Start::Original => return below(original, path),
    };
    below(&base, path)
}

/// What is left of `base` above the parent steps of a path, with room for its steps.
fn below(base: &PathRef, path: &Path) -> Result<PathRef, Error> {
    let kept = base.levels.len().checked_sub(path.up as usize).ok_or_else(too_far_up)?;
    let mut levels = Vec::with_capacity(kept + path.steps.len());
    levels.extend_from_slice(&base.levels[..kept]);
    Ok(PathRef { instance: base.instance.clone(), levels })
}

pub(crate) fn too_far_up() -> Error {
    Error::generic("The path has more parent steps than there are levels above its context.")
}

fn walk(ast: &Ast, context: &PathRef, original: &PathRef, out: &mut Vec<PathRef>) -> Result<(), Error> {
    match &ast.kind {
        Kind::Number(_) | Kind::Text(_) | Kind::Variable(_) => {}
        Kind::Unsupported(what) => return Err(Error::unsupported(what).at(ast.span)),
        Kind::Negate(inner) => walk(inner, context, original, out)?,
        Kind::Binary(_, sides) => {
            walk(&sides.0, context, original, out)?;
            walk(&sides.1, context, original, out)?;
        }
        Kind::Call(_, arguments) | Kind::Host(_, arguments) => {
            for argument in arguments {
                walk(argument, context, original, out)?;
            }
        }
        Kind::Path(path) => {
            let mut reference = resolve(path, context, original).map_err(|e| e.at(ast.span))?;
            for step in &path.steps {
                reference.levels.push(PathLevel { name: step.name, attribute: step.attribute });
                for predicate in &step.predicates {
                    walk(predicate, &reference, original, out)?;
                }
            }
            if !out.contains(&reference) {
                out.push(reference);
            }
        }
    }
    Ok(())
}

pub(crate) fn all(ast: &Ast, context: &PathRef) -> Result<Vec<PathRef>, Error> {
    let mut out = Vec::new();
    walk(ast, context, context, &mut out)?;
    Ok(out)
}

/// A path and how many of its leading levels are the same nodes as those of the context.
pub(crate) type Dependency = (PathRef, usize);

/// Like [`walk`], with the ties. `context` holds on its first `tie` levels, `original` on all of its levels.
fn walk_tied(
    ast: &Ast,
    context: &PathRef,
    tie: usize,
    original: &PathRef,
    out: &mut Vec<Dependency>,
) -> Result<(), Error> {
    match &ast.kind {
        Kind::Number(_) | Kind::Text(_) | Kind::Variable(_) => {}
        Kind::Unsupported(what) => return Err(Error::unsupported(what).at(ast.span)),
        Kind::Negate(inner) => walk_tied(inner, context, tie, original, out)?,
        Kind::Binary(_, sides) => {
            walk_tied(&sides.0, context, tie, original, out)?;
            walk_tied(&sides.1, context, tie, original, out)?;
        }
        Kind::Call(_, arguments) | Kind::Host(_, arguments) => {
            for argument in arguments {
                walk_tied(argument, context, tie, original, out)?;
            }
        }
        Kind::Path(path) => {
            let (anchor, held) = match path.start {
                Start::Original => (original, original.levels.len()),
                _ => (context, tie),
            };
            let mut reference = resolve(path, context, original).map_err(|e| e.at(ast.span))?;
            let held = if anchor.instance == reference.instance { held } else { 0 };
            let mut tied = reference.levels.len().min(held);
            for step in &path.steps {
                let level = PathLevel { name: step.name, attribute: step.attribute };
                let at = reference.levels.len();
                if tied == at
                    && at < held
                    && step.predicates.is_empty()
                    && step.name.is_some()
                    && anchor.levels.get(at) == Some(&level)
                {
                    tied += 1;
                }
                reference.levels.push(level);
                for predicate in &step.predicates {
                    walk_tied(predicate, &reference, tied, original, out)?;
                }
            }
            match out.iter_mut().find(|known| known.0 == reference) {
                Some(known) => known.1 = known.1.min(tied),
                None => out.push((reference, tied)),
            }
        }
    }
    Ok(())
}

pub(crate) fn tied(ast: &Ast, context: &PathRef) -> Result<Vec<Dependency>, Error> {
    let mut out = Vec::new();
    walk_tied(ast, context, context.levels.len(), context, &mut out)?;
    Ok(out)
}

pub(crate) fn own_path(ast: &Ast, context: &PathRef) -> Result<Option<PathRef>, Error> {
    match &ast.kind {
        Kind::Path(path) => {
            let mut reference = resolve(path, context, context)?;
            let levels = path.steps.iter().map(|s| PathLevel { name: s.name, attribute: s.attribute });
            reference.levels.extend(levels);
            Ok(Some(reference))
        }
        Kind::Unsupported(what) => Err(Error::unsupported(what).at(ast.span)),
        _ => Ok(None),
    }
}

pub(crate) fn has_predicates(ast: &Ast) -> bool {
    matches!(&ast.kind, Kind::Path(path) if path.steps.iter().any(|s| !s.predicates.is_empty()))
}

pub(crate) fn host_functions(ast: &Ast) -> Vec<String> {
    let mut out = Vec::new();
    let mut pending = vec![ast];
    while let Some(ast) = pending.pop() {
        match &ast.kind {
            Kind::Number(_) | Kind::Text(_) | Kind::Variable(_) | Kind::Unsupported(_) => {}
            Kind::Negate(inner) => pending.push(inner),
            Kind::Binary(_, sides) => pending.extend([&sides.0, &sides.1]),
            Kind::Call(_, arguments) => pending.extend(arguments.iter()),
            Kind::Host(name, arguments) => {
                if !out.iter().any(|n| *n == **name) {
                    out.push(name.to_string());
                }
                pending.extend(arguments.iter());
            }
            Kind::Path(path) => pending.extend(path.steps.iter().flat_map(|s| &s.predicates)),
        }
    }
    out
}

/// The literal first arguments of the calls of a function that is not built in.
pub(crate) fn literal_arguments<'a>(ast: &'a Ast, function: &str) -> Vec<&'a str> {
    let mut out = Vec::new();
    let mut pending = vec![ast];
    while let Some(ast) = pending.pop() {
        match &ast.kind {
            Kind::Number(_) | Kind::Text(_) | Kind::Variable(_) | Kind::Unsupported(_) => {}
            Kind::Negate(inner) => pending.push(inner),
            Kind::Binary(_, sides) => pending.extend([&sides.0, &sides.1]),
            Kind::Path(path) => pending.extend(path.steps.iter().flat_map(|s| &s.predicates)),
            Kind::Call(_, arguments) => pending.extend(arguments),
            Kind::Host(name, arguments) => {
                if **name == *function
                    && let Some(Ast { kind: Kind::Text(text), .. }) = arguments.first()
                {
                    out.push(&**text);
                }
                pending.extend(arguments);
            }
        }
    }
    out
}
