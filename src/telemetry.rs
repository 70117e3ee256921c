//! Log lines and metrics.
//!
//! Log lines go to standard error, because commands print their output to standard output. Metrics
//! are only collected if the admin listener is on.

use std::io::IsTerminal;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, LogSettings, SettingError};
use crate::domain::{Error, Result};
use crate::log_span::SpanFormatter;

/// Upper bounds of the duration buckets, in seconds: from a cached read to a login after a long
/// queue.
const BUCKETS: [f64; 11] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// How often the exporter compacts its samples, which would otherwise pile up in memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts logging.
///
/// # Errors
/// When `RUST_LOG` is not a valid filter.
pub fn start_logs(settings: &LogSettings) -> std::result::Result<(), SettingError> {
    // A start without pending migrations should log nothing. The operator's filter follows and
    // wins.
    let filter = EnvFilter::try_new(format!("sea_orm_migration=warn,{}", settings.rust_log)).map_err(|_| {
        SettingError(format!(
            "RUST_LOG is \"{}\", which must be a level or a filter, for example info,auth_gateway=debug.",
            settings.rust_log
        ))
    })?;
    let logs = tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(may_be_logged));
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => logs.with(lines.map_event_format(SpanFormatter)).try_init(),
        LogFormat::Json => logs
            .with(lines.json().flatten_event(true).map_event_format(SpanFormatter))
            .try_init(),
    };
    started.map_err(|error| SettingError(format!("Logging cannot be started: {error}.")))
}

/// Drops lines even if the filter allows them. At `trace` the WebSocket library logs whole
/// messages, and the first one contains an access token. Its `debug` lines are refused too.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let is_websocket_library = ["tungstenite", "tokio_tungstenite"]
        .iter()
        .any(|library| metadata.target().split("::").next() == Some(library));
    !is_websocket_library || *metadata.level() <= Level::INFO
}

/// Starts collecting metrics. The returned handle renders them for Prometheus.
///
/// # Errors
/// When it was started before.
pub fn start_metrics() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(Error::internal)?;
    describe_counter!(
        "auth_gateway_operations_total",
        "Operations by name and outcome: ok, or the error code in lower case"
    );
    describe_histogram!(
        "auth_gateway_operation_duration_seconds",
        Unit::Seconds,
        "How long operations took"
    );
    describe_counter!("auth_gateway_http_requests_total", "HTTP requests by method and status");
    describe_gauge!("auth_gateway_connections", "Open connections");
    describe_counter!(
        "auth_gateway_connections_refused_total",
        "Connections closed at once, by the limit that was reached"
    );
    describe_counter!(
        "auth_gateway_connections_dropped_total",
        "Connections dropped because the client was too slow, by what the gateway waited for"
    );
    describe_counter!(
        "auth_gateway_audit_dropped_total",
        "Audit events that were logged, but not stored in the database"
    );
    describe_counter!(
        "auth_gateway_outbox_queued_total",
        "Messages that were stored for delivery, by kind"
    );
    describe_counter!(
        "auth_gateway_outbox_delivered_total",
        "Messages that were delivered, by kind"
    );
    describe_counter!(
        "auth_gateway_outbox_failed_total",
        "Messages that were given up, by kind"
    );
    describe_gauge!(
        "auth_gateway_outbox_oldest_age_seconds",
        Unit::Seconds,
        "Age of the oldest message that waits for its delivery"
    );
    describe_gauge!("auth_gateway_password_queue", "Passwords waiting for a hashing thread");
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
