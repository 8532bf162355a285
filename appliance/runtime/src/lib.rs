//! The application runtime: packages, menus, case lists, searches, sessions, and the data of one user.
//!
//! What it is: an [`App`] is read once from a package and shared by everybody who uses it; a [`Session`] is where one
//! user is in it, a compact value that can be kept and resumed; a [`Navigator`] moves a session from screen to screen
//! during one request; a [`Sandbox`] is a user's data read from restore payloads.
//!
//! What it refuses to know: clocks, randomness, time zones, networks, files, threads, stores and JSON. All of them
//! arrive through [`World`], and the user's data through [`UserData`].
//!
//! Invariants:
//! - No package, payload or selection makes it panic; failures are [`Error`]s with a sentence for the person who can
//!   do something about them.
//! - An [`App`] never changes. What a request evaluates is a snapshot: data does not change under it except by what
//!   the request itself sends.
//! - Expressions are compiled when the package is read; a cell is computed only if somebody looks at it, sorts by it
//!   or searches in it.

mod app;
mod check;
mod detail;
mod env;
mod error;
mod graph;
mod instance;
mod locale;
mod navigate;
mod parse;
mod profile;
mod request;
mod results;
mod sandbox;
mod screen;
mod session;
mod suite;
mod text;
mod world;

pub use app::{App, Files};
pub use check::{Finding, Severity, check};
pub use detail::{Action, Detail, Field, Grid, SortType, Style, Template};
pub use env::{Cx, Env, Scope, Variables};
pub use error::{Code, Error};
pub use graph::{GraphData, SeriesData};
pub use instance::{Place, Slot, results_source};
pub use locale::Locales;
pub use navigate::{
    Navigator, Notice as ScreenNotice, Options, Outcome, PersistentItem, PersistentMenu, PersistentState,
    QueryInputs,
};
pub use profile::{PLATFORM, Profile};
pub use sandbox::{Changes, Sandbox, purge_ids};
pub use screen::*;
pub use session::{Attached, Frame, Needed, Session, Step, StepKind};
pub use suite::{
    Datum, DatumKind, Endpoint, EndpointArgument, EntityDatum, Entry, EntryKind, InstanceRef, Menu, Query,
    QueryPrompt,
};
pub use text::{Display, Text};
pub use world::{Search, Source, UserData, UserRecord, World};
