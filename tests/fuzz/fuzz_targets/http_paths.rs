//! Any bytes as a request: method and address in the first line, headers until an empty line, then the body.
//! Nothing panics and nothing answers 500, whatever address, header, credential or body it is.

#![no_main]

use bolster_env::{Env, SeededRandom, SimClock, SimDisk};
use bolster_http::{HttpOptions, Inbound, Router};
use bolster_model::Timestamp;
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::{Appliance, ServerSettings};
use hyper::header::{HeaderName, HeaderValue};
use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::runtime::Runtime;

thread_local! {
    static PLACE: OnceCell<(Router, Runtime)> = const { OnceCell::new() };
}

/// An appliance in memory with one project that takes forms from anybody.
fn place() -> (Router, Runtime) {
    let env = Env {
        disk: Arc::new(SimDisk::default()),
        clock: Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000))),
        random: Arc::new(SeededRandom::new(1)),
    };
    let log = LogOptions { segment_bytes: 1 << 20, ..LogOptions::default() };
    let options = StoreOptions { log, shard_cache_bytes: 1 << 20, ..StoreOptions::default() };
    let app = Appliance::open(env, Path::new("/data"), options, ServerSettings::default()).expect("opens");
    app.create_project(&app.auth().operator_node_permit("fuzz"), "p").expect("a project");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    (Router::new(app, HttpOptions::default()), runtime)
}

fn request(input: &[u8]) -> Option<(hyper::http::request::Parts, Vec<u8>)> {
    let end = input.windows(2).position(|w| w == b"\n\n").unwrap_or(input.len());
    let (head, body) = input.split_at(end);
    let mut lines = head.split(|b| *b == b'\n');
    let mut first = lines.next()?.splitn(2, |b| *b == b' ');
    let (method, uri) = (first.next()?, first.next()?);
    let mut builder = hyper::Request::builder().method(method).uri(uri);
    for line in lines {
        let at = line.iter().position(|b| *b == b':')?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        builder = builder.header(name, HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?);
    }
    let (parts, ()) = builder.body(()).ok()?.into_parts();
    Some((parts, body.get(2..).unwrap_or_default().to_vec()))
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((head, body)) = request(input) else { return };
    PLACE.with(|cell| {
        let (router, runtime) = cell.get_or_init(place);
        let peer = ([127, 0, 0, 1], 1).into();
        let reply = runtime.block_on(router.answer(head, Inbound::Whole(body.into()), peer));
        assert_ne!(reply.status(), 500);
        assert_eq!(router.metrics().panics.load(Ordering::Relaxed), 0);
    });
});
