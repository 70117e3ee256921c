//! Assembles a gateway from its settings and runs it.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use tokio::net::TcpListener;

use crate::api::Api;
use crate::app::options::{api_options, connection_options};
use crate::app::services::{self, Backends};
use crate::app::start_error::StartError;
use crate::app::stores;
use crate::config::Settings;
use crate::domain::Error;
use crate::domain::clock::Clock;
use crate::server::{self, ConnectionOptions, RequestHandler};
use crate::service::{
    Audit, AuditWriter, Delivery, ExpiredRows, OneProofSuffices, OutboxWorker, Service, WATCH_INTERVAL,
};
use crate::store::{AuditLog, Outbox};
use crate::threads::Threads;

/// How often maintenance runs. The service decides by its own clock what is due.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// The pause before a worker that has panicked is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A gateway, ready to serve.
pub struct App {
    api: Api,
    connections: ConnectionOptions,
    audit_writer: AuditWriter,
    threads: Threads,
}

impl App {
    /// Connects the stores, brings the schema up to date and wires the parts. In production the
    /// schema must be up to date already.
    pub async fn assemble(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let secrets = settings.auth_secret()?.0;
        let (database, redis) = tokio::try_join!(stores::open_database(settings), stores::redis(settings))?;
        let audit_log = AuditLog::new(database.clone());
        let (audit, audit_writer) = Audit::start(audit_log, settings.log.audit_events, clock.clone());
        let outbox = stores::outbox(&database, &secrets)?;
        start_delivery(&outbox, delivery(settings), &clock);
        let expired = ExpiredRows {
            one_time_tokens: stores::one_time_tokens(&database, redis.as_ref(), &secrets)?,
            outbox,
        };
        let backends = Backends {
            database,
            redis,
            expired,
            secrets,
            audit,
            clock,
            sign_in_policy: Arc::new(OneProofSuffices),
        };
        let service = Arc::new(services::build(settings, backends).await?);
        let threads = Threads::start().map_err(Error::internal)?;
        start_maintenance(&service, &threads);
        Ok(Self {
            api: Api::new(service, &api_options(settings)),
            connections: connection_options(settings),
            audit_writer,
            threads,
        })
    }

    /// The APIs, for a caller that sends requests without a connection.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Serves until `stop` resolves. Then it accepts no connection and gives the open requests ten
    /// seconds.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        server::serve(listener, self.api, self.connections, &self.threads, stop).await;
        // Before the threads end: they may own connections to the database.
        self.audit_writer.finish().await;
    }
}

impl RequestHandler for Api {
    fn answer(self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + 'static {
        Self::answer(self, request)
    }
}

/// How messages leave the gateway. No setting asks for a delivery yet.
fn delivery(_settings: &Settings) -> Option<Arc<dyn Delivery>> {
    None
}

fn start_delivery(outbox: &Outbox, delivery: Option<Arc<dyn Delivery>>, clock: &Arc<dyn Clock>) {
    if let Some(delivery) = delivery {
        let worker = OutboxWorker::new(outbox.clone(), delivery, clock.clone());
        tokio::spawn(keep_running(move || worker.clone().run()));
    }
}

/// Starts work again whenever it ends. Only a panic ends the worker of the outbox.
async fn keep_running<F>(work: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        if let Err(error) = tokio::spawn(work()).await {
            tracing::error!(
                error = &error as &dyn StdError,
                "the worker of the outbox has panicked, and is started again"
            );
        }
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

/// Each task runs apart from the others, so that a slow one does not delay the rest.
fn start_maintenance(service: &Arc<Service>, threads: &Threads) {
    let service = Arc::downgrade(service);
    tokio::spawn(repeat(MAINTENANCE_INTERVAL, service.clone(), |service| async move {
        service.maintenance.run().await
    }));
    tokio::spawn(repeat(MAINTENANCE_INTERVAL, service.clone(), |service| async move {
        service.maintenance.apply_external_changes().await
    }));
    tokio::spawn(repeat(MAINTENANCE_INTERVAL, service.clone(), |service| async move {
        service.maintenance.sweep_audit().await
    }));
    tokio::spawn(repeat(MAINTENANCE_INTERVAL, service.clone(), |service| async move {
        service.maintenance.sweep_expired().await
    }));
    tokio::spawn(repeat(WATCH_INTERVAL, service.clone(), |service| async move {
        service.session.notify_watchers().await
    }));
    threads.on_each(|| {
        repeat(MAINTENANCE_INTERVAL, service.clone(), |service| async move {
            service.maintenance.maintain_thread().await;
            Ok(())
        })
    });
}

/// Repeats a task for as long as the service exists.
async fn repeat<F>(interval: Duration, service: Weak<Service>, work: impl Fn(Arc<Service>) -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    loop {
        tokio::time::sleep(interval).await;
        let Some(service) = service.upgrade() else { return };
        if let Err(error) = work(service).await {
            tracing::warn!(
                error = &error as &dyn StdError,
                "a maintenance task failed, and is retried"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn work_that_panics_is_started_again() {
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = starts.clone();
        let kept = tokio::spawn(keep_running(move || {
            let starts = counted.clone();
            async move {
                assert!(starts.fetch_add(1, Ordering::SeqCst) > 0, "the first start fails");
                std::future::pending::<()>().await;
            }
        }));
        tokio::time::timeout(Duration::from_secs(10), async {
            while starts.load(Ordering::SeqCst) < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the work is started again");
        kept.abort();
    }
}
