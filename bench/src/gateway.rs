//! Starts the gateway's release binary as operators run it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::process::{Meter, Process, command};
use crate::{Failure, Result};

const POLL_INTERVAL: Duration = Duration::from_micros(200);
/// Far longer than a start takes.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A gateway program and its stores.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The name in the tables.
    pub name: &'static str,
    pub program: PathBuf,
    /// The gateway's working directory. Its log is here too.
    pub folder: PathBuf,
    pub database_url: String,
    pub redis_url: Option<String>,
    pub auth_secret: String,
}

/// The cost of a password hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashing {
    /// The lowest cost that the gateway allows, for runs that do not measure hashing.
    Cheap,
    /// The gateway's default cost.
    Default,
}

/// A running gateway.
pub struct Gateway {
    pub address: SocketAddr,
    process: Process,
    /// From before the process existed to the first 200 of `/readyz`.
    pub started_in: Duration,
}

impl Deployment {
    /// Migrates the schema, as an operator does before a start in production.
    pub fn migrate(&self) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let output = self.command(Hashing::Default).args(["migrate", "up"]).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }

    /// Drops the program's file from the kernel's page cache, as if nothing had used it since boot.
    pub fn drop_cached_program(&self) -> Result<()> {
        // The kernel cannot drop pages that are not on disk yet.
        File::open(&self.program)?.sync_all()?;
        let mut dd = Command::new("dd");
        dd.args(["iflag=nocache", "count=0", "status=none"]);
        let mut file = OsString::from("if=");
        file.push(&self.program);
        let status = dd.arg(file).status()?;
        if status.success() {
            return Ok(());
        }
        Err(format!("{dd:?}: {status}").into())
    }

    /// Starts a gateway and waits until it is ready.
    pub fn start(&self, hashing: Hashing) -> Result<Gateway> {
        fs::create_dir_all(&self.folder)?;
        let log = self.folder.join("log");
        let address = free_address()?;
        let mut command = self.command(hashing);
        command
            .env("PORT", address.port().to_string())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let begun = Instant::now();
        let mut process = Process::start(&mut command)?;
        while !is_ready(address) {
            if process.has_ended() || begun.elapsed() > TIMEOUT {
                let log = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("the gateway does not start: {log}").into());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(Gateway {
            address,
            process,
            started_in: begun.elapsed(),
        })
    }

    /// Production settings, except that rate limits are off and access tokens outlive the run.
    fn command(&self, hashing: Hashing) -> Command {
        let mut command = command(&self.program);
        command
            .current_dir(&self.folder)
            .env("ENVIRONMENT", "production")
            .env("DATABASE_URL", &self.database_url)
            .env("AUTH_SECRET", &self.auth_secret)
            .env("ACCESS_TOKEN_TTL", "1d")
            .env("RATE_LIMIT", "off");
        if let Some(url) = &self.redis_url {
            command.env("REDIS_URL", url);
        }
        if hashing == Hashing::Cheap {
            command.env("ARGON2_MEMORY_KIB", "128").env("ARGON2_ITERATIONS", "1");
        }
        command
    }
}

impl Gateway {
    pub fn meter(&self) -> Meter {
        self.process.meter()
    }
}

/// A random secret that production mode accepts.
pub fn fresh_secret() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(STANDARD.encode(bytes))
}

/// An address on which nothing listens.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Failure::from)?;
    Ok(listener.local_addr()?)
}

fn is_ready(address: SocketAddr) -> bool {
    send(address, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

fn send(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
