//! What a phone is sent, and what is remembered of it.
//!
//! A restore is computed against one position of the log: everything up to it is in the payload, everything
//! after it is in the next one (a change that falls into the time of computing may be in both, never in none).
//! What the phone holds is kept per token, own forms are applied to it as the phone does, and the phone's own
//! purge is replayed on it, so that a refused state hash is a real disagreement.
//!
//! Source: docs/formats/restore.md.

mod demo;
mod graph;
mod holdings;
mod live;
mod of_case;
mod payload;
mod phone;
mod plan;
mod sync_log;
mod user;

pub use demo::Answer;
pub use holdings::StateHash;
pub(crate) use live::LiveCache;
pub use live::LiveData;
pub use payload::Restore;

use crate::{Appliance, WriteError};
use bolster_auth::{Permit, RestoreData};
use bolster_codec::DecodeError;
use bolster_model::{CaseId, Digest, ProjectId, Timestamp};
use bolster_store::{BlobPin, ReadExt, StoreError};
use holdings::Base;
use phone::PhoneState;
use std::collections::BTreeSet;
use sync_log::{RETENTION_US, SYNC_DEVICE, SYNC_LOG, SyncLog, TOKENS_MAX, decode_tokens};

/// Devices whose state hash is only reported: the browser's server-side sandboxes.
const WEB_DEVICE: &str = "WebAppsLogin";

/// What a phone asks.
#[derive(Clone, Debug, Default)]
pub struct RestoreRequest {
    /// Somebody else's name, to log in as.
    pub as_user: Option<String>,
    /// Token of the sync before; `None` for everything.
    pub since: Option<String>,
    /// Hash of the phone's table, with or without prefix.
    pub state: Option<String>,
    /// Id that the phone thinks its user has.
    pub user_id: Option<String>,
    /// The phone.
    pub device_id: String,
    /// App or build of the address.
    pub app_id: String,
    /// The number of elements is wanted.
    pub items: bool,
    /// Leave fixtures out of an incremental sync.
    pub skip_fixtures: bool,
}

/// Why there is no restore.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The phone must start again with everything.
    #[error("{reason}")]
    StartAgain {
        /// For the person at the phone.
        reason: &'static str,
    },
    /// May not restore as that user.
    #[error("{reason}")]
    NotAs {
        /// For the person at the phone.
        reason: String,
    },
    /// Reading failed.
    #[error("the data of the restore could not be read")]
    Store(#[from] StoreError),
    /// The token could not be kept.
    #[error("the sync could not be recorded")]
    Write(#[from] WriteError),
    /// More cases hang below one than such a restore holds.
    #[error("more than {cases} cases hang below this one")]
    TooMany {
        /// The limit.
        cases: usize,
    },
    /// What a restore says cannot be read again.
    #[error("a restore could not be read: {0}")]
    Unreadable(String),
    /// Whoever asked has gone.
    #[error("the client went away")]
    Gone,
}

impl From<DecodeError> for RestoreError {
    fn from(source: DecodeError) -> Self {
        Self::Store(StoreError::Decode { what: "sync logs", source })
    }
}

impl RestoreError {
    fn start_again(reason: &'static str) -> Self {
        Self::StartAgain { reason }
    }
}

/// Most bytes of bases kept in memory.
const BASES_BYTES_MAX: usize = 24 << 20;

/// Bases that were read lately; many tokens share one.
#[derive(Default)]
pub(crate) struct BaseCache(std::sync::Mutex<Vec<(Digest, Base)>>);

impl BaseCache {
    fn get(&self, digest: &Digest) -> Option<Base> {
        let mut bases = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let at = bases.iter().position(|(known, _)| known == digest)?;
        let found = bases.remove(at);
        bases.push(found.clone());
        Some(found.1)
    }

    fn put(&self, digest: Digest, base: Base) {
        let mut bases = self.0.lock().unwrap_or_else(|e| e.into_inner());
        bases.push((digest, base));
        while bases.len() > 1 && bases.iter().map(|(_, b)| b.bytes()).sum::<usize>() > BASES_BYTES_MAX {
            bases.remove(0);
        }
    }
}

/// Largest base that is read.
const BASE_BYTES_MAX: u64 = 256 << 20;

impl Appliance {
    /// Checks a request and does what must be known before an answer begins.
    pub fn prepare_restore(
        &self,
        permit: &Permit<RestoreData>,
        request: RestoreRequest,
    ) -> Result<Answer, RestoreError> {
        let nouns = self.nouns(permit.project().id)?;
        let user = self.restore_user(permit, &nouns, request.as_user.as_deref())?;
        let stored = self.auth().user(&user.id);
        if let Some(bytes) = stored.map(|u| self.frozen_restore(&u)).transpose()?.flatten() {
            return Ok(Answer::Frozen(bytes));
        }
        Ok(Answer::Live(Box::new(self.prepare_live_restore(permit, request)?)))
    }

    fn prepare_live_restore(
        &self,
        permit: &Permit<RestoreData>,
        request: RestoreRequest,
    ) -> Result<Restore, RestoreError> {
        let project = permit.project().clone();
        let nouns = self.nouns(project.id)?;
        let user = self.restore_user(permit, &nouns, request.as_user.as_deref())?;
        if request.user_id.as_deref().is_some_and(|id| !id.is_empty() && id != user.id) {
            return Err(RestoreError::start_again("the account has changed; log in again to start afresh"));
        }
        let lsn = self.store().visible_lsn();
        let since = request.since.as_deref().filter(|token| !token.is_empty());
        let before = match since {
            Some(token) => Some(self.known_log(&project.id, token, &user.id)?),
            None => None,
        };
        let before = match before {
            Some(log) => Some(self.checked_state(log, &request)?),
            None => None,
        };
        if let Some(state) = &before {
            // It may have to wait for its turn.
            state.graph.view.release();
        }
        Ok(Restore { app: self.clone(), project, nouns, user, request, lsn, before })
    }

    /// The log of a token that this user may continue.
    fn known_log(&self, project: &ProjectId, token: &str, user_id: &str) -> Result<SyncLog, RestoreError> {
        let unknown = || RestoreError::start_again("case state does not match");
        let log = self.sync_log(token)?.ok_or_else(unknown)?;
        let expired = log.at.0 + RETENTION_US < self.env().clock.now().0;
        if log.project != *project || log.user_id != user_id || expired || self.is_superseded(&log)? {
            return Err(unknown());
        }
        Ok(log)
    }

    /// A later sync of the same phone is in use: forms came under its token.
    fn is_superseded(&self, log: &SyncLog) -> Result<bool, RestoreError> {
        let view = self.store().view();
        let Some(row) = view.local(SYNC_DEVICE, &log.device_row())? else { return Ok(false) };
        let tokens = decode_tokens(&row)?;
        let Some(at) = tokens.iter().position(|(token, _)| *token == log.token) else { return Ok(true) };
        let later: Vec<&str> = tokens[at + 1..].iter().map(|(token, _)| token.as_str()).collect();
        if later.is_empty() {
            return Ok(false);
        }
        let mut after = log.lsn;
        loop {
            let changes = view.changes_after(log.project, after, phone::CHANGES_AT_ONCE)?;
            let Some(last) = changes.last() else { return Ok(false) };
            if changes.iter().filter_map(|c| c.sync_token.as_deref()).any(|token| later.contains(&token)) {
                return Ok(true);
            }
            after = last.lsn;
        }
    }

    /// Brings the phone's state up to now and compares it with what the phone says.
    fn checked_state(&self, log: SyncLog, request: &RestoreRequest) -> Result<PhoneState, RestoreError> {
        let mut state = PhoneState::load(self, log)?;
        let Some(said) = request.state.as_deref().filter(|s| !s.is_empty()) else { return Ok(state) };
        let hash = match said.get(..5) {
            Some(prefix) if prefix.eq_ignore_ascii_case("ccsh:") => &said[5..],
            _ => said,
        };
        if state.agrees(hash)? {
            return Ok(state);
        }
        tracing::warn!(
            token = state.log.token,
            user = state.log.user_id,
            device = state.log.device_id,
            cases = state.log.kept,
            "a phone holds other cases than expected"
        );
        if request.device_id.starts_with(WEB_DEVICE) {
            return Ok(state);
        }
        let now = self.env().clock.now();
        let mut flagged = state.log.clone();
        flagged.disagreed = Some((now, hash.chars().take(64).collect()));
        let row = (SYNC_LOG.to_owned(), flagged.token.clone(), Some(flagged.encode()));
        self.commit_local(vec![row])?;
        Err(RestoreError::start_again("case state does not match"))
    }

    /// The log of a token.
    fn sync_log(&self, token: &str) -> Result<Option<SyncLog>, RestoreError> {
        if token.len() > 64 || !token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Ok(None);
        }
        let Some(row) = self.store().view().local(SYNC_LOG, token)? else { return Ok(None) };
        SyncLog::decode(token, &row, |digest| self.base(digest)).map(Some)
    }

    fn base(&self, digest: &Digest) -> Result<Base, RestoreError> {
        if let Some(base) = self.bases().get(digest) {
            return Ok(base);
        }
        let bytes = self
            .store()
            .blobs()
            .read(digest)
            .and_then(|reader| reader.read_all(BASE_BYTES_MAX))
            .map_err(StoreError::Blob)?;
        let base = Base::read(bytes)?;
        self.bases().put(*digest, base.clone());
        Ok(base)
    }

    /// Keeps a log, and forgets those of the same phone that are too old or too many.
    fn keep_log(&self, log: &SyncLog, new_base: Option<BlobPin>) -> Result<(), RestoreError> {
        let _turn = self.sync_turn();
        let device = log.device_row();
        let view = self.store().view();
        let mut tokens = match view.local(SYNC_DEVICE, &device)? {
            Some(row) => decode_tokens(&row)?,
            None => Vec::new(),
        };
        tokens.push((log.token.clone(), log.at));
        let oldest = Timestamp(log.at.0 - RETENTION_US);
        let surplus = tokens.len().saturating_sub(TOKENS_MAX);
        let (mut gone, mut kept) = (Vec::new(), Vec::new());
        for (number, (token, at)) in tokens.into_iter().enumerate() {
            if number < surplus || at < oldest { gone.push(token) } else { kept.push((token, at)) }
        }
        let mut rows = vec![
            (SYNC_LOG.to_owned(), log.token.clone(), Some(log.encode())),
            (SYNC_DEVICE.to_owned(), device, Some(sync_log::encode_tokens(&kept))),
        ];
        let mut blobs = Vec::new();
        if let holdings::BaseRef::Blob(digest) = &log.holdings.base_ref {
            blobs.push((*digest, log.project, log.token.clone(), true));
        }
        debug_assert!(new_base.is_none() || !blobs.is_empty(), "a new base belongs to its log");
        for token in gone {
            if let Some(old) = self.sync_log(&token)?
                && let holdings::BaseRef::Blob(digest) = old.holdings.base_ref
            {
                blobs.push((digest, old.project, token.clone(), false));
            }
            rows.push((SYNC_LOG.to_owned(), token, None));
        }
        self.commit_local_with_blobs(rows, blobs)?;
        drop(new_base);
        Ok(())
    }

    /// Forgets tokens past their time, everywhere. Answers how many.
    pub fn forget_old_syncs(&self) -> Result<usize, RestoreError> {
        let _turn = self.sync_turn();
        let view = self.store().view();
        let oldest = self.env().clock.now().0 - RETENTION_US;
        let mut count = 0;
        for (device, row) in view.locals(SYNC_DEVICE)? {
            let tokens = decode_tokens(&row)?;
            let (gone, kept): (Vec<_>, Vec<_>) = tokens.into_iter().partition(|(_, at)| at.0 < oldest);
            if gone.is_empty() {
                continue;
            }
            count += gone.len();
            let left = (!kept.is_empty()).then(|| sync_log::encode_tokens(&kept));
            let mut rows = vec![(SYNC_DEVICE.to_owned(), device, left)];
            let mut blobs = Vec::new();
            for (token, _) in gone {
                if let Some(old) = self.sync_log(&token)?
                    && let holdings::BaseRef::Blob(digest) = old.holdings.base_ref
                {
                    blobs.push((digest, old.project, token.clone(), false));
                }
                rows.push((SYNC_LOG.to_owned(), token, None));
            }
            self.commit_local_with_blobs(rows, blobs)?;
        }
        Ok(count)
    }

    /// Whether the phone of a token has these cases as they are now.
    pub(crate) fn phone_has(&self, token: &str, ids: &[CaseId]) -> Result<bool, RestoreError> {
        let Some(log) = self.sync_log(token)? else { return Ok(false) };
        let state = PhoneState::load(self, log)?;
        for id in ids {
            let here = state.held(id)?.is_some_and(|h| h.kept);
            if !here || state.touched_foreign.contains(id) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What a phone holds by the account of its token, its own forms since included: for people who look into
    /// a phone's trouble. `None` when the token is unknown.
    pub fn phone_of(&self, token: &str) -> Result<Option<PhoneView>, RestoreError> {
        let Some(log) = self.sync_log(token)? else { return Ok(None) };
        let owners = log.owners.clone();
        let disagreed = log.disagreed.is_some();
        let mut state = PhoneState::load(self, log)?;
        state.purge_everything()?;
        let cases = state.everything()?;
        let kept: BTreeSet<CaseId> =
            cases.iter().filter(|(_, held)| held.kept).map(|(id, _)| id.clone()).collect();
        let dependent = cases
            .iter()
            .filter(|(_, held)| held.kept && !owners.contains(&held.case.owner))
            .map(|(id, _)| id.clone())
            .collect();
        let hash = StateHash::of(&kept).text(kept.len() as u64);
        let sent = cases.into_keys().collect();
        Ok(Some(PhoneView { owners, sent, kept, dependent, state: format!("ccsh:{hash}"), disagreed }))
    }
}

/// What a phone holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhoneView {
    /// Owners that the phone was told of.
    pub owners: Vec<String>,
    /// Cases that it got or made.
    pub sent: BTreeSet<CaseId>,
    /// Those that its purge keeps.
    pub kept: BTreeSet<CaseId>,
    /// Those of them that it does not own.
    pub dependent: BTreeSet<CaseId>,
    /// What it will say of its state.
    pub state: String,
    /// It said something else once.
    pub disagreed: bool,
}
