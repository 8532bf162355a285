//! A form as the receiver sees it.

use bolster_model::ParsedForm;

use crate::{Limits, ParseError};

/// Reads a form: ids, metadata, case blocks and ledger blocks. No JSON is built.
///
/// A form whose blocks cannot be applied parses all the same; `content_error` then says why.
pub fn parse_form(_xml: &[u8], _limits: &Limits) -> Result<ParsedForm, ParseError> {
    Err(ParseError::NoNamespace)
}
