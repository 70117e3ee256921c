//! Threads that serve connections, one for each core.
//!
//! A connection stays on its thread: waking another core, and sharing memory that both write, costs
//! more than the rest of a small request. So everything that each request uses exists once for each
//! thread (`PerThread`). Background work runs on the main runtime.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::{io, iter};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The number of cores that this process may use.
static COUNT: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

thread_local! {
    /// The number of this thread. All threads that serve no connections have the same number.
    static NUMBER: Cell<usize> = Cell::new(*COUNT);
}

/// Threads that serve connections until this value is dropped.
#[derive(Debug, Default)]
pub struct Threads {
    threads: Vec<Thread>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    /// Cloned for each connection; the number of clones is the load of the thread.
    guard: ConnectionGuard,
    /// Ends the thread when it is dropped.
    _stop: oneshot::Sender<()>,
}

/// Counts one connection as load of its thread until it is dropped.
#[derive(Debug, Clone, Default)]
pub struct ConnectionGuard(Arc<()>);

/// Distributes work over all threads in turn.
#[derive(Debug, Clone)]
pub struct RoundRobin {
    runtimes: Arc<[Handle]>,
    next: Arc<AtomicUsize>,
}

impl Threads {
    /// Starts one thread for each core.
    ///
    /// # Errors
    /// When the system refuses a thread or a file descriptor.
    pub fn start() -> io::Result<Self> {
        Self::with_count(*COUNT)
    }

    fn with_count(count: usize) -> io::Result<Self> {
        let threads = (0..count).map(Thread::start).collect::<io::Result<_>>()?;
        Ok(Self {
            threads,
            ..Self::default()
        })
    }

    /// No threads: the runtime that accepts a connection also serves it. For a listener with little
    /// load.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Serves a connection on the thread with the fewest connections. The connection must hold its
    /// guard while it is open, even after the future ends, as a WebSocket does.
    pub fn spawn<F>(&self, connection: impl FnOnce(ConnectionGuard) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Start at another thread each time, so that ties do not all go to the same one.
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let (others, candidates) = self
            .threads
            .split_at(first.checked_rem(self.threads.len()).unwrap_or_default());
        match candidates.iter().chain(others).min_by_key(|thread| thread.load()) {
            Some(thread) => {
                thread.runtime.spawn(connection(thread.guard.clone()));
            }
            None => {
                tokio::spawn(connection(ConnectionGuard::default()));
            }
        }
    }

    /// Runs a task on each thread, beside its connections.
    pub fn on_each<F>(&self, work: impl Fn() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for thread in &self.threads {
            thread.runtime.spawn(work());
        }
    }

    /// Distributes work over the threads; without threads, over the current runtime alone.
    #[must_use]
    pub fn round_robin(&self) -> RoundRobin {
        let mut runtimes: Vec<Handle> = self.threads.iter().map(|thread| thread.runtime.clone()).collect();
        if runtimes.is_empty() {
            runtimes.push(Handle::current());
        }
        RoundRobin {
            runtimes: runtimes.into(),
            next: Arc::default(),
        }
    }
}

impl RoundRobin {
    /// Runs a task on the next thread.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.runtimes.len();
        self.runtimes[next].spawn(work);
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        let work = move || {
            NUMBER.set(number);
            // Built on this thread: if the thread did not start, the runtime would otherwise be
            // dropped inside another runtime, which panics.
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(sender.send(Err(error))),
            };
            let _received = sender.send(Ok(runtime.handle().clone()));
            // The sender never sends; it is dropped to stop the thread.
            let _stopped = runtime.block_on(stopped);
            // Do not wait for blocking tasks.
            runtime.shutdown_background();
        };
        thread::Builder::new()
            .name(format!("connections-{number}"))
            .spawn(work)?;
        Ok(Self {
            runtime: receiver.recv().map_err(io::Error::other)??,
            guard: ConnectionGuard::default(),
            _stop: stop,
        })
    }

    fn load(&self) -> usize {
        Arc::strong_count(&self.guard.0)
    }
}

/// One value for each thread that serves connections, and one that all other threads share.
pub struct PerThread<T>(Box<[T]>);

impl<T> PerThread<T> {
    pub fn new(make: impl FnMut() -> T) -> Self {
        Self(iter::repeat_with(make).take(*COUNT + 1).collect())
    }

    /// # Errors
    /// The first error of `make`.
    pub fn try_new<E>(make: impl FnMut() -> Result<T, E>) -> Result<Self, E> {
        let all: Result<_, E> = iter::repeat_with(make).take(*COUNT + 1).collect();
        all.map(Self)
    }

    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// The value of the current thread.
    #[must_use]
    pub fn local(&self) -> &T {
        &self.0[NUMBER.get()]
    }
}

impl<T> fmt::Debug for PerThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerThread")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use futures_util::future::join_all;
    use tokio::sync::Barrier;

    use super::*;

    /// The thread name and the local value of `count` connections that are open at the same time.
    async fn served_on(threads: &Threads, count: usize, each: &Arc<PerThread<usize>>) -> Vec<(String, usize)> {
        let all_are_open = Arc::new(Barrier::new(count));
        let served = (0..count).map(|_| {
            let (sender, receiver) = oneshot::channel();
            let (each, all_are_open) = (each.clone(), all_are_open.clone());
            threads.spawn(async move |_guard| {
                all_are_open.wait().await;
                let name = thread::current().name().unwrap_or_default().to_owned();
                let _received = sender.send((name, *each.local()));
            });
            receiver
        });
        let served: Vec<_> = served.collect();
        join_all(served).await.into_iter().map(Result::unwrap).collect()
    }

    fn numbered() -> Arc<PerThread<usize>> {
        let next = AtomicUsize::new(0);
        Arc::new(PerThread::new(|| next.fetch_add(1, Ordering::Relaxed)))
    }

    #[tokio::test]
    async fn connections_are_distributed_evenly_and_each_thread_has_its_value() {
        let (threads, each) = (Threads::start().unwrap(), numbered());
        let mut served = served_on(&threads, *COUNT * 3, &each).await;
        served.sort();
        let expected = (0..*COUNT).flat_map(|number| [(); 3].map(|()| (format!("connections-{number}"), number)));
        let mut expected: Vec<_> = expected.collect();
        expected.sort();
        assert_eq!(served, expected);
        assert_eq!(*each.local(), *COUNT, "this thread serves no connections");
    }

    #[tokio::test]
    async fn a_connection_counts_as_load_until_its_guard_is_dropped() {
        let threads = Threads::with_count(2).unwrap();
        let serve = async || {
            let (sender, receiver) = oneshot::channel();
            threads.spawn(async move |guard| {
                let name = thread::current().name().unwrap_or_default().to_owned();
                let _received = sender.send((name, guard));
            });
            receiver.await.unwrap()
        };
        let (first, guard) = serve().await;
        for _ in 0..3 {
            let (another, _) = serve().await;
            assert_ne!(another, first, "the first task ended, but its guard is still held");
        }
        drop(guard);
        let (one, _guard) = serve().await;
        let (another, _) = serve().await;
        assert_ne!(one, another);
    }

    #[tokio::test]
    async fn on_each_runs_a_task_on_every_thread() {
        let (threads, each) = (Threads::start().unwrap(), numbered());
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        threads.on_each(|| {
            let (sender, each) = (sender.clone(), each.clone());
            async move { sender.send(*each.local()).unwrap() }
        });
        drop(sender);
        let mut numbers = HashSet::new();
        while let Some(number) = receiver.recv().await {
            assert!(numbers.insert(number));
        }
        assert_eq!(numbers, (0..*COUNT).collect());
    }

    #[tokio::test]
    async fn round_robin_uses_each_thread_in_turn() {
        let threads = Threads::start().unwrap();
        let (round_robin, each) = (threads.round_robin(), numbered());
        let receivers = (0..*COUNT * 2).map(|_| {
            let ((sender, receiver), each) = (oneshot::channel(), each.clone());
            round_robin.spawn(async move { sender.send(*each.local()).unwrap() });
            receiver
        });
        let received = join_all(receivers.collect::<Vec<_>>()).await;
        let numbers: Vec<usize> = received.into_iter().map(Result::unwrap).collect();
        assert_eq!(numbers, (0..*COUNT).chain(0..*COUNT).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn without_threads_the_current_runtime_serves_connections() {
        let served = served_on(&Threads::none(), 3, &numbered()).await;
        let here = thread::current().name().unwrap().to_owned();
        let served: HashSet<_> = served.into_iter().collect();
        assert_eq!(served, HashSet::from([(here, *COUNT)]));
    }

    #[tokio::test]
    async fn connections_end_when_the_threads_are_dropped() {
        let threads = Threads::start().unwrap();
        let (is_open, is_over) = oneshot::channel::<()>();
        threads.spawn(async move |_guard| {
            let _is_open = is_open;
            std::future::pending::<()>().await;
        });
        drop(threads);
        assert!(is_over.await.is_err());
    }
}
