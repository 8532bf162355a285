//! What our own files must look like: documented, of readable size, finished.

use super::metadata::Graph;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Longer files hold two subjects.
const LINES_MAX: usize = 800;
/// A crate is introduced in more than one line.
const CRATE_DOC_WORDS_MIN: usize = 12;

/// Marks of unfinished work, put together here so that this file does not hold them.
fn marks() -> Vec<String> {
    let glue = |a: &str, b: &str| format!("{a}{b}");
    vec![
        glue("to", "do!("),
        glue("unimple", "mented!("),
        glue("FIX", "ME"),
        glue("XX", "X:"),
        glue("#[ig", "nore"),
        glue("dbg", "!("),
    ]
}

pub fn check(root: &Path, graph: &Graph) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let marks = marks();
    for (_, package) in graph.members() {
        let manifest = std::fs::read_to_string(package.folder.join("Cargo.toml"))?;
        if !manifest.contains("[lints]\nworkspace = true") {
            findings.push(format!("{}: its Cargo.toml does not take the workspace's lints", package.name));
        }
        let mut files = Vec::new();
        for part in ["src", "tests", "benches", "examples"] {
            rust_files(&package.folder.join(part), &mut files)?;
        }
        for file in files {
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            findings.extend(file_findings(&name, &text, &marks));
        }
    }
    Ok(findings)
}

fn file_findings(name: &str, text: &str, marks: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!("{name}: {lines} lines; split it before {LINES_MAX}"));
    }
    let words: usize = text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .map(|line| line.trim_start_matches("//!").split_whitespace().count())
        .sum();
    if words == 0 {
        findings.push(format!("{name}: does not open with module docs (//!)"));
    } else if name.ends_with("src/lib.rs") && words < CRATE_DOC_WORDS_MIN {
        findings.push(format!("{name}: does not say what the crate is and what it refuses to know"));
    }
    for (number, line) in text.lines().enumerate() {
        for mark in marks.iter().filter(|mark| line.contains(mark.as_str())) {
            findings.push(format!("{name}:{}: {mark}", number + 1));
        }
    }
    findings
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_file_has_no_findings() {
        assert_eq!(file_findings("a/src/x.rs", "//! What it holds.\n\nfn f() {}\n", &marks()), [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let text = format!("//! Docs.\nfn f() {{ {}) }}\n", marks()[0]);
        let findings = file_findings("a/src/lib.rs", &text, &marks());
        assert_eq!(findings.len(), 2);
        assert!(findings[0].contains("what the crate is"));
        assert!(findings[1].starts_with("a/src/lib.rs:2:"));
        assert!(file_findings("x.rs", "fn f() {}", &marks())[0].contains("module docs"));
        assert!(file_findings("x.rs", &"//! x\n".repeat(801), &marks())[0].contains("801 lines"));
    }
}
