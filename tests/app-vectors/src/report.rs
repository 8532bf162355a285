//! Outcomes, and the gaps that are expected.

use std::collections::HashMap;
use std::path::Path;

/// Collects outcomes and prints failures as they come.
#[derive(Default)]
pub struct Report {
    expected: HashMap<String, String>,
    /// Sessions that passed, or failed as expected.
    pub passed: usize,
    /// Sessions that failed, or passed against expectation.
    pub failed: usize,
    /// Steps that were run.
    pub steps: usize,
    /// Steps that answered as recorded.
    pub steps_passed: usize,
}

impl Report {
    /// A report that knows the section `[apps]` of a list of expected failures, if that file is there.
    pub fn load(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut expected = HashMap::new();
        let mut ours = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                ours = line == "[apps]";
            } else if ours && line.starts_with('"') {
                let mut quoted = line.split('"');
                if let (Some(_), Some(id), Some(_), Some(reason)) =
                    (quoted.next(), quoted.next(), quoted.next(), quoted.next())
                {
                    expected.insert(id.to_owned(), reason.to_owned());
                }
            }
        }
        Report { expected, ..Report::default() }
    }

    /// Notes the outcome of one session.
    pub fn note(&mut self, id: &str, outcome: Result<(), String>) {
        match (outcome, self.expected.contains_key(id)) {
            (Ok(()), false) | (Err(_), true) => self.passed += 1,
            (Ok(()), true) => {
                self.failed += 1;
                println!("FAIL {id}: listed as an expected failure, but it passes");
            }
            (Err(what), false) => {
                self.failed += 1;
                println!("FAIL {id}: {what}");
            }
        }
    }
}
