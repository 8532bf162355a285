//! Choosing nodes.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bolster_xpath::{NodeId, NodeRef, Value};

use crate::detail::Detail;
use crate::env::{Cx, Env, Scope};
use crate::error::{Code, Error};
use crate::instance::Slot;
use crate::screen::{QueryScreen, best_title};
use crate::session::{Attached, Session, Step, StepKind};
use crate::suite::{Datum, EntityDatum};

/// What a client sends instead of the id of a list.
pub const USE_SELECTED_VALUES: &str = "use_selected_values";
/// Where lists are looked at, as clients have always seen it: their rows never depend on where the client is.
const LIST_PLACE: &str = "-23.56 -46.66 0.0 10.0";
/// How the choice of an action begins.
const ACTION: &str = "action ";

/// A list of nodes to choose from. Its nodes are found when they are first asked for, its cells by [`super::rows`].
pub struct EntityScreen {
    /// What is chosen.
    pub datum: Arc<Datum>,
    /// The list.
    pub detail: Arc<Detail>,
    /// What its expressions may use.
    pub scope: Rc<Scope>,
    /// The search its nodes come from, if the session came straight from it.
    pub query: Option<Rc<RefCell<QueryScreen>>>,
    /// The user is not shown the list: there is no choice.
    pub skip: bool,
    /// The action that is done at once.
    pub auto_launch: Option<usize>,
    /// The one node was chosen, but its detail is to be shown first.
    pub shows_detail: bool,
    /// The id of the list of chosen values.
    pub kept: Option<String>,
    /// Its rows are shown. A list that was only passed on the way comes back without rows when the way ends there after
    /// all; clients have always seen it so.
    pub has_rows: bool,
    /// How the session came here, as text.
    pub came_by: String,
    nodes: Option<Rc<Found>>,
    pending: Option<usize>,
    selected: Option<String>,
    initialized: bool,
}

/// The nodes of a list.
pub struct Found {
    /// The instance they are of.
    pub instance: Option<String>,
    /// In order.
    pub nodes: Vec<NodeId>,
}

impl EntityScreen {
    /// The list for a datum.
    pub fn new(datum: Arc<Datum>, session: &Session, cx: &Cx<'_>) -> Result<EntityScreen, Error> {
        let entity = datum
            .entity()
            .ok_or_else(|| Error::session("Didn't find an entity select action where one is expected."))?;
        let short = entity.short.as_deref().ok_or_else(|| {
            Error::session(format!(
                "Can't handle entity selection with blank detail definition for datum {}",
                datum.id
            ))
        })?;
        let detail = cx.app.detail(short).map_err(|e| Error::session(e.message))?.clone();
        let mut scope = session.scope(cx)?;
        scope.here = Some(LIST_PLACE);
        Ok(EntityScreen {
            detail,
            scope: Rc::new(scope),
            datum,
            query: None,
            skip: false,
            auto_launch: None,
            shows_detail: false,
            kept: None,
            has_rows: true,
            came_by: format!("{:?}", session.frame),
            nodes: None,
            pending: None,
            selected: None,
            initialized: false,
        })
    }

    /// What is chosen.
    pub fn entity(&self) -> Result<&EntityDatum, Error> {
        self.datum.entity().ok_or_else(|| Error::session("There is nothing to choose here."))
    }

    /// The nodes.
    pub fn found(&mut self, cx: &Cx<'_>) -> Result<Rc<Found>, Error> {
        if let Some(found) = &self.nodes {
            return Ok(found.clone());
        }
        let env = Env::new(cx, &self.scope);
        let nodes = env.nodes(&self.entity()?.nodeset, None, &[])?;
        let found = Found { instance: nodes.instance.map(str::to_owned), nodes: nodes.nodes.to_vec() };
        let found = Rc::new(found);
        self.nodes = Some(found.clone());
        Ok(found)
    }

    /// Finds the nodes and whether there is a choice at all.
    pub fn init(&mut self, cx: &Cx<'_>) -> Result<(), Error> {
        if self.initialized {
            return Ok(());
        }
        self.initialized = true;
        if self.entity()?.auto_select {
            let count = self.found(cx)?.nodes.len();
            self.skip = match self.entity()?.multiple {
                None => count == 1,
                Some(_) => count > 0,
            };
        }
        Ok(())
    }

    /// The numbers of the actions that are offered.
    pub fn actions(&self, cx: &Cx<'_>) -> Result<Vec<usize>, Error> {
        let env = Env::new(cx, &self.scope);
        let mut out = Vec::new();
        for (at, action) in self.detail.actions.iter().enumerate() {
            let relevant = match &action.relevant {
                Some(relevant) => env.text(relevant, None, &[])? == "true",
                None => true,
            };
            if relevant {
                out.push(at);
            }
        }
        Ok(out)
    }

    /// Finds the action that is done at once, given what will be chosen next.
    pub fn evaluate_auto_launch(&mut self, next: &str, cx: &Cx<'_>) -> Result<(), Error> {
        if !self.detail.actions.iter().any(|action| action.auto_launch.is_some()) {
            return Ok(());
        }
        let actions = self.actions(cx)?;
        let mut scope = Scope::clone(&self.scope);
        let mut variables = Vec::new();
        match self.entity()?.multiple {
            None => variables.push((Box::from("next_input"), Value::text(next.to_owned()))),
            Some(_) => {
                let values = cx.world.list(next).unwrap_or_default();
                scope.add("next_input", Slot::Values(values));
            }
        }
        let env = Env::new(cx, &scope);
        for at in actions {
            if let Some(auto) = &self.detail.actions[at].auto_launch
                && env.text(auto, None, &variables)? == "true"
            {
                self.auto_launch = Some(at);
            }
        }
        Ok(())
    }

    /// Does what is done at once, if anything is.
    pub fn launch(&mut self, next: &str, session: &mut Session, cx: &Cx<'_>) -> Result<bool, Error> {
        self.evaluate_auto_launch(next, cx)?;
        let Some(action) = self.auto_launch else { return Ok(false) };
        self.pending = Some(action);
        self.run_pending(session, cx)
    }

    fn run_pending(&self, session: &mut Session, cx: &Cx<'_>) -> Result<bool, Error> {
        let Some(action) = self.pending else { return Ok(false) };
        let env = Env::new(cx, &self.scope);
        session.run(&self.detail.actions[action].stack, &env, &[])?;
        Ok(true)
    }

    /// The value of a node.
    pub fn value_of(&self, node: NodeRef<'_>, cx: &Cx<'_>) -> Result<String, Error> {
        Env::new(cx, &self.scope).text(&self.entity()?.value, Some(node), &[])
    }

    /// The node of a value, if there is exactly one.
    pub fn node_of(&self, value: &str, cx: &Cx<'_>) -> Result<Option<(Option<String>, NodeId)>, Error> {
        node_of(self.entity()?, value, &Env::new(cx, &self.scope))
    }

    fn check(&self, value: &str, cx: &Cx<'_>) -> Result<(), Error> {
        match self.node_of(value, cx)? {
            Some(_) => Ok(()),
            None => Err(Error::session(format!(
                "Could not select case {value} on this screen.  If this error persists please report a bug to \
                 CommCareHQ."
            ))),
        }
    }

    /// Whether a value is among the nodes (for lists: whether there is such a list).
    pub fn contains(&mut self, value: &str, cx: &Cx<'_>) -> Result<bool, Error> {
        if self.entity()?.multiple.is_some() {
            return Ok(cx.world.list(value).is_some());
        }
        if self.node_of(value, cx)?.is_some() {
            return Ok(true);
        }
        let found = self.found(cx)?;
        let env = Env::new(cx, &self.scope);
        let Some((instance, source)) = located(&env, &found) else { return Ok(false) };
        for &node in &found.nodes {
            if self.value_of(NodeRef { instance, source, node }, cx)? == value {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Chooses what there is no choice about. False if the user is to see it first.
    pub fn auto_select(&mut self, session: &mut Session, cx: &Cx<'_>) -> Result<bool, Error> {
        let found = self.found(cx)?;
        let env = Env::new(cx, &self.scope);
        let Some((instance, source)) = located(&env, &found) else { return Ok(false) };
        let value = |node| self.value_of(NodeRef { instance, source, node }, cx);
        let Some(maximum) = self.entity()?.multiple else {
            let Some(&first) = found.nodes.first() else { return Ok(false) };
            let value = value(first)?;
            self.selected = Some(value);
            if self.entity()?.long.is_some() {
                self.shows_detail = true;
                return Ok(false);
            }
            self.update_session(session, cx)?;
            return Ok(true);
        };
        check_size(found.nodes.len(), maximum, cx)?;
        if found.nodes.is_empty() {
            return Ok(false);
        }
        let values = found.nodes.iter().map(|node| value(*node)).collect::<Result<Vec<_>, _>>()?;
        self.kept = Some(cx.world.keep_list(values));
        self.update_session(session, cx)?;
        Ok(true)
    }

    /// Chooses what a client sent: the id of a node or list, or an action.
    pub fn choose(
        &mut self,
        input: &str,
        selected: Option<&[String]>,
        session: &mut Session,
        cx: &Cx<'_>,
    ) -> Result<(), Error> {
        if let Some(number) = input.strip_prefix(ACTION) {
            let Ok(number) = number.trim().parse::<usize>() else { return Ok(()) };
            if let Some(action) = self.actions(cx)?.get(number) {
                self.pending = Some(*action);
                return self.update_session(session, cx);
            }
        }
        match self.entity()?.multiple {
            None => {
                self.check(input, cx)?;
                self.selected = Some(input.to_owned());
            }
            Some(maximum) if input == USE_SELECTED_VALUES => {
                let values = selected.ok_or_else(|| {
                    Error::new(Code::Configuration, "selected_values must come with use_selected_values")
                })?;
                check_size(values.len(), maximum, cx)?;
                if !values.is_empty() {
                    values.iter().try_for_each(|value| self.check(value, cx))?;
                    self.kept = Some(cx.world.keep_list(values.to_vec()));
                }
            }
            Some(_) => {
                let values = cx.world.list(input).ok_or_else(|| {
                    Error::new(
                        Code::NotFound,
                        format!(
                            "Could not find data instance with ID {input} (namespace=0).Redirecting to home screen. \
                             If this issue persists, please file a bug report."
                        ),
                    )
                })?;
                values.iter().try_for_each(|value| self.check(value, cx))?;
                self.kept = Some(input.to_owned());
            }
        }
        self.update_session(session, cx)
    }

    fn update_session(&self, session: &mut Session, cx: &Cx<'_>) -> Result<(), Error> {
        if self.run_pending(session, cx)? {
            return Ok(());
        }
        match (self.entity()?.multiple, &self.kept, &self.selected) {
            (None, _, Some(value)) => session.set_entity(cx.app, &self.datum.id, value),
            (Some(_), Some(id), _) => self.attach(id, session, cx),
            _ => {}
        }
        Ok(())
    }

    fn attach(&self, id: &str, session: &mut Session, cx: &Cx<'_>) {
        let mut step = Step::new(StepKind::Entities, &*self.datum.id, Some(id.to_owned()));
        step.attached.push(Attached::Values(self.datum.id.to_string(), id.to_owned()));
        session.push(cx.app, step);
    }

    /// Takes a choice that was found good before, without looking at the nodes.
    pub fn take(&mut self, input: &str, session: &mut Session, cx: &Cx<'_>) -> Result<(), Error> {
        if self.entity()?.multiple.is_some() {
            self.kept = Some(input.to_owned());
            self.attach(input, session, cx);
        } else {
            session.set_entity(cx.app, &self.datum.id, input);
        }
        Ok(())
    }

    /// The name of a choice: that of the case, or of the first of several.
    pub fn breadcrumb(&self, input: &str, session: &Session, cx: &Cx<'_>) -> Option<String> {
        let data = cx.world.data();
        let name = |id: &str| {
            let own = data.case_name(id);
            own.or_else(|| self.query.as_ref().and_then(|query| query.borrow().case_name(id, cx)))
        };
        let multiple = self.datum.entity().is_some_and(|entity| entity.multiple.is_some());
        let found = if multiple {
            let values = self.kept.as_deref().and_then(|id| cx.world.list(id)).unwrap_or_default();
            values.first().and_then(|first| name(first)).map(|name| match values.len() {
                1 => name,
                count => format!("({count}) {name}, ..."),
            })
        } else {
            name(input)
        };
        found.or_else(|| best_title(session, cx))
    }
}

/// The source of the nodes that were found; nothing if there are none.
pub fn located<'r>(
    env: &'r Env<'_>,
    found: &'r Found,
) -> Option<(Option<&'r str>, &'r dyn bolster_xpath::DataSource)> {
    let id = found.instance.as_deref()?;
    let source = env.loaded(id)?;
    Some((Some(id), source))
}

/// The node of a value among the nodes of a choice, if there is exactly one.
pub fn node_of(
    entity: &EntityDatum,
    value: &str,
    env: &Env<'_>,
) -> Result<Option<(Option<String>, NodeId)>, Error> {
    let variables = [(Box::from("entity_id"), Value::text(value.to_owned()))];
    let nodes = env.nodes(&entity.one, None, &variables)?;
    Ok(match *nodes.nodes {
        [node] => Some((nodes.instance.map(str::to_owned), node)),
        _ => None,
    })
}

fn check_size(count: usize, maximum: usize, cx: &Cx<'_>) -> Result<(), Error> {
    if count <= maximum {
        return Ok(());
    }
    let key = match maximum {
        1 => "case.list.max.selection.error.singular",
        _ => "case.list.max.selection.error",
    };
    let message = cx.locale(key, &[count.to_string(), maximum.to_string()])?;
    Err(Error::new(Code::Configuration, message))
}
