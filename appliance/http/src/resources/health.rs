//! Whether the appliance is up and how far everything has come.

use crate::reply::{Reply, json, text};
use crate::router::State;
use hyper::StatusCode;
use serde_json::json;

/// `GET /serverup.txt`: what phones look for.
pub fn server_up() -> Reply {
    text(StatusCode::OK, "success")
}

/// `GET /healthz`
pub fn health(state: &State) -> Reply {
    let status = state.app.store().status();
    let ready = !state.app.settings().maintenance();
    let readers: serde_json::Map<String, serde_json::Value> = status
        .applied
        .iter()
        .enumerate()
        .map(|(n, applied)| (format!("shard-{n}"), json!(status.head.saturating_sub(*applied))))
        .collect();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(code, &json!({"ready": ready, "head": status.head, "lag": readers}))
}
