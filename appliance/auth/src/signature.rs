//! Requests that a web runtime signs with a key that it shares with this server.
//!
//! Source: docs/formats/restore.md, signed requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The digest, in base64, is the HMAC-SHA256 of the data under the key. Takes the same time for every digest.
pub(crate) fn fits(key: &[u8], data: &[u8], digest: &str) -> bool {
    let Ok(digest) = STANDARD.decode(digest.trim()) else { return false };
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(key) else { return false };
    mac.update(data);
    !key.is_empty() && mac.verify_slice(&digest).is_ok()
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn digests() {
        let good = "VRpmMjo9dnRfU8wq7fg50hMzLuJN4c6ewRJRjPrvpFI=";
        let data = br#"{"domain":"demo","sessionId":"s1"}"#;
        assert!(fits(b"secretkey", data, good));
        for (key, data, digest) in [
            (&b"otherkey"[..], &data[..], good),
            (b"secretkey", b"{}", good),
            (b"secretkey", data, "VRpm"),
            (b"secretkey", data, "not base64!"),
            (b"secretkey", data, ""),
            (b"", data, good),
        ] {
            assert!(!fits(key, data, digest), "{digest}");
        }
    }
}
