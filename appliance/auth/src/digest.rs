//! HTTP digest (MD5, qop=auth), for clients that know nothing better.

use crate::auth::Auth;
use crate::documents::{Project, User};
use crate::password::Password;
use crate::present::AuthError;
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bolster_env::{Random, random};
use chacha20poly1305::aead::Aead;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use md5::{Digest as _, Md5};
use std::collections::HashMap;
use subtle::ConstantTimeEq;

/// Realm of digest and basic challenges.
pub(crate) const REALM: &str = "bolster";
/// How long a nonce is good, in microseconds.
const NONCE_US_MAX: u64 = 10 * 60 * 1_000_000;

fn md5_hex(text: &str) -> String {
    crate::api_key::hex(&Md5::digest(text.as_bytes()))
}

/// What is kept beside a password hash: `MD5(name:realm:password)`, encrypted. Each name that the client may
/// use is a different value; the wire name is the one kept.
pub(crate) fn seal(key: &Secret, name: &str, password: &Password, source: &dyn Random) -> Option<String> {
    let ha1 = md5_hex(&format!("{name}:{REALM}:{}", password.text()));
    let nonce = random::bytes::<12>(source);
    let cipher = ChaCha20Poly1305::new_from_slice(key.bytes()).ok()?;
    let sealed = cipher.encrypt(Nonce::from_slice(&nonce), ha1.as_bytes()).ok()?;
    Some(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
}

fn open(key: &Secret, sealed: &str) -> Option<String> {
    let bytes = STANDARD.decode(sealed).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(12)?;
    let cipher = ChaCha20Poly1305::new_from_slice(key.bytes()).ok()?;
    String::from_utf8(cipher.decrypt(Nonce::from_slice(nonce), sealed).ok()?).ok()
}

/// A challenge with a nonce that says when it was made.
pub(crate) fn challenge(key: &Secret, now_us: u64, stale: bool) -> String {
    let stale = if stale { ", stale=true" } else { "" };
    let nonce = nonce(key, now_us);
    format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5{stale}")
}

fn nonce(key: &Secret, at_us: u64) -> String {
    let mac = key.mac(&[b"nonce", &at_us.to_le_bytes()]);
    format!("{at_us:016x}{}", crate::api_key::hex(&mac[..16]))
}

fn nonce_age(key: &Secret, text: &str, now_us: u64) -> Option<u64> {
    let at = u64::from_str_radix(text.get(..16)?, 16).ok()?;
    bool::from(nonce(key, at).as_bytes().ct_eq(text.as_bytes())).then(|| now_us.saturating_sub(at))
}

/// `name="value", …` of a header.
fn fields(header: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = header;
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, tail)) => (value, tail),
                None => return found,
            },
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        let name = name.trim().trim_start_matches(',').trim().to_ascii_lowercase();
        found.insert(name, value.trim().to_owned());
        rest = tail.trim_start().trim_start_matches(',');
    }
    found
}

/// Checks an `Authorization: Digest` (without the scheme) and answers the user.
pub(crate) fn check(
    auth: &Auth,
    project: &Project,
    header: &str,
    (method, target): (&str, &str),
    peer: Option<std::net::IpAddr>,
) -> Result<std::sync::Arc<User>, AuthError> {
    let fields = fields(header);
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let key = auth.digest_key();
    let now_us = auth.now_us();
    let Some(age) = nonce_age(&key, field("nonce"), now_us) else { return Err(AuthError::Missing) };
    if field("uri") != target || field("realm") != REALM {
        return Err(AuthError::Wrong);
    }
    let name = field("username");
    let who = auth.who(project, name);
    auth.not_locked(&who, peer)?;
    let found = auth.find_user(project, name);
    let credential = found.as_ref().and_then(|user| auth.credential(&user.id));
    let ha1 = credential.and_then(|c| open(&auth.seal_key(), c.digest.as_deref()?)).unwrap_or_default();
    let ha2 = md5_hex(&format!("{method}:{}", field("uri")));
    let expected = match field("qop") {
        "" => md5_hex(&format!("{ha1}:{}:{ha2}", field("nonce"))),
        _ => md5_hex(&format!(
            "{ha1}:{}:{}:{}:{}:{ha2}",
            field("nonce"),
            field("nc"),
            field("cnonce"),
            field("qop")
        )),
    };
    let right = bool::from(expected.as_bytes().ct_eq(field("response").as_bytes()));
    match found {
        Some(user) if right && !ha1.is_empty() => {
            let made_us = now_us - age;
            // Without `qop` nothing counts the uses, so there is one.
            let count = match field("qop") {
                "" => Some(1),
                _ => u32::from_str_radix(field("nc"), 16).ok(),
            };
            let Some(count) = count else { return Err(AuthError::Wrong) };
            let oldest_us = now_us.saturating_sub(NONCE_US_MAX);
            if age > NONCE_US_MAX || !auth.nonces().take(field("nonce"), made_us, count, oldest_us) {
                return Err(AuthError::Stale);
            }
            auth.login_succeeded(&who);
            Ok(user)
        }
        _ => {
            auth.login_failed(&who, peer);
            Err(AuthError::Wrong)
        }
    }
}
