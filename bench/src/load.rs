//! Runs loads over many connections, in a closed loop or at a constant rate, and measures them.

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

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// When a connection sends its next request.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As soon as it has the response to the previous one.
    ClosedLoop,
    /// At a constant rate for all connections together, in requests per second. The latency counts
    /// from the time when the request was due. A request that waited for the previous response has
    /// therefore waited for the server. If the loader itself woke up late, the latency counts from
    /// then.
    ConstantRate(f64),
}

/// A load on one or more servers.
pub struct Load<'a> {
    /// The connections are distributed evenly over these.
    pub servers: &'a [SocketAddr],
    pub clients: &'a mut Clients,
    pub pace: Pace,
}

#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub counted: Duration,
}

/// The result of one load.
pub struct Outcome {
    pub responses: u64,
    pub seconds: f64,
    /// In microseconds.
    pub latencies: Histogram<u64>,
    pub failures: Failures,
}

/// The number of failed responses, and the first of them.
#[derive(Debug, Default, Clone)]
pub struct Failures {
    pub count: u64,
    pub first: Option<String>,
}

/// The outcomes of the loads, and for each meter the CPU time of its processes in seconds.
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

/// Runs all loads at the same time, each on its own thread.
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
        // An empty measurement must not lead to a good ratio.
        samples
            .failures
            .record(|| "no response came in the measured time".to_owned());
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
    // Responses after the window are awaited but not counted: the client needs the next token.
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
        // Count by the time when the request was due. Otherwise a response that comes after the
        // window would be left out because it was late.
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

/// An empty histogram of microseconds, which resizes itself.
pub fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new(DIGITS).map_err(Failure::from)
}

#[allow(clippy::cast_precision_loss, reason = "no count of a run reaches 2^52")]
pub fn to_f64(count: u64) -> f64 {
    count as f64
}
