//! A child process, and the signals that it gets.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Far longer than any wait of this suite.
const TIMEOUT: Duration = Duration::from_mins(3);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A process with its descendants. They are killed on drop.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts the process in its own process group, so that Ctrl-C reaches only this suite.
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        Self {
            child: child.unwrap_or_else(|error| panic!("{command:?} does not run: {error}")),
        }
    }

    /// Signals the process and all of its descendants. The process comes first, so that it cannot
    /// start others meanwhile.
    pub fn signal(&self, signal: &str) {
        send(signal, &[self.child.id()]);
        send(signal, &descendants(self.child.id()));
    }

    /// Sends SIGKILL to the process and its descendants, and waits until they are gone.
    pub fn kill(&mut self) {
        // Stop the process first: it would react to the death of its parent or of a child.
        send("STOP", &[self.child.id()]);
        let others = descendants(self.child.id());
        send("KILL", &others);
        send("KILL", &[self.child.id()]);
        let _reaped = self.child.wait();
        let started = Instant::now();
        while others.iter().any(|other| parent(*other).is_some()) && started.elapsed() < TIMEOUT {
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill();
        }
    }
}

/// Polls until the condition holds. Returns how long that took.
///
/// # Panics
/// If the condition does not hold within the timeout.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < TIMEOUT, "{what}: not within {TIMEOUT:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    started.elapsed()
}

fn send(signal: &str, processes: &[u32]) {
    if processes.is_empty() {
        return;
    }
    let _some_may_have_ended = Command::new("kill")
        .args(["-s", signal])
        .args(processes.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status();
}

/// PostgreSQL gives each of its processes a group of its own, so descendants are found by their
/// parent.
fn descendants(process: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, parent(id)?)))
        .collect();
    let mut found = vec![process];
    let mut next = 0;
    while let Some(ancestor) = found.get(next).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, parent)| *parent == ancestor)
                .map(|(id, _)| id),
        );
        next += 1;
    }
    found.split_off(1)
}

/// `None` for a process that has ended, also if it has not been reaped yet.
fn parent(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The process name, which ends at the last parenthesis, may contain any character.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (state != "Z").then_some(fields.next()?.parse().ok()?)
}
