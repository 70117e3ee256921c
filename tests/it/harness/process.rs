//! The gateway's binary as a process, and the programs of tests/node.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// A gateway process. It is killed when dropped.
pub struct Process {
    child: Child,
    pub url: String,
    /// The URL of the metrics, which exist with `--admin-port` only.
    pub metrics_url: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts the gateway in `folder` on a free port and waits until it reports its URL.
    pub fn start(folder: &Path, options: &[&str]) -> Self {
        Self::start_in(folder, options, &[])
    }

    /// With environment variables.
    pub fn start_in(folder: &Path, options: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_writing(Stdio::piped(), folder, options, environment)
    }

    /// With a file for the log: an unread pipe fills up and blocks the process.
    pub fn start_logging(log: File, folder: &Path, options: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_writing(log.into(), folder, options, environment)
    }

    fn start_writing(log: Stdio, folder: &Path, options: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = gateway(folder)
            .args(["--port", "0"])
            .args(options)
            .envs(environment.iter().copied())
            .stderr(log)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut welcome = Vec::new();
        for line in lines {
            let is_last = line.starts_with("  Issuer");
            if is_last {
                let on_loopback = |url: &String| url.replace("localhost", "127.0.0.1");
                let url = on_loopback(&welcome[0]).trim_end_matches("/graphql").to_owned();
                let metrics_url = on_loopback(&welcome[welcome.len() - 1]);
                let log = child.stderr.take().map(collect_log).unwrap_or_default();
                return Self {
                    child,
                    url,
                    metrics_url,
                    log,
                };
            }
            welcome.extend(
                line.split_whitespace()
                    .filter(|word| word.starts_with("http://"))
                    .map(str::to_owned),
            );
        }
        let ended = child.wait_with_output().unwrap();
        panic!("the gateway did not start: {}", String::from_utf8_lossy(&ended.stderr));
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// The log lines since the start.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end of the process. Returns the exit code, or none after a signal.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Collects the log lines. An unread pipe would fill up and block the process.
fn collect_log(stderr: ChildStderr) -> Arc<Mutex<Vec<String>>> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    log
}

/// Runs a command of the gateway to its end.
pub fn run_to_end(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    gateway(folder)
        .args(arguments)
        .envs(environment.iter().copied())
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

/// Runs one of the programs in tests/node to its end.
pub fn node(arguments: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    assert!(
        folder.join("node_modules").exists(),
        "tests/node has no modules yet: run the tests with scripts/test"
    );
    Command::new("node")
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("node runs: scripts/test installs it")
}

/// A command without any inherited environment variable.
fn gateway(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-gateway"));
    command
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}
