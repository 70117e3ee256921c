//! Converts the settings into the options of each part.

use std::time::Duration;

use crate::api::{ApiOptions, BodyRules, BrowserOptions, Proxies};
use crate::config::Settings;
use crate::domain::connection_limit::ConnectionLimit;
use crate::domain::context_words::ContextWords;
use crate::domain::password::PasswordRules;
use crate::security::TokenRules;
use crate::server::{ConnectionOptions, Timeouts};

/// How long open requests may take to finish after the gateway is told to stop.
const GRACE: Duration = Duration::from_secs(10);

pub(super) fn password_rules(settings: &Settings) -> PasswordRules {
    let (passwords, public_url) = (&settings.passwords, &settings.server.public_url);
    PasswordRules {
        min_length: passwords.password_min_length,
        context_words: ContextWords::of(public_url, &passwords.password_context_words),
    }
}

pub(super) fn token_rules(settings: &Settings) -> TokenRules {
    TokenRules {
        issuer: settings.server.public_url.clone(),
        audience: settings.tokens.jwt_audience.clone(),
        lifetime: settings.tokens.access_token_ttl,
    }
}

pub(super) fn connection_options(settings: &Settings) -> ConnectionOptions {
    let connections = &settings.connections;
    ConnectionOptions {
        limit: ConnectionLimit::new(connections.max_connections, connections.connections_per_address),
        proxies: settings.http.trusted_proxies.clone(),
        timeouts: Timeouts {
            head: connections.header_timeout,
            answer: settings.requests.answer_timeout + connections.send_timeout,
            send: connections.send_timeout,
            idle: connections.idle_timeout,
        },
        grace: GRACE,
    }
}

pub(super) fn api_options(settings: &Settings) -> ApiOptions {
    ApiOptions {
        proxies: Proxies {
            networks: settings.http.trusted_proxies.clone(),
            header: settings.http.proxy_header,
        },
        browsers: BrowserOptions {
            public_url: settings.server.public_url.clone(),
            cors_origins: settings.http.cors_origins.clone(),
            refresh_token_ttl: settings.tokens.refresh_token_ttl,
        },
        is_graphiql_on: settings.is_graphiql_on(),
        is_introspection_on: settings.is_introspection_on(),
        document_limits: settings.graphql.document_limits(),
        bodies: BodyRules {
            limit: settings.requests.body_limit,
            timeout: settings.requests.body_timeout,
        },
        answer_timeout: settings.requests.answer_timeout,
        websocket_limit: ConnectionLimit::new(settings.sockets.max_websockets, settings.sockets.websockets_per_address),
        socket_idle_timeout: settings.sockets.websocket_idle_timeout,
    }
}
