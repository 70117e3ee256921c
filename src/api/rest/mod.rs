//! The REST door: `/auth/…`, snake case, problem documents, and the OpenAPI document made from the code itself.

mod account;
mod credentials;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod http;
mod session;
mod sign_in;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Shared;
use crate::api::http::cookie;

pub(crate) use http::{method_not_allowed, not_found};

pub(crate) fn routes() -> Router<Shared> {
    let (router, _) = documented().split_for_parts();
    router.route("/openapi.json", get(openapi))
}

/// The OpenAPI document of this door, as text.
#[must_use]
pub fn openapi_text() -> String {
    let (_, mut document) = documented().split_for_parts();
    take_nulls_away(&mut document);
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

async fn openapi() -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "application/json")], openapi_text())
}

fn documented() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(description())
        .routes(routes!(sign_in::register))
        .routes(routes!(sign_in::login))
        .routes(routes!(sign_in::refresh))
        .routes(routes!(sign_in::logout))
        .routes(routes!(account::me))
        .routes(routes!(credentials::change))
        .routes(routes!(session::list))
        .routes(routes!(session::end))
}

/// A body that may be left out need not be one that may be `null`: ours may not, and the library knows no other way to say it.
fn take_nulls_away(document: &mut OpenApi) {
    let posts = document.paths.paths.values_mut().filter_map(|path| path.post.as_mut());
    for body in posts.filter_map(|operation| operation.request_body.as_mut()) {
        let RefOr::T(body) = body else { continue };
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content
                && let Some(RefOr::T(Schema::OneOf(either))) = &content.schema
            {
                content.schema = either.items.first().cloned();
            }
        }
    }
}

fn description() -> OpenApi {
    let license = LicenseBuilder::new()
        .name("Apache-2.0 OR MIT")
        .identifier(Some("Apache-2.0 OR MIT"))
        .build();
    let info = InfoBuilder::new()
        .title("auth-gateway")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Register, sign in, renew, sign out, and ask who you are. The same operations are offered as GraphQL at /graphql."))
        .license(Some(license))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The access token of a sign-in."))
        .build();
    let mut components = utoipa::openapi::Components::new();
    components.add_security_scheme("access_token", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(
        cookie::SECURE_NAME,
        "The refresh token of a sign-in in cookie mode; without the prefix `__Host-` where the gateway is reached by plain http.",
    );
    components.add_security_scheme("refresh_cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}
