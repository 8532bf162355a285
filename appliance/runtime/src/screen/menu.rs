//! Menus.

use std::sync::Arc;

use crate::env::{Cx, Env};
use crate::error::{Code, Error};
use crate::session::Session;
use crate::suite::{Entry, EntryKind, Menu, ROOT};
use crate::text::{Display, Text};

/// Something a menu lists.
#[derive(Clone)]
pub enum MenuItem {
    /// An entry.
    Entry(Arc<Entry>),
    /// Another menu.
    Menu(Arc<Menu>),
}

/// What choosing a command leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Navigation {
    /// Another screen.
    Next,
    /// A form.
    Jump,
}

impl MenuItem {
    /// The id of its command.
    pub fn command(&self) -> &str {
        match self {
            MenuItem::Entry(entry) => &entry.command,
            MenuItem::Menu(menu) => &menu.id,
        }
    }

    /// What it shows.
    pub fn display(&self) -> &Display {
        match self {
            MenuItem::Entry(entry) => &entry.display,
            MenuItem::Menu(menu) => &menu.display,
        }
    }

    /// Its name.
    pub fn name(&self, session: &Session, cx: &Cx<'_>) -> Result<String, Error> {
        self.text(&self.display().text, session, cx)
    }

    /// One of its texts.
    pub fn text(&self, text: &Text, session: &Session, cx: &Cx<'_>) -> Result<String, Error> {
        match text {
            Text::Empty | Text::Literal(_) => text.plain(&Env::new(cx, &Default::default())),
            text => {
                let scope = session.scope_of(cx, self.command(), &|id| text.mentions(id))?;
                text.plain(&Env::new(cx, &scope))
            }
        }
    }

    /// What choosing it leads to.
    pub fn navigation(&self, session: &Session) -> Navigation {
        match self {
            MenuItem::Menu(_) => Navigation::Next,
            MenuItem::Entry(entry) => match session.missing(entry) {
                Some(datum) if datum.entity().is_some() => Navigation::Next,
                _ => Navigation::Jump,
            },
        }
    }
}

/// The commands of a menu.
pub struct MenuScreen {
    /// The id of the menu.
    pub menu: String,
    /// Those the user may choose.
    pub visible: Vec<MenuItem>,
    /// All of them.
    pub all: Vec<MenuItem>,
}

impl MenuScreen {
    /// Lists the commands of the current menu.
    ///
    /// Errors: the text of an assertion that does not hold; a condition that fails.
    pub fn load(session: &Session, cx: &Cx<'_>) -> Result<MenuScreen, Error> {
        let id = session.command().unwrap_or(ROOT);
        let mut screen = MenuScreen { menu: id.to_owned(), visible: Vec::new(), all: Vec::new() };
        let mut refused = None;
        screen.fill(session, cx, &mut refused).map_err(|error| match error.code {
            Code::Expression(_) | Code::Instance => Error::session(error.message),
            _ => error,
        })?;
        match refused {
            Some(message) => Err(Error::session(message)),
            None => Ok(screen),
        }
    }

    fn fill(&mut self, session: &Session, cx: &Cx<'_>, refused: &mut Option<String>) -> Result<(), Error> {
        for menu in &cx.app.menus {
            if *menu.id == *self.menu {
                let shown = is_relevant(menu, session, cx)? && assertions_hold(menu, session, cx, refused)?;
                self.commands(menu, shown, session, cx)?;
            } else if *menu.root == *self.menu {
                let known = |item: &MenuItem| matches!(item, MenuItem::Menu(other) if other.id == menu.id);
                if self.visible.iter().any(known) {
                    continue;
                }
                self.all.push(MenuItem::Menu(menu.clone()));
                if is_relevant(menu, session, cx)? {
                    self.visible.push(MenuItem::Menu(menu.clone()));
                }
            }
        }
        Ok(())
    }

    fn commands(&mut self, menu: &Menu, shown: bool, session: &Session, cx: &Cx<'_>) -> Result<(), Error> {
        for command in &menu.commands {
            let entry = cx.app.entries.get(&*command.id).ok_or_else(|| {
                Error::new(Code::Configuration, format!("No entry found for menu command [{}]", command.id))
            })?;
            self.all.push(MenuItem::Entry(entry.clone()));
            if let Some(relevant) = &command.relevant {
                let scope = session.scope_of(cx, &command.id, &|id| mentions(relevant.text(), id))?;
                if !Env::new(cx, &scope).boolean(relevant, None, &[])? {
                    continue;
                }
            }
            if entry.kind == EntryKind::View && session.missing(entry).is_none() {
                continue;
            }
            if shown {
                self.visible.push(MenuItem::Entry(entry.clone()));
            }
        }
        Ok(())
    }

    /// The choices: those the user may see, or all.
    pub fn choices(&self, respect_relevancy: bool) -> &[MenuItem] {
        if respect_relevancy { &self.visible } else { &self.all }
    }
}

/// Whether the text of an expression names an instance.
pub(crate) fn mentions(expression: &str, id: &str) -> bool {
    expression.match_indices(id).any(|(at, _)| {
        let before = expression[..at].trim_end_matches(['\'', '"', ' ']);
        before.ends_with('(') && before.trim_end_matches(['(', ' ']).ends_with("instance")
    })
}

fn is_relevant(menu: &Menu, session: &Session, cx: &Cx<'_>) -> Result<bool, Error> {
    let Some(relevant) = &menu.relevant else { return Ok(true) };
    let scope = session.scope_of(cx, &menu.id, &|id| mentions(relevant.text(), id))?;
    Env::new(cx, &scope).boolean(relevant, None, &[])
}

fn assertions_hold(
    menu: &Menu,
    session: &Session,
    cx: &Cx<'_>,
    refused: &mut Option<String>,
) -> Result<bool, Error> {
    for assertion in &menu.assertions {
        let holds = session
            .scope_of(cx, &menu.id, &|id| mentions(assertion.test.text(), id))
            .and_then(|scope| Env::new(cx, &scope).boolean(&assertion.test, None, &[]));
        if !holds.unwrap_or(false) {
            let scope = Default::default();
            *refused = Some(assertion.message.plain(&Env::new(cx, &scope))?);
            return Ok(false);
        }
    }
    Ok(true)
}
