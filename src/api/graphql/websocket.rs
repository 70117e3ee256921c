//! GraphQL over a WebSocket, in the protocol graphql-transport-ws: subscriptions only.
//!
//! Queries and mutations are sent by POST, where all rules of the HTTP API apply. CORS does not
//! apply to WebSockets, so the handshake checks the origin. The access token is in the connection
//! parameters, never in a cookie.

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

use crate::api::graphql::document::{Documents, Parameters};
use crate::api::graphql::error::GraphqlError;
use crate::api::graphql::schema::GraphqlSchema;
use crate::api::graphql::state::{GraphqlState, WebSocketRules};
use crate::api::http::error::{ApiError, Result};
use crate::api::http::origins::Origins;
use crate::api::http::request_context::RequestContext;
use crate::api::http::request_id;
use crate::domain::Error;
use crate::domain::connection_limit::{LimitReached, Permit};

/// The name of the subprotocol (GraphQL over WebSocket Protocol, "Communication").
const PROTOCOL: &str = "graphql-transport-ws";
/// The time until the client's first message.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time between two pings. A client that misses two pings is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// The time until the client has accepted a message.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Most simultaneous subscriptions of one connection.
const MAX_SUBSCRIPTIONS: usize = 16;
/// Most queued messages, in each direction.
const QUEUE_LENGTH: usize = 32;
/// `Retry-After` of a client whose network has reached its limit.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Close code of the protocol for "Connection initialisation timeout", also used for an idle
/// connection.
const CLOSE_TIMEOUT: u16 = 4408;
/// Close code for a policy violation (RFC 6455 section 7.4.1).
const CLOSE_POLICY_VIOLATION: u16 = 1008;

/// Whether the request is a WebSocket handshake (RFC 6455 section 4.1).
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Opens the WebSocket.
///
/// # Errors
/// `ForbiddenOrigin` for a page of a foreign origin; `BadRequest` if the handshake is invalid or
/// the client does not support the protocol; `RateLimited` if the client's network, and
/// `Unavailable` if the gateway has reached its limit.
pub(crate) async fn upgrade(state: &GraphqlState, context: RequestContext, request: HttpRequest) -> Result<Response> {
    let (mut parts, _body) = request.into_parts();
    check_origin(state, &parts.headers)?;
    if !supports_protocol(&parts.headers) {
        return Err(ApiError::bad_request(format!(
            "A WebSocket needs the header Sec-WebSocket-Protocol: {PROTOCOL}."
        )));
    }
    // The client may offer several protocols; this one is selected.
    parts
        .headers
        .insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    let protocol = GraphQLProtocol::from_request_parts(&mut parts, &()).await;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let (Ok(protocol), Ok(upgrade)) = (protocol, upgrade) else {
        return Err(ApiError::bad_request(
            "The handshake of the WebSocket is not right (RFC 6455).",
        ));
    };
    let permit = acquire_permit(&state.websockets, &context)?;
    let executor = SubscriptionExecutor {
        schema: state.schema.clone(),
        documents: state.documents.clone(),
        permits: Arc::new(Semaphore::new(MAX_SUBSCRIPTIONS)),
    };
    let idle_timeout = state.websockets.idle_timeout;
    let serve = move |socket| async move {
        serve(Connection::new(socket, idle_timeout), executor, context, protocol).await;
        drop(permit);
    };
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(state.bodies.limit)
        .max_frame_size(state.bodies.limit);
    Ok(upgrade
        .on_upgrade(move |socket| request_id::in_current_span(serve(socket)))
        .into_response())
}

fn acquire_permit(rules: &WebSocketRules, context: &RequestContext) -> Result<Permit> {
    rules.limit.acquire(context.address).map_err(|reached| match reached {
        LimitReached::Network => Error::RateLimited(RETRY_AFTER).into(),
        LimitReached::Total => Error::unavailable("the limit of open WebSockets is reached").into(),
    })
}

/// The gateway's own origin counts only if it serves a page, GraphiQL.
fn check_origin(state: &GraphqlState, headers: &HeaderMap) -> Result<()> {
    let is_own_page = state.is_graphiql_on && Origins::is_same_origin(headers);
    if is_own_page || state.websockets.origins.is_trusted_handshake(headers) {
        return Ok(());
    }
    Err(ApiError::ForbiddenOrigin(
        "Pages of this origin may not open a WebSocket.",
    ))
}

fn supports_protocol(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == PROTOCOL)
}

/// Serves the connection until the engine or the client ends it.
async fn serve(
    connection: Connection,
    executor: SubscriptionExecutor,
    context: RequestContext,
    protocol: GraphQLProtocol,
) {
    let (response_sender, responses) = mpsc::channel(QUEUE_LENGTH);
    let (requests, mut request_receiver) = mpsc::channel(QUEUE_LENGTH);
    let response_sink = sink::unfold(response_sender, async |sender, message| {
        sender.send(message).await.map(|()| sender)
    });
    let request_stream = stream::poll_fn(move |context| request_receiver.poll_recv(context));
    let channels = EngineChannels {
        requests,
        responses,
        permits: executor.permits.clone(),
    };
    let engine = GraphQLWebSocket::new_with_pair(response_sink, request_stream, executor, protocol)
        .on_connection_init(async move |parameters| {
            let mut data = Data::default();
            data.insert(context.with_parameters(&parameters));
            Ok(data)
        })
        .serve();
    connection.run(engine, channels).await;
}

/// The connection's ends of the channels to and from the engine.
struct EngineChannels {
    requests: mpsc::Sender<std::result::Result<Message, axum::Error>>,
    responses: mpsc::Receiver<Message>,
    /// The permits of the subscriptions that may still start.
    permits: Arc<Semaphore>,
}

impl EngineChannels {
    fn has_subscriptions(&self) -> bool {
        self.permits.available_permits() < MAX_SUBSCRIPTIONS
    }
}

/// Forwards messages between the client and the engine, and applies the timeouts, which the engine
/// does not have.
struct Connection {
    to_client: SplitSink<WebSocket, Message>,
    from_client: SplitStream<WebSocket>,
    idle_timeout: Duration,
    last_received: Instant,
    is_initialized: bool,
}

impl Connection {
    fn new(socket: WebSocket, idle_timeout: Duration) -> Self {
        let (to_client, from_client) = socket.split();
        Self {
            to_client,
            from_client,
            idle_timeout,
            last_received: Instant::now(),
            is_initialized: false,
        }
    }

    async fn run(mut self, engine: impl Future<Output = ()>, mut channels: EngineChannels) {
        let mut engine = pin!(engine.fuse());
        let mut pings = interval_at(self.last_received + PING_INTERVAL, PING_INTERVAL);
        let mut last_active = self.last_received;
        loop {
            // The end of a subscription is a message, so this loop runs at that moment.
            if channels.has_subscriptions() {
                last_active = Instant::now();
            }
            let deadline = last_active + self.timeout();
            let message = tokio::select! {
                // The channel may still contain responses after the engine has ended.
                response = channels.responses.recv() => response,
                () = &mut engine => continue,
                received = self.from_client.next() => {
                    let Some(Ok(message)) = received else { return };
                    match self.forward(message, &channels) {
                        Ok(()) => continue,
                        Err(close) => Some(close),
                    }
                }
                () = sleep_until(deadline) => {
                    if channels.has_subscriptions() { continue }
                    Some(self.timeout_message())
                }
                _ = pings.tick() => self.is_alive().then(|| Message::Ping(Bytes::new())),
            };
            let Some(message) = message else { return };
            let is_last = matches!(message, Message::Close(_));
            let sent = timeout(SEND_TIMEOUT, self.to_client.send(message)).await;
            if is_last || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// How long the connection may stay without a subscription.
    fn timeout(&self) -> Duration {
        if self.is_initialized {
            self.idle_timeout
        } else {
            INIT_TIMEOUT.min(self.idle_timeout)
        }
    }

    fn timeout_message(&self) -> Message {
        let reason = if self.is_initialized {
            "no subscription for too long"
        } else {
            "Connection initialisation timeout"
        };
        close(CLOSE_TIMEOUT, reason)
    }

    /// Forwards a message of the client to the engine.
    ///
    /// # Errors
    /// The message that closes the connection, if the queue is full.
    fn forward(&mut self, message: Message, channels: &EngineChannels) -> std::result::Result<(), Message> {
        self.last_received = Instant::now();
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            return Ok(());
        }
        self.is_initialized = true;
        channels
            .requests
            .try_send(Ok(message))
            .map_err(|_| close(CLOSE_POLICY_VIOLATION, "too many messages at once"))
    }

    fn is_alive(&self) -> bool {
        self.last_received.elapsed() <= PING_INTERVAL * 2
    }
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }))
}

/// Executes the subscriptions of one connection.
#[derive(Clone)]
struct SubscriptionExecutor {
    schema: GraphqlSchema,
    documents: Documents,
    /// One permit for each subscription that may still start.
    permits: Arc<Semaphore>,
}

impl SubscriptionExecutor {
    /// Bounds a request as HTTP does, and refuses queries and mutations.
    fn check(&self, request: Request) -> std::result::Result<Request, ServerError> {
        let request = self.documents.parse(Parameters {
            query: request.query,
            operation_name: request.operation_name,
            variables: request.variables,
        })?;
        match request.operation_type() {
            Some(OperationType::Query | OperationType::Mutation) => Err(bad_request(
                "A WebSocket takes subscriptions only: send queries and mutations by POST.".to_owned(),
            )),
            // `into_engine_request` reports a request that selects no operation.
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
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| {
            bad_request(format!(
                "A connection has at most {MAX_SUBSCRIPTIONS} subscriptions at once."
            ))
        })?;
        let request = self.check(request)?;
        let responses = self.schema.execute_stream_with_session_data(request, data);
        let documents = self.documents.clone();
        let responses = responses.map(move |response| {
            // Moved into the stream, which releases it at its end.
            let _permit = &permit;
            documents.sanitize_errors(response)
        });
        Ok(responses.boxed())
    }
}

fn bad_request(detail: String) -> ServerError {
    GraphqlError::from(ApiError::bad_request(detail)).into()
}

fn error_response(error: ServerError) -> EngineResponse {
    EngineResponse::from_errors(vec![error])
}

impl Executor for SubscriptionExecutor {
    async fn execute(&self, request: Request) -> EngineResponse {
        match self.check(request) {
            Ok(request) => self.documents.sanitize_errors(self.schema.execute(request).await),
            Err(error) => error_response(error),
        }
    }

    fn execute_stream(&self, request: Request, data: Option<Arc<Data>>) -> BoxStream<'static, EngineResponse> {
        match self.subscribe(request, data.unwrap_or_default()) {
            Ok(responses) => responses,
            Err(error) => stream::once(async move { error_response(error) }).boxed(),
        }
    }
}
