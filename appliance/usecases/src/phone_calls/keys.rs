//! Keys with which phones encrypt what they hold of a user.
//!
//! A key and its id never change: with other ones a phone would open another, empty store, and unsent forms
//! would stay behind in the old one.

use super::kind;
use crate::Appliance;
use crate::admin::Act;
use crate::apps::AppsError;
use bolster_auth::{Permit, RestoreData};
use bolster_env::random;
use bolster_model::Timestamp;
use bolster_store::{ReadExt, StoreError};
use serde::{Deserialize, Serialize};

/// A key is good for as many of these as it takes.
const VALID_US: i64 = 30 * 24 * 3600 * 1_000_000;

/// What is kept.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct MobileKey {
    user_id: String,
    /// Id of the user's store on phones.
    uuid: String,
    /// 32 bytes, hex.
    key: String,
    created_at: i64,
}

/// A key as it is given to a phone.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Id of the user's store on phones.
    pub uuid: String,
    /// AES-256.
    pub key: [u8; 32],
    /// Since when.
    pub valid: Timestamp,
    /// Until when; asking again later gives the same key for longer.
    pub expires: Timestamp,
    /// Now.
    pub issued: Timestamp,
}

impl std::fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRecord").field("uuid", &self.uuid).finish_non_exhaustive()
    }
}

impl Appliance {
    /// The key of the asking user; made when it is first asked for. Blocks on the disk then.
    pub fn mobile_key(&self, permit: &Permit<RestoreData>) -> Result<KeyRecord, AppsError> {
        let now = self.env().clock.now();
        if let Some(record) = self.known_key(permit, now)? {
            return Ok(record);
        }
        let _turn = self.admin_turn();
        // Somebody may have been faster.
        if let Some(record) = self.known_key(permit, now)? {
            return Ok(record);
        }
        let user = permit.actor().user_id();
        let secret = random::bytes::<32>(&*self.env().random);
        let key = MobileKey {
            user_id: user.to_owned(),
            uuid: self.random_id(),
            key: secret.iter().map(|b| format!("{b:02x}")).collect(),
            created_at: now.0,
        };
        let actor = permit.actor().username();
        let act = Act { kind: kind::MOBILE_KEY, id: user, action: "key for phones made", actor };
        self.commit_documents(vec![self.document(permit.project().id, &act, None, &key, true)])?;
        Ok(record(&key, secret, now))
    }

    fn known_key(
        &self,
        permit: &Permit<RestoreData>,
        now: Timestamp,
    ) -> Result<Option<KeyRecord>, StoreError> {
        let user = permit.actor().user_id();
        let Some(json) = self.store().view().document(permit.project().id, kind::MOBILE_KEY, user)? else {
            return Ok(None);
        };
        let damaged = || StoreError::Decode {
            what: "keys of phones",
            source: bolster_store::DecodeError::Malformed("key"),
        };
        // A new key in place of an unreadable one would do the damage described above.
        let key: MobileKey = serde_json::from_str(&json).map_err(|_| damaged())?;
        let secret = bolster_model::Digest::parse(&key.key).ok_or_else(damaged)?.0;
        Ok(Some(record(&key, secret, now)))
    }
}

fn record(key: &MobileKey, secret: [u8; 32], now: Timestamp) -> KeyRecord {
    let terms = (now.0 - key.created_at).div_euclid(VALID_US).max(0) + 1;
    KeyRecord {
        uuid: key.uuid.clone(),
        key: secret,
        valid: Timestamp(key.created_at),
        expires: Timestamp(key.created_at + terms * VALID_US),
        issued: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_good_for_whole_months() {
        let key = MobileKey { created_at: 1_000, ..MobileKey::default() };
        for (days, terms) in [(0, 1), (29, 1), (30, 2), (31, 2), (100, 4), (-5, 1)] {
            let now = Timestamp(1_000 + days * 24 * 3600 * 1_000_000);
            let record = record(&key, [7; 32], now);
            assert_eq!(record.expires, Timestamp(1_000 + terms * VALID_US), "{days}");
            assert_eq!(record.valid, Timestamp(1_000));
        }
        assert!(!format!("{:?}", record(&key, [7; 32], Timestamp(0))).contains('7'));
    }
}
