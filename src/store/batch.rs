//! Many questions, one statement: what is asked of a store at the same time, or told it, is asked together.
//!
//! Nothing is remembered. A store is asked after the question was, so an answer is never older than the question: that is what a cache
//! cannot promise, and a logout needs.

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

/// Most questions that one statement ever holds.
const MOST: usize = 128;
/// How long the lists in SQL statements are.
const LENGTHS: [usize; 4] = [1, 8, 32, MOST];
/// Most questions that may wait. Nobody who stood behind so many would be answered in time.
const PLACES: usize = 16_384;

/// Asks a store many questions at once, and gives each its answer; one that has none is not in the map.
type Ask<Q, A> = Box<dyn Fn(Vec<Q>) -> BoxFuture<'static, Result<HashMap<Q, A>>> + Send + Sync>;

/// How much goes together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchOptions {
    /// Most questions that one statement holds.
    most: usize,
    /// Statements under way at the same time.
    concurrency: usize,
}

impl BatchOptions {
    /// Of two statements one may hang without keeping the others waiting, and there are always questions enough to make the next one worth
    /// while.
    pub(crate) const QUESTIONS: Self = Self {
        most: MOST,
        concurrency: 2,
    };
    /// One statement after the other: what can be written by one at a time alone.
    pub(crate) const IN_TURN: Self = Self {
        most: MOST,
        concurrency: 1,
    };
}

/// Gathers questions of one kind.
pub(crate) struct Batcher<Q, A> {
    shared: Arc<Shared<Q, A>>,
}

struct Shared<Q, A> {
    ask: Ask<Q, A>,
    options: BatchOptions,
    timeout: Duration,
    queue: Mutex<Queue<Q, A>>,
}

struct Queue<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    concurrency: usize,
}

struct Waiting<Q, A> {
    question: Q,
    answer: Sender<Result<Option<A>>>,
}

/// One of the tasks that ask. Where it is dropped before its work is done, with its runtime, its place is free again.
struct Worker<Q, A> {
    shared: Arc<Shared<Q, A>>,
    is_open: bool,
}

impl<Q, A> Batcher<Q, A>
where
    Q: Copy + Eq + Hash + Send + Sync + 'static,
    A: Clone + Send + 'static,
{
    /// Asks by `ask`, which is given no more questions than `options` says, each of them once; nobody waits for longer than `timeout`.
    pub(crate) fn new(
        options: BatchOptions,
        timeout: Duration,
        ask: impl Fn(Vec<Q>) -> BoxFuture<'static, Result<HashMap<Q, A>>> + Send + Sync + 'static,
    ) -> Self {
        let queue = Queue {
            waiting: VecDeque::new(),
            concurrency: 0,
        };
        Self {
            shared: Arc::new(Shared {
                ask: Box::new(ask),
                options,
                timeout,
                queue: Mutex::new(queue),
            }),
        }
    }

    /// Asks together with whoever asks now. The statement is sent after this is called.
    pub(crate) async fn ask(&self, question: Q) -> Result<Option<A>> {
        let answer = self.enqueue(question)?;
        match tokio::time::timeout(self.shared.timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(dropped)) => Err(Error::internal(dropped)),
            Err(elapsed) => Err(Error::unavailable(elapsed)),
        }
    }

    fn enqueue(&self, question: Q) -> Result<Receiver<Result<Option<A>>>> {
        let (sender, receiver) = oneshot::channel();
        let mut queue = self.shared.queue();
        if queue.waiting.len() >= PLACES {
            return Err(Error::unavailable("too many questions wait for the store"));
        }
        queue.waiting.push_back(Waiting {
            question,
            answer: sender,
        });
        if queue.concurrency < self.shared.options.concurrency {
            queue.concurrency += 1;
            let worker = Worker {
                shared: self.shared.clone(),
                is_open: true,
            };
            // A task of its own: whoever asked first may go away, and the others must get their answers.
            tokio::spawn(worker.work());
        }
        Ok(receiver)
    }
}

impl<Q, A> Worker<Q, A>
where
    Q: Copy + Eq + Hash + Send + Sync + 'static,
    A: Clone + Send + 'static,
{
    async fn work(mut self) {
        loop {
            // Whoever is about to ask, on this thread, asks first. Nobody else is waited for.
            tokio::task::yield_now().await;
            let Some(batch) = self.take() else { return };
            if batch.is_empty() {
                continue;
            }
            let questions: HashSet<Q> = batch.iter().map(|waiting| waiting.question).collect();
            let answers = async { (self.shared.ask)(questions.into_iter().collect()).await };
            // Those who wait behind these are asked for all the same.
            let answers = AssertUnwindSafe(answers).catch_unwind().await;
            distribute(
                batch,
                answers.unwrap_or_else(|_panic| Err(Error::internal("the question made a panic"))),
            );
        }
    }

    /// Those who have waited longest and still wait; `None` if nobody is left, and then the worker is closed.
    fn take(&mut self) -> Option<Vec<Waiting<Q, A>>> {
        let mut queue = self.shared.queue();
        if queue.waiting.is_empty() {
            queue.concurrency -= 1;
            self.is_open = false;
            return None;
        }
        let count = queue.waiting.len().min(self.shared.options.most);
        let batch = queue.waiting.drain(..count);
        Some(batch.filter(|waiting| !waiting.answer.is_closed()).collect())
    }
}

impl<Q, A> Shared<Q, A> {
    fn queue(&self) -> MutexGuard<'_, Queue<Q, A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> Drop for Worker<Q, A> {
    fn drop(&mut self) {
        if self.is_open {
            self.shared.queue().concurrency -= 1;
        }
    }
}

/// A list for a SQL statement, with the last of it repeated up to one of a few lengths, so that there are few statements, and databases
/// keep them prepared.
pub(crate) fn filled_up<T: Clone>(mut list: Vec<T>) -> Vec<T> {
    let length = LENGTHS.into_iter().find(|length| *length >= list.len()).unwrap_or(MOST);
    if let Some(last) = list.last().cloned() {
        list.resize(length, last);
    }
    list
}

fn distribute<Q: Copy + Eq + Hash, A: Clone>(batch: Vec<Waiting<Q, A>>, answers: Result<HashMap<Q, A>>) {
    let answers = answers.map_err(Arc::new);
    for Waiting { question, answer } in batch {
        let own = match &answers {
            Ok(answers) => Ok(answers.get(&question).cloned()),
            Err(failure) => Err(shared_failure(failure)),
        };
        let _gone_away = answer.send(own);
    }
}

/// A failure as each of those who asked together is told it.
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

impl<Q, A> fmt::Debug for Batcher<Q, A> {
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

    /// A store of squares that answers when it is let, and remembers what it was asked.
    struct Squares {
        batcher: Batcher<u32, u32>,
        asked: Arc<Mutex<Vec<Vec<u32>>>>,
        gate: Arc<Semaphore>,
    }

    impl Squares {
        fn new(options: BatchOptions, timeout: Duration, answer: fn(&[u32]) -> Result<HashMap<u32, u32>>) -> Self {
            let (asked, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
            let (log, door) = (asked.clone(), gate.clone());
            let batcher = Batcher::new(options, timeout, move |questions: Vec<u32>| {
                log.lock().unwrap().push(questions.clone());
                let door = door.clone();
                async move {
                    door.acquire().await.unwrap().forget();
                    answer(&questions)
                }
                .boxed()
            });
            Self { batcher, asked, gate }
        }

        fn let_through(&self, statements: usize) {
            self.gate.add_permits(statements);
        }

        fn asked(&self) -> Vec<Vec<u32>> {
            self.asked.lock().unwrap().clone()
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "a store may fail")]
    fn squares_of_even(questions: &[u32]) -> Result<HashMap<u32, u32>> {
        let even = questions.iter().filter(|number| *number % 2 == 0);
        Ok(even.map(|number| (*number, number * number)).collect())
    }

    #[tokio::test]
    async fn who_asks_at_once_is_asked_for_together_and_gets_their_own_answer() {
        let squares = Squares::new(BatchOptions::QUESTIONS, TIMEOUT, squares_of_even);
        squares.let_through(100);
        let answers = join_all((0..300).map(|number| squares.batcher.ask(number))).await;
        for (number, answer) in (0..).zip(answers) {
            assert_eq!(answer.unwrap(), (number % 2 == 0).then_some(number * number));
        }
        let sizes: Vec<usize> = squares.asked().iter().map(Vec::len).collect();
        assert_eq!(sizes, [128, 128, 44]);
    }

    #[tokio::test]
    async fn what_goes_in_turn_gathers_while_the_one_before_is_under_way() {
        let squares = Squares::new(BatchOptions::IN_TURN, TIMEOUT, squares_of_even);
        let mut first = Box::pin(squares.batcher.ask(2));
        while squares.asked().is_empty() {
            assert!(first.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        let later = join_all([4, 6, 8].map(|number| squares.batcher.ask(number)));
        let (first, later, ()) = tokio::join!(first, later, async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert_eq!(squares.asked(), [[2]], "no second statement beside it");
            squares.let_through(2);
        });
        assert_eq!(first.unwrap(), Some(4));
        let later: Vec<_> = later.into_iter().map(Result::unwrap).collect();
        assert_eq!(later, [Some(16), Some(36), Some(64)]);
        assert_eq!(squares.asked().len(), 2);
    }

    #[tokio::test]
    async fn one_who_asks_alone_waits_for_nobody() {
        let squares = Squares::new(BatchOptions::QUESTIONS, TIMEOUT, squares_of_even);
        squares.let_through(1);
        assert_eq!(squares.batcher.ask(4).await.unwrap(), Some(16));
        assert_eq!(squares.asked(), [[4]]);
    }

    #[tokio::test]
    async fn the_same_question_is_asked_once() {
        let squares = Squares::new(BatchOptions::QUESTIONS, TIMEOUT, squares_of_even);
        squares.let_through(1);
        let answers = join_all((0..50).map(|_| squares.batcher.ask(4))).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap() == Some(16)));
        assert_eq!(squares.asked(), [[4]]);
    }

    /// What makes an answer fresh: a question that comes while a statement is under way goes into a later one.
    #[tokio::test]
    async fn a_question_is_never_answered_by_a_statement_that_was_sent_before_it() {
        let squares = Squares::new(BatchOptions::QUESTIONS, TIMEOUT, squares_of_even);
        let mut early = Vec::new();
        for sent in 1..=BatchOptions::QUESTIONS.concurrency {
            early.push(Box::pin(squares.batcher.ask(4)));
            assert!(early[sent - 1].as_mut().now_or_never().is_none());
            while squares.asked().len() < sent {
                tokio::task::yield_now().await;
            }
        }
        let (late, ()) = tokio::join!(squares.batcher.ask(4), async {
            tokio::task::yield_now().await;
            assert_eq!(
                squares.asked().len(),
                BatchOptions::QUESTIONS.concurrency,
                "it waits for a worker"
            );
            squares.let_through(BatchOptions::QUESTIONS.concurrency + 1);
        });
        assert_eq!(late.unwrap(), Some(16));
        assert_eq!(squares.asked().len(), BatchOptions::QUESTIONS.concurrency + 1);
        assert!(
            join_all(early)
                .await
                .into_iter()
                .all(|answer| answer.unwrap() == Some(16))
        );
    }

    #[tokio::test]
    async fn who_goes_away_harms_nobody_and_is_not_asked_for() {
        let squares = Squares::new(BatchOptions::QUESTIONS, TIMEOUT, squares_of_even);
        assert!(squares.batcher.ask(1).now_or_never().is_none());
        assert!(squares.batcher.ask(2).now_or_never().is_none());
        squares.let_through(1);
        assert_eq!(squares.batcher.ask(4).await.unwrap(), Some(16));
        assert_eq!(squares.asked(), [[4]]);
    }

    #[tokio::test]
    async fn a_failure_is_everybodys_and_the_next_are_asked_for_again() {
        let squares = Squares::new(BatchOptions::QUESTIONS, TIMEOUT, |questions| {
            if questions.contains(&13) {
                return Err(Error::unavailable("unlucky"));
            }
            squares_of_even(questions)
        });
        squares.let_through(2);
        let answers = join_all([4, 13, 6].map(|number| squares.batcher.ask(number))).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Err(Error::Unavailable { .. })))
        );
        assert_eq!(squares.batcher.ask(4).await.unwrap(), Some(16));
    }

    #[tokio::test]
    async fn a_panic_leaves_nobody_waiting() {
        let squares = Squares::new(BatchOptions::QUESTIONS, TIMEOUT, |questions| {
            assert!(!questions.contains(&13), "unlucky");
            squares_of_even(questions)
        });
        squares.let_through(100);
        for _ in 0..BatchOptions::QUESTIONS.concurrency {
            assert!(matches!(squares.batcher.ask(13).await, Err(Error::Internal(_))));
        }
        assert_eq!(squares.batcher.ask(4).await.unwrap(), Some(16));
    }

    #[tokio::test]
    async fn who_stands_behind_a_panic_is_asked_for() {
        let squares = Squares::new(BatchOptions::IN_TURN, TIMEOUT, |questions| {
            assert!(!questions.contains(&13), "unlucky");
            squares_of_even(questions)
        });
        let mut unlucky = Box::pin(squares.batcher.ask(13));
        while squares.asked().is_empty() {
            assert!(unlucky.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        let (unlucky, behind, ()) = tokio::join!(unlucky, squares.batcher.ask(4), async { squares.let_through(2) });
        assert!(matches!(unlucky, Err(Error::Internal(_))));
        assert_eq!(behind.unwrap(), Some(16));
    }

    #[tokio::test]
    async fn a_store_that_hangs_is_not_waited_for_in_the_queue_either() {
        let squares = Squares::new(BatchOptions::QUESTIONS, Duration::from_millis(1), squares_of_even);
        let answers = join_all((0..1_000).map(|number| squares.batcher.ask(number))).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Err(Error::Unavailable { .. })))
        );
        assert_eq!(
            squares.asked().len(),
            BatchOptions::QUESTIONS.concurrency,
            "the rest stood in the queue"
        );
    }
}
