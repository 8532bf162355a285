//! Passwords: hashed with Argon2id, never shown.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use bolster_env::{Random, random};
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

/// 19 MiB, two passes, one lane: about 30 ms, the first choice of OWASP's list.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// A PHC text of the password with a fresh salt.
pub fn hash(password: &Password, source: &dyn Random) -> Result<String, PasswordError> {
    let salt = SaltString::encode_b64(&random::bytes::<16>(source)).map_err(|_| PasswordError::Hash)?;
    let hash = hasher().hash_password(password.bytes(), &salt).map_err(|_| PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// The password is the one that was hashed.
pub(crate) fn verify(password: &Password, phc: &str) -> bool {
    if password.bytes().len() > PASSWORD_BYTES_MAX {
        return false;
    }
    PasswordHash::new(phc).is_ok_and(|hash| hasher().verify_password(password.bytes(), &hash).is_ok())
}

/// A hash of nothing anybody knows: an unknown user costs what a known one does.
pub(crate) const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
