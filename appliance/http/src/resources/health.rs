//! Whether the appliance is up, for phones, scripts and people who watch it.

use crate::reply::{Reply, json, text};
use crate::router::State;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Value, json as object};

/// `GET /serverup.txt`: exactly this text; phones compare it to find out whether they are in the internet.
pub fn server_up() -> Reply {
    no_store(text(StatusCode::OK, "success"))
}

/// `GET /healthz`: 200 when submissions are taken, else 503. `lag` counts log entries.
pub fn health(state: &State) -> Reply {
    let status = state.app.store().status();
    let readers = status.applied.iter().zip(&status.waiting).enumerate();
    let readers: Vec<Value> = readers
        .map(|(shard, (applied, waiting))| {
            let lag = status.head.saturating_sub(*applied);
            object!({ "name": format!("shard-{shard}"), "applied": applied, "lag": lag, "waiting": waiting })
        })
        .collect();
    let maintenance = state.app.settings().maintenance();
    let value = object!({
        "ready": !maintenance,
        "maintenance": maintenance,
        "log_head": status.head,
        "readers": readers,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let code = if maintenance { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    no_store(json(code, &value))
}

fn no_store(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
