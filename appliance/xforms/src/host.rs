//! What a form needs from whoever runs it.

use std::sync::Arc;

use bolster_xpath::{DataSource, Host, Names};

/// The data of an external instance.
pub type External = Arc<dyn DataSource + Send + Sync>;

/// Why an external instance cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalError {
    /// It should be there and is not; the form cannot be opened. The sentence is for people.
    Missing(String),
    /// Nothing is known under this source; reading it is an error, opening the form is not.
    Unknown,
}

/// Supplies instances and carries out requests, besides what expressions need.
pub trait FormHost: Host {
    /// The data of the instance declared as `id` with `source` (`jr://…`), as it stays for the whole session. A
    /// source whose names are interned in `names` is read faster.
    fn external(&self, id: &str, source: &str, names: &Names) -> Result<External, ExternalError> {
        let _ = (id, source, names);
        Err(ExternalError::Unknown)
    }

    /// Fetches `resource` for a `<send>` action; nothing if it failed. Parameters are the names and values of the
    /// nodes it reads, if it reads any.
    fn send(&self, resource: &str, parameters: Option<&[(String, String)]>) -> Option<String> {
        let _ = (resource, parameters);
        None
    }
}

impl FormHost for bolster_xpath::NoHost {}
