//! Any bytes as the definition of a form: nothing panics; what loads is opened, walked, answered, written and resumed,
//! and recalculating it anew changes nothing where nothing was overwritten.

#![no_main]

use std::sync::Arc;

use bolster_xforms::{
    External, ExternalError, FormDefinition, FormHost, FormLimits, LoadOptions, OpenOptions, Session,
};
use bolster_xpath::{Host, Limits, Names, Tree};

struct FuzzHost;

impl Host for FuzzHost {
    fn uuid(&self, length: Option<usize>) -> String {
        "0".repeat(length.unwrap_or(36).min(64))
    }
}

impl FormHost for FuzzHost {
    fn external(&self, _id: &str, _source: &str, names: &Names) -> Result<External, ExternalError> {
        Ok(Arc::new(Tree::new(names, names.intern("root"))))
    }
}

fn limits() -> FormLimits {
    FormLimits {
        bytes: 1 << 16,
        nodes: 4_000,
        depth: 40,
        session_nodes: 1_000,
        positions: 500,
        output: 1 << 18,
        expressions: Limits { steps: 20_000, nodes: 2_000, depth: 40, output: 1 << 14, regex: 10_000 },
    }
}

/// What is done and typed comes from the end of the input.
fn act(session: &mut Session, code: u8) {
    let host = &FuzzHost;
    let _ = match code % 8 {
        0 => session.step_back(host).is_ok(),
        1 => {
            let here = session.current().clone();
            session.new_repeat(&here, host).is_ok()
        }
        2 => {
            let here = session.current().clone();
            session.delete_repeat(&here, host).is_ok()
        }
        3 => session.positions(host).is_ok(),
        4..=6 => {
            let text = ["", "1", "x", "2024-02-29", "a b", "1 2", "99999999999", "\u{0}", "true"];
            let here = session.current().clone();
            let text = text[usize::from(code / 8) % text.len()];
            let before = session.state(host);
            let answer = session.answer(&here, Some(text), host);
            if answer.is_err() {
                assert_eq!(before, session.state(host), "a failed answer changes nothing");
            }
            answer.is_ok()
        }
        _ => session.validate(host).is_ok(),
    };
    let _ = session.describe(session.current(), host);
    let _ = session.step(host);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let options = LoadOptions { limits: limits(), first_error_only: false };
    let definition = match FormDefinition::parse(text, &options, &FuzzHost) {
        Ok(definition) => Arc::new(definition),
        Err(error) => {
            assert!(!error.diagnostics.is_empty(), "a refusal says why");
            return;
        }
    };
    let Ok(mut session) = Session::open(&definition, &OpenOptions::default(), &FuzzHost) else { return };
    let _ = session.step(&FuzzHost);
    for code in bytes.iter().rev().take(24) {
        act(&mut session, *code);
    }
    let _ = session.finalize(&FuzzHost);
    let _ = session.submission(&FuzzHost);
    if let Ok(draft) = session.draft(&FuzzHost) {
        let saved = OpenOptions { saved: Some(&draft), ..OpenOptions::default() };
        let _ = Session::open(&definition, &saved, &FuzzHost);
    }
});
