//! The record behind a sync token: who got what, up to which change, and what the phone holds since.
//!
//! Local rows: a phone's token is a matter between it and this appliance.

use super::holdings::{Base, BaseRef, Held, Holdings, StateHash, get_held, put_held};
use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{CaseId, Digest, ProjectId, Timestamp};
use std::collections::BTreeMap;

/// Kind of the local rows of sync logs, id = token.
pub const SYNC_LOG: &str = "sync_log";
/// Kind of the local rows of devices, id = what they are, value = their tokens.
pub const SYNC_DEVICE: &str = "sync_device";
/// How long a token is known.
pub const RETENTION_US: i64 = 63 * 86_400 * 1_000_000;
/// Most tokens of a device that are known.
pub const TOKENS_MAX: usize = 20;

const VERSION: u8 = 2;

/// A sync log.
#[derive(Clone, Debug)]
pub struct SyncLog {
    /// 32 hex digits.
    pub token: String,
    /// Where.
    pub project: ProjectId,
    /// Whose data it is.
    pub user_id: String,
    /// Who asked, when that is another.
    pub asked_by: Option<String>,
    /// The phone; empty when it did not say.
    pub device_id: String,
    /// The app or build; empty when the address named none.
    pub app_id: String,
    /// The token that it continued.
    pub previous: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Every change up to this position is in it.
    pub lsn: u64,
    /// Owner ids that the phone was told of, sorted.
    pub owners: Vec<String>,
    /// Digest of the location fixture that the phone has; 0 for none.
    pub locations: u64,
    /// Digest of products and programs that the phone has; 0 for none.
    pub products: u64,
    /// Hash of what the phone keeps.
    pub hash: StateHash,
    /// Cases that it keeps.
    pub kept: u64,
    /// The phone disagreed about its state: (when, its hash).
    pub disagreed: Option<(Timestamp, String)>,
    /// What the phone holds.
    pub holdings: Holdings,
    /// Cases that belong on the phone, which purges them because it took them for closed: only a case that it
    /// does not have can be opened there, so the next sync sends them as new.
    pub reopened: Vec<CaseId>,
}

impl SyncLog {
    /// The row.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(512);
        w.u8(VERSION);
        w.raw(&self.project.0);
        w.str(&self.user_id);
        w.opt_str(self.asked_by.as_deref());
        w.str(&self.device_id);
        w.str(&self.app_id);
        w.opt_str(self.previous.as_deref());
        w.signed(self.at.0);
        w.varint(self.lsn);
        w.varint(self.owners.len() as u64);
        self.owners.iter().for_each(|owner| w.str(owner));
        w.u64(self.locations);
        w.u64(self.products);
        w.raw(&self.hash.0);
        w.varint(self.kept);
        w.opt(self.disagreed.as_ref(), |w, (at, hash)| {
            w.signed(at.0);
            w.str(hash);
        });
        match &self.holdings.base_ref {
            BaseRef::Inline(bytes) => {
                w.u8(0);
                w.bytes(bytes);
            }
            BaseRef::Blob(digest) => {
                w.u8(1);
                w.raw(&digest.0);
            }
        }
        w.varint(self.holdings.delta.len() as u64);
        for (id, held) in &self.holdings.delta {
            w.str(id.as_str());
            w.opt(held.as_ref(), |w, held| put_held(w, &held.case, held.kept));
        }
        w.varint(self.reopened.len() as u64);
        self.reopened.iter().for_each(|id| w.str(id.as_str()));
        w.0
    }

    /// From the row; `blob` reads a base that is in a file.
    pub fn decode<E: From<DecodeError>>(
        token: &str,
        row: &[u8],
        blob: impl FnOnce(&Digest) -> Result<Base, E>,
    ) -> Result<Self, E> {
        let r = &mut Reader(row);
        let version = r.u8()?;
        if !(1..=VERSION).contains(&version) {
            return Err(DecodeError::Malformed("version of a sync log").into());
        }
        let project = ProjectId(r.array()?);
        let user_id = r.string()?;
        let asked_by = r.opt_string()?;
        let device_id = r.string()?;
        let app_id = r.string()?;
        let previous = r.opt_string()?;
        let at = Timestamp(r.signed()?);
        let lsn = r.varint()?;
        let owners = r.list(|r| r.string())?;
        let locations = r.u64()?;
        let products = r.u64()?;
        let hash = StateHash(r.array()?);
        let kept = r.varint()?;
        let disagreed = r.opt(|r| Ok((Timestamp(r.signed()?), r.string()?)))?;
        let (base_ref, base) = match r.u8()? {
            0 => {
                let bytes = r.bytes()?.to_vec();
                (BaseRef::Inline(bytes.clone()), Base::read(bytes)?)
            }
            1 => {
                let digest = Digest(r.array()?);
                (BaseRef::Blob(digest), blob(&digest)?)
            }
            _ => return Err(DecodeError::Malformed("base of a sync log").into()),
        };
        let delta: Vec<(CaseId, Option<Held>)> = r.list(|r| Ok((CaseId(r.string()?), r.opt(get_held)?)))?;
        let holdings = Holdings { base_ref, base, delta: delta.into_iter().collect::<BTreeMap<_, _>>() };
        let reopened = if version < 2 { Vec::new() } else { r.list(|r| Ok(CaseId(r.string()?)))? };
        Ok(Self {
            token: token.to_owned(),
            project,
            user_id,
            asked_by,
            device_id,
            app_id,
            previous,
            at,
            lsn,
            owners,
            locations,
            products,
            hash,
            kept,
            disagreed,
            holdings,
            reopened,
        })
    }

    /// Id of the row that lists the tokens of this device.
    pub fn device_row(&self) -> String {
        [&self.project.to_string(), &self.user_id, &self.device_id, &self.app_id]
            .map(String::as_str)
            .join("\u{1}")
    }
}

/// Tokens of a device with their times, oldest first.
pub fn encode_tokens(tokens: &[(String, Timestamp)]) -> Vec<u8> {
    let mut w = Writer::with_capacity(48 * tokens.len());
    w.varint(tokens.len() as u64);
    for (token, at) in tokens {
        w.str(token);
        w.signed(at.0);
    }
    w.0
}

/// Reverses [`encode_tokens`].
pub fn decode_tokens(row: &[u8]) -> Result<Vec<(String, Timestamp)>, DecodeError> {
    Reader(row).list(|r| Ok((r.string()?, Timestamp(r.signed()?))))
}
