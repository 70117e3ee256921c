//! Threads that serve connections, each its own.
//!
//! All that is done for a connection stays on its thread: to wake another core, and to share what both write, costs more than all the
//! rest of a small request. So whatever is used at each request is there once for each thread. What the gateway does by itself is done
//! where everything is started.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::{io, iter};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// One for each core that this process may use.
static COUNT: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

thread_local! {
    /// The number of this thread; those that serve no connections have one number in common.
    static NUMBER: Cell<usize> = Cell::new(*COUNT);
}

/// Threads that serve connections until this is dropped.
#[derive(Debug, Default)]
pub struct Threads {
    threads: Vec<Thread>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    /// One that no connection has.
    guard: ConnectionGuard,
    _until: oneshot::Sender<()>,
}

/// A connection's part of a thread, which counts as its load until this is dropped.
#[derive(Debug, Clone, Default)]
pub struct ConnectionGuard(Arc<()>);

/// Spreads work that belongs to no one thread over all of them, in turn.
#[derive(Debug, Clone)]
pub struct RoundRobin {
    runtimes: Arc<[Handle]>,
    turn: Arc<AtomicUsize>,
}

impl Threads {
    /// One for each core.
    ///
    /// # Errors
    /// When the system gives no more threads or file descriptors.
    pub fn start() -> io::Result<Self> {
        Self::so_many(*COUNT)
    }

    fn so_many(count: usize) -> io::Result<Self> {
        let threads = (0..count).map(Thread::start).collect::<io::Result<_>>()?;
        Ok(Self {
            threads,
            ..Self::default()
        })
    }

    /// None: connections are served by the runtime that takes them. For a listener with little to do.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Serves a connection on the thread that has the fewest. It keeps its guard for as long as it lives, also where it outlives what serves
    /// it, as a WebSocket does.
    pub fn spawn<F>(&self, connection: impl FnOnce(ConnectionGuard) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Of several that have as few, not always the same one.
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
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

    /// Lets each thread do this beside its connections.
    pub fn on_each<F>(&self, work: impl Fn() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for thread in &self.threads {
            thread.runtime.spawn(work());
        }
    }

    /// For work that belongs to no one thread; where there are none, it is done where this is called.
    #[must_use]
    pub fn round_robin(&self) -> RoundRobin {
        let mut runtimes: Vec<Handle> = self.threads.iter().map(|thread| thread.runtime.clone()).collect();
        if runtimes.is_empty() {
            runtimes.push(Handle::current());
        }
        RoundRobin {
            runtimes: runtimes.into(),
            turn: Arc::default(),
        }
    }
}

impl RoundRobin {
    /// Does it on the next thread.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.runtimes.len();
        self.runtimes[turn].spawn(work);
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let (until, stopped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let work = move || {
            NUMBER.set(number);
            // Made here: if this thread did not start, it would be dropped where another runtime is in use, which no runtime may be.
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error))),
            };
            let _heard = tell.send(Ok(runtime.handle().clone()));
            // Its sender is dropped, and says nothing.
            let _stopped = runtime.block_on(stopped);
            // What still blocks somewhere is not waited for.
            runtime.shutdown_background();
        };
        thread::Builder::new()
            .name(format!("connections-{number}"))
            .spawn(work)?;
        Ok(Self {
            runtime: told.recv().map_err(io::Error::other)??,
            guard: ConnectionGuard::default(),
            _until: until,
        })
    }

    fn load(&self) -> usize {
        Arc::strong_count(&self.guard.0)
    }
}

/// One of a kind for each of the threads, and one for all other threads together.
pub struct PerThread<T>(Box<[T]>);

impl<T> PerThread<T> {
    /// Makes all of them.
    pub fn new(make: impl FnMut() -> T) -> Self {
        Self(iter::repeat_with(make).take(*COUNT + 1).collect())
    }

    /// The same where one may fail to be made.
    ///
    /// # Errors
    /// The first one's.
    pub fn try_new<E>(make: impl FnMut() -> Result<T, E>) -> Result<Self, E> {
        let all: Result<_, E> = iter::repeat_with(make).take(*COUNT + 1).collect();
        all.map(Self)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// The one of this thread.
    #[must_use]
    pub fn own(&self) -> &T {
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

    /// Where a connection of these threads is served, for as long as all of so many are open.
    async fn places(threads: &Threads, count: usize, each: &Arc<PerThread<usize>>) -> Vec<(String, usize)> {
        let all_are_open = Arc::new(Barrier::new(count));
        let served = (0..count).map(|_| {
            let (tell, told) = oneshot::channel();
            let (each, all_are_open) = (each.clone(), all_are_open.clone());
            threads.spawn(async move |_guard| {
                all_are_open.wait().await;
                let name = thread::current().name().unwrap_or_default().to_owned();
                let _heard = tell.send((name, *each.own()));
            });
            told
        });
        let served: Vec<_> = served.collect();
        join_all(served).await.into_iter().map(|place| place.unwrap()).collect()
    }

    fn numbered() -> Arc<PerThread<usize>> {
        let next = AtomicUsize::new(0);
        Arc::new(PerThread::new(|| next.fetch_add(1, Ordering::Relaxed)))
    }

    #[tokio::test]
    async fn each_thread_has_as_many_connections_and_its_own_of_each_thing() {
        let (threads, each) = (Threads::start().unwrap(), numbered());
        let mut places = places(&threads, *COUNT * 3, &each).await;
        places.sort();
        let expected = (0..*COUNT).flat_map(|number| [(); 3].map(|()| (format!("connections-{number}"), number)));
        let mut expected: Vec<_> = expected.collect();
        expected.sort();
        assert_eq!(places, expected);
        assert_eq!(*each.own(), *COUNT, "this thread serves none");
    }

    #[tokio::test]
    async fn a_connection_counts_for_as_long_as_it_has_its_seat() {
        let threads = Threads::so_many(2).unwrap();
        let serve = async || {
            let (tell, told) = oneshot::channel();
            threads.spawn(async move |guard| {
                let name = thread::current().name().unwrap_or_default().to_owned();
                let _heard = tell.send((name, guard));
            });
            told.await.unwrap()
        };
        let (first, guard) = serve().await;
        for _ in 0..3 {
            let (another, _) = serve().await;
            assert_ne!(
                another, first,
                "what served the first one is done, and its guard is still held"
            );
        }
        drop(guard);
        let (one, _guard) = serve().await;
        let (another, _) = serve().await;
        assert_ne!(one, another);
    }

    #[tokio::test]
    async fn what_each_thread_does_beside_its_connections_is_done_on_each() {
        let (threads, each) = (Threads::start().unwrap(), numbered());
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        threads.on_each(|| {
            let (tell, each) = (tell.clone(), each.clone());
            async move { tell.send(*each.own()).unwrap() }
        });
        drop(tell);
        let mut numbers = HashSet::new();
        while let Some(number) = told.recv().await {
            assert!(numbers.insert(number));
        }
        assert_eq!(numbers, (0..*COUNT).collect());
    }

    #[tokio::test]
    async fn what_is_spread_goes_to_each_thread_in_turn() {
        let threads = Threads::start().unwrap();
        let (spread, each) = (threads.round_robin(), numbered());
        let told = (0..*COUNT * 2).map(|_| {
            let ((tell, told), each) = (oneshot::channel(), each.clone());
            spread.spawn(async move { tell.send(*each.own()).unwrap() });
            told
        });
        let told = join_all(told.collect::<Vec<_>>()).await;
        let numbers: Vec<usize> = told.into_iter().map(|number| number.unwrap()).collect();
        assert_eq!(numbers, (0..*COUNT).chain(0..*COUNT).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn without_threads_connections_are_where_they_are_taken() {
        let places = places(&Threads::none(), 3, &numbered()).await;
        let here = thread::current().name().unwrap().to_owned();
        let places: HashSet<_> = places.into_iter().collect();
        assert_eq!(places, HashSet::from([(here, *COUNT)]));
    }

    #[tokio::test]
    async fn what_they_serve_ends_with_them() {
        let threads = Threads::start().unwrap();
        let (is_open, is_over) = oneshot::channel::<()>();
        threads.spawn(async move |_guard| {
            let _is_open = is_open;
            std::future::pending::<()>().await;
        });
        drop(threads);
        assert!(is_over.await.is_err(), "it is dropped");
    }
}
