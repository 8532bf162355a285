//! Frames and steps.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Derived;
use crate::app::App;
use crate::instance::{REMOTE, SEARCH_INPUT, SELECTED, Slot};
use crate::world::Search;

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepKind {
    /// A menu or entry was chosen.
    Command,
    /// A value was chosen or computed.
    Entity,
    /// Several values were chosen; the value is the id of their list.
    Entities,
    /// A value was computed.
    Computed,
    /// A search was made.
    Query,
    /// A bookmark.
    Mark,
    /// A datum whose kind follows from where it stands.
    Unknown,
    /// The namespace of the form to open.
    Form,
}

/// Data that a step brought along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attached {
    /// Results of a search.
    Results(Arc<Search>),
    /// What was entered into the search of a datum.
    Input(String, Arc<Vec<(String, String)>>),
    /// The values chosen for a datum, under an id.
    Values(String, String),
}

impl Attached {
    /// The source reference it answers to.
    pub fn reference(&self) -> String {
        match self {
            Attached::Results(search) => format!("{REMOTE}/{}", search.instance),
            Attached::Input(datum, _) => format!("{SEARCH_INPUT}/{datum}"),
            Attached::Values(datum, _) => format!("{SELECTED}/{datum}"),
        }
    }

    /// The id of the instance it is.
    pub fn id(&self) -> String {
        match self {
            Attached::Results(search) => search.instance.clone(),
            Attached::Input(datum, _) => format!("search-input:{datum}"),
            Attached::Values(datum, _) => datum.clone(),
        }
    }

    /// Its data.
    pub fn slot(&self) -> Slot {
        match self {
            Attached::Results(search) => Slot::Results(search.clone()),
            Attached::Input(_, answers) => Slot::Input(answers.clone()),
            Attached::Values(_, id) => Slot::Kept(id.clone()),
        }
    }
}

/// One step of a frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What it is.
    pub kind: StepKind,
    /// The command, datum or namespace.
    pub id: String,
    /// The value of a datum.
    pub value: Option<String>,
    /// The post of the entry was sent after this step.
    #[serde(default)]
    pub posted: bool,
    /// Parameters of a search that was asked for by a stack operation.
    #[serde(default)]
    pub parameters: Vec<(String, String)>,
    /// Data it brought along.
    #[serde(default)]
    pub attached: Vec<Attached>,
}

impl Step {
    /// A step without anything attached.
    pub fn new(kind: StepKind, id: impl Into<String>, value: Option<String>) -> Self {
        Step { kind, id: id.into(), value, posted: false, parameters: Vec::new(), attached: Vec::new() }
    }

    /// Whether both say the same; what is attached does not count.
    pub fn same(&self, other: &Step) -> bool {
        self.kind == other.kind && self.id == other.id && self.value == other.value
    }
}

/// Steps from the root to where a user is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Frame {
    /// In order.
    pub steps: Vec<Step>,
    /// The steps when the frame came from the stack while others waited.
    #[serde(default)]
    pub snapshot: Vec<Step>,
    /// Its form is done.
    #[serde(default)]
    pub dead: bool,
}

impl Frame {
    /// What an unknown step is: it shows in the entries reachable from the steps of the frame.
    pub fn guess(&self, app: &App, unknown: &Step) -> StepKind {
        for step in &self.steps {
            for entry in app.entries_for(&step.id).unwrap_or_default() {
                if *entry.command == *unknown.id {
                    return StepKind::Command;
                }
                if entry.data.iter().any(|datum| *datum.id == *unknown.id && datum.entity().is_some()) {
                    return StepKind::Entity;
                }
            }
        }
        StepKind::Computed
    }

    pub(super) fn derive(&self, app: &App) -> Derived {
        let mut out = Derived::default();
        let collect = |data: &mut Vec<(String, String)>, step: &Step| {
            let Some(value) = &step.value else { return };
            match data.iter_mut().find(|(id, _)| *id == step.id) {
                Some(known) => known.1.clone_from(value),
                None => data.push((step.id.clone(), value.clone())),
            }
        };
        for step in &self.steps {
            match step.kind {
                StepKind::Entity | StepKind::Entities | StepKind::Computed | StepKind::Query => {
                    collect(&mut out.data, step);
                }
                StepKind::Unknown => match self.guess(app, step) {
                    StepKind::Computed | StepKind::Entity => collect(&mut out.data, step),
                    _ => {}
                },
                StepKind::Command => out.command = Some(step.id.clone()),
                StepKind::Form => out.form = Some(step.id.clone()),
                StepKind::Mark => {}
            }
        }
        out
    }

    /// The data the session instance shows: everything but searches.
    pub fn session_data(&self, app: &App) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = Vec::new();
        for step in &self.steps {
            let kind = if step.kind == StepKind::Unknown { self.guess(app, step) } else { step.kind };
            if !matches!(kind, StepKind::Entity | StepKind::Entities | StepKind::Computed) {
                continue;
            }
            let Some(value) = &step.value else { continue };
            match out.iter_mut().find(|(id, _)| *id == step.id) {
                Some(known) => known.1.clone_from(value),
                None => out.push((step.id.clone(), value.clone())),
            }
        }
        out
    }

    pub(super) fn capture(&mut self) {
        self.snapshot = self.steps.clone();
    }

    /// Whether the steps no longer begin with those of the snapshot.
    pub(super) fn left_snapshot(&self) -> bool {
        !self.snapshot.is_empty()
            && (self.snapshot.len() > self.steps.len()
                || self.snapshot.iter().zip(&self.steps).any(|(before, now)| !before.same(now)))
    }
}
