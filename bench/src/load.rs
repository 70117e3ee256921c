//! Loads: many connections at once, in a closed loop or at a constant rate, and what was measured meanwhile.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hdrhistogram::Histogram;

use crate::client::{Client, Crowd};
use crate::process::Meter;
use crate::wire::Wire;
use crate::{Failure, Result};

/// Digits that a latency is kept to.
const DIGITS: u8 = 3;

/// How requests follow each other.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// Each connection asks as soon as it has its answer.
    Closed,
    /// So many a second in all, whatever the answers do. A latency counts from when its request was due: one that had to wait for the
    /// answer before it waited for the server. Where the loader itself woke late, it counts from then.
    PerSecond(f64),
}

/// One load on one or more servers.
pub struct Load<'a> {
    /// Connections are spread evenly over them.
    pub servers: &'a [SocketAddr],
    pub crowd: &'a mut Crowd,
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
    pub answers: u64,
    pub seconds: f64,
    /// In microseconds.
    pub latencies: Histogram<u64>,
    pub failures: Failures,
}

/// How many answers were failures, and the first one.
#[derive(Debug, Default, Clone)]
pub struct Failures {
    pub count: u64,
    pub first: Option<String>,
}

/// The loads' outcomes, and the processor time of each meter's processes, in seconds.
pub struct Measured {
    pub outcomes: Vec<Outcome>,
    pub processor: Vec<f64>,
}

struct Tally {
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
        precise(self.answers) / self.seconds
    }
}

impl Failures {
    pub fn note(&mut self, failure: impl FnOnce() -> String) {
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
            .map(|mut load| scope.spawn(move || put_on(&mut load, window)))
            .collect();
        thread::sleep(window.from.saturating_duration_since(Instant::now()));
        let before = read(meters)?;
        thread::sleep(window.until.saturating_duration_since(Instant::now()));
        let after = read(meters)?;
        let outcomes: Result<Vec<Outcome>> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a load panicked".into())))
            .collect();
        Ok(Measured {
            outcomes: outcomes?,
            processor: after.iter().zip(before).map(|(after, before)| after - before).collect(),
        })
    })
}

fn read(meters: &[&Meter]) -> Result<Vec<f64>> {
    meters.iter().map(|meter| meter.processor_seconds()).collect()
}

fn put_on(load: &mut Load<'_>, window: Window) -> Result<Outcome> {
    let tally = RefCell::new(Tally {
        latencies: histogram()?,
        failures: Failures::default(),
    });
    let connections = load.crowd.len();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(join_all(load.crowd.iter_mut().enumerate().map(
        async |(number, client)| {
            let address = load.servers[number % load.servers.len()];
            let driven = match load.pace {
                Pace::Closed => drive(client.as_mut(), address, window, &tally).await,
                Pace::PerSecond(rate) => {
                    let every = Duration::from_secs_f64(precise(connections as u64) / rate);
                    let offset = Duration::from_secs_f64(precise(number as u64) / rate);
                    drive_at(client.as_mut(), address, (every, offset), window, &tally).await
                }
            };
            if let Err(error) = driven {
                tally.borrow_mut().failures.note(|| error.to_string());
            }
        },
    )));
    let mut tally = tally.into_inner();
    if tally.latencies.is_empty() {
        // No ratio can be made of it, least of all a good one.
        tally
            .failures
            .note(|| "no answer came in the time that counts".to_owned());
    }
    Ok(Outcome {
        answers: tally.latencies.len(),
        seconds: (window.until - window.from).as_secs_f64(),
        latencies: tally.latencies,
        failures: tally.failures,
    })
}

async fn drive(client: &mut dyn Client, address: SocketAddr, window: Window, tally: &RefCell<Tally>) -> Result<()> {
    let mut wire = Wire::connect(address).await?;
    let mut asked_at = Instant::now();
    // What is on its way at the end is waited for, so that a client knows where it stands, but not counted.
    while asked_at < window.until {
        let answer = wire.ask(client.request()).await?;
        let verdict = client.judge(&answer);
        let answered_at = Instant::now();
        tally.borrow_mut().judge(verdict);
        if window.holds(answered_at) {
            tally.borrow_mut().record(answered_at - asked_at)?;
        }
        asked_at = answered_at;
    }
    Ok(())
}

async fn drive_at(
    client: &mut dyn Client,
    address: SocketAddr,
    (every, offset): (Duration, Duration),
    window: Window,
    tally: &RefCell<Tally>,
) -> Result<()> {
    let mut wire = Wire::connect(address).await?;
    let mut due = Instant::now() + offset;
    while due < window.until {
        let mut since = due;
        if Instant::now() < due {
            tokio::time::sleep_until(due.into()).await;
            since = Instant::now();
        }
        let answer = wire.ask(client.request()).await?;
        let verdict = client.judge(&answer);
        tally.borrow_mut().judge(verdict);
        // Counted by when it was due: an answer that comes after the window must not be left out for being late.
        if window.holds(due) {
            tally.borrow_mut().record(since.elapsed())?;
        }
        due += every;
    }
    Ok(())
}

impl Tally {
    fn judge(&mut self, verdict: std::result::Result<(), String>) {
        if let Err(failure) = verdict {
            self.failures.note(|| failure);
        }
    }

    fn record(&mut self, latency: Duration) -> Result<()> {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        Ok(self.latencies.record(micros)?)
    }
}

impl Window {
    fn holds(self, moment: Instant) -> bool {
        moment >= self.from && moment < self.until
    }
}

/// An empty histogram of microseconds that grows as it must.
pub fn histogram() -> Result<Histogram<u64>> {
    Histogram::new(DIGITS).map_err(Failure::from)
}

/// Counts here are far below 2^52.
#[allow(clippy::cast_precision_loss, reason = "no count of a run reaches 2^52")]
pub fn precise(count: u64) -> f64 {
    count as f64
}
