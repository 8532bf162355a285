//! What a session needs next, and stepping back.

use std::sync::Arc;

use super::{Session, Step, StepKind};
use crate::app::App;
use crate::env::{Cx, Env};
use crate::error::Error;
use crate::request;
use crate::suite::{Datum, DatumKind, Entry, EntryKind};

/// What a session needs next.
#[derive(Clone, Debug)]
pub enum Needed {
    /// A command.
    Command,
    /// A choice: the first reachable entry says among what.
    Entity(Arc<Datum>),
    /// A value that can be computed.
    Computed(Arc<Datum>),
    /// A search.
    Query(Arc<Datum>),
    /// The post of the entry must be sent.
    Post,
    /// Nothing: the entry can open.
    Nothing,
}

impl Session {
    /// The first datum of an entry that is not collected.
    pub fn missing<'e>(&self, entry: &'e Entry) -> Option<&'e Arc<Datum>> {
        entry.data.iter().find(|datum| !self.data().iter().any(|(id, _)| **id == *datum.id))
    }

    /// The first datum that the first reachable entry needs.
    pub fn needed_datum(&self, app: &App) -> Result<Option<Arc<Datum>>, Error> {
        let entries = match self.command() {
            Some(command) => app.entries_for(command)?,
            None => Vec::new(),
        };
        match entries.first() {
            Some(entry) => Ok(self.missing(entry).cloned()),
            None => Err(Error::session("The current session has no valid entry")),
        }
    }

    fn needed_by_all(&self, entries: &[Arc<Entry>]) -> Option<Arc<Datum>> {
        let first = self.missing(entries.first()?)?;
        let same = |entry: &Arc<Entry>| self.missing(entry).is_some_and(|datum| datum.id == first.id);
        entries.iter().all(same).then(|| first.clone())
    }

    /// What is needed next.
    pub fn needed(&self, cx: &Cx<'_>) -> Result<Needed, Error> {
        let Some(command) = self.command() else { return Ok(Needed::Command) };
        let entries = cx.app.entries_for(command)?;
        if let Some(datum) = self.needed_by_all(&entries) {
            return Ok(match &datum.kind {
                DatumKind::Entity(_) => Needed::Entity(datum),
                DatumKind::Computed(_) | DatumKind::Form(_) => Needed::Computed(datum),
                DatumKind::Query(_) => Needed::Query(datum),
            });
        }
        let [_] = &entries[..] else { return Ok(Needed::Command) };
        let Some(entry) = cx.app.entries.get(command) else { return Ok(Needed::Command) };
        if let Some(post) = &entry.post
            && !self.frame.steps.last().is_some_and(|step| step.posted)
        {
            let scope = self.scope(cx)?;
            if request::is_relevant(post, &Env::new(cx, &scope))? {
                return Ok(Needed::Post);
            }
        }
        Ok(Needed::Nothing)
    }

    /// The only reachable entry.
    pub fn entry(&self, app: &App) -> Result<Arc<Entry>, Error> {
        let entries = match self.command() {
            Some(command) => app.entries_for(command)?,
            None => Vec::new(),
        };
        match &entries[..] {
            [entry] => Ok(entry.clone()),
            [] => Err(Error::session("The current session has no valid entry")),
            _ => Err(Error::session("The current session does not contain a single valid entry")),
        }
    }

    /// Whether the command is something to look at only.
    pub fn is_view(&self, app: &App) -> Result<bool, Error> {
        let Some(command) = self.command() else { return Ok(false) };
        Ok(matches!(&app.entries_for(command)?[..], [entry] if entry.kind == EntryKind::View))
    }

    /// Goes back to where the user was asked for something.
    pub fn step_back(&mut self, cx: &Cx<'_>) -> Result<(), Error> {
        let mut popped = self.pop(cx.app);
        while !self.frame.steps.is_empty() && self.goes_further_back(cx, popped.as_ref())? {
            popped = self.pop(cx.app);
        }
        Ok(())
    }

    fn pop(&mut self, app: &App) -> Option<Step> {
        let step = self.frame.steps.pop();
        self.sync(app);
        step
    }

    fn goes_further_back(&self, cx: &Cx<'_>, popped: Option<&Step>) -> Result<bool, Error> {
        let mark = self.frame.steps.last().is_some_and(|step| step.kind == StepKind::Mark);
        if mark || popped.is_some_and(|step| step.kind == StepKind::Computed) {
            return Ok(true);
        }
        match self.needed(cx)? {
            Needed::Nothing | Needed::Computed(_) => return Ok(true),
            Needed::Entity(datum) => {
                if let Some(entity) =
                    datum.entity().filter(|e| e.multiple.is_none() && e.auto_select && e.long.is_none())
                {
                    let scope = self.scope(cx)?;
                    if Env::new(cx, &scope).nodes(&entity.nodeset, None, &[])?.nodes.len() == 1 {
                        return Ok(true);
                    }
                }
            }
            _ => {}
        }
        Ok(popped.is_some_and(|step| {
            step.kind == StepKind::Unknown && self.frame.guess(cx.app, step) == StepKind::Computed
        }))
    }

    /// Computes the datum that is needed.
    pub fn compute(&mut self, cx: &Cx<'_>, datum: &Datum) -> Result<(), Error> {
        let (DatumKind::Computed(expr) | DatumKind::Form(expr)) = &datum.kind else { return Ok(()) };
        let scope = self.scope(cx)?;
        let value = Env::new(cx, &scope).text(expr, None, &[])?;
        if let DatumKind::Form(_) = datum.kind {
            self.push(cx.app, Step::new(StepKind::Form, value, None));
            self.set_entity(cx.app, "", "awful");
        } else {
            self.set_entity(cx.app, &datum.id, &value);
        }
        Ok(())
    }
}
