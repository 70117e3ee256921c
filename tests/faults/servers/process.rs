//! A process of ours, and the signals that it gets.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Far more than anything here takes: only what never comes runs into it.
const TIMEOUT: Duration = Duration::from_mins(3);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A server's process and those that it has started; killed when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// In a process group of its own, so that Ctrl-C reaches this suite alone.
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        Self {
            child: child.unwrap_or_else(|error| panic!("{command:?} does not run: {error}")),
        }
    }

    /// To the process and all of its descendants. The process first: it must not start others meanwhile.
    pub fn signal(&self, signal: &str) {
        send(signal, &[self.child.id()]);
        send(signal, &descendants(self.child.id()));
    }

    /// SIGKILL for the process and its descendants; returns when they are gone.
    pub fn kill(&mut self) {
        // Stopped first: a process that sees its parent die, or its child, would act on it.
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

/// Asks until it is so.
///
/// # Panics
/// When it never is.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so().await {
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

/// PostgreSQL gives each of its processes a group of its own, so they are found by their parent.
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

/// `None` for a process that is gone, or dead and not yet buried.
fn parent(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before the last parenthesis may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (state != "Z").then_some(fields.next()?.parse().ok()?)
}
