//! What goes wrong: problems of a definition, and errors of a session.

use std::fmt;

/// How grave a problem of a definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The form cannot be used.
    Error,
    /// The form works, perhaps not as its author thinks.
    Warning,
}

impl Severity {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// What kind of problem a definition has; stable, and what tools branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Problem {
    Xml,
    Limit,
    Structure,
    Instance,
    Bind,
    Expression,
    Itext,
    Control,
    Repeat,
    Choices,
    Action,
    Value,
    Cycle,
    Markup,
    UnknownFunction,
    UnknownInstance,
    MissingNode,
}

impl Problem {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Problem::Xml => "xml",
            Problem::Limit => "limit",
            Problem::Structure => "structure",
            Problem::Instance => "instance",
            Problem::Bind => "bind",
            Problem::Expression => "expression",
            Problem::Itext => "itext",
            Problem::Control => "control",
            Problem::Repeat => "repeat",
            Problem::Choices => "choices",
            Problem::Action => "action",
            Problem::Value => "value",
            Problem::Cycle => "cycle",
            Problem::Markup => "markup",
            Problem::UnknownFunction => "unknown-function",
            Problem::UnknownInstance => "unknown-instance",
            Problem::MissingNode => "missing-node",
        }
    }
}

/// One problem of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What kind.
    pub problem: Problem,
    /// One sentence or more for the author of the form.
    pub message: String,
    /// Line of the form, from 1; 0 if it is nowhere in particular.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The node it is about, as a path.
    pub node: Option<String>,
    /// The label of the question it is about.
    pub label: Option<String>,
    /// What to do about it.
    pub suggestion: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(node) = self.node.as_deref().filter(|node| !self.message.contains(*node)) {
            write!(f, " (at {node})")?;
        }
        Ok(())
    }
}

/// A definition that cannot be used: everything that was found, errors first.
#[derive(Clone, Debug)]
pub struct LoadError {
    /// Errors, then warnings, each in the order of the form.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.diagnostics.iter().filter(|d| d.severity == Severity::Error);
        for (at, diagnostic) in errors.enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// The kind of a session's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormCode {
    /// An expression failed.
    Expression(bolster_xpath::Code),
    /// An instance the host should supply is missing.
    MissingInstance,
    /// A saved form does not fit the definition.
    Saved,
    /// A value does not fit the type of its node.
    Value,
    /// The index does not denote what the operation needs.
    Index,
    /// A limit given by the host was reached; the sentence names it.
    Limit,
    /// The form cannot be submitted.
    Submission,
}

impl FormCode {
    /// The stable text of the code.
    pub fn as_str(self) -> &'static str {
        match self {
            FormCode::Expression(code) => code.as_str(),
            FormCode::MissingInstance => "missing-fixture",
            FormCode::Saved => "saved-form",
            FormCode::Value => "value",
            FormCode::Index => "index",
            FormCode::Limit => "limit",
            FormCode::Submission => "submission",
        }
    }
}

/// An error of a session; the session is as it was before.
#[derive(Clone, Debug)]
pub struct FormError {
    /// What kind of error it is.
    pub code: FormCode,
    /// One sentence or more.
    pub message: String,
    /// The node whose bind or action failed, as a path.
    pub node: Option<String>,
    /// The text of the expression that failed.
    pub expression: Option<Box<str>>,
    /// Where in that text.
    pub span: bolster_xpath::Span,
}

impl FormError {
    /// An error that is about no expression.
    pub(crate) fn new(code: FormCode, message: impl Into<String>) -> Self {
        FormError { code, message: message.into(), node: None, expression: None, span: Default::default() }
    }

    /// An expression's error.
    pub(crate) fn of(error: &bolster_xpath::Error, expression: &str, prefix: &str) -> Self {
        let code = match error.code {
            bolster_xpath::Code::Limit => FormCode::Limit,
            code => FormCode::Expression(code),
        };
        let message = if prefix.is_empty() { error.to_string() } else { format!("{prefix}\n{error}") };
        FormError { code, message, node: None, expression: Some(expression.into()), span: error.span }
    }
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FormError {}
