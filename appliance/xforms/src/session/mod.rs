//! One person filling in a form.

mod actions;
mod agenda;
mod answer;
mod choices;
mod env;
mod index;
mod inspect;
mod journal;
mod prompt;
mod recalculate;
mod repeats;
mod resume;
mod state;
mod walk;
mod write;

use std::sync::Arc;

use bolster_xpath::{DataSource, NodeId, Tree};

use crate::definition::{Event, FormDefinition, InstanceSource, SchemaId};
use crate::error::{FormCode, FormError};
use crate::host::{External, ExternalError, FormHost};
use env::Op;
use journal::Journal;

pub use answer::{Answer, Validation};
pub use index::FormIndex;
pub use prompt::{Changing, Choice, GroupPrompt, Media, Position, Prompt, RepeatPrompt, SlotPrompt};
pub use state::NodeState;

/// How a session begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions<'a> {
    /// The language wanted; the form's default if it is not there.
    pub language: Option<&'a str>,
    /// The XML of a draft or of a submitted form to go on with.
    pub saved: Option<&'a str>,
    /// The saved form was submitted before and is edited now.
    pub completed: bool,
    /// Only to look at: nothing is calculated.
    pub read_only: bool,
    /// Repeats are visited through one position for all their entries, where the form allows it.
    pub juncture: bool,
}

/// A form being filled in.
///
/// It holds no reference to its host: every operation that evaluates expressions takes it.
#[derive(Clone)]
pub struct Session {
    def: Arc<FormDefinition>,
    tree: Tree,
    /// The place of every node.
    places: Vec<SchemaId>,
    /// Data of external instances, by the number of the instance.
    externals: Arc<[Option<External>]>,
    language: usize,
    current: FormIndex,
    juncture: bool,
    completed: bool,
}

impl Session {
    /// Begins to fill in a form.
    ///
    /// Errors: [`FormCode::MissingInstance`] if the host lacks an instance, [`FormCode::Saved`] or
    /// [`FormCode::Value`] if the saved form does not fit, otherwise the first expression that fails.
    pub fn open(
        def: &Arc<FormDefinition>,
        options: &OpenOptions<'_>,
        host: &dyn FormHost,
    ) -> Result<Session, FormError> {
        let language = options.language.and_then(|name| def.itext.language(name));
        let mut session = Session {
            def: def.clone(),
            tree: def.tree.clone(),
            places: def.places.clone(),
            externals: Arc::new([]),
            language: language.unwrap_or(def.itext.default),
            current: FormIndex::Beginning,
            juncture: options.juncture && !def.counted,
            completed: options.completed,
        };
        if let Some(saved) = options.saved {
            session.resume(saved, host)?;
        }
        session.externals = session.load_externals(host)?;
        let op = Op::new(host, &session);
        let mut journal = Journal::off();
        if options.saved.is_none() {
            session.run_event(&op, Event::Ready, &mut journal)?;
        }
        if !options.read_only {
            session.recalculate_all(&op, &mut journal)?;
        }
        Ok(session)
    }

    fn load_externals(&self, host: &dyn FormHost) -> Result<Arc<[Option<External>]>, FormError> {
        let mut externals = Vec::new();
        for instance in &self.def.instances {
            let InstanceSource::External(source) = &instance.source else {
                externals.push(None);
                continue;
            };
            externals.push(match host.external(&instance.id, source, &self.def.names) {
                Ok(data) => Some(data),
                Err(ExternalError::Unknown) => None,
                Err(ExternalError::Missing(message)) => {
                    return Err(FormError::new(FormCode::MissingInstance, message));
                }
            });
        }
        Ok(externals.into())
    }

    /// The form.
    pub fn definition(&self) -> &Arc<FormDefinition> {
        &self.def
    }

    /// Where the session is.
    pub fn current(&self) -> &FormIndex {
        &self.current
    }

    /// The language texts are in; nothing if the form has no translations.
    pub fn language(&self) -> Option<&str> {
        self.def.itext.languages.get(self.language).map(|language| &*language.name)
    }

    /// Changes the language of texts; nothing is calculated anew. False if the form has no such language.
    pub fn set_language(&mut self, name: &str) -> bool {
        match self.def.itext.language(name) {
            Some(language) => {
                self.language = language;
                true
            }
            None => false,
        }
    }

    /// Evaluates every expression anew, as when a session begins: for a clock that went on, or to check that nothing
    /// was missed.
    pub fn recalculate(&mut self, host: &dyn FormHost) -> Result<(), FormError> {
        let op = Op::new(host, self);
        let mut journal = Journal::new();
        let result = self.recalculate_all(&op, &mut journal);
        if result.is_err() {
            self.undo(journal);
        }
        result
    }

    /// How many nodes the main instance has.
    pub fn node_count(&self) -> usize {
        self.tree.len()
    }

    /// The place of a node.
    pub(crate) fn place(&self, node: NodeId) -> SchemaId {
        self.places[node.0 as usize]
    }

    /// The place a written path denotes, positions ignored.
    pub(crate) fn place_at(&self, path: &str) -> Option<SchemaId> {
        let mut place: Option<SchemaId> = None;
        for step in path.trim().strip_prefix('/')?.split('/') {
            let step = step.split_once('[').map_or(step, |(name, _)| name);
            let (name, attribute) = step.strip_prefix('@').map_or((step, false), |name| (name, true));
            let name = self.def.names.get(name)?;
            place = Some(match place {
                None => (self.tree.name(NodeId(0)) == name && !attribute).then_some(0)?,
                Some(parent) => self.def.child(parent, name, attribute)?,
            });
        }
        place
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("nodes", &self.tree.len()).field("current", &self.current).finish()
    }
}
