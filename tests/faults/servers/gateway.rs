//! A gateway process with its log in a file.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::{Process, eventually};
use crate::environment::Environment;

const AUTH_SECRET: &str = "VGhpcyBzZWNyZXQgaXMgZm9yIHRlc3RzIGFsb25lLiEh";
const CHEAP_HASHES: [&str; 4] = [
    "--argon2-memory-kib=128",
    "--argon2-iterations=1",
    "--hash-threads=1",
    // All clients of the load come from one address.
    "--rate-limit=off",
];

const MAX_STARTS: usize = 10;

/// A node that can be killed and started again at the same address.
pub struct Gateway {
    pub address: SocketAddr,
    process: Process,
    options: Vec<String>,
    folder: PathBuf,
}

impl Gateway {
    pub async fn start(env: &mut Environment, options: &[String]) -> Self {
        let folder = env.folder("gateway");
        let address = env.free_address();
        let mut gateway = Self {
            address,
            process: launch(&folder, address, options),
            options: options.to_vec(),
            folder,
        };
        gateway.wait_until_live().await;
        gateway
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub async fn start_again(&mut self) {
        self.process = launch(&self.folder, self.address, &self.options);
        self.wait_until_live().await;
    }

    /// Waits until `/readyz` answers 200. Returns how long that took.
    pub async fn wait_until_ready(&self) -> Duration {
        let http = http_client();
        let started = Instant::now();
        let url = format!("http://{}/readyz", self.address);
        let is_ready = async || http.get(&url).send().await.is_ok_and(|answer| answer.status() == 200);
        eventually("the gateway is ready", is_ready).await;
        started.elapsed()
    }

    /// Runs a command of the gateway with the settings of this node.
    pub fn run(&self, arguments: &[&str]) -> Output {
        command(&self.folder)
            .args(&self.options)
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The lines of the audit log with this event.
    pub fn audit(&self, event: &str) -> Vec<Value> {
        self.log()
            .into_iter()
            .filter(|line| line["target"] == "audit" && line["event"] == event)
            .collect()
    }

    /// The number of errors in the log.
    pub fn errors(&self) -> usize {
        self.log().iter().filter(|line| line["level"] == "ERROR").count()
    }

    /// The number of warnings in the log, which report stores that are down.
    pub fn warnings(&self) -> usize {
        let is_warning = |line: &&Value| line["level"] == "WARN" && line["target"] != "audit";
        self.log().iter().filter(is_warning).count()
    }

    fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("log")).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// On an overloaded machine the gateway may find the database down and exit. It is then started
    /// again.
    async fn wait_until_live(&mut self) {
        let http = http_client();
        let url = format!("http://{}/livez", self.address);
        let log = self.folder.join("log");
        let mut starts = 1;
        let is_live = async || {
            if self.process.has_ended() {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                assert!(starts < MAX_STARTS, "the gateway did not start: {log}");
                self.process = launch(&self.folder, self.address, &self.options);
                starts += 1;
            }
            http.get(&url).send().await.is_ok()
        };
        eventually("the gateway is live", is_live).await;
    }
}

fn launch(folder: &Path, address: SocketAddr, options: &[String]) -> Process {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command = command(folder);
    command
        .args(["--port", &address.port().to_string()])
        .args(options)
        .stdout(Stdio::null())
        .stderr(log);
    Process::start(&mut command)
}

/// A command with an environment that only the suite sets. The kernel kills it when the suite ends.
fn command(folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_auth-gateway")])
        .args(CHEAP_HASHES)
        .current_dir(folder)
        .env_clear()
        .envs([("LOG_FORMAT", "json"), ("AUTH_SECRET", AUTH_SECRET)])
        .stdin(Stdio::null());
    command
}

fn http_client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    builder.timeout(Duration::from_secs(5)).build().unwrap()
}
