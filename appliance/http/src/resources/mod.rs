//! Resources for programs, one file each.

pub mod apps;
pub mod attachments;
pub mod cases;
mod fields;
pub mod figures;
pub mod forms;
pub mod health;
pub mod login;
pub mod phone_calls;

use crate::problem::Problem;
use crate::routes::Found;
use std::borrow::Cow;

/// Text of a placeholder; an address that is no text leads nowhere.
pub(crate) fn place<'p>(found: &Found<'p>, name: &str) -> Result<Cow<'p, str>, Problem> {
    found.text(name).ok_or(Problem::NoRoute)
}
