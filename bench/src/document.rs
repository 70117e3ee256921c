//! Writes the results of a run, and the conditions it ran under, into `docs/performance.md`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use crate::environment::Servers;
use crate::{Failure, Result};

const BEGIN: &str = "<!-- Written by scripts/bench --write: begin -->";
const END: &str = "<!-- Written by scripts/bench --write: end -->";

/// One paragraph: date, commit, hardware and versions.
pub fn run_conditions(form: &str, servers: Option<&Servers>) -> Result<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("an unnamed processor", |model| {
        model.trim_start_matches([' ', '\t', ':'])
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let stores = match servers {
        Some(servers) => versions(servers)?,
        None => "SQLite alone".to_owned(),
    };
    Ok(format!(
        "{date}, commit {commit}, {form}; {cores} cores of {model}, Linux {kernel}; {stores}. Loader, gateway and servers on the same \
         machine.",
        date = stdout_of(Command::new("date").args(["-u", "+%F"]))?,
        commit = stdout_of(Command::new("git").args(["describe", "--always", "--dirty", "--exclude=*"]))?,
        cores = thread::available_parallelism()?,
        kernel = kernel.trim(),
    ))
}

fn versions(servers: &Servers) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&servers.postgres_url).await?;
        let postgres = sqlx::query("SHOW server_version").fetch_one(&mut connection).await?;
        let postgres: String = postgres.try_get(0)?;
        let mut redis = redis::Client::open(servers.redis_url.as_str())?
            .get_multiplexed_async_connection()
            .await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
        let redis = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        let postgres = postgres.split(' ').next().unwrap_or_default();
        Ok(format!(
            "PostgreSQL {postgres}, whose commits are on the disk, and Redis {}, which keeps nothing",
            redis.unwrap_or_default()
        ))
    })
}

fn stdout_of(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Replaces the text between the two markers of the document.
pub fn write(document: &Path, results: &str) -> Result<()> {
    let text = fs::read_to_string(document)?;
    fs::write(document, replaced(&text, results)?)?;
    Ok(())
}

fn replaced(text: &str, results: &str) -> Result<String> {
    let missing = || Failure::from(format!("the document lacks {BEGIN} or {END}"));
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", results.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_markers_is_replaced() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = replaced(&text, "new").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert!(replaced("a", "new").is_err());
    }
}
