//! What the runtime is given: the data of one user, searches and claims, lists of chosen values, everything volatile.

use std::sync::Arc;

use bolster_xpath::{DataSource, Host};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::screen::{KeptOrder, ListKey};

/// A data source that requests share.
pub type Source = Arc<dyn DataSource + Send + Sync>;

/// Who uses the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRecord {
    /// The name, without the project.
    pub username: String,
    /// The id.
    pub user_id: String,
    /// Properties by name.
    pub properties: Vec<(String, String)>,
}

/// The data one user may see, as it stands at one moment. Immutable: a change makes another value.
///
/// Sources are shared between users where their content is equal, and answer planned lookups by id, type, owner and
/// index (see [`DataSource::index_column`]).
pub trait UserData: Send + Sync {
    /// Who it belongs to.
    fn user(&self) -> &UserRecord;

    /// `casedb`.
    fn cases(&self) -> Source;

    /// `ledgerdb`.
    fn ledgers(&self) -> Source;

    /// The lookup table of an id.
    fn fixture(&self, id: &str) -> Option<Source>;

    /// The name of a case.
    fn case_name(&self, case_id: &str) -> Option<String>;
}

/// A search with its parameters, enough to make it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Search {
    /// The instance its results become.
    pub instance: String,
    /// Where it is sent.
    pub url: String,
    /// Names and values; a name may come several times.
    pub parameters: Vec<(String, String)>,
    /// Results are read as cases, whose unknown properties are blank.
    pub case_template: bool,
}

/// Everything outside of the runtime that one request may need.
pub trait World: Host {
    /// The user's data as it is now.
    fn data(&self) -> Arc<dyn UserData>;

    /// The results of a search, remembered from before unless they must be `fresh`.
    fn search(&self, search: &Search, fresh: bool) -> Result<Source, Error>;

    /// Nobody needs the results of a search any more.
    fn forget(&self, _search: &Search) {}

    /// The order of a list that was kept for the data as it is now.
    fn order(&self, _key: &ListKey) -> Option<KeptOrder> {
        None
    }

    /// Keeps the order of a list for the data as it is now.
    fn keep_order(&self, _key: ListKey, _order: KeptOrder) {}

    /// Sends the post of an entry. If the user's data has changed by it, [`World::data`] gives what it is now.
    fn post(&self, url: &str, parameters: &[(String, String)]) -> Result<(), Error>;

    /// The values kept under an id.
    fn list(&self, id: &str) -> Option<Arc<Vec<String>>>;

    /// Keeps values and gives their id. The list outlives the session.
    fn keep_list(&self, values: Vec<String>) -> String;

    /// The value of `here()`; asking for it is noted.
    fn here(&self) -> String;
}
