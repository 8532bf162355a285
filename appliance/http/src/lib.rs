//! The HTTP edge: listener, limits, routes, one file per resource, envelopes, pages.
//!
//! Turns bytes into plain values for use cases, and their outcomes into statuses, envelopes and pages. Knows
//! nothing of tables, files and rules: it asks `auth` who somebody is, gets a permit, and calls a use case or
//! reads through the store's facade.
//!
//! Invariants:
//! * Every size, count and time that a client controls has a limit ([`HttpOptions`]).
//! * No route answers data without a permit; [`routes::ROUTES`] says which each needs, and a test compares.
//! * A submission is answered 201 only after the use case said that it is durable.
//! * Nothing a client sends gives a 500; a panic is caught per request and tells the client no details.
//! * Only [`problem`] turns errors into statuses, in one exhaustive match for each kind.

mod body;
mod coding;
mod formplayer;
mod gate;
mod gunzip;
mod listener;
pub mod metrics;
pub mod multipart;
pub mod options;
mod pages;
mod phone;
pub mod problem;
mod receiver;
mod reply;
mod request;
mod resources;
mod router;
pub mod routes;

pub use body::Inbound;
pub use options::{HttpOptions, RuntimeKey};
pub use reply::{Reply, ReplyBody};
pub use router::Router;

use bolster_usecases::Appliance;
use tokio::net::TcpListener;

/// Serves an appliance on a listener until `shutdown` ends; answers when the last request has.
///
/// Runs on the tokio runtime it is called in, which needs time, IO and blocking threads.
pub async fn serve(listener: TcpListener, app: Appliance, shutdown: impl Future<Output = ()>) {
    serve_with(listener, app, HttpOptions::default(), shutdown).await;
}

/// As [`serve`], with other limits.
pub async fn serve_with(
    listener: TcpListener,
    app: Appliance,
    options: HttpOptions,
    shutdown: impl Future<Output = ()>,
) {
    listener::serve(listener, Router::new(app, options), shutdown).await;
}
