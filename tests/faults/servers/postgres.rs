//! A PostgreSQL server with its durable defaults.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};

use super::process::{Process, eventually};
use crate::stage::{Stage, new_password};

pub struct Postgres {
    pub url: String,
    pub process: Process,
    address: SocketAddr,
    folder: PathBuf,
    is_ready_program: String,
}

impl Postgres {
    pub async fn start(stage: &mut Stage) -> Self {
        let folder = stage.server_folder("postgres");
        let password = new_password();
        let password_file = folder.join("password");
        stage.private_file(&password_file, &password);
        initialise(stage, &folder, &password_file);
        let address = stage.free_address();
        let postgres = Self {
            url: format!("postgres://postgres:{password}@{address}/postgres"),
            process: launch(stage, &folder, address),
            address,
            folder,
            is_ready_program: stage.postgres_program("pg_isready"),
        };
        postgres.until_it_answers().await;
        postgres
    }

    /// Starts it again after its process has been killed.
    pub async fn start_again(&mut self, stage: &Stage) {
        self.process = launch(stage, &self.folder, self.address);
        self.until_it_answers().await;
    }

    /// Connections that hold a transaction open and do nothing: what is written on them is acknowledged and never stored.
    pub async fn forgotten_transactions(&self) -> i64 {
        let mut options = ConnectOptions::new(&self.url);
        options.sqlx_logging(false);
        let connection = Database::connect(options).await.unwrap();
        let query = "SELECT COUNT(*) FROM pg_stat_activity \
                     WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '1 second'";
        let row = connection
            .query_one_raw(Statement::from_string(DbBackend::Postgres, query))
            .await;
        row.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    async fn until_it_answers(&self) {
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

/// `password` sends the password as it is, which harms nobody on loopback and costs an unoptimised client little.
fn initialise(stage: &Stage, folder: &Path, password_file: &Path) {
    let made = stage
        .server(folder, "TERM", &stage.postgres_program("initdb"))
        .arg("--pgdata=data")
        .arg(format!("--pwfile={}", password_file.display()))
        .args([
            "--username=postgres",
            "--auth=password",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
}

fn launch(stage: &Stage, folder: &Path, address: SocketAddr) -> Process {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command = stage.server(folder, "QUIT", &stage.postgres_program("postgres"));
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
