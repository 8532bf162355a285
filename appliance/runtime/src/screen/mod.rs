//! Screens: what a user is shown and asked.

mod detail;
mod entity;
mod list;
mod menu;
mod query;
mod search;
mod title;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::suite::Entry;

pub use detail::{DetailTab, TabRows, detail_tabs, shown_tabs, tile};
pub use entity::{EntityScreen, Found, USE_SELECTED_VALUES, located, node_of};
pub use list::{Cell, KeptOrder, ListKey, ListOptions, Page, Row, headers, page_of, rows};
pub(crate) use menu::mentions;
pub use menu::{MenuItem, MenuScreen, Navigation};
pub use query::{ChoiceList, QueryScreen};
pub use search::{fuzzy_distance, normalize};
pub use title::best_title;

/// What a session shows next.
#[derive(Clone)]
pub enum Screen {
    /// Commands.
    Menu(Rc<MenuScreen>),
    /// Nodes to choose from.
    Entity(Rc<RefCell<EntityScreen>>),
    /// Prompts of a search.
    Query(Rc<RefCell<QueryScreen>>),
    /// Something must be sent first.
    Post(Arc<Entry>),
}
