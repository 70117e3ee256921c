//! Batched reads: keys that are requested at the same time are read by one statement.
//!
//! Nothing is cached. A statement is sent after the requests that it serves, so a value is never
//! older than its request. A cache cannot promise that, and a logout needs it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot::{self, Receiver, Sender};

use crate::domain::{Error, Result};

/// Most keys in one statement.
const MAX_BATCH: usize = 128;
/// The lengths of lists in SQL statements, see [`pad_list`].
const LIST_LENGTHS: [usize; 4] = [1, 8, 32, MAX_BATCH];
/// Most requests that may wait. A longer queue would only time out.
const MAX_WAITING: usize = 16_384;
/// Statements that run at the same time: if one hangs, the other still serves requests.
const CONCURRENCY: usize = 2;

/// Reads the values of many keys. A key without a value is not in the map.
type Fetch<K, V> = Box<dyn Fn(Vec<K>) -> BoxFuture<'static, Result<HashMap<K, V>>> + Send + Sync>;

/// Collects requests for keys of one kind.
pub(crate) struct Batcher<K, V> {
    shared: Arc<Shared<K, V>>,
}

struct Shared<K, V> {
    fetch: Fetch<K, V>,
    timeout: Duration,
    queue: Mutex<Queue<K, V>>,
}

struct Queue<K, V> {
    waiting: VecDeque<Request<K, V>>,
    workers: usize,
}

struct Request<K, V> {
    key: K,
    response: Sender<Result<Option<V>>>,
}

/// A task that runs statements while requests wait. If it is dropped early, together with its
/// runtime, another one may start in its place.
struct Worker<K, V> {
    shared: Arc<Shared<K, V>>,
    is_counted: bool,
}

impl<K, V> Batcher<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    /// `fetch` is called with distinct keys, at most `MAX_BATCH`. A request fails after `timeout`.
    pub(crate) fn new(
        timeout: Duration,
        fetch: impl Fn(Vec<K>) -> BoxFuture<'static, Result<HashMap<K, V>>> + Send + Sync + 'static,
    ) -> Self {
        let queue = Queue {
            waiting: VecDeque::new(),
            workers: 0,
        };
        Self {
            shared: Arc::new(Shared {
                fetch: Box::new(fetch),
                timeout,
                queue: Mutex::new(queue),
            }),
        }
    }

    /// Reads the value of a key together with the other requests of this moment. The statement is
    /// sent after this call begins.
    pub(crate) async fn get(&self, key: K) -> Result<Option<V>> {
        let response = self.enqueue(key)?;
        match tokio::time::timeout(self.shared.timeout, response).await {
            Ok(Ok(value)) => value,
            Ok(Err(dropped)) => Err(Error::internal(dropped)),
            Err(elapsed) => Err(Error::unavailable(elapsed)),
        }
    }

    fn enqueue(&self, key: K) -> Result<Receiver<Result<Option<V>>>> {
        let (sender, receiver) = oneshot::channel();
        let mut queue = self.shared.queue();
        if queue.waiting.len() >= MAX_WAITING {
            return Err(Error::unavailable("too many requests wait for the store"));
        }
        queue.waiting.push_back(Request { key, response: sender });
        if queue.workers < CONCURRENCY {
            queue.workers += 1;
            let worker = Worker {
                shared: self.shared.clone(),
                is_counted: true,
            };
            // A task of its own: the first request may be cancelled, and the others must be served.
            tokio::spawn(worker.run());
        }
        Ok(receiver)
    }
}

impl<K, V> Worker<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    async fn run(mut self) {
        loop {
            // Yield once, so that tasks that are ready to run join this batch.
            tokio::task::yield_now().await;
            let Some(batch) = self.next_batch() else { return };
            if batch.is_empty() {
                continue;
            }
            let keys: HashSet<K> = batch.iter().map(|request| request.key).collect();
            let values = async { (self.shared.fetch)(keys.into_iter().collect()).await };
            // A panic fails this batch only, the requests behind it are still served.
            let values = AssertUnwindSafe(values).catch_unwind().await;
            let panicked = |_| Err(Error::internal("a batched read panicked"));
            respond(batch, values.unwrap_or_else(panicked));
        }
    }

    /// The requests that have waited longest and are not cancelled; `None` if the queue is empty,
    /// and then this worker ends.
    fn next_batch(&mut self) -> Option<Vec<Request<K, V>>> {
        let mut queue = self.shared.queue();
        if queue.waiting.is_empty() {
            queue.workers -= 1;
            self.is_counted = false;
            return None;
        }
        let count = queue.waiting.len().min(MAX_BATCH);
        let batch = queue.waiting.drain(..count);
        Some(batch.filter(|request| !request.response.is_closed()).collect())
    }
}

impl<K, V> Shared<K, V> {
    fn queue(&self) -> MutexGuard<'_, Queue<K, V>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Drop for Worker<K, V> {
    fn drop(&mut self) {
        if self.is_counted {
            self.shared.queue().workers -= 1;
        }
    }
}

/// Repeats the last item of a list up to one of a few lengths. So there are few different
/// statements, and the databases keep them prepared.
pub(crate) fn pad_list<T: Clone>(mut list: Vec<T>) -> Vec<T> {
    let fits = |length: &usize| *length >= list.len();
    let length = LIST_LENGTHS.into_iter().find(fits).unwrap_or(MAX_BATCH);
    if let Some(last) = list.last().cloned() {
        list.resize(length, last);
    }
    list
}

fn respond<K: Copy + Eq + Hash, V: Clone>(batch: Vec<Request<K, V>>, values: Result<HashMap<K, V>>) {
    let values = values.map_err(Arc::new);
    for Request { key, response } in batch {
        let value = match &values {
            Ok(values) => Ok(values.get(&key).cloned()),
            Err(failure) => Err(shared_failure(failure)),
        };
        let _cancelled = response.send(value);
    }
}

/// The failure of a batch, as each of its requests receives it.
fn shared_failure(failure: &Arc<Error>) -> Error {
    if let Error::Unavailable { retry_after, .. } = failure.as_ref() {
        Error::Unavailable {
            retry_after: *retry_after,
            cause: Box::new(failure.clone()),
        }
    } else {
        Error::internal(failure.clone())
    }
}

impl<K, V> fmt::Debug for Batcher<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batcher")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// A store of squares that responds when the gate opens, and records the keys it was given.
    struct Squares {
        batcher: Batcher<u32, u32>,
        requested: Arc<Mutex<Vec<Vec<u32>>>>,
        gate: Arc<Semaphore>,
    }

    impl Squares {
        fn new(timeout: Duration, answer: fn(&[u32]) -> Result<HashMap<u32, u32>>) -> Self {
            let (requested, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
            let (log, pass) = (requested.clone(), gate.clone());
            let batcher = Batcher::new(timeout, move |keys: Vec<u32>| {
                log.lock().unwrap().push(keys.clone());
                let pass = pass.clone();
                async move {
                    pass.acquire().await.unwrap().forget();
                    answer(&keys)
                }
                .boxed()
            });
            Self {
                batcher,
                requested,
                gate,
            }
        }

        fn open_gate(&self, statements: usize) {
            self.gate.add_permits(statements);
        }

        fn requested(&self) -> Vec<Vec<u32>> {
            self.requested.lock().unwrap().clone()
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "a store may fail")]
    fn squares_of_even(keys: &[u32]) -> Result<HashMap<u32, u32>> {
        let even = keys.iter().filter(|number| *number % 2 == 0);
        Ok(even.map(|number| (*number, number * number)).collect())
    }

    #[tokio::test]
    async fn simultaneous_requests_share_statements_and_each_gets_its_own_value() {
        let squares = Squares::new(TIMEOUT, squares_of_even);
        squares.open_gate(100);
        let answers = join_all((0..300).map(|number| squares.batcher.get(number))).await;
        for (number, answer) in (0..).zip(answers) {
            assert_eq!(answer.unwrap(), (number % 2 == 0).then_some(number * number));
        }
        let sizes: Vec<usize> = squares.requested().iter().map(Vec::len).collect();
        assert_eq!(sizes, [128, 128, 44]);
    }

    #[tokio::test]
    async fn a_single_request_is_sent_at_once() {
        let squares = Squares::new(TIMEOUT, squares_of_even);
        squares.open_gate(1);
        assert_eq!(squares.batcher.get(4).await.unwrap(), Some(16));
        assert_eq!(squares.requested(), [[4]]);
    }

    #[tokio::test]
    async fn a_key_that_is_requested_many_times_is_read_once() {
        let squares = Squares::new(TIMEOUT, squares_of_even);
        squares.open_gate(1);
        let answers = join_all((0..50).map(|_| squares.batcher.get(4))).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap() == Some(16)));
        assert_eq!(squares.requested(), [[4]]);
    }

    /// A request that arrives while a statement runs goes into a later statement.
    #[tokio::test]
    async fn a_request_is_never_served_by_a_statement_sent_before_it() {
        let squares = Squares::new(TIMEOUT, squares_of_even);
        let mut early = Vec::new();
        for sent in 1..=CONCURRENCY {
            early.push(Box::pin(squares.batcher.get(4)));
            assert!(early[sent - 1].as_mut().now_or_never().is_none());
            while squares.requested().len() < sent {
                tokio::task::yield_now().await;
            }
        }
        let (late, ()) = tokio::join!(squares.batcher.get(4), async {
            tokio::task::yield_now().await;
            assert_eq!(squares.requested().len(), CONCURRENCY, "it waits for a worker");
            squares.open_gate(CONCURRENCY + 1);
        });
        assert_eq!(late.unwrap(), Some(16));
        assert_eq!(squares.requested().len(), CONCURRENCY + 1);
        assert!(
            join_all(early)
                .await
                .into_iter()
                .all(|answer| answer.unwrap() == Some(16))
        );
    }

    #[tokio::test]
    async fn a_cancelled_request_is_not_read_and_disturbs_no_other() {
        let squares = Squares::new(TIMEOUT, squares_of_even);
        assert!(squares.batcher.get(1).now_or_never().is_none());
        assert!(squares.batcher.get(2).now_or_never().is_none());
        squares.open_gate(1);
        assert_eq!(squares.batcher.get(4).await.unwrap(), Some(16));
        assert_eq!(squares.requested(), [[4]]);
    }

    #[tokio::test]
    async fn a_failure_fails_its_batch_and_no_later_request() {
        let squares = Squares::new(TIMEOUT, |keys| {
            if keys.contains(&13) {
                return Err(Error::unavailable("unlucky"));
            }
            squares_of_even(keys)
        });
        squares.open_gate(2);
        let answers = join_all([4, 13, 6].map(|number| squares.batcher.get(number))).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Err(Error::Unavailable { .. })))
        );
        assert_eq!(squares.batcher.get(4).await.unwrap(), Some(16));
    }

    #[tokio::test]
    async fn a_panic_fails_its_batch_and_no_later_request() {
        let squares = Squares::new(TIMEOUT, |keys| {
            assert!(!keys.contains(&13), "unlucky");
            squares_of_even(keys)
        });
        squares.open_gate(100);
        for _ in 0..CONCURRENCY {
            assert!(matches!(squares.batcher.get(13).await, Err(Error::Internal(_))));
        }
        assert_eq!(squares.batcher.get(4).await.unwrap(), Some(16));
    }

    #[tokio::test]
    async fn requests_behind_a_panic_are_served() {
        let squares = Squares::new(TIMEOUT, |keys| {
            assert!(!keys.contains(&13), "unlucky");
            squares_of_even(keys)
        });
        let mut unlucky = Vec::new();
        for sent in 1..=CONCURRENCY {
            unlucky.push(Box::pin(squares.batcher.get(13)));
            assert!(unlucky[sent - 1].as_mut().now_or_never().is_none());
            while squares.requested().len() < sent {
                tokio::task::yield_now().await;
            }
        }
        let open = async { squares.open_gate(CONCURRENCY + 1) };
        let (behind, failed, ()) = tokio::join!(squares.batcher.get(4), join_all(unlucky), open);
        assert!(failed.iter().all(|value| matches!(value, Err(Error::Internal(_)))));
        assert_eq!(behind.unwrap(), Some(16));
    }

    #[tokio::test]
    async fn requests_in_the_queue_of_a_hanging_store_time_out() {
        let squares = Squares::new(Duration::from_millis(1), squares_of_even);
        let answers = join_all((0..1_000).map(|number| squares.batcher.get(number))).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Err(Error::Unavailable { .. })))
        );
        assert_eq!(squares.requested().len(), CONCURRENCY, "the others waited in the queue");
    }
}
