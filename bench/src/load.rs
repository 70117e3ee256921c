//! Loads: many connections at once, in a closed loop or at a constant rate, and what was measured meanwhile.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hdrhistogram::Histogram;

use crate::client::{Client, Clients};
use crate::http_connection::HttpConnection;
use crate::process::Meter;
use crate::{Failure, Result};

/// Digits that a latency is kept to.
const DIGITS: u8 = 3;

/// How requests follow each other.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// Each connection asks as soon as it has its answer.
    ClosedLoop,
    /// So many a second in all, whatever the responses do. A latency counts from when its request was due: one that had to wait for the
    /// answer before it waited for the server. Where the loader itself woke late, it counts from then.
    ConstantRate(f64),
}

/// One load on one or more servers.
pub struct Load<'a> {
    /// Connections are stats evenly over them.
    pub servers: &'a [SocketAddr],
    pub clients: &'a mut Clients,
    pub pace: Pace,
}

/// How long a measurement takes.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub counted: Duration,
}

/// What one load came to.
pub struct Outcome {
    pub responses: u64,
    pub seconds: f64,
    /// In microseconds.
    pub latencies: Histogram<u64>,
    pub failures: Failures,
}

/// How many responses were failures, and the first one.
#[derive(Debug, Default, Clone)]
pub struct Failures {
    pub count: u64,
    pub first: Option<String>,
}

/// The loads' outcomes, and the processor time of each meter's processes, in seconds.
pub struct Measured {
    pub outcomes: Vec<Outcome>,
    pub cpu_seconds: Vec<f64>,
}

struct Samples {
    latencies: Histogram<u64>,
    failures: Failures,
}

#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    until: Instant,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        to_f64(self.responses) / self.seconds
    }
}

impl Failures {
    pub fn record(&mut self, failure: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(failure);
    }

    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.first = self.first.take().or_else(|| other.first.clone());
    }
}

/// Puts all loads on at once, each on a thread of its own.
pub fn measure(loads: Vec<Load<'_>>, timing: Timing, meters: &[&Meter]) -> Result<Measured> {
    let from = Instant::now() + timing.warm_up;
    let window = Window {
        from,
        until: from + timing.counted,
    };
    thread::scope(|scope| {
        let threads: Vec<_> = loads
            .into_iter()
            .map(|mut load| scope.spawn(move || run_load(&mut load, window)))
            .collect();
        thread::sleep(window.from.saturating_duration_since(Instant::now()));
        let before = read_meters(meters)?;
        thread::sleep(window.until.saturating_duration_since(Instant::now()));
        let after = read_meters(meters)?;
        let outcomes: Result<Vec<Outcome>> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a load panicked".into())))
            .collect();
        Ok(Measured {
            outcomes: outcomes?,
            cpu_seconds: after.iter().zip(before).map(|(after, before)| after - before).collect(),
        })
    })
}

fn read_meters(meters: &[&Meter]) -> Result<Vec<f64>> {
    meters.iter().map(|meter| meter.cpu_seconds()).collect()
}

fn run_load(load: &mut Load<'_>, window: Window) -> Result<Outcome> {
    let samples = RefCell::new(Samples {
        latencies: new_histogram()?,
        failures: Failures::default(),
    });
    let connections = load.clients.len();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(join_all(load.clients.iter_mut().enumerate().map(
        async |(number, client)| {
            let address = load.servers[number % load.servers.len()];
            let result = match load.pace {
                Pace::ClosedLoop => run_closed_loop(client.as_mut(), address, window, &samples).await,
                Pace::ConstantRate(rate) => {
                    let every = Duration::from_secs_f64(to_f64(connections as u64) / rate);
                    let offset = Duration::from_secs_f64(to_f64(number as u64) / rate);
                    run_at_rate(client.as_mut(), address, (every, offset), window, &samples).await
                }
            };
            if let Err(error) = result {
                samples.borrow_mut().failures.record(|| error.to_string());
            }
        },
    )));
    let mut samples = samples.into_inner();
    if samples.latencies.is_empty() {
        // No ratio can be made of it, min of all a good one.
        samples
            .failures
            .record(|| "no answer came in the time that counts".to_owned());
    }
    Ok(Outcome {
        responses: samples.latencies.len(),
        seconds: (window.until - window.from).as_secs_f64(),
        latencies: samples.latencies,
        failures: samples.failures,
    })
}

async fn run_closed_loop(
    client: &mut dyn Client,
    address: SocketAddr,
    window: Window,
    samples: &RefCell<Samples>,
) -> Result<()> {
    let mut connection = HttpConnection::connect(address).await?;
    let mut sent_at = Instant::now();
    // What is on its way at the end is waited for, so that a client knows where it stands, but not counted.
    while sent_at < window.until {
        let answer = connection.send(client.request()).await?;
        let result = client.check(&answer);
        let received_at = Instant::now();
        samples.borrow_mut().check(result);
        if window.contains(received_at) {
            samples.borrow_mut().record(received_at - sent_at)?;
        }
        sent_at = received_at;
    }
    Ok(())
}

async fn run_at_rate(
    client: &mut dyn Client,
    address: SocketAddr,
    (every, offset): (Duration, Duration),
    window: Window,
    samples: &RefCell<Samples>,
) -> Result<()> {
    let mut connection = HttpConnection::connect(address).await?;
    let mut due = Instant::now() + offset;
    while due < window.until {
        let mut since = due;
        if Instant::now() < due {
            tokio::time::sleep_until(due.into()).await;
            since = Instant::now();
        }
        let answer = connection.send(client.request()).await?;
        let result = client.check(&answer);
        samples.borrow_mut().check(result);
        // Counted by when it was due: an answer that comes after the window must not be left out for being late.
        if window.contains(due) {
            samples.borrow_mut().record(since.elapsed())?;
        }
        due += every;
    }
    Ok(())
}

impl Samples {
    fn check(&mut self, result: std::result::Result<(), String>) {
        if let Err(failure) = result {
            self.failures.record(|| failure);
        }
    }

    fn record(&mut self, latency: Duration) -> Result<()> {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        Ok(self.latencies.record(micros)?)
    }
}

impl Window {
    fn contains(self, moment: Instant) -> bool {
        moment >= self.from && moment < self.until
    }
}

/// An empty histogram of microseconds that grows as it must.
pub fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new(DIGITS).map_err(Failure::from)
}

/// Counts here are far below 2^52.
#[allow(clippy::cast_precision_loss, reason = "no count of a run reaches 2^52")]
pub fn to_f64(count: u64) -> f64 {
    count as f64
}
