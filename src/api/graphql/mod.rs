//! The GraphQL door: one endpoint, camel case, errors with codes, and GraphiQL for people.

mod account;
mod error;
mod http;
mod limits;
mod sessions;
mod sign_in;
mod websocket;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, Schema, SchemaBuilder};
use axum::Router;
use axum::routing::get;

use super::{DoorOptions, Shared};
use account::AccountQuery;
use sessions::{SessionMutation, SessionQuery, SessionSubscription};
use sign_in::SignInMutation;

/// Deepest nesting of fields: more than any query of ours, and than the introspection that tools send.
const MAX_DEPTH: usize = 20;
/// Most fields in one request, aliases counted.
const MAX_COMPLEXITY: usize = 300;

/// What can be asked.
#[derive(MergedObject, Default)]
struct Query(AccountQuery, SessionQuery);

/// What can be done.
#[derive(MergedObject, Default)]
struct Mutation(SignInMutation, SessionMutation);

/// What can be waited for, over a WebSocket.
#[derive(MergedSubscription, Default)]
struct Subscription(SessionSubscription);

type Gateway = Schema<Query, Mutation, Subscription>;

pub(super) fn routes(shared: &Shared, options: &DoorOptions) -> Router<Shared> {
    let mut builder = schema()
        .data(shared.service.clone())
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY);
    if !options.is_introspection_on {
        builder = builder.disable_introspection().disable_suggestions();
    }
    let door = http::Door {
        schema: builder.finish(),
        is_graphiql_on: options.is_graphiql_on,
    };
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
