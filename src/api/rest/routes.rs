//! The routes of the REST API. The OpenAPI document follows from them.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::rest::{account, credentials, openapi, session, sign_in};
use crate::api::state::ApiState;

pub(crate) fn routes() -> Router<ApiState> {
    let (router, _) = documented_routes().split_for_parts();
    router.route("/openapi.json", get(openapi_document))
}

/// The OpenAPI document of the REST API, as text.
#[must_use]
pub fn openapi_text() -> String {
    let (_, document) = documented_routes().split_for_parts();
    openapi::text(document)
}

async fn openapi_document() -> ([(HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "application/json")], openapi_text())
}

fn documented_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::general())
        .routes(routes!(sign_in::register))
        .routes(routes!(sign_in::login))
        .routes(routes!(sign_in::refresh))
        .routes(routes!(sign_in::logout))
        .routes(routes!(account::me))
        .routes(routes!(credentials::change))
        .routes(routes!(session::list))
        .routes(routes!(session::end))
}
