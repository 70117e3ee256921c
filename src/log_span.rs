//! Lazy spans: they name the request that a log line belongs to.
//!
//! Creating a span costs more than everything else around a small request, and most requests log
//! nothing. So the span is created with the first line of a request. The lines look as if the span
//! had existed from the start.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tracing::{Event, Span, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

tokio::task_local! {
    static CURRENT: Arc<LazySpan<dyn Fn() -> Span + Send + Sync>>;
}

struct LazySpan<F: ?Sized> {
    span: OnceLock<Span>,
    make: F,
}

impl<F: Fn() -> Span + ?Sized> LazySpan<F> {
    fn span(&self) -> &Span {
        self.span.get_or_init(|| (self.make)())
    }
}

/// Runs a future within a span, which is created with the first log line.
pub fn with_span<F: Future>(
    make: impl Fn() -> Span + Send + Sync + 'static,
    work: F,
) -> impl Future<Output = F::Output> {
    let span = OnceLock::new();
    CURRENT.scope(Arc::new(LazySpan { span, make }), work)
}

/// Keeps the current span for a future that is about to be spawned as a task of its own.
pub fn in_current_span<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let scope = CURRENT.try_with(Arc::clone).ok();
    async move {
        match scope {
            Some(scope) => CURRENT.scope(scope, work).await,
            None => work.await,
        }
    }
}

/// Formats each event within its lazy span.
pub(crate) struct SpanFormatter<E>(pub(crate) E);

impl<S, N, E> FormatEvent<S, N> for SpanFormatter<E>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    E: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        match CURRENT.try_with(Arc::clone) {
            Ok(scope) => scope.span().in_scope(|| self.0.format_event(context, writer, event)),
            Err(_) => self.0.format_event(context, writer, event),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{fmt as lines, registry};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        /// The line of this event, beginning with its span.
        fn line(&self, event: &str) -> String {
            let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let line = log.lines().find(|line| line.ends_with(event)).unwrap().to_owned();
            line.split_once("INFO ").unwrap().1.to_owned()
        }
    }

    /// Uses a global subscriber, as the gateway does. With a subscriber of one thread, an event
    /// creates no span.
    #[tokio::test]
    async fn a_line_names_its_request_and_a_request_without_lines_creates_no_span() {
        let (log, created) = (Log::default(), Arc::new(AtomicUsize::new(0)));
        let writer = log.clone();
        let layer = lines::layer().with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::set_global_default(registry().with(layer.map_event_format(SpanFormatter))).unwrap();
        let span = |number: usize| {
            let created = created.clone();
            move || {
                created.fetch_add(1, Ordering::Relaxed);
                tracing::info_span!("request", number)
            }
        };
        with_span(span(1), async {}).await;
        assert_eq!(created.load(Ordering::Relaxed), 0);
        with_span(span(2), async {
            tracing::info!("first");
            tokio::task::yield_now().await;
            tracing::info!("second");
            tokio::spawn(in_current_span(async { tracing::info!("third") }))
                .await
                .unwrap();
            tokio::spawn(async { tracing::info!("fourth") }).await.unwrap();
        })
        .await;
        tracing::info!("fifth");
        assert_eq!(created.load(Ordering::Relaxed), 1);
        let target = module_path!();
        for event in ["first", "second", "third"] {
            assert_eq!(log.line(event), format!("request{{number=2}}: {target}: {event}"));
        }
        for event in ["fourth", "fifth"] {
            assert_eq!(log.line(event), format!("{target}: {event}"));
        }
    }
}
