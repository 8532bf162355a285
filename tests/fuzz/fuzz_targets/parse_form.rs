//! Any bytes as a form: nothing panics, and what parses has JSON and metadata too.

#![no_main]

use bolster_wire::{Limits, device_log, form_json, metadata_json, parse_form};

libfuzzer_sys::fuzz_target!(|xml: &[u8]| {
    let limits = Limits { depth: 64, nodes: 10_000, blocks: 100, ..Limits::default() };
    let form = parse_form(xml, &limits);
    let json = form_json(xml, &limits);
    if let Ok(form) = form {
        let json = json.expect("a form that parses has JSON");
        let _ = metadata_json(&json);
        assert!(!form.xmlns.is_empty());
    }
    let _ = device_log(xml, &limits);
});
