//! Printing what a phone restores: the envelope, the user, fixtures, ledgers and cases.
//!
//! Everything is appended to a buffer of bytes that the caller sends on when it is big enough. Text that XML
//! cannot hold (control characters) is left out: a phone fails a whole sync over one such character.

mod case_block;
mod fixtures;
mod printer;
mod results;

pub use case_block::{balances, case_block, is_sent_index, is_sent_property, sent_owner, short};
pub use fixtures::{
    FlatLocation, LookupField, LookupSchema, NestedLocation, Product, TablePrinter, flat_locations, groups,
    nested_locations, products, programs,
};
pub use printer::Printer;
pub use results::{result_case, results_begin, results_end};

use bolster_model::Timestamp;

/// The user in a restore.
#[derive(Clone, Debug, Default)]
pub struct Registration<'a> {
    /// Name as typed at login, without a project.
    pub username: &'a str,
    /// Opaque to the phone.
    pub password: &'a str,
    /// User id.
    pub user_id: &'a str,
    /// Day of the account.
    pub date: Timestamp,
    /// Sorted by key.
    pub user_data: Vec<(String, String)>,
}

/// Begins a payload: what can be said before it is known what will follow.
pub fn begin(out: &mut Printer) {
    out.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<OpenRosaResponse xmlns=\"http://openrosa.org/http/response\"");
}

/// Ends the start tag that [`begin`] left open, then message, token (unless nothing continues this payload) and
/// user.
pub fn head(out: &mut Printer, items: Option<usize>, token: Option<&str>, user: &Registration<'_>) {
    if let Some(items) = items {
        out.attribute("items", &items.to_string());
    }
    out.raw("><message nature=\"ota_restore_success\">Restored account ");
    out.text(user.username);
    out.raw("</message>");
    if let Some(token) = token {
        out.raw("<Sync xmlns=\"http://commcarehq.org/sync\"><restore_id>");
        out.text(token);
        out.raw("</restore_id></Sync>");
    }
    out.raw("<Registration xmlns=\"http://openrosa.org/user/registration\">");
    out.element("username", user.username);
    out.element("password", user.password);
    out.element("uuid", user.user_id);
    out.element("date", &day(user.date));
    out.raw("<user_data>");
    for (key, value) in &user.user_data {
        out.raw("<data");
        out.attribute("key", key);
        out.close_tag_with("data", value);
    }
    out.raw("</user_data></Registration>");
}

/// Top-level elements of [`head`].
pub const HEAD_ITEMS: usize = 3;

/// Ends a payload.
pub fn end(out: &mut Printer) {
    out.raw("</OpenRosaResponse>");
}

/// An answer that is no payload.
pub fn refusal(message: &str) -> Vec<u8> {
    let mut out = Printer::default();
    out.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<OpenRosaResponse xmlns=\"http://openrosa.org/http/response\"><message nature=\"ota_restore_error\">");
    out.text(message);
    out.raw("</message></OpenRosaResponse>");
    out.take()
}

/// The day of a time, UTC.
pub fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}
