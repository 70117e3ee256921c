//! The GraphQL door: one endpoint, camel case, errors with codes, and GraphiQL for people.

mod account;
mod document;
mod error;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod http;
mod password;
mod sessions;
mod sign_in;
mod websocket;

use std::sync::Arc;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, Schema, SchemaBuilder, ValidationMode};
use axum::Router;
use axum::routing::get;

use super::origins::Origins;
use super::{DoorOptions, Shared};
use account::AccountQuery;
use document::{Answers, Documents, Rules};
use password::PasswordMutation;
use sessions::{SessionMutation, SessionQuery, SessionSubscription};
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

pub(super) fn routes(shared: &Shared, options: &DoorOptions) -> Router<Shared> {
    let engine = |mode| engine(shared, options, mode);
    let rules = Rules {
        limits: options.document_limits,
        is_introspection_on: options.is_introspection_on,
    };
    let door = Arc::new(http::Door {
        schema: engine(ValidationMode::Strict),
        lenient_schema: engine(ValidationMode::Fast),
        documents: Documents::new(rules),
        answers: Answers::none(),
        service: shared.service.clone(),
        bodies: shared.bodies,
        sockets: Sockets {
            origins: Arc::new(Origins::new(&options.browsers)),
            places: options.socket_places.clone(),
            idle_timeout: options.socket_idle_timeout,
        },
        is_graphiql_on: options.is_graphiql_on,
    });
    let read = {
        let door = door.clone();
        move |asker, request| http::read(door.clone(), asker, request)
    };
    let write = move |asker, request| http::write(door.clone(), asker, request);
    let router = Router::new().route("/graphql", get(read).post(write));
    if options.is_graphiql_on {
        router.merge(super::graphiql::routes())
    } else {
        router
    }
}

fn engine(shared: &Shared, options: &DoorOptions, mode: ValidationMode) -> Gateway {
    // The engine's own limit is never the first to be met: it counts as `document` does.
    let builder = schema()
        .data(shared.service.clone())
        .validation_mode(mode)
        .limit_recursive_depth(options.document_limits.depth);
    if options.is_introspection_on {
        builder.finish()
    } else {
        builder.disable_introspection().disable_suggestions().finish()
    }
}

/// The schema of this door in the schema definition language.
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
