//! What resolvers find in the engine's context.

use std::sync::Arc;

use async_graphql::Context;

use crate::api::http::request_context::RequestContext;
use crate::service::Service;

pub(crate) fn service<'a>(context: &Context<'a>) -> &'a Arc<Service> {
    context.data_unchecked()
}

pub(crate) fn request_context<'a>(context: &Context<'a>) -> &'a RequestContext {
    context.data_unchecked()
}
