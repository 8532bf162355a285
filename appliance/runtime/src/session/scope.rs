//! The instances within reach of a session's expressions.

use std::sync::Arc;

use super::Session;
use crate::env::{Cx, Scope};
use crate::error::Error;
use crate::instance::Slot;
use crate::suite::InstanceRef;

impl Session {
    /// Everything the current command declares and the steps brought along. Every lookup table declared must be there.
    pub fn scope(&self, cx: &Cx<'_>) -> Result<Scope, Error> {
        match self.command() {
            Some(command) => self.scope_of(cx, command, &|_| true),
            None => Ok(Scope::default()),
        }
    }

    /// The same for another command; only lookup tables that are `used` must be there.
    pub fn scope_of(&self, cx: &Cx<'_>, command: &str, used: &dyn Fn(&str) -> bool) -> Result<Scope, Error> {
        let mut scope = Scope::default();
        let data = Arc::new(self.frame.session_data(cx.app));
        let mut declare = |instance: &InstanceRef| -> Result<(), Error> {
            let slot = Slot::of(&instance.id, &instance.source, &self.frame, &data);
            if used(&instance.id) {
                slot.check(&instance.source, cx)?;
            }
            scope.add(&instance.id, slot);
            Ok(())
        };
        if let Some(entry) = cx.app.entries_for(command)?.first() {
            entry.instances.iter().try_for_each(&mut declare)?;
        }
        for menu in cx.app.menus_with_id(command) {
            menu.instances.iter().try_for_each(&mut declare)?;
        }
        for attached in self.frame.steps.iter().flat_map(|step| &step.attached) {
            scope.add(&attached.id(), attached.slot());
        }
        Ok(scope)
    }
}
