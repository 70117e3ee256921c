//! A client for GraphQL over WebSockets.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

#[derive(Debug, PartialEq)]
pub enum Received {
    Message(Value),
    Closed(u16),
}

impl Socket {
    /// Opens a connection with this subprotocol. Returns the status and the body of a refusal.
    pub async fn open(http_url: &str, protocol: Option<&str>) -> Result<Self, (u16, Value)> {
        let protocol: Vec<_> = protocol
            .map(|name| ("sec-websocket-protocol", name))
            .into_iter()
            .collect();
        Self::handshake(http_url, &protocol).await
    }

    /// From this address, which a proxy reports.
    pub async fn open_from(http_url: &str, address: &str) -> Result<Self, (u16, Value)> {
        Self::try_open_with(http_url, &[("x-forwarded-for", address)]).await
    }

    /// With these headers in the handshake.
    pub async fn try_open_with(http_url: &str, headers: &[(&'static str, &str)]) -> Result<Self, (u16, Value)> {
        let protocol = [("sec-websocket-protocol", "graphql-transport-ws")];
        Self::handshake(http_url, &[&protocol[..], headers].concat()).await
    }

    /// With these headers in the handshake, which must succeed.
    pub async fn open_with(http_url: &str, headers: &[(&'static str, &str)]) -> Self {
        Self::try_open_with(http_url, headers).await.unwrap()
    }

    async fn handshake(http_url: &str, headers: &[(&'static str, &str)]) -> Result<Self, (u16, Value)> {
        let url = format!("{}/graphql", http_url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(refused)) => {
                let body = refused.body().as_deref().unwrap_or_default();
                Err((
                    refused.status().as_u16(),
                    serde_json::from_slice(body).unwrap_or_default(),
                ))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// With these connection parameters.
    pub async fn with_parameters(http_url: &str, parameters: Value) -> Self {
        let mut socket = Self::open(http_url, Some("graphql-transport-ws")).await.unwrap();
        socket
            .send(&json!({"type": "connection_init", "payload": parameters}))
            .await;
        assert_eq!(socket.message().await, json!({"type": "connection_ack"}));
        socket
    }

    /// With this access token in the connection parameters.
    pub async fn bearing(http_url: &str, access_token: &str) -> Self {
        Self::with_parameters(http_url, json!({"Authorization": format!("Bearer {access_token}")})).await
    }

    pub async fn send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(&json!({"type": "subscribe", "id": id, "payload": {"query": query}}))
            .await;
    }

    /// Panics after 15 seconds without a message.
    pub async fn next(&mut self) -> Received {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(15), self.0.next()).await;
            match next.expect("the gateway sends a message") {
                Some(Ok(Message::Text(text))) => return Received::Message(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    return Received::Closed(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return Received::Closed(1006),
            }
        }
    }

    pub async fn message(&mut self) -> Value {
        match self.next().await {
            Received::Message(message) => message,
            Received::Closed(code) => panic!("the socket was closed with {code}"),
        }
    }
}
