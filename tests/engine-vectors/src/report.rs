//! Outcomes, and the gaps that are expected.

use std::collections::HashMap;
use std::path::Path;

/// Collects outcomes and prints failures as they come.
#[derive(Default)]
pub struct Report {
    expected: HashMap<String, String>,
    /// Vectors that passed, or failed as expected.
    pub passed: usize,
    /// Vectors that failed, or passed against expectation.
    pub failed: usize,
}

impl Report {
    /// A report that knows the expected failures of `tests/vectors/expected-failures.toml`, if that file is there.
    pub fn load(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut expected = HashMap::new();
        for line in text.lines().map(str::trim).filter(|line| line.starts_with('"')) {
            let mut quoted = line.split('"');
            if let (Some(_), Some(id), Some(_), Some(reason)) =
                (quoted.next(), quoted.next(), quoted.next(), quoted.next())
            {
                expected.insert(id.to_owned(), reason.to_owned());
            }
        }
        Report { expected, ..Report::default() }
    }

    /// Notes the outcome of one vector.
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
