//! The listener: takes connections, bounds how many there are, and lets none of them keep the others waiting.
//!
//! Owns sockets, their limit and their deadlines. It refuses to know what is served: a request is none of its business but for when
//! it begins and ends.
//!
//! Of too many connections each is accepted and closed. One that waited in the kernel's queue instead would wait there unseen, behind
//! whoever filled the acceptor, and hold up those whose network has limit left; a client or proxy whose connection closes at once goes to
//! another node or comes back.

mod connection;
mod connection_activity;
mod descriptors;
mod socket;

use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper_util::server::conn::auto::Builder;
use ipnet::IpNet;
use metrics::counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service;

use crate::domain::connection_limit::{ConnectionLimit, LimitReached, Permit};
use crate::threads::Threads;
use connection::Streams;
use socket::Socket;

pub use connection_activity::Timeouts;
pub use descriptors::raise_descriptor_limit;

/// How long the listener rests when the process has no file descriptor left, say: at once it would only fail again.
const REST: Duration = Duration::from_secs(1);
/// How often the log says that connections are refused: each of a flood would be a flood of lines.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);

/// What is served. A clone answers each request, so it must be cheap to make.
pub trait RequestHandler: Clone + Send + Sync + 'static {
    /// Answers a request.
    fn answer(self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + 'static;
}

impl RequestHandler for Router {
    async fn answer(mut self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.call(request).await;
        response
    }
}

/// What connections have to keep.
#[derive(Debug, Clone)]
pub struct ConnectionRules {
    /// How many there may be. One has its permit until its socket is closed, as a WebSocket too.
    pub limit: ConnectionLimit,
    /// Who speaks for many clients, and is not counted as a network.
    pub proxies: Vec<IpNet>,
    /// How long a client may let us wait.
    pub timeouts: Timeouts,
    /// How long requests may take to finish once everything stops.
    pub grace: Duration,
}

/// Serves until `stop` resolves; then takes no new connection, and gives the requests that are in progress their grace to finish.
pub async fn serve(
    listener: TcpListener,
    handler: impl RequestHandler,
    rules: ConnectionRules,
    threads: &Threads,
    stop: impl Future<Output = ()>,
) {
    let (stopping, stopped) = watch::channel(());
    let grace = rules.grace;
    let mut acceptor = Acceptor::new(handler, rules, threads);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            (stream, peer) = next(&listener) => acceptor.receive(stream, peer, &stopped),
            () = &mut stop => break,
        }
    }
    drop((listener, stopped));
    stopping.send_replace(());
    if tokio::time::timeout(grace, stopping.closed()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

/// What is the same for all connections.
struct Shared<S> {
    http: Builder<Streams>,
    handler: S,
    timeouts: Timeouts,
}

struct Acceptor<'a, S> {
    shared: Arc<Shared<S>>,
    threads: &'a Threads,
    limit: ConnectionLimit,
    proxies: Vec<IpNet>,
    complained_at: Option<Instant>,
}

impl<'a, S: RequestHandler> Acceptor<'a, S> {
    fn new(handler: S, rules: ConnectionRules, threads: &'a Threads) -> Self {
        let shared = Shared {
            http: connection::http(threads.round_robin()),
            handler,
            timeouts: rules.timeouts,
        };
        Self {
            shared: Arc::new(shared),
            threads,
            limit: rules.limit,
            proxies: rules.proxies,
            complained_at: None,
        }
    }

    fn receive(&mut self, stream: TcpStream, peer: SocketAddr, stopped: &watch::Receiver<()>) {
        // Answers are small: waiting to fill a packet would only delay them.
        let _best_effort = stream.set_nodelay(true);
        match self.acquire(peer.ip()) {
            Ok(permit) => {
                tracing::trace!(%peer, "a connection is taken");
                let (shared, stopped) = (self.shared.clone(), stopped.clone());
                // From here on it wakes its own thread, and this one no more.
                let stream = stream.into_std();
                self.threads
                    .spawn(async move |guard| match stream.and_then(TcpStream::from_std) {
                        Ok(stream) => {
                            connection::serve(Socket::new(stream, permit, guard), peer, shared, stopped).await;
                        }
                        Err(error) => {
                            tracing::error!(%error, "a connection could not be given to its thread");
                        }
                    });
            }
            Err(full) => self.refuse(full),
        }
    }

    /// A proxy is many clients, so it counts in all alone.
    fn acquire(&self, peer: IpAddr) -> Result<Permit, LimitReached> {
        let peer = peer.to_canonical();
        let is_proxy = self.proxies.iter().any(|network| network.contains(&peer));
        self.limit.acquire((!is_proxy).then_some(peer))
    }

    fn refuse(&mut self, full: LimitReached) {
        let reason = match full {
            LimitReached::Total => "MAX_CONNECTIONS",
            LimitReached::Network => "CONNECTIONS_PER_ADDRESS",
        };
        counter!("auth_gateway_connections_refused_total", "limit" => reason).increment(1);
        let is_due = self.complained_at.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL);
        if is_due {
            self.complained_at = Some(Instant::now());
            tracing::warn!(
                limit = reason,
                "connections are refused: there are as many as there may be"
            );
        }
    }
}

/// The next connection. No error ends the listener, and none makes it spin.
async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_over(error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted; trying again in a second");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Whether it was one client's connection that failed, before it was accepted: the next one is another's.
fn is_over(kind: ErrorKind) -> bool {
    kind == ErrorKind::ConnectionAborted || kind == ErrorKind::ConnectionReset || kind == ErrorKind::ConnectionRefused
}
