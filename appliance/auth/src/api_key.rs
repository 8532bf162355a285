//! API keys: 40 hex digits, shown once, stored as a hash.

use bolster_env::{Random, random};
use sha2::{Digest, Sha256};

/// A fresh key.
pub struct NewKey {
    /// To be shown once.
    pub key: String,
    /// To be stored.
    pub hash: String,
    /// First eight digits, for people.
    pub shown: String,
}

/// Makes a key.
pub fn new_key(source: &dyn Random) -> NewKey {
    let key = hex(&random::bytes::<20>(source));
    NewKey { hash: hash(&key), shown: key[..8].to_owned(), key }
}

/// What is stored of a key.
pub(crate) fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
