//! The parts of the OpenAPI document that do not belong to one route.

use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr};

use crate::api::http::cookie;

/// The title, the description and the ways to authenticate.
pub(crate) fn general() -> OpenApi {
    let license = LicenseBuilder::new()
        .name("Apache-2.0 OR MIT")
        .identifier(Some("Apache-2.0 OR MIT"))
        .build();
    let info = InfoBuilder::new()
        .title("auth-gateway")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Registration, sign-in, renewal, sign-out, and the caller's account and sessions. GraphQL at /graphql offers the same operations."))
        .license(Some(license))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The access token of a sign-in."))
        .build();
    let mut components = Components::new();
    components.add_security_scheme("access_token", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(
        cookie::SECURE_NAME,
        "The refresh token of a sign-in in cookie mode. Over plain http, the name has no prefix `__Host-`.",
    );
    components.add_security_scheme("refresh_cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The finished document as text.
pub(crate) fn text(mut document: OpenApi) -> String {
    remove_null_bodies(&mut document);
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Removes `null` from the schema of optional bodies. utoipa describes a body that may be left out
/// as one that may also be `null`, which the API refuses.
fn remove_null_bodies(document: &mut OpenApi) {
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
