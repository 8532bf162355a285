//! HTTP basic.

use crate::password::Password;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A name as presented, for checking its password.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub name: String,
}

/// Name and password of the value after `Basic `. UTF-8, else Latin-1.
pub(crate) fn parse(value: &str) -> Option<(String, Password)> {
    let bytes = STANDARD.decode(value.trim()).ok()?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => error.into_bytes().iter().map(|b| char::from(*b)).collect(),
    };
    let (name, password) = text.split_once(':')?;
    Some((name.to_lowercase(), Password::new(password)))
}
