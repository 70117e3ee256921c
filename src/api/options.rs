//! The settings of both APIs.

use std::time::Duration;

use crate::api::http::body::BodyRules;
use crate::api::http::forwarded::Proxies;
use crate::domain::connection_limit::ConnectionLimit;
use crate::domain::document_limits::DocumentLimits;

/// What the APIs need besides the service.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Which proxies may name a client's address.
    pub proxies: Proxies,
    /// What browsers may do.
    pub browsers: BrowserOptions,
    /// Whether GraphiQL is served.
    pub is_graphiql_on: bool,
    /// Whether clients may query the GraphQL schema.
    pub is_introspection_on: bool,
    /// How large a GraphQL document may be.
    pub document_limits: DocumentLimits,
    /// How request bodies are read.
    pub bodies: BodyRules,
    /// How long a response may take.
    pub answer_timeout: Duration,
    /// The limit for WebSockets.
    pub websocket_limit: ConnectionLimit,
    /// How long a WebSocket stays open without a subscription.
    pub socket_idle_timeout: Duration,
}

/// What browsers may do.
#[derive(Debug, Clone)]
pub struct BrowserOptions {
    /// The address under which clients reach the gateway.
    pub public_url: String,
    /// Origins whose pages may call the gateway.
    pub cors_origins: Vec<String>,
    /// Lifetime of a refresh token that is not used, and of its cookie.
    pub refresh_token_ttl: Duration,
}

impl BrowserOptions {
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.starts_with("https:")
    }
}
