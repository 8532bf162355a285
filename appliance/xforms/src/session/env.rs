//! Evaluation of a session's expressions: instances, functions of the form, the budget of an operation.

use std::cell::Cell;

use bolster_xpath::{
    Code, Context, Error, Expr, Handler, Host, Instances, NodeId, NodeList, NodeRef, NodeValue, Resolved,
    Value, Zone,
};

use super::Session;
use crate::definition::InstanceSource;
use crate::host::FormHost;
use crate::text::{PLAIN, Piece, Template, Text};

/// Texts that refer to texts that refer to texts.
const TEXT_DEPTH_MAX: u32 = 10;

/// One operation of a session: its host, and what it may still spend.
pub(crate) struct Op<'h> {
    pub host: &'h dyn FormHost,
    pub steps: Cell<u64>,
    pub texts: Cell<u32>,
    /// `jr:itext()` gives texts with their placeholders unfilled, as it does in messages of constraints.
    pub raw_texts: Cell<bool>,
}

impl<'h> Op<'h> {
    pub fn new(host: &'h dyn FormHost, session: &Session) -> Self {
        let steps = session.def.limits.expressions.steps;
        Op { host, steps: Cell::new(steps), texts: Cell::new(0), raw_texts: Cell::new(false) }
    }
}

/// Where an expression is evaluated.
#[derive(Clone, Copy, Default)]
pub(crate) struct At<'v> {
    pub node: Option<NodeRef<'v>>,
    pub original: Option<NodeRef<'v>>,
    pub candidate: Option<NodeValue<'v>>,
    pub variables: &'v [(&'v str, Value<'v>)],
}

/// What expressions of a session see.
pub(crate) struct Env<'a> {
    pub session: &'a Session,
    pub op: &'a Op<'a>,
}

impl Session {
    /// Evaluates an expression at a node of the main instance and hands the result on.
    pub(crate) fn eval<T>(
        &self,
        op: &Op<'_>,
        expr: &Expr,
        node: Option<NodeId>,
        then: impl for<'v> FnOnce(Value<'v>, &Context<'v>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let node = node.map(|node| NodeRef { instance: None, source: &self.tree, node });
        self.eval_at(op, expr, At { node, ..At::default() }, then)
    }

    /// The nodes of the main instance that a path denotes, hidden ones included.
    pub(crate) fn select(&self, op: &Op<'_>, path: &Expr, node: Option<NodeId>) -> Result<NodeList, Error> {
        let env = Env { session: self, op };
        let mut context = Context::new(Some(&self.tree), &env, &env).with_limits(self.def.limits.expressions);
        context.node = node.map(|node| NodeRef { instance: None, source: &self.tree, node });
        context.steps_left.set(op.steps.get());
        let result = path.select(&context).map(|found| found.nodes);
        op.steps.set(context.steps_left.get());
        result
    }

    /// Evaluates an expression anywhere.
    pub(crate) fn eval_at<T>(
        &self,
        op: &Op<'_>,
        expr: &Expr,
        at: At<'_>,
        then: impl for<'v> FnOnce(Value<'v>, &Context<'v>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let env = Env { session: self, op };
        let mut context = Context::new(Some(&self.tree), &env, &env).with_limits(self.def.limits.expressions);
        context.node = at.node;
        context.original = at.original;
        context.candidate = at.candidate;
        context.variables = at.variables;
        context.steps_left.set(op.steps.get());
        let result = expr.evaluate(&context).and_then(|value| then(value, &context));
        op.steps.set(context.steps_left.get());
        result
    }

    /// A text with its placeholders filled.
    pub(crate) fn fill(&self, op: &Op<'_>, template: &Template, at: At<'_>) -> Result<String, Error> {
        if let [Piece::Literal(text)] = &*template.pieces {
            return Ok(text.to_string());
        }
        let depth = op.texts.get();
        if depth >= TEXT_DEPTH_MAX {
            return Err(Error::new(Code::Limit, "Dependency cycle in <output>s; recursion limit exceeded!!"));
        }
        op.texts.set(depth + 1);
        let mut out = String::new();
        let mut filled = Ok(());
        for piece in &template.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Output(expr, _) => {
                    let text =
                        self.eval_at(op, expr, at, |value, context| Ok(value.to_text(context)?.into_owned()));
                    match text {
                        Ok(text) => out.push_str(&text),
                        Err(error) => filled = Err(error),
                    }
                }
            }
            if filled.is_err() || out.len() > self.def.limits.expressions.output {
                break;
            }
        }
        op.texts.set(depth);
        filled?;
        if out.len() > self.def.limits.expressions.output {
            return Err(Error::new(Code::Limit, "A text with placeholders grows too long (limit: output)."));
        }
        Ok(out)
    }

    /// The template a text stands for in the current language.
    pub(crate) fn template<'s>(&'s self, text: &'s Text, form: u16) -> Option<&'s Template> {
        match text {
            Text::None => None,
            Text::Inline(template) => (form == PLAIN).then_some(template),
            Text::Itext(id) => self.def.itext.lookup(self.language, *id, form),
            Text::IdOrInline(template, id) => {
                let other = id.and_then(|id| self.def.itext.lookup(self.language, id, form));
                other.or((form == PLAIN).then_some(template))
            }
        }
    }
}

impl<'a, 'x: 'a> Instances<'a> for Env<'x> {
    fn instance(&self, id: &str) -> Resolved<'a> {
        let session = self.session;
        let Some(at) = session.def.instances.iter().position(|instance| *instance.id == *id) else {
            return Resolved::Undeclared;
        };
        match &session.def.instances[at].source {
            InstanceSource::Inline(tree) => Resolved::Source(&**tree),
            InstanceSource::External(_) => match session.externals.get(at) {
                Some(Some(source)) => Resolved::Source(&**source),
                _ => Resolved::Unloaded,
            },
        }
    }
}

impl Host for Env<'_> {
    fn now_ms(&self) -> i64 {
        self.op.host.now_ms()
    }

    fn offset_ms(&self, zone: Zone, utc_ms: i64) -> i64 {
        self.op.host.offset_ms(zone, utc_ms)
    }

    fn random(&self) -> f64 {
        self.op.host.random()
    }

    fn uuid(&self, length: Option<usize>) -> String {
        self.op.host.uuid(length)
    }

    fn locale_text(&self, key: &str) -> Option<String> {
        self.op.host.locale_text(key)
    }

    fn handler(&self, name: &str) -> Option<&dyn Handler> {
        if let Some(handler) = self.op.host.handler(name) {
            return Some(handler);
        }
        matches!(name, "jr:itext" | "jr:choice-name").then_some(self as &dyn Handler)
    }

    fn has_handlers(&self) -> bool {
        self.op.host.has_handlers()
    }
}

impl Handler for Env<'_> {
    fn call<'a>(
        &self,
        name: &str,
        arguments: &[Value<'a>],
        here: Option<NodeRef<'a>>,
        context: &Context<'a>,
    ) -> Result<Value<'a>, Error> {
        let session = self.session;
        match (name, arguments) {
            ("jr:itext", [id]) => {
                let id = id.to_text(context)?;
                if session.def.itext.languages.is_empty() {
                    return Ok(Value::text("[nolocale]"));
                }
                match session.def.itext.by_key(session.language, &id) {
                    None => Ok(Value::text(format!("[itext:{id}]"))),
                    Some(template) if self.op.raw_texts.get() => Ok(Value::text(template.raw())),
                    Some(template) => {
                        let at = At { node: here, original: context.original, ..At::default() };
                        Ok(Value::text(session.fill(self.op, template, at)?))
                    }
                }
            }
            ("jr:choice-name", [value, path]) => {
                let (value, path) = (value.to_text(context)?, path.to_text(context)?);
                Ok(Value::text(self.choice_name(&value, &path)?))
            }
            _ => Err(Error::type_mismatch(format!("{name}() does not take {} arguments", arguments.len()))),
        }
    }
}

impl Env<'_> {
    /// The label of a choice written in the form.
    fn choice_name(&self, value: &str, path: &str) -> Result<String, Error> {
        let session = self.session;
        let question = session.place_at(path).and_then(|place| session.def.schema[place as usize].question);
        let question = question.and_then(|id| session.def.elements[id as usize].question());
        let choices = question.filter(|q| q.control.is_select()).map_or(&[][..], |q| &q.choices);
        let Some(choice) = choices.iter().find(|choice| *choice.value == *value) else {
            return Ok(String::new());
        };
        // Placeholders stay as they are: there is no node they could belong to.
        Ok(session.template(&choice.label, PLAIN).map(|template| template.raw()).unwrap_or_default())
    }
}
