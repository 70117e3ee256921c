//! The schema: the fields of all subjects, merged.

use std::sync::Arc;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, Schema, SchemaBuilder};

use crate::api::graphql::account::AccountQuery;
use crate::api::graphql::credentials::CredentialsMutation;
use crate::api::graphql::session::{SessionMutation, SessionQuery, SessionSubscription};
use crate::api::graphql::sign_in::SignInMutation;
use crate::api::options::ApiOptions;
use crate::service::Service;

pub(crate) type GraphqlSchema = Schema<Query, Mutation, Subscription>;

/// The operations that read.
#[derive(MergedObject, Default)]
pub(crate) struct Query(AccountQuery, SessionQuery);

/// The operations that write.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(SignInMutation, CredentialsMutation, SessionMutation);

/// The events that a client can subscribe to, over a WebSocket.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(SessionSubscription);

/// The schema whose resolvers call this service.
pub(crate) fn build(service: Arc<Service>, options: &ApiOptions) -> GraphqlSchema {
    // `document::measure` applies the same limit first, so the engine's own error never occurs.
    let builder = builder()
        .data(service)
        .limit_recursive_depth(options.document_limits.depth);
    if options.is_introspection_on {
        builder.finish()
    } else {
        builder.disable_introspection().disable_suggestions().finish()
    }
}

pub(crate) fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
}

/// The GraphQL schema in the schema definition language.
#[must_use]
pub fn schema_text() -> String {
    let options = SDLExportOptions::new();
    let options = options.sorted_fields().prefer_single_line_descriptions();
    builder().finish().sdl_with_options(options)
}
