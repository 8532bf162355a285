//! What the appliance can do, one verb per file. The only path to data writes.
//!
//! A use case takes a permit (which only `auth` makes) and plain values, and answers plain values: it knows
//! no HTTP type, no async runtime, no file and no redb. Everything that changes data goes through the one
//! writer and is durable before the caller hears of it.

pub mod admin;
pub mod apps;
pub mod case_problems;
pub mod change_forms;
pub mod claim_case;
pub mod drafts;
pub mod nouns;
pub mod phone_calls;
pub mod restore;
pub mod search_cases;
pub mod settings;
pub mod submit_form;
pub mod upload;
pub mod workbook;
mod writer;

pub use admin::AdminError;
pub use settings::ServerSettings;
pub use upload::{FormUpload, SubmissionOutcome, SubmitFormError, SubmitMode};
pub use writer::{DocumentFact, LocalRow, WriteError, WriterCounters};

use bolster_auth::Auth;
use bolster_env::{Env, random};
use bolster_store::{OpenError, Store, StoreOptions};
use std::path::Path;
use std::sync::Arc;
use writer::{Job, WriterHandle};

/// The running product: store, people, writer. Cheap to clone.
#[derive(Clone)]
pub struct Appliance(Arc<Inner>);

struct Inner {
    store: Store,
    env: Env,
    auth: Auth,
    settings: ServerSettings,
    counters: Arc<WriterCounters>,
    writer: WriterHandle,
    apps: apps::AppsCache,
    nouns: nouns::NounCache,
    bases: restore::BaseCache,
    problems: case_problems::ProblemCache,
    live: restore::LiveCache,
    drafts: drafts::Drafts,
    /// Lists of tokens are read, changed and written: one at a time.
    sync: std::sync::Mutex<()>,
    /// Administrative acts look first and write then: one at a time.
    admin: std::sync::Mutex<()>,
}

/// Why an appliance could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenApplianceError {
    /// The data folder.
    #[error("the data folder could not be opened")]
    Store(#[from] OpenError),
    /// The people in it.
    #[error("users and projects could not be read")]
    Auth(#[from] bolster_auth::OpenError),
    /// No thread.
    #[error("the writer thread could not be started")]
    Thread(#[source] std::io::Error),
}

impl Appliance {
    /// Opens (or creates) a data folder and starts the writer.
    pub fn open(
        env: Env,
        dir: &Path,
        store: StoreOptions,
        settings: ServerSettings,
    ) -> Result<Self, OpenApplianceError> {
        let (store, writer) = Store::open(env.clone(), dir, store)?;
        let drafts = drafts::Drafts::new(env.disk.clone(), dir);
        let auth = Auth::open(env.clone(), store.clone(), dir)?;
        let counters = Arc::new(WriterCounters::default());
        let writer = WriterHandle::start(writer, counters.clone()).map_err(OpenApplianceError::Thread)?;
        Ok(Self(Arc::new(Inner {
            store,
            env,
            auth,
            settings,
            counters,
            writer,
            apps: apps::AppsCache::default(),
            nouns: nouns::NounCache::default(),
            bases: restore::BaseCache::default(),
            problems: case_problems::ProblemCache::default(),
            live: restore::LiveCache::default(),
            drafts,
            sync: std::sync::Mutex::new(()),
            admin: std::sync::Mutex::new(()),
        })))
    }

    /// Committed state, log and blobs.
    pub fn store(&self) -> &Store {
        &self.0.store
    }
    /// Clock, disk, randomness.
    pub fn env(&self) -> &Env {
        &self.0.env
    }
    /// Projects, users and credentials.
    pub fn auth(&self) -> &Auth {
        &self.0.auth
    }
    /// Switches of this server.
    pub fn settings(&self) -> &ServerSettings {
        &self.0.settings
    }
    /// What people have begun in a browser.
    pub fn drafts(&self) -> &drafts::Drafts {
        &self.0.drafts
    }
    /// Figures of the writer.
    pub fn writer_counters(&self) -> &WriterCounters {
        &self.0.counters
    }
    pub(crate) fn live_cache(&self) -> &restore::LiveCache {
        &self.0.live
    }
    pub(crate) fn writer(&self) -> &WriterHandle {
        &self.0.writer
    }

    pub(crate) fn apps_cache(&self) -> &apps::AppsCache {
        &self.0.apps
    }
    pub(crate) fn noun_cache(&self) -> &nouns::NounCache {
        &self.0.nouns
    }
    pub(crate) fn bases(&self) -> &restore::BaseCache {
        &self.0.bases
    }
    pub(crate) fn problem_cache(&self) -> &case_problems::ProblemCache {
        &self.0.problems
    }
    pub(crate) fn sync_turn(&self) -> std::sync::MutexGuard<'_, ()> {
        self.0.sync.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn admin_turn(&self) -> std::sync::MutexGuard<'_, ()> {
        self.0.admin.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Refuses submissions with `Busy` while on.
    pub fn refuse_submissions(&self, on: bool) {
        self.0.writer.refuse_submissions(on);
    }

    /// Commits administrative documents, all or none; returns when they are durable and the caches of users
    /// and projects know them. Blocks on the disk.
    pub fn commit_documents(&self, documents: Vec<DocumentFact>) -> Result<(), WriteError> {
        let touched: Vec<_> = documents.iter().map(|(p, d, _)| (*p, d.kind.clone(), d.id.clone())).collect();
        let documents = documents.into_iter().map(|d| (d, random::bytes(&*self.0.env.random))).collect();
        self.wait(|reply| Job::Documents { documents, reply })?;
        self.0.auth.documents_changed(&touched);
        self.0.apps.documents_changed(&touched);
        touched.iter().for_each(|(project, kind, _)| self.0.nouns.changed(*project, kind));
        Ok(())
    }

    /// Commits local rows (sessions and the like); returns when they are durable. Blocks on the disk.
    pub fn commit_local(&self, rows: Vec<LocalRow>) -> Result<(), WriteError> {
        self.commit_local_with_blobs(rows, Vec::new())
    }

    /// [`Self::commit_local`] for rows that refer to files of sync logs.
    pub(crate) fn commit_local_with_blobs(
        &self,
        rows: Vec<LocalRow>,
        blobs: Vec<writer::LocalBlob>,
    ) -> Result<(), WriteError> {
        let salt = random::bytes(&*self.0.env.random);
        self.wait(|reply| Job::Local { rows, blobs, salt, reply })
    }

    fn wait(&self, job: impl FnOnce(writer::FactReply) -> Job) -> Result<(), WriteError> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let reply: writer::FactReply = Box::new(move |result| {
            // The receiver waits below for as long as this thread lives.
            let _ = tell.send(result);
        });
        self.0.writer.send(job(reply)).map_err(|(_, error)| error)?;
        told.recv().unwrap_or(Err(WriteError::Stopped))
    }

    /// Finishes what is queued, makes the projections durable and stops all threads.
    pub fn close(&self) {
        self.0.writer.stop();
        self.0.store.close();
    }
}
