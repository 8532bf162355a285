//! Sample data for `bolster serve --demo`, made by submitting forms like any phone does.

mod form_xml;
mod story;

pub use form_xml::escape;
pub use story::{StoryForm, tell};
