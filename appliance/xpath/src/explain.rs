//! How an expression is understood and which predicates storage can answer, as text for app authors.

use std::fmt::Write;

use crate::ast::{Ast, Function, Kind, Operator, Path, Start};
use crate::expr::Expr;
use crate::source::{DataSource, Key};

/// Gives the data source of an instance, if the caller has it: nothing stands for the main instance.
pub type Sources<'s> = dyn Fn(Option<&str>) -> Option<&'s dyn DataSource> + 's;

impl Expr {
    /// One line per part of the expression. Predicates on paths say whether an index answers them or each candidate
    /// is looked at.
    pub fn explain(&self, sources: &Sources<'_>) -> String {
        let mut out = String::new();
        Explainer { expr: self, sources }.part(self.ast(), 0, &mut out);
        out
    }
}

struct Explainer<'e, 's> {
    expr: &'e Expr,
    sources: &'e Sources<'s>,
}

impl Explainer<'_, '_> {
    fn line(&self, depth: usize, text: &str, out: &mut String) {
        out.push_str(&"  ".repeat(depth));
        out.push_str(text);
        out.push('\n');
    }

    fn written(&self, ast: &Ast) -> &str {
        self.expr.text().get(ast.span.start as usize..ast.span.end as usize).unwrap_or("")
    }

    fn part(&self, ast: &Ast, depth: usize, out: &mut String) {
        match &ast.kind {
            Kind::Number(_) | Kind::Text(_) => {
                self.line(depth, &format!("constant {}", self.written(ast)), out)
            }
            Kind::Variable(name) => self.line(depth, &format!("variable ${name}"), out),
            Kind::Unsupported(what) => self.line(depth, &format!("UNSUPPORTED: {what}"), out),
            Kind::Negate(inner) => {
                self.line(depth, "negate", out);
                self.part(inner, depth + 1, out);
            }
            Kind::Binary(operator, sides) => {
                self.line(depth, &format!("{operator:?}"), out);
                self.part(&sides.0, depth + 1, out);
                self.part(&sides.1, depth + 1, out);
            }
            Kind::Call(function, arguments) => {
                let lazy = matches!(function, Function::If | Function::Cond);
                let note = if lazy { " (evaluates one branch)" } else { "" };
                self.line(depth, &format!("{}(){note}", function.name()), out);
                arguments.iter().for_each(|argument| self.part(argument, depth + 1, out));
            }
            Kind::Host(name, arguments) => {
                self.line(depth, &format!("{name}() supplied by the host, or unknown"), out);
                arguments.iter().for_each(|argument| self.part(argument, depth + 1, out));
            }
            Kind::Path(path) => self.path(path, depth, out),
        }
    }

    fn path(&self, path: &Path, depth: usize, out: &mut String) {
        let (start, source) = match &path.start {
            Start::Root => ("main instance".to_owned(), (self.sources)(None)),
            Start::Instance(id) => (format!("instance '{id}'"), (self.sources)(Some(id))),
            Start::Context => ("context node".to_owned(), None),
            Start::Original => ("current()".to_owned(), None),
        };
        let mut line = format!("path from {start}");
        if path.up > 0 {
            let _ = write!(line, ", up {}", path.up);
        }
        self.line(depth, &line, out);
        for (level, step) in path.steps.iter().enumerate() {
            let name = step.name.map_or_else(|| "*".into(), |name| self.expr.names().text(name));
            let at = if step.attribute { "@" } else { "" };
            self.line(depth + 1, &format!("{at}{name}"), out);
            let mut leading = true;
            for predicate in &step.predicates {
                let indexed = leading
                    && level == 1
                    && source.is_some_and(|source| self.indexed(source, &name, predicate));
                leading = indexed;
                let how = if indexed { "index lookup" } else { "each candidate" };
                self.line(depth + 2, &format!("[{}]  -- {how}", self.written(predicate)), out);
                if matches!(predicate.kind, Kind::Path(_) | Kind::Text(_)) {
                    self.line(depth + 3, "WARNING: a text never passes; compare it with something", out);
                }
            }
        }
    }

    fn indexed(&self, source: &dyn DataSource, name: &str, predicate: &Ast) -> bool {
        let operand = match &predicate.kind {
            Kind::Binary(Operator::Equal | Operator::NotEqual, sides) => &sides.0,
            Kind::Call(Function::Selected, arguments) if arguments.len() == 2 => &arguments[1],
            _ => return false,
        };
        let Kind::Path(path) = &operand.kind else { return false };
        let Some(name) = source.names().get(name) else { return false };
        let texts: Vec<_> =
            path.steps.iter().filter_map(|s| s.name).map(|n| self.expr.names().text(n)).collect();
        let key = match (&path.steps[..], &texts[..]) {
            ([step], [text]) if step.attribute => Key::Attribute(text),
            ([_], [text]) => Key::Child(text),
            ([_, _], [first, text]) if &**first == "index" => Key::Index(text),
            _ => return false,
        };
        matches!(path.start, Start::Context)
            && path.up == 0
            && source.index_column(source.root(), name, key).is_some()
    }
}
