//! Sample data for `bolster serve --demo`, made by submitting forms like any phone does.

mod app;
mod fill;
mod form_xml;
mod story;

pub use fill::fill_if_empty;
