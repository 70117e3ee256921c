//! Accepts connections and gives each one to a thread, as long as the limits allow it.
//!
//! Connections above a limit are accepted and closed at once. If they waited in the kernel's queue
//! instead, one network that fills the limit would block connections of all other networks. A
//! client or proxy whose connection is closed at once goes to another node or tries again.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use metrics::counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::domain::connection_limit::{ConnectionLimit, LimitReached, Permit};
use crate::server::connection::{self, ConnectionContext};
use crate::server::connection_activity::Timeouts;
use crate::server::request_handler::RequestHandler;
use crate::server::socket::Socket;
use crate::threads::Threads;

/// Pause after a failed accept, for example when the process has no file descriptor left. An
/// immediate retry would fail again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The log reports refused connections at most once in this time, so that a flood of connections
/// does not become a flood of log lines.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_mins(1);

/// The limits and timeouts of connections.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// How many connections may be open. A connection holds its permit until its socket is closed,
    /// also as a WebSocket.
    pub limit: ConnectionLimit,
    /// Proxies, which carry many clients and are exempt from the limit of one network.
    pub proxies: Vec<IpNet>,
    /// How long a slow client is waited for.
    pub timeouts: Timeouts,
    /// How long open requests may take to finish after the stop.
    pub grace: Duration,
}

/// Serves until `stop` resolves. Then no connection is accepted, and open requests have the grace
/// period to finish.
pub async fn serve(
    listener: TcpListener,
    handler: impl RequestHandler,
    options: ConnectionOptions,
    threads: &Threads,
    stop: impl Future<Output = ()>,
) {
    let (stopping, stopped) = watch::channel(());
    let grace = options.grace;
    let mut acceptor = Acceptor::new(handler, options, threads);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            (stream, peer) = accept(&listener) => acceptor.handle(stream, peer, &stopped),
            () = &mut stop => break,
        }
    }
    drop((listener, stopped));
    stopping.send_replace(());
    if tokio::time::timeout(grace, stopping.closed()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

struct Acceptor<'a, S> {
    context: Arc<ConnectionContext<S>>,
    threads: &'a Threads,
    limit: ConnectionLimit,
    proxies: Vec<IpNet>,
    refusal_logged_at: Option<Instant>,
}

impl<'a, S: RequestHandler> Acceptor<'a, S> {
    fn new(handler: S, options: ConnectionOptions, threads: &'a Threads) -> Self {
        let context = ConnectionContext::new(handler, options.timeouts, threads.round_robin());
        Self {
            context: Arc::new(context),
            threads,
            limit: options.limit,
            proxies: options.proxies,
            refusal_logged_at: None,
        }
    }

    fn handle(&mut self, stream: TcpStream, peer: SocketAddr, stopped: &watch::Receiver<()>) {
        // Answers are small: waiting to fill a packet would only delay them.
        let _best_effort = stream.set_nodelay(true);
        match self.acquire(peer.ip()) {
            Ok(permit) => {
                tracing::trace!(%peer, "accepted a connection");
                self.spawn(stream, permit, peer, stopped.clone());
            }
            Err(reached) => self.report_refusal(reached),
        }
    }

    /// Serves the connection on its own thread.
    fn spawn(&self, stream: TcpStream, permit: Permit, peer: SocketAddr, stopped: watch::Receiver<()>) {
        let context = self.context.clone();
        // Registered with the runtime of its own thread, so that its events do not wake this one.
        let stream = stream.into_std();
        self.threads
            .spawn(async move |guard| match stream.and_then(TcpStream::from_std) {
                Ok(stream) => connection::serve(Socket::new(stream, permit, guard), peer, context, stopped).await,
                Err(error) => tracing::error!(%error, "a connection could not be moved to its thread"),
            });
    }

    /// Takes a permit. A proxy carries many clients, so only the total limit applies to it.
    fn acquire(&self, peer: IpAddr) -> Result<Permit, LimitReached> {
        let peer = peer.to_canonical();
        let is_proxy = self.proxies.iter().any(|network| network.contains(&peer));
        self.limit.acquire((!is_proxy).then_some(peer))
    }

    fn report_refusal(&mut self, reached: LimitReached) {
        let limit = match reached {
            LimitReached::Total => "MAX_CONNECTIONS",
            LimitReached::Network => "CONNECTIONS_PER_ADDRESS",
        };
        counter!("auth_gateway_connections_refused_total", "limit" => limit).increment(1);
        let logged_at = self.refusal_logged_at;
        if logged_at.is_none_or(|at| at.elapsed() >= REFUSAL_LOG_INTERVAL) {
            self.refusal_logged_at = Some(Instant::now());
            tracing::warn!(limit, "connections are refused: the limit is reached");
        }
    }
}

/// The next connection. Errors neither end the listener nor make it spin.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_about_one_connection(error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted; trying again in a second");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}

/// Whether a single connection failed before it was accepted. The next one may succeed at once.
fn is_about_one_connection(kind: ErrorKind) -> bool {
    kind == ErrorKind::ConnectionAborted || kind == ErrorKind::ConnectionReset || kind == ErrorKind::ConnectionRefused
}
