//! The baselines: the same kind of work without the gateway around it. Each runs in a process of
//! its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use argon2::Params;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use quick_argon2::{HashMemory, HashParams};
use redis::Script;
use redis::aio::ConnectionManager;

use crate::dataset::{DEFAULT_COST, PASSWORD};
use crate::load::to_f64;
use crate::process::{Meter, Process, command};
use crate::users::ResponseSizes;
use crate::{Result, gateway};

/// The core of a refresh: compare a counter, increment it, and extend the key's lifetime.
const SCRIPT: &str = "
local generation = redis.call('HGET', KEYS[1], 'generation')
if generation and tonumber(generation) < 0 then
  return -1
end
redis.call('HSET', KEYS[1], 'generation', (tonumber(generation) or 0) + 1, 'rotated', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1";

/// Bytes of a refresh request's body that identify the session. They are part of the token.
const KEY_IN_BODY: std::ops::Range<usize> = 18..42;

const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// A running server with bare handlers.
pub struct BareServer {
    pub address: SocketAddr,
    process: Process,
}

/// A running process that only hashes.
pub struct BareHashing {
    _process: Process,
}

#[derive(Clone)]
struct Bare {
    me: Bytes,
    sign_in: Bytes,
    script: Arc<Script>,
    redis: Option<ConnectionManager>,
}

impl BareServer {
    pub fn start(program: &Path, sizes: ResponseSizes, redis_url: Option<&str>) -> Result<Self> {
        let address = gateway::free_address()?;
        let mut command = command(program);
        command
            .args(["bare", "--port", &address.port().to_string()])
            .args(["--me-bytes", &sizes.me.to_string()])
            .args(["--sign-in-bytes", &sizes.sign_in.to_string()]);
        if let Some(url) = redis_url {
            command.env("BENCH_REDIS_URL", url);
        }
        let process = Process::start(&mut command)?;
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err("the bare server does not start".into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { address, process })
    }

    pub fn meter(&self) -> Meter {
        self.process.meter()
    }
}

impl BareHashing {
    /// Starts one hashing thread per core, as the gateway does. Dropping the value stops the
    /// process.
    pub fn start(program: &Path) -> Result<Self> {
        let process = Process::start(
            command(program)
                .args(["hash", "--seconds", "600"])
                .stdout(Stdio::null()),
        )?;
        Ok(Self { _process: process })
    }
}

/// Which implementation of argon2id computes the hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implementation {
    /// The gateway's own: `quick-argon2`, which uses AVX2 where the processor has it.
    QuickArgon2,
    Argon2Crate,
}

/// Hashes per second of a separate process with one thread per core, measured over `time`.
pub fn bare_hashes_per_second(program: &Path, implementation: Implementation, time: Duration) -> Result<f64> {
    let mut command = command(program);
    command.args(["hash", "--seconds", &time.as_secs_f64().to_string()]);
    if implementation == Implementation::Argon2Crate {
        command.arg("--portable");
    }
    let output = command.output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Serves `GET /me`, which answers at once, and `POST /refresh`, which first runs one Redis script
/// if there is a Redis.
pub async fn serve(address: SocketAddr, sizes: ResponseSizes, redis_url: Option<String>) -> Result<()> {
    let redis = match redis_url {
        Some(url) => Some(ConnectionManager::new(redis::Client::open(url)?).await?),
        None => None,
    };
    let bare = Bare {
        me: vec![b'.'; sizes.me].into(),
        sign_in: vec![b'.'; sizes.sign_in].into(),
        script: Arc::new(Script::new(SCRIPT)),
        redis,
    };
    let routes = Router::new()
        .route("/me", get(async |State(bare): State<Bare>| (JSON, bare.me)))
        .route("/refresh", post(refresh))
        .with_state(bare);
    let listener = tokio::net::TcpListener::bind(address).await?.tap_io(|connection| {
        let _best_effort = connection.set_nodelay(true);
    });
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn refresh(
    State(bare): State<Bare>,
    body: Bytes,
) -> std::result::Result<([(HeaderName, &'static str); 1], Bytes), StatusCode> {
    let key = body.get(KEY_IN_BODY).ok_or(StatusCode::BAD_REQUEST)?;
    if let Some(mut redis) = bare.redis {
        let mut call = bare.script.key(key);
        let outcome = call.arg(1_700_000_000_000_u64).arg(86_400_000).invoke_async(&mut redis);
        outcome
            .await
            .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
            .and_then(|moved: i64| (moved == 1).then_some(()).ok_or(StatusCode::CONFLICT))?;
    }
    Ok((JSON, bare.sign_in))
}

/// Hashes for `time` on every core and reuses the memory. Returns hashes per second.
pub fn hash(implementation: Implementation, time: Duration) -> Result<f64> {
    let threads = thread::available_parallelism()?.get();
    let begun = Instant::now();
    let hashes: Result<Vec<f64>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| scope.spawn(move || hash_until(implementation, begun + time)))
            .collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|rate| rate.unwrap_or_else(|_| Err("hashing panicked".into())))
            .collect()
    });
    Ok(hashes?.into_iter().sum())
}

/// Counts complete hashes only. Returns hashes per second.
fn hash_until(implementation: Implementation, end: Instant) -> Result<f64> {
    let (memory, passes, lanes) = DEFAULT_COST;
    let params = HashParams::argon2id(Params::new(memory, passes, lanes, None)?);
    let blocks = params.costs.block_count();
    let mut memory = match implementation {
        Implementation::QuickArgon2 => HashMemory::with_capacity(blocks),
        Implementation::Argon2Crate => HashMemory::portable_with_capacity(blocks),
    };
    let mut output = [0; 32];
    let (begun, mut hashes) = (Instant::now(), 0);
    while Instant::now() < end {
        memory.hash(&params, PASSWORD.as_bytes(), &[7; 16], &mut output)?;
        hashes += 1;
    }
    Ok(to_f64(hashes) / begun.elapsed().as_secs_f64())
}
