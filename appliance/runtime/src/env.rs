//! What expressions of an application are evaluated against: instances, language, functions, the world outside.

use std::cell::OnceCell;

use bolster_xpath::{
    Context, DataSource, Error as XPathError, Expr, Handler, Host, Instances, Kind, NodeRef, Nodeset,
    Resolved, Value, Zone, dates,
};

use crate::app::App;
use crate::error::{Code, Error};
use crate::instance::Slot;
use crate::world::{Source, World};

/// Values of `$name`, owned: they outlive the row they were computed for.
pub type Variables = [(Box<str>, Value<'static>)];

/// What stays the same during one request.
#[derive(Clone, Copy)]
pub struct Cx<'x> {
    /// The application.
    pub app: &'x App,
    /// Data and everything volatile.
    pub world: &'x dyn World,
    /// The language of texts.
    pub language: &'x str,
    /// The width of the window, if the client said it.
    pub window_width: Option<&'x str>,
}

impl Cx<'_> {
    /// A translation with its placeholders filled.
    pub fn locale(&self, key: &str, arguments: &[String]) -> Result<String, Error> {
        self.app.locales.text(self.language, key, arguments)
    }

    /// A translation, if there is one.
    pub fn locale_or<'l>(&'l self, key: &str, otherwise: &'l str) -> &'l str {
        self.app.locales.get(self.language, key).unwrap_or(otherwise)
    }

    /// The title of the application.
    pub fn title(&self) -> String {
        self.locale_or("app.display.name", "CommCare").to_owned()
    }
}

/// The instances within reach of some expressions. Data is loaded when it is first asked for.
#[derive(Clone, Default)]
pub struct Scope {
    /// The value of `here()`, where it is none of the world's business.
    pub(crate) here: Option<&'static str>,
    pub(crate) slots: Vec<(Box<str>, Slot, OnceCell<Option<Source>>)>,
}

impl Scope {
    /// Puts an instance within reach; a later one of the same id counts.
    pub(crate) fn add(&mut self, id: &str, slot: Slot) {
        match self.slots.iter_mut().find(|(known, ..)| **known == *id) {
            Some(known) => *known = (id.into(), slot, OnceCell::new()),
            None => self.slots.push((id.into(), slot, OnceCell::new())),
        }
    }

    /// Whether results of a search are within reach.
    pub(crate) fn has_results(&self) -> bool {
        self.slots.iter().any(|(_, slot, _)| matches!(slot, Slot::Results(_)))
    }

    /// The ids of instances that are declared by a source and have no data.
    pub(crate) fn waiting_for(&self, source: impl Fn(&str) -> bool) -> Vec<String> {
        let waiting = |slot: &Slot| matches!(slot, Slot::Nothing(declared) if source(declared));
        self.slots.iter().filter(|(_, slot, _)| waiting(slot)).map(|(id, ..)| id.to_string()).collect()
    }

    /// The ids of the instances.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|(id, ..)| &**id)
    }
}

/// Where expressions of an application are evaluated.
pub struct Env<'x> {
    /// What stays the same.
    pub cx: &'x Cx<'x>,
    /// The instances.
    pub scope: &'x Scope,
}

impl<'x> Env<'x> {
    /// An environment.
    pub fn new(cx: &'x Cx<'x>, scope: &'x Scope) -> Self {
        Env { cx, scope }
    }

    /// The surroundings of one evaluation.
    pub fn context<'r>(
        &'r self,
        node: Option<NodeRef<'r>>,
        variables: &'r [(&'r str, Value<'r>)],
    ) -> Context<'r> {
        let mut context = Context::new(None, self, self);
        context.node = node;
        context.original = node;
        context.variables = variables;
        context
    }

    /// Evaluates an expression and hands the result on.
    pub fn eval<T>(
        &self,
        expr: &Expr,
        node: Option<NodeRef<'_>>,
        variables: &Variables,
        then: impl for<'v> FnOnce(Value<'v>, &Context<'v>) -> Result<T, XPathError>,
    ) -> Result<T, Error> {
        let views: Vec<(&str, Value<'_>)> =
            variables.iter().map(|(name, value)| (&**name, value.clone())).collect();
        let context = self.context(node, &views);
        let result = expr.evaluate(&context).and_then(|value| then(value, &context));
        Ok(result?)
    }

    /// The data of an instance that was asked for before.
    pub fn loaded(&self, id: &str) -> Option<&dyn DataSource> {
        let (_, slot, cell) = self.scope.slots.iter().find(|(known, ..)| **known == *id)?;
        cell.get_or_init(|| slot.load(self.cx)).as_ref().map(|source| -> &dyn DataSource { &**source })
    }

    /// The result as text.
    pub fn text(
        &self,
        expr: &Expr,
        node: Option<NodeRef<'_>>,
        variables: &Variables,
    ) -> Result<String, Error> {
        if let Some(text) = node.and_then(|node| expr.child_text(node)) {
            return Ok(text.to_owned());
        }
        self.eval(expr, node, variables, |value, context| Ok(value.to_text(context)?.into_owned()))
    }

    /// The result as a truth value.
    pub fn boolean(
        &self,
        expr: &Expr,
        node: Option<NodeRef<'_>>,
        variables: &Variables,
    ) -> Result<bool, Error> {
        self.eval(expr, node, variables, |value, context| value.to_boolean(context))
    }

    /// The result as a value that outlives the evaluation.
    pub fn value(
        &self,
        expr: &Expr,
        node: Option<NodeRef<'_>>,
        variables: &Variables,
    ) -> Result<Value<'static>, Error> {
        self.eval(expr, node, variables, |value, context| {
            Ok(match value.unpack(context)? {
                Value::Boolean(b) => Value::Boolean(b),
                Value::Number(n) => Value::Number(n),
                Value::Date(ms) => Value::Date(ms),
                Value::Text(text) => Value::text(text.into_owned()),
                Value::Nodes(_) => Value::text(""),
                Value::Sequence(values) => {
                    let texts = values.iter().map(|v| Ok(Value::text(v.to_text(context)?.into_owned())));
                    Value::Sequence(texts.collect::<Result<_, XPathError>>()?)
                }
            })
        })
    }

    /// The nodes of a path; none if the path fits nothing.
    pub fn nodes<'r>(
        &'r self,
        expr: &'r Expr,
        node: Option<NodeRef<'r>>,
        variables: &Variables,
    ) -> Result<Nodeset<'r>, Error>
    where
        'x: 'r,
    {
        // Variables are views into a list that lives here: nodes do not borrow from them.
        let views: Vec<(&str, Value<'_>)> =
            variables.iter().map(|(name, value)| (&**name, value.clone())).collect();
        let found = {
            let context = self.context(node, &views);
            let nodes = expr.evaluate_nodeset(&context).map_err(|error| self.expansion(expr, error))?;
            (nodes.instance.map(str::to_owned), nodes.nodes)
        };
        let (instance, nodes) = found;
        match (instance, node) {
            (Some(id), _) => match self.scope.slots.iter().find(|(known, ..)| **known == *id) {
                Some((known, _, cell)) => match cell.get() {
                    Some(Some(source)) => {
                        Ok(Nodeset { instance: Some(&**known), source: &**source, nodes, invalid: None })
                    }
                    _ => Err(self.no_instance(expr)),
                },
                None => Err(self.no_instance(expr)),
            },
            (None, Some(node)) => Ok(Nodeset { instance: None, source: node.source, nodes, invalid: None }),
            (None, None) => Err(self.no_instance(expr)),
        }
    }

    fn no_instance(&self, expr: &Expr) -> Error {
        let message = format!(
            "Unable to expand reference {}, no appropriate instance in evaluation context",
            expr.pretty()
        );
        Error::new(Code::Expression(bolster_xpath::Code::MissingInstance), message)
    }

    /// A nodeset over an instance that is not there is its own error.
    fn expansion(&self, expr: &Expr, error: XPathError) -> Error {
        if error.code == bolster_xpath::Code::MissingInstance && expr.is_path() {
            let id = expr
                .text()
                .strip_prefix("instance('")
                .and_then(|rest| rest.split_once('\''))
                .map(|(id, _)| id);
            if id.is_some_and(|id| !self.scope.slots.iter().any(|(known, ..)| **known == *id)) {
                return self.no_instance(expr);
            }
        }
        error.into()
    }
}

impl<'a, 'x: 'a> Instances<'a> for Env<'x> {
    fn instance(&self, id: &str) -> Resolved<'a> {
        let Some((_, slot, cell)) = self.scope.slots.iter().find(|(known, ..)| **known == *id) else {
            return Resolved::Undeclared;
        };
        match cell.get_or_init(|| slot.load(self.cx)) {
            Some(source) => Resolved::Source(&**source),
            None => Resolved::Unloaded,
        }
    }
}

impl Host for Env<'_> {
    fn now_ms(&self) -> i64 {
        self.cx.world.now_ms()
    }

    fn offset_ms(&self, zone: Zone, utc_ms: i64) -> i64 {
        self.cx.world.offset_ms(zone, utc_ms)
    }

    fn random(&self) -> f64 {
        self.cx.world.random()
    }

    fn uuid(&self, length: Option<usize>) -> String {
        self.cx.world.uuid(length)
    }

    fn locale_text(&self, key: &str) -> Option<String> {
        self.cx.app.locales.get(self.cx.language, key).map(str::to_owned)
    }

    fn handler(&self, name: &str) -> Option<&dyn Handler> {
        match name {
            "here" | "dow" => Some(self),
            "format_date" => Some(&FormatDate),
            _ => None,
        }
    }
}

impl Handler for Env<'_> {
    fn prototypes(&self) -> &[Vec<Kind>] {
        const NONE: &[Vec<Kind>] = &[Vec::new()];
        NONE
    }

    fn call<'a>(
        &self,
        name: &str,
        _arguments: &[Value<'a>],
        _here: Option<NodeRef<'a>>,
        _context: &Context<'a>,
    ) -> Result<Value<'a>, XPathError> {
        match name {
            "dow" => {
                let local = self.now_ms() + self.offset_ms(Zone::Process, self.now_ms());
                // 1970-01-01 was a Thursday, the fifth day of a week that begins with Sunday.
                let day = (local.div_euclid(86_400_000) + 4).rem_euclid(7) + 1;
                Ok(Value::text(day.to_string()))
            }
            _ => Ok(match self.scope.here {
                Some(here) => Value::text(here),
                None => Value::text(self.cx.world.here()),
            }),
        }
    }
}

/// `format_date(d, 'short'|'long')`.
struct FormatDate;

impl Handler for FormatDate {
    fn raw(&self) -> bool {
        true
    }

    fn call<'a>(
        &self,
        _name: &str,
        arguments: &[Value<'a>],
        _here: Option<NodeRef<'a>>,
        context: &Context<'a>,
    ) -> Result<Value<'a>, XPathError> {
        let [date, style] = arguments else {
            return Err(XPathError::type_mismatch("format_date() takes a date and a style"));
        };
        let Value::Date(ms) = date.to_date(context)? else { return Ok(Value::text("")) };
        let pattern = if style.to_text(context)? == "long" { "%Y-%m-%d" } else { "%d/%m/%y" };
        Ok(Value::text(dates::format(ms, pattern, context.host).unwrap_or_default()))
    }
}
