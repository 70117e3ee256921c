//! Threads that serve connections, each its own.
//!
//! All that is done for a connection stays on its thread: to wake another core, and to share what both write, costs more than all the
//! rest of a small request. So whatever is used at each request is there once for each thread. Work for which a thread makes no
//! difference, such as what the gateway does by itself, is on the runtime that everything is started in.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, LazyLock};
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
#[derive(Debug)]
pub struct Threads {
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    /// Held by each connection too, so it counts them.
    load: Arc<()>,
    _until: oneshot::Sender<()>,
}

impl Threads {
    /// One for each core.
    ///
    /// # Errors
    /// When the system gives no more threads or file descriptors.
    pub fn start() -> io::Result<Self> {
        let threads = (0..*COUNT).map(Thread::start).collect::<io::Result<_>>()?;
        Ok(Self { threads })
    }

    /// None: connections are served by the runtime that takes them. For a listener with little to do.
    #[must_use]
    pub fn none() -> Self {
        Self { threads: Vec::new() }
    }

    /// Serves a connection on the thread that has the fewest.
    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let Some(thread) = self.threads.iter().min_by_key(|thread| Arc::strong_count(&thread.load)) else {
            tokio::spawn(connection);
            return;
        };
        let load = thread.load.clone();
        thread.runtime.spawn(async move {
            connection.await;
            drop(load);
        });
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (until, stopped) = oneshot::channel::<()>();
        let started = Self {
            runtime: runtime.handle().clone(),
            load: Arc::default(),
            _until: until,
        };
        thread::Builder::new()
            .name(format!("connections-{number}"))
            .spawn(move || {
                NUMBER.set(number);
                // Its sender is dropped, and says nothing.
                let _stopped = runtime.block_on(stopped);
                // What still blocks somewhere is not waited for.
                runtime.shutdown_background();
            })?;
        Ok(started)
    }
}

/// One of a kind for each of the threads, and one for all other threads together.
pub struct Each<T>(Box<[T]>);

impl<T> Each<T> {
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

impl<T> fmt::Debug for Each<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Each")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Barrier;

    use super::*;

    /// Where a connection of these threads is served, for as long as all of so many are open.
    async fn places(threads: &Threads, count: usize, each: &Arc<Each<usize>>) -> Vec<(String, usize)> {
        let all_are_open = Arc::new(Barrier::new(count));
        let served = (0..count).map(|_| {
            let (tell, told) = oneshot::channel();
            let (each, all_are_open) = (each.clone(), all_are_open.clone());
            threads.spawn(async move {
                all_are_open.wait().await;
                let name = thread::current().name().unwrap_or_default().to_owned();
                let _heard = tell.send((name, *each.own()));
            });
            told
        });
        let served: Vec<_> = served.collect();
        join_all(served).await.into_iter().map(|place| place.unwrap()).collect()
    }

    fn numbered() -> Arc<Each<usize>> {
        let next = AtomicUsize::new(0);
        Arc::new(Each::new(|| next.fetch_add(1, Ordering::Relaxed)))
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
        threads.spawn(async move {
            let _is_open = is_open;
            std::future::pending::<()>().await;
        });
        drop(threads);
        assert!(is_over.await.is_err(), "it is dropped");
    }
}
