//! Wire formats: what phones and clients send, and what they are answered. Pure parsing and printing.
//!
//! Knows XML, encodings, the shapes of forms, case blocks, ledger blocks, device logs, OpenRosa answers, and of
//! profiles and suites of apps.
//! Refuses to know any state: no storage, no clock, no HTTP types. What depends on cases already here is
//! judged by `cases`.
//!
//! Invariants:
//! * No input makes anything here panic, loop, or use more memory than a small multiple of its size;
//!   [`Limits`] bound depth, nodes and blocks.
//! * No entity other than the five of XML is ever expanded, nothing is ever fetched.
//! * The XML bytes are the truth. [`parse_form`] reads what the receiver decides on, [`form_json`] what
//!   people and programs read back; both see the same tree.

pub mod app;
mod case_blocks;
pub mod device_log;
pub mod error;
pub mod form;
pub mod form_json;
pub mod http_date;
mod ledger_blocks;
pub mod limits;
pub mod metadata;
pub mod openrosa;
pub mod restore;
pub mod times;
mod xml;

pub use device_log::{DeviceLog, device_log};
pub use error::ParseError;
pub use form::parse_form;
pub use form_json::form_json;
pub use limits::Limits;
pub use metadata::{AppVersion, app_version, metadata_json};
