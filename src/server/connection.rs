//! Serves one connection: HTTP/1.1 or HTTP/2, as its first bytes say.

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

use crate::server::connection_activity::{ConnectionActivity, InProgress, Timeouts, Wait};
use crate::server::request_handler::RequestHandler;
use crate::server::socket::Socket;
use crate::threads::RoundRobin;

/// Largest head of a request, in bytes. A larger head, or one with more than the 100 headers that
/// hyper reads, is answered with 431 (RFC 6585 section 5).
const MAX_HEAD: usize = 128 * 1024;
/// The same for HTTP/2, counted as in RFC 9113 section 6.5.2.
const MAX_HEADER_LIST: u32 = 128 * 1024;
/// Concurrent requests over one HTTP/2 connection. RFC 9113 section 6.5.2 recommends no fewer.
const MAX_STREAMS: u32 = 100;
/// Streams that the client may open and reset before they are accepted; one more ends the
/// connection (CVE-2023-44487, "rapid reset").
const MAX_PENDING_RESETS: usize = 20;
/// Streams that may be reset because of the client's errors; one more ends the connection
/// (CVE-2025-8671, "`MadeYouReset`").
const MAX_LOCAL_RESETS: usize = 1024;
/// Bytes of an answer that are buffered for each HTTP/2 stream.
const SEND_BUFFER: usize = 64 * 1024;
/// How often an HTTP/2 client is pinged, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long an idle client may take to close its connection after it was asked to.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// What all connections share.
pub(super) struct ConnectionContext<S> {
    http: Builder<StreamExecutor>,
    handler: S,
    timeouts: Timeouts,
}

impl<S> ConnectionContext<S> {
    pub(super) fn new(handler: S, timeouts: Timeouts, streams: RoundRobin) -> Self {
        Self {
            http: http(streams),
            handler,
            timeouts,
        }
    }
}

/// Runs the streams of HTTP/2 connections on all threads: a proxy may send the requests of all its
/// clients over one connection.
#[derive(Debug, Clone)]
struct StreamExecutor(RoundRobin);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

/// The HTTP settings. hyper's own timer for heads is off: it would run for each request, and close
/// idle connections as if they were slow. WebSockets over HTTP/2 (RFC 8441) are not offered,
/// because no route accepts them: clients then use HTTP/1.1.
fn http(streams: RoundRobin) -> Builder<StreamExecutor> {
    let mut http = Builder::new(StreamExecutor(streams));
    http.http1().header_read_timeout(None).max_buf_size(MAX_HEAD);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    http
}

/// Serves requests until the client closes the connection, a timeout ends it, or the gateway stops.
pub(super) async fn serve<S: RequestHandler>(
    socket: Socket,
    peer: SocketAddr,
    context: Arc<ConnectionContext<S>>,
    mut stopped: watch::Receiver<()>,
) {
    let activity = socket.activity().clone();
    let requests = Requests {
        handler: context.handler.clone(),
        peer,
        activity: activity.clone(),
    };
    let service = service_fn(|request| requests.answer(request));
    let connection = context
        .http
        .serve_connection_with_upgrades(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let mut stop = pin!(stopped.changed().fuse());
    let mut timed_out = pin!(activity.timed_out(&context.timeouts));
    loop {
        tokio::select! {
            // The connection is woken for each request, the other branches seldom.
            biased;
            // Even if it ended with an error, no client is left to answer.
            _ended = connection.as_mut() => return,
            wait = &mut timed_out => {
                if wait != Wait::Request {
                    counter!("auth_gateway_connections_dropped_total", "waited_for" => wait.as_str()).increment(1);
                    tracing::debug!(%peer, waited_for = wait.as_str(), "a connection is dropped: its client was too slow");
                    return;
                }
                // Over HTTP/2, a request that was sent meanwhile is still answered.
                connection.as_mut().graceful_shutdown();
                let _closed_or_not = tokio::time::timeout(SHUTDOWN_TIMEOUT, connection).await;
                return;
            }
            _stopping = &mut stop => connection.as_mut().graceful_shutdown(),
        }
    }
}

/// Answers the requests of one connection.
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
        // Boxed at once, because hyper moves the future together with everything in it.
        let response = Box::pin(self.handler.clone().answer(request));
        async move {
            let mut response = response.await;
            if response.status() == StatusCode::REQUEST_TIMEOUT && version < Version::HTTP_2 {
                // The rest of the body would be read as the next request (RFC 9110 section 15.5.9).
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

/// The body of an answer. Its request counts as in progress until the body is dropped.
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
