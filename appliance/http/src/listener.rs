//! Connections: accepts, bounds and ends them.

use crate::options::HttpOptions;
use crate::router::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Pause after the system refused a connection (no file descriptors, no memory), so that others end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How far the end has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Phase {
    /// Serve.
    Running,
    /// Finish the request under way, then hang up.
    Stopping,
    /// Hang up.
    Over,
}

/// Serves until `shutdown` ends, then finishes what is under way, for [`HttpOptions::stop_time`] at most.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let options = router.options().clone();
    let places = Arc::new(Semaphore::new(options.connections_max));
    let (tell, phase) = watch::channel(Phase::Running);
    let builder = builder(&options);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let connection =
                    Connection { stream, peer, builder: builder.clone(), router: router.clone() };
                tokio::spawn(connection.run(phase.clone(), place));
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tell.send_replace(Phase::Stopping);
    let all = u32::try_from(options.connections_max).unwrap_or(u32::MAX);
    if tokio::time::timeout(options.stop_time, places.acquire_many(all)).await.is_err() {
        tell.send_replace(Phase::Over);
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

fn builder(options: &HttpOptions) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_time)
        .max_headers(options.headers_max)
        .max_header_size(options.head_bytes_max)
        .max_buf_size((64 << 10).max(options.head_bytes_max))
        // A client that closes its sending side after the request still gets its answer.
        .half_close(true)
        .keep_alive(true);
    builder
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    builder: http1::Builder,
    router: Router,
}

impl Connection {
    async fn run(self, mut phase: watch::Receiver<Phase>, _place: OwnedSemaphorePermit) {
        let Self { stream, peer, builder, router } = self;
        let metrics = router.metrics().clone();
        metrics.connections.fetch_add(1, Ordering::Relaxed);
        let service = service_fn(move |request| {
            let router = router.clone();
            async move { Ok::<_, Infallible>(router.serve(request, peer).await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(error = &error as &dyn std::error::Error, %peer, "a connection broke");
                    }
                    break;
                }
                changed = phase.changed() => match (changed, *phase.borrow_and_update()) {
                    (Err(_), _) | (Ok(()), Phase::Over) => break,
                    (Ok(()), Phase::Stopping) => connection.as_mut().graceful_shutdown(),
                    (Ok(()), Phase::Running) => {}
                },
            }
        }
        metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
