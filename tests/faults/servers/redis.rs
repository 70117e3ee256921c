//! A Redis server. It writes nothing to disk unless its options or commands say so.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{Process, eventually};
use crate::environment::{Environment, new_password};
use redis::{FromRedisValue, RedisResult};

/// Bounds the commands to a server that hangs.
const TIMEOUT: Duration = Duration::from_secs(10);

pub struct Redis {
    pub address: SocketAddr,
    pub process: Process,
    pub password: String,
    folder: PathBuf,
    options: Vec<String>,
}

impl Redis {
    pub async fn start(env: &mut Environment, options: &[&str]) -> Self {
        let password = new_password();
        Self::start_with_password(env, &password, options).await
    }

    /// Starts a server whose password others share, such as a replica.
    pub async fn start_with_password(env: &mut Environment, password: &str, options: &[&str]) -> Self {
        let folder = env.server_folder("redis");
        let config = format!("requirepass {password}\nmasterauth {password}\n");
        env.private_file(&folder.join("redis.conf"), &config);
        let address = env.free_address();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let redis = Self {
            address,
            process: launch(env, &folder, address, &options),
            password: password.to_owned(),
            folder,
            options,
        };
        redis.wait_until_reachable().await;
        redis
    }

    /// Starts the server again after a kill, with the data that it had written to disk.
    pub async fn start_again(&mut self, env: &Environment) {
        self.process = launch(env, &self.folder, self.address, &self.options);
        self.wait_until_reachable().await;
    }

    pub fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// The URL for a gateway that reaches the server through a proxy.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("redis://default:{}@{address}", self.password)
    }

    /// Runs a command that must succeed.
    pub async fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.ask(words)
            .await
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        let mut connection = redis::Client::open(self.url())?
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    /// A number from `INFO`.
    pub async fn info(&self, name: &str) -> u64 {
        let info: String = self.run(&["INFO"]).await;
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("INFO has no number {name}"))
    }

    async fn wait_until_reachable(&self) {
        let answers = async || self.ask::<String>(&["PING"]).await.is_ok();
        eventually("Redis answers", answers).await;
    }
}

fn launch(env: &Environment, folder: &Path, address: SocketAddr, options: &[String]) -> Process {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command = env.server_command(folder, "KILL", "redis-server");
    command
        .args([
            "redis.conf",
            "--bind",
            "127.0.0.1",
            "--port",
            &address.port().to_string(),
        ])
        .args(["--save", "", "--appendonly", "no"])
        .args(options)
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    Process::start(&mut command)
}
