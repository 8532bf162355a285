//! The one writer: takes what is queued, judges and folds each job against the batch so far, and makes the
//! batch durable with one flush. Only then is anybody answered.
//!
//! Invariants: one thread; a job sees every job before it; a job that fails leaves nothing behind; nobody
//! hears of success before the flush.

mod commit;
mod facts;
mod state;
mod submit;

pub(crate) use state::{Memo, ProjectState};

use crate::upload::{SubmissionOutcome, SubmitFormError};
use bolster_changelog::PreparedPayload;
use bolster_model::{AdminDocument, Digest, Fact, ParsedForm, ProjectId, RulesVersion, SubmissionInfo};
use bolster_store::{CommitError, StoreError, StoreWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Most jobs in one batch.
const BATCH_JOBS_MAX: usize = 512;
/// A batch that has grown to this many log bytes is closed.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Most jobs that wait; more are told to come back.
const QUEUE_JOBS_MAX: usize = 4096;

/// Answer to a submission.
pub(crate) type SubmitReply = Box<dyn FnOnce(Result<SubmissionOutcome, SubmitFormError>) + Send>;
/// Answer to anything else.
pub(crate) type FactReply = Box<dyn FnOnce(Result<(), WriteError>) + Send>;

/// A submission prepared by the request's thread.
pub(crate) struct SubmitJob {
    pub project: ProjectId,
    pub rules: RulesVersion,
    /// More than one project exists.
    pub several_projects: bool,
    pub parsed: Result<Arc<ParsedForm>, String>,
    pub info: SubmissionInfo,
    pub xml_digest: Digest,
    /// The XML is a blob of this digest rather than inline.
    pub xml_blob: Option<Digest>,
    pub salt: [u8; 16],
    pub payload: PreparedPayload,
    pub reply: SubmitReply,
}

/// An administrative document, with its project and whether it is a credential.
pub type DocumentFact = (ProjectId, AdminDocument, bool);

/// Row of a local matter: kind, id, value or removal.
pub type LocalRow = (String, String, Option<Vec<u8>>);

/// A file that a local row refers to, or refers to no more: content, project, id of the row, which way.
pub(crate) type LocalBlob = (Digest, ProjectId, String, bool);

pub(crate) enum Job {
    Submit(Box<SubmitJob>),
    /// A fact about forms or cases, with a fresh salt.
    Fact {
        project: ProjectId,
        rules: RulesVersion,
        fact: Fact,
        salt: [u8; 16],
        reply: FactReply,
    },
    Documents {
        documents: Vec<(DocumentFact, [u8; 16])>,
        reply: FactReply,
    },
    Local {
        rows: Vec<LocalRow>,
        blobs: Vec<LocalBlob>,
        salt: [u8; 16],
        reply: FactReply,
    },
    Stop,
}

/// Why an act could not be written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// Too much waits already.
    #[error("too many changes wait to be written")]
    Busy,
    /// No room.
    #[error("the disk is full")]
    DiskFull,
    /// The appliance is stopping.
    #[error("the appliance is stopping")]
    Stopped,
    /// The state cannot be read or written just now; it is tried again by itself.
    #[error("the state cannot be read or written just now")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// Our fault or the disk's.
    #[error("the change could not be stored")]
    Storage(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl From<WriteError> for SubmitFormError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Busy => Self::Busy,
            WriteError::DiskFull => Self::DiskFull,
            WriteError::Stopped | WriteError::Unavailable(_) => Self::Unavailable,
            WriteError::Storage(source) => Self::Storage(source),
        }
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        if error.is_passing() { Self::Unavailable(Arc::new(error)) } else { Self::Storage(Arc::new(error)) }
    }
}

/// Figures of the writer since start, for metrics.
#[derive(Debug, Default)]
pub struct WriterCounters {
    /// Batches made durable.
    pub batches: AtomicU64,
    /// Jobs in them.
    pub jobs: AtomicU64,
    /// Batches that failed.
    pub failed_batches: AtomicU64,
    /// Forms applied.
    pub forms_stored: AtomicU64,
    /// Exact resends.
    pub duplicates: AtomicU64,
    /// Error forms.
    pub content_errors: AtomicU64,
    /// Submissions that are no forms.
    pub unparseable: AtomicU64,
    /// Jobs waiting now.
    pub queued: AtomicUsize,
}

/// Handle of the writer thread.
pub(crate) struct WriterHandle {
    queue: SyncSender<Job>,
    counters: Arc<WriterCounters>,
    refuse: AtomicBool,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl WriterHandle {
    pub(crate) fn start(writer: StoreWriter, counters: Arc<WriterCounters>) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_JOBS_MAX);
        let for_thread = counters.clone();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || Writer { writer, counters: for_thread, memo: Memo::default() }.run(&jobs))?;
        Ok(Self {
            queue,
            counters,
            refuse: AtomicBool::new(false),
            thread: std::sync::Mutex::new(Some(thread)),
        })
    }

    /// Answers every submission `Busy` while on: an operator's brake, and a switch for tests.
    pub(crate) fn refuse_submissions(&self, on: bool) {
        self.refuse.store(on, Ordering::Relaxed);
    }

    /// Queues a job, or gives it back with the reason.
    #[expect(clippy::result_large_err, reason = "the caller gets its job back whole")]
    pub(crate) fn send(&self, job: Job) -> Result<(), (Job, WriteError)> {
        if self.refuse.load(Ordering::Relaxed) && matches!(job, Job::Submit(_)) {
            return Err((job, WriteError::Busy));
        }
        self.counters.queued.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(job).map_err(|error| {
            self.counters.queued.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(job) => (job, WriteError::Busy),
                TrySendError::Disconnected(job) => (job, WriteError::Stopped),
            }
        })
    }

    /// Finishes what is queued and ends the thread.
    pub(crate) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(thread) = thread {
            // A full queue is drained by the thread, so waiting for room ends.
            let _ = self.queue.send(Job::Stop);
            if thread.join().is_err() {
                tracing::error!("the writer thread ended by a panic");
            }
        }
    }
}

/// What a job wants to be told once the batch is durable.
enum Done {
    Submit(SubmitReply, Result<SubmissionOutcome, SubmitFormError>),
    Fact(FactReply, Result<(), WriteError>),
}

impl Done {
    fn tell(self) {
        match self {
            Self::Submit(reply, result) => reply(result),
            Self::Fact(reply, result) => reply(result),
        }
    }

    /// The batch failed: what would have been success is not.
    fn fail(self, error: &WriteError) {
        match self {
            Self::Submit(reply, Ok(_)) => reply(Err(error.clone().into())),
            Self::Fact(reply, Ok(())) => reply(Err(error.clone())),
            other => other.tell(),
        }
    }
}

struct Writer {
    writer: StoreWriter,
    counters: Arc<WriterCounters>,
    memo: Memo,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut done: Vec<Done> = Vec::with_capacity(BATCH_JOBS_MAX);
        while let Ok(first) = jobs.recv() {
            let stop = self.batch(first, jobs, &mut done);
            if stop {
                break;
            }
        }
    }

    /// Writes one batch and answers; true when it is time to stop.
    fn batch(&mut self, first: Job, jobs: &Receiver<Job>, done: &mut Vec<Done>) -> bool {
        self.memo.start_batch();
        let mut batch = self.writer.begin();
        let mut next = Some(first);
        let mut stop = false;
        while let Some(job) = next.take() {
            if !matches!(job, Job::Stop) {
                self.counters.queued.fetch_sub(1, Ordering::Relaxed);
            }
            match job {
                Job::Submit(job) => done.push(submit::submit(&mut batch, &mut self.memo, *job)),
                Job::Fact { project, rules, fact, salt, reply } => {
                    let result = facts::fact(&mut batch, &mut self.memo, (project, rules), &fact, salt);
                    done.push(Done::Fact(reply, result));
                }
                Job::Documents { documents, reply } => {
                    let result = facts::documents(&mut batch, documents);
                    done.push(Done::Fact(reply, result));
                }
                Job::Local { rows, blobs, salt, reply } => {
                    facts::local(&mut batch, rows, blobs, salt);
                    done.push(Done::Fact(reply, Ok(())));
                }
                Job::Stop => {
                    stop = true;
                    break;
                }
            }
            if done.len() < BATCH_JOBS_MAX && batch.bytes() < BATCH_BYTES_MAX {
                next = jobs.try_recv().ok();
            }
        }
        let result = if batch.is_empty() { Ok(()) } else { batch.commit().map(|_| ()) };
        self.answer(result, done);
        stop
    }

    fn answer(&mut self, result: Result<(), CommitError>, done: &mut Vec<Done>) {
        match result {
            Ok(()) => {
                self.counters.batches.fetch_add(1, Ordering::Relaxed);
                self.counters.jobs.fetch_add(done.len() as u64, Ordering::Relaxed);
                for done in done.drain(..) {
                    self.count(&done);
                    done.tell();
                }
            }
            Err(error) => {
                self.counters.failed_batches.fetch_add(1, Ordering::Relaxed);
                self.memo.forget_from(0);
                let error = match error {
                    CommitError::DiskFull => WriteError::DiskFull,
                    CommitError::Shards(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a batch was refused");
                        WriteError::Unavailable(Arc::new(error))
                    }
                    error @ CommitError::Log(_) => {
                        tracing::error!(error = &error as &dyn std::error::Error, "a batch was not written");
                        WriteError::Storage(Arc::new(error))
                    }
                };
                done.drain(..).for_each(|done| done.fail(&error));
            }
        }
    }

    fn count(&self, done: &Done) {
        let Done::Submit(_, Ok(outcome)) = done else { return };
        let counter = match outcome {
            SubmissionOutcome::Stored { .. } | SubmissionOutcome::DeviceLog { .. } => {
                &self.counters.forms_stored
            }
            SubmissionOutcome::Duplicate { .. } => &self.counters.duplicates,
            SubmissionOutcome::ContentError { .. } => &self.counters.content_errors,
            SubmissionOutcome::Unparseable { .. } => &self.counters.unparseable,
            SubmissionOutcome::Ignored => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
