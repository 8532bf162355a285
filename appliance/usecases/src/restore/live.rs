//! What a user may see now, in memory: the data of people who work in a browser.
//!
//! The same rules as for a phone's restore say which cases belong to a user; here nothing is printed or sent. What
//! is kept in memory only spares work: each call brings it up to the newest committed change, which costs what
//! changed for this user, and dropping it costs nothing but the time of reading again.

use super::graph::StoredCases;
use super::phone::PhoneState;
use super::plan::{self, Keep, Plan, SendCase};
use super::sync_log::SyncLog;
use super::user::RestoreUser;
use super::{Restore, RestoreError, RestoreRequest};
use crate::Appliance;
use crate::nouns::Nouns;
use bolster_auth::{Permit, Project, RestoreData};
use bolster_model::{CaseId, CaseView, ProjectId, Relationship, Timestamp};
use bolster_runtime::Sandbox;
use bolster_store::ReadExt;
use bolster_wire::restore::{self as print, Printer};
use bolster_xpath::{CaseRecord, NoHost};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// Cases of all users together that are kept in memory.
const CASES_MAX: usize = 400_000;
/// Users that are kept in memory.
const USERS_MAX: usize = 2_000;
const DAY_MS: i64 = 86_400_000;

/// A user's data as it stands at one moment. Immutable: a change makes another value.
pub type LiveData = Arc<Sandbox>;

/// A user's data, and the account of what it was made from.
#[derive(Clone)]
struct Live {
    log: SyncLog,
    nouns: Arc<Nouns>,
    project: Arc<Project>,
    user: RestoreUser,
    data: LiveData,
    /// Number of the call that used it last.
    used: u64,
}

/// Users' data in memory.
#[derive(Default)]
pub(crate) struct LiveCache(Mutex<Users>);

#[derive(Default)]
struct Users {
    calls: u64,
    by_user: HashMap<(ProjectId, String), Live>,
}

impl LiveCache {
    fn lock(&self) -> std::sync::MutexGuard<'_, Users> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn get(&self, key: &(ProjectId, String)) -> Option<Live> {
        let mut users = self.lock();
        users.calls += 1;
        let now = users.calls;
        let live = users.by_user.get_mut(key)?;
        live.used = now;
        Some(live.clone())
    }

    fn put(&self, key: (ProjectId, String), live: &Live) {
        let mut users = self.lock();
        users.calls += 1;
        let live = Live { used: users.calls, ..live.clone() };
        // Another call may have come further meanwhile.
        if users.by_user.get(&key).is_none_or(|known| known.log.lsn <= live.log.lsn) {
            users.by_user.insert(key, live);
        }
        let weight = |users: &Users| users.by_user.values().map(|u| u.data.case_count()).sum::<usize>();
        while users.by_user.len() > 1 && (users.by_user.len() > USERS_MAX || weight(&users) > CASES_MAX) {
            let oldest = users.by_user.iter().min_by_key(|(_, live)| live.used).map(|(key, _)| key.clone());
            oldest.and_then(|key| users.by_user.remove(&key));
        }
    }
}

impl Appliance {
    /// What a user may see now, own submissions included. Blocks on the disk.
    ///
    /// Errors: `NotAs` when the actor may not act for `as_user`.
    pub fn live_data(
        &self,
        permit: &Permit<RestoreData>,
        as_user: Option<&str>,
    ) -> Result<LiveData, RestoreError> {
        let project = permit.project().clone();
        let nouns = self.nouns(project.id)?;
        let user = self.restore_user(permit, &nouns, as_user)?;
        if let Some(stored) = self.auth().user(&user.id)
            && let Some(bytes) = self.frozen_restore(&stored)?
        {
            return applied(Sandbox::new(), &bytes).map(Arc::new);
        }
        let key = (project.id, user.id.clone());
        let known = self.live_cache().get(&key);
        let lsn = self.store().visible_lsn();
        let live = match known {
            Some(live) if live.log.owners == user.owners => self.brought_up(live, lsn)?,
            _ => self.read_live(&project, &user, lsn)?,
        };
        let live = self.with_nouns(live, project, nouns, user)?;
        self.live_cache().put(key, &live);
        Ok(live.data)
    }

    /// A case and what hangs below it, as a user's data: for conversations with the person of the case.
    pub fn live_case(
        &self,
        permit: &Permit<RestoreData>,
        case_id: &CaseId,
    ) -> Result<Option<LiveData>, RestoreError> {
        let Some(bytes) = self.case_restore(permit, case_id)? else { return Ok(None) };
        applied(Sandbox::new(), &bytes).map(|data| Some(Arc::new(data)))
    }

    /// Forgets what is in memory of a user.
    pub fn forget_live(
        &self,
        permit: &Permit<RestoreData>,
        as_user: Option<&str>,
    ) -> Result<(), RestoreError> {
        let nouns = self.nouns(permit.project().id)?;
        let user = self.restore_user(permit, &nouns, as_user)?;
        self.live_cache().lock().by_user.remove(&(permit.project().id, user.id));
        Ok(())
    }

    /// Users and cases in memory.
    pub fn live_held(&self) -> (usize, usize) {
        let users = self.live_cache().lock();
        (users.by_user.len(), users.by_user.values().map(|u| u.data.case_count()).sum())
    }

    /// Whose data takes most room in memory: project, name and cases, most first.
    pub fn live_heaviest(&self, most: usize) -> Vec<(String, String, usize)> {
        let users = self.live_cache().lock();
        let named =
            |live: &Live| (live.project.name.clone(), live.user.username.clone(), live.data.case_count());
        let mut all: Vec<_> = users.by_user.values().map(named).collect();
        all.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| (&a.0, &a.1).cmp(&(&b.0, &b.1))));
        all.truncate(most);
        all
    }

    /// Everything, read from the store.
    fn read_live(&self, project: &Arc<Project>, user: &RestoreUser, lsn: u64) -> Result<Live, RestoreError> {
        let graph = StoredCases { view: self.store().steady_view(), project: project.id };
        let plan = plan::full(Keep::InMemory, &graph, &user.owners)?;
        let log = SyncLog {
            token: String::new(),
            project: project.id,
            user_id: user.id.clone(),
            asked_by: None,
            device_id: String::new(),
            app_id: String::new(),
            previous: None,
            at: Timestamp(0),
            lsn,
            owners: user.owners.clone(),
            locations: 0,
            products: 0,
            hash: plan.hash,
            kept: plan.kept,
            disagreed: None,
            reopened: Vec::new(),
            holdings: plan.holdings.clone(),
        };
        let data = put_cases(Sandbox::new(), &graph, &plan, None)?;
        Ok(Live {
            log,
            nouns: Arc::default(),
            project: project.clone(),
            user: user.clone(),
            data: Arc::new(data),
            used: 0,
        })
    }

    /// The same with what was committed since.
    fn brought_up(&self, live: Live, lsn: u64) -> Result<Live, RestoreError> {
        if lsn <= live.log.lsn {
            return Ok(live);
        }
        let mut state = PhoneState::load(self, live.log.clone())?;
        if state.region.as_ref().is_some_and(BTreeSet::is_empty) {
            return Ok(Live { log: SyncLog { lsn, ..live.log }, ..live });
        }
        let plan = plan::incremental(Keep::InMemory, &mut state, &live.user.owners)?;
        let (Some(region), true) = (state.region.take(), plan.reopened.is_empty()) else {
            // Too much of it, or a case that a phone must be told of in two steps.
            return self.read_live(&live.project, &live.user, lsn);
        };
        let data = put_cases(Sandbox::clone(&live.data), &state.graph, &plan, Some(&region))?;
        let log = SyncLog { lsn, hash: plan.hash, kept: plan.kept, holdings: plan.holdings, ..live.log };
        Ok(Live { log, data: Arc::new(data), ..live })
    }

    /// The same with the user and the tables as they are now.
    fn with_nouns(
        &self,
        live: Live,
        project: Arc<Project>,
        nouns: Arc<Nouns>,
        user: RestoreUser,
    ) -> Result<Live, RestoreError> {
        let same = live.data.has_user()
            && Arc::ptr_eq(&live.nouns, &nouns)
            && Arc::ptr_eq(&live.project, &project)
            && live.user.data == user.data
            && live.user.sharing == user.sharing
            && live.user.locations == user.locations;
        if same {
            return Ok(live);
        }
        let restore = Restore {
            app: self.clone(),
            project: project.clone(),
            nouns: nouns.clone(),
            user: user.clone(),
            request: RestoreRequest::default(),
            lsn: live.log.lsn,
            before: None,
        };
        let mut data = Sandbox::clone(&live.data);
        data.clear_nouns();
        let data = applied(data, &restore.without_cases()?)?;
        Ok(Live { nouns, project, user, data: Arc::new(data), ..live })
    }
}

fn applied(mut data: Sandbox, payload: &[u8]) -> Result<Sandbox, RestoreError> {
    let applied = data.apply(&String::from_utf8_lossy(payload), &NoHost);
    applied.map_err(|error| RestoreError::Unreadable(error.to_string()))?;
    Ok(data)
}

/// Puts in the cases that a plan sends, and takes away those of the region that do not belong there any more.
fn put_cases(
    mut data: Sandbox,
    graph: &StoredCases,
    plan: &Plan,
    region: Option<&BTreeSet<CaseId>>,
) -> Result<Sandbox, RestoreError> {
    let kept = |id: &CaseId| Ok::<_, RestoreError>(plan.holdings.get(id)?.is_some_and(|held| held.kept));
    let mut gone: BTreeSet<&str> = BTreeSet::new();
    for id in region.into_iter().flatten() {
        if !kept(id)? {
            gone.insert(id.as_str());
        }
    }
    data.remove_cases(|id| gone.contains(id));
    let has_ledgers = graph.view.any_ledger()?;
    let mut balances = Printer::default();
    balances.raw("<balances>");
    let mut counted: BTreeSet<&str> = BTreeSet::new();
    for send in &plan.send {
        if gone.contains(send.id.as_str()) || !kept(&send.id)? {
            continue;
        }
        let record = graph.view.look_at_case(graph.project, &send.id, |case| record(case, send))?;
        // One that is gone in this moment comes with the next call.
        let Some(record) = record else { continue };
        data.put_case(record);
        if has_ledgers {
            counted.insert(send.id.as_str());
            print::balances(&mut balances, &graph.view.ledgers(graph.project, &send.id)?);
        }
    }
    if counted.is_empty() {
        return Ok(data);
    }
    balances.raw("</balances>");
    data.forget_ledgers(|id| counted.contains(id));
    applied(data, &balances.take())
}

/// A case as a phone has it after it was sent there.
fn record(case: &CaseView<'_>, send: &SendCase) -> CaseRecord {
    let text = |text: &str| as_read(text);
    let mut out = CaseRecord {
        case_id: send.id.as_str().to_owned(),
        case_type: text(print::short(case.case_type)),
        owner_id: text(print::short(print::sent_owner(case))),
        closed: case.closed || case.deleted,
        case_name: text(print::short(case.name)),
        date_opened: Some(midnight(case.opened_on.unwrap_or(case.modified_on))),
        last_modified: Some(midnight(case.modified_on)),
        ..CaseRecord::default()
    };
    if !case.external_id.is_empty() {
        out.external_id = Some(text(print::short(case.external_id)));
    }
    out.properties.reserve(case.properties.len());
    for (name, value) in case.properties.iter().filter(|(name, _)| print::is_sent_property(name)) {
        match *name {
            "category" => out.category = Some(text(value)),
            "state" => out.state = Some(text(value)),
            name => out.properties.push((name.to_owned(), text(value))),
        }
    }
    for index in &case.indices {
        let left_out = send.leave_out.iter().any(|name| name == index.identifier);
        if left_out || !print::is_sent_index(index.identifier) {
            continue;
        }
        let relationship = if index.relationship == Relationship::Extension { "extension" } else { "child" };
        out.indices.push((
            index.identifier.to_owned(),
            text(index.referenced_id),
            index.referenced_type.to_owned(),
            relationship.to_owned(),
        ));
    }
    out
}

fn midnight(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000).div_euclid(DAY_MS) * DAY_MS
}

/// Text as it comes out of a payload: without what XML cannot hold and without space around it.
fn as_read(text: &str) -> String {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let trimmed = text.trim_matches(|c: char| c <= ' ');
    match trimmed.chars().all(fits) {
        true => trimmed.to_owned(),
        false => trimmed
            .chars()
            .filter(|c| fits(*c))
            .collect::<String>()
            .trim_matches(|c: char| c <= ' ')
            .to_owned(),
    }
}
