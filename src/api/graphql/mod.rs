//! The GraphQL state: one endpoint, camel case, errors with codes, and GraphiQL for people.

mod account;
mod credentials;
mod document;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod http;
mod session;
mod sign_in;
mod websocket;

use std::sync::Arc;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, Schema, SchemaBuilder};
use axum::Router;
use axum::routing::get;

use crate::api::http::origins::Origins;
use crate::api::{ApiOptions, Shared};
use account::AccountQuery;
use credentials::PasswordMutation;
use document::{DocumentRules, Documents};
use session::{SessionMutation, SessionQuery, SessionSubscription};
use sign_in::SignInMutation;
use websocket::Sockets;

/// What can be asked.
#[derive(MergedObject, Default)]
struct Query(AccountQuery, SessionQuery);

/// What can be done.
#[derive(MergedObject, Default)]
struct Mutation(SignInMutation, PasswordMutation, SessionMutation);

/// What can be waited for, over a WebSocket.
#[derive(MergedSubscription, Default)]
struct Subscription(SessionSubscription);

type Gateway = Schema<Query, Mutation, Subscription>;

pub(crate) fn routes(shared: &Shared, options: &ApiOptions) -> Router<Shared> {
    let rules = DocumentRules {
        limits: options.document_limits,
        is_introspection_on: options.is_introspection_on,
    };
    let state = Arc::new(http::GraphqlState {
        schema: engine(shared, options),
        documents: Documents::new(rules),
        bodies: shared.bodies,
        sockets: Sockets {
            origins: Arc::new(Origins::new(&options.browsers)),
            limit: options.websocket_limit.clone(),
            idle_timeout: options.socket_idle_timeout,
        },
        is_graphiql_on: options.is_graphiql_on,
    });
    let read = {
        let state = state.clone();
        move |context, request| http::read(state.clone(), context, request)
    };
    let write = move |context, request| http::write(state.clone(), context, request);
    let router = Router::new().route("/graphql", get(read).post(write));
    if options.is_graphiql_on {
        router.merge(crate::api::graphiql::routes())
    } else {
        router
    }
}

fn engine(shared: &Shared, options: &ApiOptions) -> Gateway {
    // The engine's own limit is never the first to be met: it counts as `document` does.
    let builder = schema()
        .data(shared.service.clone())
        .limit_recursive_depth(options.document_limits.depth);
    if options.is_introspection_on {
        builder.finish()
    } else {
        builder.disable_introspection().disable_suggestions().finish()
    }
}

/// The schema of this state in the schema definition language.
#[must_use]
pub fn schema_text() -> String {
    schema().finish().sdl_with_options(
        SDLExportOptions::new()
            .sorted_fields()
            .prefer_single_line_descriptions(),
    )
}

fn schema() -> SchemaBuilder<Query, Mutation, Subscription> {
    Gateway::build(Query::default(), Mutation::default(), Subscription::default())
}
