//! Instances: which data a source reference means.

use std::sync::Arc;

use bolster_xpath::{DataSource, Datum, Names, NodeId, Tree, TreeFlags};

use crate::app::App;
use crate::env::Cx;
use crate::error::{Code, Error};
use crate::parse::tree::flat;
use crate::profile::PLATFORM;
use crate::session::{Attached, Frame, StepKind};
use crate::world::{Search, Source, UserData, UserRecord, World};

/// The prefix of results of searches.
pub const REMOTE: &str = "jr://instance/remote";
/// The prefix of chosen values.
pub const SELECTED: &str = "jr://instance/selected-entities";
/// The prefix of what people entered into searches.
pub const SEARCH_INPUT: &str = "jr://instance/search-input";

/// The data of an instance, before it is loaded.
#[derive(Clone, Debug)]
pub enum Slot {
    /// The user's cases.
    Cases,
    /// The user's ledgers.
    Ledgers,
    /// A lookup table by id.
    Fixture(Arc<str>),
    /// The session: its data.
    Session(Arc<Vec<(String, String)>>),
    /// Results of a search.
    Results(Arc<Search>),
    /// Chosen values, under an id.
    Kept(String),
    /// Chosen values.
    Values(Arc<Vec<String>>),
    /// What people entered into a search.
    Input(Arc<Vec<(String, String)>>),
    /// Declared by this source, without data.
    Nothing(Arc<str>),
}

/// Where data is loaded for: an application, or a form without one.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    /// The table that names are interned in.
    pub names: &'p Names,
    /// The application, if there is one.
    pub app: Option<&'p App>,
    /// Data of the user, searches, lists.
    pub world: &'p dyn World,
    /// The language of the session.
    pub language: &'p str,
    /// The width of the window, if the client said it.
    pub window_width: Option<&'p str>,
}

impl Slot {
    /// Which data a source reference means for a session.
    pub fn of(id: &str, source: &str, frame: &Frame, data: &Arc<Vec<(String, String)>>) -> Slot {
        if source.contains("ledgerdb") {
            Slot::Ledgers
        } else if source.contains("casedb") {
            Slot::Cases
        } else if source.contains("fixture") {
            Slot::Fixture(last_part(source).into())
        } else if source.contains("session") {
            Slot::Session(data.clone())
        } else if source.starts_with(REMOTE) {
            attached(frame, StepKind::Query, id, source, REMOTE)
        } else if source.starts_with(SELECTED) {
            match attached(frame, StepKind::Entities, id, source, SELECTED) {
                nothing @ Slot::Nothing(_) => {
                    let chosen = frame.steps.iter().find(|step| step.kind == StepKind::Entities);
                    chosen.and_then(|step| step.value.clone()).map_or(nothing, Slot::Kept)
                }
                slot => slot,
            }
        } else if source.starts_with(SEARCH_INPUT) {
            attached(frame, StepKind::Query, id, source, SEARCH_INPUT)
        } else {
            Slot::Nothing(source.into())
        }
    }

    /// Loads the data.
    pub(crate) fn load(&self, cx: &Cx<'_>) -> Option<Source> {
        let place = Place {
            names: &cx.app.names,
            app: Some(cx.app),
            world: cx.world,
            language: cx.language,
            window_width: cx.window_width,
        };
        self.open(&place)
    }

    /// Loads the data for a place.
    pub fn open(&self, place: &Place<'_>) -> Option<Source> {
        let Place { names, world, .. } = *place;
        match self {
            Slot::Cases => Some(world.data().cases()),
            Slot::Ledgers => Some(world.data().ledgers()),
            Slot::Fixture(id) => {
                let own = world.data().fixture(id);
                own.or_else(|| place.app.and_then(|app| app.fixtures.get(&**id).cloned()))
            }
            Slot::Session(data) => {
                let user = world.data().user().clone();
                Some(Arc::new(session(names, data, &user, place.language, place.window_width)))
            }
            Slot::Results(search) => world.search(search, false).ok(),
            Slot::Kept(id) => {
                world.list(id).map(|values| -> Source { Arc::new(values_tree(names, &values)) })
            }
            Slot::Values(values) => Some(Arc::new(values_tree(names, values))),
            Slot::Input(answers) => {
                let fields = answers.iter().map(|(key, value)| ("field", Some(("name", &**key)), &**value));
                let mut tree = flat(names, "input", fields);
                // What nobody entered is blank, and no mistake.
                let shape = tree.append(tree.root(), names.intern("field"));
                tree.add_attribute(shape, names.intern("name"));
                tree.set_flags(shape, TreeFlags::TEMPLATE, true);
                Some(Arc::new(tree))
            }
            Slot::Nothing(_) => None,
        }
    }

    /// A lookup table must be there when expressions may use it.
    pub(crate) fn check(&self, source: &str, cx: &Cx<'_>) -> Result<(), Error> {
        let Slot::Fixture(id) = self else { return Ok(()) };
        if fixture(id, cx.app, &*cx.world.data()).is_some() {
            return Ok(());
        }
        Err(missing_fixture(source, cx))
    }
}

/// The error of a lookup table that is not there.
fn missing_fixture(source: &str, cx: &Cx<'_>) -> Error {
    let message = match cx.app.locales.get(cx.language, "lookup.table.missing.error") {
        Some(text) => crate::locale::fill(text, &[source.to_owned()]),
        None => format!("Unable to find lookup table: {source}"),
    };
    Error::new(Code::Instance, message)
}

/// A lookup table: the user's, else the application's.
pub fn fixture(id: &str, app: &App, data: &dyn UserData) -> Option<Source> {
    data.fixture(id).or_else(|| app.fixtures.get(id).cloned())
}

fn last_part(source: &str) -> &str {
    source.rsplit('/').next().unwrap_or(source)
}

/// What is attached to a step of a kind under a reference, else under the id of the instance.
fn attached(frame: &Frame, kind: StepKind, id: &str, source: &str, prefix: &str) -> Slot {
    let all = || frame.steps.iter().filter(move |step| step.kind == kind).flat_map(|step| &step.attached);
    if let Some(found) = all().find(|data| data.reference() == source) {
        return found.slot();
    }
    if source == prefix {
        let longer = format!("{source}/{id}");
        let found =
            all().find(|data| data.reference() == longer).or_else(|| all().find(|data| data.id() == id));
        return found.map_or(Slot::Nothing(source.into()), Attached::slot);
    }
    Slot::Nothing(source.into())
}

fn values_tree(names: &Names, values: &[String]) -> Tree {
    flat(names, "results", values.iter().map(|value| ("value", None, &**value)))
}

/// The session as expressions see it.
pub fn session(
    names: &Names,
    data: &[(String, String)],
    user: &UserRecord,
    language: &str,
    window_width: Option<&str>,
) -> Tree {
    let mut tree = Tree::new(names, names.intern("session"));
    let add = |tree: &mut Tree, parent: NodeId, name: &str, text: Option<&str>| {
        let node = tree.append(parent, names.intern(name));
        if let Some(text) = text {
            tree.set(node, Datum::text(text));
        }
        node
    };
    let root = tree.root();
    let own = add(&mut tree, root, "data", None);
    for (id, value) in data {
        let name = names.intern(id);
        match tree.child_at(own, name, 0) {
            Some(known) => {
                tree.set(known, Datum::text(value));
            }
            None => {
                add(&mut tree, own, id, Some(value));
            }
        }
    }
    let context = add(&mut tree, root, "context", None);
    let version = format!("Formplayer Version: {}.{}", PLATFORM.0, PLATFORM.1);
    for (name, value) in [
        ("deviceid", Some("Formplayer")),
        ("appversion", Some(&*version)),
        ("username", Some(&*user.username)),
        ("userid", Some(&*user.user_id)),
        ("drift", Some("0")),
        ("window_width", window_width),
        ("applanguage", Some(language)),
    ] {
        if value.is_some() {
            add(&mut tree, context, name, value);
        }
    }
    let outer = add(&mut tree, root, "user", None);
    let properties = add(&mut tree, outer, "data", None);
    for (name, value) in &user.properties {
        add(&mut tree, properties, name, Some(value));
    }
    tree
}

/// The results of a search as a data source. With the case template, properties nobody has are blank.
pub fn results_source(body: &str, case_template: bool, names: &Names) -> Result<Source, Error> {
    let mut mended = String::new();
    let document = crate::parse::xml::document(body, &mut mended)?;
    let tree = crate::parse::tree::tree(document.root_element(), names);
    Ok(match case_template {
        true => Arc::new(crate::results::CaseResults::new(tree)),
        false => Arc::new(tree),
    })
}
