//! Any bytes as a request: method and address in the first line, headers until an empty line, then the body.
//! Nothing panics and nothing answers 500, whatever address, header, credential or body it is.

#![no_main]

use bolster_env::{Env, SeededRandom, SimClock, SimDisk};
use bolster_http::{HttpOptions, Inbound, Router};
use bolster_model::Timestamp;
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::{Appliance, ServerSettings};
use hyper::header::{HeaderName, HeaderValue};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::runtime::Runtime;

/// Requests that one appliance answers. Its simulated disk keeps in memory whatever was ever written, so that a
/// longer life would look like a leak of the product.
const REQUESTS_MAX: u32 = 2_000;

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

struct Place {
    app: Appliance,
    router: Router,
    runtime: Runtime,
    requests: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.app.close();
    }
}

/// An appliance in memory with one project that takes forms from anybody.
fn place() -> Place {
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
    Place { router: Router::new(app.clone(), HttpOptions::default()), app, runtime, requests: 0 }
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
    PLACE.with_borrow_mut(|slot| {
        if slot.as_ref().is_some_and(|place| place.requests == REQUESTS_MAX) {
            *slot = None;
        }
        let Place { router, runtime, requests, .. } = slot.get_or_insert_with(place);
        *requests += 1;
        let peer = ([127, 0, 0, 1], 1).into();
        let reply = runtime.block_on(router.answer(head, Inbound::Whole(body.into()), peer));
        assert_ne!(reply.status(), 500);
        assert_eq!(router.metrics().panics.load(Ordering::Relaxed), 0);
    });
});
