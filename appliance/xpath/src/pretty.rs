//! Expressions as error texts show them: one way of writing, whatever the author wrote.

use crate::ast::{Ast, Kind, Operator, Path, Start, Step};
use crate::names::Names;

/// Longest text that is made; what comes after is left out.
const LENGTH_MAX: usize = 4_000;

/// A path; `base` stands for its beginning, if it is given.
pub(crate) fn path(path: &Path, base: Option<String>, names: &Names) -> String {
    let mut out = match (&path.start, base) {
        (_, Some(base)) => base,
        (Start::Instance(id), None) => format!("instance({id})"),
        (Start::Root, None) => String::new(),
        (Start::Context | Start::Original, None) => ".".repeat(usize::from(path.steps.is_empty())),
    };
    for step in &path.steps {
        if !out.is_empty() || matches!(path.start, Start::Root) {
            out.push('/');
        }
        push_step(step, names, &mut out);
    }
    out
}

fn push_step(step: &Step, names: &Names, out: &mut String) {
    if step.attribute {
        out.push('@');
    }
    match step.name {
        Some(name) => out.push_str(&names.text(name)),
        None => out.push('*'),
    }
    for predicate in &step.predicates {
        out.push('[');
        push(predicate, names, out);
        out.push(']');
    }
}

fn push(ast: &Ast, names: &Names, out: &mut String) {
    if out.len() > LENGTH_MAX {
        return;
    }
    match &ast.kind {
        Kind::Number(number) => out.push_str(&format!("{number:?}")),
        Kind::Text(text) => {
            out.push('\'');
            out.push_str(text);
            out.push('\'');
        }
        Kind::Variable(name) => {
            out.push('$');
            out.push_str(name);
        }
        Kind::Negate(inner) => {
            out.push('-');
            push(inner, names, out);
        }
        Kind::Binary(operator, sides) => {
            push(&sides.0, names, out);
            out.push_str(written(*operator));
            push(&sides.1, names, out);
        }
        Kind::Path(own) => {
            if matches!(own.start, Start::Original) {
                out.push_str("current()/");
            }
            for _ in 0..own.up {
                out.push_str("../");
            }
            let text = path(own, None, names);
            let bare = own.up > 0 || matches!(own.start, Start::Original);
            out.push_str(if bare && text == "." { "" } else { &text });
        }
        Kind::Call(function, arguments) => push_call(function.name(), arguments, names, out),
        Kind::Host(name, arguments) => push_call(name, arguments, names, out),
        Kind::Unsupported(text) => out.push_str(text),
    }
}

fn push_call(name: &str, arguments: &[Ast], names: &Names, out: &mut String) {
    out.push_str(name);
    out.push('(');
    for (at, argument) in arguments.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        push(argument, names, out);
    }
    out.push(')');
}

fn written(operator: Operator) -> &'static str {
    match operator {
        Operator::Or => " or ",
        Operator::And => " and ",
        Operator::Equal => " = ",
        Operator::NotEqual => " != ",
        Operator::Less => " < ",
        Operator::LessEqual => " <= ",
        Operator::Greater => " > ",
        Operator::GreaterEqual => " >= ",
        Operator::Add => " + ",
        Operator::Subtract => " - ",
        Operator::Multiply => " * ",
        Operator::Divide => " div ",
        Operator::Modulo => " mod ",
    }
}
