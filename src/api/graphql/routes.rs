//! The routes of the GraphQL API.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::api::graphiql;
use crate::api::graphql::http;
use crate::api::graphql::state::GraphqlState;
use crate::api::options::ApiOptions;
use crate::api::state::ApiState;

pub(crate) fn routes(api: &ApiState, options: &ApiOptions) -> Router<ApiState> {
    let state = Arc::new(GraphqlState::new(api, options));
    let state_for_get = state.clone();
    let get_graphql = move |context, request| http::handle_get(state_for_get.clone(), context, request);
    let post_graphql = move |context, request| http::handle_post(state.clone(), context, request);
    let router = Router::new().route("/graphql", get(get_graphql).post(post_graphql));
    if options.is_graphiql_on {
        router.merge(graphiql::routes())
    } else {
        router
    }
}
