//! A PostgreSQL server with its durable defaults.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};

use super::process::{Process, eventually};
use crate::environment::{Environment, new_password};

/// Far longer than any transaction of the gateway.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The data directory of a new server. Copying it is faster than running `initdb` each time.
#[derive(Default)]
pub struct PostgresTemplate(OnceLock<Template>);

struct Template {
    folder: PathBuf,
    password: String,
}

pub struct Postgres {
    pub url: String,
    pub process: Process,
    address: SocketAddr,
    folder: PathBuf,
    is_ready_program: String,
}

impl Postgres {
    pub async fn start(env: &mut Environment) -> Self {
        let address = env.free_address();
        let folder = env.server_folder("postgres");
        let Template {
            folder: template,
            password,
        } = env.postgres_template().0.get_or_init(|| Template::make(env));
        succeed(
            env.server_command(&folder, "TERM", "cp")
                .arg("-R")
                .arg(template.join("data"))
                .arg("data"),
        );
        let postgres = Self {
            url: format!("postgres://postgres:{password}@{address}/postgres"),
            process: launch(env, &folder, address),
            address,
            folder,
            is_ready_program: env.postgres_program("pg_isready"),
        };
        postgres.wait_until_reachable().await;
        postgres
    }

    /// Starts the server again after a kill.
    pub async fn start_again(&mut self, env: &Environment) {
        self.process = launch(env, &self.folder, self.address);
        self.wait_until_reachable().await;
    }

    /// Whether every transaction ends once the load has stopped. A connection that stays in an open
    /// transaction would acknowledge writes that are never committed.
    pub async fn ends_transactions(&self) -> bool {
        let mut options = ConnectOptions::new(&self.url);
        options.sqlx_logging(false);
        let connection = Database::connect(options).await.unwrap();
        let query = "SELECT COUNT(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
        let started = Instant::now();
        while started.elapsed() < TRANSACTION_TIMEOUT {
            let statement = Statement::from_string(DbBackend::Postgres, query);
            let row = connection.query_one_raw(statement).await.unwrap().unwrap();
            if row.try_get_by_index::<i64>(0).unwrap() == 0 {
                return true;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        false
    }

    async fn wait_until_reachable(&self) {
        let is_ready = async || {
            Command::new(&self.is_ready_program)
                .args(["--quiet", "--host=127.0.0.1"])
                .arg(format!("--port={}", self.address.port()))
                .status()
                .unwrap()
                .success()
        };
        eventually("PostgreSQL answers", is_ready).await;
    }
}

impl Template {
    /// `password` sends the password in plain text. That is safe on loopback, and cheaper than
    /// SCRAM for an unoptimised client.
    fn make(env: &Environment) -> Self {
        let folder = env.server_folder("postgres-template");
        let password = new_password();
        let password_file = folder.join("password");
        env.private_file(&password_file, &password);
        succeed(
            env.server_command(&folder, "TERM", &env.postgres_program("initdb"))
                .arg("--pgdata=data")
                .arg(format!("--pwfile={}", password_file.display()))
                .args([
                    "--username=postgres",
                    "--auth=password",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--no-sync",
                ]),
        );
        Self { folder, password }
    }
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

fn launch(env: &Environment, folder: &Path, address: SocketAddr) -> Process {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command = env.server_command(folder, "QUIT", &env.postgres_program("postgres"));
    command
        .args([
            "-D",
            "data",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
        ])
        .arg("-c")
        .arg(format!("port={}", address.port()))
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    Process::start(&mut command)
}
