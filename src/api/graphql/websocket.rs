//! GraphQL over a WebSocket, in the protocol graphql-transport-ws: subscriptions, and nothing else.
//!
//! Queries and mutations go by POST, where every rule of that state holds. CORS does not hold for WebSockets, so the handshake's origin
//! is asked for here; and the token stands in the connection parameters, never in a cookie.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::futures_util::stream::{self, BoxStream};
use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Executor, Request, Response as EngineResponse, ServerError};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::extract::{FromRequestParts, Request as HttpRequest, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt, sink};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, interval_at, sleep_until, timeout};

use crate::api::graphql::Gateway;
use crate::api::graphql::document::{Documents, Parameters};
use crate::api::graphql::error::GraphqlError;
use crate::api::graphql::http::GraphqlState;
use crate::api::http::origins::Origins;
use crate::api::http::request;
use crate::api::http::request_context::RequestContext;
use crate::domain::connection_limit::{ConnectionLimit, LimitReached, Permit};
use crate::domain::{Error, Result};

/// The protocol's name (GraphQL over WebSocket Protocol, "Communication").
const PROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take for its first message.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the client is asked for a sign of life. One that misses two of them is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long a client may take to accept a message.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Most subscriptions at once over one connection.
const MAX_SUBSCRIPTIONS: usize = 16;
/// Messages that may wait on either side.
const QUEUE: usize = 32;
/// When a client whose network has all its sockets may try again.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The client was too slow: "Connection initialisation timeout" in that protocol, and a socket that waits for nothing.
const TIMEOUT: u16 = 4408;
/// "Policy violation" (RFC 6455 section 7.4.1).
const POLICY_VIOLATION: u16 = 1008;

/// Whether the request asks for a WebSocket (RFC 6455 section 4.1).
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Whose pages may have sockets, how many there may be, and how long one may wait for nothing.
#[derive(Debug, Clone)]
pub(crate) struct Sockets {
    pub(crate) origins: Arc<Origins>,
    pub(crate) limit: ConnectionLimit,
    pub(crate) idle_timeout: Duration,
}

impl Sockets {
    fn take_place(&self, context: &RequestContext) -> Result<Permit> {
        self.limit.acquire(context.address).map_err(|full| match full {
            LimitReached::Network => Error::RateLimited(RETRY_AFTER),
            LimitReached::Total => Error::unavailable("there are as many WebSockets as there may be"),
        })
    }
}

/// Opens the WebSocket.
///
/// # Errors
/// `Forbidden` for a page of a foreign origin; `BadRequest` when the handshake is not right, or the client does not speak the protocol;
/// `RateLimited` and `Unavailable` when there are too many.
pub(crate) async fn open(state: &GraphqlState, context: RequestContext, request: HttpRequest) -> Result<Response> {
    let (mut parts, _body) = request.into_parts();
    check_origin(state, &parts.headers)?;
    if !speaks_our_protocol(&parts.headers) {
        return Err(Error::bad_request(format!(
            "A WebSocket needs the header Sec-WebSocket-Protocol: {PROTOCOL}."
        )));
    }
    // Of several, ours is chosen.
    parts
        .headers
        .insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    let protocol = GraphQLProtocol::from_request_parts(&mut parts, &()).await;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let (Ok(protocol), Ok(upgrade)) = (protocol, upgrade) else {
        return Err(Error::bad_request(
            "The handshake of the WebSocket is not right (RFC 6455).",
        ));
    };
    let place = state.sockets.take_place(&context)?;
    let engine = Subscriptions {
        schema: state.schema.clone(),
        documents: state.documents.clone(),
        free: Arc::new(Semaphore::new(MAX_SUBSCRIPTIONS)),
    };
    let idle_timeout = state.sockets.idle_timeout;
    let serve = move |socket| async move {
        serve(Connection::new(socket, idle_timeout), engine, context, protocol).await;
        drop(place);
    };
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(state.bodies.limit)
        .max_frame_size(state.bodies.limit);
    Ok(upgrade
        .on_upgrade(move |socket| request::in_current_span(serve(socket)))
        .into_response())
}

/// Where there is no GraphiQL, no page comes from here.
fn check_origin(state: &GraphqlState, headers: &HeaderMap) -> Result<()> {
    let is_own_page = state.is_graphiql_on && Origins::is_from_here(headers);
    if is_own_page || state.sockets.origins.admit(headers) {
        return Ok(());
    }
    Err(Error::Forbidden("Pages of this origin may not open a WebSocket."))
}

fn speaks_our_protocol(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == PROTOCOL)
}

/// Serves the socket until the engine is done or the client is gone.
async fn serve(connection: Connection, engine: Subscriptions, context: RequestContext, protocol: GraphQLProtocol) {
    let (answers, answered) = mpsc::channel(QUEUE);
    let (requests, mut requested) = mpsc::channel(QUEUE);
    let answers = sink::unfold(answers, async |answers, message| {
        answers.send(message).await.map(|()| answers)
    });
    let requested = stream::poll_fn(move |context| requested.poll_recv(context));
    let wires = Wires {
        requests,
        answered,
        free: engine.free.clone(),
    };
    let engine = GraphQLWebSocket::new_with_pair(answers, requested, engine, protocol)
        .on_connection_init(async move |parameters| {
            let mut data = Data::default();
            data.insert(context.with_parameters(&parameters));
            Ok(data)
        })
        .serve();
    connection.carry(engine, wires).await;
}

/// The engine's ends.
struct Wires {
    requests: mpsc::Sender<std::result::Result<Message, axum::Error>>,
    answered: mpsc::Receiver<Message>,
    /// As many as there may be subscriptions beside those that are.
    free: Arc<Semaphore>,
}

impl Wires {
    fn has_subscriptions(&self) -> bool {
        self.free.available_permits() < MAX_SUBSCRIPTIONS
    }
}

/// What stands between the socket and the engine: it keeps the deadlines, which the engine has none of.
struct Connection {
    to_client: SplitSink<WebSocket, Message>,
    from_client: SplitStream<WebSocket>,
    idle_timeout: Duration,
    heard_at: Instant,
    has_begun: bool,
}

impl Connection {
    fn new(socket: WebSocket, idle_timeout: Duration) -> Self {
        let (to_client, from_client) = socket.split();
        Self {
            to_client,
            from_client,
            idle_timeout,
            heard_at: Instant::now(),
            has_begun: false,
        }
    }

    async fn carry(mut self, engine: impl Future<Output = ()>, mut wires: Wires) {
        let mut engine = pin!(engine.fuse());
        let mut pings = interval_at(self.heard_at + PING_INTERVAL, PING_INTERVAL);
        let mut needed_at = self.heard_at;
        loop {
            // The end of a subscription is a message, so none ends unseen.
            if wires.has_subscriptions() {
                needed_at = Instant::now();
            }
            let overdue_at = needed_at + self.timeout();
            let message = tokio::select! {
                // What the engine has said last goes out after it is done.
                answer = wires.answered.recv() => answer,
                () = &mut engine => continue,
                received = self.from_client.next() => {
                    let Some(Ok(message)) = received else { return };
                    match self.take(message, &wires) {
                        Ok(()) => continue,
                        Err(refusal) => Some(refusal),
                    }
                }
                () = sleep_until(overdue_at) => {
                    if wires.has_subscriptions() { continue }
                    Some(self.overdue())
                }
                _ = pings.tick() => self.is_heard().then(|| Message::Ping(Bytes::new())),
            };
            let Some(message) = message else { return };
            let is_last = matches!(message, Message::Close(_));
            let sent = timeout(SEND_TIMEOUT, self.to_client.send(message)).await;
            if is_last || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// How long it may go on without a subscription.
    fn timeout(&self) -> Duration {
        if self.has_begun {
            self.idle_timeout
        } else {
            INIT_TIMEOUT.min(self.idle_timeout)
        }
    }

    fn overdue(&self) -> Message {
        let reason = if self.has_begun {
            "no subscription for too long"
        } else {
            "Connection initialisation timeout"
        };
        close(TIMEOUT, reason)
    }

    /// Hands a message to the engine.
    fn take(&mut self, message: Message, wires: &Wires) -> std::result::Result<(), Message> {
        self.heard_at = Instant::now();
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            return Ok(());
        }
        self.has_begun = true;
        wires
            .requests
            .try_send(Ok(message))
            .map_err(|_| close(POLICY_VIOLATION, "too many messages at once"))
    }

    fn is_heard(&self) -> bool {
        self.heard_at.elapsed() <= PING_INTERVAL * 2
    }
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }))
}

/// The engine as a WebSocket may use it.
#[derive(Clone)]
struct Subscriptions {
    schema: Gateway,
    documents: Documents,
    free: Arc<Semaphore>,
}

impl Subscriptions {
    fn read(&self, request: Request) -> std::result::Result<Request, ServerError> {
        let request = self.documents.parse(Parameters {
            query: request.query,
            operation_name: request.operation_name,
            variables: request.variables,
        })?;
        match request.operation_type() {
            Some(OperationType::Query | OperationType::Mutation) => Err(refusal(
                "A WebSocket takes subscriptions only: send queries and mutations by POST.".to_owned(),
            )),
            // The check says that there is no such operation.
            Some(OperationType::Subscription) | None => request
                .into_engine_request()
                .map_err(|error| GraphqlError::from(error).into()),
        }
    }

    fn subscribe(
        &self,
        request: Request,
        data: Arc<Data>,
    ) -> std::result::Result<BoxStream<'static, EngineResponse>, ServerError> {
        let permit = self.free.clone().try_acquire_owned().map_err(|_| {
            refusal(format!(
                "A connection has at most {MAX_SUBSCRIPTIONS} subscriptions at once."
            ))
        })?;
        let answers = self.schema.execute_stream_with_session_data(self.read(request)?, data);
        let documents = self.documents.clone();
        let answers = answers.map(move |answer| {
            let _held_until_the_end = &permit;
            documents.sanitize_errors(answer)
        });
        Ok(answers.boxed())
    }
}

fn refusal(detail: String) -> ServerError {
    GraphqlError::from(Error::bad_request(detail)).into()
}

fn refused(error: ServerError) -> EngineResponse {
    EngineResponse::from_errors(vec![error])
}

impl Executor for Subscriptions {
    async fn execute(&self, request: Request) -> EngineResponse {
        match self.read(request) {
            Ok(request) => self.documents.sanitize_errors(self.schema.execute(request).await),
            Err(error) => refused(error),
        }
    }

    fn execute_stream(&self, request: Request, data: Option<Arc<Data>>) -> BoxStream<'static, EngineResponse> {
        match self.subscribe(request, data.unwrap_or_default()) {
            Ok(answers) => answers,
            Err(error) => stream::once(async move { refused(error) }).boxed(),
        }
    }
}
