//! What is kept of a form being filled in.

use bolster_runtime::Session;
use serde::{Deserialize, Serialize};

use crate::host::Account;

/// The account of a form.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Owner {
    pub domain: String,
    pub username: String,
    pub login_as: Option<String>,
    pub case: Option<String>,
    pub signed: bool,
}

/// A form being filled in, enough to go on after a restart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub account: Owner,
    /// The application it belongs to.
    pub app_id: Option<String>,
    /// The application is the one being edited.
    pub preview: bool,
    /// The language of texts.
    pub language: Option<String>,
    /// The language of the menus it came from.
    pub menu_language: String,
    /// What it is called.
    pub title: String,
    /// Where it goes.
    pub post_url: String,
    /// Where in the application it was opened; nothing if it was opened by itself.
    pub session: Option<Session>,
    /// Data of the session, by id.
    pub data: Vec<(String, String)>,
    /// Functions with fixed results: name and value.
    pub functions: Vec<(String, String)>,
    /// One question is shown at a time.
    pub one_question: bool,
    /// A conversation: answers step on.
    pub prompts: bool,
    /// The position.
    pub index: String,
    /// Increased whenever it is written.
    pub version: u64,
    /// When it was opened, in milliseconds.
    pub opened_ms: i64,
    /// The namespace that identifies the form in its application.
    pub namespace: Option<String>,
    /// The form, if it came with the request that opened it.
    pub form_text: Option<String>,
    /// The width of the client's window.
    pub window_width: Option<String>,
    /// The server has the form; what follows may still have to be done.
    pub posted: bool,
    /// What the server said.
    pub message: Option<String>,
}

impl Record {
    /// The record as it is kept, with the instance, hidden answers included.
    pub fn written(&self, instance: &str) -> Vec<u8> {
        let mut out = serde_json::to_vec(self).unwrap_or_default();
        out.push(b'\n');
        out.extend_from_slice(instance.as_bytes());
        out
    }

    /// A record that was kept, and its instance.
    pub fn read(bytes: &[u8]) -> Option<(Record, String)> {
        let line = bytes.iter().position(|b| *b == b'\n')?;
        let record = serde_json::from_slice(&bytes[..line]).ok()?;
        Some((record, String::from_utf8(bytes[line + 1..].to_vec()).ok()?))
    }

    /// Whose it is.
    pub fn account(&self) -> Account {
        Account {
            domain: self.account.domain.clone(),
            username: self.account.username.clone(),
            login_as: self.account.login_as.clone(),
            case: self.account.case.clone(),
            signed: self.account.signed,
        }
    }

    /// Notes whose it is.
    pub fn set_account(&mut self, account: &Account) {
        self.account = Owner {
            domain: account.domain.clone(),
            username: account.username.clone(),
            login_as: account.login_as.clone(),
            case: account.case.clone(),
            signed: account.signed,
        };
    }
}
