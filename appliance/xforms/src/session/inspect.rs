//! Looking into a session from outside: expressions of a debugger, texts of the form by their id.

use bolster_xpath::{Context, Error, Expr, Value};

use super::Session;
use super::env::{At, Op};
use crate::definition::FormDefinition;
use crate::error::FormError;
use crate::host::FormHost;
use crate::text::PLAIN;

impl Session {
    /// Evaluates an expression at the root of the main instance and hands the result on. Parse it with the names of
    /// the definition.
    pub fn evaluate<T>(
        &self,
        expr: &Expr,
        host: &dyn FormHost,
        then: impl for<'v> FnOnce(Value<'v>, &Context<'v>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.eval(&Op::new(host, self), expr, None, then)
    }

    /// The text of an id in the current language, filled; nothing if the form has no such text.
    pub fn itext(&self, id: &str, host: &dyn FormHost) -> Result<Option<String>, FormError> {
        let Some(id) = self.def.itext.id(id) else { return Ok(None) };
        let Some(template) = self.def.itext.lookup(self.language, id, PLAIN) else { return Ok(None) };
        let text = self.fill(&Op::new(host, self), template, At::default());
        text.map(Some).map_err(|error| FormError::of(&error, "", ""))
    }
}

impl FormDefinition {
    /// The ids of all instances besides the main one.
    pub fn instance_ids(&self) -> impl Iterator<Item = &str> {
        self.instances.iter().map(|instance| &*instance.id)
    }
}
