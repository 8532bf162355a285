//! Going to an endpoint.

use bolster_xpath::Value;

use super::{Navigator, Notice, Options, Outcome};
use crate::env::{Env, Scope};
use crate::error::{Code, Error};
use crate::instance::Slot;
use crate::screen::Screen;
use crate::session::Needed;

fn refused(message: impl Into<String>) -> Error {
    Error::new(Code::Configuration, message)
}

impl Navigator<'_> {
    /// Goes to an endpoint with arguments by name.
    ///
    /// Errors: an unknown endpoint, a missing or an unknown argument, a claim that failed.
    pub fn go_to_endpoint(
        &mut self,
        id: &str,
        arguments: Option<&[(String, String)]>,
        options: &Options<'_>,
    ) -> Result<(Outcome, Option<Notice>), Error> {
        let endpoint = self.cx.app.endpoints.get(id).cloned().ok_or_else(|| {
            refused(
                "This link does not exist. Your app may have changed so that the given link is no longer valid",
            )
        })?;
        let mut scope = Scope::default();
        let mut variables: Vec<(Box<str>, Value<'static>)> = Vec::new();
        if let Some(arguments) = arguments {
            self.check_arguments(&endpoint, arguments)?;
            for argument in &endpoint.arguments {
                let Some((_, value)) = arguments.iter().find(|(key, _)| **key == *argument.id) else {
                    continue;
                };
                let mut value = value.clone();
                if let Some(instance) = &argument.instance {
                    let values: Vec<String> = value.split(',').map(str::to_owned).collect();
                    value = self.cx.world.keep_list(values);
                    scope.add(instance, Slot::Kept(value.clone()));
                }
                variables.push((argument.id.clone(), Value::text(value)));
            }
        }
        let count = endpoint.stack.len();
        for (at, operation) in endpoint.stack.iter().enumerate() {
            let env = Env::new(self.cx, &scope);
            self.session.run(std::slice::from_ref(operation), &env, &variables)?;
            if self.needs_post()? {
                let failed = |error: Error| match error.code {
                    Code::Session => refused("Unable to claim case."),
                    _ => error,
                };
                self.post(options).map_err(failed)?;
                if at + 1 < count {
                    self.complete_and_rebuild()?;
                }
            }
        }
        let wanted = self.session.resolved(self.cx.app);
        self.rebuild(endpoint.respect_relevancy)?;
        let selections = self.selections.clone();
        let walked = self.session.resolved(self.cx.app);
        let queries = self.queries_of(&walked, &wanted);
        self.reset();
        let options = Options {
            queries,
            ignore_relevancy: !endpoint.respect_relevancy,
            login_as: options.login_as.clone(),
            confirmed: options.confirmed,
            ..Options::default()
        };
        self.advance(&selections, &options, false)
    }

    fn check_arguments(
        &self,
        endpoint: &crate::suite::Endpoint,
        arguments: &[(String, String)],
    ) -> Result<(), Error> {
        let given = |id: &str| arguments.iter().any(|(key, _)| key == id);
        let missing: Vec<&str> = endpoint.arguments.iter().map(|a| &*a.id).filter(|id| !given(id)).collect();
        let known = |id: &str| endpoint.arguments.iter().any(|argument| *argument.id == *id);
        let unexpected: Vec<&str> = arguments.iter().map(|(key, _)| &**key).filter(|id| !known(id)).collect();
        if missing.is_empty() && unexpected.is_empty() {
            return Ok(());
        }
        let mut message = "Invalid arguments supplied for link.".to_owned();
        if !missing.is_empty() {
            message.push_str(&format!(" Missing arguments: {}.", missing.join(", ")));
        }
        if !unexpected.is_empty() {
            message.push_str(&format!(" Unexpected arguments: {}.", unexpected.join(", ")));
        }
        Err(refused(message))
    }

    /// Whether the post of the entry comes next, once values are computed.
    fn needs_post(&mut self) -> Result<bool, Error> {
        for _ in 0..super::ROUNDS_MAX {
            match self.session.needed(self.cx)? {
                Needed::Post => return Ok(true),
                Needed::Computed(datum) => self.session.compute(self.cx, &datum)?,
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The screen the session is at, for callers that show a part of it.
    pub fn current(&mut self, options: &Options<'_>) -> Result<Option<Screen>, Error> {
        self.next_screen(options)
    }
}
