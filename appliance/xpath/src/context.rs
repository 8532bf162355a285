//! What an evaluation is given: instances, the context node, variables, and everything volatile.

use std::cell::Cell;

use crate::error::{Code, Error};
use crate::source::{DataSource, NodeId, NodeValue};
use crate::value::{NodeRef, Value};

/// Bounds of one evaluation (and of one parse, for `depth`).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Operations: nodes visited, operators and calls evaluated.
    pub steps: u64,
    /// Members of one nodeset.
    pub nodes: usize,
    /// Nested expressions, predicates and calls.
    pub depth: u32,
    /// Bytes of one text made by a function.
    pub output: usize,
    /// Backtracking steps of one regular expression.
    pub regex: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { steps: 50_000_000, nodes: 2_000_000, depth: 200, output: 16 << 20, regex: 1_000_000 }
    }
}

/// Which time zone is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The user's zone, or the process's where the user has none.
    User,
    /// The zone the process runs in.
    Process,
    /// The user's zone if it has a name, else the process's; a bare offset is ignored.
    Named,
}

/// A named instance.
#[derive(Clone, Copy)]
pub enum Resolved<'a> {
    /// Nothing of that id was declared.
    Undeclared,
    /// Declared, but it has no data.
    Unloaded,
    /// Here it is.
    Source(&'a dyn DataSource),
}

/// Finds named instances.
pub trait Instances<'a> {
    /// The instance called `id`.
    fn instance(&self, id: &str) -> Resolved<'a>;
}

/// No named instances.
pub struct NoInstances;

impl<'a> Instances<'a> for NoInstances {
    fn instance(&self, _id: &str) -> Resolved<'a> {
        Resolved::Undeclared
    }
}

/// The type of a parameter of a host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number,
    /// Text.
    Text,
    /// A truth value.
    Boolean,
    /// A date.
    Date,
}

/// A function the host supplies.
pub trait Handler {
    /// Lists of parameter types: arguments are converted to the first that fits. None at all: arguments come as
    /// they were evaluated.
    fn prototypes(&self) -> &[Vec<Kind>] {
        &[]
    }

    /// Whether arguments that fit no prototype are passed on as they were evaluated.
    fn raw(&self) -> bool {
        false
    }

    /// Calls the function. `here` is the node the expression is evaluated at.
    fn call<'a>(
        &self,
        name: &str,
        arguments: &[Value<'a>],
        here: Option<NodeRef<'a>>,
        context: &Context<'a>,
    ) -> Result<Value<'a>, Error>;
}

/// Everything that changes from one moment, machine or user to another.
pub trait Host {
    /// `now()`, in milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64 {
        0
    }

    /// Offset from UTC in milliseconds at an instant.
    fn offset_ms(&self, _zone: Zone, _utc_ms: i64) -> i64 {
        0
    }

    /// `random()`, in [0, 1).
    fn random(&self) -> f64 {
        0.0
    }

    /// `uuid()`: a version 4 UUID in lower case, or `length` characters of `0-9A-Z`.
    fn uuid(&self, _length: Option<usize>) -> String {
        String::new()
    }

    /// A text of the user's language by key, such as `ethiopian_months`.
    fn locale_text(&self, _key: &str) -> Option<String> {
        None
    }

    /// A function the host supplies under this name, which also overrides a built-in one.
    fn handler(&self, _name: &str) -> Option<&dyn Handler> {
        None
    }

    /// Whether [`Host::handler`] may answer at all; saves the question at every call of a built-in.
    fn has_handlers(&self) -> bool {
        false
    }
}

/// A host that knows nothing: 1970, UTC, no randomness, no functions.
pub struct NoHost;

impl Host for NoHost {}

/// The surroundings of one evaluation.
///
/// `'a` is the life of the data: values that come out borrow from it.
pub struct Context<'a> {
    /// The main instance, which `/` means.
    pub main: Option<&'a dyn DataSource>,
    /// Finds `instance('…')`.
    pub instances: &'a dyn Instances<'a>,
    /// Clock, randomness, zones, functions.
    pub host: &'a dyn Host,
    /// The context node; nothing is the root `/`.
    pub node: Option<NodeRef<'a>>,
    /// What `current()` means, where it differs from the context node.
    pub original: Option<NodeRef<'a>>,
    /// The answer under test: the context node yields it instead of what is stored.
    pub candidate: Option<NodeValue<'a>>,
    /// `$name` values.
    pub variables: &'a [(&'a str, Value<'a>)],
    /// Bounds.
    pub limits: Limits,
    /// Operations left; starts at `limits.steps`.
    pub steps_left: Cell<u64>,
    /// Whether lookups may be planned; off only to compare with the plain walk.
    pub planned: bool,
}

impl<'a> Context<'a> {
    /// A context at the root with default limits.
    pub fn new(
        main: Option<&'a dyn DataSource>,
        instances: &'a dyn Instances<'a>,
        host: &'a dyn Host,
    ) -> Self {
        let limits = Limits::default();
        Context {
            main,
            instances,
            host,
            node: None,
            original: None,
            candidate: None,
            variables: &[],
            limits,
            steps_left: Cell::new(limits.steps),
            planned: true,
        }
    }

    /// The same, at a node of the main instance.
    pub fn at(mut self, node: NodeId) -> Self {
        self.node = self.main.map(|source| NodeRef { instance: None, source, node });
        self
    }

    /// Replaces the limits and refills the counter.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.steps_left.set(limits.steps);
        self
    }

    #[inline]
    pub(crate) fn spend(&self, steps: u64) -> Result<(), Error> {
        match self.steps_left.get().checked_sub(steps) {
            Some(left) => {
                self.steps_left.set(left);
                Ok(())
            }
            None => Err(Error::new(
                Code::Limit,
                format!("The expression needs more than {} steps (limit: steps).", self.limits.steps),
            )),
        }
    }

    pub(crate) fn check_output(&self, length: usize) -> Result<(), Error> {
        if length > self.limits.output {
            return Err(Error::new(
                Code::Limit,
                format!("A text grows beyond {} bytes (limit: output).", self.limits.output),
            ));
        }
        Ok(())
    }
}
