//! Compiled expressions.

use crate::ast::{Ast, Kind, Start, Step};
use crate::context::{Context, Limits};
use crate::error::Error;
use crate::eval::Evaluator;
use crate::names::{Name, Names};
use crate::parser;
use crate::references;
use crate::source::NodeValue;
use crate::value::{NodeRef, Nodeset, Value};

/// One level of a [`PathRef`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathLevel {
    /// The name; nothing for `*`.
    pub name: Option<Name>,
    /// Whether it is an attribute.
    pub attribute: bool,
}

/// An absolute path that an expression reads, without positions and predicates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathRef {
    /// The instance; nothing for the main instance.
    pub instance: Option<Box<str>>,
    /// Levels from the outermost element.
    pub levels: Vec<PathLevel>,
}

/// An expression, parsed once. Immutable; share it freely.
#[derive(Clone, Debug)]
pub struct Expr {
    text: Box<str>,
    ast: Ast,
    names: Names,
}

impl Expr {
    /// Parses `text`; names of steps are interned in `names`.
    pub fn parse(text: &str, names: &Names) -> Result<Expr, Error> {
        Self::parse_within(text, names, &Limits::default())
    }

    /// Parses within the host's limits (`depth`, and `output` for the length of the text).
    pub fn parse_within(text: &str, names: &Names, limits: &Limits) -> Result<Expr, Error> {
        let ast = parser::parse(text, names, limits)?;
        Ok(Expr { text: text.into(), ast, names: names.clone() })
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The path it is, as error texts show it; the text of what is no path.
    pub fn pretty(&self) -> String {
        match &self.ast.kind {
            Kind::Path(path) => crate::pretty::path(path, None, &self.names),
            _ => self.text.to_string(),
        }
    }

    /// The table its names are interned in.
    pub fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn ast(&self) -> &Ast {
        &self.ast
    }

    /// Evaluates; a path gives a nodeset.
    pub fn evaluate<'a>(&'a self, context: &Context<'a>) -> Result<Value<'a>, Error> {
        Evaluator::new(context, &self.names).evaluate(&self.ast)
    }

    /// Evaluates to a truth value.
    pub fn evaluate_boolean<'a>(&'a self, context: &Context<'a>) -> Result<bool, Error> {
        Evaluator::new(context, &self.names).top_boolean(&self.ast)
    }

    /// Evaluates to a number.
    pub fn evaluate_number<'a>(&'a self, context: &Context<'a>) -> Result<f64, Error> {
        Evaluator::new(context, &self.names).top_number(&self.ast)
    }

    /// Evaluates to text.
    pub fn evaluate_text<'a>(&'a self, context: &Context<'a>) -> Result<String, Error> {
        Ok(self.evaluate(context)?.to_text(context)?.into_owned())
    }

    /// The text at a node, if the expression is the name of a child, there is one of it, and it holds text: what most
    /// columns of lists are. `None` says nothing: evaluate.
    pub fn child_text<'a>(&self, node: NodeRef<'a>) -> Option<&'a str> {
        let Kind::Path(path) = &self.ast.kind else { return None };
        let [Step { name: Some(name), attribute: false, predicates }] = &path.steps[..] else { return None };
        if !matches!(path.start, Start::Context) || path.up != 0 || !predicates.is_empty() {
            return None;
        }
        let names = node.source.names();
        let name = if names.same(&self.names) { *name } else { names.translated(*name, &self.names)? };
        match node.source.value(node.source.only_child(node.node, name)?) {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Evaluates to one value, never a nodeset.
    pub fn evaluate_scalar<'a>(&'a self, context: &Context<'a>) -> Result<Value<'a>, Error> {
        self.evaluate(context)?.unpack(context)
    }

    /// Evaluates an expression that must be a path.
    pub fn evaluate_nodeset<'a>(&'a self, context: &Context<'a>) -> Result<Nodeset<'a>, Error> {
        match self.evaluate(context)? {
            Value::Nodes(nodes) => Ok(nodes),
            _ => Err(Error::type_mismatch("This expression must be a path to nodes.")),
        }
    }

    /// Finds the nodes of an expression that must be a path, irrelevant ones included (predicates see relevant ones
    /// only, as ever).
    pub fn select<'a>(&'a self, context: &Context<'a>) -> Result<Nodeset<'a>, Error> {
        let found = Evaluator::new(context, &self.names).select_all(&self.ast);
        found.unwrap_or_else(|| Err(Error::type_mismatch("This expression must be a path to nodes.")))
    }

    /// Whether the whole expression is a path.
    pub fn is_path(&self) -> bool {
        matches!(self.ast.kind, Kind::Path(_))
    }

    /// The absolute path this expression is, if it is a path: relative parts resolved against `context`, predicates
    /// dropped.
    pub fn path(&self, context: &PathRef) -> Result<Option<PathRef>, Error> {
        references::own_path(&self.ast, context)
    }

    /// Whether the expression, being a path, has predicates anywhere.
    pub fn has_predicates(&self) -> bool {
        references::has_predicates(&self.ast)
    }

    /// Every path the expression reads, with relative parts resolved against `context` (also what `current()`
    /// means) and the paths inside predicates resolved against their step. Fails on a construct outside the dialect.
    pub fn references(&self, context: &PathRef) -> Result<Vec<PathRef>, Error> {
        references::all(&self.ast, context)
    }

    /// Like [`Expr::references`], each path with the number of its leading levels that are tied to the context: on
    /// these, the path means the very nodes above the context node; below them it may mean any.
    pub fn dependencies(&self, context: &PathRef) -> Result<Vec<(PathRef, usize)>, Error> {
        references::tied(&self.ast, context)
    }

    /// Whether it is free of constructs outside of the dialect.
    pub fn is_supported(&self) -> bool {
        self.ast.needs & crate::ast::Needs::UNSUPPORTED == 0
    }

    /// Whether the result can change although no data did: clock, randomness, host functions.
    pub fn is_volatile(&self) -> bool {
        self.ast.needs & crate::ast::Needs::VOLATILE != 0
    }

    /// The constant the expression is, if it is a literal or `true()` or `false()`.
    pub fn constant(&self) -> Option<Value<'_>> {
        use crate::ast::Function;
        match &self.ast.kind {
            Kind::Number(n) => Some(Value::Number(*n)),
            Kind::Text(text) => Some(Value::text(&**text)),
            Kind::Call(Function::True, _) => Some(Value::Boolean(true)),
            Kind::Call(Function::False, _) => Some(Value::Boolean(false)),
            _ => None,
        }
    }

    /// The names of the functions called that are not built in.
    pub fn host_functions(&self) -> Vec<String> {
        references::host_functions(&self.ast)
    }

    /// The first arguments of the calls of `function`, which is not built in, where they are literals.
    pub fn literal_arguments(&self, function: &str) -> Vec<&str> {
        if self.ast.needs & crate::ast::Needs::VOLATILE == 0 {
            return Vec::new();
        }
        references::literal_arguments(&self.ast, function)
    }
}
