//! Starts processes and reads their CPU time and memory from `/proc`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::load::to_f64;
use crate::{Failure, Result};

/// The unit in which Linux reports CPU time (proc(5)). It is the same on every architecture that
/// Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child process. It is killed on drop, and by the kernel if this process is killed.
pub struct Process {
    child: Child,
}

/// Reads the CPU time and the memory of a process.
#[derive(Debug, Clone)]
pub struct Meter {
    process: u32,
    scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    OneProcess,
    /// The process with all descendants, including those that have ended and been reaped.
    ProcessTree,
}

/// Prepares a command that the kernel kills when this process ends.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program).env_clear();
    command
}

impl Process {
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        let child = child.map_err(|error| format!("{command:?} does not run: {error}"))?;
        Ok(Self { child })
    }

    pub fn meter(&self) -> Meter {
        Meter::of(self.child.id())
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Meter {
    /// Measures one process without its children.
    pub fn of(process: u32) -> Self {
        let scope = Scope::OneProcess;
        Self { process, scope }
    }

    /// Measures a server that handles each connection in a child process.
    pub fn of_tree(process: u32) -> Self {
        let scope = Scope::ProcessTree;
        Self { process, scope }
    }

    /// Measures this process.
    pub fn own() -> Self {
        Self::of(std::process::id())
    }

    pub fn process(&self) -> u32 {
        self.process
    }

    /// User and system time so far, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let ticks: u64 = if self.scope == Scope::ProcessTree {
            let tree = self.tree().into_iter();
            tree.filter_map(Stat::of)
                .map(|stat| stat.ticks + stat.ticks_of_reaped)
                .sum()
        } else {
            let stat = Stat::of(self.process);
            stat.ok_or_else(|| Failure::from("a server ended while it was measured"))?
                .ticks
        };
        Ok(to_f64(ticks) / TICKS_PER_SECOND)
    }

    fn tree(&self) -> Vec<u32> {
        let all = all_processes();
        let mut tree = vec![self.process];
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            tree.extend(all.iter().filter(|stat| stat.parent == parent).map(|stat| stat.id));
            next += 1;
        }
        tree
    }

    /// Resident memory, in MiB.
    pub fn memory(&self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// Resident memory that is not backed by files, in MiB. The kernel cannot reclaim it by reading
    /// it from disk again.
    pub fn anonymous_memory(&self) -> Result<f64> {
        self.status("RssAnon:")
    }

    /// The highest resident memory so far, in MiB.
    pub fn peak_memory(&self) -> Result<f64> {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.process))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        let kibibytes: u64 = kibibytes.ok_or_else(|| Failure::from(format!("no {name} in /proc")))?;
        Ok(to_f64(kibibytes) / 1024.0)
    }
}

struct Stat {
    id: u32,
    parent: u32,
    ticks: u64,
    ticks_of_reaped: u64,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        Self::parse(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    fn parse(id: u32, text: &str) -> Option<Self> {
        // The process name, which ends at the last parenthesis, may contain any character.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_whitespace().collect();
        let sum = |range| -> Option<u64> {
            let ticks = fields.get::<std::ops::Range<usize>>(range)?.iter();
            ticks.map(|field| field.parse::<u64>().ok()).sum()
        };
        Some(Self {
            id,
            parent: fields.get(1)?.parse().ok()?,
            ticks: sum(11..13)?,
            ticks_of_reaped: sum(13..15)?,
        })
    }
}

fn all_processes() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(|entry| Stat::of(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_in_a_process_name_do_not_shift_the_fields() {
        let text = "7 (a) b) (c) S 3 1 1 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1";
        let stat = Stat::parse(7, text).unwrap();
        assert_eq!((stat.parent, stat.ticks, stat.ticks_of_reaped), (3, 30, 70));
    }

    #[test]
    fn memory_and_cpu_time_of_this_process_are_read() {
        let meter = Meter::own();
        let own = meter.anonymous_memory().unwrap();
        assert!(own > 0.0 && own < meter.memory().unwrap());
        assert!(meter.peak_memory().unwrap() >= meter.memory().unwrap() / 2.0);
        assert!(meter.cpu_seconds().unwrap() >= 0.0);
    }
}
