//! The HTTP status of every error code. A new code is one more row.

use axum::http::StatusCode;

const STATUSES: &[(&str, StatusCode)] = &[
    ("BAD_REQUEST", StatusCode::BAD_REQUEST),
    ("GRAPHQL_BATCH", StatusCode::BAD_REQUEST),
    ("GRAPHQL_INTROSPECTION_OFF", StatusCode::BAD_REQUEST),
    ("GRAPHQL_TOO_DEEP", StatusCode::BAD_REQUEST),
    ("GRAPHQL_TOO_MANY_ALIASES", StatusCode::BAD_REQUEST),
    ("GRAPHQL_TOO_MANY_DIRECTIVES", StatusCode::BAD_REQUEST),
    ("GRAPHQL_TOO_MANY_FIELDS", StatusCode::BAD_REQUEST),
    ("GRAPHQL_TOO_MANY_ROOT_FIELDS", StatusCode::BAD_REQUEST),
    ("GRAPHQL_TOO_MANY_TOKENS", StatusCode::BAD_REQUEST),
    ("INVALID_CREDENTIALS", StatusCode::UNAUTHORIZED),
    ("REFRESH_TOKEN_INVALID", StatusCode::UNAUTHORIZED),
    ("REFRESH_TOKEN_REUSED", StatusCode::UNAUTHORIZED),
    ("UNAUTHENTICATED", StatusCode::UNAUTHORIZED),
    ("EMAIL_NOT_VERIFIED", StatusCode::FORBIDDEN),
    ("FORBIDDEN", StatusCode::FORBIDDEN),
    ("SECOND_FACTOR_ENROLMENT_REQUIRED", StatusCode::FORBIDDEN),
    ("SECOND_FACTOR_REQUIRED", StatusCode::FORBIDDEN),
    ("NOT_FOUND", StatusCode::NOT_FOUND),
    ("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED),
    ("NOT_ACCEPTABLE", StatusCode::NOT_ACCEPTABLE),
    ("REQUEST_TIMEOUT", StatusCode::REQUEST_TIMEOUT),
    ("EMAIL_TAKEN", StatusCode::CONFLICT),
    ("USERNAME_TAKEN", StatusCode::CONFLICT),
    ("PAYLOAD_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE),
    ("UNSUPPORTED_MEDIA_TYPE", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ("VALIDATION_FAILED", StatusCode::UNPROCESSABLE_ENTITY),
    ("RATE_LIMITED", StatusCode::TOO_MANY_REQUESTS),
    ("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR),
    ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
];

/// The HTTP status of an error with this code. The status also gives the title of a problem
/// document (RFC 9457 section 4.2.1, for the type `about:blank`).
pub(crate) fn status(code: &str) -> StatusCode {
    let row = STATUSES.iter().find(|(known, _)| *known == code);
    row.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| *status)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Reads the codes from the sources that define them: a forgotten row would answer with 500.
    #[test]
    fn every_code_has_one_row() {
        let sources = [
            include_str!("error.rs"),
            include_str!("../graphql/document/refusal.rs"),
            include_str!("../../domain/challenge.rs"),
            include_str!("../../domain/error.rs"),
        ];
        let is_code =
            |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let used: BTreeSet<&str> = sources
            .iter()
            .flat_map(|text| text.split('"'))
            .filter(is_code)
            .collect();
        let rows: Vec<&str> = STATUSES.iter().map(|(code, _)| *code).collect();
        assert_eq!(used, rows.iter().copied().collect());
        assert_eq!(used.len(), rows.len(), "a code has two rows");
    }

    #[test]
    fn an_unknown_code_is_an_internal_error() {
        assert_eq!(status("NO_SUCH_CODE"), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
