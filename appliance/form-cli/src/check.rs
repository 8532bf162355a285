//! `bolster form check`: everything that is wrong with a form, with places.

use std::io::Write;

use bolster_xforms::{Diagnostic, FormDefinition, LoadOptions, Severity};
use bolster_xpath::Host;
use serde_json::{Value as Json, json};

use crate::{CheckCommand, Error, read};

fn as_json(diagnostic: &Diagnostic) -> Json {
    json!({
        "severity": diagnostic.severity.as_str(),
        "code": diagnostic.problem.as_str(),
        "message": diagnostic.message,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "node": diagnostic.node,
        "label": diagnostic.label,
        "suggestion": diagnostic.suggestion,
    })
}

/// Reads a form and lists its problems; true if it can be used.
///
/// Errors: the file cannot be read, or the list cannot be written.
pub fn check(
    command: &CheckCommand,
    host: &dyn Host,
    json: bool,
    out: &mut dyn Write,
) -> Result<bool, Error> {
    let text = read(&command.file)?;
    let (diagnostics, summary) = match FormDefinition::parse(&text, &LoadOptions::default(), host) {
        Ok(definition) => {
            let summary = format!(
                "{} questions, {} expressions, {} instances from outside",
                definition.question_count(),
                definition.item_count(),
                definition.external_instances().count()
            );
            (definition.warnings().to_vec(), Some(summary))
        }
        Err(error) => (error.diagnostics, None),
    };
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    if json {
        let list: Vec<Json> = diagnostics.iter().map(as_json).collect();
        let value = json!({"ok": errors == 0, "errors": errors, "warnings": warnings, "diagnostics": list});
        writeln!(out, "{value}")?;
    } else {
        let file = command.file.display();
        for diagnostic in &diagnostics {
            let place = match diagnostic.line {
                0 => format!("{file}"),
                line => format!("{file}:{line}:{}", diagnostic.column),
            };
            let code = diagnostic.problem.as_str();
            writeln!(out, "{place}: {}[{code}]: {diagnostic}", diagnostic.severity.as_str())?;
            if let Some(label) = &diagnostic.label {
                writeln!(out, "    question: {label}")?;
            }
            if let Some(suggestion) = &diagnostic.suggestion {
                writeln!(out, "    help: {}", suggestion.replace('\n', "\n          "))?;
            }
        }
        writeln!(
            out,
            "{errors} errors, {warnings} warnings{}",
            summary.map_or(String::new(), |s| format!("; {s}"))
        )?;
    }
    Ok(errors == 0 && (warnings == 0 || !command.strict))
}
