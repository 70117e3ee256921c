//! A Redis server that keeps nothing on disk, unless it is told to.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{Process, eventually};
use crate::stage::{Stage, new_password};
use redis::{FromRedisValue, RedisResult};

/// For what is asked of a server that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Redis {
    pub address: SocketAddr,
    pub process: Process,
    pub password: String,
    folder: PathBuf,
    options: Vec<String>,
}

impl Redis {
    pub async fn start(stage: &mut Stage, options: &[&str]) -> Self {
        let password = new_password();
        Self::start_with_password(stage, &password, options).await
    }

    /// With a password that it shares with others.
    pub async fn start_with_password(stage: &mut Stage, password: &str, options: &[&str]) -> Self {
        let folder = stage.server_folder("redis");
        let config = format!("requirepass {password}\nmasterauth {password}\n");
        stage.private_file(&folder.join("redis.conf"), &config);
        let address = stage.free_address();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let redis = Self {
            address,
            process: launch(stage, &folder, address, &options),
            password: password.to_owned(),
            folder,
            options,
        };
        redis.until_it_answers().await;
        redis
    }

    /// Starts it again after its process has been killed; what it wrote to disk is there.
    pub async fn start_again(&mut self, stage: &Stage) {
        self.process = launch(stage, &self.folder, self.address, &self.options);
        self.until_it_answers().await;
    }

    pub fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// Where a gateway reaches it by way of somebody else.
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
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let mut connection = redis::Client::open(self.url())?
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    /// A number out of `INFO`.
    pub async fn info(&self, name: &str) -> u64 {
        let info: String = self.run(&["INFO"]).await;
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("INFO has no number {name}"))
    }

    async fn until_it_answers(&self) {
        let answers = async || self.ask::<String>(&["PING"]).await.is_ok();
        eventually("Redis answers", answers).await;
    }
}

fn launch(stage: &Stage, folder: &Path, address: SocketAddr, options: &[String]) -> Process {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command = stage.server(folder, "KILL", "redis-server");
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
