//! The session: where a user is in an application, as a stack of frames of steps.

mod frame;
mod needed;
mod operations;
mod scope;

use serde::{Deserialize, Serialize};

use crate::app::App;

pub use frame::{Attached, Frame, Step, StepKind};
pub use needed::Needed;

/// Where a user is. A value: it can be cloned, kept and resumed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Session {
    /// The current frame.
    pub frame: Frame,
    /// Frames that wait until the current one is done, the next one last.
    pub waiting: Vec<Frame>,
    /// Where a step leads out of the application.
    pub redirect: Option<String>,
    #[serde(skip)]
    derived: Derived,
}

/// What the steps of a frame amount to.
#[derive(Clone, Debug, Default)]
struct Derived {
    command: Option<String>,
    /// Id and value of each datum; the latest value of an id at the place of its first.
    data: Vec<(String, String)>,
    form: Option<String>,
}

impl Session {
    /// A session at the root of an application.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes what the steps amount to agree with the steps.
    pub fn sync(&mut self, app: &App) {
        self.derived = self.frame.derive(app);
    }

    /// The id of the current command.
    pub fn command(&self) -> Option<&str> {
        self.derived.command.as_deref()
    }

    /// The data collected, by id.
    pub fn data(&self) -> &[(String, String)] {
        &self.derived.data
    }

    /// Adds a step.
    pub fn push(&mut self, app: &App, step: Step) {
        self.frame.steps.push(step);
        self.sync(app);
    }

    /// Chooses a command.
    pub fn set_command(&mut self, app: &App, id: &str) {
        self.push(app, Step::new(StepKind::Command, id, None));
    }

    /// Chooses the value of a datum.
    pub fn set_entity(&mut self, app: &App, id: &str, value: &str) {
        self.push(app, Step::new(StepKind::Entity, id, Some(value.to_owned())));
    }

    /// The namespace of the form to open, if the command is an entry that opens one.
    pub fn form<'s>(&'s self, app: &'s App) -> Option<&'s str> {
        if let Some(form) = &self.derived.form {
            return Some(form);
        }
        app.entries.get(self.command()?)?.form.as_deref()
    }

    /// The steps with unknown kinds resolved.
    pub fn resolved(&self, app: &App) -> Vec<Step> {
        let mut steps = self.frame.steps.clone();
        for (at, step) in steps.iter_mut().enumerate() {
            if step.kind == StepKind::Unknown {
                step.kind = self.frame.guess(app, &self.frame.steps[at]);
            }
        }
        steps
    }
}
