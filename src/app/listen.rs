//! The listeners.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::api;
use crate::app::options::connection_options;
use crate::app::start_error::StartError;
use crate::config::Settings;
use crate::domain::connection_limit::ConnectionLimit;
use crate::server::{self, ConnectionOptions};
use crate::telemetry;
use crate::threads::Threads;

/// Connections at the same time to the admin listener: enough for a few monitors.
const ADMIN_CONNECTIONS: usize = 64;

/// Binds a listener on the configured address.
pub async fn listen(settings: &Settings, port: u16) -> Result<TcpListener, StartError> {
    let address = SocketAddr::new(settings.server.host, port);
    TcpListener::bind(address)
        .await
        .map_err(|cause| StartError::Listen { address, cause })
}

/// Serves metrics on the admin listener until the process ends.
pub fn serve_metrics(settings: &Settings, listener: TcpListener) -> Result<(), StartError> {
    let counts = telemetry::start_metrics()?;
    let routes = api::admin_routes(move || counts.render());
    let options = ConnectionOptions {
        limit: ConnectionLimit::new(ADMIN_CONNECTIONS, ADMIN_CONNECTIONS),
        ..connection_options(settings)
    };
    tokio::spawn(async move {
        server::serve(listener, routes, options, &Threads::none(), std::future::pending()).await;
    });
    Ok(())
}
