//! The node's secret: 32 random bytes in the data folder, from which keys are derived.

use bolster_env::{Env, OpenMode, random};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::io;
use std::path::Path;

/// A secret or a key derived from one. Never shown.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// Reads the secret of a data folder, or makes it.
    pub(crate) fn load(env: &Env, dir: &Path) -> io::Result<Self> {
        let path = dir.join("secret");
        if env.disk.exists(&path) {
            let mut bytes = [0; 32];
            env.disk.open(&path, OpenMode::Read)?.read_at(0, &mut bytes)?;
            return Ok(Self(bytes));
        }
        let bytes = random::bytes(&*env.random);
        let temporary = dir.join("secret.tmp");
        let file = env.disk.open(&temporary, OpenMode::CreateOrOpen)?;
        restrict(&temporary);
        file.set_len(0)?;
        file.write_at(0, &bytes)?;
        file.sync_data()?;
        env.disk.rename(&temporary, &path)?;
        env.disk.sync_dir(dir)?;
        Ok(Self(bytes))
    }

    /// Fresh, for this process only.
    pub(crate) fn fresh(env: &Env) -> Self {
        Self(random::bytes(&*env.random))
    }

    /// HMAC-SHA256 of parts with their lengths.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0).expect("any length is a key");
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// A key of its own for one purpose.
    pub(crate) fn derive(&self, purpose: &str) -> Self {
        Self(self.mac(&[purpose.as_bytes()]))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Only the owner may read it. On a disk that has no such notion, nothing happens.
fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
}
