//! Metrics for Prometheus, on a listener of their own: clients must not see counts of failed
//! logins.

use axum::Router;
use axum::http::header;
use axum::routing::get;

/// The routes of the admin listener. `render` returns the metrics in the text exposition format.
pub fn admin_routes(render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    let metrics = move || {
        let text = render();
        async move {
            (
                [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
                text,
            )
        }
    };
    Router::new().route("/metrics", get(metrics))
}
