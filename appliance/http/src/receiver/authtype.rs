//! Which kind of credentials a submission says it brings.

use crate::request::Request;
use hyper::header::{AUTHORIZATION, HeaderName, USER_AGENT};

/// A kind of credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthType {
    /// Name and password; the session cookie passes too.
    Basic,
    /// Digest of name and password; the session cookie passes too.
    Digest,
    /// None: only what harms nobody is taken.
    NoAuth,
    /// API key.
    ApiKey,
    /// Bearer token.
    OAuth2,
}

/// Words in the user agents of phones that were made before Basic was offered to them.
const OLD_PHONES: &[&str] = &["nokia", "cldc", "midp", "series60", "series40", "symbian", "symbos", "maemo"];

/// The kind that `?authtype=` names, else the one that the request looks like; `None` for an unknown one.
pub fn auth_type(request: &Request) -> Option<AuthType> {
    match request.query("authtype").as_deref() {
        Some("basic") => Some(AuthType::Basic),
        Some("digest") => Some(AuthType::Digest),
        Some("noauth") => Some(AuthType::NoAuth),
        Some("api_key") => Some(AuthType::ApiKey),
        Some("oauth2") => Some(AuthType::OAuth2),
        Some(_) => None,
        None => guessed(request),
    }
}

fn guessed(request: &Request) -> Option<AuthType> {
    if let Some(agent) = request.header(USER_AGENT) {
        let agent = agent.to_ascii_lowercase();
        if OLD_PHONES.iter().any(|word| agent.contains(word)) {
            return Some(AuthType::Digest);
        }
    }
    let Some(value) = request.headers().get(AUTHORIZATION) else {
        // Signed by a Formplayer that does not exist here: not a kind of this address.
        let signed = request.headers().contains_key(HeaderName::from_static("x-mac-digest"));
        return if signed { None } else { Some(AuthType::Basic) };
    };
    let scheme = value.as_bytes().split(|b| *b == b' ').next().unwrap_or_default();
    let known = [
        (&b"basic"[..], AuthType::Basic),
        (b"digest", AuthType::Digest),
        (b"apikey", AuthType::ApiKey),
        (b"bearer", AuthType::OAuth2),
    ];
    let kind = known.iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind);
    Some(kind.unwrap_or(AuthType::Basic))
}
