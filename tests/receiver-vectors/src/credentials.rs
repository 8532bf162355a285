//! How a request proves who sends it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

/// `Authorization` for HTTP basic.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// `Authorization` that answers a digest challenge (RFC 7616, MD5), or `None` if this is none.
pub fn digest(challenge: &str, user: &str, password: &str, method: &str, target: &str) -> Option<String> {
    let fields = challenge.trim().strip_prefix("Digest ")?;
    let field = |name: &str| {
        fields.split(',').find_map(|f| {
            let (key, value) = f.trim().split_once('=')?;
            (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let (realm, nonce) = (field("realm")?, field("nonce")?);
    let opaque = field("opaque").map(|o| format!(", opaque=\"{o}\"")).unwrap_or_default();
    let ha1 = md5(&format!("{user}:{realm}:{password}"));
    let ha2 = md5(&format!("{method}:{target}"));
    // A list of qualities is split at its comma; `auth` comes first or alone.
    let (response, quality) = if field("qop").is_some() {
        let (count, own) = ("00000001", "0a4f113b");
        let response = md5(&format!("{ha1}:{nonce}:{count}:{own}:auth:{ha2}"));
        (response, format!(", qop=auth, nc={count}, cnonce=\"{own}\""))
    } else {
        (md5(&format!("{ha1}:{nonce}:{ha2}")), String::new())
    };
    Some(format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", \
         algorithm=MD5, response=\"{response}\"{quality}{opaque}"
    ))
}

fn md5(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

/// MD5 of bytes, as the form API shows it.
pub fn md5_of(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        // RFC 2617, section 3.5, with the client nonce of this program.
        let challenge = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                         qop=\"auth\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let answer = digest(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html").unwrap();
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
        assert!(digest("Basic realm=\"x\"", "a", "b", "GET", "/").is_none());
    }
}
