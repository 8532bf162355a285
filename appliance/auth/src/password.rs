//! Passwords: hashed with Argon2id, never shown.

use argon2::password_hash::{Output, ParamsString, PasswordHash, SaltString};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use bolster_env::{Random, random};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Longest password, in bytes: hashing more only costs time.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// A password as typed. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// Why a password was not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PasswordError {
    /// Nothing typed.
    #[error("the password is empty")]
    Empty,
    /// Too long.
    #[error("the password is longer than {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// The project wants better ones.
    #[error("this project wants passwords of at least eight characters that are not the user's name")]
    TooWeak,
    /// The hash could not be made.
    #[error("the password could not be hashed")]
    Hash,
}

/// Checks a new password against the rules of a project.
pub fn acceptable(password: &Password, username: &str, strong: bool) -> Result<(), PasswordError> {
    let text = password.text();
    if text.is_empty() {
        return Err(PasswordError::Empty);
    }
    if text.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    if strong && (text.chars().count() < 8 || text.eq_ignore_ascii_case(username)) {
        return Err(PasswordError::TooWeak);
    }
    Ok(())
}

/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Most memory that a stored hash may ask for, in KiB.
const MEMORY_KIB_MAX: u32 = 64 << 10;

/// Hashes passwords with Argon2id: 19 MiB, two passes, one lane, about 30 ms, the first choice of OWASP's list.
///
/// One at a time, in memory that is kept: the allocator would keep the 19 MiB of every thread that ever checked
/// a password.
#[derive(Default)]
pub(crate) struct Hasher(Vec<Block>);

impl Hasher {
    fn compute(&mut self, password: &Password, salt: &[u8], params: &Params) -> Option<[u8; HASH_BYTES]> {
        self.0.resize(self.0.len().max(params.block_count()), Block::default());
        let mut out = [0; HASH_BYTES];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into_with_memory(password.bytes(), salt, &mut out, &mut self.0)
            .ok()?;
        Some(out)
    }

    /// A PHC text of the password with a fresh salt.
    pub(crate) fn hash(&mut self, password: &Password, source: &dyn Random) -> Result<String, PasswordError> {
        let bytes = random::bytes::<16>(source);
        let salt = SaltString::encode_b64(&bytes).map_err(|_| PasswordError::Hash)?;
        let params = Params::default();
        let out = self.compute(password, &bytes, &params).ok_or(PasswordError::Hash)?;
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(|_| PasswordError::Hash)?,
            salt: Some(salt.as_salt()),
            hash: Some(Output::new(&out).map_err(|_| PasswordError::Hash)?),
        };
        Ok(hash.to_string())
    }

    /// The password is the one that was hashed.
    pub(crate) fn verify(&mut self, password: &Password, phc: &str) -> bool {
        self.verified(password, phc).unwrap_or(false)
    }

    fn verified(&mut self, password: &Password, phc: &str) -> Option<bool> {
        let hash = PasswordHash::new(phc).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let known = hash.algorithm == ARGON2ID_IDENT
            && hash.version == Some(Version::V0x13.into())
            && params.m_cost() <= MEMORY_KIB_MAX;
        if !known || password.bytes().len() > PASSWORD_BYTES_MAX {
            return None;
        }
        let mut buffer = [0; 64];
        let salt = hash.salt?.decode_b64(&mut buffer).ok()?;
        let out = self.compute(password, salt, &params)?;
        Some(out.ct_eq(hash.hash?.as_bytes()).into())
    }
}

/// A hash of nothing anybody knows: an unknown user costs what a known one does.
pub(crate) const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordVerifier;
    use bolster_env::SeededRandom;

    #[test]
    fn hashes_are_those_of_the_standard() {
        let mut hasher = Hasher::default();
        let phc = hasher.hash(&Password::new("right"), &SeededRandom::new(1)).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(Argon2::default().verify_password(b"right", &PasswordHash::new(&phc).unwrap()).is_ok());
        assert!(hasher.verify(&Password::new("right"), &phc));
        assert!(!hasher.verify(&Password::new("wrong"), &phc));
        assert!(!hasher.verify(&Password::new(""), NOBODYS_HASH));
    }

    #[test]
    fn odd_hashes_fit_nothing() {
        let mut hasher = Hasher::default();
        let huge = NOBODYS_HASH.replace("m=19456", "m=4000000");
        for phc in
            ["", "right", "$argon2i$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", &huge]
        {
            assert!(!hasher.verify(&Password::new("right"), phc), "{phc}");
        }
    }
}
