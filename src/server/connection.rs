//! One connection, from its first byte to its last: HTTP/1.1 or HTTP/2, whichever the client begins.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, StatusCode, Version, header};
use futures_util::FutureExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use metrics::counter;
use tokio::sync::watch;

use crate::server::connection_activity::{ConnectionActivity, InProgress, Wait};
use crate::server::socket::Socket;
use crate::server::{RequestHandler, Shared};
use crate::threads::RoundRobin;

/// Largest head of a request, in bytes. Beyond it, and beyond the 100 headers that hyper reads, the answer is 431 (RFC 6585 section 5).
const MAX_HEAD: usize = 128 * 1024;
/// The same for HTTP/2, as RFC 9113 section 6.5.2 counts it.
const MAX_HEADER_LIST: u32 = 128 * 1024;
/// Requests at once over one HTTP/2 connection; fewer would get in the way of clients (RFC 9113 section 6.5.2).
const MAX_STREAMS: u32 = 100;
/// Streams that the client opened and took back before we saw them; one more ends the connection (CVE-2023-44487, "rapid reset").
const MAX_RESETS_PENDING: usize = 20;
/// Streams that we reset for the client's mistakes; one more ends the connection (CVE-2025-8671, "`MadeYouReset`").
const MAX_RESETS_OF_OURS: usize = 1024;
/// Bytes of an answer that wait in memory, for each stream.
const SEND_BUFFER: usize = 64 * 1024;
/// How often an HTTP/2 client is asked for a sign of life, and how long it may take to give it.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long a client may take to go when it is told to.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where the streams of HTTP/2 connections are served: on all threads, since a proxy may send all that its clients ask over one connection.
#[derive(Debug, Clone)]
pub(super) struct Streams(RoundRobin);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

/// How HTTP is spoken. hyper's own timer for heads is off: it would run for each request, and close idle connections with slow ones.
/// WebSockets over HTTP/2 (RFC 8441) are not offered, since no route takes them: clients then open them over HTTP/1.1.
pub(super) fn http(streams: RoundRobin) -> Builder<Streams> {
    let mut http = Builder::new(Streams(streams));
    http.http1().header_read_timeout(None).max_buf_size(MAX_HEAD);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .max_pending_accept_reset_streams(MAX_RESETS_PENDING)
        .max_local_error_reset_streams(MAX_RESETS_OF_OURS)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    http
}

/// Serves requests until the client goes, lets us wait for too long, or everything stops.
pub(super) async fn serve<S: RequestHandler>(
    socket: Socket,
    peer: SocketAddr,
    shared: Arc<Shared<S>>,
    mut stopped: watch::Receiver<()>,
) {
    let activity = socket.activity().clone();
    let requests = Requests {
        handler: shared.handler.clone(),
        peer,
        activity: activity.clone(),
    };
    let service = service_fn(|request| requests.answer(request));
    let connection = shared
        .http
        .serve_connection_with_upgrades(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let mut stop = pin!(stopped.changed().fuse());
    let mut overdue = pin!(activity.overdue(&shared.timeouts));
    loop {
        tokio::select! {
            // A connection is woken for each request, the others seldom.
            biased;
            // However it ended, there is nobody left to tell.
            _ended = connection.as_mut() => return,
            wait = &mut overdue => {
                if wait != Wait::Request {
                    counter!("auth_gateway_connections_dropped_total", "waited_for" => wait.as_str()).increment(1);
                    tracing::debug!(%peer, waited_for = wait.as_str(), "a connection is dropped: its client was too slow");
                    return;
                }
                // A request that is on its way over HTTP/2 is still answered.
                connection.as_mut().graceful_shutdown();
                let _gone_or_not = tokio::time::timeout(FAREWELL, connection).await;
                return;
            }
            _stopping = &mut stop => connection.as_mut().graceful_shutdown(),
        }
    }
}

/// From a connection's requests to its answers.
struct Requests<S> {
    handler: S,
    peer: SocketAddr,
    activity: Arc<ConnectionActivity>,
}

impl<S: RequestHandler> Requests<S> {
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Answer>, Infallible>> + use<S> {
        let version = request.version();
        let in_progress = self.activity.begin(version);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        // Boxed at once: hyper moves what it is given, and all that waits for a request in it.
        let response = Box::pin(self.handler.clone().answer(request));
        async move {
            let mut response = response.await;
            if response.status() == StatusCode::REQUEST_TIMEOUT && version < Version::HTTP_2 {
                // What follows would be taken for the next request (RFC 9110 section 15.5.9).
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok(response.map(|body| Answer {
                body,
                _in_progress: in_progress,
            }))
        }
    }
}

/// The body of an answer, whose request is in progress until it has been handed over.
struct Answer {
    body: Body,
    _in_progress: InProgress,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
