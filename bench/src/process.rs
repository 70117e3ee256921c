//! Processes that a run starts, and what Linux tells of them in `/proc`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::load::to_f64;
use crate::{Failure, Result};

/// How Linux counts processor time for its users (proc(5)); it is the same on every architecture that Rust knows.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child; killed when dropped, and by the kernel should this process be killed.
pub struct Process {
    child: Child,
}

/// Reads the processor time and memory of a process.
#[derive(Debug, Clone)]
pub struct Meter {
    process: u32,
    scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    OneProcess,
    /// With all that descend from it, and those that they have buried.
    ProcessTree,
}

/// Prepares a program that gets a signal when this process ends.
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
    /// Of one process, whatever it has started.
    pub fn of(process: u32) -> Self {
        let scope = Scope::OneProcess;
        Self { process, scope }
    }

    /// Of a server that serves each connection by a process of its own.
    pub fn of_tree(process: u32) -> Self {
        let scope = Scope::ProcessTree;
        Self { process, scope }
    }

    /// Of this process.
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
            stat.ok_or_else(|| Failure::from("a server has ended during its measurement"))?
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

    /// Memory in use, in MiB.
    pub fn memory(&self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// Memory in use that holds no pages of files, in MiB: what nothing but the process needs, and cannot be had back from the disk.
    pub fn anonymous_memory(&self) -> Result<f64> {
        self.status("RssAnon:")
    }

    /// The max memory that was ever in use, in MiB.
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
        // The name before the last parenthesis may hold anything.
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
    fn a_name_with_parentheses_does_not_move_the_fields() {
        let text = "7 (a) b) (c) S 3 1 1 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1";
        let stat = Stat::parse(7, text).unwrap();
        assert_eq!((stat.parent, stat.ticks, stat.ticks_of_reaped), (3, 30, 70));
    }

    #[test]
    fn this_process_uses_memory() {
        let meter = Meter::own();
        let own = meter.anonymous_memory().unwrap();
        assert!(own > 0.0 && own < meter.memory().unwrap());
        assert!(meter.peak_memory().unwrap() >= meter.memory().unwrap() / 2.0);
        assert!(meter.cpu_seconds().unwrap() >= 0.0);
    }
}
