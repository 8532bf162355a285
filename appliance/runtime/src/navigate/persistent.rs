//! The whole menu tree on the way, for clients that keep it beside the screen.

use crate::env::Cx;
use crate::error::{Code, Error};
use crate::screen::{MenuScreen, Navigation};
use crate::session::Session;

/// What choosing an item does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersistentItem {
    /// Leads to another screen.
    Next,
    /// Opens a form.
    Jump,
    /// Was chosen in a list.
    Entity,
}

/// A node of the tree.
#[derive(Clone, Debug)]
pub struct PersistentMenu {
    /// What a client sends to choose it.
    pub index: String,
    /// Its name.
    pub text: String,
    /// A reference to a picture.
    pub image: Option<String>,
    /// What choosing it does.
    pub item: PersistentItem,
    /// What is below it.
    pub commands: Vec<PersistentMenu>,
}

/// The tree, and where in it the session is.
#[derive(Clone, Debug)]
pub struct PersistentState {
    enabled: bool,
    /// The tree.
    pub menu: Vec<PersistentMenu>,
    at: Vec<usize>,
}

impl PersistentState {
    pub(super) fn new(enabled: bool) -> Self {
        PersistentState { enabled, menu: Vec::new(), at: Vec::new() }
    }

    /// Whether the application wants it.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    fn current(&mut self) -> &mut Vec<PersistentMenu> {
        let mut list = &mut self.menu;
        for at in &self.at {
            list = &mut list[*at].commands;
        }
        list
    }

    fn add(&mut self, node: PersistentMenu) {
        let list = self.current();
        if !list.iter().any(|known| known.index == node.index) {
            list.push(node);
        }
    }

    pub(super) fn add_menu(
        &mut self,
        screen: &MenuScreen,
        session: &Session,
        cx: &Cx<'_>,
        auto_advance: bool,
    ) -> Result<(), Error> {
        if !self.enabled || (screen.visible.len() == 1 && auto_advance) {
            return Ok(());
        }
        for (at, item) in screen.visible.iter().enumerate() {
            let image = item.display().image.as_ref().map(|text| item.text(text, session, cx)).transpose()?;
            self.add(PersistentMenu {
                index: at.to_string(),
                text: item.name(session, cx)?,
                image,
                item: match item.navigation(session) {
                    Navigation::Next => PersistentItem::Next,
                    Navigation::Jump => PersistentItem::Jump,
                },
                commands: Vec::new(),
            });
        }
        Ok(())
    }

    pub(super) fn enter_menu(&mut self, input: &str) -> Result<(), Error> {
        if !self.enabled {
            return Ok(());
        }
        let number = input.trim().parse::<usize>().ok().filter(|at| *at < self.current().len());
        match number {
            Some(at) => {
                self.at.push(at);
                Ok(())
            }
            None => Err(Error::new(Code::NotFound, format!("There is no command {input} in this menu."))),
        }
    }

    pub(super) fn enter_entity(&mut self, input: &str, text: String) -> Result<(), Error> {
        if !self.enabled {
            return Ok(());
        }
        if !input.is_empty() && input != crate::screen::USE_SELECTED_VALUES {
            let item = PersistentItem::Entity;
            self.add(PersistentMenu {
                index: input.to_owned(),
                text,
                image: None,
                item,
                commands: Vec::new(),
            });
        }
        if !self.current().is_empty() {
            self.at.push(0);
        }
        Ok(())
    }
}
