//! GraphQL over a WebSocket, in the protocol graphql-transport-ws: subscriptions, and nothing else.
//!
//! Queries and mutations go by POST, where every rule of that door holds. A WebSocket is not bound to one origin as other requests of
//! a page are; here that gives a foreign page nothing, since the token stands in the connection parameters and never in a cookie.

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

use super::Gateway;
use super::error::GraphqlError;
use super::http::{parse, tidied};
use crate::api::caller::Asker;
use crate::api::{BODY_LIMIT, request};
use crate::domain::{Error, Result};

/// The protocol's name (GraphQL over WebSocket Protocol, "Communication").
const PROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take for its first message.
const INIT_PATIENCE: Duration = Duration::from_secs(10);
/// How often the client is asked for a sign of life. One that misses two of them is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long a client may take to accept a message.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// Most subscriptions at once over one connection.
const MAX_SUBSCRIPTIONS: usize = 16;
/// Messages that may wait on either side.
const QUEUE: usize = 32;
/// "Connection initialisation timeout" in that protocol.
const INIT_TIMEOUT: u16 = 4408;
/// "Policy violation" (RFC 6455 section 7.4.1).
const POLICY_VIOLATION: u16 = 1008;

/// Whether the request asks for a WebSocket (RFC 6455 section 4.1).
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Opens the WebSocket.
///
/// # Errors
/// `BadRequest` when the handshake is not right, or the client does not speak the protocol.
pub(super) async fn open(schema: Gateway, asker: Asker, request: HttpRequest) -> Result<Response> {
    let (mut parts, _body) = request.into_parts();
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
    let engine = Subscriptions {
        schema,
        free: Arc::new(Semaphore::new(MAX_SUBSCRIPTIONS)),
    };
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(BODY_LIMIT)
        .max_frame_size(BODY_LIMIT);
    Ok(upgrade
        .on_upgrade(move |socket| request::carry_on(serve(socket, engine, asker, protocol)))
        .into_response())
}

fn speaks_our_protocol(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == PROTOCOL)
}

/// Serves the socket until the engine is done or the client is gone.
async fn serve(socket: WebSocket, engine: Subscriptions, asker: Asker, protocol: GraphQLProtocol) {
    let (to_client, from_client) = socket.split();
    let (answers, answered) = mpsc::channel(QUEUE);
    let (requests, mut requested) = mpsc::channel(QUEUE);
    let answers = sink::unfold(answers, async |answers, message| {
        answers.send(message).await.map(|()| answers)
    });
    let requested = stream::poll_fn(move |context| requested.poll_recv(context));
    let engine = GraphQLWebSocket::new_with_pair(answers, requested, engine, protocol)
        .on_connection_init(async move |parameters| {
            let mut data = Data::default();
            data.insert(asker.with_parameters(&parameters));
            Ok(data)
        })
        .serve();
    let connection = Connection {
        to_client,
        from_client,
        requests,
        answered,
        heard_at: Instant::now(),
        has_begun: false,
    };
    connection.carry(engine).await;
}

/// What stands between the socket and the engine: it keeps the deadlines, which the engine has none of.
struct Connection {
    to_client: SplitSink<WebSocket, Message>,
    from_client: SplitStream<WebSocket>,
    requests: mpsc::Sender<std::result::Result<Message, axum::Error>>,
    answered: mpsc::Receiver<Message>,
    heard_at: Instant,
    has_begun: bool,
}

impl Connection {
    async fn carry(mut self, engine: impl Future<Output = ()>) {
        let mut engine = pin!(engine.fuse());
        let init_until = self.heard_at + INIT_PATIENCE;
        let mut pings = interval_at(self.heard_at + PING_INTERVAL, PING_INTERVAL);
        loop {
            let message = tokio::select! {
                // What the engine has said last goes out after it is done.
                answer = self.answered.recv() => answer,
                () = &mut engine => continue,
                received = self.from_client.next() => match received {
                    Some(Ok(message)) => match self.take(message) {
                        Ok(()) => continue,
                        Err(refusal) => Some(refusal),
                    },
                    Some(Err(_)) | None => None,
                },
                () = sleep_until(init_until), if !self.has_begun => {
                    Some(close(INIT_TIMEOUT, "Connection initialisation timeout"))
                }
                _ = pings.tick() => self.is_heard().then(|| Message::Ping(Bytes::new())),
            };
            let Some(message) = message else { return };
            let is_last = matches!(message, Message::Close(_));
            let sent = timeout(SEND_PATIENCE, self.to_client.send(message)).await;
            if is_last || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Hands a message to the engine.
    fn take(&mut self, message: Message) -> std::result::Result<(), Message> {
        self.heard_at = Instant::now();
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            return Ok(());
        }
        self.has_begun = true;
        self.requests
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
    free: Arc<Semaphore>,
}

impl Subscriptions {
    fn read(request: Request) -> std::result::Result<Request, ServerError> {
        let parsed = parse(request)?;
        match parsed.kind() {
            Some(OperationType::Query | OperationType::Mutation) => Err(refusal(
                "A WebSocket takes subscriptions only: send queries and mutations by POST.".to_owned(),
            )),
            // The engine itself says that there is no such operation.
            Some(OperationType::Subscription) | None => {
                parsed.checked().map_err(|error| GraphqlError::from(error).into())
            }
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
        let answers = self.schema.execute_stream_with_session_data(Self::read(request)?, data);
        let answers = answers.map(move |answer| {
            let _held_until_the_end = &permit;
            tidied(answer)
        });
        Ok(answers.boxed())
    }
}

fn refusal(detail: String) -> ServerError {
    GraphqlError::from(Error::bad_request(detail)).into()
}

fn refused(error: ServerError) -> EngineResponse {
    tidied(EngineResponse::from_errors(vec![error]))
}

impl Executor for Subscriptions {
    async fn execute(&self, request: Request) -> EngineResponse {
        match Self::read(request) {
            Ok(request) => tidied(self.schema.execute(request).await),
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
