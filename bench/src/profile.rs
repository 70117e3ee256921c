//! Samples with Linux `perf` where a server spends its CPU time, by category of code.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::process::Meter;
use crate::{Failure, Result};

/// Samples per second. A prime number avoids sampling in step with periodic work.
const FREQUENCY: &str = "997";

/// All categories, in the order of the tables.
pub const CATEGORIES: [&str; 12] = [
    NETWORK, SYSTEM, HTTP, TASKS, GRAPHQL, REDIS, SQL, SECRETS, JSON, MEMORY, LOG, OWN,
];
const NETWORK: &str = "Linux: network";
const SYSTEM: &str = "Linux: threads, timers, files";
const HTTP: &str = "HTTP (hyper, axum)";
const TASKS: &str = "tasks and timers (tokio)";
const GRAPHQL: &str = "GraphQL (async-graphql)";
const REDIS: &str = "Redis client";
const SQL: &str = "SQL client, SQLite";
const SECRETS: &str = "signatures and hashes";
const JSON: &str = "JSON";
const MEMORY: &str = "memory (allocating, copying)";
const LOG: &str = "log and counts";
const OWN: &str = "the gateway's own implementation";

/// Maps a name in a symbol to its category. The name that occurs first in the symbol decides.
const CRATES: [(&str, &str); 42] = [
    ("hyper", HTTP),
    ("http", HTTP),
    ("axum", HTTP),
    ("matchit", HTTP),
    ("tower", HTTP),
    ("bytes", HTTP),
    ("tokio", TASKS),
    ("mio", TASKS),
    ("futures", TASKS),
    ("async_graphql", GRAPHQL),
    ("redis", REDIS),
    ("combine", REDIS),
    ("backon", REDIS),
    ("sqlx", SQL),
    ("sea_orm", SQL),
    ("sea_query", SQL),
    ("sqlite3", SQL),
    ("aws_lc", SECRETS),
    ("argon2", SECRETS),
    ("blake2", SECRETS),
    ("curve25519", SECRETS),
    ("ed25519", SECRETS),
    ("Ledwards25519", SECRETS), // in assembly
    ("sha2", SECRETS),
    ("hmac", SECRETS),
    ("digest", SECRETS),
    ("jsonwebtoken", SECRETS),
    ("base64", SECRETS),
    ("rand", SECRETS),
    ("chacha20", SECRETS),
    ("serde", JSON),
    ("itoa", JSON),
    ("memchr", MEMORY),
    ("mem", MEMORY),
    ("zeroize", MEMORY),
    ("raw_vec", MEMORY),
    ("tracing", LOG),
    ("metrics", LOG),
    ("matchers", LOG),
    ("quick_cache", OWN),
    ("uuid", OWN),
    ("auth_gateway", OWN),
];

/// Words in names of kernel functions that move data between processes.
const NETWORK_WORDS: [&str; 12] = [
    "tcp", "sock", "skb", "inet", " ip_", "_ip_", "net", "loopback", "sendto", "recv", "sendmsg", "csum",
];

/// Words in names of C library functions that allocate, free or copy memory.
const MEMORY_WORDS: [&str; 5] = ["alloc", "free", "mem", "chunk", "tcache"];

/// A running `perf record`.
pub struct Recording {
    perf: Child,
    data: std::path::PathBuf,
}

/// The share of each category. The shares add up to 1.
pub type Shares = BTreeMap<&'static str, f64>;

impl Recording {
    /// Samples the meter's process for `length`.
    pub fn start(meter: &Meter, length: Duration, folder: &Path) -> Result<Self> {
        let data = folder.join("perf.data");
        let mut perf = Command::new("perf");
        perf.args(["record", "--quiet", "--event", "cpu-clock", "--freq", FREQUENCY])
            .args(["--pid", &meter.process().to_string()])
            .arg("--output")
            .arg(&data)
            .args(["--", "sleep", &length.as_secs_f64().to_string()]);
        let perf = perf.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let perf = perf.map_err(|error| {
            Failure::from(format!(
                "perf does not run ({error}); Debian has it in the package linux-perf"
            ))
        })?;
        Ok(Self { perf, data })
    }

    /// Waits for the recording to end and evaluates it.
    pub fn shares(mut self) -> Result<Shares> {
        if !self.perf.wait()?.success() {
            return Err("perf could not sample the server: it needs root, or kernel.perf_event_paranoid=1".into());
        }
        let mut report = Command::new("perf");
        report
            .args([
                "report",
                "--stdio",
                "--no-children",
                "--sort",
                "dso,symbol",
                "--field-separator",
                "\t",
            ])
            .arg("--input")
            .arg(&self.data);
        let report = report.stderr(Stdio::null()).output()?;
        if !report.status.success() {
            return Err("perf could not read what it has sampled".into());
        }
        Ok(shares(&String::from_utf8_lossy(&report.stdout)))
    }
}

fn shares(report: &str) -> Shares {
    let mut shares = Shares::new();
    for line in report.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.splitn(3, '\t').map(str::trim);
        if let (Some(percent), Some(object), Some(symbol)) = (columns.next(), columns.next(), columns.next())
            && let Ok(percent) = percent.trim_end_matches('%').parse::<f64>()
        {
            *shares.entry(category(object, symbol)).or_default() += percent / 100.0;
        }
    }
    shares
}

fn category(object: &str, symbol: &str) -> &'static str {
    if object.starts_with("[kernel") || symbol.starts_with("[k]") {
        let is_network = NETWORK_WORDS.iter().any(|word| symbol.contains(word));
        return if is_network { NETWORK } else { SYSTEM };
    }
    if object.starts_with('[') {
        return SYSTEM;
    }
    if object.starts_with("libc.so") {
        let is_memory = MEMORY_WORDS.iter().any(|word| symbol.contains(word));
        return if is_memory { MEMORY } else { SYSTEM };
    }
    let found = CRATES
        .iter()
        .filter_map(|(name, category)| Some((position(symbol, name)?, *category)));
    // A generic function of the standard library counts for the first crate among its type
    // parameters.
    found
        .min_by_key(|(position, _)| *position)
        .map_or(OWN, |(_, category)| category)
}

/// The position of a word in the symbol that begins with `name`.
fn position(symbol: &str, name: &str) -> Option<usize> {
    let begins = |at: &usize| !symbol[..*at].ends_with(|before: char| before.is_alphanumeric());
    symbol.match_indices(name).map(|(at, _)| at).find(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_counts_for_the_crate_that_it_names_first() {
        for (object, symbol, expected) in [
            ("[kernel.kallsyms]", "[k] tcp_sendmsg_locked", "Linux: network"),
            ("[kernel.kallsyms]", "[k] do_syscall_64", SYSTEM),
            ("[vdso]", "[.] __vdso_clock_gettime", SYSTEM),
            (
                "auth-gateway",
                "[.] <hyper::proto::h1::Conn<I, B, T>>::poll",
                "HTTP (hyper, axum)",
            ),
            (
                "auth-gateway",
                "[.] core::ptr::drop_in_place::<async_graphql::Request>",
                "GraphQL (async-graphql)",
            ),
            ("libc.so.6", "[.] _int_malloc", MEMORY),
            ("libc.so.6", "[.] cfree@GLIBC_2.2.5", MEMORY),
            ("libc.so.6", "[.] __GI___writev", SYSTEM),
            ("libc.so.6", "[.] __memmove_avx_unaligned_erms", MEMORY),
            ("auth-gateway", "[.] <auth_gateway::api::Api>::answer", OWN),
            ("auth-gateway", "[.] <core::fmt::Formatter>::pad", OWN),
        ] {
            assert_eq!(category(object, symbol), expected, "{symbol}");
            assert!(CATEGORIES.contains(&expected));
        }
    }

    #[test]
    fn shares_of_several_symbols_are_added() {
        let report =
            "# Samples: 4K\n#\n    25.00%\tlibc.so.6\t[.] _int_free\n    50.00%\t[kernel.kallsyms]\t[k] tcp_ack\n\n";
        let shares = shares(report);
        assert_eq!(shares.get("Linux: network"), Some(&0.5));
        assert_eq!(shares.get(MEMORY), Some(&0.25));
    }
}
