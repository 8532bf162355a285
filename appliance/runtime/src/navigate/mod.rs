//! Moving a session from screen to screen during one request.

mod endpoint;
mod persistent;
mod rebuild;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::env::{Cx, Env};
use crate::error::{Code, Error};
use crate::request;
use crate::screen::{EntityScreen, MenuScreen, QueryScreen, Screen, USE_SELECTED_VALUES, best_title};
use crate::session::{Attached, Needed, Session, Step};
use crate::world::Search;

pub use persistent::{PersistentItem, PersistentMenu, PersistentState};

/// Automatic steps in a row at most.
const ROUNDS_MAX: usize = 50;

/// What a client says about one search.
#[derive(Clone, Debug, Default)]
pub struct QueryInputs {
    /// The key of the search.
    pub key: String,
    /// Answers; nothing leaves the defaults.
    pub inputs: Option<Vec<(String, String)>>,
    /// Search now.
    pub execute: bool,
    /// Do not search by itself.
    pub force_manual: bool,
    /// Parameters to add.
    pub extras: Vec<(String, String)>,
}

/// Whether a path of selections was found good before.
pub type Confirmed<'o> = dyn Fn(&[String]) -> bool + 'o;

/// What a client asks for besides its selections.
#[derive(Clone, Default)]
pub struct Options<'o> {
    /// What was entered into searches.
    pub queries: Vec<QueryInputs>,
    /// Values chosen in a list.
    pub selected_values: Option<Vec<String>>,
    /// The selection whose detail is wanted.
    pub detail: Option<String>,
    /// The first row wanted.
    pub offset: i64,
    /// Whether conditions of menus count; usually they do.
    pub ignore_relevancy: bool,
    /// Who is logged in as, if somebody is.
    pub login_as: Option<String>,
    /// Whether a path of selections was found good before.
    pub confirmed: Option<&'o Confirmed<'o>>,
}

impl Options<'_> {
    fn query(&self, key: &str) -> Option<&QueryInputs> {
        self.queries.iter().find(|query| query.key == key)
    }
}

/// A message beside the screen, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it says.
    pub message: Option<String>,
    /// Whether something went wrong.
    pub error: bool,
    /// `selection`, `menu`, `sync`.
    pub tag: &'static str,
}

/// Where a request ends.
pub enum Outcome {
    /// A screen.
    Screen(Screen),
    /// The form of the session's entry.
    Form,
    /// The application begins anew.
    Home(Option<Notice>),
    /// Out of the application.
    Redirect(String),
    /// The entry may not open; the text says why.
    Refused(String),
}

/// Moves a session.
pub struct Navigator<'x> {
    /// What stays the same.
    pub cx: &'x Cx<'x>,
    /// Where the user is.
    pub session: Session,
    /// Titles on the way, the application's first.
    pub breadcrumbs: Vec<Option<String>>,
    /// What was consumed.
    pub selections: Vec<String>,
    /// The menus on the way.
    pub persistent: PersistentState,
    entity_screens: HashMap<String, Rc<RefCell<EntityScreen>>>,
    /// More selections follow: lists met now are passed.
    passing: bool,
}

impl<'x> Navigator<'x> {
    /// A navigator at the root of the application.
    pub fn new(cx: &'x Cx<'x>) -> Self {
        Self::with(cx, Session::new())
    }

    /// A navigator that goes on with a session.
    pub fn with(cx: &'x Cx<'x>, mut session: Session) -> Self {
        session.sync(cx.app);
        Navigator {
            session,
            breadcrumbs: vec![Some(cx.title())],
            selections: Vec::new(),
            persistent: PersistentState::new(cx.app.profile.is_on("cc-persistent-menu")),
            entity_screens: HashMap::new(),
            passing: false,
            cx,
        }
    }

    /// Back to the root.
    fn reset(&mut self) {
        *self = Navigator::new(self.cx);
    }

    fn auto_advances(&self) -> bool {
        self.cx.app.profile.is_on("cc-auto-advance-menu")
    }

    /// The screen a session needs; nothing if it is ready.
    pub fn next_screen(&mut self, options: &Options<'_>) -> Result<Option<Screen>, Error> {
        for _ in 0..ROUNDS_MAX {
            match self.session.needed(self.cx)? {
                Needed::Nothing => {
                    if !self.session.is_view(self.cx.app)? {
                        return Ok(None);
                    }
                    self.session.step_back(self.cx)?;
                }
                Needed::Command => {
                    let screen = MenuScreen::load(&self.session, self.cx)?;
                    if self.persistent.menu.is_empty() || !options.ignore_relevancy {
                        self.persistent.add_menu(&screen, &self.session, self.cx, self.auto_advances())?;
                    }
                    return Ok(Some(Screen::Menu(Rc::new(screen))));
                }
                Needed::Entity(datum) => {
                    let nodeset = datum.entity().map(|entity| entity.nodeset.text()).unwrap_or_default();
                    let key = format!("{}, {nodeset}", datum.id);
                    if let Some(known) = self.entity_screens.get(&key) {
                        return Ok(Some(Screen::Entity(known.clone())));
                    }
                    let mut screen = EntityScreen::new(datum, &self.session, self.cx)?;
                    screen.has_rows = !self.passing;
                    let screen = Rc::new(RefCell::new(screen));
                    self.entity_screens.insert(key, screen.clone());
                    return Ok(Some(Screen::Entity(screen)));
                }
                Needed::Computed(datum) => self.session.compute(self.cx, &datum)?,
                Needed::Query(datum) => {
                    let screen = QueryScreen::new(datum, &self.session, self.cx)?;
                    return Ok(Some(Screen::Query(Rc::new(RefCell::new(screen)))));
                }
                Needed::Post => return Ok(Some(Screen::Post(self.session.entry(self.cx.app)?))),
            }
        }
        Err(Error::new(Code::Configuration, "The session needs computed values without end."))
    }

    /// Takes one selection. False if there is nothing to select.
    fn handle(
        &mut self,
        screen: Option<Screen>,
        input: &str,
        validated: bool,
        auto_launch: bool,
        options: &Options<'_>,
    ) -> Result<bool, Error> {
        let screen = match screen {
            Some(screen) => screen,
            None => match self.next_screen(options)? {
                Some(screen) => screen,
                None => return Ok(false),
            },
        };
        let respect = !options.ignore_relevancy;
        match &screen {
            Screen::Menu(menu) => {
                let choices = menu.choices(respect);
                // An id means the same command also after the menu changed.
                let by_id = choices.iter().position(|item| item.command() == input);
                let number = by_id.map_or_else(|| input.trim().parse::<i64>().ok(), |at| Some(at as i64));
                if number.is_none() && menu.all.iter().any(|item| item.command() == input) {
                    let message = format!("{input} is not among the choices of {} at the moment.", menu.menu);
                    return Err(Error::new(Code::NotFound, message));
                }
                // What is neither changes nothing, and the menu comes again.
                if let Some(number) = number {
                    let chosen = usize::try_from(number).ok().and_then(|at| choices.get(at));
                    let command = chosen.map(|item| item.command().to_owned()).ok_or_else(|| {
                        Error::new(
                            Code::NotFound,
                            format!(
                                "Screen {} handling input {input} has only {} choices. Please try reloading this \
                                 application and if the problem persists please report a bug.",
                                menu.menu,
                                choices.len()
                            ),
                        )
                    })?;
                    self.session.set_command(self.cx.app, &command);
                }
                self.breadcrumbs.push(best_title(&self.session, self.cx));
                if respect {
                    match by_id {
                        Some(at) => self.persistent.enter_menu(&at.to_string())?,
                        None => self.persistent.enter_menu(input)?,
                    }
                }
            }
            Screen::Entity(entity) => self.choose(entity, input, validated, auto_launch, options)?,
            Screen::Query(_) => {
                self.breadcrumbs.push(best_title(&self.session, self.cx));
            }
            Screen::Post(_) => {}
        }
        Ok(true)
    }

    fn choose(
        &mut self,
        screen: &Rc<RefCell<EntityScreen>>,
        input: &str,
        validated: bool,
        allow_auto_launch: bool,
        options: &Options<'_>,
    ) -> Result<(), Error> {
        let mut entity = screen.borrow_mut();
        let launches = entity.auto_launch.is_some() && allow_auto_launch;
        let crumb = !(launches || entity.skip);
        if input.starts_with("action ") || launches || !validated {
            entity.init(self.cx)?;
            if entity.skip && !launches {
                entity.auto_select(&mut self.session, self.cx)?;
            } else {
                entity.choose(input, options.selected_values.as_deref(), &mut self.session, self.cx)?;
            }
        } else {
            entity.take(input, &mut self.session, self.cx)?;
        }
        let name = entity.breadcrumb(input, &self.session, self.cx);
        if crumb {
            self.breadcrumbs.push(name.clone());
        }
        let mut id = input.to_owned();
        if input == USE_SELECTED_VALUES
            && let Some(kept) = &entity.kept
        {
            id.clone_from(kept);
            self.selections.push(id.clone());
        }
        if !options.ignore_relevancy && !entity.skip {
            self.persistent.enter_entity(&id, name.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Does everything that needs nobody: actions that launch themselves, lists without a choice, searches, menus of
    /// one command, posts.
    fn auto_advance(
        &mut self,
        current: Option<Screen>,
        next_input: Option<&str>,
        options: &Options<'_>,
    ) -> Result<Option<Screen>, Error> {
        let mut next = current;
        let mut previous: Option<Screen> = None;
        for round in 0..ROUNDS_MAX {
            let mut advanced = false;
            if round > 0 || next.is_none() {
                previous = next.take();
                next = self.next_screen(options)?;
            }
            match next.clone() {
                Some(Screen::Entity(screen)) => {
                    let mut entity = screen.borrow_mut();
                    advanced = entity.launch(next_input.unwrap_or_default(), &mut self.session, self.cx)?;
                    if !advanced {
                        entity.init(self.cx)?;
                        if entity.skip {
                            advanced = entity.auto_select(&mut self.session, self.cx)?;
                        }
                    }
                    if let Some(Screen::Query(query)) = &previous {
                        entity.query = Some(query.clone());
                    }
                }
                Some(Screen::Query(screen)) => {
                    advanced = self.run_query(&screen, next_input.is_some(), options)?;
                }
                Some(Screen::Menu(menu)) if self.auto_advances() => {
                    if let [only] = menu.choices(!options.ignore_relevancy) {
                        self.session.set_command(self.cx.app, only.command());
                        advanced = true;
                    }
                }
                Some(Screen::Post(_)) => {
                    self.post(options)?;
                    advanced = true;
                }
                _ => {}
            }
            if !advanced {
                break;
            }
        }
        Ok(next)
    }

    /// Answers a search and makes it, if it is to be made.
    fn run_query(
        &mut self,
        screen: &Rc<RefCell<QueryScreen>>,
        replay: bool,
        options: &Options<'_>,
    ) -> Result<bool, Error> {
        let mut query = screen.borrow_mut();
        let key = query.key();
        let given = options.query(&key);
        let manual = given.is_some_and(|given| given.force_manual);
        let default = query.query()?.default_search && !manual;
        if let Some(inputs) = given.and_then(|given| given.inputs.as_ref()) {
            query.take(inputs, self.cx)?;
        }
        if !(replay || default || given.is_some_and(|given| given.execute)) {
            return Ok(false);
        }
        if !default && !query.errors.is_empty() {
            return Ok(false);
        }
        let mut parameters = query.parameters(default, self.cx)?;
        if let Some(given) = given {
            for extra in &given.extras {
                if !parameters.contains(extra) {
                    parameters.push(extra.clone());
                }
            }
        }
        let search = query.search(parameters, &self.session, self.cx)?;
        let fresh = !(replay || options.detail.is_some() || options.offset != 0);
        let results = self.cx.world.search(&search, fresh)?;
        query.finish(search, results, &mut self.session, self.cx)?;
        Ok(true)
    }

    /// Sends the post of the entry.
    fn post(&mut self, options: &Options<'_>) -> Result<(), Error> {
        let entry = self.session.entry(self.cx.app)?;
        let Some(post) = &entry.post else {
            return Err(Error::session("Initialized sync request while not on sync screen"));
        };
        let scope = self.session.scope(self.cx)?;
        let mut parameters = Vec::new();
        if let Some(user) = &options.login_as {
            parameters.push(("commcare_login_as".to_owned(), user.clone()));
        }
        parameters.extend(request::parameters(&post.data, &Env::new(self.cx, &scope), &[])?);
        // Lists passed on the way stay as they were, whatever it changed.
        self.cx.world.post(&post.url, &parameters)?;
        if let Some(step) = self.session.frame.steps.last_mut() {
            step.posted = true;
        }
        Ok(())
    }

    /// Takes selections one after the other, from the root, and gives where they lead.
    ///
    /// With `from_form`, the last one is dropped: the user came back from the form it opened.
    pub fn advance(
        &mut self,
        selections: &[String],
        options: &Options<'_>,
        from_form: bool,
    ) -> Result<(Outcome, Option<Notice>), Error> {
        let selections = match (from_form, selections.split_last()) {
            (true, Some((_, rest))) => rest,
            _ => selections,
        };
        let mut notice = None;
        let mut next = None;
        let replayed = self.replay(selections, options, &mut notice);
        self.passing = false;
        match replayed {
            Ok(Replayed::At(screen)) => next = screen,
            Ok(Replayed::Done(outcome)) => return Ok((outcome, notice)),
            Err(error) if error.code == Code::Session => {
                if !from_form {
                    notice = Some(Notice { message: Some(error.message), error: true, tag: "menu" });
                }
            }
            Err(error) => return Err(error),
        }
        let outcome = self.show(next, options)?;
        Ok((outcome, notice))
    }

    fn replay(
        &mut self,
        selections: &[String],
        options: &Options<'_>,
        notice: &mut Option<Notice>,
    ) -> Result<Replayed, Error> {
        let mut next = None;
        for (at, selection) in selections.iter().enumerate() {
            let confirmed = options.confirmed.is_some_and(|known| known(&selections[..=at]));
            self.passing = at + 1 < selections.len();
            if !self.handle(next.take(), selection, confirmed, true, options)? {
                let message = format!("Overflowed selections with selection {selection} at index {}", at + 1);
                *notice = Some(Notice { message: Some(message), error: true, tag: "selection" });
                break;
            }
            let following = selections.get(at + 1).map(String::as_str);
            next = self.auto_advance(None, following, options)?;
            if next.is_none() && self.session.form(self.cx.app).is_none() {
                if following.is_some() {
                    self.complete_and_rebuild()?;
                } else {
                    let outcome = self.resolve(options)?;
                    let done = outcome.unwrap_or_else(|| {
                        Outcome::Home(Some(Notice {
                            message: Some("Redirecting after sync".to_owned()),
                            error: false,
                            tag: "sync",
                        }))
                    });
                    return Ok(Replayed::Done(done));
                }
            } else if selection != USE_SELECTED_VALUES {
                self.selections.push(selection.clone());
            }
        }
        Ok(Replayed::At(next))
    }

    /// What is shown: a screen, or the form.
    fn show(&mut self, screen: Option<Screen>, options: &Options<'_>) -> Result<Outcome, Error> {
        let mut screen = screen;
        for _ in 0..ROUNDS_MAX {
            let next = match screen.take() {
                Some(next) => Some(next),
                None => self.next_screen(options)?,
            };
            match next {
                None => return self.open(),
                Some(Screen::Entity(entity)) => {
                    let mut list = entity.borrow_mut();
                    list.init(self.cx)?;
                    if list.skip && list.auto_select(&mut self.session, self.cx)? {
                        continue;
                    }
                    drop(list);
                    return Ok(Outcome::Screen(Screen::Entity(entity)));
                }
                Some(Screen::Query(query)) => {
                    let key = query.borrow().key();
                    if let Some(inputs) = options.query(&key).and_then(|given| given.inputs.as_ref()) {
                        query.borrow_mut().take(inputs, self.cx)?;
                    }
                    return Ok(Outcome::Screen(Screen::Query(query)));
                }
                // What must be sent could not be: the user chooses again.
                Some(Screen::Post(_)) if !self.session.frame.steps.is_empty() => {
                    self.session.step_back(self.cx)?
                }
                Some(screen) => return Ok(Outcome::Screen(screen)),
            }
        }
        Err(Error::new(Code::Configuration, "Lists select themselves without end."))
    }

    /// Opens the form of the entry, if its assertions hold.
    fn open(&mut self) -> Result<Outcome, Error> {
        let entry = self.session.entry(self.cx.app)?;
        let scope = self.session.scope(self.cx)?;
        let env = Env::new(self.cx, &scope);
        for assertion in &entry.assertions {
            if !env.boolean(&assertion.test, None, &[]).unwrap_or(false) {
                return Ok(Outcome::Refused(assertion.message.plain(&env)?));
            }
        }
        Ok(match self.session.form(self.cx.app) {
            Some(_) => Outcome::Form,
            None => Outcome::Home(None),
        })
    }

    /// Runs the operations of the finished entry and finds the way to where they lead. Nothing if the session is over.
    fn complete_and_rebuild(&mut self) -> Result<Option<Option<Screen>>, Error> {
        self.session.sync(self.cx.app);
        let scope = self.session.scope(self.cx)?;
        let (goes_on, dropped) = self.session.complete(&Env::new(self.cx, &scope))?;
        Self::searches(&dropped).for_each(|search| self.cx.world.forget(search));
        if !goes_on {
            return Ok(None);
        }
        if self.session.redirect.is_some() {
            return Ok(Some(None));
        }
        self.rebuild(true).map(Some)
    }

    /// Ends the entry (its form was submitted, or it has none) and shows what comes next, if anything does.
    pub fn resolve(&mut self, options: &Options<'_>) -> Result<Option<Outcome>, Error> {
        let Some(screen) = self.complete_and_rebuild()? else { return Ok(None) };
        if let Some(url) = &self.session.redirect {
            return Ok(Some(Outcome::Redirect(url.clone())));
        }
        let next = self.auto_advance(screen, None, &Options { queries: Vec::new(), ..options.clone() })?;
        self.show(next, options).map(Some)
    }

    /// The searches that steps of some frame brought along.
    fn searches(steps: &[Step]) -> impl Iterator<Item = &Search> {
        steps.iter().flat_map(|step| &step.attached).filter_map(|attached| match attached {
            Attached::Results(search) => Some(&**search),
            _ => None,
        })
    }
}

enum Replayed {
    At(Option<Screen>),
    Done(Outcome),
}
