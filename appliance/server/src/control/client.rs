//! The asking end: finds out whether a server runs on the folder.

use super::protocol::{Reply, Request, Sink};
use super::socket;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The connection to the running server; `None` when there is none.
pub fn running(data: &Path) -> Result<Option<UnixStream>> {
    match socket::connect(data) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!(
            "the data folder {} belongs to another user; run this command as that user or as root",
            data.display()
        ),
        Err(error) => {
            Err(error).with_context(|| format!("no connection to the server of {}", data.display()))
        }
    }
}

/// Asks the running server, passing on progress and items; the result.
pub fn ask(stream: &UnixStream, request: &Request, sink: &mut Sink<'_>) -> Result<Value> {
    let mut last = None;
    let mut pass = |reply: Reply| match reply {
        Reply::Done(value) => {
            last = Some(Ok(value));
            true
        }
        Reply::Failed(sentence) => {
            last = Some(Err(anyhow::anyhow!(sentence)));
            true
        }
        other => sink(other),
    };
    socket::ask(stream, request, &mut pass).context("the connection to the running server broke")?;
    last.unwrap_or(Ok(Value::Null))
}

/// Asks a server that must run.
pub fn ask_running(data: &Path, request: &Request) -> Result<Value> {
    let stream = running(data)?.context("the server does not run")?;
    ask(&stream, request, &mut |_| true)
}
