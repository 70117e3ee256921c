//! What the handlers of the GraphQL API share.

use std::time::Duration;

use crate::api::graphql::document::{DocumentRules, Documents};
use crate::api::graphql::schema::{self, GraphqlSchema};
use crate::api::http::body::BodyRules;
use crate::api::http::origins::Origins;
use crate::api::options::ApiOptions;
use crate::api::state::ApiState;
use crate::domain::connection_limit::ConnectionLimit;

pub(crate) struct GraphqlState {
    pub(crate) schema: GraphqlSchema,
    pub(crate) documents: Documents,
    pub(crate) bodies: BodyRules,
    pub(crate) websockets: WebSocketRules,
    pub(crate) is_graphiql_on: bool,
}

/// The pages that may open WebSockets, the number of WebSockets, and how long one may stay without
/// a subscription.
#[derive(Debug)]
pub(crate) struct WebSocketRules {
    pub(crate) origins: Origins,
    pub(crate) limit: ConnectionLimit,
    pub(crate) idle_timeout: Duration,
}

impl GraphqlState {
    pub(crate) fn new(api: &ApiState, options: &ApiOptions) -> Self {
        Self {
            schema: schema::build(api.service.clone(), options),
            documents: Documents::new(DocumentRules {
                limits: options.document_limits,
                is_introspection_on: options.is_introspection_on,
            }),
            bodies: api.bodies,
            websockets: WebSocketRules {
                origins: Origins::new(&options.browsers),
                limit: options.websocket_limit.clone(),
                idle_timeout: options.socket_idle_timeout,
            },
            is_graphiql_on: options.is_graphiql_on,
        }
    }
}
