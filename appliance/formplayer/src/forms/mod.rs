//! Forms: opening them, answering, stepping, submitting, taking them up again.

mod answers;
mod lasting;
mod open;
mod record;
mod steps;
mod submit;
mod tree;
mod world;

use std::collections::HashMap;
use std::sync::Arc;

use bolster_runtime::App;
use bolster_xforms::{FormDefinition, LoadOptions, OpenOptions, Session as FormSession};

use crate::apps::policy;
use crate::dispatch::Call;
use crate::fault::Fault;
use crate::host::{Account, Shelf};
use crate::request::Request;
use crate::world::RequestWorld;
use crate::{Formplayer, lock};

pub(crate) use lasting::{Lasting, LastingForms};
pub(crate) use record::Record;
pub(crate) use world::FormWorld;

/// Open forms that are kept in memory.
const LIVE_MAX: usize = 20_000;
/// Bytes that open forms may take in memory, about.
const LIVE_BYTES_MAX: usize = 512 << 20;
/// Bytes of a node of an open form, and of what is around the nodes, as measured with `bench webapps`.
const NODE_BYTES: usize = 100;
const FORM_BYTES: usize = 2_048;

/// Open forms as they are in memory, by id, with what was written down of them last: what is not here is read from
/// there.
#[derive(Default)]
pub(crate) struct LiveForms {
    forms: HashMap<String, Live>,
    bytes: usize,
    /// Counts what is put in.
    clock: u64,
    hits: u64,
    misses: u64,
}

struct Live {
    owner: String,
    record: Arc<Record>,
    /// Missing while a request works on it.
    session: Option<FormSession>,
    bytes: usize,
    /// When it was put in.
    used: u64,
}

impl LiveForms {
    /// How many there are, the bytes they take, and how often one was there and not.
    pub fn figures(&self) -> (usize, usize, u64, u64) {
        (self.forms.len(), self.bytes, self.hits, self.misses)
    }

    /// Forgets one.
    pub fn remove(&mut self, id: &str) {
        if let Some(live) = self.forms.remove(id) {
            self.bytes -= live.bytes;
        }
    }

    /// Forgets the half that was not used for longest: what was kept of them brings them back.
    fn make_room(&mut self) {
        let mut used: Vec<u64> = self.forms.values().map(|live| live.used).collect();
        used.sort_unstable();
        let middle = used[used.len() / 2];
        self.forms.retain(|_, live| live.used > middle);
        self.bytes = self.forms.values().map(|live| live.bytes).sum();
    }

    /// What was written down last, and whose it is.
    fn record(&self, id: &str) -> Option<(String, Arc<Record>)> {
        let live = self.forms.get(id)?;
        Some((live.owner.clone(), live.record.clone()))
    }

    fn take(&mut self, id: &str, version: u64) -> Option<FormSession> {
        let live = self.forms.get_mut(id);
        let session = live.and_then(|live| live.session.take().filter(|_| live.record.version == version));
        match session {
            Some(_) => self.hits += 1,
            None => self.misses += 1,
        }
        session
    }

    fn put(&mut self, owner: String, record: Record, session: FormSession) {
        self.remove(&record.id);
        let bytes = FORM_BYTES + session.node_count() * NODE_BYTES;
        self.clock += 1;
        let live = Live { owner, record: Arc::new(record), session: Some(session), bytes, used: self.clock };
        self.bytes += bytes;
        self.forms.insert(live.record.id.clone(), live);
        if self.forms.len() > LIVE_MAX || self.bytes > LIVE_BYTES_MAX && self.forms.len() > 1 {
            self.make_room();
        }
    }
}

/// A form that a request works on.
pub(crate) struct OpenForm {
    pub record: Record,
    pub session: FormSession,
    pub app: Option<Arc<App>>,
    pub account: Account,
    /// What is shown of its questions whatever is answered.
    pub lasting: Arc<Lasting>,
    /// The instance as it is now, if it was written already.
    pub draft: Option<String>,
}

/// The form a request names, as it was kept.
struct Kept {
    record: Record,
    account: Account,
    /// Missing while the form is in memory.
    instance: Option<String>,
}

/// What a request that lacks the form is told.
fn not_found(id: &str) -> Fault {
    Fault::Other(format!(
        "Could not find form with id {id}. Please ensure this form was not already submitted. If this problem \
         persists please report a bug through CommCareHQ."
    ))
}

/// A form that was sent along, parsed.
pub(crate) fn parse_form(text: &str) -> Result<Arc<FormDefinition>, Fault> {
    let options = LoadOptions { first_error_only: true, ..LoadOptions::default() };
    let parsed = FormDefinition::parse(text, &options, &bolster_xpath::NoHost);
    parsed.map(Arc::new).map_err(|error| Fault::Other(error.to_string()))
}

impl Formplayer {
    /// The record of the form a request names. To everybody but its owner it does not exist.
    fn kept(&self, call: &Call<'_>, request: &Request) -> Result<Kept, Fault> {
        let id = request.session_id().unwrap_or_default();
        let live = lock(&self.live).record(&id);
        let (owner, record, instance) = match live {
            Some((owner, record)) => (owner, Record::clone(&record), None),
            None => {
                let (owner, bytes) = call.host.load(Shelf::Forms, &id).ok_or_else(|| not_found(&id))?;
                let (record, instance) = Record::read(&bytes)
                    .ok_or_else(|| Fault::Other(format!("What was kept of the form {id} cannot be read.")))?;
                (owner, record, Some(instance))
            }
        };
        let account = match request.account(record.account.signed) {
            Some(mut account) => {
                account.case = account.case.or_else(|| record.account.case.clone());
                account
            }
            None if call.caller.credential == crate::Credential::Signed || call.caller.superuser => {
                record.account()
            }
            None => {
                let own = record.account();
                if call.caller.username != own.username || !call.caller.domains.contains(&own.domain) {
                    return Err(not_found(&id));
                }
                own
            }
        };
        if account.key() != owner {
            return Err(not_found(&id));
        }
        Ok(Kept { record, account, instance })
    }

    /// The world of requests about a form.
    pub(crate) fn form_world<'w>(
        &self,
        call: &Call<'w>,
        account: &'w Account,
        request: &Request,
        app: Option<&App>,
    ) -> Result<RequestWorld<'w>, Fault> {
        if request.flag("mustRestore") {
            call.host.data(account, crate::Need::Sync { purge: true })?;
        }
        let data = call.host.data(account, policy(app, false))?;
        let names = app.map(|app| app.names.clone()).unwrap_or_default();
        let results = self.user(account).results.clone();
        let mut world = RequestWorld::new(call.host, account, results, names, data);
        world.offset_ms = crate::apps::client_offset(request);
        world.zone = crate::apps::client_zone(request);
        Ok(world)
    }

    /// The application of a form; nothing if it was opened by itself.
    fn app_of(&self, call: &Call<'_>, kept: &Kept) -> Result<Option<Arc<App>>, Fault> {
        match &kept.record.app_id {
            Some(id) if kept.record.session.is_some() => {
                self.app(call, &kept.account, id, kept.record.preview).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A form as it is in memory, or as it was kept.
    fn opened(
        &self,
        call: &Call<'_>,
        kept: Kept,
        app: Option<Arc<App>>,
        world: &RequestWorld<'_>,
    ) -> Result<OpenForm, Fault> {
        let Kept { record, account, instance } = kept;
        let live = lock(&self.live).take(&record.id, record.version);
        let session = match (live, instance) {
            (Some(session), _) => session,
            (None, Some(instance)) => self.resume(&record, &instance, app.as_deref(), world)?,
            (None, None) => {
                let kept = call.host.load(Shelf::Forms, &record.id);
                let kept = kept.and_then(|(_, bytes)| Record::read(&bytes));
                let (record, instance) = kept.ok_or_else(|| not_found(&record.id))?;
                self.resume(&record, &instance, app.as_deref(), world)?
            }
        };
        let lasting = self.lasting.of(session.definition());
        Ok(OpenForm { record, session, app, account, lasting, draft: None })
    }

    /// Runs something on the form that a request names, and keeps what became of it if that is wanted.
    fn with_form<T>(
        &self,
        call: &Call<'_>,
        request: &Request,
        keep: bool,
        run: impl FnOnce(&mut OpenForm, &RequestWorld<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let kept = self.kept(call, request)?;
        let account = kept.account.clone();
        let app = self.app_of(call, &kept)?;
        let world = self.form_world(call, &account, request, app.as_deref())?;
        let mut form = self.opened(call, kept, app, &world)?;
        let outcome = run(&mut form, &world)?;
        if keep {
            self.keep(call, form, &world)?;
        } else {
            lock(&self.live).put(account.key(), form.record, form.session);
        }
        Ok(outcome)
    }

    /// Reads a form from its record.
    fn resume(
        &self,
        record: &Record,
        instance: &str,
        app: Option<&App>,
        world: &RequestWorld<'_>,
    ) -> Result<FormSession, Fault> {
        let definition = match (&record.form_text, app, &record.namespace) {
            (Some(text), ..) => parse_form(text)?,
            (None, Some(app), Some(namespace)) => app.form(namespace)?,
            _ => return Err(not_found(&record.id)),
        };
        let host = FormWorld::new(world, record, app);
        let options = OpenOptions {
            language: record.language.as_deref(),
            saved: Some(instance),
            completed: false,
            read_only: false,
            juncture: false,
        };
        Ok(FormSession::open(&definition, &options, &host)?)
    }

    /// Writes a form down: one version later.
    fn keep(&self, call: &Call<'_>, mut form: OpenForm, world: &RequestWorld<'_>) -> Result<(), Fault> {
        let instance = match form.draft.take() {
            Some(instance) => instance,
            None => form.session.draft(&FormWorld::new(world, &form.record, form.app.as_deref()))?,
        };
        form.record.version += 1;
        let owner = form.account.key();
        call.host.save(Shelf::Forms, &owner, &form.record.id, &form.record.written(&instance));
        lock(&self.live).put(owner, form.record, form.session);
        Ok(())
    }
}

impl Formplayer {
    /// Looks at the form that a request names.
    pub(crate) fn peek<T>(
        &self,
        call: &Call<'_>,
        request: &Request,
        run: impl FnOnce(&mut OpenForm, &RequestWorld<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.with_form(call, request, false, run)
    }
}
