//! Stack operations.

use super::{Frame, Session, Step, StepKind};
use crate::env::{Cx, Env, Variables};
use crate::error::{Code, Error};
use crate::request;
use crate::suite::{Operation, OperationKind, StepTemplate, StepValue};

/// How a list of steps ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Goes,
    /// It rewound or left the application: nothing that follows is done.
    Ended,
}

impl Session {
    /// Executes operations in order; gives the steps that were dropped and whether a rewind ended them.
    pub fn execute(
        &mut self,
        operations: &[Operation],
        env: &Env<'_>,
        variables: &Variables,
    ) -> Result<(bool, Vec<Step>), Error> {
        let mut dropped = Vec::new();
        let mut rewound = false;
        for operation in operations {
            if let Some(condition) = &operation.condition
                && !env.boolean(condition, None, variables)?
            {
                continue;
            }
            match operation.kind {
                OperationKind::Create => {
                    let mut frame = Frame::default();
                    self.fill(operation, Some(&mut frame), env, variables, &mut Vec::new())?;
                    self.clean_stack();
                    self.waiting.push(frame);
                }
                OperationKind::Push => {
                    if self.fill(operation, None, env, variables, &mut dropped)? == Flow::Ended {
                        rewound = true;
                        break;
                    }
                }
                OperationKind::Clear => {
                    // The current frame is never among those that wait.
                }
            }
        }
        self.sync(env.cx.app);
        Ok((rewound, dropped))
    }

    /// Makes the steps of an operation on a new frame, or on the current one.
    fn fill(
        &mut self,
        operation: &Operation,
        mut target: Option<&mut Frame>,
        env: &Env<'_>,
        variables: &Variables,
        dropped: &mut Vec<Step>,
    ) -> Result<Flow, Error> {
        for template in &operation.steps {
            match template {
                StepTemplate::Rewind(value) => {
                    let frame = target.as_deref_mut().unwrap_or(&mut self.frame);
                    let Some(mark) = frame.steps.iter().rposition(|step| step.kind == StepKind::Mark) else {
                        continue;
                    };
                    let datum = frame.steps[mark].id.clone();
                    let value = value.as_ref().map(|value| evaluate(value, env, variables)).transpose()?;
                    dropped.extend(frame.steps.split_off(mark));
                    if let Some(value) = value {
                        frame.steps.push(Step::new(StepKind::Unknown, datum, Some(value)));
                    }
                    return Ok(Flow::Ended);
                }
                StepTemplate::Jump(url) => {
                    self.redirect = Some(url.evaluate(env, None, variables)?);
                    return Ok(Flow::Ended);
                }
                template => {
                    let step = self.step(template, target.as_deref(), env, variables)?;
                    target.as_deref_mut().unwrap_or(&mut self.frame).steps.push(step);
                }
            }
        }
        Ok(Flow::Goes)
    }

    fn step(
        &self,
        template: &StepTemplate,
        target: Option<&Frame>,
        env: &Env<'_>,
        variables: &Variables,
    ) -> Result<Step, Error> {
        let value = |value: &StepValue| evaluate(value, env, variables);
        Ok(match template {
            StepTemplate::Command(id) => Step::new(StepKind::Command, value(id)?, None),
            StepTemplate::Datum(id, at) => Step::new(StepKind::Unknown, &**id, Some(value(at)?)),
            StepTemplate::InstanceDatum(id, at) => Step::new(StepKind::Entities, &**id, Some(value(at)?)),
            StepTemplate::Query(id, url, parameters) => {
                let mut step = Step::new(StepKind::Query, &**id, Some(url.to_string()));
                step.parameters = request::parameters(parameters, env, variables)?;
                step
            }
            StepTemplate::Mark => {
                let mut session =
                    Session { frame: target.unwrap_or(&self.frame).clone(), ..Session::default() };
                session.sync(env.cx.app);
                match session.needed_datum(env.cx.app)? {
                    Some(datum) => Step::new(StepKind::Mark, &*datum.id, None),
                    None => {
                        return Err(Error::new(
                            Code::Configuration,
                            "Can't add a mark in a place where there is no needed datum",
                        ));
                    }
                }
            }
            StepTemplate::Rewind(_) | StepTemplate::Jump(_) => Step::new(StepKind::Mark, "", None),
        })
    }

    /// Drops the frames that wait if the current one no longer leads to them.
    fn clean_stack(&mut self) {
        if self.frame.left_snapshot() {
            self.waiting.clear();
            self.frame.snapshot.clear();
        }
    }

    /// Goes on with the next frame; false if there is none.
    fn finish(&mut self, cx: &Cx<'_>, rewound: bool, dropped: &mut Vec<Step>) -> bool {
        self.clean_stack();
        let Some(next) = self.waiting.pop() else {
            if !rewound {
                dropped.extend(self.frame.steps.iter().cloned());
            }
            return rewound;
        };
        dropped.extend(std::mem::replace(&mut self.frame, next).steps);
        if !self.waiting.is_empty() {
            self.frame.capture();
        }
        self.sync(cx.app);
        true
    }

    /// Runs operations while the frame is alive: of an action or an endpoint. Frames they make wait.
    pub fn run(
        &mut self,
        operations: &[Operation],
        env: &Env<'_>,
        variables: &Variables,
    ) -> Result<(), Error> {
        self.execute(operations, env, variables).map(drop)
    }

    /// Ends the current frame and runs the operations of its entry. Gives whether the session goes on, and the steps
    /// that were dropped.
    pub fn complete(&mut self, env: &Env<'_>) -> Result<(bool, Vec<Step>), Error> {
        let entry = self.entry(env.cx.app)?;
        self.frame.dead = true;
        let (rewound, mut dropped) = self.execute(&entry.stack, env, &[])?;
        let goes_on = self.finish(env.cx, rewound, &mut dropped);
        Ok((goes_on, dropped))
    }
}

fn evaluate(value: &StepValue, env: &Env<'_>, variables: &Variables) -> Result<String, Error> {
    match value {
        StepValue::Literal(text) => Ok(text.to_string()),
        StepValue::Expression(expr) => env.text(expr, None, variables),
    }
}
