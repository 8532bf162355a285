//! Commands for a data folder, whether a server runs on it or not: one set of requests and replies, answered
//! over a socket by the server, or in this process when there is none.

pub mod answer;
pub mod apps;
pub mod client;
mod custom_data;
pub mod people;
mod places;
pub mod protocol;
mod search;
mod show;
pub mod socket;
mod upkeep;

use crate::open;
use anyhow::{Result, bail};
use bolster_env::Env;
use protocol::{Request, Sink};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// A server that is starting or stopping holds the folder without answering; it gets this long.
const IN_BETWEEN_US_MAX: u64 = 10_000_000;
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Answers a request: by the running server, else by opening the folder here.
pub fn perform(data: &Path, request: &Request, sink: &mut Sink<'_>) -> Result<Value> {
    let env = Env::real();
    let begin = env.clock.monotonic_us();
    loop {
        if let Some(stream) = client::running(data)? {
            return client::ask(&stream, request, sink);
        }
        if !open::is_data_folder(data) && !matches!(request, Request::ProjectCreate { .. }) {
            bail!(
                "there is no data folder {}; name it with --data, or make one with \"bolster serve\"",
                data.display()
            );
        }
        match open::open(env.clone(), data, false) {
            Ok(appliance) => {
                let result = answer::answer(&appliance, request, &mut answer::Caller::Here(sink));
                appliance.close();
                return result;
            }
            Err(error) if is_in_use(&error) && env.clock.monotonic_us() - begin < IN_BETWEEN_US_MAX => {
                std::thread::park_timeout(TRY_AGAIN);
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<bolster_store::FolderError>(),
            Some(bolster_store::FolderError::InUse { .. })
        )
    })
}
