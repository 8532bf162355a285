//! From a request to its resource, and from what that says to an answer.

use crate::body::{BodyMemory, BodyReader, Inbound};
use crate::metrics::Metrics;
use crate::options::HttpOptions;
use crate::problem::{Envelope, Problem};
use crate::receiver::answer::{OPENROSA_VERSION, VERSION_3};
use crate::reply::{Reply, empty};
use crate::request::Request;
use crate::routes::{self, Found, RouteId};
use crate::{formplayer, pages, phone, receiver, resources};
use bolster_usecases::Appliance;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, StatusCode};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

/// What resources share.
pub struct State {
    /// The product.
    pub app: Appliance,
    /// Limits.
    pub options: HttpOptions,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Memory that all bodies share.
    pub memory: Arc<BodyMemory>,
    /// Places for work that reads; whoever finds none waits.
    reads: Semaphore,
    /// Places for restores of everything; whoever finds none waits.
    restores: Arc<Semaphore>,
    /// Places for passwords of the login page; whoever finds none is turned away.
    logins: Semaphore,
    /// Places for whole packages of apps.
    packages: Arc<Semaphore>,
    /// Apps in browsers.
    pub formplayer: Arc<bolster_formplayer::Formplayer>,
    /// Order of what is asked about one open form.
    pub turns: Arc<formplayer::Turns>,
}

/// Reads at once: each may hold a form of many megabytes.
const READS_MAX: usize = 32;
/// Restores of everything at once: each holds the ids of all its cases.
const RESTORES_MAX: usize = 2;
/// Passwords of the login page waiting to be checked, one after the other.
const LOGINS_MAX: usize = 16;
/// Packages of apps being made or sent: each takes room on the disk.
const PACKAGES_MAX: usize = 8;

impl State {
    /// `scheme://host` as the client, or the operator, says it.
    pub fn site(&self, request: &Request) -> String {
        match &self.options.site {
            Some(site) => site.clone(),
            None => format!("http://{}", request.host().unwrap_or("localhost")),
        }
    }

    /// A place for making and sending a package; `None` when all are taken.
    pub fn package_place(&self) -> Option<OwnedSemaphorePermit> {
        self.packages.clone().try_acquire_owned().ok()
    }

    /// Runs what checks a password, off the runtime's threads.
    pub async fn login<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Appliance) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let _place = self.logins.try_acquire().map_err(|_| Problem::Crowded)?;
        self.unbounded(work).await
    }

    /// A place for a restore that takes its time and memory.
    pub async fn restore_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.restores.clone().acquire_owned().await.map_err(|_| Problem::GivenUp)
    }

    /// Runs what may wait for the disk, off the runtime's threads.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Appliance) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let _place = self.reads.acquire().await.map_err(|_| Problem::GivenUp)?;
        self.unbounded(work).await
    }

    async fn unbounded<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Appliance) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = self.app.clone();
        match spawn_blocking(move || work(&app)).await {
            Ok(result) => result,
            Err(_) => Err(Problem::GivenUp),
        }
    }
}

/// Answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Router(Arc<State>);

impl Router {
    /// For an appliance.
    pub fn new(app: Appliance, options: HttpOptions) -> Self {
        let memory = BodyMemory::new(options.body_memory_max);
        Self(Arc::new(State {
            app,
            options,
            metrics: Arc::default(),
            memory,
            reads: Semaphore::new(READS_MAX),
            restores: Arc::new(Semaphore::new(RESTORES_MAX)),
            logins: Semaphore::new(LOGINS_MAX),
            packages: Arc::new(Semaphore::new(PACKAGES_MAX)),
            formplayer: Arc::default(),
            turns: Arc::default(),
        }))
    }

    /// Its limits.
    pub fn options(&self) -> &HttpOptions {
        &self.0.options
    }
    /// Its figures.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Answers a request from a connection.
    pub async fn serve(&self, request: hyper::Request<Incoming>, peer: SocketAddr) -> Reply {
        let (head, body) = request.into_parts();
        self.answer(head, Inbound::Wire(body), peer).await
    }

    /// Answers a request, wherever it comes from. Never panics.
    pub async fn answer(&self, head: hyper::http::request::Parts, body: Inbound, peer: SocketAddr) -> Reply {
        let state = &*self.0;
        let body = BodyReader::new(body, &head.headers, &state.options);
        let uri = head.uri.clone();
        let found = routes::find(uri.path());
        let mut request = Request { head, body, peer };
        let envelope = envelope(found.as_ref(), uri.path());
        let mut reply = match guarded(dispatch(state, &mut request, found)).await {
            Some(Ok(reply)) => reply,
            Some(Err(problem)) => problem.reply(envelope, state, &request),
            None => {
                state.metrics.panics.fetch_add(1, Ordering::Relaxed);
                Problem::GivenUp.reply(envelope, state, &request)
            }
        };
        if envelope == Envelope::Receiver {
            reply.headers_mut().insert(OPENROSA_VERSION, HeaderValue::from_static(VERSION_3));
        }
        reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        request.body.drain(state.options.drain_bytes_max).await;
        state.metrics.answered(found.map(|f| f.number), reply.status().as_u16());
        reply
    }
}

/// The result of a future, or `None` if it panicked; the panic hook has told our log about it.
async fn guarded<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
        Err(_) => Poll::Ready(None),
    })
    .await
}

fn envelope(found: Option<&Found<'_>>, path: &str) -> Envelope {
    let Some(found) = found else {
        let is_api = path.split('/').nth(3) == Some("api") || path.starts_with("/api/");
        return if is_api { Envelope::Api } else { Envelope::Page };
    };
    match found.info.id {
        RouteId::Submit | RouteId::SubmitSecure | RouteId::SubmitApi => Envelope::Receiver,
        RouteId::Form | RouteId::Case | RouteId::FormAttachment | RouteId::CaseAttachment => Envelope::Api,
        RouteId::AppFile | RouteId::Media | RouteId::ListApps | RouteId::DirectCcz => Envelope::Api,
        RouteId::Heartbeat | RouteId::RecoveryMeasures | RouteId::PhoneKeys | RouteId::NextId => {
            Envelope::Phone
        }
        RouteId::PhoneApps
        | RouteId::Restore
        | RouteId::CaseRestore
        | RouteId::Claim
        | RouteId::Search
        | RouteId::CaseFixture => Envelope::Phone,
        RouteId::Formplayer | RouteId::ServerUp | RouteId::Health | RouteId::Metrics => Envelope::Api,
        RouteId::Login
        | RouteId::Logout
        | RouteId::Landing
        | RouteId::Style
        | RouteId::ProjectHome
        | RouteId::ProjectPage
        | RouteId::FormPage
        | RouteId::FormXml
        | RouteId::CasePage
        | RouteId::ProblemsPage
        | RouteId::AppCode
        | RouteId::DeviceLogs
        | RouteId::AppsPage
        | RouteId::PeoplePage
        | RouteId::PeopleWorkbook
        | RouteId::PeopleFields
        | RouteId::PhonesPage
        | RouteId::PersonPage
        | RouteId::GroupsPage
        | RouteId::AuditPage
        | RouteId::LocationsPage
        | RouteId::LocationsWorkbook
        | RouteId::TablesPage
        | RouteId::TablesWorkbook
        | RouteId::AppInstall
        | RouteId::AppQrCode => Envelope::Page,
    }
}

async fn dispatch(state: &State, request: &mut Request, found: Option<Found<'_>>) -> Result<Reply, Problem> {
    let found = found.ok_or(Problem::NoRoute)?;
    let allow = found.info.allow;
    let takes = match request.head.method {
        Method::GET | Method::HEAD => allow.contains("GET"),
        Method::POST => allow.contains("POST"),
        _ => false,
    };
    if !takes {
        return Err(Problem::Method { allow });
    }
    match found.info.id {
        RouteId::Submit => receiver::submit(state, request, &found, receiver::Door::Plain).await,
        RouteId::SubmitSecure => receiver::submit(state, request, &found, receiver::Door::Secure).await,
        RouteId::SubmitApi => receiver::submit(state, request, &found, receiver::Door::Api).await,
        RouteId::Form => resources::forms::form(state, request, &found).await,
        RouteId::Case => resources::cases::cases(state, request, &found).await,
        RouteId::FormAttachment => resources::attachments::of_form(state, request, &found).await,
        RouteId::CaseAttachment => resources::attachments::of_case(state, request, &found).await,
        RouteId::Restore => phone::restore::restore(state, request, &found).await,
        RouteId::CaseRestore => phone::case_restore::case_restore(state, request, &found).await,
        RouteId::Claim => phone::claim::claim(state, request, &found).await,
        RouteId::Search => phone::search::search(state, request, &found).await,
        RouteId::CaseFixture => phone::search::case_fixture(state, request, &found).await,
        RouteId::Formplayer => formplayer::formplayer(state, request, &found).await,
        RouteId::ServerUp => Ok(resources::health::server_up()),
        RouteId::Health => Ok(resources::health::health(state)),
        RouteId::Metrics => Ok(resources::figures::figures(state)),
        RouteId::Login => resources::login::login(state, request).await,
        RouteId::Logout => resources::login::logout(state, request).await,
        RouteId::Landing => pages::landing::landing(state, request).await,
        RouteId::Style => Ok(pages::style()),
        RouteId::ProjectHome => to_project(&found),
        RouteId::ProjectPage => pages::project::project(state, request, &found).await,
        RouteId::FormPage => pages::form::form(state, request, &found).await,
        RouteId::FormXml => pages::form::xml(state, request, &found).await,
        RouteId::CasePage => pages::case::case(state, request, &found).await,
        RouteId::ProblemsPage => pages::problems::problems(state, request, &found).await,
        RouteId::AppFile => resources::apps::download(state, request, &found).await,
        RouteId::Media => resources::apps::media(state, request, &found).await,
        RouteId::ListApps => resources::apps::list(state, request, &found).await,
        RouteId::PhoneApps => resources::apps::of_phone(state, request).await,
        RouteId::DirectCcz => resources::apps::direct_ccz(state, request, &found).await,
        RouteId::AppCode => pages::apps::code(state, request, &found).await,
        RouteId::DeviceLogs => pages::device_logs::device_logs(state, request, &found).await,
        RouteId::AppsPage => pages::apps::apps(state, request, &found).await,
        RouteId::PeoplePage => pages::people::people(state, request, &found).await,
        RouteId::PeopleWorkbook => pages::people::download(state, request, &found).await,
        RouteId::PeopleFields => pages::fields::fields(state, request, &found).await,
        RouteId::PhonesPage => pages::phones::phones(state, request, &found).await,
        RouteId::PersonPage => pages::person::person(state, request, &found).await,
        RouteId::GroupsPage => pages::groups::groups(state, request, &found).await,
        RouteId::AuditPage => pages::audit::audit(state, request, &found).await,
        RouteId::LocationsPage => pages::locations::locations(state, request, &found).await,
        RouteId::LocationsWorkbook => pages::locations::download(state, request, &found).await,
        RouteId::TablesPage => pages::tables::tables(state, request, &found).await,
        RouteId::TablesWorkbook => pages::tables::download(state, request, &found).await,
        RouteId::AppInstall => pages::apps::install(state, request, &found).await,
        RouteId::AppQrCode => pages::apps::qr_code(state, request, &found).await,
        RouteId::Heartbeat => resources::phone_calls::heartbeat(state, request, &found).await,
        RouteId::RecoveryMeasures => resources::phone_calls::recovery(state, request, &found).await,
        RouteId::PhoneKeys => resources::phone_calls::keys(state, request, &found).await,
        RouteId::NextId => resources::phone_calls::next_id(state, request, &found).await,
    }
}

fn to_project(found: &Found<'_>) -> Result<Reply, Problem> {
    let mut reply = empty(StatusCode::SEE_OTHER);
    let to = format!("/a/{}/data/", found.raw("project").unwrap_or_default());
    let to = HeaderValue::from_str(&to).map_err(|_| Problem::NoRoute)?;
    reply.headers_mut().insert(hyper::header::LOCATION, to);
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[tokio::test]
    async fn a_panic_ends_only_its_request() {
        let sleeps = async {
            tokio::task::yield_now().await;
            assert_eq!(1 + 1, 3, "a fault of ours");
        };
        assert_eq!(guarded(sleeps).await, None);
        assert_eq!(guarded(async { 5 }).await, Some(5));
    }
}
